//! A guest's own tests: TOML files beside it, each one call, run through the real host with the limits of production.
//!
//! A case names what the guest is given and what it must answer. Unknown keys are errors, here as everywhere.
//!
//! ```toml
//! # Default true; false is what `--no-verify` gives.
//! verification_expected = true
//!
//! # Over the manifest's defaults, key by key.
//! [settings]
//! max_files = 2
//!
//! # All three have defaults: phase `verify`, the position after the attempt that fits the kind, attempt 1.
//! [context]
//! phase = "develop"
//! position = "post_gate"
//! attempt = 2
//!
//! # What git says changed. `kind` is added, modified or deleted; the rest has defaults: 0, false, 0 and "100644".
//! [[changes]]
//! path = "src/lib.rs"
//! kind = "modified"
//! added = 10
//! removed = 2
//! binary = false
//! size = 1200
//! mode = "100644"
//!
//! # What the host ran, and one of: exit = 0, signal = 9, timed_out = true, cancelled = true, output_limit = true.
//! [[commands]]
//! argv = ["cargo", "test"]
//! exit = 0
//! duration_ms = 1500
//!
//! # Documents by name, each with `text`, or with `file`: a file's name beside the case, no path.
//! [documents.diff]
//! media_type = "text/x-diff"
//! text = "+hello"
//!
//! [expect]
//! verdict = "fail"
//! # These, in this order, with anything between them; `path`, `line` and `severity` are compared where they are given.
//! findings = [{ rule = "too-many-files", path = "src/lib.rs", line = 3, severity = "high" }]
//! ```
//!
//! `[expect]` holds exactly one of these:
//!
//! | key | for | met when |
//! |---|---|---|
//! | `verdict = "pass"`, `"fail"`, `"ask"` or `"not_applicable"` | gates | it answers that, with `findings` where they are given |
//! | `effects = [{ effect = "annotate", name = "n", value = "v" }, { effect = "notify", message = "m" }]` | hooks | it answers exactly these; `value` and `message` are compared where they are given |
//! | `effects = [{ effect = "remember", kind = "pitfall", text = "t", path = "p" }, { effect = "backlog", kind = "bug", severity = "low", title = "t", detail = "d", path = "p" }]` | hooks | as above; all but `kind` is compared where it is given |
//! | `valid = true` or `false` | validators | it has no findings, or some, with `findings` where they are given |
//! | `fault = "run.fuel"` | all | loading or the call ends in a fault of that class |
//! | `settings_rejected = true` | all | `check-settings` has findings, with `findings` where they are given |

mod form;
mod judge;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orc_domain::Digest;
use orc_domain::ports::{GuestCost, GuestInput, GuestRun, Guests};
use orc_domain::verdict::{BindingMode, GuestBinding, GuestKind, GuestLimits, GuestManifest};

use crate::WasmGuests;
use form::{Case, Expect};
use judge::{Got, Judgement};

/// The largest file beside a case, in bytes.
const MAX_FIXTURE: u64 = 16 * 1024 * 1024;

/// A guest as its author has it: manifest, component, and the files that cases name.
#[derive(Debug, Clone)]
pub struct GuestFiles {
    /// Its manifest.
    pub manifest: GuestManifest,
    /// The component's bytes.
    pub component: Arc<[u8]>,
    /// Files beside the cases, by name.
    pub fixtures: BTreeMap<String, Arc<[u8]>>,
}

/// A directory of cases, as read.
#[derive(Debug, Clone, Default)]
pub struct CaseDir {
    /// Every `*.toml`, name and text, in the order of names.
    pub cases: Vec<(String, String)>,
    /// Every other file, by name.
    pub fixtures: BTreeMap<String, Arc<[u8]>>,
}

/// Why cases cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CasesError {
    /// The system refuses.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// Which file or directory.
        path: PathBuf,
        /// What it says.
        #[source]
        source: std::io::Error,
    },
    /// A file is larger than a case can use.
    #[error("`{}` has {bytes} bytes; files beside cases may have {MAX_FIXTURE}", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// A case is no text.
    #[error("`{}` is no UTF-8 text", path.display())]
    NoText {
        /// Which file.
        path: PathBuf,
    },
}

/// Reads the cases of a guest and the files beside them. Links and directories are passed over: a case can name only what lies here.
///
/// # Errors
/// When the directory or a file in it cannot be read, is too large, or is a case and no text.
pub fn read_cases(dir: &Path) -> Result<CaseDir, CasesError> {
    let read_error = |path: &Path, source| CasesError::Read { path: path.into(), source };
    let mut found = CaseDir::default();
    for entry in std::fs::read_dir(dir).map_err(|source| read_error(dir, source))? {
        let entry = entry.map_err(|source| read_error(dir, source))?;
        let path = entry.path();
        let metadata = std::fs::symlink_metadata(&path).map_err(|source| read_error(&path, source))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !metadata.is_file() {
            continue;
        }
        if metadata.len() > MAX_FIXTURE {
            return Err(CasesError::TooLarge { path, bytes: metadata.len() });
        }
        let bytes = std::fs::read(&path).map_err(|source| read_error(&path, source))?;
        if name.ends_with(".toml") {
            found.cases.push((name, String::from_utf8(bytes).map_err(|_| CasesError::NoText { path })?));
        } else {
            found.fixtures.insert(name, bytes.into());
        }
    }
    found.cases.sort();
    Ok(found)
}

/// How a case went.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CaseResult {
    /// The file's name.
    pub name: String,
    /// Whether what was got is what was expected.
    pub passed: bool,
    /// What was expected, in words; empty where the case itself is not in order.
    pub expected: String,
    /// What was got, in words, safe to show; or what is wrong with the case.
    pub got: String,
    /// What the call cost; zero where none was made.
    pub cost: GuestCost,
}

/// Runs cases, in their order. A case that is not in order is one that did not pass.
pub async fn run_cases(guests: &WasmGuests, guest: &GuestFiles, cases: &[(String, String)]) -> Vec<CaseResult> {
    let module = Digest::of(&guest.component);
    let mut results = Vec::with_capacity(cases.len());
    for (name, text) in cases {
        results.push(run_case(guests, guest, module, name, text).await);
    }
    results
}

async fn run_case(guests: &WasmGuests, guest: &GuestFiles, module: Digest, name: &str, text: &str) -> CaseResult {
    let kind = guest.manifest.kind;
    let prepared = form::parse(text, kind).and_then(|case| Ok((case.input(kind, &guest.fixtures)?, case)));
    let (input, case) = match prepared {
        Ok(prepared) => prepared,
        Err(problem) => {
            return CaseResult { name: name.into(), passed: false, expected: String::new(), got: problem, cost: GuestCost::default() };
        }
    };
    let binding = binding(&guest.manifest, module, &case);
    let (got, cost) = call(guests, guest, &binding, &case, input).await;
    let Judgement { passed, expected, got } = judge::judge(&case.expect, &got);
    CaseResult { name: name.into(), passed, expected, got, cost }
}

/// The binding of a case: production's limits, everything granted that the manifest asks for.
fn binding(manifest: &GuestManifest, module: Digest, case: &Case) -> GuestBinding {
    let mut settings: serde_json::Map<_, _> = manifest.settings.clone().into_iter().collect();
    settings.extend(case.settings.clone());
    GuestBinding {
        guest: manifest.name.clone(),
        kind: manifest.kind,
        version: manifest.version.clone(),
        module,
        // No plan is made of this binding, so nothing is pinned by it.
        manifest: module,
        mode: BindingMode::Blocking,
        settings: settings.into(),
        capabilities: manifest.capabilities.clone(),
        limits: GuestLimits::for_kind(manifest.kind),
    }
}

async fn call(guests: &WasmGuests, guest: &GuestFiles, binding: &GuestBinding, case: &Case, input: GuestInput) -> (Got, GuestCost) {
    let component = Arc::clone(&guest.component);
    if matches!(case.expect, Expect::SettingsRejected { .. }) {
        return got(guests.check_settings(binding, component).await, Got::Settings);
    }
    if let Err(fault) = guests.load(binding, component).await {
        return (Got::Fault(fault), GuestCost::default());
    }
    match binding.kind {
        GuestKind::Gate => got(guests.gate(binding, input).await, Got::Verdict),
        GuestKind::Hook => got(guests.hook(binding, input).await, Got::Effects),
        GuestKind::Validator => got(guests.validate(binding, input).await, Got::Findings),
    }
}

fn got<T>(run: GuestRun<T>, answer: impl FnOnce(T) -> Got) -> (Got, GuestCost) {
    (run.outcome.map_or_else(Got::Fault, answer), run.cost)
}
