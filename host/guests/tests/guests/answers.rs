//! What an honest guest is given and can answer.

use std::sync::Arc;

use orc_domain::Untrusted;
use orc_domain::ports::{Change, ChangeKind, Document, GuestInput, Guests};
use orc_domain::verdict::{BacklogKind, Capability, Effect, GuestKind, MemoryKind, Severity, Verdict};

use crate::support::{Wat, binding, gate, gate_limited, host, input};

/// Answers `err(text)` with the text whose pointer and length lie at 512: the simplest way for a guest to say what it was given.
macro_rules! say {
    ($body:literal) => {
        concat!(
            $body,
            "(i32.store8 (i32.const 64) (i32.const 1))
             (i32.store (i32.const 68) (i32.load (i32.const 512))) (i32.store (i32.const 72) (i32.load (i32.const 516)))
             i32.const 64"
        )
    };
}

async fn said(wat: &Wat, input: GuestInput) -> String {
    let fault = gate_limited(wat, |_| (), input).await.outcome.unwrap_err();
    fault.message.strip_prefix("it cannot judge: ").expect("it declines").to_owned()
}

#[tokio::test]
async fn a_gate_is_given_the_facts_of_its_call() {
    let first_change =
        say!("(i32.store (i32.const 512) (i32.load (local.get 11))) (i32.store (i32.const 516) (i32.load offset=4 (local.get 11)))");
    let phase = say!("(i32.store (i32.const 512) (local.get 6)) (i32.store (i32.const 516) (local.get 7))");
    let position = say!("(i32.store (i32.const 512) (local.get 8)) (i32.store (i32.const 516) (local.get 9))");
    let mut facts = input();
    facts.changes.push(Change {
        path: Untrusted::new("src/lib.rs"),
        kind: ChangeKind::Modified,
        added: 3,
        removed: 1,
        binary: false,
        size: 9,
        mode: "100644".into(),
    });
    for (body, expected) in [(first_change, "src/lib.rs"), (phase, "verify"), (position, "post_gate")] {
        assert_eq!(said(&Wat::gate(body), facts.clone()).await, expected);
    }
}

#[tokio::test]
async fn words_of_a_guest_are_made_safe_where_they_become_a_message() {
    let wat = Wat {
        fields: r#"(data (i32.const 2048) "\1b[2Jdone")"#,
        ..Wat::gate(say!("(i32.store (i32.const 512) (i32.const 2048)) (i32.store (i32.const 516) (i32.const 8))"))
    };
    assert_eq!(said(&wat, input()).await, "\u{fffd}[2Jdone");
}

#[tokio::test]
async fn settings_are_those_of_the_binding() {
    let wat = Wat {
        imports: r#"(import "orc:guest/settings@1.0.0" "json" (func $json (param i32)))"#,
        ..Wat::gate(say!("(call $json (i32.const 512))"))
    };
    assert_eq!(said(&wat, input()).await, r#"{"max":3}"#);
}

const DOCUMENTS: &str = r#"
    (import "orc:guest/documents@1.0.0" "open" (func $open (param i32 i32 i32)))
    (import "orc:guest/documents@1.0.0" "names" (func $names (param i32)))
    (import "orc:guest/documents@1.0.0" "[method]document.media-type" (func $media (param i32 i32)))
    (import "orc:guest/documents@1.0.0" "[method]document.size" (func $size (param i32) (result i64)))
    (import "orc:guest/documents@1.0.0" "[method]document.pointer" (func $pointer (param i32 i32 i32 i32)))
    (import "orc:guest/documents@1.0.0" "[method]document.read" (func $read (param i32 i64 i32 i32)))
    (import "orc:guest/documents@1.0.0" "[resource-drop]document" (func $drop (param i32)))"#;

fn with_document(text: &str) -> GuestInput {
    let mut input = input();
    let document = Document { media_type: "application/json".into(), bytes: text.as_bytes().into() };
    input.documents.insert("probe".into(), document);
    input
}

#[tokio::test]
async fn documents_are_read_piecewise() {
    let read = say!(
        "(call $open (i32.const 1024) (i32.const 5) (i32.const 600))
        (call $read (i32.load (i32.const 604)) (i64.const 2) (i32.const 3) (i32.const 512)) (call $drop (i32.load (i32.const 604)))"
    );
    let past = say!(
        "(call $open (i32.const 1024) (i32.const 5) (i32.const 600))
        (call $read (i32.load (i32.const 604)) (i64.const -1) (i32.const 3) (i32.const 512))"
    );
    let media =
        say!("(call $open (i32.const 1024) (i32.const 5) (i32.const 600)) (call $media (i32.load (i32.const 604)) (i32.const 512))");
    let name = say!(
        "(call $names (i32.const 600)) (i32.store (i32.const 512) (i32.load (i32.load (i32.const 600))))
        (i32.store (i32.const 516) (i32.load offset=4 (i32.load (i32.const 600))))"
    );
    let size = "(call $open (i32.const 1024) (i32.const 5) (i32.const 600))
        (if (i64.ne (call $size (i32.load (i32.const 604))) (i64.const 7)) (then unreachable)) i32.const 64";
    let none =
        "(call $open (i32.const 1024) (i32.const 4) (i32.const 600)) (if (i32.load8_u (i32.const 600)) (then unreachable)) i32.const 64";
    for (body, expected) in [(read, "cde"), (past, ""), (media, "application/json"), (name, "probe")] {
        assert_eq!(said(&Wat { imports: DOCUMENTS, ..Wat::gate(body) }, with_document("abcdefg")).await, expected);
    }
    for body in [size, none] {
        let run = gate_limited(&Wat { imports: DOCUMENTS, ..Wat::gate(body) }, |_| (), with_document("abcdefg")).await;
        assert!(matches!(run.outcome, Ok(Verdict::Pass { .. })), "{:?}", run.outcome);
    }
}

#[tokio::test]
async fn a_pointer_finds_parts_of_json_and_nothing_elsewhere() {
    // `option<string>` at 608: its tag, then pointer and length at 612.
    let body = "(call $open (i32.const 1024) (i32.const 5) (i32.const 600))
        (call $pointer (i32.load (i32.const 604)) (i32.const 2048) (i32.const 6) (i32.const 608))
        (i32.store8 (i32.const 64) (i32.load8_u (i32.const 608)))
        (i32.store (i32.const 68) (i32.load (i32.const 612))) (i32.store (i32.const 72) (i32.load (i32.const 616)))
        i32.const 64";
    let wat = |fields| Wat { imports: DOCUMENTS, fields, ..Wat::gate(body) };
    let found = wat(r#"(data (i32.const 2048) "/a~1b/")"#);
    assert_eq!(said(&found, with_document(r#"{"a/b":{"":[1,{"c":null}]}}"#)).await, r#"[1,{"c":null}]"#);
    let large = format!(r#"{{"a/b":{{"":7}},"rest":"{}"}}"#, "x".repeat(100_000));
    assert_eq!(said(&found, with_document(&large)).await, "7", "a document that is parsed on a thread of its own");
    for (what, text) in [("another key", r#"{"a":1}"#), ("no JSON", "a/b"), ("half JSON", r#"{"a/b":{"":1}"#), ("nothing", "")] {
        let run = gate_limited(&found, |_| (), with_document(text)).await;
        assert!(matches!(run.outcome, Ok(Verdict::Pass { .. }) | Err(_)), "{what}");
        assert!(run.outcome.is_ok(), "{what}: none, not a fault: {:?}", run.outcome);
    }
}

#[tokio::test]
async fn verdicts_carry_findings_and_annotations() {
    // fail(report { findings: [{rule, message: "probe", severity: high, path: some("probe"), line: some(7), fix: none}], annotations: [probe=1.0.0] })
    let wat = Wat {
        fields: r#"
          (data (i32.const 68) "\01")
          (data (i32.const 72) "\00\08\00\00\01\00\00\00\80\08\00\00\01\00\00\00")
          (data (i32.const 2048) "\00\04\00\00\05\00\00\00\00\04\00\00\05\00\00\00\03\00\00\00\01\00\00\00\00\04\00\00\05\00\00\00\01\00\00\00\07\00\00\00")
          (data (i32.const 2176) "\00\04\00\00\05\00\00\00\10\04\00\00\05\00\00\00")"#,
        ..Wat::default()
    };
    let run = gate(&wat).await;
    let Ok(Verdict::Fail { report }) = run.outcome else { panic!("{:?}", run.outcome) };
    let [finding] = report.findings.as_slice() else { panic!("{:?}", report.findings) };
    assert_eq!((finding.rule.raw(), finding.severity, finding.line), ("probe", Severity::High, Some(7)));
    assert_eq!((finding.path.as_ref().map(Untrusted::raw), &finding.fix), (Some("probe"), &None));
    assert_eq!(report.annotations["probe"].raw(), "1.0.0");
}

#[tokio::test]
async fn hooks_answer_effects_and_validators_findings() {
    // ok([annotate(probe=1.0.0), notify(probe), remember(pitfall probe), backlog(follow-up, high, probe, 1.0.0, at probe)]); 36 bytes each
    let hook = Wat {
        world: "hook",
        fields: r#"(data (i32.const 68) "\00\08\00\00\04\00\00\00")
          (data (i32.const 2048) "\00\00\00\00\00\04\00\00\05\00\00\00\10\04\00\00\05\00\00\00")
          (data (i32.const 2084) "\01\00\00\00\00\04\00\00\05\00\00\00")
          (data (i32.const 2120) "\02\00\00\00\03\00\00\00\00\04\00\00\05\00\00\00")
          (data (i32.const 2156) "\03\00\00\00\05\03\00\00\00\04\00\00\05\00\00\00\10\04\00\00\05\00\00\00\01\00\00\00\00\04\00\00\05\00\00\00")"#,
        ..Wat::default()
    };
    let (host, component) = (host(2), hook.build());
    let bound = binding(GuestKind::Hook, &component, &[]);
    host.load(&bound, component).await.unwrap();
    let effects = host.hook(&bound, input()).await.outcome.unwrap();
    let annotate = Effect::Annotate { name: "probe".into(), value: Untrusted::new("1.0.0") };
    let remember = Effect::Remember { kind: MemoryKind::Pitfall, text: Untrusted::new("probe"), path: None };
    let backlog = Effect::Backlog {
        kind: BacklogKind::FollowUp,
        severity: Severity::High,
        title: Untrusted::new("probe"),
        detail: Untrusted::new("1.0.0"),
        path: Some(Untrusted::new("probe")),
    };
    assert_eq!(effects, [annotate, Effect::Notify { message: Untrusted::new("probe") }, remember, backlog]);

    let component = Wat { world: "validator", ..Wat::default() }.build();
    let bound = binding(GuestKind::Validator, &component, &[Capability::Documents]);
    host.load(&bound, component).await.unwrap();
    assert_eq!(host.validate(&bound, input()).await.outcome, Ok(Vec::new()));
}

#[tokio::test]
async fn no_state_survives_a_call_and_the_same_call_costs_the_same() {
    let body = "(i32.store (i32.const 3000) (i32.add (i32.load (i32.const 3000)) (i32.const 1)))
        (if (i32.gt_u (i32.load (i32.const 3000)) (i32.const 1)) (then unreachable)) i32.const 64";
    let (host, component) = (Arc::new(host(4)), Wat::gate(body).build());
    let bound = binding(GuestKind::Gate, &component, &[]);
    host.load(&bound, component).await.unwrap();
    let mut fuel = Vec::new();
    for _ in 0..20 {
        let run = host.gate(&bound, input()).await;
        assert!(run.outcome.is_ok(), "{:?}", run.outcome);
        fuel.push(run.cost.fuel);
    }
    assert!(fuel[0] > 0 && fuel.iter().all(|each| *each == fuel[0]), "{fuel:?}");
}
