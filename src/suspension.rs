//! When the OS process was stopped (by Ctrl-Z or SIGSTOP) and has gone on: time that nobody can be blamed for.
//!
//! What is late because of such a stop is told by one comparison: it was due before the program went on. The instant is
//! noted by the handler of SIGCONT, on whatever thread that runs; another thread may go on a moment before. Who is about to
//! blame somebody for a long gap therefore waits that moment.

use crate::bell::monotonic;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::time::Duration;

/// When the OS process last went on after a stop, in nanoseconds of [`monotonic`]; 0 for never.
static RESUMED: AtomicU64 = AtomicU64::new(0);
/// Whether anybody would note that.
static WATCHED: AtomicBool = AtomicBool::new(false);
/// This program is about to stop itself.
static IMMINENT: AtomicBool = AtomicBool::new(false);

/// How often one looks whether the handler has noted that the program goes on.
const PAUSE: u64 = 50_000;
/// What has taken that long anyway may take a two-hundredth more, so that where programs are just slow it does not matter,
/// and no longer than this.
const PATIENCE: u64 = 5_000_000;
const SHARE: u64 = 200;

/// Whether stops are noted from now on.
#[cfg(unix)]
pub(crate) fn set_watched(watched: bool) {
    WATCHED.store(watched, Release);
}

/// The OS process goes on after a stop. May be called by a signal handler.
#[cfg(unix)]
pub(crate) fn note() {
    RESUMED.fetch_max(monotonic(), Release);
}

/// Runs what stops this program, and comes back when it goes on. Meanwhile nobody is blamed.
#[cfg(unix)]
pub(crate) fn during(stop: impl FnOnce()) {
    IMMINENT.store(true, Release);
    stop();
    note();
    IMMINENT.store(false, Release);
}

/// Whether the program was stopped and has gone on at or after `instant` of [`monotonic`], as far as is known yet.
pub(crate) fn noted_since(instant: u64) -> bool {
    RESUMED.load(Acquire) >= instant.max(1)
}

/// The same, for sure: waits a moment where it may have gone on just now; `now` less `instant` is the gap to be explained.
#[cold]
pub(crate) fn since(instant: u64, now: u64) -> bool {
    let patience = (now.saturating_sub(instant) / SHARE).min(PATIENCE);
    let mut waited = 0;
    loop {
        while IMMINENT.load(Acquire) {
            std::thread::sleep(Duration::from_nanos(PAUSE));
        }
        if noted_since(instant) {
            return true;
        }
        if !WATCHED.load(Relaxed) || waited + PAUSE > patience {
            return false;
        }
        std::thread::sleep(Duration::from_nanos(PAUSE));
        waited += PAUSE;
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn what_began_before_the_program_went_on_is_excused_and_nothing_later() {
        let before = monotonic();
        assert!(!since(before, before));
        during(|| {});
        assert!(since(before, monotonic()));
        let after = monotonic() + 1;
        assert!(!since(after, after + 10 * PATIENCE), "not excused");
    }
}
