//! What a component is, without running it.

use std::collections::BTreeSet;

use orc_domain::Digest;
use orc_domain::verdict::{Capability, GuestFault, GuestKind};
use serde::Serialize;
use wasmtime::Engine;

use crate::imports::{TYPES, interface};
use crate::load::{compile, export_of};

/// What a component is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// Its digest.
    pub digest: Digest,
    /// Its size, in bytes.
    pub size: u64,
    /// The kinds whose world it implements: usually one, none where it is no guest.
    pub kinds: BTreeSet<GuestKind>,
    /// The capabilities that its imports need.
    pub capabilities: BTreeSet<Capability>,
    /// Imports that no capability provides. A component that has one cannot be loaded.
    pub unknown_imports: BTreeSet<String>,
    /// Everything that it imports, as in `orc:guest/log@1.0.0`.
    pub imports: BTreeSet<String>,
    /// Everything that it exports.
    pub exports: BTreeSet<String>,
}

/// Compiles a component and reads its type.
pub(crate) fn inspect(engine: &Engine, bytes: &[u8]) -> Result<Inspection, GuestFault> {
    let digest = Digest::of(bytes);
    let component = compile(engine, None, digest, bytes)?;
    let ty = component.component_type();
    let imports: BTreeSet<String> = ty.imports(engine).map(|(name, _)| name.to_owned()).collect();
    let exports: BTreeSet<String> = ty.exports(engine).map(|(name, _)| name.to_owned()).collect();
    let has_meta = exports.iter().any(|name| unversioned(name) == "orc:guest/meta");
    let implements = |kind: &GuestKind| has_meta && exports.iter().any(|name| unversioned(name) == export_of(*kind));
    let needs = |capability: &Capability| imports.iter().any(|name| unversioned(name) == interface(*capability));
    let known = |name: &str| TYPES.contains(&name) || Capability::ALL.iter().any(|capability| interface(*capability) == name);
    Ok(Inspection {
        digest,
        size: bytes.len() as u64,
        kinds: GuestKind::ALL.iter().copied().filter(implements).collect(),
        capabilities: Capability::ALL.iter().copied().filter(needs).collect(),
        unknown_imports: imports.iter().filter(|name| !known(unversioned(name))).cloned().collect(),
        imports,
        exports,
    })
}

fn unversioned(name: &str) -> &str {
    name.split_once('@').map_or(name, |(name, _)| name)
}
