//! Deadline policies, as pure arithmetic on due instants.
//!
//! Tick `k` of a group is due at `origin + floor(k · period)`. A tick that starts after later ones are already due is an
//! *overrun*; [`Overrun`] says what becomes of those later ones. Nothing here reads a clock, so every decision can be
//! checked against an obvious model (`tests/overrun.rs`).

use crate::frequency::Frequency;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a group does when a tick starts after later ones are already due.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overrun {
    /// Drops the missed ticks and keeps the phase: the next tick is the first that is not yet due.
    #[default]
    Skip,
    /// Keeps at most `max` missed ticks, the latest ones, and runs them back to back; drops the older ones.
    /// With `max` = 0 this is [`Skip`](Self::Skip).
    Burst {
        /// How many missed ticks may be caught up.
        max: u32,
    },
    /// Drops nothing: the late tick becomes the group's new anchor and all later ones move with it. The report shows
    /// the sum of these shifts.
    Delay,
    /// Pulls the e-brake: the late tick does not run.
    Stop,
}

impl fmt::Display for Overrun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skip => f.write_str("skip"),
            Self::Burst { max } => write!(f, "burst of {max}"),
            Self::Delay => f.write_str("delay"),
            Self::Stop => f.write_str("stop"),
        }
    }
}

/// The due instants of one group, in nanoseconds of application time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grid {
    /// How often.
    pub frequency: Frequency,
    /// When tick 0 is due.
    pub origin: u64,
}

impl Grid {
    /// When tick `tick` is due; `u64::MAX` stands for never.
    #[inline]
    #[must_use]
    pub fn due(&self, tick: u64) -> u64 {
        self.origin.saturating_add(self.frequency.due(tick))
    }

    /// The latest tick due at or before `instant`; `None` before tick 0.
    #[must_use]
    pub fn last_due(&self, instant: u64) -> Option<u64> {
        Some(self.frequency.last_due(instant.checked_sub(self.origin)?))
    }

    /// The first tick due strictly after `instant`.
    #[must_use]
    pub fn first_after(&self, instant: u64) -> u64 {
        instant.checked_sub(self.origin).map_or(0, |since| self.frequency.first_after(since))
    }
}

/// What [`Overrun::judge`] decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// Whether the tick runs. Only [`Overrun::Stop`] says no.
    pub runs: bool,
    /// How many ticks were already due behind this one; 0 unless it is an overrun.
    pub missed: u64,
    /// How many ticks will never run.
    pub dropped: u64,
    /// The next tick to run.
    pub next: u64,
    /// When that is due, with `shift` already in it.
    pub next_due: u64,
    /// By how much the group's anchor moves, in nanoseconds.
    pub shift: u64,
}

impl Overrun {
    /// Decides on tick `tick`, starting at `now`, which is not before it is due.
    #[inline]
    #[must_use]
    pub fn judge(self, grid: &Grid, tick: u64, now: u64) -> Verdict {
        let next = tick + 1;
        let next_due = grid.due(next);
        if now < next_due {
            return Verdict { runs: true, missed: 0, dropped: 0, next, next_due, shift: 0 };
        }
        self.judge_late(grid, tick, now)
    }

    #[cold]
    fn judge_late(self, grid: &Grid, tick: u64, now: u64) -> Verdict {
        let missed = grid.last_due(now).map_or(0, |last| last.saturating_sub(tick));
        let after = |runs, dropped, next| Verdict { runs, missed, dropped, next, next_due: grid.due(next), shift: 0 };
        match self {
            Self::Skip => after(true, missed, tick + 1 + missed),
            Self::Burst { max } => {
                let dropped = missed.saturating_sub(u64::from(max));
                after(true, dropped, tick + 1 + dropped)
            }
            Self::Delay => {
                let shift = now - grid.due(tick);
                let verdict = after(true, 0, tick + 1);
                Verdict { shift, next_due: verdict.next_due.saturating_add(shift), ..verdict }
            }
            Self::Stop => after(false, missed + 1, tick + 1 + missed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frequency::hz;

    const MS: u64 = 1_000_000;

    fn judge(policy: Overrun, now: u64) -> Verdict {
        policy.judge(&Grid { frequency: hz(1000), origin: 5 * MS }, 10, now)
    }

    #[test]
    fn a_tick_in_time_changes_nothing() {
        for policy in [Overrun::Skip, Overrun::Burst { max: 3 }, Overrun::Delay, Overrun::Stop] {
            let verdict = judge(policy, 16 * MS - 1);
            assert_eq!(verdict, Verdict { runs: true, missed: 0, dropped: 0, next: 11, next_due: 16 * MS, shift: 0 });
        }
    }

    #[test]
    fn each_policy_at_three_and_a_half_periods() {
        let now = 15 * MS + 3_500_000;
        let skip = judge(Overrun::Skip, now);
        assert_eq!((skip.missed, skip.dropped, skip.next, skip.next_due), (3, 3, 14, 19 * MS));
        let burst = judge(Overrun::Burst { max: 2 }, now);
        assert_eq!((burst.missed, burst.dropped, burst.next, burst.next_due), (3, 1, 12, 17 * MS));
        let delay = judge(Overrun::Delay, now);
        assert_eq!((delay.dropped, delay.next, delay.shift, delay.next_due), (0, 11, 3_500_000, 19_500_000));
        let stop = judge(Overrun::Stop, now);
        assert_eq!((stop.runs, stop.dropped, stop.next), (false, 4, 14));
    }

    #[test]
    fn before_the_origin_nothing_is_due() {
        let grid = Grid { frequency: hz(10), origin: 500 };
        assert_eq!(grid.last_due(499), None);
        assert_eq!(grid.last_due(500), Some(0));
        assert_eq!(grid.first_after(499), 0);
        assert_eq!(grid.first_after(500), 1);
    }
}
