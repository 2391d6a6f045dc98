//! The stock content: what a new root starts with. It is the repository's own `config/`, `policies/` and `phases/`, built in.

/// Each stock file by its path relative to the repository, with `/`, sorted. Those under `policies/` and `phases/` belong into a root as
/// they are; those under `config/` are templates that [`crate::init`] fills in.
pub static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/stock.rs"));

/// A stock file.
pub fn file(path: &str) -> Option<&'static [u8]> {
    FILES.binary_search_by(|(name, _)| (*name).cmp(path)).ok().map(|index| FILES[index].1)
}

/// A stock file as text.
pub(crate) fn text(path: &str) -> Option<&'static str> {
    file(path).and_then(|bytes| std::str::from_utf8(bytes).ok())
}
