//! From bytes to a module that can be called: digest, form, compile or cache, imports against capabilities, exports against the kind.

use std::collections::BTreeSet;

use orc_domain::Digest;
use orc_domain::verdict::{Capability, FaultClass, GuestFault, GuestKind};
use wasmtime::component::{Component, Instance, InstancePre};
use wasmtime::{Engine, Store};

use crate::bindings::{gating, hooking, meta, validating};
use crate::cache::Cache;
use crate::engine::MAX_COMPONENT;
use crate::fault::{fault, quoted};
use crate::imports::{self, CallState, TYPES, VERSION, interface};

/// A component linked with a capability set, ready for instances. Which of the three kinds it can be is in its exports.
pub(crate) struct Module {
    pub(crate) pre: InstancePre<CallState>,
    meta: meta::GuestIndices,
    gating: Option<gating::GuestIndices>,
    hooking: Option<hooking::GuestIndices>,
    validating: Option<validating::GuestIndices>,
}

impl Module {
    /// Compiles, or takes from the cache, and links. Takes seconds for a large component: not for an async thread.
    pub(crate) fn load(
        engine: &Engine,
        cache: Option<&Cache>,
        pinned: Digest,
        capabilities: &BTreeSet<Capability>,
        bytes: &[u8],
    ) -> Result<Self, GuestFault> {
        let found = Digest::of(bytes);
        if found != pinned {
            let message = format!("the module is {found}, pinned is {pinned}: rebuild it, or pin this one after looking at what changed");
            return Err(fault(FaultClass::LoadDigest, message));
        }
        let component = compile(engine, cache, pinned, bytes)?;
        check_imports(engine, &component, capabilities)?;
        Self::link(engine, &component, capabilities)
    }

    fn link(engine: &Engine, component: &Component, capabilities: &BTreeSet<Capability>) -> Result<Self, GuestFault> {
        let linked = imports::linker(engine, capabilities).and_then(|linker| linker.instantiate_pre(component));
        let pre = linked.map_err(|error| world(format!("an import is not as this host provides it: {}", quoted(format!("{error:#}")))))?;
        Ok(Self {
            meta: meta::GuestIndices::new(&pre).map_err(|_| exports_not(component, "every guest", "orc:guest/meta"))?,
            gating: gating::GuestIndices::new(&pre).ok(),
            hooking: hooking::GuestIndices::new(&pre).ok(),
            validating: validating::GuestIndices::new(&pre).ok(),
            pre,
        })
    }

    /// Whether an instance implements the world of this kind, in names and types.
    pub(crate) fn check_kind(&self, store: &mut Store<CallState>, instance: &Instance, kind: GuestKind) -> Result<(), GuestFault> {
        let typed = match kind {
            GuestKind::Gate => self.gating(store, instance).map(|_| ()),
            GuestKind::Hook => self.hooking(store, instance).map(|_| ()),
            GuestKind::Validator => self.validating(store, instance).map(|_| ()),
        };
        typed.and_then(|()| self.meta(store, instance).map(|_| ())).map_err(|error| match error.downcast::<GuestFault>() {
            Ok(fault) => fault,
            Err(error) => world(format!("an export is not as a {kind} of version {VERSION} has it: {}", quoted(format!("{error:#}")))),
        })
    }

    /// What every guest exports.
    pub(crate) fn meta(&self, store: &mut Store<CallState>, instance: &Instance) -> wasmtime::Result<meta::Guest> {
        self.meta.load(&mut *store, instance)
    }

    /// What a gate exports.
    pub(crate) fn gating(&self, store: &mut Store<CallState>, instance: &Instance) -> wasmtime::Result<gating::Guest> {
        self.gating.as_ref().ok_or_else(|| self.no_world(GuestKind::Gate))?.load(&mut *store, instance)
    }

    /// What a hook exports.
    pub(crate) fn hooking(&self, store: &mut Store<CallState>, instance: &Instance) -> wasmtime::Result<hooking::Guest> {
        self.hooking.as_ref().ok_or_else(|| self.no_world(GuestKind::Hook))?.load(&mut *store, instance)
    }

    /// What a validator exports.
    pub(crate) fn validating(&self, store: &mut Store<CallState>, instance: &Instance) -> wasmtime::Result<validating::Guest> {
        self.validating.as_ref().ok_or_else(|| self.no_world(GuestKind::Validator))?.load(&mut *store, instance)
    }

    fn no_world(&self, kind: GuestKind) -> GuestFault {
        exports_not(self.pre.component(), &format!("a {kind}"), export_of(kind))
    }
}

/// The interface that a kind exports, without its version.
pub(crate) const fn export_of(kind: GuestKind) -> &'static str {
    match kind {
        GuestKind::Gate => "orc:guest/gating",
        GuestKind::Hook => "orc:guest/hooking",
        GuestKind::Validator => "orc:guest/validating",
    }
}

/// Compiles a component, or takes it from the cache.
pub(crate) fn compile(engine: &Engine, cache: Option<&Cache>, digest: Digest, bytes: &[u8]) -> Result<Component, GuestFault> {
    check_form(bytes)?;
    if let Some(component) = cache.and_then(|cache| cache.get(engine, digest)) {
        return Ok(component);
    }
    let component =
        Component::from_binary(engine, bytes).map_err(|error| invalid(format!("wasmtime refuses it: {}", quoted(format!("{error:#}")))))?;
    if let Some(cache) = cache {
        cache.put(&component, digest);
    }
    Ok(component)
}

/// Whether it starts as a component does: a text, a core module or compiled code never reaches the compiler.
fn check_form(bytes: &[u8]) -> Result<(), GuestFault> {
    const COMPONENT: &[u8; 8] = b"\0asm\x0d\0\x01\0";
    const CORE: &[u8; 8] = b"\0asm\x01\0\0\0";
    if bytes.len() > MAX_COMPONENT {
        return Err(invalid(format!("it has {} bytes; at most {MAX_COMPONENT} are looked at", bytes.len())));
    }
    if bytes.starts_with(COMPONENT) {
        return Ok(());
    }
    if bytes.starts_with(CORE) {
        return Err(invalid("it is a core module, not a component: link it with `wasm-component-ld`"));
    }
    Err(invalid("it is no WebAssembly component"))
}

/// Every import must be of a granted capability, and the first that is not is named.
fn check_imports(engine: &Engine, component: &Component, capabilities: &BTreeSet<Capability>) -> Result<(), GuestFault> {
    component.component_type().imports(engine).try_for_each(|(name, _)| check_import(name, capabilities))
}

fn check_import(import: &str, capabilities: &BTreeSet<Capability>) -> Result<(), GuestFault> {
    let (name, version) = import.split_once('@').unwrap_or((import, ""));
    let capability = Capability::ALL.iter().find(|capability| interface(**capability) == name);
    let ours = capability.is_some() || TYPES.contains(&name);
    if !ours {
        let message = format!("it imports `{}`, which no capability provides: guests have no WASI and nothing ambient", quoted(import));
        return Err(fault(FaultClass::LoadCapability, message));
    }
    // Linking is by semantic version: any 1.x whose functions this host has.
    if !version.starts_with("1.") {
        return Err(world(format!("it imports `{}`; this host provides version {VERSION}", quoted(import))));
    }
    match capability {
        Some(capability) if !capabilities.contains(capability) => Err(not_granted(import, *capability, capabilities)),
        _ => Ok(()),
    }
}

fn not_granted(import: &str, capability: Capability, effective: &BTreeSet<Capability>) -> GuestFault {
    let effective = effective.iter().map(|capability| capability.as_str()).collect::<Vec<_>>().join(", ");
    let effective = if effective.is_empty() { "none".to_owned() } else { effective };
    let message = format!(
        "it imports `{}` without the capability `{capability}` (it has: {effective}): `{capability}` must stand both under `capabilities` \
         of its manifest and under `grant` in guests.lock",
        quoted(import)
    );
    fault(FaultClass::LoadCapability, message)
}

fn exports_not(component: &Component, who: &str, interface: &str) -> GuestFault {
    let ty = component.component_type();
    let names: Vec<String> = ty.exports(component.engine()).map(|(name, _)| format!("`{name}`")).collect();
    let exports = if names.is_empty() { "nothing".into() } else { quoted(names.join(", ")) };
    world(format!("{who} exports `{interface}@{VERSION}`; it exports {exports}"))
}

fn world(message: impl Into<String>) -> GuestFault {
    fault(FaultClass::LoadWorld, message)
}

fn invalid(message: impl Into<String>) -> GuestFault {
    fault(FaultClass::LoadInvalid, message)
}
