//! Whatever is in a file, checking ends with an answer.

use orc_config::{RootSnapshot, check};
use proptest::prelude::*;

use crate::support::full;

const FILES: [&str; 7] = [
    orc_config::ORC_FILE,
    orc_config::OPERATORS_FILE,
    orc_config::REGISTRY_FILE,
    orc_config::CONTRACTS_FILE,
    orc_config::LOCK_FILE,
    "phases/guests/shape.toml",
    "phases/schemas/any.json",
];

/// Bytes that get past the scanner more often than noise does.
fn yamlish() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just("operators".to_owned()),
        Just("role_groups".to_owned()),
        Just("projects".to_owned()),
        Just("tenants".to_owned()),
        Just("phases".to_owned()),
        Just("guests".to_owned()),
        Just("{a: [b, 1, ~]}".to_owned()),
        Just("- ".to_owned()),
        Just("x: y".to_owned()),
        Just("\n  ".to_owned()),
        Just("\n".to_owned()),
        Just(": ".to_owned()),
        Just("&a *a !t".to_owned()),
        Just("|\n".to_owned()),
        "[ -~]{0,6}",
    ];
    prop::collection::vec(word, 0..40).prop_map(|words| words.concat().into_bytes())
}

fn checked_with(file: &str, bytes: Vec<u8>) {
    let mut files = full();
    files.insert(file.to_owned(), bytes);
    if let Err(problems) = check(&RootSnapshot::from_files(files)) {
        assert!(!problems.is_empty());
        for problem in problems {
            assert!(!problem.message.chars().any(orc_domain::untrusted::is_hostile), "{problem:?}");
            assert!(!problem.help.unwrap_or_default().chars().any(orc_domain::untrusted::is_hostile));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn noise_is_answered(index in 0..FILES.len(), bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        checked_with(FILES[index], bytes);
    }

    #[test]
    fn almost_yaml_is_answered(index in 0..FILES.len(), bytes in yamlish()) {
        checked_with(FILES[index], bytes);
    }

    /// A good file with a few bytes cut out or put in.
    #[test]
    fn damage_is_answered(index in 0..FILES.len(), at in 0.0..1.0_f64, cut in 0..30_usize, put in "[ -~\n]{0,5}") {
        let mut bytes = full().remove(FILES[index]).unwrap();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a small file")]
        let from = (at * bytes.len() as f64) as usize;
        let to = (from + cut).min(bytes.len());
        bytes.splice(from..to, put.into_bytes());
        checked_with(FILES[index], bytes);
    }
}

#[test]
fn a_file_built_to_be_slow_is_answered_soon() {
    let projects: String = (0..20_000).map(|number| format!("  P{number}: 5\n")).collect();
    checked_with(orc_config::REGISTRY_FILE, format!("tenants: {{}}\nprojects:\n{projects}").into_bytes());
}
