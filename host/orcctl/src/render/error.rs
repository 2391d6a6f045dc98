//! An error as words: what happened, why, which rule said so and where, what to do.

use orc_domain::OrcError;

use super::View;
use super::page::Page;
use super::text::{safe, wrap};

/// The error as text for standard error.
pub(crate) fn render(error: &OrcError, view: &View) -> String {
    let mut page = Page::new(view);
    let head = page.state_error(error.code.as_str());
    hanging(&mut page, &format!("{head}: "), error.code.as_str().len() + "error[]: ".len(), &error.message);
    for cause in &error.causes {
        hanging(&mut page, "  caused by: ", 13, cause);
    }
    for reason in &error.reasons {
        hanging(&mut page, "  reason: ", 10, &format!("{}: {}", reason.code, reason.message));
        if let Some(at) = &reason.at {
            page.line(&format!("    at {}", safe(&at.to_string())));
        }
        if let Some(remedy) = &reason.remedy {
            hanging(&mut page, "    remedy: ", 12, remedy);
        }
    }
    if let Some(hint) = &error.hint {
        hanging(&mut page, "hint: ", 6, hint);
    }
    page.done()
}

/// `lead` and the text, wrapped under itself, made safe.
fn hanging(page: &mut Page<'_>, lead: &str, indent: usize, text: &str) {
    // Long codes would leave no room: then the text goes on under a small indent.
    let indent = if indent > 30 { 4 } else { indent };
    let width = usize::from(page.view.width).saturating_sub(indent);
    let mut lead = lead.to_owned();
    for line in text.lines().flat_map(|line| lines(line, width)) {
        page.line(&format!("{lead}{line}"));
        lead = " ".repeat(indent);
    }
}

/// A command on a line of its own is to be pasted: it stays whole.
fn lines(line: &str, width: usize) -> Vec<String> {
    if line.starts_with("orcctl ") { vec![safe(line)] } else { wrap(&safe(line), width) }
}

impl Page<'_> {
    fn state_error(&self, code: &str) -> String {
        let plain = format!("error[{code}]");
        if self.view.color { format!("\u{1b}[1;31m{plain}\u{1b}[0m") } else { plain }
    }
}
