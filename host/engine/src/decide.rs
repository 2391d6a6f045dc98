//! Asking policy and keeping its answer: no decision has an effect without being stored with its input.

use std::sync::Arc;

use orc_domain::api::StoredDecision;
use orc_domain::decision::{Decision, DecisionInput, EntryPoint};
use orc_domain::{DecisionId, ErrorCode, OrcError, WorkflowId};

use crate::engine::{Engine, blocking};
use crate::rules::ActiveRules;

/// A decision that is not stored yet.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) id: DecisionId,
    pub(crate) rules_revision: u64,
    pub(crate) input: DecisionInput,
    pub(crate) decision: Decision,
}

impl Answer {
    pub(crate) fn stored(&self, workflow: Option<&WorkflowId>, at: orc_domain::Timestamp) -> StoredDecision {
        StoredDecision {
            id: self.id.clone(),
            workflow: workflow.cloned(),
            rules_revision: self.rules_revision,
            input: self.input.clone(),
            decision: self.decision.clone(),
            at,
        }
    }

    /// The denial as an error; `None` where it allows.
    pub(crate) fn denial(&self) -> Option<OrcError> {
        let first = self.decision.denials.first()?;
        let frozen = self.decision.denials.iter().any(|denial| denial.code.as_str() == ErrorCode::FreezeOn.as_str());
        let code = if frozen { ErrorCode::FreezeOn } else { ErrorCode::PolicyDenied };
        let error = OrcError::new(code, first.message.clone()).reasons(self.decision.denials.clone());
        let error = OrcError { decision: Some(Box::new(self.id.clone())), ..error };
        Some(error.hint(format!("`orcctl explain {}` shows the whole decision", self.id)))
    }
}

impl Engine {
    /// Asks policy. Never fails because of a rule: a rule's error is a denial.
    pub(crate) async fn decide(&self, rules: &Arc<ActiveRules>, entry: EntryPoint, input: DecisionInput) -> Result<Answer, OrcError> {
        let id = DecisionId::generate(self.ids.as_ref());
        let rules = Arc::clone(rules);
        blocking(move || {
            let decision = rules.policy.decide(entry, &input);
            Ok(Answer { id, rules_revision: rules.revision, input, decision })
        })
        .await
    }
}
