//! Texts of bounded length, and what is hidden in them. What a worker wrote may be a megabyte; what is said about it must not be.

/// `text`, cut to at most `max` bytes between two characters. What was cut ends in `…`.
pub fn cut(text: &str, max: usize) -> String {
    const SIGN: &str = "…";
    if text.len() <= max {
        return text.to_owned();
    }
    let Some(room) = max.checked_sub(SIGN.len()) else { return String::new() };
    let end = (0..=room).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    format!("{}{SIGN}", text[..end].trim_end())
}

/// `text` as one line of at most `max` bytes: line breaks, tabs, other control characters and runs of spaces become one space each.
pub fn one_line(text: &str, max: usize) -> String {
    let mut line = String::with_capacity(text.len().min(max));
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    for word in words {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        // Enough to know that it must be cut: the rest of a megabyte is not looked at.
        if line.len() > max {
            break;
        }
    }
    cut(&line, max)
}

/// `text` as it can be shown in a message: one line of at most `max` bytes, hidden characters written as `\u{…}`.
pub fn shown(text: &str, max: usize) -> String {
    // No more than can be shown is looked at.
    let mut visible = String::new();
    for c in one_line_chars(text) {
        if is_hidden(c) {
            visible.extend(c.escape_unicode())
        } else {
            visible.push(c)
        }
        if visible.len() > max {
            break;
        }
    }
    cut(visible.trim(), max)
}

/// Line breaks and tabs as spaces.
fn one_line_chars(text: &str) -> impl Iterator<Item = char> {
    text.trim().chars().map(|c| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c })
}

/// Whether a reader does not see this character, or sees others elsewhere because of it: controls (but for line breaks and tabs),
/// bidirectional controls, zero-width characters, line and paragraph separators, tags, noncharacters. The host's list.
pub fn is_hidden(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        || matches!(c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        let table = [
            ("", 0, ""),
            ("short", 5, "short"),
            ("longer", 5, "lo…"),
            ("ééé", 6, "ééé"),
            ("éééé", 6, "é…"),
            ("ab cdef", 6, "ab…"),
            ("abcd", 3, "…"),
            ("abcd", 2, ""),
        ];
        for (text, max, expected) in table {
            let cut = cut(text, max);
            assert_eq!(cut, expected, "{text} to {max}");
            assert!(cut.len() <= max, "{text} to {max}");
        }
    }

    #[test]
    fn what_is_shown_hides_nothing() {
        let table = [
            ("plain", "plain"),
            (" a\nb\t", "a b"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("日本", "日本"),
            ("\u{e0041}", "\\u{e0041}"),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text, 100), expected, "{text:?}");
        }
        assert_eq!(shown(&"ab\u{200b}".repeat(1_000_000), 12), "ab\\u{200b…");
        assert!(shown(&"\u{200b}".repeat(1_000_000), 12).len() <= 12);
    }

    #[test]
    fn what_nobody_sees_is_hidden() {
        for c in "\u{0}\u{1b}\u{7f}\u{85}\u{200b}\u{200e}\u{202e}\u{2066}\u{feff}\u{e0041}".chars() {
            assert!(is_hidden(c), "{c:?}");
        }
        for c in "a é\n\t\r日🦀\u{a0}…".chars() {
            assert!(!is_hidden(c), "{c:?}");
        }
    }

    #[test]
    fn a_line_has_no_breaks_and_no_controls() {
        let table =
            [("a\nb", "a b"), ("  a \t\r\n  b  ", "a b"), ("\u{1b}[31mred\u{7}", "[31mred"), ("a\u{2028}b\u{85}c", "a b c"), (" \n ", "")];
        for (text, expected) in table {
            assert_eq!(one_line(text, 100), expected, "{text:?}");
        }
        assert_eq!(one_line(&"word ".repeat(1_000_000), 10), "word wo…");
        assert_eq!(one_line(&"x".repeat(1_000_000), 10).len(), 10);
    }
}
