//! Phases: what happened in and around each, without reading logs.

use orc_domain::api::{GuestResultView, PhaseRunView, Phases, WorkerRunView};
use orc_domain::grant::StreamReport;
use orc_domain::verdict::{BindingMode, Finding, Verdict};
use serde_json::Value;

use super::page::Page;
use super::text::{argv, duration, safe};
use super::{Render, View};

/// Lines of structured output that a page shows of each phase; JSON holds all.
const OUTPUT_LINES: usize = 40;
/// Lines of each stream of a command that failed.
const TAIL_LINES: usize = 20;

impl Render for Phases {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        let state = page.state(self.workflow.state.as_str());
        let id = page.bold(self.workflow.id.as_str());
        page.line(&format!("{id}  {state}"));
        match &self.execution {
            Some(execution) => page.execution(execution, self.workflow.revision),
            None => page.line("nothing ran yet"),
        }
        for phase in &self.phases {
            page.phase(phase);
        }
        page.next_from("phases", &self.next);
        page.done()
    }
}

impl Page<'_> {
    /// Phases in a line each.
    pub(crate) fn phase_table(&mut self, phases: &[PhaseRunView]) {
        if phases.is_empty() {
            return;
        }
        self.heading("phases");
        let rows = phases.iter().map(|phase| {
            let took = phase.started_at.zip(phase.ended_at).map(|(from, to)| duration(to.millis_since(from)));
            vec![
                phase.phase.to_string(),
                phase.state.to_string(),
                attempts(phase),
                took.unwrap_or_default(),
                guests_in_short(&phase.guests),
            ]
        });
        self.table(&["phase", "state", "attempt", "took", "guests"], rows.collect());
        for phase in phases {
            self.blocks(&phase.reasons);
        }
    }

    fn phase(&mut self, phase: &PhaseRunView) {
        self.heading(&format!("phase {}", phase.phase));
        let state = self.state(phase.state.as_str());
        self.line(&format!("{}  {state}, attempt {}", phase.id, attempts(phase)));
        if let Some(from) = phase.started_at {
            let took = phase.ended_at.map(|to| format!(", took {}", duration(to.millis_since(from)))).unwrap_or_default();
            self.field("began", &format!("{}{took}", self.when(from)));
        }
        if let Some(tree) = &phase.tree {
            self.field("tree", &safe(tree));
        }
        self.blocks(&phase.reasons);
        let rows = phase.worker_runs.iter().map(launch_row).collect();
        self.table(&["launch", "for", "command", "end", "took"], rows);
        for run in &phase.worker_runs {
            self.tails(run);
        }
        let rows = phase.guests.iter().map(guest_row).collect();
        self.table(&["guest", "at", "mode", "answer", "took"], rows);
        for guest in &phase.guests {
            self.guest_words(guest);
        }
        if let Some(output) = &phase.output {
            self.line("output");
            self.json(2, output, OUTPUT_LINES);
        }
    }

    /// What a command that did not end well said last: why it failed stands there, and nowhere else.
    fn tails(&mut self, run: &WorkerRunView) {
        let Some(report) = run.report.as_ref().filter(|report| !report.end.success()) else { return };
        for (stream, kept) in [("standard output", &report.stdout), ("standard error", &report.stderr)] {
            if kept.bytes > 0 {
                self.text(0, &format!("{stream} of {} ({}, {})", run.id, argv(&run.plan.argv), report.end));
                self.tail(kept);
            }
        }
    }

    fn tail(&mut self, stream: &StreamReport) {
        let lines: Vec<&str> = stream.last(usize::MAX).lines().collect();
        let last = lines.len().saturating_sub(TAIL_LINES);
        if last > 0 || !stream.tail.is_empty() {
            self.line("  … what came before is left out; `--format json` shows more");
        }
        for line in &lines[last..] {
            // What a progress line wrote over itself is gone on a terminal too.
            let line = line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default();
            self.line(&format!("  {}", safe(line)));
        }
    }

    fn guest_words(&mut self, guest: &GuestResultView) {
        if let Some(fault) = &guest.fault {
            self.hanging(2, "- ", &format!("{}: no usable answer: {}", guest.guest, safe(&fault.to_string())));
        }
        match &guest.verdict {
            Some(Verdict::Pass { report } | Verdict::Fail { report }) => {
                for finding in &report.findings {
                    self.hanging(2, "- ", &format!("{}: {}", guest.guest, finding_words(finding)));
                }
            }
            Some(Verdict::Ask { question }) => self.hanging(2, "- ", &format!("{} asks: {}", guest.guest, question.for_line(400))),
            Some(Verdict::NotApplicable { reason }) => self.hanging(2, "- ", &format!("{}: {}", guest.guest, reason.for_line(400))),
            None => {}
        }
    }

    /// A JSON value, each line made safe, cut after `most` lines.
    pub(crate) fn json(&mut self, indent: usize, value: &Value, most: usize) {
        let text = serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string());
        let count = text.lines().count();
        for line in text.lines().take(most) {
            self.line(&format!("{:indent$}{}", "", safe(line)));
        }
        if count > most {
            self.line(&format!("{:indent$}… {} more lines; `--format json` shows all", "", count - most));
        }
    }
}

/// The attempt, and how many there may be. An interruption is nobody's failure: starting again after one is not counted against them.
pub(crate) fn attempts(phase: &PhaseRunView) -> String {
    if phase.attempt > phase.attempts {
        format!("{}, again after an interruption", phase.attempt)
    } else {
        format!("{} of {}", phase.attempt, phase.attempts)
    }
}

fn guests_in_short(guests: &[GuestResultView]) -> String {
    let words: Vec<String> = guests.iter().map(answer).collect();
    words.join(", ")
}

fn guest_row(guest: &GuestResultView) -> Vec<String> {
    let mode = match guest.mode {
        BindingMode::Blocking => "blocking",
        BindingMode::Advisory => "advisory",
    };
    let took = format!("{}.{} ms", guest.cost.duration_us / 1000, guest.cost.duration_us % 1000 / 100);
    vec![guest.guest.to_string(), guest.position.to_string(), mode.to_owned(), safe(&guest.outcome), took]
}

/// A launch in a row: id, purpose, command, end, wall time.
pub(crate) fn launch_row(run: &WorkerRunView) -> Vec<String> {
    let end = match (&run.report, &run.refused) {
        (Some(report), _) => report.end.to_string(),
        (None, Some(why)) => format!("refused: {}", safe(why)),
        (None, None) => run.state.to_string(),
    };
    let took = run.report.as_ref().map(|report| duration(report.duration_ms)).unwrap_or_default();
    vec![run.id.to_string(), safe(&run.purpose), argv(&run.plan.argv), end, took]
}

fn finding_words(finding: &Finding) -> String {
    let place = finding.path.as_ref().map(|path| {
        let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
        format!(" ({}{line})", path.for_line(120))
    });
    let fix = finding.fix.as_ref().map(|fix| format!("; to mend it: {}", fix.for_line(200)));
    let (rule, message) = (finding.rule.for_line(60), finding.message.for_line(300));
    format!("{} {rule}: {message}{}{}", finding.severity, place.unwrap_or_default(), fix.unwrap_or_default())
}

/// A guest with its answer; one that only advises says so where it is no pass.
fn answer(guest: &GuestResultView) -> String {
    let advice = guest.mode == BindingMode::Advisory && matches!(guest.outcome.as_str(), "fail" | "ask" | "fault");
    format!("{} {}{}", guest.guest, safe(&guest.outcome), if advice { " (advisory)" } else { "" })
}
