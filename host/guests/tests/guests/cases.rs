//! A guest's own cases: what they can say, and what is said about bad ones.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use orc_domain::verdict::{Capability, GuestKind, GuestManifest};
use orc_guests::cases::{CaseResult, CasesError, GuestFiles, read_cases, run_cases};

use crate::support::{Wat, host};

fn guest(kind: GuestKind, wat: &Wat) -> GuestFiles {
    let manifest = GuestManifest {
        name: "probe".parse().unwrap(),
        version: "1.0.0".into(),
        kind,
        summary: "Probes.".into(),
        world: format!("orc:guest/{kind}@1.0.0"),
        capabilities: Capability::ALL.iter().copied().collect(),
        settings: BTreeMap::from([("max".into(), 3.into())]),
    };
    let fixtures = BTreeMap::from([("change.diff".into(), Arc::from(*b"+hello"))]);
    GuestFiles { manifest, component: wat.build(), fixtures }
}

async fn run(guest: &GuestFiles, text: &str) -> CaseResult {
    let cases = [("case.toml".to_owned(), text.to_owned())];
    let [result] = run_cases(&host(1), guest, &cases).await.try_into().unwrap();
    result
}

/// fail(report { findings: [{rule: "probe", message: "probe", severity: high, path: "probe", line: 7}], annotations: [] })
const FAILS: &str = r#"
    (data (i32.const 68) "\01")
    (data (i32.const 72) "\00\08\00\00\01\00\00\00")
    (data (i32.const 2048) "\00\04\00\00\05\00\00\00\00\04\00\00\05\00\00\00\03\00\00\00\01\00\00\00\00\04\00\00\05\00\00\00\01\00\00\00\07\00\00\00")"#;

#[tokio::test]
async fn gates_are_judged_by_verdict_and_findings() {
    let fails = guest(GuestKind::Gate, &Wat { fields: FAILS, ..Wat::default() });
    let table = [
        (r#"verdict = "fail""#, true),
        (r#"verdict = "pass""#, false),
        (r#"verdict = "not_applicable""#, false),
        (r#"{ verdict = "fail", findings = [{ rule = "probe" }] }"#, true),
        (r#"{ verdict = "fail", findings = [{ rule = "probe", path = "probe", line = 7, severity = "high" }] }"#, true),
        (r#"{ verdict = "fail", findings = [{ rule = "other" }] }"#, false),
        (r#"{ verdict = "fail", findings = [{ rule = "probe", line = 8 }] }"#, false),
        (r#"{ verdict = "fail", findings = [{ rule = "probe", severity = "low" }] }"#, false),
        (r#"{ verdict = "fail", findings = [{ rule = "probe" }, { rule = "probe" }] }"#, false),
        (r#"fault = "run.trap""#, false),
        ("settings_rejected = true", false),
    ];
    for (expect, passes) in table {
        let text = if expect.starts_with('{') { format!("expect = {expect}") } else { format!("[expect]\n{expect}") };
        let result = run(&fails, &text).await;
        assert_eq!(result.passed, passes, "{expect}: {result:?}");
    }
    let result = run(&fails, "[expect]\nverdict = \"pass\"").await;
    assert_eq!((result.expected.as_str(), result.got.as_str()), ("pass", "fail; probe high at probe:7: probe"));
    assert!(result.cost.fuel > 0);
}

#[tokio::test]
async fn a_case_gives_the_guest_what_it_says() {
    // Fails unless it is given one change, one command and a document `diff` of six bytes.
    let wat = Wat {
        imports: r#"(import "orc:guest/documents@1.0.0" "open" (func $open (param i32 i32 i32)))
                    (import "orc:guest/documents@1.0.0" "[method]document.size" (func $size (param i32) (result i64)))"#,
        fields: r#"(data (i32.const 2048) "diff")"#,
        body: "(if (i32.ne (local.get 12) (i32.const 1)) (then unreachable))
               (if (i32.ne (local.get 14) (i32.const 1)) (then unreachable))
               (if (local.get 15) (then unreachable))
               (call $open (i32.const 2048) (i32.const 4) (i32.const 512))
               (if (i64.ne (call $size (i32.load (i32.const 516))) (i64.const 6)) (then unreachable))
               i32.const 64",
        ..Wat::default()
    };
    let text = r#"
        verification_expected = false
        [settings]
        max = 4
        [context]
        phase = "develop"
        position = "pre_gate"
        attempt = 2
        [[changes]]
        path = "a"
        kind = "deleted"
        [[commands]]
        argv = ["make"]
        signal = 9
        [documents.diff]
        media_type = "text/x-diff"
        file = "change.diff"
        [expect]
        verdict = "pass"
    "#;
    let result = run(&guest(GuestKind::Gate, &wat), text).await;
    assert!(result.passed, "{result:?}");
    let inline = text.replace("file = \"change.diff\"", "text = \"+hello\"");
    assert!(run(&guest(GuestKind::Gate, &wat), &inline).await.passed);
    assert!(!run(&guest(GuestKind::Gate, &wat), &text.replace("kind = \"deleted\"", "kind = \"lost\"")).await.passed);
}

#[tokio::test]
async fn faults_hooks_validators_and_settings_have_their_own_words() {
    let picky = Wat {
        fields: r#"(data (i32.const 512) "\00\08\00\00\01\00\00\00") (data (i32.const 2048) "\00\04\00\00\05\00\00\00\00\04\00\00\05\00\00\00")"#,
        check: "i32.const 512",
        ..Wat::default()
    };
    let hook = Wat {
        world: "hook",
        fields: r#"(data (i32.const 68) "\00\08\00\00\01\00\00\00") (data (i32.const 2048) "\01\00\00\00\00\04\00\00\05\00\00\00")"#,
        ..Wat::default()
    };
    let remembering = Wat {
        world: "hook",
        fields: r#"(data (i32.const 68) "\00\08\00\00\01\00\00\00") (data (i32.const 2048) "\02\00\00\00\01\00\00\00\00\04\00\00\05\00\00\00")"#,
        ..Wat::default()
    };
    let listing = Wat {
        world: "hook",
        fields: r#"(data (i32.const 68) "\00\08\00\00\01\00\00\00") (data (i32.const 2048) "\03\00\00\00\02\01\00\00\00\04\00\00\05\00\00\00\10\04\00\00\05\00\00\00\01\00\00\00\00\04\00\00\05\00\00\00")"#,
        ..Wat::default()
    };
    let mute = Wat { fields: r#"(data (i32.const 68) "\00\08\00\00\01\00\00\00") (data (i32.const 2048) "\02")"#, ..remembering.clone() };
    let validator = Wat { world: "validator", ..Wat::default() };
    let table = [
        (GuestKind::Gate, Wat::gate("unreachable"), r#"fault = "run.trap""#, true),
        (GuestKind::Gate, Wat::gate("unreachable"), r#"fault = "run.fuel""#, false),
        (GuestKind::Gate, picky.clone(), "settings_rejected = true", true),
        (GuestKind::Gate, picky.clone(), r#"fault = "load.settings""#, true),
        (GuestKind::Gate, picky, r#"verdict = "pass""#, false),
        (GuestKind::Hook, hook.clone(), r#"effects = [{ effect = "notify", message = "probe" }]"#, true),
        (GuestKind::Hook, hook.clone(), r#"effects = [{ effect = "notify" }]"#, true),
        (GuestKind::Hook, hook.clone(), "effects = []", false),
        (GuestKind::Hook, hook, r#"effects = [{ effect = "annotate", name = "probe" }]"#, false),
        (GuestKind::Hook, remembering.clone(), r#"effects = [{ effect = "remember", kind = "decision", text = "probe" }]"#, true),
        (GuestKind::Hook, remembering.clone(), r#"effects = [{ effect = "remember", kind = "decision", path = "probe" }]"#, false),
        (GuestKind::Hook, remembering, r#"effects = [{ effect = "remember", kind = "fact" }]"#, false),
        (
            GuestKind::Hook,
            listing.clone(),
            r#"effects = [{ effect = "backlog", kind = "debt", severity = "low", title = "probe", detail = "1.0.0", path = "probe" }]"#,
            true,
        ),
        (GuestKind::Hook, listing.clone(), r#"effects = [{ effect = "backlog", kind = "debt" }]"#, true),
        (GuestKind::Hook, listing.clone(), r#"effects = [{ effect = "backlog", kind = "debt", severity = "high" }]"#, false),
        (GuestKind::Hook, listing, r#"effects = [{ effect = "backlog", kind = "debt", title = "prob" }]"#, false),
        (GuestKind::Hook, mute, r#"fault = "run.output""#, true),
        (GuestKind::Validator, validator.clone(), "valid = true", true),
        (GuestKind::Validator, validator, "valid = false", false),
    ];
    for (kind, wat, expect, passes) in table {
        let result = run(&guest(kind, &wat), &format!("[expect]\n{expect}")).await;
        assert_eq!(result.passed, passes, "{kind} {expect}: {result:?}");
    }
}

#[tokio::test]
async fn a_case_that_is_not_in_order_does_not_pass_and_says_why() {
    let honest = guest(GuestKind::Gate, &Wat::default());
    let table = [
        ("", "missing field `expect`"),
        ("[expect]", "exactly one of `verdict`"),
        ("[expect]\nverdict = \"pass\"\nfault = \"run.fuel\"", "exactly one"),
        ("[expect]\nvalid = true", "exactly one"),
        ("[expect]\nverdict = \"maybe\"", "maybe"),
        ("[expect]\nfault = \"run.away\"", "run.away"),
        ("[expect]\nverdict = \"pass\"\nverdcit = 1", "verdcit"),
        ("[[commands]]\nargv = [\"x\"]\n[expect]\nverdict = \"pass\"", "exactly one of `exit`"),
        ("[[commands]]\nargv = [\"x\"]\nexit = 0\nsignal = 9\n[expect]\nverdict = \"pass\"", "exactly one of `exit`"),
        ("[documents.d]\nmedia_type = \"x\"\n[expect]\nverdict = \"pass\"", "exactly one of `text` and `file`"),
        ("[documents.d]\nmedia_type = \"x\"\nfile = \"../secret\"\n[expect]\nverdict = \"pass\"", "../secret"),
    ];
    for (text, says) in table {
        let result = run(&honest, text).await;
        assert!(!result.passed && result.got.contains(says), "{text}: {}", result.got);
    }
}

#[test]
fn cases_are_read_in_order_with_the_files_beside_them_and_nothing_else() {
    let temp = tempfile::tempdir().unwrap();
    let outside = tempfile::NamedTempFile::new().unwrap();
    fs::write(temp.path().join("b.toml"), "b").unwrap();
    fs::write(temp.path().join("a.toml"), "a").unwrap();
    fs::write(temp.path().join("change.diff"), "+x").unwrap();
    fs::create_dir(temp.path().join("more.toml")).unwrap();
    symlink(outside.path(), temp.path().join("planted")).unwrap();
    let found = read_cases(temp.path()).unwrap();
    assert_eq!(found.cases, [("a.toml".to_owned(), "a".to_owned()), ("b.toml".to_owned(), "b".to_owned())]);
    assert_eq!(found.fixtures.into_keys().collect::<Vec<_>>(), ["change.diff"]);

    fs::write(temp.path().join("c.toml"), b"\xff").unwrap();
    assert!(matches!(read_cases(temp.path()), Err(CasesError::NoText { .. })));
    assert!(matches!(read_cases(&temp.path().join("none")), Err(CasesError::Read { .. })));
}
