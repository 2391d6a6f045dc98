//! The one place that prints. Data goes to standard output, words to standard error.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use orc_domain::untrusted::is_hostile;
use orc_domain::{ErrorCode, OrcError, Untrusted};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use crate::cli::Format;
use crate::failure;
use crate::render::{View, error};

/// Prints.
#[derive(Debug)]
pub(crate) struct Printer {
    format: Format,
    /// Whether whoever read standard output went away (`| head`).
    closed: AtomicBool,
}

impl Printer {
    pub(crate) const fn new(format: Format) -> Self {
        Self { format, closed: AtomicBool::new(false) }
    }

    /// Whether nobody reads standard output any more: what prints for ever should stop.
    pub(crate) fn closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed) || reader_is_gone()
    }

    /// Writes data. A reader that went away is no error: work that was begun goes on.
    pub(crate) fn data(&self, text: &str) -> Result<(), OrcError> {
        let mut out = io::stdout().lock();
        let newline = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
        match write!(out, "{text}{newline}").and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed.store(true, Ordering::Relaxed);
                Ok(())
            }
            outcome => outcome.map_err(|error| failure::io("cannot write to standard output", &error)),
        }
    }

    /// Writes text from outside: byte for byte into a file or a pipe, made safe on a terminal.
    pub(crate) fn raw(&self, text: &Untrusted) -> Result<(), OrcError> {
        if io::stdout().is_terminal() { self.data(&text.for_terminal(usize::MAX)) } else { self.data(text.raw()) }
    }

    /// Writes a value as indented JSON.
    pub(crate) fn json<T: Serialize>(&self, value: &T) -> Result<(), OrcError> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| OrcError::from_source(ErrorCode::Internal, "the answer has no JSON form", &error))?;
        self.data(&escape_json(&text))
    }

    /// Writes a value as one line of JSON.
    pub(crate) fn json_line<T: Serialize>(&self, value: &T) -> Result<(), OrcError> {
        let text = serde_json::to_string(value)
            .map_err(|error| OrcError::from_source(ErrorCode::Internal, "the answer has no JSON form", &error))?;
        self.data(&escape_json(&text))
    }

    /// Says something to the person. That it cannot be said is no reason to stop.
    pub(crate) fn words(&self, text: &str) {
        let mut out = io::stderr().lock();
        let _ = writeln!(out, "{}", text.trim_end_matches('\n'));
    }

    /// Shows an error: in words, with `--format json` as a JSON document as well. Returns the exit code of its kind.
    pub(crate) fn fail(&self, error: &OrcError, view: &View) -> ExitCode {
        if self.format == Format::Json {
            #[derive(Serialize)]
            struct Failure<'a> {
                error: &'a OrcError,
            }
            // The words below say the same; a reader that went away has them.
            let _ = self.json(&Failure { error });
        }
        self.words(&error::render(error, view));
        ExitCode::from(error.kind().exit_code())
    }

    /// Asks for a line on the terminal; `None` where there is no terminal to ask on.
    pub(crate) fn ask(&self, question: &str) -> Result<Option<String>, OrcError> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Ok(None);
        }
        let mut out = io::stderr().lock();
        let _ = write!(out, "{question} ").and_then(|()| out.flush());
        read_line().map(Some)
    }

    /// Asks for a yes; anything else is the error that says what was not done. `otherwise` is what to do where there is no terminal.
    pub(crate) fn confirm(&self, question: &str, undone: &str, otherwise: &str) -> Result<(), OrcError> {
        let answer = self.ask(question)?.ok_or_else(|| failure::usage("there is no terminal to ask on").hint(otherwise))?;
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(failure::declined(undone, "the answer was not `y` or `yes`")),
        }
    }

    /// A line that turns while something runs; silent where standard error is no terminal.
    pub(crate) fn spinner(&self) -> ProgressBar {
        let target = if io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }
}

/// Whether the other end of standard output is closed: the kernel says so before anything is written.
fn reader_is_gone() -> bool {
    let out = io::stdout();
    let mut polled = [PollFd::new(&out, PollFlags::empty())];
    poll(&mut polled, Some(&Timespec::default())).is_ok() && polled[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

/// The first line of standard input, without its end.
pub(crate) fn read_line() -> Result<String, OrcError> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(|error| failure::io("cannot read standard input", &error))?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// JSON whose strings hold no character that a terminal could obey: they stand inside strings only, where an escape means the same.
fn escape_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && is_hostile(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_obeys_nobody_and_means_the_same() {
        let hostile = "a\u{1b}[2Jb\u{9b}c\u{202e}d\u{e0041}\nπ";
        let json = escape_json(&serde_json::to_string(&hostile).expect("a string"));
        assert_eq!(json, r#""a\u001b[2Jb\u009bc\u202ed\udb40\udc41\nπ""#);
        assert_eq!(serde_json::from_str::<String>(&json).expect("still JSON"), hostile);
    }
}
