//! Head and tail of a stream, in bounded memory.

use std::collections::VecDeque;

use orc_domain::grant::StreamReport;

/// The last bytes of what is pushed.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    cap: usize,
    kept: VecDeque<u8>,
    dropped: u64,
}

impl Tail {
    pub(crate) fn new(cap: usize) -> Self {
        Self { cap, ..Self::default() }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let fitting = &bytes[bytes.len().saturating_sub(self.cap)..];
        let excess = (self.kept.len() + fitting.len()).saturating_sub(self.cap);
        self.kept.drain(..excess);
        self.kept.extend(fitting);
        self.dropped += (excess + bytes.len() - fitting.len()) as u64;
    }

    /// The bytes, and how many came before them that are not there.
    pub(crate) fn finish(self) -> (Vec<u8>, u64) {
        (self.kept.into(), self.dropped)
    }
}

/// The first and the last bytes of what is pushed.
#[derive(Debug)]
pub(crate) struct HeadTail {
    head: Vec<u8>,
    head_cap: usize,
    tail: Tail,
}

impl HeadTail {
    pub(crate) fn new(cap: usize) -> Self {
        Self { head: Vec::new(), head_cap: cap, tail: Tail::new(cap) }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let (head, tail) = bytes.split_at(bytes.len().min(self.head_cap - self.head.len()));
        self.head.extend_from_slice(head);
        self.tail.push(tail);
    }

    /// As a report, cut at line ends where there are any. Head and tail say everything there was if nothing was dropped.
    pub(crate) fn report(self, bytes: u64, redactions: u64) -> StreamReport {
        let (mut head, mut tail) = (self.head, self.tail.kept);
        let mut dropped = self.tail.dropped;
        if !tail.is_empty()
            && let Some(end) = head.iter().rposition(|byte| *byte == b'\n')
        {
            let rest = head.split_off(end + 1);
            if dropped == 0 {
                rest.into_iter().rev().for_each(|byte| tail.push_front(byte));
            } else {
                dropped += rest.len() as u64;
            }
        }
        if dropped > 0
            && let Some(end) = tail.iter().position(|byte| *byte == b'\n')
        {
            tail.drain(..=end);
            dropped += end as u64 + 1;
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        StreamReport { bytes, dropped, redactions, head: text(&head), tail: text(tail.make_contiguous()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(cap: usize, text: &str) -> (String, u64, String) {
        let mut kept = HeadTail::new(cap);
        text.as_bytes().chunks(3).for_each(|chunk| kept.push(chunk));
        let report = kept.report(text.len() as u64, 0);
        (report.head, report.dropped, report.tail)
    }

    #[test]
    fn head_and_tail_are_cut_at_line_ends_and_account_for_every_byte() {
        for (cap, text, head, dropped, tail) in [
            (8, "short", "short", 0, ""),
            (8, "exactly8", "exactly8", 0, ""),
            (8, "one\ntwo\nthree", "one\ntwo\n", 0, "three"),
            (8, "one\ntwo3\nfour", "one\n", 0, "two3\nfour"),
            (8, "one\ntwo\n3333333\n4444\nfive\n", "one\ntwo\n", 13, "five\n"),
            (4, "no line end at all", "no l", 10, " all"),
        ] {
            let expected = (head.to_owned(), dropped, tail.to_owned());
            assert_eq!(report(cap, text), expected, "{text:?} in {cap} and {cap}");
            assert_eq!(head.len() as u64 + dropped + tail.len() as u64, text.len() as u64);
        }
    }
}
