//! Guests around a phase: called with what the host observed, recorded one by one, and turned into reasons at one place.

use std::collections::BTreeMap;
use std::sync::Arc;

use orc_domain::api::{BlockReason, GuestResultView};
use orc_domain::audit::{EventKind, NewEvent};
use orc_domain::contract::BindingPosition;
use orc_domain::operators::Actor;
use orc_domain::ports::{Document, GuestContext, GuestInput, GuestRun};
use orc_domain::verdict::*;
use orc_domain::*;
use serde_json::json;

use crate::engine::{internal, to_json};
use crate::knowledge::{Proposed, keep};
use crate::phase::{Observed, Phase};
use crate::plan::subject_of;

/// A guest's answer as it is recorded, whatever its kind.
struct Recorded {
    outcome: String,
    verdict: Option<Verdict>,
    fault: Option<GuestFault>,
    detail: Option<serde_json::Value>,
}

impl Recorded {
    fn fault(fault: GuestFault) -> Self {
        Self { outcome: "fault".to_owned(), verdict: None, fault: Some(fault), detail: None }
    }

    fn detail(outcome: &str, detail: serde_json::Value) -> Self {
        Self { outcome: outcome.to_owned(), verdict: None, fault: None, detail: Some(detail) }
    }
}

impl Phase<'_> {
    fn bound(&self, position: BindingPosition) -> impl Iterator<Item = &GuestBinding> {
        let positions = self.planned.contract.bindings().map(|(position, _)| position);
        positions.zip(&self.planned.guests).filter(move |(at, _)| *at == position).map(|(_, binding)| binding)
    }

    /// Calls the gates of a position. What blocks comes back; all of them are asked, so that one attempt tells everything.
    pub(crate) async fn gates(&self, attempt: u32, position: BindingPosition, seen: &Observed) -> Result<Vec<BlockReason>, OrcError> {
        let mut blocking = Vec::new();
        for binding in self.bound(position) {
            let run = match self.load(binding).await? {
                Ok(()) => self.engine.guests.gate(binding, self.input(attempt, position, seen)?).await,
                Err(fault) => GuestRun { outcome: Err(fault), cost: Default::default() },
            };
            let reasons = gate_reasons(binding, &run.outcome);
            let recorded = match run.outcome {
                Ok(verdict) => Recorded { outcome: verdict.word().to_owned(), verdict: Some(verdict), fault: None, detail: None },
                Err(fault) => Recorded::fault(fault),
            };
            self.record(attempt, position, binding, recorded, run.cost).await?;
            if binding.mode == BindingMode::Blocking {
                blocking.extend(reasons);
            }
        }
        Ok(blocking)
    }

    /// Calls the hooks of a position. They cannot block: a fault is recorded and the phase goes on.
    pub(crate) async fn hooks(&self, attempt: u32, position: BindingPosition, seen: &Observed) -> Result<(), OrcError> {
        for binding in self.bound(position) {
            let run = match self.load(binding).await? {
                Ok(()) => self.engine.guests.hook(binding, self.input(attempt, position, seen)?).await,
                Err(fault) => GuestRun { outcome: Err(fault), cost: Default::default() },
            };
            let (recorded, proposed) = match run.outcome {
                Ok(effects) => {
                    let proposed = self.engine.proposed(&self.document.project, &self.run, &effects);
                    (Recorded::detail("effects", to_json(&effects)?), proposed)
                }
                Err(fault) => (Recorded::fault(fault), Vec::new()),
            };
            self.record_with(attempt, position, binding, (recorded, proposed), run.cost).await?;
        }
        Ok(())
    }

    /// Calls the validator on the output. Findings and faults block: an output that nobody could judge was not accepted.
    pub(crate) async fn validate(&self, attempt: u32, seen: &Observed) -> Result<Vec<BlockReason>, OrcError> {
        let position = BindingPosition::Validator;
        let mut blocking = Vec::new();
        for binding in self.bound(position) {
            let run = match self.load(binding).await? {
                Ok(()) => self.engine.guests.validate(binding, self.input(attempt, position, seen)?).await,
                Err(fault) => GuestRun { outcome: Err(fault), cost: Default::default() },
            };
            let (recorded, reasons) = match run.outcome {
                Ok(findings) => {
                    let outcome = if findings.is_empty() { "valid" } else { "invalid" };
                    (
                        Recorded::detail(outcome, to_json(&findings)?),
                        findings.iter().map(|finding| finding_reason(binding, finding)).collect(),
                    )
                }
                Err(fault) => {
                    let reasons = vec![fault_reason(binding, &fault)];
                    (Recorded::fault(fault), reasons)
                }
            };
            self.record(attempt, position, binding, recorded, run.cost).await?;
            if binding.mode == BindingMode::Blocking {
                blocking.extend::<Vec<BlockReason>>(reasons);
            }
        }
        Ok(blocking)
    }

    /// Makes the pinned module ready. The component comes from the database by its digest, never from the directory.
    async fn load(&self, binding: &GuestBinding) -> Result<Result<(), GuestFault>, OrcError> {
        let module = binding.module;
        let bytes = self.engine.read(move |tx| Ok(tx.blob(&module)?.bytes)).await?;
        Ok(self.engine.guests.load(binding, Arc::from(bytes)).await)
    }

    fn input(&self, attempt: u32, position: BindingPosition, seen: &Observed) -> Result<GuestInput, OrcError> {
        let plan = self.document.canonical().map_err(|error| internal("the plan has no JSON form", &error))?;
        let mut documents = BTreeMap::from([("plan".to_owned(), document("application/json", plan))]);
        documents.insert("diff".to_owned(), document("text/x-diff", seen.diff.clone()));
        documents.insert("schema".to_owned(), document("application/json", seen.schema.clone()));
        documents.insert("memory".to_owned(), document("application/json", seen.memory.clone()));
        if let Some(output) = &seen.output {
            let bytes = canonical_json(output).map_err(|error| internal("the output has no JSON form", &error))?;
            documents.insert("output".to_owned(), document("application/json", bytes));
        }
        Ok(GuestInput {
            context: GuestContext {
                workflow: self.document.workflow.clone(),
                execution: self.execution.clone(),
                project: self.document.project.clone(),
                phase: self.planned.phase.clone(),
                position,
                attempt,
            },
            changes: seen.changes.clone(),
            commands: seen.commands.clone(),
            verification_expected: !self.document.flags.get(crate::document::NO_VERIFY).copied().unwrap_or(false),
            documents,
        })
    }

    async fn record(
        &self,
        attempt: u32,
        position: BindingPosition,
        binding: &GuestBinding,
        recorded: Recorded,
        cost: ports::GuestCost,
    ) -> Result<(), OrcError> {
        self.record_with(attempt, position, binding, (recorded, Vec::new()), cost).await
    }

    /// Records an answer, and keeps what it proposes: both or neither.
    async fn record_with(
        &self,
        attempt: u32,
        position: BindingPosition,
        binding: &GuestBinding,
        (recorded, proposed): (Recorded, Vec<Proposed>),
        cost: ports::GuestCost,
    ) -> Result<(), OrcError> {
        let mut subject = subject_of(self.document);
        subject.execution = Some(self.execution.clone());
        let id = GuestRunId::generate(self.engine.ids.as_ref());
        let body = json!({ "id": id, "phase_run": self.run, "attempt": attempt, "position": position, "guest": binding.guest,
            "module": binding.module, "mode": binding.mode, "outcome": recorded.outcome, "fault": recorded.fault, "fuel": cost.fuel });
        let result = GuestResultView {
            id,
            attempt,
            position,
            guest: binding.guest.clone(),
            module: binding.module,
            mode: binding.mode,
            outcome: recorded.outcome,
            verdict: recorded.verdict,
            fault: recorded.fault,
            detail: recorded.detail,
            cost,
            at: self.engine.now(),
        };
        let run = self.run.clone();
        self.engine
            .write(move |tx| {
                tx.insert_guest_result(&run, &result)?;
                tx.append(NewEvent { kind: EventKind::GuestAnswered, actor: Actor::System, subject: subject.clone(), body })?;
                keep(tx, &subject, proposed)
            })
            .await
    }
}

fn document(media_type: &str, bytes: Vec<u8>) -> Document {
    Document { media_type: media_type.to_owned(), bytes: Arc::from(bytes) }
}

/// The one place where a verdict or a fault becomes "blocked".
fn gate_reasons(binding: &GuestBinding, outcome: &Result<Verdict, GuestFault>) -> Vec<BlockReason> {
    match outcome {
        Ok(Verdict::Pass { .. } | Verdict::NotApplicable { .. }) => Vec::new(),
        Ok(Verdict::Fail { report }) if report.findings.is_empty() => {
            vec![BlockReason { code: binding.guest.to_string(), message: Untrusted::new("the gate failed without a finding"), fix: None }]
        }
        Ok(Verdict::Fail { report }) => report.findings.iter().map(|finding| finding_reason(binding, finding)).collect(),
        Ok(Verdict::Ask { question }) => {
            let message = Untrusted::new(format!("the gate asks a person: {}", question.raw()));
            let fix = Some(Untrusted::new("answering in the middle of a phase comes with a later version: decide, then plan again"));
            vec![BlockReason { code: binding.guest.to_string(), message, fix }]
        }
        Err(fault) => vec![fault_reason(binding, fault)],
    }
}

fn finding_reason(binding: &GuestBinding, finding: &Finding) -> BlockReason {
    let place = match (&finding.path, finding.line) {
        (Some(path), Some(line)) => format!("{}:{line}: ", path.raw()),
        (Some(path), None) => format!("{}: ", path.raw()),
        (None, _) => String::new(),
    };
    BlockReason {
        code: binding.guest.to_string(),
        message: Untrusted::new(format!("{place}{}", finding.message.raw())),
        fix: finding.fix.clone(),
    }
}

fn fault_reason(binding: &GuestBinding, fault: &GuestFault) -> BlockReason {
    let message = Untrusted::new(format!("the {} {} gave no usable answer: {}", binding.kind, binding.guest, fault.message));
    BlockReason {
        code: fault.class.to_string(),
        message,
        fix: Some(Untrusted::new("mend or unbind the guest; a guest without an answer blocks")),
    }
}
