//! What is refused before any call, and what is not.

use std::sync::Arc;

use orc_domain::ports::Guests;
use orc_domain::verdict::{Capability, FaultClass, GuestKind};

use crate::support::{Wat, binding, host, input, load_fault};

const LOG: &str = r#"(import "orc:guest/log@1.0.0" "write" (func $log (param i32 i32 i32)))"#;
const DOCUMENTS: &str = r#"(import "orc:guest/documents@1.0.0" "names" (func $names (param i32)))"#;

#[tokio::test]
async fn what_is_no_component_is_invalid() {
    let component = Wat::default().build();
    let core = wat::parse_str("(module)").unwrap();
    let mut broken = component.to_vec();
    let middle = broken.len() / 2;
    broken.truncate(middle);
    let huge = [component.to_vec(), vec![0; 33 << 20]].concat();
    let table: [(&str, Vec<u8>, &str); 6] = [
        ("nothing", Vec::new(), "no WebAssembly component"),
        ("text", b"(component)".to_vec(), "no WebAssembly component"),
        ("an ELF file", b"\x7fELF\x02\x01\x01".to_vec(), "no WebAssembly component"),
        ("a core module", core, "core module"),
        ("half a component", broken, "wasmtime refuses"),
        ("too large", huge, "at most"),
    ];
    let host = host(1);
    for (what, bytes, says) in table {
        let bound = binding(GuestKind::Gate, &bytes, &[]);
        let fault = host.load(&bound, bytes.into()).await.unwrap_err();
        assert_eq!(fault.class, FaultClass::LoadInvalid, "{what}");
        assert!(fault.message.contains(says), "{what}: {}", fault.message);
    }
}

#[tokio::test]
async fn another_module_than_the_pinned_one_is_refused() {
    let (pinned, other) = (Wat::default().build(), Wat::gate("unreachable").build());
    let (host, bound) = (host(1), binding(GuestKind::Gate, &pinned, &[]));
    let fault = host.load(&bound, other).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::LoadDigest);
    assert!(fault.message.contains(&bound.module.to_string()), "{}", fault.message);
    // The failure is not remembered against the right one.
    host.load(&bound, pinned).await.unwrap();
}

#[tokio::test]
async fn an_import_that_was_not_granted_is_refused_at_link() {
    let both: &str = r#"(import "orc:guest/log@1.0.0" "write" (func $log (param i32 i32 i32)))
        (import "orc:guest/documents@1.0.0" "names" (func $names (param i32)))"#;
    let all = Capability::ALL;
    let table: [(&str, &[Capability], Option<&str>); 7] = [
        (LOG, &[], Some("log")),
        (LOG, &[Capability::Settings, Capability::Documents], Some("log")),
        (LOG, &[Capability::Log], None),
        (DOCUMENTS, &[Capability::Log, Capability::Settings], Some("documents")),
        (both, &[Capability::Log], Some("documents")),
        (both, all, None),
        ("", &[], None),
    ];
    let host = host(1);
    for (imports, granted, missing) in table {
        // An import that is never called is an import.
        let component = Wat { imports, ..Wat::default() }.build();
        let loaded = host.load(&binding(GuestKind::Gate, &component, granted), component).await;
        let Some(missing) = missing else {
            assert_eq!(loaded, Ok(()), "{imports} with {granted:?}");
            continue;
        };
        let fault = loaded.unwrap_err();
        assert_eq!(fault.class, FaultClass::LoadCapability);
        assert!(
            fault.message.contains(&format!("orc:guest/{missing}@1.0.0")) && fault.message.contains("guests.lock"),
            "{}",
            fault.message
        );
    }
}

#[tokio::test]
async fn what_no_capability_provides_is_refused_by_name() {
    let wat = Wat {
        extra_wit: Some(
            "package wasi:clocks@0.2.6; interface wall-clock { now: func() -> u64; }
             world clocked { include orc:guest/gate@1.0.0; import wall-clock; }",
        ),
        world: "clocked",
        imports: r#"(import "wasi:clocks/wall-clock@0.2.6" "now" (func $now (result i64)))"#,
        ..Wat::default()
    };
    let (class, message) = load_fault(&wat).await;
    assert_eq!(class, FaultClass::LoadCapability);
    assert!(message.contains("wasi:clocks/wall-clock@0.2.6"), "{message}");
}

#[tokio::test]
async fn another_world_is_refused() {
    let component = Wat { world: "hook", ..Wat::default() }.build();
    let host = host(1);
    let fault = host.load(&binding(GuestKind::Gate, &component, &[]), Arc::clone(&component)).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::LoadWorld);
    assert!(fault.message.contains("orc:guest/gating@1.0.0") && fault.message.contains("orc:guest/hooking@1.0.0"), "{}", fault.message);
    host.load(&binding(GuestKind::Hook, &component, &[]), component).await.unwrap();

    let base = Wat::default();
    let same_version = |from: &str, to: &str| base.wit.replace(from, to);
    let meta_only = Wat {
        extra_wit: Some("package other:place; world meta-only { export orc:guest/meta@1.0.0; }"),
        world: "meta-only",
        ..Wat::default()
    };
    let empty = wat::parse_str("(component)").unwrap();
    let fault = host.load(&binding(GuestKind::Gate, &empty, &[]), empty.into()).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::LoadWorld);
    let table = [
        ("only meta", meta_only),
        ("version 2", Wat { wit: base.wit.replace("@1.0.0", "@2.0.0"), version: "2.0.0", ..Wat::default() }),
        ("version 0.9", Wat { wit: base.wit.replace("@1.0.0", "@0.9.0"), version: "0.9.0", ..Wat::default() }),
        ("version 1.0.0 with another variant", Wat { wit: same_version("ask(string)", "maybe(string)"), ..Wat::default() }),
        (
            "version 1.0.0 with another import",
            Wat {
                wit: same_version("write: func(level: level, message: string)", "write: func(level: level, message: u32)"),
                imports: r#"(import "orc:guest/log@1.0.0" "write" (func $log (param i32 i32)))"#,
                ..Wat::default()
            },
        ),
    ];
    for (what, wat) in table {
        let (class, message) = load_fault(&wat).await;
        assert_eq!(class, FaultClass::LoadWorld, "{what}: {message}");
    }
}

#[tokio::test]
async fn a_later_minor_version_links_while_it_needs_nothing_new() {
    let wit = Wat::default().wit.replace("@1.0.0", "@1.3.0");
    let later = Wat {
        wit: wit.clone(),
        version: "1.3.0",
        imports: r#"(import "orc:guest/log@1.3.0" "write" (func $log (param i32 i32 i32)))"#,
        ..Wat::default()
    };
    let (host, component) = (host(1), later.build());
    let bound = binding(GuestKind::Gate, &component, Capability::ALL);
    host.load(&bound, component).await.unwrap();
    assert!(host.gate(&bound, input()).await.outcome.is_ok());

    let needs_new = Wat {
        wit: wit.replace("    write: func", "    flush: func();\n    write: func"),
        imports: r#"(import "orc:guest/log@1.3.0" "flush" (func $flush))"#,
        ..later
    };
    let (class, message) = load_fault(&needs_new).await;
    assert_eq!(class, FaultClass::LoadWorld);
    assert!(message.contains("flush"), "{message}");
}

#[tokio::test]
async fn a_guest_that_calls_itself_otherwise_or_refuses_its_settings_is_not_loaded() {
    let component = Wat::default().build();
    let host = host(1);
    let bound = binding(GuestKind::Gate, &component, &[]);
    let mut renamed = bound.clone();
    renamed.guest = "secret-scan".parse().unwrap();
    let mut newer = bound.clone();
    newer.version = "1.0.1".into();
    for other in [renamed, newer] {
        let fault = host.load(&other, Arc::clone(&component)).await.unwrap_err();
        assert_eq!(fault.class, FaultClass::LoadWorld);
        assert!(fault.message.contains("probe 1.0.0"), "{}", fault.message);
    }

    // One finding at 2048 whose rule and message are "probe".
    let picky = Wat {
        fields: r#"(data (i32.const 512) "\00\08\00\00\01\00\00\00") (data (i32.const 2048) "\00\04\00\00\05\00\00\00\00\04\00\00\05\00\00\00")"#,
        check: "i32.const 512",
        ..Wat::default()
    };
    let (class, message) = load_fault(&picky).await;
    assert_eq!(class, FaultClass::LoadSettings);
    assert!(message.contains("probe: probe"), "{message}");

    let mut no_object = bound;
    no_object.settings = serde_json::json!([1]);
    assert_eq!(host.load(&no_object, component).await.unwrap_err().class, FaultClass::LoadSettings);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loading_again_and_at_the_same_time_is_loading_once() {
    let host = Arc::new(host(8));
    let component = Wat::default().build();
    let bound = binding(GuestKind::Gate, &component, &[]);
    let load = |host: Arc<orc_guests::WasmGuests>, bound, component| async move { host.load(&bound, component).await };
    let loads: Vec<_> = (0..8).map(|_| tokio::spawn(load(Arc::clone(&host), bound.clone(), Arc::clone(&component)))).collect();
    for load in loads {
        assert_eq!(load.await.unwrap(), Ok(()));
    }
    // A ready binding needs no bytes any more.
    assert_eq!(host.load(&bound, Arc::from(*b"")).await, Ok(()));
}

#[test]
fn inspecting_says_what_a_component_is() {
    let host = host(1);
    let component = Wat { imports: LOG, ..Wat::default() }.build();
    let found = host.inspect(&component).unwrap();
    assert_eq!(found.kinds.into_iter().collect::<Vec<_>>(), [GuestKind::Gate]);
    assert_eq!(found.capabilities.into_iter().collect::<Vec<_>>(), [Capability::Log]);
    assert_eq!((found.size, found.digest), (component.len() as u64, orc_domain::Digest::of(&component)));
    assert!(found.unknown_imports.is_empty() && found.exports.contains("orc:guest/gating@1.0.0"), "{:?}", found.exports);
    assert_eq!(host.inspect(b"\0asm\x01\0\0\0").unwrap_err().class, FaultClass::LoadInvalid);
}

#[test]
fn options_out_of_range_are_refused() {
    for concurrent_calls in [0, 1025] {
        let options = orc_guests::GuestsOptions { cache_dir: None, cache_key: [0; 32], concurrent_calls };
        assert!(matches!(orc_guests::WasmGuests::new(options), Err(orc_guests::GuestsError::ConcurrentCalls { .. })));
    }
}
