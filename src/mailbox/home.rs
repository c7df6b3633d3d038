//! What every mail touches of its recipient, and what else its head alone writes: one cache line, in a table that the head reads
//! by slot.
//!
//! One thread at a time writes most of it, that of the head: loads and stores do, and no addition has to be atomic. Others
//! look at how much there is and whether they are let in, and note what they have laid behind the gate.

use super::sack::{Chain, Sack};
use super::{Item, Rank};
use crate::party::PAGE;
use crate::sync::AtomicU8;
use bevy_ecs::entity::Entity;
use std::array;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};

/// A chain through the bag of its lane, whose it is, and what was counted on the way.
#[repr(C, align(64))]
pub(crate) struct Home {
    /// While fewer than this wait, an ordinary parcel just goes to the end: the bound, or 0 where more has to be thought of.
    plain: AtomicU32,
    first: AtomicU32,
    last: AtomicU32,
    waiting: AtomicU32,
    /// How many of them are urgent: they come first.
    urgent: AtomicU32,
    /// On whose bag's list the box goes when it has mail.
    lane: AtomicU32,
    /// The process, in the World of its head.
    entity: AtomicU64,
    delivered: AtomicU64,
    /// Lives so far, less the runs of its lane: wraps, so that it may be negative. Of one that is over, its lives.
    lives_offset: AtomicU64,
    /// While absent or just back: instant of the last life; of birth, before the first.
    since: AtomicU64,
    high_water: AtomicU32,
    /// What is behind the gate.
    behind: AtomicU8,
    /// Written by the head, under the lock of the gate.
    door: AtomicU8,
    /// On the list of boxes to be visited.
    ready: AtomicBool,
    /// Whether its mailman may have more to do than to hand over mail.
    errands: AtomicBool,
}

/// What is behind the gate.
#[derive(Clone, Copy)]
pub(super) enum Behind {
    /// Nothing that the head has not seen.
    Nothing = 0,
    /// What has come in since the head looked, or was laid there by it.
    Some = 1,
    /// The whole queue, always.
    All = 2,
}

#[derive(Clone, Copy)]
pub(super) enum Door {
    /// Its process reads.
    Open = 0,
    /// Its process is yet to be born, or to be born again: what comes in waits behind the gate, where it is in nobody's way.
    Away = 1,
    /// Nothing is let in any more.
    Closed = 2,
}

impl Home {
    fn vacant() -> Self {
        let [plain, first, last, waiting, urgent, lane, high_water] = array::from_fn(|_| AtomicU32::new(0));
        let [entity, delivered, lives_offset, since] = array::from_fn(|_| AtomicU64::new(0));
        let [ready, errands] = array::from_fn(|_| AtomicBool::new(false));
        let (behind, door) = (AtomicU8::new(Behind::Nothing as u8), AtomicU8::new(Door::Closed as u8));
        Self {
            plain,
            first,
            last,
            waiting,
            urgent,
            lane,
            entity,
            delivered,
            lives_offset,
            since,
            high_water,
            behind,
            door,
            ready,
            errands,
        }
    }

    /// As of a process that is yet to be born.
    pub(super) fn furnish(&self, behind: Behind) {
        for number in [&self.plain, &self.waiting, &self.urgent, &self.lane, &self.high_water] {
            number.store(0, Relaxed);
        }
        for number in [&self.delivered, &self.lives_offset, &self.since] {
            number.store(0, Relaxed);
        }
        self.ready.store(false, Relaxed);
        self.errands.store(false, Relaxed);
        self.set_behind(behind);
        self.set_door(Door::Away);
    }

    pub(crate) fn entity(&self) -> Entity {
        Entity::from_bits(self.entity.load(Relaxed))
    }

    pub(crate) fn set_entity(&self, entity: Entity) {
        self.entity.store(entity.to_bits(), Relaxed);
    }

    #[inline(always)]
    pub(crate) fn lane(&self) -> u32 {
        self.lane.load(Relaxed)
    }

    /// Where its mail is read from now on, and where it was read.
    pub(crate) fn set_lane(&self, lane: u32) -> u32 {
        self.lane.swap(lane, Relaxed)
    }

    pub(crate) fn lives_offset(&self) -> u64 {
        self.lives_offset.load(Relaxed)
    }

    pub(crate) fn set_lives_offset(&self, offset: u64) {
        self.lives_offset.store(offset, Relaxed);
    }

    pub(crate) fn since(&self) -> u64 {
        self.since.load(Relaxed)
    }

    pub(crate) fn set_since(&self, instant: u64) {
        self.since.store(instant, Relaxed);
    }

    /// From now on, its mailman has more to do than to hand over mail.
    pub(crate) fn add_errand(&self) {
        self.errands.store(true, Relaxed);
    }

    /// Whether anything else than mail has ever waited.
    #[inline(always)]
    pub(crate) fn has_errands(&self) -> bool {
        self.errands.load(Relaxed)
    }

    #[inline(always)]
    pub(super) fn is_behind(&self, what: Behind) -> bool {
        self.behind.load(Relaxed) == what as u8
    }

    pub(super) fn set_behind(&self, what: Behind) {
        self.behind.store(what as u8, Relaxed);
    }

    pub(super) fn is_door(&self, door: Door) -> bool {
        self.door.load(Relaxed) == door as u8
    }

    pub(super) fn set_door(&self, door: Door) {
        self.door.store(door as u8, Relaxed);
    }

    #[inline(always)]
    pub(super) fn plain(&self) -> u32 {
        self.plain.load(Relaxed)
    }

    pub(super) fn set_plain(&self, plain: u32) {
        self.plain.store(plain, Relaxed);
    }

    #[inline(always)]
    pub(super) fn waiting(&self) -> u32 {
        self.waiting.load(Relaxed)
    }

    /// How many wait that take room.
    pub(super) fn taking_room(&self) -> u32 {
        self.waiting().saturating_sub(self.urgent.load(Relaxed))
    }

    /// Marks the box as listed, or as not listed; whether it was.
    #[inline(always)]
    pub(super) fn set_ready(&self, ready: bool) -> bool {
        let was = self.ready.load(Relaxed);
        self.ready.store(ready, Relaxed);
        was
    }

    /// Hangs a filled slot behind what waits.
    #[inline(always)]
    pub(super) fn hang<M>(&self, at: u32, waiting: u32, sack: &mut Sack<M>) {
        if waiting == 0 {
            self.first.store(at, Relaxed);
        } else {
            sack.link(self.last.load(Relaxed), at);
        }
        self.last.store(at, Relaxed);
        self.waiting.store(waiting + 1, Relaxed);
    }

    /// Puts an item where it belongs by its rank.
    pub(super) fn place<M: Item>(&self, item: M, sack: &mut Sack<M>) {
        let mut chain = self.chain();
        if item.rank() == Rank::Urgent {
            let urgent = self.urgent.load(Relaxed);
            self.urgent.store(urgent + 1, Relaxed);
            sack.insert(&mut chain, urgent, item);
        } else {
            sack.append(&mut chain, item);
        }
        self.first.store(chain.first, Relaxed);
        self.last.store(chain.last, Relaxed);
        self.waiting.store(chain.count, Relaxed);
    }

    fn chain(&self) -> Chain {
        Chain { first: self.first.load(Relaxed), last: self.last.load(Relaxed), count: self.waiting() }
    }

    /// Lets go of all that waits: it stays in its sack.
    #[inline(always)]
    pub(super) fn release(&self) -> Chain {
        let chain = self.chain();
        self.waiting.store(0, Relaxed);
        self.urgent.store(0, Relaxed);
        chain
    }
}

impl Home {
    /// Hands over all that waits, in order of delivery, if there is no more to it than that. It stays in the sack of its lane.
    #[inline(always)]
    pub(crate) fn take(&self, budget: u32) -> Option<Chain> {
        let waiting = self.waiting();
        if waiting > budget || !self.is_behind(Behind::Nothing) {
            return None;
        }
        self.set_ready(false);
        self.deliver(waiting);
        Some(self.release())
    }
}

/// What is counted for every mail, by one thread at a time; the rest is in [`Counts`](super::counts::Counts).
impl Home {
    /// So many wait now, wherever.
    #[inline(always)]
    pub(super) fn rise(&self, waiting: u32) {
        if waiting > self.high_water() {
            self.high_water.fetch_max(waiting, Relaxed);
        }
    }

    /// So many were handed to the mailman.
    #[inline(always)]
    pub(super) fn deliver(&self, mails: u32) {
        self.delivered.store(self.delivered() + u64::from(mails), Relaxed);
    }

    /// So many of them came back from it.
    pub(super) fn take_back(&self, mails: u32) {
        self.delivered.store(self.delivered() - u64::from(mails), Relaxed);
    }

    pub(super) fn delivered(&self) -> u64 {
        self.delivered.load(Relaxed)
    }

    pub(super) fn high_water(&self) -> u32 {
        self.high_water.load(Relaxed)
    }
}

/// The homes of neighbouring slots. One head has all of a page, so that no two ever write to one cache line.
pub(crate) struct Page([Home; PAGE]);

impl Page {
    pub(crate) fn vacant() -> Self {
        Self(array::from_fn(|_| Home::vacant()))
    }

    #[inline(always)]
    pub(super) fn home(&self, slot: u32) -> &Home {
        &self.0[slot as usize % PAGE]
    }
}

/// The home of one slot, from anywhere.
#[derive(Clone)]
pub(crate) struct HomeRef {
    pub(super) page: Arc<Page>,
    pub(super) slot: u32,
}

impl HomeRef {
    /// That of a slot in its page.
    pub(crate) fn new(page: Arc<Page>, slot: u32) -> Self {
        Self { page, slot }
    }
}

impl Deref for HomeRef {
    type Target = Home;

    fn deref(&self) -> &Home {
        self.page.home(self.slot)
    }
}
