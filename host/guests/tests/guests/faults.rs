//! Each way to misbehave in a call, and the class that it gets. An ending is a fault, never a verdict, and the host is well afterwards.

use std::sync::Arc;
use std::time::Duration;

use orc_domain::Untrusted;
use orc_domain::ports::{Change, ChangeKind, Document, Guests};
use orc_domain::verdict::{Capability, FaultClass, GuestKind, Verdict};

use crate::support::{Wat, binding, gate, gate_limited, host, input, load_fault};

const DOCUMENTS: &str = r#"
    (import "orc:guest/documents@1.0.0" "open" (func $open (param i32 i32 i32)))
    (import "orc:guest/documents@1.0.0" "[method]document.pointer" (func $pointer (param i32 i32 i32 i32)))
    (import "orc:guest/documents@1.0.0" "[method]document.read" (func $read (param i32 i64 i32 i32)))"#;
const LOG: &str = r#"(import "orc:guest/log@1.0.0" "write" (func $log (param i32 i32 i32)))"#;
const LOOP: &str = "(loop $l (br $l)) unreachable";

async fn class(wat: &Wat) -> FaultClass {
    gate(wat).await.outcome.expect_err("a fault").class
}

#[tokio::test]
async fn misbehaving_in_a_call_has_a_class() {
    let of = Wat::gate;
    let with = |fields, body| Wat { fields, body, ..Wat::default() };
    let table = [
        ("infinite loop", of(LOOP), FaultClass::RunFuel),
        ("recursion", with("(func $r (call $r))", "(call $r) i32.const 64"), FaultClass::RunStack),
        ("unreachable", of("unreachable"), FaultClass::RunTrap),
        ("division by zero", of("(i32.div_u (i32.const 1) (i32.const 0))"), FaultClass::RunTrap),
        ("load out of bounds", of("(i32.load (i32.const -4))"), FaultClass::RunTrap),
        ("memory refused, then a trap", of("(drop (memory.grow (i32.const 2000))) unreachable"), FaultClass::RunMemory),
        ("memory refused, then a loop", of("(drop (memory.grow (i32.const 2000))) (loop $l (br $l)) unreachable"), FaultClass::RunMemory),
        (
            "table refused, then a trap",
            with("(table $t 1 funcref)", "(drop (table.grow $t (ref.null func) (i32.const 20001))) unreachable"),
            FaultClass::RunMemory,
        ),
        ("answer out of bounds", of("i32.const 131072"), FaultClass::RunOutput),
        ("answer not aligned", of("i32.const 65"), FaultClass::RunOutput),
        ("bad tag of the result", of("(i32.store8 (i32.const 64) (i32.const 9)) i32.const 64"), FaultClass::RunOutput),
        ("bad tag of the verdict", of("(i32.store8 (i32.const 68) (i32.const 9)) i32.const 64"), FaultClass::RunOutput),
        (
            "text that is no UTF-8",
            Wat {
                fields: r#"(data (i32.const 2048) "\ff\fe\fd")"#,
                body: "(i32.store8 (i32.const 64) (i32.const 1)) (i32.store (i32.const 68) (i32.const 2048)) (i32.store (i32.const 72) (i32.const 3)) i32.const 64",
                ..Wat::default()
            },
            FaultClass::RunOutput,
        ),
        (
            "text out of bounds",
            of(
                "(i32.store8 (i32.const 64) (i32.const 1)) (i32.store (i32.const 68) (i32.const -8)) (i32.store (i32.const 72) (i32.const 4)) i32.const 64",
            ),
            FaultClass::RunOutput,
        ),
        (
            "findings not aligned",
            of("(i32.store (i32.const 72) (i32.const 1)) (i32.store (i32.const 76) (i32.const 2)) i32.const 64"),
            FaultClass::RunOutput,
        ),
        (
            "an annotation without a name",
            of("(i32.store (i32.const 80) (i32.const 256)) (i32.store (i32.const 84) (i32.const 1)) i32.const 64"),
            FaultClass::RunOutput,
        ),
        ("it declines", of("(i32.store8 (i32.const 64) (i32.const 1)) i32.const 64"), FaultClass::RunDeclined),
        (
            "a host call with a text out of bounds",
            Wat { imports: LOG, body: "(call $log (i32.const 0) (i32.const -8) (i32.const 4)) i32.const 64", ..Wat::default() },
            FaultClass::RunOutput,
        ),
        (
            "a host call with a bad tag",
            Wat { imports: LOG, body: "(call $log (i32.const 77) (i32.const 0) (i32.const 0)) i32.const 64", ..Wat::default() },
            FaultClass::RunOutput,
        ),
        (
            "a host call with a handle of nothing",
            Wat {
                imports: DOCUMENTS,
                body: "(call $read (i32.const 12) (i64.const 0) (i32.const 1) (i32.const 512)) i32.const 64",
                ..Wat::default()
            },
            FaultClass::RunOutput,
        ),
        (
            "an endless log",
            Wat {
                imports: LOG,
                body: "(loop $l (call $log (i32.const 0) (i32.const 0) (i32.const 65536)) (br $l)) unreachable",
                ..Wat::default()
            },
            FaultClass::RunFuel,
        ),
    ];
    for (what, wat, expected) in table {
        assert_eq!(class(&wat).await, expected, "{what}");
    }
}

#[tokio::test]
async fn giant_answers_are_refused_before_they_are_copied() {
    let text_of_60_mib = Wat {
        memory: "1000",
        body: "(i32.store8 (i32.const 64) (i32.const 1))
               (i32.store (i32.const 68) (i32.const 65536)) (i32.store (i32.const 72) (i32.const 62914560)) i32.const 64",
        ..Wat::default()
    };
    // 3 GB for whoever follows the pointers.
    let annotations_that_share_a_text = Wat {
        memory: "20",
        body: "(loop $l
                 (i32.store offset=65540 (i32.mul (local.get $i) (i32.const 16)) (i32.const 60000))
                 (i32.store offset=65548 (i32.mul (local.get $i) (i32.const 16)) (i32.const 60000))
                 (local.set $i (i32.add (local.get $i) (i32.const 1)))
                 (br_if $l (i32.lt_u (local.get $i) (i32.const 50000))))
               (i32.store (i32.const 80) (i32.const 65536)) (i32.store (i32.const 84) (i32.const 50000)) i32.const 64",
        ..Wat::default()
    };
    for wat in [text_of_60_mib, annotations_that_share_a_text] {
        let fault = gate(&wat).await.outcome.unwrap_err();
        assert_eq!(fault.class, FaultClass::RunOutput);
        assert!(fault.message.contains("too much data"), "{}", fault.message);
    }
}

#[tokio::test]
async fn an_annotation_that_is_given_twice_is_malformed() {
    // pass(report { findings: [], annotations: [probe=1.0.0, probe=1.0.0] })
    let wat = Wat {
        fields: r#"(data (i32.const 80) "\00\08\00\00\02\00\00\00")
          (data (i32.const 2048) "\00\04\00\00\05\00\00\00\10\04\00\00\05\00\00\00\00\04\00\00\05\00\00\00\10\04\00\00\05\00\00\00")"#,
        ..Wat::default()
    };
    let fault = gate(&wat).await.outcome.unwrap_err();
    assert_eq!(fault.class, FaultClass::RunOutput);
    assert!(fault.message.contains("`probe` twice"), "{}", fault.message);
}

#[tokio::test]
async fn misbehaving_while_it_is_made_has_a_class() {
    let table = [
        ("loop in the start function", Wat { fields: "(func $s (loop $l (br $l))) (start $s)", ..Wat::default() }, FaultClass::RunFuel),
        ("trap in the start function", Wat { fields: "(func $s unreachable) (start $s)", ..Wat::default() }, FaultClass::RunTrap),
        ("memory over the cap from the start", Wat { memory: "1025", ..Wat::default() }, FaultClass::RunMemory),
        ("several memories over the cap together", Wat { fields: "(memory 600) (memory 600)", ..Wat::default() }, FaultClass::RunMemory),
        (
            "several tables over the cap together",
            Wat { fields: "(table 15000 funcref) (table 15000 funcref)", ..Wat::default() },
            FaultClass::RunMemory,
        ),
        ("loop in check-settings", Wat { check: LOOP, ..Wat::default() }, FaultClass::RunFuel),
        ("memory that the pool does not have", Wat { memory: "5000", ..Wat::default() }, FaultClass::LoadInvalid),
        (
            "more memories than the pool has",
            Wat { fields: "(memory 1) (memory 1) (memory 1) (memory 1) (memory 1) (memory 1) (memory 1) (memory 1)", ..Wat::default() },
            FaultClass::LoadInvalid,
        ),
    ];
    for (what, wat, expected) in table {
        let (class, message) = load_fault(&wat).await;
        assert_eq!(class, expected, "{what}: {message}");
        assert_eq!(message.starts_with("in `"), class.as_str().starts_with("run."), "{what}: {message}");
    }
}

#[tokio::test]
async fn what_was_refused_and_then_answered_is_an_answer() {
    let run = gate(&Wat::gate("(drop (memory.grow (i32.const 2000))) i32.const 64")).await;
    assert!(matches!(run.outcome, Ok(Verdict::Pass { .. })), "{:?}", run.outcome);
    assert_eq!(run.cost.memory_bytes, 2 * 65536, "what was refused does not count");
}

#[tokio::test]
async fn computing_past_the_deadline_is_stopped_in_time() {
    let endless = |limits: &mut orc_domain::verdict::GuestLimits| {
        limits.fuel = u64::MAX / 2;
        limits.wall_ms = 300;
    };
    let run = gate_limited(&Wat::gate(LOOP), endless, input()).await;
    assert_eq!(run.outcome.unwrap_err().class, FaultClass::RunDeadline);
    assert!((300_000..3_000_000).contains(&run.cost.duration_us), "{} us", run.cost.duration_us);
}

#[tokio::test]
async fn a_looping_guest_does_not_hold_its_thread() {
    let component = Wat::gate(LOOP).build();
    let mut binding = binding(GuestKind::Gate, &component, &[]);
    (binding.limits.fuel, binding.limits.wall_ms) = (u64::MAX / 2, 1_000);
    let host = host(2);
    host.load(&binding, component).await.unwrap();
    // One thread for both: the timer fires only if the guest gives way.
    tokio::select! {
        run = host.gate(&binding, input()) => panic!("the timer never fired: {:?}", run.outcome),
        () = tokio::time::sleep(Duration::from_millis(100)) => {}
    }
}

#[tokio::test]
async fn a_host_call_past_the_wall_time_is_told_from_computing() {
    let wat = Wat {
        imports: DOCUMENTS,
        body: "(call $open (i32.const 1024) (i32.const 5) (i32.const 512))
               (call $pointer (i32.load (i32.const 516)) (i32.const 0) (i32.const 0) (i32.const 520)) i32.const 64",
        ..Wat::default()
    };
    let mut large = input();
    let json = format!("[{}0]", "[1,2],".repeat(500_000));
    large.documents.insert("probe".into(), Document { media_type: "application/json".into(), bytes: json.into_bytes().into() });
    let run = gate_limited(&wat, |limits| limits.wall_ms = 40, large).await;
    assert_eq!(run.outcome.unwrap_err().class, FaultClass::RunWall);
}

#[tokio::test]
async fn a_document_too_large_to_parse_and_a_part_too_large_to_give_are_refused() {
    let pointer = "(call $open (i32.const 1024) (i32.const 5) (i32.const 512))
                   (call $pointer (i32.load (i32.const 516)) (i32.const 0) (i32.const 0) (i32.const 520)) i32.const 64";
    let read = "(call $open (i32.const 1024) (i32.const 5) (i32.const 512))
                (call $read (i32.load (i32.const 516)) (i64.const 0) (i32.const -1) (i32.const 520)) i32.const 64";
    for (what, body, bytes) in [("parse", pointer, 17 << 20), ("whole by pointer", pointer, 2 << 20), ("whole by read", read, 2 << 20)] {
        let mut large = input();
        let json = format!("\"{}\"", "x".repeat(bytes));
        large.documents.insert("probe".into(), Document { media_type: "application/json".into(), bytes: json.into_bytes().into() });
        let run = gate_limited(&Wat { imports: DOCUMENTS, body, ..Wat::default() }, |_| (), large).await;
        assert_eq!(run.outcome.unwrap_err().class, FaultClass::RunOutput, "{what}");
    }
}

#[tokio::test]
async fn handles_that_are_never_dropped_come_to_an_end() {
    let wat = Wat {
        imports: DOCUMENTS,
        body: "(loop $l (call $open (i32.const 1024) (i32.const 5) (i32.const 512)) (br $l)) unreachable",
        ..Wat::default()
    };
    let mut one = input();
    one.documents.insert("probe".into(), Document { media_type: "text/plain".into(), bytes: Arc::from(*b"x") });
    let run = gate_limited(&wat, |_| (), one).await;
    assert_eq!(run.outcome.unwrap_err().class, FaultClass::RunOutput);
    assert!(run.cost.fuel < 10_000_000, "the handles ended it, not the fuel: {}", run.cost.fuel);
}

#[tokio::test]
async fn a_flood_of_log_is_cut_and_counted() {
    let wat = Wat {
        imports: LOG,
        body: "(loop $l
                 (call $log (i32.const 2) (i32.const 1024) (i32.const 5))
                 (local.set $i (i32.add (local.get $i) (i32.const 1)))
                 (br_if $l (i32.lt_u (local.get $i) (i32.const 100000))))
               i32.const 64",
        ..Wat::default()
    };
    let run = gate(&wat).await;
    assert!(matches!(run.outcome, Ok(Verdict::Pass { .. })), "{:?}", run.outcome);
    let kept = run.cost.log.len() as u64;
    assert_eq!(kept, 16 * 1024 / (5 + 16));
    assert_eq!(run.cost.log_dropped, (100_000 - kept) * 5);
    assert_eq!((run.cost.log[0].level.as_str(), run.cost.log[0].message.raw()), ("warn", "probe"));
}

#[tokio::test]
async fn after_a_line_that_was_dropped_no_shorter_one_is_kept() {
    let wat = Wat {
        imports: LOG,
        body: "(call $log (i32.const 0) (i32.const 1024) (i32.const 5)) (call $log (i32.const 0) (i32.const 4096) (i32.const 20000))
               (call $log (i32.const 0) (i32.const 1024) (i32.const 5)) i32.const 64",
        ..Wat::default()
    };
    let cost = gate(&wat).await.cost;
    assert_eq!((cost.log.len(), cost.log_dropped), (1, 20_005));
}

#[tokio::test]
async fn input_above_its_limit_is_refused_before_the_guest_sees_it() {
    let mut large = input();
    let change = |n: usize| Change {
        path: Untrusted::new(format!("{n}/{}", "x".repeat(100))),
        kind: ChangeKind::Added,
        added: 1,
        removed: 0,
        binary: false,
        size: 1,
        mode: "100644".into(),
    };
    large.changes = (0..3000).map(change).collect();
    let run = gate_limited(&Wat::default(), |_| (), large).await;
    let fault = run.outcome.unwrap_err();
    assert_eq!(fault.class, FaultClass::RunHost);
    assert!(fault.message.contains("262144"), "{}", fault.message);
    assert_eq!(run.cost.fuel, 0);
}

#[tokio::test]
async fn only_a_loaded_binding_is_called_and_only_as_what_it_is() {
    let component = Wat::default().build();
    let host = host(2);
    let loaded = binding(GuestKind::Gate, &component, &[]);
    host.load(&loaded, Arc::clone(&component)).await.unwrap();
    let mut other_settings = loaded.clone();
    other_settings.settings = serde_json::json!({ "max": 4 });
    let mut more = loaded.clone();
    more.capabilities.insert(Capability::Documents);
    for (what, binding) in [("other settings", other_settings), ("more capabilities", more)] {
        assert_eq!(host.gate(&binding, input()).await.outcome.unwrap_err().class, FaultClass::RunHost, "{what}");
    }
    assert_eq!(host.hook(&loaded, input()).await.outcome.unwrap_err().class, FaultClass::RunHost);
    assert_eq!(host.validate(&loaded, input()).await.outcome.unwrap_err().class, FaultClass::RunHost);
    assert!(host.gate(&loaded, input()).await.outcome.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_more_than_there_are_places_waits_a_second_and_is_told_so() {
    let host = Arc::new(host(3));
    let component = Wat::gate(LOOP).build();
    let mut slow = binding(GuestKind::Gate, &component, &[]);
    (slow.limits.fuel, slow.limits.wall_ms) = (u64::MAX / 2, 2_500);
    host.load(&slow, component).await.unwrap();
    let call = |host: Arc<orc_guests::WasmGuests>, binding| async move { host.gate(&binding, input()).await };
    let looping: Vec<_> = (0..3).map(|_| tokio::spawn(call(Arc::clone(&host), slow.clone()))).collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let refused = host.gate(&slow, input()).await;
    assert_eq!(refused.outcome.unwrap_err().class, FaultClass::RunBusy);
    for call in looping {
        assert_eq!(call.await.unwrap().outcome.unwrap_err().class, FaultClass::RunDeadline);
    }
    // The places are free again.
    let honest = Wat::default().build();
    let fine = binding(GuestKind::Gate, &honest, &[]);
    host.load(&fine, honest).await.unwrap();
    assert!(host.gate(&fine, input()).await.outcome.is_ok());
}
