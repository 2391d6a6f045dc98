//! Makes components out of WAT, and calls them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orc_domain::Digest;
use orc_domain::contract::BindingPosition;
use orc_domain::ports::{GuestContext, GuestInput, GuestRun, Guests};
use orc_domain::verdict::*;
use orc_guests::{GuestsOptions, WasmGuests};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const WIT: &str = include_str!("../../../../guest-sdk/wit/v1/orc-guest.wit");

/// A guest whose every part can be replaced by a worse one. The default is an honest gate that passes everything.
#[derive(Clone)]
pub(crate) struct Wat {
    pub(crate) wit: String,
    /// A world of the package, or of `extra_wit`.
    pub(crate) world: &'static str,
    /// More WIT, a package of its own.
    pub(crate) extra_wit: Option<&'static str>,
    pub(crate) version: &'static str,
    /// Core imports and other fields that must come first.
    pub(crate) imports: &'static str,
    pub(crate) memory: &'static str,
    pub(crate) fields: &'static str,
    /// The body of `check-settings`; gives a pointer to a list. Memory at 96 is zero: no findings.
    pub(crate) check: &'static str,
    /// The body of the kind's own export; gives a pointer to its answer. Memory at 64 is zero: `ok(pass(nothing))`, or `ok([])`.
    pub(crate) body: &'static str,
}

impl Default for Wat {
    fn default() -> Self {
        Self {
            wit: WIT.into(),
            world: "gate",
            extra_wit: None,
            version: "1.0.0",
            imports: "",
            memory: "2",
            fields: "",
            check: "i32.const 96",
            body: "i32.const 64",
        }
    }
}

impl Wat {
    /// An honest gate but for this body.
    pub(crate) fn gate(body: &'static str) -> Self {
        Self { body, ..Self::default() }
    }

    /// The component.
    pub(crate) fn build(&self) -> Arc<[u8]> {
        let mut resolve = Resolve::default();
        let package = resolve.push_str("orc-guest.wit", &self.wit).unwrap();
        let package = self.extra_wit.map_or(package, |extra| resolve.push_str("extra.wit", extra).unwrap());
        let world = resolve.select_world(&[package], Some(self.world)).unwrap();
        let mut module = wat::parse_str(self.core()).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default().module(&module).unwrap().encode().unwrap().into()
    }

    fn core(&self) -> String {
        let Self { version, imports, memory, fields, check, body, .. } = self;
        let (export, params) = match self.world {
            "hook" => ("hooking@V#run", 16),
            "validator" => ("validating@V#validate", 11),
            "meta-only" => ("", 0),
            _ => ("gating@V#evaluate", 16),
        };
        let export = export.replace('V', version);
        let params = "i32 ".repeat(params);
        let own = if export.is_empty() {
            String::new()
        } else {
            format!(r#"(func (export "orc:guest/{export}") (param {params}) (result i32) (local $i i32) {body})"#)
        };
        format!(
            r#"(module
              {imports}
              (memory (export "memory") {memory})
              (global $heap (mut i32) (i32.const 8192))
              (data (i32.const 1024) "probe")
              (data (i32.const 1040) "1.0.0")
              (data (i32.const 1056) "\00\04\00\00\05\00\00\00\10\04\00\00\05\00\00\00\00\04\00\00\00\00\00\00")
              (func (export "cabi_realloc") (param $old i32) (param i32 i32) (param $size i32) (result i32) (local $at i32)
                (local.set $at (global.get $heap))
                (global.set $heap (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))
                (local.get $at))
              (func (export "orc:guest/meta@{version}#describe") (result i32) i32.const 1056)
              (func (export "orc:guest/meta@{version}#check-settings") (param i32 i32) (result i32) {check})
              {own}
              {fields})"#
        )
    }
}

/// A host with so many places and no cache.
pub(crate) fn host(concurrent_calls: u32) -> WasmGuests {
    WasmGuests::new(GuestsOptions { cache_dir: None, cache_key: [7; 32], concurrent_calls }).unwrap()
}

/// A binding of `probe` 1.0.0 with the limits of production, but ten seconds of wall time: fuel decides, however busy the machine is.
pub(crate) fn binding(kind: GuestKind, component: &[u8], capabilities: &[Capability]) -> GuestBinding {
    GuestBinding {
        guest: "probe".parse().unwrap(),
        kind,
        version: "1.0.0".into(),
        module: Digest::of(component),
        manifest: Digest::of(b""),
        mode: BindingMode::Blocking,
        settings: serde_json::json!({ "max": 3 }),
        capabilities: BTreeSet::from_iter(capabilities.iter().copied()),
        limits: GuestLimits { wall_ms: 10_000, ..GuestLimits::for_kind(kind) },
    }
}

pub(crate) fn input() -> GuestInput {
    GuestInput {
        context: GuestContext {
            workflow: "wf_k7f3q2mz".parse().unwrap(),
            execution: "ex_k7f3q2mz".parse().unwrap(),
            project: "flowry".parse().unwrap(),
            phase: "verify".parse().unwrap(),
            position: BindingPosition::PostGate,
            attempt: 1,
        },
        changes: Vec::new(),
        commands: Vec::new(),
        verification_expected: true,
        documents: BTreeMap::new(),
    }
}

/// Loads and calls a gate with every capability.
pub(crate) async fn gate(wat: &Wat) -> GuestRun<Verdict> {
    gate_limited(wat, |_| (), input()).await
}

/// Loads with the ordinary limits, then calls with changed ones: what is looked at is the call.
pub(crate) async fn gate_limited(wat: &Wat, limit: impl FnOnce(&mut GuestLimits), input: GuestInput) -> GuestRun<Verdict> {
    let host = host(2);
    let component = wat.build();
    let mut binding = binding(GuestKind::Gate, &component, Capability::ALL);
    limit(&mut binding.limits);
    host.load(&binding, component).await.expect("the guest is to load");
    host.gate(&binding, input).await
}

/// The class of a load that must fail, and its message.
pub(crate) async fn load_fault(wat: &Wat) -> (FaultClass, String) {
    let component = wat.build();
    let fault =
        host(2).load(&binding(GuestKind::Gate, &component, Capability::ALL), component).await.expect_err("the guest is not to load");
    (fault.class, fault.message)
}
