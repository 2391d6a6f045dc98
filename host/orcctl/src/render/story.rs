//! Events of the audit in words. What stands in a body may have come from anywhere, so nothing of it is shown but through [`safe`].

use std::collections::BTreeMap;

use orc_domain::Timestamp;
use orc_domain::audit::{Event, EventKind};
use orc_domain::grant::LaunchEnd;
use serde_json::Value;

use super::text::{argv, count, duration, safe};
use super::{View, when};

/// Reasons, problems or changed files that an event names; JSON holds all.
const NAMED: usize = 3;

/// What events said that later ones only refer to by id.
#[derive(Debug, Default)]
pub(crate) struct Story {
    /// Launches: what was to be run.
    commands: BTreeMap<String, String>,
    /// Phase runs: which phase.
    phases: BTreeMap<String, String>,
}

impl Story {
    /// Takes what an event says for those after it.
    pub(crate) fn learn(&mut self, event: &Event) {
        let body = &event.body;
        match event.kind {
            EventKind::WorkerRunChanged if body["argv"].is_array() => {
                self.commands.insert(text(body, "id"), argv(&strings(&body["argv"])));
            }
            EventKind::PhaseStep => {
                self.phases.insert(text(body, "phase_run"), text(body, "phase"));
            }
            _ => {}
        }
    }

    /// What happened, in a sentence.
    pub(crate) fn tell(&self, event: &Event, view: &View) -> String {
        let body = &event.body;
        match event.kind {
            EventKind::DatabaseCreated => {
                format!("installation {}, root {}, schema {}", text(body, "installation"), text(body, "root"), text(body, "schema"))
            }
            EventKind::DatabaseMigrated => format!("from schema {} to {}", text(body, "from"), text(body, "to")),
            EventKind::OwnershipTaken => format!("generation {}, process {}", text(body, "generation"), text(body, "pid")),
            EventKind::RulesCandidate => format!("the root has other content: {}", short(body, "digest")),
            EventKind::RulesRefused => format!("{} cannot come into force: {}", content(body), problems(&body["problems"])),
            EventKind::RulesProposed => format!("agreed to {}; another admin must agree too", proposal(body)),
            EventKind::RulesActivated => {
                format!("revision {} ({}) is in force{}", text(body, "revision"), short(body, "digest"), changes(&body["changes"]))
            }
            EventKind::WorkflowPlanned => planned(body),
            EventKind::PlanDenied | EventKind::VoteDenied | EventKind::RunDenied | EventKind::IntentDenied => denied(body),
            EventKind::ApprovalRequested => asked(body, view),
            EventKind::VoteApproved => vote("yes", body),
            EventKind::VoteRejected => vote("no", body),
            EventKind::VoteConfirmed => vote("yes, alone,", body),
            EventKind::ApprovalRequestChanged | EventKind::WorkflowChanged | EventKind::ExecutionChanged => {
                format!("{}: {}", text(body, "id"), moved(body))
            }
            EventKind::ExecutionCreated => created(body),
            EventKind::PhaseRunChanged => format!("{}: {}", self.phase(body, "id"), moved(body)),
            EventKind::PhaseStep => format!("{}: {}, attempt {}", text(body, "phase"), text(body, "step"), text(body, "attempt")),
            EventKind::WorkerRunChanged => self.launch(body),
            EventKind::GuestAnswered => self.answered(body),
            EventKind::CancelRequested => format!("cancel {}{}", text(body, "id"), because(body)),
            EventKind::Frozen => format!("{}{}", scope(&body["scope"]), because(body)),
            EventKind::Unfrozen => scope(&body["scope"]),
            EventKind::MemoryChanged => format!("{} {}: {}", text(body, "item"), text(body, "state"), text(body, "text")),
            EventKind::BacklogChanged => format!("{} {}: {}", text(body, "item"), text(body, "state"), text(body, "title")),
        }
    }

    fn phase(&self, body: &Value, field: &str) -> String {
        let id = text(body, field);
        self.phases.get(&id).cloned().unwrap_or(id)
    }

    fn launch(&self, body: &Value) -> String {
        let id = text(body, "id");
        let command = self.commands.get(&id).map(|command| format!(" ({command})")).unwrap_or_default();
        match (end(body), body["refused"].as_str()) {
            (Some(end), _) => {
                let alive = if body["proved_dead"] == false { ", processes of it may be alive" } else { "" };
                format!("{id}{command}: {end} after {}{alive}", duration(body["duration_ms"].as_u64().unwrap_or_default()))
            }
            (None, Some(why)) => format!("{id}{command}: not started: {}", safe(why)),
            (None, None) if body["argv"].is_array() => format!("{id}: launch for {}{command}", text(body, "purpose")),
            (None, None) => format!("{id}{command}: {}", moved(body)),
        }
    }

    fn answered(&self, body: &Value) -> String {
        let fault = match &body["fault"] {
            Value::Object(_) => format!(": {}", text(&body["fault"], "message")),
            _ => String::new(),
        };
        let (guest, outcome) = (text(body, "guest"), text(body, "outcome"));
        let place = format!("{}, {}, attempt {}", text(body, "position"), text(body, "mode"), text(body, "attempt"));
        format!("{guest} says {outcome}{fault} in {} ({place})", self.phase(body, "phase_run"))
    }
}

/// Whether an event tells a person nothing that others do not tell: single steps, and who drove them.
pub(crate) fn is_detail(event: &Event) -> bool {
    match event.kind {
        EventKind::PhaseStep | EventKind::OwnershipTaken => true,
        EventKind::WorkerRunChanged => event.body["to"] == "running",
        _ => false,
    }
}

fn end(body: &Value) -> Option<LaunchEnd> {
    serde_json::from_value(body["end"].clone()).ok()
}

/// A field as words, made safe; empty where it is absent.
fn text(body: &Value, field: &str) -> String {
    match &body[field] {
        Value::Null => String::new(),
        Value::String(text) => safe(text),
        other => safe(&other.to_string()),
    }
}

/// A digest as its first characters.
fn short(body: &Value, field: &str) -> String {
    let digest = text(body, field);
    digest.strip_prefix("sha256:").map_or(digest.clone(), |hex| hex.chars().take(12).collect())
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The first few of a list, each as `show` says, and how many more there are.
fn some(list: &Value, show: impl Fn(&Value) -> String) -> Option<String> {
    let all = list.as_array().filter(|all| !all.is_empty())?;
    let mut shown: Vec<String> = all.iter().take(NAMED).map(show).collect();
    if all.len() > NAMED {
        shown.push(format!("and {} more", all.len() - NAMED));
    }
    Some(shown.join("; "))
}

fn because(body: &Value) -> String {
    match body["reason"].as_str() {
        Some(why) if !why.trim().is_empty() => format!(": {}", safe(why)),
        _ => String::new(),
    }
}

fn content(body: &Value) -> String {
    if body["digest"].is_null() { "the root".to_owned() } else { format!("content {}", short(body, "digest")) }
}

fn proposal(body: &Value) -> String {
    match body["rollback_to"].as_u64() {
        Some(revision) => format!("roll back to revision {revision}"),
        None => format!("content {}", short(body, "digest")),
    }
}

fn problems(problems: &Value) -> String {
    let problem = |problem: &Value| {
        let at = &problem["at"];
        let line = at["line"].as_u64().map(|line| format!(":{line}")).unwrap_or_default();
        format!("{}{line}: {}", text(at, "file"), text(problem, "message"))
    };
    some(problems, problem).unwrap_or_default()
}

fn changes(changes: &Value) -> String {
    let change = |change: &Value| safe(change.as_str().unwrap_or_default());
    some(changes, change).map(|changes| format!(": {changes}")).unwrap_or_default()
}

fn planned(body: &Value) -> String {
    let intent = &body["intent"];
    let what = match &intent["argv"] {
        Value::Array(_) => argv(&strings(&intent["argv"])),
        _ => text(intent, "task"),
    };
    let (base, rules) = (&body["base"], &body["rules"]);
    let commit: String = text(base, "commit").chars().take(12).collect();
    format!(
        "revision {}: {what} ({} {}) on {} {commit}, risk {}, rules revision {}, decision {}, plan {}",
        text(body, "revision"),
        text(body, "family"),
        text(body, "action"),
        text(base, "branch"),
        text(body, "risk"),
        text(rules, "revision"),
        text(body, "decision"),
        short(body, "plan_hash"),
    )
}

fn denied(body: &Value) -> String {
    let named = body["named"].as_str().map(|named| format!(" in the name of {}", safe(named))).unwrap_or_default();
    let words = [("project", "on"), ("family", "of"), ("command", "for")];
    let asked: String = words
        .iter()
        .filter(|(field, _)| body[*field].is_string())
        .map(|(field, word)| {
            let quote = if *field == "command" { "`" } else { "" };
            format!(" {word} {quote}{}{quote}", text(body, field))
        })
        .collect();
    let decision = body["decision"].as_str().map(|id| format!(" (decision {})", safe(id))).unwrap_or_default();
    let passed = body["passed_over"].as_u64().filter(|passed| *passed > 0);
    let passed = passed.map(|passed| format!("; {} before it not recorded", count(passed, "attempt"))).unwrap_or_default();
    format!("{}{asked}{named} refused: {}: {}{decision}{passed}", text(body, "intent"), text(body, "code"), text(body, "message"))
}

fn asked(body: &Value, view: &View) -> String {
    let until = body["expires_at"].as_i64().map(|at| format!(" until {}", when::until(Timestamp(at), &view.zone))).unwrap_or_default();
    let (id, kind, group) = (text(body, "id"), text(body, "kind"), text(body, "group"));
    format!("{id} asks {} of {group} ({kind}){until}", text(body, "quorum"))
}

fn vote(choice: &str, body: &Value) -> String {
    let (request, group, role) = (text(body, "request"), text(body, "group"), text(body, "role"));
    let (proof, plan) = (text(body, "proof"), short(body, "plan_hash"));
    format!("says {choice} to {request} for {group} as {role} ({proof}), plan {plan}{}", because(body))
}

/// From which state to which, and what the event says of it.
fn moved(body: &Value) -> String {
    let mut out = format!("{} to {}", text(body, "from"), text(body, "to"));
    for field in ["why", "code", "message", "reason"] {
        if let Some(said) = body[field].as_str().filter(|said| !said.is_empty()) {
            out.push_str(if field == "message" { ": " } else { ", " });
            out.push_str(&safe(said));
        }
    }
    let reason = |reason: &Value| format!("{}: {}", text(reason, "code"), text(reason, "message"));
    if let Some(reasons) = some(&body["reasons"], reason) {
        out.push_str(": ");
        out.push_str(&reasons);
    }
    out
}

fn created(body: &Value) -> String {
    let behind = body["base_lag"].as_u64().filter(|lag| *lag > 0);
    let behind = behind.map(|lag| format!("; its branch is {} ahead", count(lag, "commit"))).unwrap_or_default();
    format!("{} runs revision {} under the key {}{behind}", text(body, "id"), text(body, "revision"), text(body, "idempotency_key"))
}

fn scope(scope: &Value) -> String {
    match scope["scope"].as_str() {
        Some("tenant") => format!("tenant {}", text(scope, "tenant")),
        Some("project") => format!("project {}", text(scope, "project")),
        _ => "everything".to_owned(),
    }
}
