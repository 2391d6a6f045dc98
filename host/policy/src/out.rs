//! The builder `out`: the only way in which a script says something. Every word is checked at the call, every call keeps its place.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orc_domain::decision::{Obligation, Place, Reason, Requirement, RequirementKind};
use orc_domain::nearest::suggest;
use orc_domain::risk::RiskClass;
use orc_domain::{GroupName, Untrusted};
use rhai::{Engine, EvalAltResult, ImmutableString, NativeCallContext};

use crate::Words;
use crate::natives::{refuse, risk};
use crate::rules::{Level, Rules};

type Answer<T> = Result<T, Box<EvalAltResult>>;
type Text = ImmutableString;
type Call<'a> = NativeCallContext<'a>;

/// Methods with the numbers of arguments that they take, `out` itself included.
pub(crate) const METHODS: &[(&str, &[usize])] = &[
    ("confirm", &[4]),
    ("deny", &[3, 4]),
    ("grant", &[3]),
    ("oblige", &[3]),
    ("require", &[5, 6]),
    ("risk", &[4]),
    ("risk_class", &[1]),
    ("warn", &[3]),
];

/// Which argument of a method is the reason code, `out` not counted.
pub(crate) fn code_argument(method: &str) -> Option<usize> {
    match method {
        "deny" | "warn" | "grant" => Some(0),
        "risk" | "confirm" => Some(1),
        "require" => Some(2),
        _ => None,
    }
}

/// The longest message, in characters. Messages quote what was asked, which is text from outside.
const MESSAGE: usize = 500;
/// Reasons, requirements and obligations that one decision may hold: more is a runaway loop.
const ENTRIES: usize = 256;
const SECONDS_PER_HOUR: u64 = 3600;

/// What was said so far.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) denials: Vec<Reason>,
    pub(crate) warnings: Vec<Reason>,
    pub(crate) class: RiskClass,
    pub(crate) risk_reasons: Vec<Reason>,
    /// `expires_s` 0 stands for the table's.
    pub(crate) requires: Vec<Requirement>,
    pub(crate) obligations: Vec<Obligation>,
    pub(crate) grants: Vec<Reason>,
    /// Whether the script asked for the class: from then on it may not rise, or what was asked of people would not fit it.
    class_was_read: bool,
    entries: usize,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            denials: Vec::new(),
            warnings: Vec::new(),
            class: RiskClass::Low,
            risk_reasons: Vec::new(),
            requires: Vec::new(),
            obligations: Vec::new(),
            grants: Vec::new(),
            class_was_read: false,
            entries: 0,
        }
    }
}

/// The builder of one decision. Clones share what was said.
#[derive(Clone)]
pub(crate) struct Out(Arc<Shared>);

struct Shared {
    rules: Arc<Rules>,
    words: Arc<Words>,
    record: Mutex<Record>,
}

/// Registers the type and [`METHODS`].
pub(crate) fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Out>("out");
    engine.register_fn("deny", |call: Call<'_>, out: &mut Out, code: Text, message: Text| out.deny(&call, &code, &message, None));
    engine.register_fn("deny", |call: Call<'_>, out: &mut Out, code: Text, message: Text, remedy: Text| {
        out.deny(&call, &code, &message, Some(&remedy))
    });
    engine.register_fn("warn", |call: Call<'_>, out: &mut Out, code: Text, message: Text| out.warn(&call, &code, &message));
    engine.register_fn("grant", |call: Call<'_>, out: &mut Out, code: Text, message: Text| out.grant(&call, &code, &message));
    engine.register_fn("risk", |call: Call<'_>, out: &mut Out, class: Text, code: Text, message: Text| {
        out.risk(&call, &class, &code, &message)
    });
    engine.register_fn("risk_class", |out: &mut Out| out.risk_class());
    engine.register_fn("require", |call: Call<'_>, out: &mut Out, group: Text, quorum: i64, code: Text, message: Text| {
        out.require(&call, &group, quorum, &code, &message, 0)
    });
    engine.register_fn("require", |call: Call<'_>, out: &mut Out, group: Text, quorum: i64, code: Text, message: Text, hours: i64| {
        let hours = u64::try_from(hours).ok().filter(|hours| *hours > 0);
        let hours = hours.ok_or_else(|| refuse("an expiry is a number of hours, at least 1"))?;
        out.require(&call, &group, quorum, &code, &message, hours.saturating_mul(SECONDS_PER_HOUR))
    });
    engine.register_fn("confirm", |call: Call<'_>, out: &mut Out, group: Text, code: Text, message: Text| {
        out.confirm(&call, &group, &code, &message)
    });
    engine.register_fn("oblige", |call: Call<'_>, out: &mut Out, kind: Text, value: Text| out.oblige(&call, &kind, &value));
}

/// Where the script made this call.
fn place(call: &Call<'_>) -> Place {
    // A function of a library file is called with its file's functions innermost; the "source" of the call is still the entry file.
    let file = call.iter_namespaces().last().and_then(|lib| lib.id()).or_else(|| call.call_source());
    let position = call.call_position();
    Place { file: file.unwrap_or_default().to_owned(), line: position.line().unwrap_or(0), column: position.position().unwrap_or(0) }
}

fn shown(message: &str) -> String {
    Untrusted::new(message).for_line(MESSAGE)
}

impl Out {
    pub(crate) fn new(rules: Arc<Rules>, words: Arc<Words>) -> Self {
        Self(Arc::new(Shared { rules, words, record: Mutex::default() }))
    }

    /// What was said, taken out.
    pub(crate) fn take(&self) -> Record {
        std::mem::take(&mut *self.record())
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        // A poisoned lock means that an evaluation panicked: that decision is a denial already.
        self.0.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self) -> Answer<MutexGuard<'_, Record>> {
        let mut record = self.record();
        record.entries += 1;
        if record.entries > ENTRIES { Err(refuse(format!("more than {ENTRIES} calls of `out` in one decision"))) } else { Ok(record) }
    }

    fn reason(&self, call: &Call<'_>, code: &str, message: &str) -> Answer<(Reason, Level)> {
        let Some((code, rule)) = self.0.rules.codes.get_key_value(code) else {
            let help = suggest(code, self.0.rules.codes.keys());
            return Err(refuse(format!("the reason code `{}` is not in the table `codes`: {help}", shown(code))));
        };
        let reason = Reason { code: code.clone(), message: shown(message), at: Some(place(call)), remedy: rule.remedy.clone() };
        Ok((reason, rule.level))
    }

    fn group(&self, name: &str) -> Answer<GroupName> {
        let group = self.0.words.groups.get(name).cloned();
        group.ok_or_else(|| refuse(format!("`{}` is no role group: {}", shown(name), suggest(name, &self.0.words.groups))))
    }

    fn deny(&self, call: &Call<'_>, code: &str, message: &str, remedy: Option<&str>) -> Answer<()> {
        let (mut reason, level) = self.reason(call, code, message)?;
        if let Some(remedy) = remedy {
            reason.remedy = Some(shown(remedy));
        }
        let mut record = self.entry()?;
        match level {
            Level::Deny => record.denials.push(reason),
            Level::Warn => record.warnings.push(reason),
        }
        Ok(())
    }

    fn warn(&self, call: &Call<'_>, code: &str, message: &str) -> Answer<()> {
        let (reason, _) = self.reason(call, code, message)?;
        self.entry()?.warnings.push(reason);
        Ok(())
    }

    fn grant(&self, call: &Call<'_>, code: &str, message: &str) -> Answer<()> {
        let (reason, _) = self.reason(call, code, message)?;
        self.entry()?.grants.push(reason);
        Ok(())
    }

    fn risk(&self, call: &Call<'_>, class: &str, code: &str, message: &str) -> Answer<()> {
        let class = risk(class)?;
        let (reason, _) = self.reason(call, code, message)?;
        let mut record = self.entry()?;
        if class > record.class && record.class_was_read {
            return Err(refuse("risk rises after it was read with risk_class(): say every out.risk(..) first"));
        }
        record.class = record.class.max(class);
        if class > RiskClass::Low {
            record.risk_reasons.push(reason);
        }
        Ok(())
    }

    fn risk_class(&self) -> Text {
        let mut record = self.record();
        record.class_was_read = true;
        record.class.as_str().into()
    }

    fn require(&self, call: &Call<'_>, group: &str, quorum: i64, code: &str, message: &str, expires_s: u64) -> Answer<()> {
        let quorum = u32::try_from(quorum).ok().filter(|quorum| *quorum > 0);
        let quorum = quorum.ok_or_else(|| refuse("a quorum is a number of persons, at least 1"))?;
        let (reason, _) = self.reason(call, code, message)?;
        let group = self.group(group)?;
        self.ask(Requirement { group, quorum, kind: RequirementKind::Approval, expires_s, reasons: vec![reason] })
    }

    fn confirm(&self, call: &Call<'_>, group: &str, code: &str, message: &str) -> Answer<()> {
        let (reason, _) = self.reason(call, code, message)?;
        let group = self.group(group)?;
        self.ask(Requirement { group, quorum: 1, kind: RequirementKind::Confirmation, expires_s: 0, reasons: vec![reason] })
    }

    /// One entry a group: the largest quorum, the shortest expiry, all reasons.
    fn ask(&self, need: Requirement) -> Answer<()> {
        let mut record = self.entry()?;
        let same = record.requires.iter_mut().find(|had| had.group == need.group && had.kind == need.kind);
        let Some(had) = same else {
            record.requires.push(need);
            return Ok(());
        };
        had.quorum = had.quorum.max(need.quorum);
        had.expires_s = match (had.expires_s, need.expires_s) {
            (0, other) | (other, 0) => other,
            (a, b) => a.min(b),
        };
        had.reasons.extend(need.reasons);
        Ok(())
    }

    fn oblige(&self, call: &Call<'_>, kind: &str, value: &str) -> Answer<()> {
        let Some(kind) = self.0.words.obligations.get(kind) else {
            let help = suggest(kind, &self.0.words.obligations);
            return Err(refuse(format!("`{}` is no obligation that the host can meet: {help}", shown(kind))));
        };
        let obligation = Obligation { kind: kind.clone(), value: shown(value), at: Some(place(call)) };
        self.entry()?.obligations.push(obligation);
        Ok(())
    }
}
