//! Tests of a guest without a host: inputs made by hand, and the guest's `cases/*.toml` run natively. `orcctl gate test` runs the same
//! cases against the built component under the host's limits.
//!
//! Not part of a component: it is compiled for native targets only, and its functions panic as tests do.

mod bounds;
mod cases;
mod form;

pub use cases::{check_manifest, run_gate_cases, run_hook_cases, run_validator_cases};

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::{Change, ChangeKind, Command, Context, Described, Document, Documents, End, Facts, Settings};

/// Facts of a first attempt at phase `verify`, at `post_gate`, with these changes, no command, and verification expected.
pub fn facts(changes: Vec<Change>) -> Facts {
    let context = Context {
        workflow: "wf_test".to_owned(),
        execution: "ex_test".to_owned(),
        project: "sample".to_owned(),
        phase: "verify".to_owned(),
        position: "post_gate".to_owned(),
        attempt: 1,
    };
    Facts { context, changes, commands: Vec::new(), verification_expected: true }
}

/// A new text file of one line. For more: `Change { added: 3, ..testing::added("a") }`.
pub fn added(path: &str) -> Change {
    Change { path: path.to_owned(), kind: ChangeKind::Added, added: 1, removed: 0, binary: false, size: 10, mode: "100644".to_owned() }
}

/// A file with one line replaced.
pub fn modified(path: &str) -> Change {
    Change { kind: ChangeKind::Modified, removed: 1, ..added(path) }
}

/// A file of one line that is gone.
pub fn deleted(path: &str) -> Change {
    Change { kind: ChangeKind::Deleted, added: 0, removed: 1, size: 0, mode: String::new(), ..added(path) }
}

/// A command that took a second.
pub fn command(argv: &[&str], end: End) -> Command {
    Command { argv: argv.iter().map(ToString::to_string).collect(), end, duration_ms: 1_000 }
}

/// The settings that a binding with `over` gets: the defaults of the guest's manifest, with `over`'s keys in their place.
///
/// # Errors
/// The messages of `check-settings`.
pub fn settings_of<G: Described, S: Settings>(over: Value) -> Result<S, Vec<String>> {
    let over = over.as_object().cloned().unwrap_or_else(Map::new);
    cases::read_settings(G::MANIFEST, &over).map_err(|findings| findings.into_iter().map(|finding| finding.message).collect())
}

/// Documents held in memory.
#[derive(Debug, Clone, Default)]
pub struct TestDocuments(BTreeMap<String, TestDocument>);

impl TestDocuments {
    /// None.
    pub fn none() -> Self {
        Self::default()
    }

    /// One more.
    #[must_use]
    pub fn with(mut self, name: &str, document: TestDocument) -> Self {
        self.0.insert(name.to_owned(), document);
        self
    }

    /// Only the document `output`, as JSON.
    pub fn output(text: impl AsRef<[u8]>) -> Self {
        Self::none().with("output", TestDocument::new("application/json", text))
    }

    /// Only the document `diff`.
    pub fn diff(text: impl AsRef<[u8]>) -> Self {
        Self::none().with("diff", TestDocument::new("text/x-diff", text))
    }
}

impl Documents for TestDocuments {
    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    fn open(&self, name: &str) -> Option<Box<dyn Document>> {
        self.0.get(name).map(|document| Box::new(document.clone()) as Box<dyn Document>)
    }
}

/// A document held in memory.
#[derive(Debug, Clone)]
pub struct TestDocument {
    media_type: String,
    bytes: Rc<[u8]>,
}

impl TestDocument {
    /// A document of these bytes.
    pub fn new(media_type: &str, bytes: impl AsRef<[u8]>) -> Self {
        Self { media_type: media_type.to_owned(), bytes: bytes.as_ref().into() }
    }
}

impl Document for TestDocument {
    fn media_type(&self) -> String {
        self.media_type.clone()
    }

    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read(&self, offset: u64, len: u32) -> Vec<u8> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.bytes.len());
        let to = from.saturating_add(len as usize).min(self.bytes.len());
        self.bytes[from..to].to_vec()
    }

    fn pointer(&self, pointer: &str) -> Option<String> {
        serde_json::from_slice::<Value>(&self.bytes).ok()?.pointer(pointer).map(Value::to_string)
    }
}
