//! The line to a head: how other threads reach the World that only its own thread may touch.

use crate::bell::Bell;
use crate::pace::PaceState;
use crate::party::Party;
use crate::slots::Slots;
use bevy_ecs::entity::Entity;
use bevy_ecs::world::World;
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

/// A name that no head has.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no head {name:?}: add it, or name one of {}", .known.join(", "))]
pub struct UnknownHead {
    /// The name asked for.
    pub name: String,
    /// All that there are.
    pub known: Vec<String>,
}

/// Something to be done to a head's World, between two of its ticks.
pub(crate) type Call = Box<dyn FnOnce(&mut World) + Send>;

/// One head as seen from outside.
pub(crate) struct Link {
    pub(crate) head: u32,
    pub(crate) name: Box<str>,
    pub(crate) bell: Bell,
    waiting: AtomicBool,
    calls: Mutex<Vec<Call>>,
    /// Of its processes.
    pub(crate) slots: Slots,
    /// Whether anybody here has ever had anything for his mailman but mail: where not, nobody is asked.
    errands: AtomicBool,
    announced: AtomicBool,
    mail: Mutex<Vec<Entity>>,
    /// Counted up by all that goes on.
    pulse: AtomicU64,
    /// Whether it is at work: not asleep, and not left alone by a program that steps it.
    awake: AtomicBool,
    /// Whose hook its thread runs.
    pub(crate) holder: Arc<Holder>,
    /// Whose lives are run for it beside others.
    helpers: Mutex<Vec<Arc<Holder>>>,
    /// Whether nothing is left that could ever make it tick.
    idle: AtomicBool,
    /// How it stands to what paces it: a [`PaceState`], or [`UNPACED`].
    pace: AtomicU8,
}

const UNPACED: u8 = u8::MAX;

/// In a [`Holder`]: this one, or one of those after it. No slot has so many tenants that it would need this bit.
const MANY: u64 = 1 << 63;

/// Whose hook a thread runs: bits of a [`Party`], and of [`MANY`]. Alone in its cache line, for each thread writes its own all
/// the time.
#[repr(align(64))]
pub(crate) struct Holder(AtomicU64);

impl Default for Holder {
    fn default() -> Self {
        Self(AtomicU64::new(Party::NOBODY.to_bits()))
    }
}

impl Holder {
    /// A hook of this process runs now.
    #[inline(always)]
    pub(crate) fn hold(&self, party: Party) {
        self.0.store(party.to_bits(), Ordering::Relaxed);
    }

    /// The lives of many run now, of which this is the first: to look up for each cheap one whose it is would take longer than
    /// it does.
    #[inline(always)]
    pub(crate) fn hold_many(&self, first: Party) {
        self.0.store(first.to_bits() | MANY, Ordering::Relaxed);
    }

    fn name(&self) -> Option<String> {
        let bits = self.0.load(Ordering::Relaxed);
        Party::from_bits(bits & !MANY).with_name(|name| match bits & MANY {
            0 => format!("{name:?}"),
            _ => format!("{name:?} or one of those that live right after it"),
        })
    }
}

impl Link {
    pub(crate) fn new(head: u32, name: &str) -> Self {
        Self {
            head,
            name: name.into(),
            bell: Bell::default(),
            waiting: AtomicBool::new(false),
            calls: Mutex::default(),
            slots: Slots::default(),
            errands: AtomicBool::new(false),
            announced: AtomicBool::new(false),
            mail: Mutex::default(),
            pulse: AtomicU64::new(0),
            awake: AtomicBool::new(false),
            holder: Arc::default(),
            helpers: Mutex::default(),
            idle: AtomicBool::new(false),
            pace: AtomicU8::new(UNPACED),
        }
    }

    pub(crate) fn set_pace(&self, state: PaceState) {
        self.pace.store(state as u8, Ordering::Relaxed);
    }

    /// How it stands to what paces it, if anything does.
    pub(crate) fn pace(&self) -> Option<PaceState> {
        let states = [PaceState::Locking, PaceState::Locked, PaceState::Lost];
        let pace = self.pace.load(Ordering::Relaxed);
        states.into_iter().find(|&state| state as u8 == pace)
    }

    /// Says whether anything is left to tick on this head. `true` when that is new.
    pub(crate) fn set_idle(&self, idle: bool) -> bool {
        self.idle.swap(idle, Ordering::AcqRel) != idle
    }

    /// Whether nothing is left to tick on this head, and nobody has asked it for something.
    pub(crate) fn is_idle(&self) -> bool {
        // In this order: what an idle head asked for before it became idle is seen.
        self.idle.load(Ordering::Acquire) && !self.waiting.load(Ordering::Acquire)
    }

    /// Hands the head something to do and wakes it.
    pub(crate) fn call(&self, call: impl FnOnce(&mut World) + Send + 'static) {
        self.calls.lock().push(Box::new(call));
        self.waiting.store(true, Ordering::Release);
        self.bell.ring();
    }

    /// Whether calls wait: one relaxed load when none does.
    #[inline]
    pub(crate) fn has_calls(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Takes all waiting calls, in order.
    pub(crate) fn take_calls(&self) -> Vec<Call> {
        self.waiting.store(false, Ordering::Relaxed);
        std::mem::take(&mut *self.calls.lock())
    }
}

/// What the watchdog looks at.
impl Link {
    /// The head goes on.
    #[inline(always)]
    pub(crate) fn live(&self) {
        // Its own thread alone writes it: no need for an atomic addition.
        self.pulse.store(self.pulse.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    pub(crate) fn pulse(&self) -> u64 {
        self.pulse.load(Ordering::Relaxed)
    }

    #[inline(always)]
    pub(crate) fn set_awake(&self, awake: bool) {
        self.awake.store(awake, Ordering::Relaxed);
    }

    pub(crate) fn is_awake(&self) -> bool {
        self.awake.load(Ordering::Relaxed)
    }

    /// One more who may hold it.
    pub(crate) fn add_holder(&self) -> Arc<Holder> {
        let holder = Arc::<Holder>::default();
        self.helpers.lock().push(holder.clone());
        holder
    }

    /// Who holds the head, for people to read.
    pub(crate) fn holder(&self) -> String {
        let helpers = self.helpers.lock();
        let names = std::iter::once(&self.holder).chain(&*helpers).filter_map(|holder| holder.name());
        match &names.collect::<Vec<_>>()[..] {
            [] => "a plain system, or a call from outside".into(),
            names => names.join(" and "),
        }
    }
}

/// Mailboxes that others filled.
impl Link {
    /// Says that the mailbox of a process was idle and has mail now. In which lane it is, its head knows when it looks: for
    /// anybody else, it may have moved on meanwhile. Wakes nobody: mail is read in a tick.
    pub(crate) fn announce(&self, entity: Entity) {
        self.mail.lock().push(entity);
        self.announced.store(true, Ordering::Release);
    }

    pub(crate) fn add_errand(&self) {
        self.errands.store(true, Ordering::Relaxed);
    }

    #[inline(always)]
    pub(crate) fn has_errands(&self) -> bool {
        self.errands.load(Ordering::Relaxed)
    }

    /// Whether mailboxes have been announced: one relaxed load.
    #[inline]
    pub(crate) fn has_announced(&self) -> bool {
        self.announced.load(Ordering::Relaxed)
    }

    /// Swaps the announced mailboxes into `taken`, which must be empty: one relaxed load when there is none.
    #[inline]
    pub(crate) fn take_announced(&self, taken: &mut Vec<Entity>) {
        debug_assert!(taken.is_empty());
        if self.announced.load(Ordering::Relaxed) {
            // Cleared first: an announcement in between is taken now, and its flag costs one empty look.
            self.announced.store(false, Ordering::Relaxed);
            std::mem::swap(&mut *self.mail.lock(), taken);
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({} {:?})", self.head, self.name)
    }
}

#[cfg(test)]
#[cfg(not(loom_model))]
mod tests {
    use super::*;
    use crate::post::tests::address;

    #[test]
    fn all_that_hold_a_head_are_named() {
        let link = Link::new(0, "main");
        assert_eq!(link.holder(), "a plain system, or a call from outside");
        let (imu, gps) = (address("imu", 0), address("gps", 1));
        let helper = link.add_holder();
        helper.hold(imu.party());
        assert_eq!(link.holder(), "\"imu\"");
        link.holder.hold(gps.party());
        assert_eq!(link.holder(), "\"gps\" and \"imu\"");
        link.holder.hold_many(gps.party());
        assert_eq!(link.holder(), "\"gps\" or one of those that live right after it and \"imu\"");
    }
}
