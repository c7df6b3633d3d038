//! What every mail touches of its recipient: half a cache line, in a table that the head reads by slot. With a million
//! processes, each line less of memory is time.
//!
//! One thread at a time writes most of it, that of the head: loads and stores do, and no addition has to be atomic. Others
//! look at how much there is, and note that there is something behind the gate.

use super::attic::{Attic, Behind, Door};
use super::sack::{Chain, Sack};
use super::{Item, Rank};
use crate::party::PAGE;
use std::array;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

/// A chain through the bag of its lane, whose it is, and what was counted on the way.
#[repr(C, align(32))]
pub(crate) struct Home {
    /// While fewer than this wait, an ordinary parcel just goes to the end: the bound, or 0 where more has to be thought of. As
    /// soon as something is behind the gate, that is so. Written by anybody, under the lock of the gate.
    plain: AtomicU32,
    first: AtomicU32,
    last: AtomicU32,
    waiting: AtomicU32,
    /// On whose bag's list the box goes when it has mail; and [`READY`], [`URGENT`].
    lane: AtomicU32,
    high_water: AtomicU32,
    /// Mail handed to the mailman since the attic was told of it.
    delivered: AtomicU32,
    /// Where in its table the process stood when its mailman looked last. Others may have moved it since.
    row: AtomicU32,
}

/// The box is on the list of those to be visited.
const READY: u32 = 1;
/// Urgent ones are among those that wait.
const URGENT: u32 = 2;
/// A lane is above these.
const MARKS: u32 = 2;

impl Home {
    fn vacant() -> Self {
        let [plain, first, last, waiting, lane, high_water, delivered, row] = array::from_fn(|_| AtomicU32::new(0));
        Self { plain, first, last, waiting, lane, high_water, delivered, row }
    }

    #[inline(always)]
    pub(crate) fn row(&self) -> u32 {
        self.row.load(Relaxed)
    }

    pub(crate) fn set_row(&self, row: u32) {
        self.row.store(row, Relaxed);
    }

    #[inline(always)]
    pub(crate) fn lane(&self) -> u32 {
        self.lane.load(Relaxed) >> MARKS
    }

    /// Where its mail is read from now on, and where it was read.
    pub(crate) fn set_lane(&self, lane: u32) -> u32 {
        let before = self.lane.load(Relaxed);
        debug_assert!(lane <= u32::MAX >> MARKS);
        self.lane.store(lane << MARKS | before & (READY | URGENT), Relaxed);
        before >> MARKS
    }

    /// Sets or clears a mark; whether it was set.
    #[inline(always)]
    fn mark(&self, mark: u32, set: bool) -> bool {
        let before = self.lane.load(Relaxed);
        self.lane.store(if set { before | mark } else { before & !mark }, Relaxed);
        before & mark != 0
    }

    /// Marks the box as listed, or as not listed; whether it was.
    #[inline(always)]
    pub(super) fn set_ready(&self, ready: bool) -> bool {
        self.mark(READY, ready)
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

    fn chain(&self) -> Chain {
        Chain { first: self.first.load(Relaxed), last: self.last.load(Relaxed), count: self.waiting() }
    }

    fn set_chain(&self, chain: Chain) {
        self.first.store(chain.first, Relaxed);
        self.last.store(chain.last, Relaxed);
        self.waiting.store(chain.count, Relaxed);
    }

    /// Hands over all that waits, in order of delivery, if there is no more to it than that, and this is its lane. It stays in
    /// the sack of the lane.
    #[inline(always)]
    pub(crate) fn take(&self, lane: u32, budget: u32) -> Option<Chain> {
        let (waiting, unmarked) = (self.waiting(), lane << MARKS);
        let delivered = self.delivered.load(Relaxed).checked_add(waiting)?;
        if waiting > budget || self.plain() == 0 || self.lane.load(Relaxed) & !READY != unmarked {
            return None;
        }
        self.lane.store(unmarked, Relaxed);
        self.delivered.store(delivered, Relaxed);
        let chain = self.chain();
        self.waiting.store(0, Relaxed);
        Some(chain)
    }

    /// So many wait now, wherever.
    #[inline(always)]
    pub(super) fn rise(&self, waiting: u32) {
        if waiting > self.high_water() {
            self.high_water.fetch_max(waiting, Relaxed);
        }
    }

    pub(super) fn high_water(&self) -> u32 {
        self.high_water.load(Relaxed)
    }
}

/// All that the head keeps of one mailbox.
#[derive(Clone, Copy)]
pub(super) struct House<'a> {
    pub(super) home: &'a Home,
    pub(super) attic: &'a Attic,
}

impl House<'_> {
    /// As of a process that is yet to be born.
    pub(super) fn furnish(self, behind: Behind) {
        let Home { plain, waiting, lane, high_water, delivered, row, .. } = self.home;
        for number in [plain, waiting, lane, high_water, delivered, row] {
            number.store(0, Relaxed);
        }
        self.attic.furnish(behind);
    }

    /// Whether the head reaches what waits without the gate.
    pub(super) fn is_at_home(self) -> bool {
        !self.attic.is_behind(Behind::All) && !self.attic.is_door(Door::Away)
    }

    /// How many wait that take room.
    pub(super) fn taking_room(self) -> u32 {
        self.home.waiting().saturating_sub(self.attic.urgent())
    }

    /// Puts an item where it belongs by its rank.
    pub(super) fn place<M: Item>(self, item: M, sack: &mut Sack<M>) {
        let mut chain = self.home.chain();
        if item.rank() == Rank::Urgent {
            let urgent = self.attic.urgent();
            self.attic.set_urgent(urgent + 1);
            self.home.mark(URGENT, true);
            sack.insert(&mut chain, urgent, item);
        } else {
            sack.append(&mut chain, item);
        }
        self.home.set_chain(chain);
    }

    /// Lets go of all that waits: it stays in its sack.
    pub(super) fn release(self) -> Chain {
        self.attic.set_urgent(0);
        self.home.mark(URGENT, false);
        let chain = self.home.chain();
        self.home.waiting.store(0, Relaxed);
        chain
    }

    /// So many were handed to the mailman.
    pub(super) fn deliver(self, mails: u32) {
        match self.home.delivered.load(Relaxed).checked_add(mails) {
            Some(delivered) => self.home.delivered.store(delivered, Relaxed),
            None => self.set_delivered(self.delivered() + u64::from(mails)),
        }
    }

    /// So many of them came back from it.
    pub(super) fn take_back(self, mails: u32) {
        match self.home.delivered.load(Relaxed).checked_sub(mails) {
            Some(delivered) => self.home.delivered.store(delivered, Relaxed),
            None => self.set_delivered(self.delivered() - u64::from(mails)),
        }
    }

    /// So many in all were handed to the mailman.
    pub(super) fn delivered(self) -> u64 {
        self.attic.delivered() + u64::from(self.home.delivered.load(Relaxed))
    }

    /// Tells the attic. Who counts in this very moment, once in four billion mails, sees some twice.
    fn set_delivered(self, mails: u64) {
        self.attic.set_delivered(mails);
        self.home.delivered.store(0, Relaxed);
    }
}

/// The homes of neighbouring slots, and what is kept beside. One head has all of a page, so that no two ever write to one cache
/// line.
pub(crate) struct Page {
    homes: [Home; PAGE],
    attics: [Attic; PAGE],
}

impl Page {
    pub(crate) fn vacant() -> Self {
        Self { homes: array::from_fn(|_| Home::vacant()), attics: array::from_fn(|_| Attic::vacant()) }
    }

    #[inline(always)]
    pub(super) fn home(&self, slot: u32) -> &Home {
        &self.homes[slot as usize % PAGE]
    }

    pub(super) fn attic(&self, slot: u32) -> &Attic {
        &self.attics[slot as usize % PAGE]
    }

    pub(super) fn house(&self, slot: u32) -> House<'_> {
        House { home: self.home(slot), attic: self.attic(slot) }
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

    /// What is kept beside it.
    pub(crate) fn attic(&self) -> &Attic {
        self.page.attic(self.slot)
    }
}

#[cfg(all(test, not(loom_model)))]
mod tests {
    use super::*;

    #[test]
    fn what_was_delivered_is_counted_beyond_what_a_home_can_count() {
        let page = Page::vacant();
        let house = page.house(0);
        house.furnish(Behind::Nothing);
        house.home.set_plain(5);
        let most = u64::from(u32::MAX);
        house.deliver(u32::MAX);
        assert_eq!((house.attic.delivered(), house.delivered()), (0, most));
        house.home.waiting.store(3, Relaxed);
        assert!(house.home.take(0, 10).is_none(), "that is for the slow way");
        house.deliver(3);
        assert_eq!((house.attic.delivered(), house.delivered()), (most + 3, most + 3));
        house.home.waiting.store(3, Relaxed);
        assert_eq!(house.home.take(0, 10).map(|chain| chain.count), Some(3));
        house.take_back(4);
        assert_eq!(house.delivered(), most + 2);
    }

    #[test]
    fn a_home_gives_only_to_its_lane_and_only_what_is_plain() {
        let page = Page::vacant();
        let house = page.house(0);
        house.furnish(Behind::Nothing);
        house.home.waiting.store(1, Relaxed);
        assert!(house.home.take(0, 10).is_none(), "nobody is let in");
        house.home.set_plain(5);
        assert_eq!(house.home.set_lane(7), 0);
        assert!(!house.home.set_ready(true) && house.home.set_ready(true));
        house.home.mark(URGENT, true);
        assert_eq!((house.home.lane(), house.home.take(7, 10).is_none()), (7, true));
        house.release();
        house.home.waiting.store(2, Relaxed);
        assert!(house.home.take(6, 10).is_none() && house.home.take(7, 1).is_none());
        assert_eq!(house.home.take(7, 2).map(|chain| chain.count), Some(2));
        assert_eq!((house.home.waiting(), house.home.set_ready(false)), (0, false));
    }
}
