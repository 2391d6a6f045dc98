//! Whatever a policy author or a requester writes: an answer, never a panic, and never an allow out of a failure.

use orc_domain::decision::{DecisionInput, EntryPoint};
use orc_policy::Policy;
use proptest::prelude::*;

use crate::support::*;

/// Pieces that look enough like policy to get past the parser often.
fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        "input",
        "data",
        "out",
        ".",
        "family",
        "flags",
        "argv",
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        "if ",
        "for x in ",
        "let y = ",
        "return ",
        ";",
        "==",
        "!",
        "&&",
        "1",
        "\"x\"",
        "`${",
        "}`",
        "out.deny(\"tenant-quota\", \"x\");",
        "out.risk(\"high\", \"flag-risk\", \"x\");",
        "keys(",
        "len(",
        ",",
        "fn f(a) {",
        "f(",
        "::",
        "#{",
        "-",
        "+",
        "out.risk_class()",
        " in ",
        "'c'",
        "//",
        "/*",
        "\n",
        "9223372036854775807",
        "const ",
        "…",
    ];
    proptest::sample::select(pieces.to_vec()).prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_script_text_is_loaded_or_refused_and_decides(pieces in proptest::collection::vec(piece(), 0..40)) {
        if let Ok(policy) = Policy::load(&plan_body(&pieces.concat()), &words()) {
            policy.decide(EntryPoint::Plan, &input());
        }
    }

    #[test]
    fn any_bytes_are_refused_or_loaded(path in 0usize..4, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let path = ["policies/plan.rhai", "policies/data/rules.yaml", "policies/tests/plan/x.yaml", "policies/tests/stock-table.yaml"][path];
        let mut files = scripts(&[]);
        files.insert(path.to_owned(), bytes);
        drop(Policy::load(&files, &words()));
    }

    #[test]
    fn a_cut_table_is_never_half_loaded(at in 0usize..9000) {
        let mut files = scripts(&[]);
        let table = files.get_mut("policies/data/rules.yaml").unwrap();
        let whole = table.len();
        table.truncate(at.min(whole));
        // The last section may be cut without harm: it grants, so less of it is stricter.
        if let Ok(policy) = Policy::load(&files, &words()) {
            prop_assert!(String::from_utf8_lossy(&files["policies/data/rules.yaml"]).contains("\ncommands:"));
            policy.decide(EntryPoint::Plan, &input());
        }
    }
}

#[test]
fn any_input_is_answered_by_every_entry_point() {
    let policy = load(&stock());
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let numbers = prop_oneof![Just(0u64), Just(1), Just(u64::MAX), any::<u64>()];
    let texts = proptest::collection::vec(".{0,40}", 0..6);
    let strategy = (numbers.clone(), numbers, texts, any::<u32>(), any::<u32>(), any::<i64>(), any::<bool>());
    runner
        .run(&strategy, |(active, rate, argv, operators, hour, now, optional)| {
            let mut asked: DecisionInput = input();
            asked.tenant.active = active;
            asked.tenant.planned_last_hour = rate;
            asked.metadata = argv.iter().map(|word| (word.clone(), word.clone())).collect();
            asked.argv = argv;
            asked.operators = operators;
            asked.hour = hour;
            asked.now_s = now;
            if optional {
                asked.diff = Some(orc_domain::decision::DiffFacts { files: active, added: rate, removed: active });
            }
            for entry in EntryPoint::ALL {
                let decision = policy.decide(*entry, &asked);
                prop_assert_eq!(decision.entry, *entry);
                // No drawn command is on a list, and no drawn input may be allowed to build.
                prop_assert!(*entry != EntryPoint::Plan || !decision.allowed());
            }
            Ok(())
        })
        .unwrap();
}
