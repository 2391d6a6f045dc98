//! What is left out of a prompt that is too large, in which order.

use std::ops::Range;

use super::text::Shown;
use super::{Cut, CutPart, PromptError};

/// Reasons that are never left out.
const REASONS: usize = 10;

/// What always stays of either end of a diff, in bytes.
const DIFF_END: usize = 2048;

/// What of each list is in the prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Keep {
    /// The first memory item.
    pub(super) memory: usize,
    /// The part of the diff that is left out.
    pub(super) diff_gap: Option<Range<usize>>,
    /// The first earlier output.
    pub(super) earlier: usize,
    /// How many reasons, from the first.
    pub(super) reasons: usize,
}

/// The most that fits.
pub(super) fn fit(shown: &Shown, max: usize) -> Result<Keep, PromptError> {
    let size = |keep: &Keep| shown.render(keep).len();
    let mut keep = Keep { memory: 0, diff_gap: None, earlier: 0, reasons: shown.reasons.len() };
    if size(&keep) <= max {
        return Ok(keep);
    }
    for part in [CutPart::Memory, CutPart::Diff, CutPart::Earlier, CutPart::Reasons] {
        let most = can_lose(shown, part);
        let fewest = fewest(most, |count| size(&without(shown, &keep, part, count)) <= max);
        keep = without(shown, &keep, part, fewest.unwrap_or(most));
        if fewest.is_some() {
            return Ok(keep);
        }
    }
    Err(PromptError::TooLarge { needed: size(&keep), max })
}

/// What `keep` leaves out.
pub(super) fn cuts(shown: &Shown, keep: &Keep) -> Vec<Cut> {
    let all = |part, items: &[(String, String)]| -> Vec<Cut> {
        items.iter().map(|(name, text)| Cut { part, name: name.clone(), bytes: text.len() }).collect()
    };
    let mut out = all(CutPart::Memory, &shown.memory[..keep.memory]);
    out.extend(keep.diff_gap.iter().map(|gap| Cut { part: CutPart::Diff, name: String::new(), bytes: gap.len() }));
    out.extend(all(CutPart::Earlier, &shown.earlier[..keep.earlier]));
    out.extend(all(CutPart::Reasons, &shown.reasons[keep.reasons..]));
    out
}

/// How many items, or bytes of the diff, may go.
fn can_lose(shown: &Shown, part: CutPart) -> usize {
    match part {
        CutPart::Memory => shown.memory.len(),
        CutPart::Diff => shown.diff.as_ref().map_or(0, |diff| diff.len().saturating_sub(2 * DIFF_END)),
        CutPart::Earlier => shown.earlier.len(),
        CutPart::Reasons => shown.reasons.len().saturating_sub(REASONS),
    }
}

fn without(shown: &Shown, keep: &Keep, part: CutPart, count: usize) -> Keep {
    let mut keep = keep.clone();
    match part {
        CutPart::Memory => keep.memory = count,
        CutPart::Diff => keep.diff_gap = shown.diff.as_deref().filter(|_| count > 0).map(|diff| gap(diff, count)),
        CutPart::Earlier => keep.earlier = count,
        CutPart::Reasons => keep.reasons = shown.reasons.len() - count,
    }
    keep
}

/// The middle of `text`, at least `bytes` of it: whole lines, where that leaves half of either end.
fn gap(text: &str, bytes: usize) -> Range<usize> {
    let start = (text.len() - bytes) / 2;
    let end = start + bytes;
    let (head, tail) = (&text.as_bytes()[..start], &text.as_bytes()[end..]);
    let line_end = |byte: &u8| *byte == b'\n';
    let start = head.iter().rposition(line_end).filter(|line| *line >= head.len() / 2).map_or(start, |line| line + 1);
    let end = tail.iter().position(line_end).filter(|line| *line < tail.len() / 2).map_or(end, |line| end + line + 1);
    text.floor_char_boundary(start)..text.ceil_char_boundary(end)
}

/// The smallest of `1..=most` that `fits`, where a larger one fits too.
fn fewest(most: usize, fits: impl Fn(usize) -> bool) -> Option<usize> {
    let (mut low, mut high) = (1, most + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        if fits(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    (high <= most).then_some(high)
}
