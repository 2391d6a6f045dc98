//! The escapers: what came from outside becomes text that a terminal cannot obey.

use orc_domain::Untrusted;

/// Characters of one line that came from outside.
const LINE: usize = 400;

/// Text that is one line, made safe.
pub(crate) fn safe(text: &str) -> String {
    Untrusted::new(text).for_line(LINE)
}

/// One word for a shell, quoted where need be, made safe.
pub(crate) fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,@%+".contains(c);
    let shown = safe(text);
    if !shown.is_empty() && shown.chars().all(plain) { shown } else { format!("'{}'", shown.replace('\'', r"'\''")) }
}

/// Program and arguments as one would type them, made safe.
pub(crate) fn argv(argv: &[String]) -> String {
    argv.iter().map(|argument| word(argument)).collect::<Vec<_>>().join(" ")
}

/// Names of persons, roles or groups, joined by commas; `nobody` where there are none.
pub(crate) fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { "nobody".to_owned() } else { items.join(", ") }
}

/// Breaks `text` at spaces into lines of at most `width` columns, counted in characters. A longer word stays whole: it can be copied.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            let longer = line.chars().count() + 1 + word.chars().count();
            if !line.is_empty() && longer > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

/// So many of a thing: `1 commit`, `2 commits`.
pub(crate) fn count(number: u64, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// Milliseconds as a person says them.
pub(crate) fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000..3_600_000 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
        _ => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_can_be_pasted_and_obey_nobody() {
        for (given, shown) in [
            ("pnpm", "pnpm"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$(rm)", "'$(rm)'"),
            ("\u{1b}[2J", "'\u{fffd}[2J'"),
            ("a\nb", "'a⏎b'"),
        ] {
            assert_eq!(word(given), shown, "{given:?}");
        }
    }

    #[test]
    fn lines_break_at_spaces_and_long_words_stay_whole() {
        assert_eq!(wrap("aa bb cc", 5), ["aa bb", "cc"]);
        assert_eq!(wrap("aaaaaaaa b", 5), ["aaaaaaaa", "b"]);
        assert_eq!(wrap("a\n\nb", 5), ["a", "", "b"]);
    }

    #[test]
    fn durations_are_said_in_two_units() {
        let cases = [(7, "7 ms"), (1_250, "1.2 s"), (61_000, "1 min 1 s"), (7_260_000, "2 h 1 min")];
        for (ms, said) in cases {
            assert_eq!(duration(ms), said);
        }
    }
}
