//! A frequency group as its head ticks it: its schedule of systems, its deadlines, its counters.

use crate::budget::{Budget, Meter, Reading};
use crate::clock::nanos;
use crate::importance::Importance;
use crate::key::{GroupKey, GroupOptions};
use crate::overrun::{Grid, Overrun, Verdict};
use crate::phase::{Phase, Placed};
use crate::stats::GroupStats;
use crate::systems::order::{AsRegistered, Plan};
use crate::systems::stretch::{self, Lay};
use crate::systems::{Step, settle};
use crate::time::Beat;
use bevy_ecs::schedule::passes::AutoInsertApplyDeferredPass;
use bevy_ecs::schedule::{IntoScheduleConfigs, Schedule, ScheduleBuildSettings, ScheduleLabel, SingleThreadedExecutor};
use bevy_ecs::world::World;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// A tick that starts later than this share of its period counts as late.
const LATE: u64 = 10;

/// The label of every group's schedule: heads own their schedules, so nothing is looked up by it.
#[derive(ScheduleLabel, Clone, PartialEq, Eq, Hash, Debug)]
struct GroupSchedule;

/// What the builder knows of a group before there is a head to tick it.
pub(crate) struct GroupPlan {
    pub(crate) schedule: Schedule,
    order: Arc<Mutex<Plan>>,
    pub(crate) options: GroupOptions,
    pub(crate) has_systems: bool,
}

impl Default for GroupPlan {
    fn default() -> Self {
        let order = Arc::default();
        Self { schedule: new_schedule(&order), order, options: GroupOptions::default(), has_systems: false }
    }
}

pub(crate) struct Group {
    pub(crate) key: GroupKey,
    pub(crate) schedule: Schedule,
    order: Arc<Mutex<Plan>>,
    /// Whether the schedule has to be laid out before the next tick.
    pub(crate) is_stale: bool,
    pub(crate) overrun: Overrun,
    pub(crate) importance: Importance,
    /// Of so many ticks one runs: 1, unless its head is overloaded.
    pub(crate) keeps_one_in: u32,
    pub(crate) grid: Grid,
    pub(crate) phase: u64,
    /// Whether its phase is still to be found.
    pub(crate) finds_phase: bool,
    /// The next tick, and when it is due.
    pub(crate) next: u64,
    pub(crate) next_due: u64,
    /// When the last tick started.
    pub(crate) last: u64,
    /// The period in whole nanoseconds, for the order of groups that are due at the same instant.
    pub(crate) period: u64,
    pub(crate) paused: bool,
    /// Whether the user has put systems of his own into it: then it ticks without processes, too.
    pub(crate) has_systems: bool,
    /// Whether it ticks at all.
    pub(crate) active: bool,
    pub(crate) stats: GroupStats,
    pub(crate) meter: Meter,
    /// Whether it tells processes about USB devices.
    #[cfg(feature = "usb")]
    polls_usb: bool,
}

impl Group {
    pub(crate) fn new(key: GroupKey, plan: GroupPlan, beat: Arc<Beat>, epoch: u64) -> Self {
        let mut schedule = plan.schedule;
        schedule.add_systems(settle::system(beat).in_set(Step::Settle));
        Self {
            schedule,
            order: plan.order,
            is_stale: true,
            overrun: Overrun::default(),
            importance: Importance::default(),
            keeps_one_in: 1,
            grid: Grid { frequency: key.frequency, origin: epoch },
            phase: 0,
            finds_phase: false,
            next: 0,
            next_due: epoch,
            last: epoch,
            period: key.frequency.due(1),
            paused: false,
            has_systems: plan.has_systems,
            active: plan.has_systems,
            stats: GroupStats::default(),
            meter: Meter::new(Budget::none()),
            #[cfg(feature = "usb")]
            polls_usb: false,
            key,
        }
    }

    /// Sets the common epoch, before the first tick.
    pub(crate) fn start(&mut self, epoch: u64) {
        self.grid.origin = epoch.saturating_add(self.phase);
        self.next = 0;
        self.next_due = self.grid.due(0);
        self.last = epoch;
    }

    /// From the next tick on, it tells processes about USB devices.
    #[cfg(feature = "usb")]
    pub(crate) fn poll_usb(&mut self) {
        if !std::mem::replace(&mut self.polls_usb, true) {
            self.schedule.add_systems(crate::systems::usb_poll::system.in_set(Step::Poll));
            self.is_stale = true;
        }
    }

    /// Builds the schedule, with these lanes.
    ///
    /// # Errors
    /// When the user's order is an impossible one.
    pub(crate) fn lay_out(&mut self, lanes: &[Lay], world: &mut World) -> Result<(), String> {
        self.is_stale = false;
        stretch::lay_out(&mut self.schedule, &self.order, lanes, world).map_err(|error| {
            let text = error.to_string(self.schedule.graph(), world);
            format!("the systems of group {} can't be ordered: {text}", self.key)
        })
    }

    /// Goes on with the first tick due strictly after `now`.
    pub(crate) fn resume_after(&mut self, now: u64) {
        self.next = self.grid.first_after(now);
        self.next_due = self.grid.due(self.next);
    }

    /// Applies settings; `now` is `None` before the start. Ticks that are due by now and will not run, because a new
    /// phase begins a new grid, are counted as dropped; as paused ones, where `paused`.
    pub(crate) fn configure(&mut self, options: &GroupOptions, now: Option<u64>, paused: bool) {
        if let Some(overrun) = options.overrun {
            self.overrun = overrun;
        }
        if let Some(budget) = options.budget {
            self.meter.set(budget);
        }
        if let Some(importance) = options.importance {
            self.importance = importance;
        }
        match options.phase {
            Some(Phase::At(phase)) => self.set_phase(nanos(phase), now, paused),
            // Whoever knows the other groups sets it.
            Some(Phase::Auto) => self.finds_phase = true,
            None => {}
        }
    }

    /// Begins a new grid, with ticks counted as [`configure`](Self::configure) says.
    pub(crate) fn set_phase(&mut self, phase: u64, now: Option<u64>, paused: bool) {
        self.finds_phase = false;
        if phase == self.phase {
            return;
        }
        if self.active {
            let lost = now.map_or(0, |now| self.grid.first_after(now).saturating_sub(self.next));
            *(if paused { &mut self.stats.paused } else { &mut self.stats.dropped }) += lost;
        }
        self.grid.origin = self.grid.origin.saturating_sub(self.phase).saturating_add(phase);
        self.phase = phase;
        match now {
            Some(now) => self.resume_after(now),
            None => self.next_due = self.grid.due(self.next),
        }
    }

    /// Where it stands beside the other groups of its head.
    pub(crate) fn placed(&self) -> Placed {
        Placed { frequency: self.key.frequency, phase: self.phase }
    }

    /// Passes over the next tick, if it is one that is shed.
    #[inline]
    pub(crate) fn shed(&mut self) -> bool {
        let sheds = self.keeps_one_in > 1 && !self.next.is_multiple_of(self.keeps_one_in.into());
        if sheds {
            self.stats.shed += 1;
            self.next += 1;
            self.next_due = self.grid.due(self.next);
        }
        sheds
    }

    /// Passes over all ticks due by now: they are paused ones.
    pub(crate) fn pass_paused(&mut self, now: u64) {
        self.stats.paused += self.pass_due(now);
    }

    /// Whether the next tick would start after later ones were due: roughly, for a look before the leap.
    #[inline]
    pub(crate) fn is_behind(&self, now: u64) -> bool {
        now.saturating_sub(self.next_due) >= self.period
    }

    /// Passes over all ticks due by now: the program was stopped.
    #[cold]
    pub(crate) fn pass_suspended(&mut self, now: u64) {
        self.stats.suspended += self.pass_due(now);
    }

    /// Passes over all ticks due by now: they were missed.
    #[cold]
    pub(crate) fn drop_due(&mut self, now: u64) {
        self.stats.dropped += self.pass_due(now);
    }

    /// Passes over all ticks due by now; how many that were.
    fn pass_due(&mut self, now: u64) -> u64 {
        let before = self.next;
        self.resume_after(now);
        self.next - before
    }

    /// Holds what a tick has taken against the budget. What is to be said when the e-brake is to be pulled comes back.
    /// `excused` is asked about a tick that took so long that somebody is to blame: one in which the program was stopped is
    /// not accounted for.
    #[inline]
    pub(crate) fn account(&mut self, took: u64, now: u64, excused: impl FnOnce() -> bool) -> Option<String> {
        if (took >= self.period || self.meter.would_miss(took)) && excused() {
            return None;
        }
        self.stats.busy.record(took);
        if self.meter.budget.is_none() {
            return None;
        }
        let reading = self.meter.read(took, now);
        let took = Duration::from_nanos(took);
        match reading {
            Reading::Fine => None,
            Reading::Tell { limit } => {
                tracing::warn!(group = %self.key, ?took, ?limit, "a tick was over its budget");
                None
            }
            Reading::Act { limit, tell } => {
                if tell {
                    tracing::error!(group = %self.key, ?took, ?limit, "a tick was over its hard budget");
                }
                self.meter.budget.ebrake.then(|| format!("a tick took {took:?}, over its hard budget of {limit:?}"))
            }
        }
    }

    /// Decides on the tick that starts now, counts it, and moves on to the next.
    #[inline]
    pub(crate) fn advance(&mut self, now: u64) -> Verdict {
        let verdict = self.overrun.judge(&self.grid, self.next, now);
        let lateness = now.saturating_sub(self.next_due);
        self.stats.lateness.record(lateness);
        self.stats.late += u64::from(lateness > self.period / LATE);
        self.stats.ticks += u64::from(verdict.runs);
        self.stats.overruns += u64::from(verdict.missed > 0);
        self.stats.dropped += verdict.dropped;
        self.stats.shift += verdict.shift;
        self.grid.origin = self.grid.origin.saturating_add(verdict.shift);
        self.next = verdict.next;
        self.next_due = verdict.next_due;
        verdict
    }
}

fn new_schedule(order: &Arc<Mutex<Plan>>) -> Schedule {
    let mut schedule = Schedule::new(GroupSchedule);
    schedule.set_executor(SingleThreadedExecutor::new());
    // Sync points are where the user puts them, and at the end of the tick.
    schedule.set_build_settings(ScheduleBuildSettings { auto_insert_apply_deferred: false, ..Default::default() });
    schedule.remove_build_pass::<AutoInsertApplyDeferredPass>();
    schedule.add_build_pass(AsRegistered(order.clone()));
    schedule.configure_sets((Step::Poll, Step::Live, Step::Settle).chain());
    schedule
}
