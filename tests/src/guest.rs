//! Guests made for a test: components out of WAT, pinned and bound in a root.

use std::fs;
use std::path::Path;

use orc_domain::Digest;
use orc_domain::verdict::{Capability, GuestKind};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::{edit, replace};

const WIT: &str = include_str!("../../guest-sdk/wit/v1/orc-guest.wit");

/// A guest whose parts a test replaces by worse ones. As it comes from [`Wat::new`] it is honest: its gate passes, its hook wants nothing,
/// its validator finds nothing.
///
/// Memory that a body can use: 64 to 95 is its answer, all zero (`ok(pass(nothing))` or `ok([])`), 96 a list without findings, 1024 the
/// guest's name, 2048 one finding whose texts are the name, from 4096 on nothing.
pub struct Wat {
    pub name: &'static str,
    pub kind: GuestKind,
    /// Core imports, which must come first.
    pub imports: &'static str,
    pub fields: &'static str,
    /// The body of `check-settings`: gives a pointer to a list.
    pub check: &'static str,
    /// The body of the kind's own export: gives a pointer to its answer.
    pub body: &'static str,
}

impl Wat {
    pub fn new(name: &'static str, kind: GuestKind) -> Self {
        Self { name, kind, imports: "", fields: "", check: "i32.const 96", body: "i32.const 64" }
    }

    pub fn component(&self) -> Vec<u8> {
        let mut resolve = Resolve::default();
        let package = resolve.push_str("orc-guest.wit", WIT).unwrap();
        let world = resolve.select_world(&[package], Some(self.kind.as_str())).unwrap();
        let mut module = wat::parse_str(self.core()).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
    }

    fn core(&self) -> String {
        let Self { name, imports, fields, check, body, .. } = self;
        let (export, params) = match self.kind {
            GuestKind::Gate => ("gating@1.0.0#evaluate", 16),
            GuestKind::Hook => ("hooking@1.0.0#run", 16),
            GuestKind::Validator => ("validating@1.0.0#validate", 11),
        };
        let params = "i32 ".repeat(params);
        let words =
            |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).map(|byte| format!("\\{byte:02x}")).collect::<String>();
        let length = u32::try_from(name.len()).unwrap();
        let description = words(&[1024, length, 1100, 5, 1024, length]);
        let finding = words(&[1024, length, 1024, length]);
        format!(
            r#"(module
              {imports}
              (memory (export "memory") 2)
              (global $heap (mut i32) (i32.const 8192))
              (data (i32.const 1024) "{name}")
              (data (i32.const 1100) "1.0.0")
              (data (i32.const 1200) "{description}")
              (data (i32.const 2048) "{finding}")
              (func (export "cabi_realloc") (param $old i32) (param i32 i32) (param $size i32) (result i32) (local $at i32)
                (local.set $at (global.get $heap))
                (global.set $heap (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))
                (local.get $at))
              (func (export "orc:guest/meta@1.0.0#describe") (result i32) i32.const 1200)
              (func (export "orc:guest/meta@1.0.0#check-settings") (param i32 i32) (result i32) {check})
              (func (export "orc:guest/{export}") (param {params}) (result i32) {body})
              {fields})"#
        )
    }

    fn manifest(&self, capabilities: &[Capability]) -> String {
        let Self { name, kind, .. } = self;
        let capabilities: Vec<String> = capabilities.iter().map(|capability| format!("\"{capability}\"")).collect();
        format!(
            "name = \"{name}\"\nversion = \"1.0.0\"\nkind = \"{kind}\"\nsummary = \"A guest of a test\"\nworld = \"orc:guest/{kind}@1.0.0\"\ncapabilities = [{}]\n",
            capabilities.join(", ")
        )
    }

    /// Puts it under the root, pinned, asking for `asks` and granted `granted`.
    pub fn install(&self, root: &Path, asks: &[Capability], granted: &[Capability]) {
        install(root, self.name, &self.component(), &self.manifest(asks), granted);
    }

    /// Puts `component` there in its place.
    pub fn install_as(&self, root: &Path, component: &[u8]) {
        install(root, self.name, component, &self.manifest(&[]), &[]);
    }
}

fn install(root: &Path, name: &str, component: &[u8], manifest: &str, granted: &[Capability]) {
    let (path, manifest_path) = (format!("phases/guests/{name}.wasm"), format!("phases/guests/{name}.toml"));
    fs::write(root.join(&path), component).unwrap();
    fs::write(root.join(&manifest_path), manifest).unwrap();
    let granted: Vec<&str> = granted.iter().map(|capability| capability.as_str()).collect();
    let (module, pinned) = (Digest::of(component), Digest::of(manifest.as_bytes()));
    let lock = root.join("config/guests.lock");
    let text = fs::read_to_string(&lock).unwrap();
    let entry = format!(
        "  {name}:\n    path: {path}\n    module: {module}\n    manifest_path: {manifest_path}\n    manifest: {pinned}\n    grant: [{}]\n",
        granted.join(", ")
    );
    replace(&lock, &format!("{text}{entry}"));
}

/// Binds a guest in front of the stock ones: `place` is a key of a phase contract, as in `post_gates`.
pub fn bind(root: &Path, place: &str, binding: &str) {
    let file = "config/phase-contracts.yaml";
    let contracts = fs::read_to_string(root.join(file)).unwrap();
    let key = format!("\n    {place}:\n");
    let verify = &contracts[..contracts.find("\n  plan:\n").unwrap()];
    if place == "validator" {
        edit(root, file, "    skippable: false\n", &format!("    skippable: false\n    validator: {binding}\n"));
    } else if verify.contains(&key) {
        let bound = verify.replacen(&key, &format!("{key}      - {binding}\n"), 1);
        replace(&root.join(file), &contracts.replacen(verify, &bound, 1));
    } else {
        edit(root, file, "    skippable: false\n", &format!("    skippable: false\n    {place}:\n      - {binding}\n"));
    }
}
