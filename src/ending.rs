//! How the end of an application goes: how long it may take, and what did not end in time.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::clock::nanos;

/// How many that did not end in time are kept by name.
const NAMED: usize = 64;

/// The settings and the course of the end.
#[derive(Debug)]
pub(crate) struct Ending {
    /// How long one death may take, in nanoseconds.
    each: AtomicU64,
    /// How long all may take together.
    total: AtomicU64,
    /// Whether a second request forces the end.
    pub(crate) may_force: AtomicBool,
    forced: AtomicBool,
    /// The death runs that is the end of the application, though that has not begun.
    pub(crate) dawns: AtomicBool,
    /// It waits for those that are not bound to end with it: no time-out counts meanwhile.
    pub(crate) waits: AtomicBool,
    /// Requests to force it that were refused.
    pub(crate) refused: AtomicU64,
    /// Heads that stood still too long.
    pub(crate) stalls: AtomicU64,
    overdue: Mutex<Vec<String>>,
}

impl Default for Ending {
    fn default() -> Self {
        Self {
            each: AtomicU64::new(nanos(Duration::from_secs(5))),
            total: AtomicU64::new(nanos(Duration::from_secs(30))),
            may_force: AtomicBool::new(true),
            forced: AtomicBool::new(false),
            dawns: AtomicBool::new(false),
            waits: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            stalls: AtomicU64::new(0),
            overdue: Mutex::default(),
        }
    }
}

impl Ending {
    pub(crate) fn set_each(&self, time: Duration) {
        self.each.store(nanos(time), Relaxed);
    }

    pub(crate) fn set_total(&self, time: Duration) {
        self.total.store(nanos(time), Relaxed);
    }

    /// How long one death may take.
    pub(crate) fn each(&self) -> u64 {
        self.each.load(Relaxed)
    }

    /// How long all may take together.
    pub(crate) fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }

    /// Whether nobody is to be waited for any more.
    pub(crate) fn is_forced(&self) -> bool {
        self.forced.load(Relaxed)
    }

    /// A second request. Whether it is granted.
    pub(crate) fn force(&self) -> bool {
        let may = self.may_force.load(Relaxed);
        if may {
            tracing::warn!("the end is forced by a second request");
            self.forced.store(true, Relaxed);
        } else {
            tracing::warn!("a second request to end is refused: force_stop(false) was set");
            self.refused.fetch_add(1, Relaxed);
        }
        may
    }

    /// Nobody is waited for: the application is dropped.
    pub(crate) fn hurry(&self) {
        self.forced.store(true, Relaxed);
    }

    /// Notes one that has not ended in time.
    pub(crate) fn note_overdue(&self, name: &str) {
        let mut overdue = self.overdue.lock();
        if overdue.len() < NAMED && !overdue.iter().any(|known| known == name) {
            overdue.push(name.to_owned());
        }
    }

    /// All that have not ended in time.
    pub(crate) fn overdue(&self) -> Vec<String> {
        self.overdue.lock().clone()
    }
}
