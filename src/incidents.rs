//! What has happened to a process: its failures, its restarts, its events. Most processes have nothing of it.

use crate::budget::Meter;
use crate::event::Inbox;
use crate::supervision::{Restarts, Supervision};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Incidents {
    pub(crate) errors: AtomicU32,
    pub(crate) panics: AtomicU32,
    /// Births after the first.
    pub(crate) rebirths: AtomicU32,
    /// Pairs of its locks that were taken in both orders.
    pub(crate) lock_inversions: AtomicU32,
    /// Locks of its that somebody held at its death.
    pub(crate) held_locks: AtomicU32,
    /// Ticks of its group that it was paused in.
    pub(crate) paused: AtomicU64,
    /// When a failure was last logged, plus one; 0 for never.
    logged: AtomicU64,
    pub(crate) supervision: Mutex<Option<Arc<Supervision>>>,
    pub(crate) meter: Mutex<Option<Meter>>,
    pub(crate) rebirth: Mutex<Rebirth>,
    pub(crate) threads: Mutex<ThreadCount>,
    /// Where its events wait, once it has had one.
    pub(crate) inbox: OnceLock<Inbox>,
}

/// What became of a process's threads.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ThreadCount {
    /// Started.
    pub started: u64,
    /// Ended and reaped.
    pub ended: u64,
    /// Of those, with an error.
    pub failed: u64,
    /// Of those, with a panic.
    pub panicked: u64,
    /// Left behind, for they did not end in time.
    pub left: u64,
    /// What the last failure said.
    pub last: Option<String>,
}

/// Where a process is between a death and the next birth.
#[derive(Debug, Default)]
pub(crate) struct Rebirth {
    pub(crate) restarts: Restarts,
    /// How long it is to wait.
    pub(crate) wait: u64,
    /// Whether all that depend on it go along.
    pub(crate) with_dependents: bool,
    /// Whether the mail in its box is lost.
    pub(crate) drops_mail: bool,
    /// When it was last born.
    pub(crate) born: u64,
    /// It panicked since it was last born: nothing of it is run but its death.
    pub(crate) distrusted: bool,
}

/// A process that fails at each tick is logged once in this time; its count in the report stays exact.
const LOG_EVERY: u64 = 1_000_000_000;

impl Incidents {
    /// It is born again.
    pub(crate) fn reborn(&self, now: u64) {
        self.rebirths.fetch_add(1, Relaxed);
        let mut rebirth = self.rebirth.lock();
        rebirth.born = now;
        rebirth.distrusted = false;
        rebirth.with_dependents = false;
        rebirth.drops_mail = false;
        rebirth.wait = 0;
    }

    /// Whether a failure at `now` may be logged.
    pub(crate) fn may_log(&self, now: u64) -> bool {
        let last = self.logged.load(Relaxed);
        let may = last == 0 || (now + 1).saturating_sub(last) >= LOG_EVERY;
        if may {
            self.logged.store(now + 1, Relaxed);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_logged_once_a_second() {
        let incidents = Incidents::default();
        let may = [0, 1, 999_999_999, 1_000_000_000, 1_000_000_001].map(|now| incidents.may_log(now));
        assert_eq!(may, [true, false, false, true, false]);
    }
}
