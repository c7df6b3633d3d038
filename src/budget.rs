//! How long a life, or a tick of a group, may take.

use crate::clock::nanos;
use bevy_ecs::component::Component;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long one life of a process, or one tick of a group, may take: put it into the process's bundle, or give it to the
/// group's options.
///
/// Over the soft limit is counted, and logged at most once a second. Over the hard limit acts as a failure: of a process as
/// an error, which its [`Supervision`](crate::supervision::Supervision) answers. What callbacks of mail, events and timers
/// take counts for the budget of the group only. To take exactly as long as the limit is not
/// over it. On the simulated clock a life takes what it [`consume`](crate::context::Context::consume)s.
///
/// A process with a budget is timed in every life, which costs two readings of the clock.
///
/// ```
/// use polycephaly::prelude::*;
/// use std::time::Duration;
///
/// let control = Budget::soft(Duration::from_micros(200)).and_hard(Duration::from_millis(1)).misses(3);
/// ```
#[derive(Component, Clone, Copy, PartialEq, Eq, Debug)]
#[component(immutable)]
pub struct Budget {
    soft: Option<Duration>,
    hard: Option<Duration>,
    misses: u32,
    pub(crate) ebrake: bool,
}

impl Budget {
    /// A soft limit.
    #[must_use]
    pub const fn soft(limit: Duration) -> Self {
        Self { soft: Some(limit), hard: None, misses: 1, ebrake: false }
    }

    /// A hard limit.
    #[must_use]
    pub const fn hard(limit: Duration) -> Self {
        Self { soft: None, hard: Some(limit), misses: 1, ebrake: false }
    }

    /// A hard limit beside the soft one.
    #[must_use]
    pub const fn and_hard(mut self, limit: Duration) -> Self {
        self.hard = Some(limit);
        self
    }

    /// How many misses of the hard limit act as a failure, 1 unless set, and never less: each miss adds one, each good life
    /// takes one away, and a failure takes all.
    #[must_use]
    pub const fn misses(mut self, limit: u32) -> Self {
        self.misses = if limit == 0 { 1 } else { limit };
        self
    }

    /// What follows such a failure is the e-brake. Without this, a process's supervision answers it as an error, and that of a
    /// group is counted and logged.
    #[must_use]
    pub const fn then_ebrake(mut self) -> Self {
        self.ebrake = true;
        self
    }

    /// No limits: what takes a budget away again.
    #[must_use]
    pub const fn none() -> Self {
        Self { soft: None, hard: None, misses: 1, ebrake: false }
    }

    pub(crate) const fn is_none(&self) -> bool {
        self.soft.is_none() && self.hard.is_none()
    }
}

/// How often a budget was missed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Misses {
    /// Times over the soft limit.
    pub soft: u64,
    /// Times over the hard limit.
    pub hard: u64,
    /// Times that misses of the hard limit acted as a failure.
    pub failures: u64,
}

/// A budget and how it goes with it: a leaky bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    pub(crate) budget: Budget,
    level: u32,
    pub(crate) misses: Misses,
    /// When a miss of the soft limit was last logged.
    logged: Option<u64>,
}

/// What is to be done about one reading of a meter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reading {
    /// Nothing.
    Fine,
    /// The soft limit was missed, and it is time to log that.
    Tell { limit: Duration },
    /// The hard limit was missed once too often; `tell` when it is time to log that.
    Act { limit: Duration, tell: bool },
}

/// A limit that is missed in every life is logged once in this time.
const LOG_EVERY: u64 = 1_000_000_000;

impl Meter {
    pub(crate) fn new(budget: Budget) -> Self {
        Self { budget, level: 0, misses: Misses::default(), logged: None }
    }

    /// Another budget; what was counted stays.
    pub(crate) fn set(&mut self, budget: Budget) {
        self.budget = budget;
        self.level = 0;
    }

    /// Whether either limit is missed by what took so long.
    #[inline]
    pub(crate) fn would_miss(&self, took: u64) -> bool {
        let missed = |limit: Option<Duration>| limit.is_some_and(|limit| took > nanos(limit));
        missed(self.budget.soft) || missed(self.budget.hard)
    }

    /// Takes note of what a life that ended at `now` has taken.
    pub(crate) fn read(&mut self, took: u64, now: u64) -> Reading {
        let over = |limit: Option<Duration>| limit.filter(|&limit| took > nanos(limit));
        let (soft, hard) = (over(self.budget.soft), over(self.budget.hard));
        self.misses.soft += u64::from(soft.is_some());
        self.misses.hard += u64::from(hard.is_some());
        if let Some(limit) = hard {
            self.level += 1;
            if self.level >= self.budget.misses {
                self.level = 0;
                self.misses.failures += 1;
                return Reading::Act { limit, tell: self.may_log(now) };
            }
        } else {
            self.level = self.level.saturating_sub(1);
        }
        match soft.or(hard) {
            Some(limit) if self.may_log(now) => Reading::Tell { limit },
            _ => Reading::Fine,
        }
    }

    fn may_log(&mut self, now: u64) -> bool {
        let may = self.logged.is_none_or(|then| now.saturating_sub(then) >= LOG_EVERY);
        if may {
            self.logged = Some(now);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn equal_limits_are_both_missed() {
        let mut meter = Meter::new(Budget::soft(MS).and_hard(MS));
        assert_eq!(meter.read(1_000_000, 0), Reading::Fine, "as long as the limit is not over it");
        assert_eq!(meter.read(1_000_001, 0), Reading::Act { limit: MS, tell: true });
        assert_eq!(meter.read(1_000_001, 0), Reading::Act { limit: MS, tell: false });
        assert_eq!((meter.misses.soft, meter.misses.hard, meter.misses.failures), (2, 2, 2));
    }

    #[test]
    fn a_limit_of_zero_is_missed_by_whatever_takes_time() {
        let mut meter = Meter::new(Budget::hard(Duration::ZERO).misses(0));
        assert_eq!(meter.read(0, 0), Reading::Fine);
        assert_eq!(meter.read(1, 0), Reading::Act { limit: Duration::ZERO, tell: true });
    }

    #[test]
    fn the_bucket_leaks() {
        let mut meter = Meter::new(Budget::hard(MS).misses(3));
        let mut acts = |misses: &[bool]| {
            let took = |miss: bool| if miss { 2_000_000 } else { 0 };
            misses.iter().filter(|&&miss| matches!(meter.read(took(miss), 0), Reading::Act { .. })).count()
        };
        assert_eq!(acts(&[true, true, false, true, false, true]), 0, "1 2 1 2 1 2");
        assert_eq!(acts(&[true]), 1, "3");
        assert_eq!(acts(&[true, true]), 0, "from 0 again");
        assert_eq!(acts(&[false, false, false, false, true, true, true]), 1, "never below 0");
    }

    #[test]
    fn a_soft_miss_is_told_once_a_second() {
        let mut meter = Meter::new(Budget::soft(MS));
        let told = |now: u64| matches!(meter.read(2_000_000, now), Reading::Tell { .. });
        let told: Vec<bool> = [0, 1, 999_999_999, 1_000_000_000, 1_000_000_001].map(told).into();
        assert_eq!(told, [true, false, false, true, false]);
        assert_eq!(meter.misses.soft, 5);
    }
}
