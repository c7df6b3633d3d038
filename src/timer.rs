//! Timers: callbacks at an instant, or at every so often.
//!
//! They work while the application runs, as do spawning, ending and pausing: from a process, from a system
//! ([`spawn_process`](crate::systems::birth::SpawnProcessCommands::spawn_process)), or from another thread
//! ([`handle`](crate::application::Application::handle)). A process born late lives first at its group's next due instant.
//!
//! ```
//! use polycephaly::prelude::*;
//!
//! #[derive(Component)]
//! struct Launcher;
//!
//! impl Process for Launcher {
//!     fn birth(&mut self, cx: &mut Context<Self>) -> Result {
//!         cx.spawn(Probe, (hz(100), Name::new("probe")));
//!         cx.after(Duration::from_secs(1), |_, cx| Ok(cx.pause("probe")?));
//!         cx.every(Duration::from_secs(2), |_, cx| {
//!             cx.stop("probe", "mission over")?;
//!             cx.die("nothing left to do");
//!             Ok(())
//!         });
//!         Ok(())
//!     }
//! }
//!
//! #[derive(Component)]
//! struct Probe;
//! impl Process for Probe {}
//!
//! let exit = Application::new().clock(Clock::simulated()).add_process(Launcher, hz(10)).run();
//! assert_eq!(exit.report().process("probe").unwrap().lives, 100);
//! ```

use crate::erased::{AnyProcess, RawContext};
use crate::post::Address;
use crate::run_level::RunLevel;
use bevy_ecs::entity::Entity;
use bevy_ecs::error::Result;
use hashbrown::HashSet;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Names a timer of one process, to cancel it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TimerId(pub(crate) u32);

/// A timer as its owner keeps it.
pub(crate) struct Timer {
    pub(crate) id: TimerId,
    /// Nanoseconds between calls; `None` for a single call.
    pub(crate) period: Option<u64>,
    /// Taken out while it runs, so that it may set and cancel timers, itself among them.
    pub(crate) call: Option<Ring>,
}

/// A callback at a timer.
pub(crate) type Ring = Box<dyn FnMut(&mut AnyProcess<'_>, &mut RawContext<'_>) -> Result + Send + Sync>;

impl RawContext<'_> {
    /// Sets a timer.
    pub(crate) fn add_timer(&mut self, delay: u64, period: Option<u64>, call: Ring) -> TimerId {
        let due = self.scope.now().saturating_add(delay);
        let extras = self.own();
        let id = extras.number_timer();
        extras.timers.push(Timer { id, period, call: Some(call) });
        self.scope.alarms.borrow_mut().set(due, self.vitals.address.clone(), id);
        self.scope.wind_alarm();
        id
    }

    /// Takes a timer away. Whether it was still there.
    pub(crate) fn cancel(&mut self, timer: TimerId) -> bool {
        let Some(extras) = self.known_mut() else { return false };
        let before = extras.timers.len();
        extras.timers.retain(|kept| kept.id != timer);
        let found = extras.timers.len() != before;
        if found {
            self.scope.alarms.borrow_mut().withdraw(self.vitals.address.entity(), timer);
        }
        found
    }
}

/// A timer as its head keeps it: when to look at whom.
pub(crate) struct Alarm {
    pub(crate) due: u64,
    /// Order of setting, so that equal instants have an order.
    number: u64,
    pub(crate) owner: Address,
    pub(crate) id: TimerId,
}

impl Alarm {
    pub(crate) fn entity(&self) -> Entity {
        self.owner.entity()
    }
}

/// All alarms of a head, soonest first.
#[derive(Default)]
pub(crate) struct Alarms {
    heap: BinaryHeap<Reverse<Alarm>>,
    set: u64,
    /// Timers that nobody waits for any more. Their alarms stay in the heap, as to take one out would be to look at all.
    withdrawn: HashSet<(Entity, TimerId)>,
    /// With so many alarms, those of the dead and the withdrawn are looked for: twice as many as were left the last time.
    sweep_at: usize,
}

/// Fewer alarms are not worth a sweep.
const SWEEP: usize = 1024;

impl Alarms {
    pub(crate) fn set(&mut self, due: u64, owner: Address, id: TimerId) {
        // One that is withdrawn while it rings has no alarm: those pile up apart.
        if self.heap.len().max(self.withdrawn.len()) >= self.sweep_at.max(SWEEP) {
            self.heap.retain(|Reverse(alarm)| {
                alarm.owner.run_level() != RunLevel::Unset && !self.withdrawn.contains(&(alarm.entity(), alarm.id))
            });
            self.withdrawn.clear();
            self.sweep_at = 2 * self.heap.len();
        }
        let number = self.set;
        self.set += 1;
        self.heap.push(Reverse(Alarm { due, number, owner, id }));
    }

    /// Takes over those of another, in the order in which they were set there. Whether there was any.
    pub(crate) fn append(&mut self, other: &mut Self) -> bool {
        let mut theirs = std::mem::take(&mut other.heap).into_vec();
        let any = !theirs.is_empty();
        theirs.sort_unstable_by_key(|Reverse(alarm)| alarm.number);
        theirs.drain(..).for_each(|Reverse(alarm)| self.set(alarm.due, alarm.owner, alarm.id));
        self.withdrawn.extend(other.withdrawn.drain());
        // Empty, but for its room.
        other.heap = theirs.into();
        any
    }

    /// Says that nobody waits for a timer any more: its number is never used again. Its alarm may ring all the same.
    pub(crate) fn withdraw(&mut self, owner: Entity, id: TimerId) {
        self.withdrawn.insert((owner, id));
    }

    /// When the first is due; `u64::MAX` for never.
    pub(crate) fn next_due(&self) -> u64 {
        self.heap.peek().map_or(u64::MAX, |Reverse(alarm)| alarm.due)
    }

    pub(crate) fn pop_due(&mut self, now: u64) -> Option<Alarm> {
        if self.next_due() <= now { self.heap.pop().map(|Reverse(alarm)| alarm) } else { None }
    }
}

impl PartialEq for Alarm {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Alarm {}

impl PartialOrd for Alarm {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Alarm {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}

#[cfg(test)]
#[cfg(not(loom_model))]
mod tests {
    use super::*;
    use crate::post::tests::address;

    #[test]
    fn alarms_of_the_dead_do_not_pile_up() {
        let mut alarms = Alarms::default();
        let mut set = |due, alive| {
            let owner = address("a", 0);
            owner.set_run_level(RunLevel::Run);
            alarms.set(due, owner.clone(), TimerId(0));
            owner.set_run_level(if alive { RunLevel::Run } else { RunLevel::Unset });
            alarms.heap.len()
        };
        let most = (0..50_000_u64).map(|due| set(due, due % 100 == 0)).max();
        assert!(most < Some(2048), "{most:?} alarms for 500 that live");
        assert_eq!(std::iter::from_fn(|| alarms.pop_due(u64::MAX)).filter(|alarm| alarm.due % 100 == 0).count(), 500);
    }

    #[test]
    fn withdrawn_alarms_do_not_pile_up() {
        let (mut alarms, owner) = (Alarms::default(), address("a", 0));
        owner.set_run_level(RunLevel::Run);
        let mut most = 0;
        for id in 0..50_000 {
            alarms.set(u64::from(id), owner.clone(), TimerId(id));
            if id % 100 != 0 {
                alarms.withdraw(owner.entity(), TimerId(id));
            }
            most = most.max(alarms.heap.len()).max(alarms.withdrawn.len());
        }
        assert!(most < 2048, "{most} alarms for 500 that somebody waits for");
        let kept = std::iter::from_fn(|| alarms.pop_due(u64::MAX)).filter(|alarm| alarm.id.0 % 100 == 0);
        assert_eq!(kept.count(), 500);
        for id in 50_000..100_000 {
            alarms.set(0, owner.clone(), TimerId(id));
            assert_eq!(alarms.pop_due(0).map(|alarm| alarm.id), Some(TimerId(id)));
            alarms.withdraw(owner.entity(), TimerId(id));
            assert!(alarms.withdrawn.len() <= 2048, "withdrawn while they ring");
        }
    }
}
