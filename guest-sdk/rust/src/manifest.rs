//! `guest.toml`, read by the compiler: what `describe` answers can never differ from the manifest beside the component.

/// What a guest is, in the words of its manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manifest {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// The whole file.
    pub text: &'static str,
}

impl Manifest {
    /// Reads a manifest whose `kind` and `world` must be these. Panics, so does not compile, where it does not fit.
    ///
    /// It knows one form of line, `key = "value"` without escapes above the first table; the host reads the file as full TOML and
    /// compares.
    #[doc(hidden)]
    pub const fn read(text: &'static str, kind: &str, world: &str) -> Self {
        assert!(same(value(text, "kind").as_bytes(), kind.as_bytes()), "guest.toml: `kind` does not fit the macro that was used");
        assert!(same(value(text, "world").as_bytes(), world.as_bytes()), "guest.toml: `world` does not fit the macro that was used");
        Self { name: value(text, "name"), version: value(text, "version"), summary: value(text, "summary"), text }
    }
}

/// The value of `key = "value"` above the first table.
const fn value(text: &'static str, key: &str) -> &'static str {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let end = find(bytes, at, b'\n');
        assert!(bytes[at] != b'[', "guest.toml: one of `name`, `version`, `kind`, `summary`, `world` is missing above the first table");
        if let Some(from) = value_start(bytes, at, end, key.as_bytes()) {
            let to = find(bytes, from, b'"');
            assert!(to < end, "guest.toml: a value does not end on its line");
            assert!(find(bytes, from, b'\\') >= to, "guest.toml: `name`, `version`, `kind`, `summary` and `world` take no escapes");
            return text.split_at(to).0.split_at(from).1;
        }
        at = end + 1;
    }
    panic!("guest.toml: one of `name`, `version`, `kind`, `summary`, `world` is missing")
}

/// Where the value starts if the line at `at..end` is `key = "`.
const fn value_start(bytes: &[u8], at: usize, end: usize, key: &[u8]) -> Option<usize> {
    let after_key = at + key.len();
    if after_key >= end || !same(bytes.split_at(after_key).0.split_at(at).1, key) {
        return None;
    }
    let equals = skip_blanks(bytes, after_key);
    if equals >= end || bytes[equals] != b'=' {
        return None;
    }
    let quote = skip_blanks(bytes, equals + 1);
    if quote < end && bytes[quote] == b'"' { Some(quote + 1) } else { None }
}

const fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && (bytes[at] == b' ' || bytes[at] == b'\t') {
        at += 1;
    }
    at
}

const fn find(bytes: &[u8], mut at: usize, wanted: u8) -> usize {
    while at < bytes.len() && bytes[at] != wanted {
        at += 1;
    }
    at
}

const fn same(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut at = 0;
    while at < left.len() {
        if left[at] != right[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# a comment\nname = \"a-gate\"\nversion=\"1.2.3\"\nkind = \"gate\"\nsummary = \"Does; [things]\"\nworld = \"w\"\n[settings]\nname = \"no\"\n";

    #[test]
    fn reads_the_lines_above_the_first_table() {
        let manifest = Manifest::read(GOOD, "gate", "w");
        assert_eq!((manifest.name, manifest.version, manifest.summary), ("a-gate", "1.2.3", "Does; [things]"));
    }

    #[test]
    #[should_panic(expected = "`kind` does not fit")]
    fn refuses_another_kind() {
        Manifest::read(GOOD, "hook", "w");
    }

    #[test]
    #[should_panic(expected = "missing above the first table")]
    fn takes_nothing_from_a_table() {
        Manifest::read("kind = \"gate\"\nworld = \"w\"\n[settings]\nname = \"no\"\n", "gate", "w");
    }

    #[test]
    #[should_panic(expected = "take no escapes")]
    fn refuses_escapes() {
        Manifest::read("kind = \"ga\\te\"\n", "gate", "w");
    }
}
