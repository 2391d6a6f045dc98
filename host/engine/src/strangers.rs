//! Refusals of peers that are no operators: recorded, but not so often that a stranger could fill the audit.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use orc_domain::Timestamp;

/// Refusals of one unix user that are recorded in a window; more are counted and told with the next one that is recorded.
const RECORDED: u32 = 100;
const WINDOW_MS: u64 = 60_000;

#[derive(Debug, Clone, Copy)]
struct Window {
    since: Timestamp,
    seen: u32,
}

/// What was seen of strangers lately, by unix user id.
#[derive(Debug, Default)]
pub(crate) struct Strangers(Mutex<HashMap<Option<u32>, Window>>);

impl Strangers {
    /// Whether a refusal is recorded: `Some` with how many were passed over since the last one that was.
    pub(crate) fn record(&self, uid: Option<u32>, now: Timestamp) -> Option<u32> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = seen.entry(uid).or_insert(Window { since: now, seen: 0 });
        let passed_over = window.seen.saturating_sub(RECORDED);
        if now.millis_since(window.since) >= WINDOW_MS {
            *window = Window { since: now, seen: 1 };
            return Some(passed_over);
        }
        window.seen = window.seen.saturating_add(1);
        (window.seen <= RECORDED).then_some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_recorded_as_a_few_and_a_number() {
        let strangers = Strangers::default();
        let told: Vec<Option<u32>> = (0..1000).map(|at| strangers.record(Some(7), Timestamp(at))).collect();
        assert_eq!(told.iter().flatten().count(), 100);
        assert_eq!(strangers.record(Some(8), Timestamp(1000)), Some(0), "another user has a window of its own");
        assert_eq!(strangers.record(Some(7), Timestamp(60_000)), Some(900));
        assert_eq!(strangers.record(Some(7), Timestamp(60_001)), Some(0));
    }
}
