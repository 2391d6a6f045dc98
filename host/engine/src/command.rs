//! From the command as typed to program and arguments. Never a shell: what only a shell would understand is refused, not passed on.

use orc_domain::project::Argv;
use orc_domain::{ErrorCode, OrcError, Untrusted};

/// The longest command text, in bytes.
const MAX_TEXT: usize = 8 * 1024;
/// Characters that a shell would act on outside quotes.
const SHELL: &str = "|&;<>()$`\\*?[]{}~#!\n\r";
/// Characters that a shell would act on inside double quotes.
const SHELL_IN_QUOTES: &str = "$`";

/// Splits a command into words: blanks separate, `'…'` is literal, `"…"` takes `\"` and `\\`. Anything that a shell would expand,
/// chain or redirect is refused, so that what a person reads is what the program gets.
///
/// # Errors
/// `invalid-command`, naming the character and its column, counted in characters from 1.
pub fn parse(text: &str) -> Result<Argv, OrcError> {
    if text.len() > MAX_TEXT {
        return Err(refuse(format!("the command is longer than {MAX_TEXT} bytes")));
    }
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars().enumerate();
    while let Some((at, c)) = chars.next() {
        match c {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => literal(&mut chars, at, word.get_or_insert_default())?,
            '"' => quoted(&mut chars, at, word.get_or_insert_default())?,
            c if SHELL.contains(c) => return Err(shell_character(c, at)),
            c if c.is_control() => return Err(refuse(format!("a control character stands in column {}", at + 1))),
            // `FOO=1 cmd` sets a variable in a shell and names a program here: say so instead of failing later.
            '=' if words.is_empty() => return Err(shell_character('=', at)),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    match words.first().map(String::as_str) {
        None => Err(refuse("the command is empty".to_owned())),
        Some("") => Err(refuse("the program's name is empty".to_owned())),
        Some(_) => Ok(words),
    }
}

type Chars<'a> = std::iter::Enumerate<std::str::Chars<'a>>;

fn literal(chars: &mut Chars<'_>, open: usize, word: &mut String) -> Result<(), OrcError> {
    for (at, c) in chars.by_ref() {
        match c {
            '\'' => return Ok(()),
            c => push(word, c, at)?,
        }
    }
    Err(unclosed('\'', open))
}

fn quoted(chars: &mut Chars<'_>, open: usize, word: &mut String) -> Result<(), OrcError> {
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok(()),
            '\\' => match chars.next() {
                Some((_, c @ ('"' | '\\'))) => word.push(c),
                _ => return Err(shell_character('\\', at)),
            },
            c if SHELL_IN_QUOTES.contains(c) => return Err(shell_character(c, at)),
            c => push(word, c, at)?,
        }
    }
    Err(unclosed('"', open))
}

fn push(word: &mut String, c: char, at: usize) -> Result<(), OrcError> {
    if c == '\0' || (c.is_control() && c != '\t') {
        return Err(refuse(format!("a control character stands in column {}", at + 1)));
    }
    word.push(c);
    Ok(())
}

fn refuse(why: String) -> OrcError {
    OrcError::new(ErrorCode::InvalidCommand, why)
}

fn unclosed(quote: char, open: usize) -> OrcError {
    refuse(format!("the quote {quote} in column {} is never closed", open + 1))
}

fn shell_character(c: char, at: usize) -> OrcError {
    let shown = Untrusted::new(c.to_string()).for_line(1);
    refuse(format!("`{shown}` in column {} would need a shell, and ORC runs none", at + 1))
        .hint("quote it with '…' if the program is to get it as it is, or put the steps into a script of the project and plan that")
}

/// The command as a person would type it: words that need it are quoted.
pub(crate) fn display(argv: &[String]) -> String {
    let plain =
        |word: &str| !word.is_empty() && !word.chars().any(|c| c.is_whitespace() || c == '\'' || c == '"' || c == '=' || SHELL.contains(c));
    let words = argv.iter().map(|word| if plain(word) { word.clone() } else { format!("'{}'", word.replace('\'', r#"'"'"'"#)) });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn splits_as_a_person_reads_it() {
        let table: &[(&str, &[&str])] = &[
            ("pnpm build", &["pnpm", "build"]),
            ("  cargo\ttest  --workspace ", &["cargo", "test", "--workspace"]),
            (r#"grep 'a b' "c \"d\" \\""#, &["grep", "a b", r#"c "d" \"#]),
            ("python -m pytest -k 'not slow'", &["python", "-m", "pytest", "-k", "not slow"]),
            ("echo '' x", &["echo", "", "x"]),
            ("cmd --opt=value", &["cmd", "--opt=value"]),
            ("cmd a'b'c", &["cmd", "abc"]),
            ("cmd '$HOME;|&'", &["cmd", "$HOME;|&"]),
        ];
        for (text, words) in table {
            assert_eq!(parse(text).unwrap(), *words, "{text}");
        }
    }

    #[test]
    fn refuses_what_only_a_shell_understands() {
        let table = [
            ("", "empty"),
            ("   ", "empty"),
            ("'' x", "name is empty"),
            ("a; b", "column 2"),
            ("a && b", "column 3"),
            ("a | b", "column 3"),
            ("a > b", "column 3"),
            ("echo $HOME", "column 6"),
            ("echo \"$HOME\"", "column 7"),
            ("echo `id`", "column 6"),
            ("echo \"`id`\"", "column 7"),
            ("a\nb", "column 2"),
            ("rm *", "column 4"),
            ("a \\; b", "column 3"),
            ("a 'b", "never closed"),
            ("a \"b", "never closed"),
            ("FOO=1 cmd", "column 4"),
            ("a \u{1b}[2J", "control character"),
            ("a 'b\0'", "control character"),
        ];
        for (text, expected) in table {
            let error = parse(text).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidCommand, "{text}");
            assert!(error.message.contains(expected), "{text}: {}", error.message);
        }
    }

    proptest! {
        #[test]
        fn what_is_displayed_parses_to_the_same_words(argv in prop::collection::vec("[ -&(-~]{0,12}", 1..5)) {
            prop_assume!(!argv[0].is_empty());
            prop_assert_eq!(parse(&display(&argv)).unwrap(), argv);
        }

        #[test]
        fn never_panics(text in ".*") {
            let _ = parse(&text);
        }
    }
}
