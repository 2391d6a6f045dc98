//! One launch, from the first order to the proof of death.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use orc_domain::grant::{LaunchEnd, LaunchReport, Protection};
use orc_domain::ports::{LaunchError, LaunchIo, LaunchOutcome, LaunchProgress};
use orc_launch_helper::{Answer, Confinement, End, Exit, Order, Part, Protection as Word, Setback};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::helper::{Helper, Session, helper_error};
use crate::plan::{Prepared, plan_error};
use crate::strays::kill_strays;
use crate::stream::{Done, Streams};

/// How long the helper may take to restrict itself and become the program.
const SETUP: Duration = Duration::from_secs(30);
/// How long the helper may take, after the grace, to kill and to say so: a little more than the patience it has itself.
const KILLING: Duration = Duration::from_secs(12);

/// Launches, and waits for the end.
pub(crate) async fn run(
    helper: &Helper,
    prepared: &Prepared,
    mut io: LaunchIo,
    cancel: &CancellationToken,
) -> Result<LaunchOutcome, LaunchError> {
    if cancel.is_cancelled() {
        return Ok(never_started(prepared));
    }
    let started = Instant::now();
    let stdin = std::mem::take(&mut io.stdin);
    let mut session = helper.spawn()?;
    let pid = session.pid;
    let Some((stdout, stderr)) = session.take_output() else { return Err(helper_error("it has no output")) };
    let streams = Streams::start(stdout, stderr, io, prepared.output_bytes).await.map_err(plan_error)?;
    streams.progress.tell(LaunchProgress::Launching { pid });
    let mut talk = Talk { session, streams: &streams, prepared, started, confinement: None, stop: None };
    let spoken = match talk.begin(&stdin).await {
        Ok(()) => talk.hear_out(cancel).await,
        Err(error) => Err(error),
    };
    let Talk { session, confinement, stop, .. } = talk;
    leave(session, &spoken).await;
    let over = streams.over.clone();
    let (stdout, stderr) = streams.finish().await;
    let exit = spoken.map_err(|error| with_last_words(error, &stderr))?;
    let end = judge(exit.as_ref(), stop, over.is_cancelled());
    let seen = Seen { pid, duration: started.elapsed(), confinement: confinement.unwrap_or_default(), end, exit, stdout, stderr };
    Ok(seen.report(prepared))
}

/// Parts from the helper. What a lost one leaves is killed from here.
async fn leave(session: Session, spoken: &Result<Option<Exit>, LaunchError>) {
    // One that could not prove it goes on killing, which is not to be stopped.
    if matches!(spoken, Ok(Some(Exit { proved_dead: false, .. }))) {
        return;
    }
    let left_by_itself = session.part().await;
    if !left_by_itself || matches!(spoken, Ok(None)) {
        kill_strays().await;
    }
}

/// Why the host ends a launch, and when it stops believing that the helper will.
struct Stop {
    end: LaunchEnd,
    give_up: Instant,
}

struct Talk<'a> {
    session: Session,
    streams: &'a Streams,
    prepared: &'a Prepared,
    started: Instant,
    confinement: Option<Confinement>,
    stop: Option<Stop>,
}

impl Talk<'_> {
    async fn begin(&mut self, stdin: &[u8]) -> Result<(), LaunchError> {
        let order = Order::Launch(Box::new(self.prepared.launch.clone()));
        let sent = timeout(SETUP, async {
            self.session.order(&order).await?;
            self.session.raw(stdin).await
        });
        match sent.await {
            Ok(Ok(())) => Ok(()),
            // It may have said why it reads no further.
            Ok(Err(error)) => match self.session.answer().await {
                Ok(Some(Answer::Stopped { setback })) => Err(setback_error(setback, &self.prepared.launch.argv[0])),
                _ => Err(helper_error(format!("it does not take the plan: {error}"))),
            },
            Err(_) => Err(helper_error(format!("it did not read the plan within {} s", SETUP.as_secs()))),
        }
    }

    /// The helper's last word; `None` where it had none that means anything. It has the plan, and would have said had it not executed it: so
    /// the program may have run, and nothing is proved.
    async fn hear_out(&mut self, cancel: &CancellationToken) -> Result<Option<Exit>, LaunchError> {
        let wall = self.started + self.prepared.wall;
        let setup = self.started + SETUP;
        loop {
            let going = self.stop.is_none();
            let limit = if self.confinement.is_none() { wall.min(setup) } else { wall };
            let give_up = self.stop.as_ref().map_or(wall, |stop| stop.give_up);
            tokio::select! {
                answer = self.session.answer() => match answer {
                    Ok(Some(Answer::Running { confinement })) => {
                        self.confinement = Some(confinement);
                        self.streams.progress.tell(LaunchProgress::Running);
                    }
                    Ok(Some(Answer::Exited { exit })) => return Ok(Some(exit)),
                    // One that was killed before it was the program did not fail: it was stopped.
                    Ok(Some(Answer::Stopped { .. })) if !going => {}
                    Ok(Some(Answer::Stopped { setback })) if self.confinement.is_none() => {
                        return Err(setback_error(setback, &self.prepared.launch.argv[0]));
                    }
                    other => {
                        tracing::error!(pid = self.session.pid, answer = ?other, "the supervisor of a launch was lost");
                        return Ok(None);
                    }
                },
                () = cancel.cancelled(), if going => self.end(LaunchEnd::Cancelled).await,
                () = sleep_until(limit), if going => self.end(LaunchEnd::TimedOut).await,
                () = self.streams.over.cancelled(), if going => self.end(LaunchEnd::OutputLimit).await,
                () = sleep_until(give_up), if !going => {
                    self.session.kill();
                    return Ok(None);
                }
            }
        }
    }

    async fn end(&mut self, end: LaunchEnd) {
        let grace = self.prepared.grace;
        self.stop = Some(Stop { end, give_up: Instant::now() + grace + KILLING });
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        // A helper that cannot be told is gone, which the next answer says.
        let _ = self.session.order(&Order::Stop { grace_ms }).await;
    }
}

fn setback_error(setback: Setback, program: &str) -> LaunchError {
    match setback {
        Setback::Refused { protection, why } => LaunchError::Unenforceable { protection: domain_word(protection), why },
        Setback::Failed { part: Part::Plan, why } => plan_error(why),
        Setback::Failed { part: Part::Program, why } => LaunchError::Program { program: program.to_owned(), why },
        Setback::Failed { part: Part::Helper, why } => helper_error(why),
    }
}

/// A helper that dies of a defect says so on standard error.
fn with_last_words(error: LaunchError, stderr: &Done) -> LaunchError {
    match error {
        LaunchError::Helper { why } if !stderr.report.head.is_empty() => {
            helper_error(format!("{why}; it said: {}", stderr.report.last(400).trim_end()))
        }
        other => other,
    }
}

/// Too much output is too much, even where the program ended before it was stopped. Otherwise what came first counts.
fn judge(exit: Option<&Exit>, stop: Option<Stop>, over: bool) -> LaunchEnd {
    match (exit, stop) {
        (Some(Exit { stopped: true, .. }) | None, Some(stop)) => stop.end,
        _ if over => LaunchEnd::OutputLimit,
        (Some(Exit { end: End::Exited { code }, .. }), _) => LaunchEnd::Exited { code: *code },
        (Some(Exit { end: End::Signaled { signal }, .. }), _) => LaunchEnd::Signaled { signal: *signal },
        // The supervisor was lost, and the kernel killed the program with it.
        (None, None) => LaunchEnd::Signaled { signal: 9 },
    }
}

/// What was seen of a launch.
struct Seen {
    pid: u32,
    duration: Duration,
    confinement: Confinement,
    end: LaunchEnd,
    /// The helper's last word, where it had one.
    exit: Option<Exit>,
    stdout: Done,
    stderr: Done,
}

impl Seen {
    fn report(self, prepared: &Prepared) -> LaunchOutcome {
        let (active, missing) = domain_words(&self.confinement);
        let exit = self.exit.as_ref();
        let report = LaunchReport {
            end: self.end,
            duration_ms: u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX),
            program: prepared.program.clone(),
            program_digest: prepared.digest,
            pid: self.pid,
            active,
            missing,
            proved_dead: exit.is_some_and(|exit| exit.proved_dead),
            left_over: exit.map_or(0, |exit| exit.left_over),
            cpu_ms: exit.map_or(0, |exit| exit.cpu_ms),
            max_rss_kib: exit.map_or(0, |exit| exit.max_rss_kib),
            stdout: self.stdout.report,
            stderr: self.stderr.report,
        };
        LaunchOutcome { report, captured: self.stdout.captured }
    }
}

/// Cancelled before there was a process: nothing ran, nothing is left.
fn never_started(prepared: &Prepared) -> LaunchOutcome {
    let seen = Seen {
        pid: 0,
        duration: Duration::ZERO,
        confinement: Confinement::default(),
        end: LaunchEnd::Cancelled,
        exit: None,
        stdout: Done::default(),
        stderr: Done::default(),
    };
    let mut outcome = seen.report(prepared);
    outcome.report.proved_dead = true;
    outcome
}

/// A confinement in the domain's words.
pub(crate) fn domain_words(confinement: &Confinement) -> (BTreeSet<Protection>, BTreeMap<Protection, String>) {
    let active = confinement.active.iter().map(|word| domain_word(*word)).collect();
    let missing = confinement.missing.iter().map(|(word, why)| (domain_word(*word), why.clone())).collect();
    (active, missing)
}

const fn domain_word(word: Word) -> Protection {
    match word {
        Word::Files => Protection::Files,
        Word::Tcp => Protection::Tcp,
        Word::Signals => Protection::Signals,
        Word::AbstractSockets => Protection::AbstractSockets,
        Word::NoNewPrivs => Protection::NoNewPrivs,
        Word::ProcessTree => Protection::ProcessTree,
        Word::Processes => Protection::Processes,
        Word::Resources => Protection::Resources,
    }
}

/// The helper's word for a protection.
pub(crate) const fn helper_word(protection: Protection) -> Word {
    match protection {
        Protection::Files => Word::Files,
        Protection::Tcp => Word::Tcp,
        Protection::Signals => Word::Signals,
        Protection::AbstractSockets => Word::AbstractSockets,
        Protection::NoNewPrivs => Word::NoNewPrivs,
        Protection::ProcessTree => Word::ProcessTree,
        Protection::Processes => Word::Processes,
        Protection::Resources => Word::Resources,
    }
}
