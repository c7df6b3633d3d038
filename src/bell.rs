//! The bell of a head: an absolute sleep on the monotonic clock that another thread can end.
//!
//! On Linux this is one futex word waited on with an absolute `CLOCK_MONOTONIC` deadline, so that a thread which is
//! descheduled between reading the clock and going to sleep still wakes at the right instant. Elsewhere it is a
//! condition variable with a relative time-out, taken anew from the clock at every turn.

use crate::sync::AtomicU32;
use std::sync::atomic::Ordering;

const QUIET: u32 = 0;
const RUNG: u32 = 1;

/// Why a sleep ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Woken {
    /// The deadline has come.
    Deadline,
    /// Somebody rang.
    Rung,
}

/// Nanoseconds of the monotonic clock, from an arbitrary origin.
#[inline]
pub(crate) fn monotonic() -> u64 {
    os::monotonic()
}

/// A sleep that can be ended from outside. A ring is remembered until the next wait takes it.
#[derive(Debug)]
pub(crate) struct Bell {
    word: AtomicU32,
    parking: os::Parking,
}

impl Default for Bell {
    fn default() -> Self {
        Self { word: AtomicU32::new(QUIET), parking: Default::default() }
    }
}

impl Bell {
    /// Ends the present wait, or the next one.
    pub(crate) fn ring(&self) {
        if self.word.swap(RUNG, Ordering::Release) == QUIET {
            self.parking.wake(&self.word);
        }
    }

    /// Sleeps until `deadline`, in nanoseconds of [`monotonic`]; `None` sleeps until the bell rings.
    pub(crate) fn wait_until(&self, deadline: Option<u64>) -> Woken {
        loop {
            if self.word.swap(QUIET, Ordering::Acquire) == RUNG {
                return Woken::Rung;
            }
            if deadline.is_some_and(|deadline| monotonic() >= deadline) {
                return Woken::Deadline;
            }
            self.parking.wait(&self.word, deadline);
        }
    }

    /// The same without sleeping.
    pub(crate) fn spin_until(&self, deadline: u64) -> Woken {
        loop {
            // Looked at first without taking it, which would claim the word's cache line at every turn.
            if self.word.load(Ordering::Relaxed) == RUNG && self.word.swap(QUIET, Ordering::Acquire) == RUNG {
                return Woken::Rung;
            }
            if monotonic() >= deadline {
                return Woken::Deadline;
            }
            std::hint::spin_loop();
        }
    }
}

/// Somebody who can be told to look again.
pub(crate) trait Wake: Send + Sync {
    fn wake(&self);
}

impl Wake for Bell {
    fn wake(&self) {
        self.ring();
    }
}

#[cfg(all(target_os = "linux", not(all(loom_model, test))))]
mod os {
    use rustix::thread::futex::{self, Flags, Timespec};
    use rustix::time::{ClockId, clock_gettime};
    use std::num::NonZeroU32;
    use std::sync::atomic::AtomicU32;

    const SECOND: u64 = 1_000_000_000;

    #[inline]
    pub(super) fn monotonic() -> u64 {
        let now = clock_gettime(ClockId::Monotonic);
        now.tv_sec as u64 * SECOND + now.tv_nsec as u64
    }

    #[derive(Default, Debug)]
    pub(super) struct Parking;

    impl Parking {
        pub(super) fn wake(&self, word: &AtomicU32) {
            // An error would mean a bad address or flag: impossible for a live reference.
            let _ = futex::wake(word, Flags::PRIVATE, 1);
        }

        pub(super) fn wait(&self, word: &AtomicU32, deadline: Option<u64>) {
            let deadline = deadline.map(|at| Timespec { tv_sec: (at / SECOND) as i64, tv_nsec: (at % SECOND) as i64 });
            // Time-out, a signal or a word that changed already: the caller looks again.
            let _ = futex::wait_bitset(word, Flags::PRIVATE, super::QUIET, deadline.as_ref(), NonZeroU32::MAX);
        }
    }
}

#[cfg(any(not(target_os = "linux"), all(loom_model, test)))]
mod os {
    use crate::sync::{AtomicU32, Condvar, Mutex, wait, wait_until};
    use std::fmt;
    use std::sync::OnceLock;
    use std::sync::atomic::Ordering;
    use std::time::{Duration, Instant};

    /// Where this clock begins.
    fn origin() -> Instant {
        static ORIGIN: OnceLock<Instant> = OnceLock::new();
        *ORIGIN.get_or_init(Instant::now)
    }

    pub(super) fn monotonic() -> u64 {
        origin().elapsed().as_nanos() as u64
    }

    pub(super) struct Parking {
        lock: Mutex<()>,
        changed: Condvar,
    }

    impl Default for Parking {
        fn default() -> Self {
            Self { lock: Mutex::new(()), changed: Condvar::new() }
        }
    }

    impl fmt::Debug for Parking {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Parking")
        }
    }

    impl Parking {
        pub(super) fn wake(&self, _word: &AtomicU32) {
            let _guard = self.lock.lock();
            self.changed.notify_all();
        }

        pub(super) fn wait(&self, word: &AtomicU32, deadline: Option<u64>) {
            let guard = self.lock.lock();
            if word.load(Ordering::Acquire) != super::QUIET {
                return;
            }
            let deadline = deadline.and_then(|at| origin().checked_add(Duration::from_nanos(at)));
            match deadline {
                Some(deadline) => drop(wait_until(&self.changed, guard, deadline)),
                None => drop(wait(&self.changed, guard)),
            }
        }
    }
}

#[cfg(test)]
#[cfg(not(loom_model))]
mod tests {
    use super::*;

    #[test]
    fn a_ring_before_the_wait_is_not_lost() {
        let bell = Bell::default();
        bell.ring();
        assert_eq!(bell.wait_until(None), Woken::Rung);
    }

    #[test]
    fn a_ring_is_taken_once() {
        let bell = Bell::default();
        bell.ring();
        bell.ring();
        assert_eq!(bell.wait_until(Some(0)), Woken::Rung);
        assert_eq!(bell.wait_until(Some(0)), Woken::Deadline);
    }

    #[test]
    fn another_thread_ends_the_sleep() {
        let bell = Bell::default();
        std::thread::scope(|scope| {
            scope.spawn(|| bell.ring());
            assert_eq!(bell.wait_until(None), Woken::Rung);
        });
    }

    #[test]
    fn never_wakes_before_the_deadline() {
        let bell = Bell::default();
        let deadline = monotonic() + 2_000_000;
        assert_eq!(bell.wait_until(Some(deadline)), Woken::Deadline);
        assert!(monotonic() >= deadline);
        let deadline = monotonic() + 2_000_000;
        assert_eq!(bell.spin_until(deadline), Woken::Deadline);
        assert!(monotonic() >= deadline);
    }

    #[test]
    fn another_thread_ends_the_spin_and_the_ring_is_taken() {
        let bell = Bell::default();
        std::thread::scope(|scope| {
            scope.spawn(|| bell.ring());
            assert_eq!(bell.spin_until(u64::MAX), Woken::Rung);
        });
        assert_eq!(bell.spin_until(0), Woken::Deadline);
    }
}

/// In every order of the threads: whoever sleeps until somebody rings does wake, and sees what was done before the ring.
#[cfg(all(test, loom_model))]
mod model {
    use super::*;
    use crate::sync::model;
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicBool;
    use std::sync::atomic::Ordering::Relaxed;

    #[test]
    fn no_order_of_threads_loses_a_ring() {
        model(|| {
            let (bell, told) = (Arc::new(Bell::default()), Arc::new(AtomicBool::new(false)));
            let ringer = loom::thread::spawn({
                let (bell, told) = (bell.clone(), told.clone());
                move || {
                    told.store(true, Relaxed);
                    bell.ring();
                }
            });
            // As a thread parks: it looks at what it waits for, and sleeps again if that has not come.
            while !told.load(Relaxed) {
                assert_eq!(bell.wait_until(None), Woken::Rung);
            }
            ringer.join().unwrap();
        });
    }

    #[test]
    fn of_two_rings_one_is_taken_after_both_were_seen() {
        model(|| {
            let (bell, told) = (Arc::new(Bell::default()), [(); 2].map(|()| Arc::new(AtomicBool::new(false))));
            let ringers = told.clone().map(|told| {
                let bell = bell.clone();
                loom::thread::spawn(move || {
                    told.store(true, Relaxed);
                    bell.ring();
                })
            });
            while !told.iter().all(|told| told.load(Relaxed)) {
                assert_eq!(bell.wait_until(None), Woken::Rung);
            }
            ringers.into_iter().for_each(|ringer| ringer.join().unwrap());
        });
    }
}
