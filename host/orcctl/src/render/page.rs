//! A page of text: headings, fields, tables, reasons, next steps. Fits its width; colour adds nothing that words do not say.

use comfy_table::{Attribute, Cell, ColumnConstraint, ContentArrangement, Table, presets};
use orc_domain::api::{BlockReason, NextStep};
use orc_domain::decision::Reason;
use orc_domain::{Timestamp, Untrusted};

use super::{View, text, when};

/// Columns of the labels of fields. With it a `sha256:` digest still fits into 80.
const LABEL: usize = 9;

/// What a word means to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Good,
    Bad,
    Waiting,
    Plain,
}

/// The tone of a state, verdict or risk class. A word that is not listed is plain: colour is never needed.
fn tone(word: &str) -> Tone {
    match word {
        "approved" | "completed" | "pass" | "valid" | "approve" | "low" | "allowed" => Tone::Good,
        "rejected" | "failed" | "blocked" | "fail" | "invalid" | "fault" | "denied" | "high" | "lost" | "killed" | "stale" | "reject" => {
            Tone::Bad
        }
        "awaiting_approval" | "pending" | "paused" | "interrupted" | "running" | "executing" | "queued" | "ask" | "elevated"
        | "moderate" => Tone::Waiting,
        _ => Tone::Plain,
    }
}

const fn code(tone: Tone) -> Option<&'static str> {
    match tone {
        Tone::Good => Some("32"),
        Tone::Bad => Some("31"),
        Tone::Waiting => Some("33"),
        Tone::Plain => None,
    }
}

/// A page under construction.
pub(crate) struct Page<'a> {
    pub(crate) view: &'a View,
    out: String,
}

impl<'a> Page<'a> {
    pub(crate) const fn new(view: &'a View) -> Self {
        Self { view, out: String::new() }
    }

    /// The finished text.
    pub(crate) fn done(self) -> String {
        self.out
    }

    /// Wraps text in an attribute, where colour is on.
    fn paint(&self, attribute: &str, text: &str) -> String {
        if self.view.color { format!("\u{1b}[{attribute}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// A state, verdict or risk class in its colour.
    pub(crate) fn state(&self, word: &str) -> String {
        code(tone(word)).map_or_else(|| word.to_owned(), |code| self.paint(code, word))
    }

    pub(crate) fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    /// A unified diff, made safe line by line: no line is wrapped or cut short of being read.
    pub(crate) fn diff(&mut self, diff: &Untrusted) {
        for line in diff.for_terminal(usize::MAX).lines() {
            let shown = match line.as_bytes().first() {
                Some(b'+') => self.paint("32", line),
                Some(b'-') => self.paint("31", line),
                Some(b'@') => self.paint("36", line),
                _ => line.to_owned(),
            };
            self.out.push_str(&shown);
            self.out.push('\n');
        }
    }

    pub(crate) fn blank(&mut self) {
        self.out.push('\n');
    }

    /// A heading after a blank line.
    pub(crate) fn heading(&mut self, text: &str) {
        if !self.out.is_empty() {
            self.blank();
        }
        let heading = self.bold(text);
        self.line(&heading);
    }

    /// A label and its value; the value is wrapped under itself.
    pub(crate) fn field(&mut self, label: &str, value: &str) {
        let width = usize::from(self.view.width).saturating_sub(LABEL);
        let mut label = label;
        for line in text::wrap(value, width) {
            self.line(&format!("{label:<LABEL$}{line}"));
            label = "";
        }
    }

    /// Text, wrapped, `indent` columns in.
    pub(crate) fn text(&mut self, indent: usize, text: &str) {
        self.hanging(indent, "", text);
    }

    /// `lead` and the text, wrapped under itself, `indent` columns in.
    pub(crate) fn hanging(&mut self, indent: usize, lead: &str, text: &str) {
        let inner = indent + lead.chars().count();
        let width = usize::from(self.view.width).saturating_sub(inner);
        for (index, line) in text::wrap(text, width).iter().enumerate() {
            let start = if index == 0 { format!("{:indent$}{lead}", "") } else { " ".repeat(inner) };
            self.line(&format!("{start}{line}"));
        }
    }

    /// A table with a head; nothing where there are no rows.
    pub(crate) fn table(&mut self, head: &[&str], rows: Vec<Vec<String>>) {
        if rows.is_empty() {
            return;
        }
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(self.view.width);
        if self.view.color {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        table.set_header(head.iter().map(|name| Cell::new(name).add_attribute(Attribute::Bold)));
        let of_ids = |column: usize| rows.iter().all(|row| row.get(column).is_some_and(|word| is_id(word)));
        let copied: Vec<usize> = (0..head.len()).filter(|column| head[*column] == "guest" || of_ids(*column)).collect();
        for row in rows {
            table.add_row(row.iter().map(|word| cell(word)));
        }
        // What is copied stays whole, however narrow the terminal is.
        for column in copied {
            if let Some(column) = table.column_mut(column) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        let text = table.trim_fmt();
        self.out.push_str(&text);
        self.out.push('\n');
    }

    /// Rules that said something, each with its place and what would change it.
    pub(crate) fn reasons(&mut self, reasons: &[Reason]) {
        for reason in reasons {
            let place = reason.at.as_ref().map(|at| format!(" ({})", text::safe(&at.to_string()))).unwrap_or_default();
            self.hanging(2, "- ", &format!("{}: {}{place}", reason.code, text::safe(&reason.message)));
            if let Some(remedy) = &reason.remedy {
                self.hanging(4, "to change it: ", &text::safe(remedy));
            }
        }
    }

    /// Why work did not go on.
    pub(crate) fn blocks(&mut self, reasons: &[BlockReason]) {
        for reason in reasons {
            self.hanging(2, "- ", &format!("{}: {}", text::safe(&reason.code), reason.message.for_line(400)));
            if let Some(fix) = &reason.fix {
                self.hanging(4, "to mend it: ", &fix.for_line(400));
            }
        }
    }

    /// What to do next, ready to paste; last on every page that has it.
    pub(crate) fn next(&mut self, next: &[NextStep]) {
        if next.is_empty() {
            return;
        }
        self.heading("next");
        for step in next {
            let command = text::safe(&step.command);
            let command = command.strip_prefix("orcctl ").map_or_else(|| command.clone(), |rest| format!("{} {rest}", self.view.program));
            let why = text::safe(&step.why);
            if 2 + command.chars().count() + 4 + why.chars().count() <= usize::from(self.view.width) {
                self.line(&format!("  {command}  # {why}"));
            } else {
                // A comment on every line: what is pasted must be the command alone.
                for line in text::wrap(&why, usize::from(self.view.width).saturating_sub(4)) {
                    self.line(&format!("  # {line}"));
                }
                self.line(&format!("  {command}"));
            }
        }
    }

    /// The same on the page of a command that is one of the steps: nobody is sent where he is.
    pub(crate) fn next_from(&mut self, command: &str, next: &[NextStep]) {
        let here = format!("orcctl {command} ");
        let steps: Vec<NextStep> = next.iter().filter(|step| !step.command.starts_with(&here)).cloned().collect();
        self.next(&steps);
    }

    pub(crate) fn when(&self, at: Timestamp) -> String {
        when::when(at, &self.view.zone)
    }

    pub(crate) fn until(&self, at: Timestamp) -> String {
        when::until(at, &self.view.zone)
    }
}

/// Ids are two letters, an underscore and eight more.
fn is_id(word: &str) -> bool {
    word.len() == 11 && word.as_bytes()[2] == b'_' && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn cell(word: &str) -> Cell {
    use comfy_table::Color;
    let cell = Cell::new(word);
    match tone(word) {
        Tone::Good => cell.fg(Color::Green),
        Tone::Bad => cell.fg(Color::Red),
        Tone::Waiting => cell.fg(Color::Yellow),
        Tone::Plain => cell,
    }
}
