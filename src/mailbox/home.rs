//! What every mail touches of its recipient: half a cache line, in a table that the head reads by slot. With a million
//! processes, each line less of memory is time.
//!
//! One thread at a time writes most of it, that of the head: loads and stores do, and no addition has to be atomic. Others
//! look at how much there is, and note that there is something behind the gate.

use super::attic::{Attic, Behind, Door};
use super::bag::{NEVER, Rounds};
use super::sack::{Chain, Front, Sack};
use super::{Item, Rank};
use crate::party::PAGE;
use std::array;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU16, AtomicU32};

/// A chain through the bag of its lane, whose it is, and what was counted on the way.
#[repr(C, align(32))]
pub(crate) struct Home {
    /// While fewer than this wait, an ordinary parcel just goes to the end: the bound, or 0 where more has to be thought of. As
    /// soon as something is behind the gate, that is so. Written by anybody, under the lock of the gate.
    plain: AtomicU16,
    /// How many waited at most; from [`CROWDED`] on, the gate knows. Raised by anybody.
    high_water: AtomicU16,
    /// For which round of its lane what follows holds: nothing waits, and the box is not listed, in another.
    round: AtomicU32,
    first: AtomicU32,
    last: AtomicU32,
    waiting: AtomicU32,
    /// On whose bag's list the box goes when it has mail; and [`READY`], [`URGENT`].
    lane: AtomicU32,
    /// Mail that waits or was handed to the mailman, since the attic was told of it.
    passed: AtomicU32,
    /// Where in its table the process stood when its mailman looked last. Others may have moved it since.
    row: AtomicU32,
}

/// The box is on the list of those to be visited.
const READY: u32 = 1;
/// Urgent ones are among those that wait.
const URGENT: u32 = 2;
/// A lane is above these.
const MARKS: u32 = 2;

/// So many it does not tell apart.
pub(super) const CROWDED: u16 = u16::MAX;

/// A box takes no more than this without more thought, so that a round can read all of it.
pub(crate) const BATCH: u16 = 1000;
/// When so many have passed, the attic is told.
const MANY: u32 = 1 << 31;

impl Home {
    fn vacant() -> Self {
        let [plain, high_water] = array::from_fn(|_| AtomicU16::new(0));
        let [round, first, last, waiting, lane, passed, row] = array::from_fn(|_| AtomicU32::new(0));
        Self { plain, high_water, round, first, last, waiting, lane, passed, row }
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

    /// Where its mail is read from now on. Nothing waits yet.
    pub(crate) fn set_lane(&self, lane: u32) {
        debug_assert!(lane <= u32::MAX >> MARKS);
        self.round.store(NEVER, Release);
        self.lane.store(lane << MARKS, Relaxed);
    }

    #[inline(always)]
    pub(super) fn plain(&self) -> u32 {
        self.plain.load(Relaxed).into()
    }

    /// As many as a box of this bound takes without more thought.
    pub(super) fn set_plain(&self, bound: u32) {
        self.plain.store(bound.min(BATCH.into()) as u16, Relaxed);
    }

    /// Whether what it says of a chain holds for this round.
    #[inline(always)]
    pub(super) fn is_of(&self, round: u32) -> bool {
        // Others are not to see this without what was written before it.
        self.round.load(Acquire) == round
    }

    /// How many wait, if it is known to be of this round.
    #[inline(always)]
    pub(super) fn known_waiting(&self) -> u32 {
        self.waiting.load(Relaxed)
    }

    /// Whether it can count on.
    #[inline(always)]
    pub(super) fn can_count(&self) -> bool {
        self.passed.load(Relaxed) < MANY
    }

    /// Hangs a filled slot behind so many that wait. Whether the box has to be listed: from now on it counts as such.
    #[inline(always)]
    pub(super) fn hang<M>(&self, at: u32, waiting: u32, round: u32, is_of_round: bool, sack: &mut Sack<M>) -> bool {
        let Home { first, last, passed, lane, .. } = self;
        if waiting == 0 {
            first.store(at, Relaxed);
        } else {
            sack.link(last.load(Relaxed), at);
        }
        last.store(at, Relaxed);
        self.waiting.store(waiting + 1, Relaxed);
        passed.store(passed.load(Relaxed) + 1, Relaxed);
        let marks = lane.load(Relaxed);
        let is_listed = is_of_round && marks & READY != 0;
        if !is_listed {
            lane.store(marks | READY, Relaxed);
            self.round.store(round, Release);
        }
        self.rise(waiting + 1);
        !is_listed
    }

    /// What is of another round is no more.
    fn begin(&self, round: u32) {
        if !self.is_of(round) {
            self.mark(READY | URGENT, false);
            self.waiting.store(0, Relaxed);
            self.round.store(round, Release);
        }
    }

    /// No round has anything of it.
    pub(super) fn forget(&self) {
        self.round.store(NEVER, Release);
    }

    /// Sets or clears a mark; whether it was set.
    fn mark(&self, mark: u32, set: bool) -> bool {
        let before = self.lane.load(Relaxed);
        self.lane.store(if set { before | mark } else { before & !mark }, Relaxed);
        before & mark != 0
    }

    fn chain(&self) -> Chain {
        match self.known_waiting() {
            0 => Chain::EMPTY,
            count => Chain { first: self.first.load(Relaxed), last: self.last.load(Relaxed), count },
        }
    }

    fn set_chain(&self, chain: Chain) {
        self.first.store(chain.first, Relaxed);
        self.last.store(chain.last, Relaxed);
        self.waiting.store(chain.count, Relaxed);
    }

    /// Hands over all that waits, in order of delivery, if there is no more to it than that, and this is its lane. It stays in
    /// the sack of the lane.
    pub(crate) fn take(&self, lane: u32, round: u32, budget: u32) -> Option<Front> {
        if self.lane() != lane {
            return None;
        }
        self.begin(round);
        let is_urgent = self.lane.load(Relaxed) & URGENT != 0;
        if is_urgent || self.plain() == 0 || self.known_waiting() > budget || !self.can_count() {
            return None;
        }
        self.mark(READY, false);
        let chain = self.chain();
        self.waiting.store(0, Relaxed);
        Some(chain.front())
    }

    /// So many wait now, wherever.
    #[inline(always)]
    pub(super) fn rise(&self, waiting: u32) {
        if waiting > self.high_water() {
            self.high_water.fetch_max(waiting.min(CROWDED.into()) as u16, Relaxed);
        }
    }

    /// How many waited at most, up to [`CROWDED`].
    #[inline(always)]
    pub(super) fn high_water(&self) -> u32 {
        self.high_water.load(Relaxed).into()
    }
}

/// All that the head keeps of one mailbox.
#[derive(Clone, Copy)]
pub(super) struct House<'a> {
    pub(super) home: &'a Home,
    pub(super) attic: &'a Attic,
    /// Not looked at on the common way: it is elsewhere in memory.
    rounds: &'a Arc<Rounds>,
}

impl House<'_> {
    /// As of a process that is yet to be born.
    pub(super) fn furnish(self, behind: Behind) {
        let Home { plain, high_water, round, waiting, lane, passed, row, .. } = self.home;
        [plain, high_water].into_iter().for_each(|number| number.store(0, Relaxed));
        [round, waiting, lane, passed, row].into_iter().for_each(|number| number.store(0, Relaxed));
        self.attic.furnish(behind);
    }

    /// Whether the head reaches what waits without the gate.
    pub(super) fn is_at_home(self) -> bool {
        !self.attic.is_behind(Behind::All) && !self.attic.is_door(Door::Away)
    }

    fn round(self) -> u32 {
        self.rounds.of(self.home.lane())
    }

    /// How many wait.
    pub(super) fn waiting(self) -> u32 {
        let is_known = self.home.known_waiting() > 0 && self.home.is_of(self.round());
        // Looked at once more: only what is written before the round is sure to be of it.
        if is_known { self.home.known_waiting() } else { 0 }
    }

    /// How many wait that take room.
    pub(super) fn taking_room(self) -> u32 {
        self.waiting().saturating_sub(self.attic.urgent())
    }

    /// Marks the box as listed; whether it was not.
    pub(super) fn set_ready(self) -> bool {
        self.home.begin(self.round());
        !self.home.mark(READY, true)
    }

    /// Marks the box as not listed.
    pub(super) fn clear_ready(self) {
        self.home.mark(READY, false);
    }

    /// Puts an item where it belongs by its rank.
    pub(super) fn place<M: Item>(self, item: M, sack: &mut Sack<M>) {
        sack.disturb();
        self.home.begin(self.round());
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
        self.deliver(1);
    }

    /// Lets go of all that waits in this sack, where it stays.
    pub(super) fn release<M>(self, sack: &mut Sack<M>) -> Chain {
        sack.disturb();
        self.attic.set_urgent(0);
        self.home.mark(URGENT, false);
        if self.waiting() == 0 {
            return Chain::EMPTY;
        }
        let chain = self.home.chain();
        self.home.waiting.store(0, Relaxed);
        self.take_back(chain.count);
        chain
    }

    /// Takes all that waits out of this sack.
    pub(super) fn unload<M>(self, sack: &mut Sack<M>) -> Vec<M> {
        let front = self.release(sack).front();
        sack.take_all(front).collect()
    }

    /// So many more wait or were handed to the mailman.
    pub(super) fn deliver(self, mails: u32) {
        let passed = self.home.passed.load(Relaxed) + mails;
        if passed < MANY {
            return self.home.passed.store(passed, Relaxed);
        }
        // Who counts in this very moment, once in two billion mails, sees some twice.
        self.attic.set_passed(self.attic.passed() + u64::from(passed));
        self.home.passed.store(0, Relaxed);
    }

    /// So many of them came back.
    pub(super) fn take_back(self, mails: u32) {
        let passed = self.home.passed.load(Relaxed);
        let here = mails.min(passed);
        self.home.passed.store(passed - here, Relaxed);
        self.attic.set_passed(self.attic.passed() - u64::from(mails - here));
    }

    /// So many in all were handed to the mailman, or wait here.
    pub(super) fn passed(self) -> u64 {
        self.attic.passed() + u64::from(self.home.passed.load(Relaxed))
    }
}

/// The homes of neighbouring slots, and what is kept beside. One head has all of a page, so that no two ever write to one cache
/// line.
pub(crate) struct Page {
    homes: [Home; PAGE],
    attics: [Attic; PAGE],
    rounds: Arc<Rounds>,
}

impl Page {
    /// Of a head whose lanes have these rounds.
    pub(crate) fn vacant(rounds: Arc<Rounds>) -> Self {
        Self { homes: array::from_fn(|_| Home::vacant()), attics: array::from_fn(|_| Attic::vacant()), rounds }
    }

    #[inline(always)]
    pub(super) fn home(&self, slot: u32) -> &Home {
        &self.homes[slot as usize % PAGE]
    }

    #[inline(always)]
    pub(super) fn attic(&self, slot: u32) -> &Attic {
        &self.attics[slot as usize % PAGE]
    }

    #[inline(always)]
    pub(super) fn house(&self, slot: u32) -> House<'_> {
        House { home: self.home(slot), attic: self.attic(slot), rounds: &self.rounds }
    }

    pub(super) fn homes(&self) -> &[Home] {
        &self.homes
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

    fn page() -> Page {
        Page::vacant(Arc::default())
    }

    #[test]
    fn what_has_passed_is_counted_beyond_what_a_home_can_count() {
        let page = page();
        let (house, round) = (page.house(0), page.house(0).round());
        house.furnish(Behind::Nothing);
        house.home.set_plain(5);
        house.deliver(MANY - 1);
        assert_eq!((house.attic.passed(), house.passed()), (0, u64::from(MANY) - 1));
        assert!(house.home.can_count() && house.home.take(0, round, 10).is_some());
        house.home.passed.store(MANY, Relaxed);
        assert!(!house.home.can_count() && house.home.take(0, round, 10).is_none(), "that is for the slow way");
        house.deliver(3);
        assert_eq!((house.attic.passed(), house.passed()), (u64::from(MANY) + 3, u64::from(MANY) + 3));
        house.deliver(2);
        house.take_back(4);
        assert_eq!((house.home.passed.load(Relaxed), house.passed()), (0, u64::from(MANY) + 1));
    }

    #[test]
    fn a_home_gives_only_to_its_lane_and_only_what_is_plain() {
        let page = page();
        let house = page.house(0);
        house.furnish(Behind::Nothing);
        house.home.set_lane(7);
        let (round, mut sack) = (house.round(), Sack::default());
        house.place(Plain(Rank::Ordinary), &mut sack);
        assert!(house.home.take(7, round, 10).is_none(), "nobody is let in");
        house.home.set_plain(5);
        assert!(house.set_ready() && !house.set_ready());
        house.place(Plain(Rank::Urgent), &mut sack);
        assert_eq!((house.home.lane(), house.home.take(7, round, 10).is_none()), (7, true));
        house.release(&mut sack);
        assert_eq!((house.waiting(), house.passed()), (0, 0));
        (0..2).for_each(|_| house.place(Plain(Rank::Ordinary), &mut sack));
        assert!(house.home.take(6, round, 10).is_none() && house.home.take(7, round, 1).is_none());
        let front = house.home.take(7, round, 2).unwrap();
        assert_eq!((sack.take_all(front).count(), house.waiting(), house.set_ready()), (2, 0, true));
        assert_eq!(house.passed(), 2, "they have been delivered");
    }

    struct Plain(Rank);

    impl Item for Plain {
        fn rank(&self) -> Rank {
            self.0
        }

        fn priority(&self) -> i8 {
            0
        }
    }
}
