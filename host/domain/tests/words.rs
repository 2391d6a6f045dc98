//! Names, ids, digests and untrusted text: what is taken and what is not.
#![allow(clippy::unwrap_used, reason = "tests")]

use orc_domain::ports::IdSource;
use orc_domain::*;
use proptest::prelude::*;

#[test]
fn names_are_taken_or_refused() {
    for good in ["a", "flowry", "build_test", "a-b", "0x", &"a".repeat(64)] {
        assert_eq!(good.parse::<ProjectName>().unwrap().as_str(), good);
    }
    for bad in ["", "-a", "_a", "A", "a b", "a/b", "a.b", "ä", "a\0", "a\n", &"a".repeat(65), "../x", "a\u{202e}"] {
        let error = bad.parse::<ProjectName>().unwrap_err();
        assert!(error.to_string().contains("is no project name"), "{error}");
        assert!(!error.to_string().chars().any(orc_domain::untrusted::is_hostile), "{error:?}");
    }
    assert_eq!("BalrogEG".parse::<OperatorName>().unwrap().as_str(), "BalrogEG");
    assert!(serde_json::from_str::<PhaseName>("\"Develop\"").is_err());
}

#[test]
fn ids_have_their_prefix_and_no_other() {
    assert!("wf_k7f3q2".parse::<WorkflowId>().is_ok());
    for bad in ["", "wf_", "wf", "ex_k7f3q2", "wf_K7", "wf_a-b", "wf_12345678901234567", "k7f3q2"] {
        assert!(bad.parse::<WorkflowId>().is_err(), "{bad}");
    }
}

/// SplitMix64: the same bytes in every run.
struct Seeded(std::sync::atomic::AtomicU64);

impl IdSource for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, std::sync::atomic::Ordering::Relaxed);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            *byte = ((mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 56) as u8;
        }
    }
}

#[test]
fn new_ids_use_every_letter_evenly() {
    let source = Seeded(7.into());
    let mut counts = std::collections::BTreeMap::new();
    for _ in 0..3100 {
        let id = WorkflowId::generate(&source);
        assert_eq!(id.as_str().parse::<WorkflowId>().unwrap(), id);
        assert_eq!(id.as_str().len(), 11);
        for c in id.as_str()[3..].chars() {
            *counts.entry(c).or_insert(0) += 1;
        }
    }
    assert_eq!(counts.len(), 31);
    assert!(counts.values().all(|count| (600..1000).contains(count)), "{counts:?}");
}

#[test]
fn hostile_text_is_shown_harmless() {
    let table = [
        ("\u{1b}[31mred\u{1b}[0m", "\u{fffd}[31mred\u{fffd}[0m"),
        ("a\nb\tc\rd", "a⏎b c⏎d"),
        ("\u{202e}abc\u{202c}", "\u{fffd}abc\u{fffd}"),
        ("a\u{9b}31m", "a\u{fffd}31m"),
        ("zero\u{200b}width\u{feff}", "zero\u{fffd}width\u{fffd}"),
        ("tag\u{e0041}", "tag\u{fffd}"),
        ("ä ö 日本 😀", "ä ö 日本 😀"),
    ];
    for (raw, shown) in table {
        assert_eq!(Untrusted::new(raw).for_line(80), shown);
        assert_eq!(Untrusted::new(raw).raw(), raw);
    }
    assert_eq!(Untrusted::new("abcdef").for_line(3), "abc…");
    assert_eq!(Untrusted::new("a\r\nb\tc\u{7}").for_terminal(80), "a\nb\tc\u{fffd}");
}

#[test]
fn digests_parse_their_one_form() {
    let digest = Digest::of(b"abc");
    assert_eq!(digest.to_string(), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
    for bad in ["", "sha256:", "ba7816bf", &digest.to_string().to_uppercase(), &format!("{digest}00"), &digest.to_string()[7..]] {
        assert!(bad.parse::<Digest>().is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn no_shown_text_has_a_hostile_character(text in any::<String>()) {
        let shown = Untrusted::new(text.clone()).for_line(1000);
        prop_assert!(!shown.chars().any(orc_domain::untrusted::is_hostile));
        let shown = Untrusted::new(text).for_terminal(1000);
        prop_assert!(!shown.chars().any(|c| c != '\n' && c != '\t' && orc_domain::untrusted::is_hostile(c)));
    }

    #[test]
    fn parsing_never_panics(text in any::<String>()) {
        let _ = (text.parse::<ProjectName>(), text.parse::<OperatorName>(), text.parse::<WorkflowId>(), text.parse::<Digest>());
        let _ = text.parse::<risk::RiskClass>();
    }
}
