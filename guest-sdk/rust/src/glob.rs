//! Path patterns. A pattern matches the whole path, from the project's root:
//!
//! | in a pattern | means |
//! |---|---|
//! | `*` | any characters within one part of a path |
//! | `?` | one character within one part |
//! | `**` as a whole part | any number of parts, also none; at the end of a pattern at least one |
//!
//! `*.rs` is a file at the root, `**/*.rs` one anywhere, `docs/**` everything beneath `docs`. Upper and lower case differ. Anything else
//! that other tools give a meaning (`[a-z]`, `{a,b}`, `!`, `\`, a `/` at either end) is an error, never a literal.

use serde::de::{Deserialize, Deserializer, Error};

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// `**`
    Any,
    One(String),
}

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it and what to write instead.
    pub fn new(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("the pattern `{text}` {why}"));
        if text.is_empty() {
            return wrong("is empty");
        }
        if let Some(sign) = text.chars().find(|c| "[]{}!\\".contains(*c)) {
            return wrong(&format!("contains `{sign}`, which has no meaning here: write one pattern for each case"));
        }
        if text.starts_with('/') {
            return wrong("begins with `/`: paths are relative to the project's root");
        }
        if text.ends_with('/') {
            return wrong("ends with `/`: write `dir/**` for everything beneath a directory");
        }
        let parts = text.split('/').map(|part| if part == "**" { Part::Any } else { Part::One(part.to_owned()) });
        for part in text.split('/') {
            match part {
                "" | "." | ".." => return wrong("has an empty part, `.` or `..`: no path has"),
                "**" => {}
                part if part.contains("**") => return wrong("has `**` beside other characters: it must be a part of its own"),
                _ => {}
            }
        }
        Ok(Self { text: text.to_owned(), parts: parts.collect() })
    }

    /// The pattern as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the pattern matches `path`.
    pub fn matches(&self, path: &str) -> bool {
        self.matches_parts(&path.split('/').collect::<Vec<_>>())
    }

    fn matches_parts(&self, path: &[&str]) -> bool {
        match self.parts.split_last() {
            Some((Part::Any, before)) => {
                (0..path.len()).any(|length| last_fits(before, &path[..length]) && parts_match(before, &path[..length]))
            }
            _ => last_fits(&self.parts, path) && parts_match(&self.parts, path),
        }
    }

    /// Whether the pattern can match something beneath `dir`: then what stands at `dir` decides what the pattern is about.
    pub fn can_match_beneath(&self, dir: &str) -> bool {
        let dir: Vec<&str> = dir.split('/').collect();
        let open_end = usize::from(self.parts.last() == Some(&Part::Any));
        (1..self.parts.len() + open_end).any(|length| parts_match(&self.parts[..length], &dir))
    }
}

/// Patterns, read from a list of strings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Globs(Vec<Glob>);

impl Globs {
    /// Reads patterns.
    ///
    /// # Errors
    /// A sentence about the first that is none.
    pub fn new(texts: &[&str]) -> Result<Self, String> {
        texts.iter().map(|text| Glob::new(text)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first that matches `path`.
    pub fn first_match(&self, path: &str) -> Option<&Glob> {
        let path: Vec<&str> = path.split('/').collect();
        self.0.iter().find(|glob| glob.matches_parts(&path))
    }

    /// Whether one matches `path`.
    pub fn matches(&self, path: &str) -> bool {
        self.first_match(path).is_some()
    }

    /// All of them, as written.
    pub fn iter(&self) -> impl Iterator<Item = &Glob> {
        self.0.iter()
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Globs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self)
    }
}

/// The usual greedy walk: on a mismatch the last `**` takes one part more. Linear in pattern times path, whatever the pattern.
fn parts_match(pattern: &[Part], path: &[&str]) -> bool {
    let (mut p, mut at) = (0, 0);
    let mut retry = None;
    while at < path.len() {
        match pattern.get(p) {
            Some(Part::Any) => {
                retry = Some((p, at));
                p += 1;
                continue;
            }
            Some(Part::One(part)) if part_matches(part.as_bytes(), path[at].as_bytes()) => {
                (p, at) = (p + 1, at + 1);
                continue;
            }
            _ => {}
        }
        let Some((any, taken)) = retry else { return false };
        retry = Some((any, taken + 1));
        (p, at) = (any + 1, taken + 1);
    }
    pattern[p..].iter().all(|part| *part == Part::Any)
}

/// Whether the last part of a pattern allows the last part of a path. It decides most: `**/Cargo.lock` against thousands of other names
/// must not cost a look at each directory.
fn last_fits(pattern: &[Part], path: &[&str]) -> bool {
    match (pattern.last(), path.last()) {
        (Some(Part::One(pattern)), Some(name)) => part_matches(pattern.as_bytes(), name.as_bytes()),
        (Some(Part::One(_)), None) => false,
        _ => true,
    }
}

fn part_matches(pattern: &[u8], text: &[u8]) -> bool {
    if pattern.first().is_some_and(|first| !matches!(first, b'*' | b'?') && text.first() != Some(first)) {
        return false;
    }
    let (mut p, mut at) = (0, 0);
    let mut retry = None;
    while at < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, at));
                p += 1;
                continue;
            }
            Some(b'?') => {
                (p, at) = (p + 1, next_char(text, at));
                continue;
            }
            Some(byte) if *byte == text[at] => {
                (p, at) = (p + 1, at + 1);
                continue;
            }
            _ => {}
        }
        let Some((star, taken)) = retry else { return false };
        retry = Some((star, taken + 1));
        (p, at) = (star + 1, taken + 1);
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

fn next_char(text: &[u8], mut at: usize) -> usize {
    at += 1;
    while at < text.len() && text[at] & 0xc0 == 0x80 {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_paths() {
        let table: &[(&str, &[&str], &[&str])] = &[
            ("Cargo.lock", &["Cargo.lock"], &["a/Cargo.lock", "Cargo.lock2", "cargo.lock"]),
            ("*.rs", &["a.rs", ".rs"], &["a/b.rs", "a.rs.txt"]),
            ("**/*.rs", &["a.rs", "a/b.rs", "a/b/c.rs"], &["a.rst"]),
            ("docs/**", &["docs/a", "docs/a/b"], &["docs", "docs2/a", "a/docs/b"]),
            ("**", &["a", "a/b"], &[]),
            ("a/**/z", &["a/z", "a/b/z", "a/b/c/z", "a/z/z"], &["z", "a/b", "b/a/z"]),
            ("**/x/**/y", &["x/y", "q/x/y", "x/q/y", "x/x/q/y"], &["y", "x", "y/x"]),
            ("a?c", &["abc", "aéc"], &["ac", "abbc"]),
            ("*a*b*", &["ab", "xaxbx", "aab"], &["ba", "a/b"]),
            (".github/workflows/*.y*ml", &[".github/workflows/ci.yml", ".github/workflows/ci.yaml"], &[".github/workflows/x/ci.yml"]),
        ];
        for (pattern, hits, misses) in table {
            let glob = Glob::new(pattern).unwrap();
            for path in *hits {
                assert!(glob.matches(path), "{pattern} should match {path}");
            }
            for path in *misses {
                assert!(!glob.matches(path), "{pattern} should not match {path}");
            }
        }
    }

    #[test]
    fn a_path_above_a_pattern_is_known() {
        let table: &[(&str, &[&str], &[&str])] = &[
            (".github/workflows/**", &[".github", ".github/workflows", ".github/workflows/deep"], &["src", ".github/actions", ".githu"]),
            ("a/*/c", &["a", "a/b"], &["b", "a/b/c", "a/b/c/d"]),
            ("**/secret", &["a", "a/b"], &[]),
            ("Cargo.toml", &[], &["Cargo.toml", "a"]),
        ];
        for (pattern, hits, misses) in table {
            let glob = Glob::new(pattern).unwrap();
            for path in *hits {
                assert!(glob.can_match_beneath(path), "{pattern} should reach beneath {path}");
            }
            for path in *misses {
                assert!(!glob.can_match_beneath(path), "{pattern} should not reach beneath {path}");
            }
        }
    }

    #[test]
    fn what_other_tools_read_differently_is_refused() {
        for text in ["", "/a", "a/", "a//b", "./a", "../a", "a/**b", "[ab]", "{a,b}", "!a", "a\\b"] {
            let error = Glob::new(text).unwrap_err();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn hostile_patterns_stay_cheap() {
        let glob = Glob::new(&"*a".repeat(2_000)).unwrap();
        assert!(!glob.matches(&("a".repeat(20_000) + "b")));
        let deep = Glob::new(&("**/a/".repeat(200) + "b")).unwrap();
        assert!(!deep.matches(&"a/".repeat(2_000)));
    }
}
