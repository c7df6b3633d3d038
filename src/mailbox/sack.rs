//! Where a head keeps the mail for the processes of one lane until its next round: one list for all, and a chain through it for
//! each box. So mail is written and read in the order of memory, an idle box has no memory, and a full one none of its own.
//!
//! A round takes the sack as a whole and reads the mail where it lies, while what is sent meanwhile goes to another.

use crate::huge_pages;
use crate::prefetch::{MAILS_AHEAD, prefetch};
use std::ptr;

/// Items in chains.
///
/// Its slots are there, empty, before they are filled: an item is made in its place, where `Vec::push` would be a function of
/// its own that takes it from other memory, and waits for what was written there to arrive.
pub(crate) struct Sack<M> {
    slots: Box<[Slot<M>]>,
    used: u32,
    /// For how many rounds most of the slots were not used.
    spare: u32,
    /// Whether any chain is another than it was when it was listed, but for what was hung behind it.
    disturbed: bool,
}

struct Slot<M> {
    item: Option<M>,
    /// The one behind it in its chain, or [`NONE`].
    next: u32,
}

/// No slot.
pub(super) const NONE: u32 = u32::MAX;

/// A sack of more slots than this gives some back when most were not used for [`PATIENCE`] rounds.
const LARGE: usize = 64;
const PATIENCE: u32 = 1000;

/// Some items of a sack, one behind the other.
#[derive(Clone, Copy)]
pub(super) struct Chain {
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) count: u32,
}

impl Chain {
    pub(super) const EMPTY: Self = Self { first: NONE, last: NONE, count: 0 };

    pub(super) fn front(self) -> Front {
        Front(self.first)
    }
}

/// Where a chain begins, or what is left of it.
#[derive(Clone, Copy)]
pub(crate) struct Front(u32);

impl Front {
    /// Of a chain that begins with this slot.
    #[inline(always)]
    pub(super) fn at(first: u32) -> Self {
        Self(first)
    }

    #[inline(always)]
    pub(crate) fn is_empty(self) -> bool {
        self.0 == NONE
    }
}

impl<M> Default for Sack<M> {
    fn default() -> Self {
        Self { slots: Box::new([]), used: 0, spare: 0, disturbed: false }
    }
}

impl<M> Sack<M> {
    /// One of its own for these, in this order.
    pub(crate) fn of(items: Vec<M>) -> (Self, Front) {
        let (mut sack, mut chain) = (Self::default(), Chain::EMPTY);
        items.into_iter().for_each(|item| sack.append(&mut chain, item));
        (sack, chain.front())
    }

    /// The lists of what is in it cannot be gone by any more: each box has to be looked at.
    #[inline(always)]
    pub(super) fn disturb(&mut self) {
        self.disturbed = true;
    }

    /// Whether each box that was listed has what it was listed with, and what was hung behind it.
    #[inline(always)]
    pub(crate) fn is_as_listed(&self) -> bool {
        !self.disturbed
    }

    #[inline(always)]
    pub(super) fn has_slot(&self) -> bool {
        (self.used as usize) < self.slots.len()
    }

    /// Sees to it that there is an unused slot.
    pub(super) fn make_slot(&mut self) {
        if !self.has_slot() {
            self.resize(2 * self.slots.len().max(1));
        }
    }

    pub(super) fn resize(&mut self, slots: usize) {
        let mut list = Vec::with_capacity(slots);
        huge_pages::reserve(list.spare_capacity_mut());
        list.extend(std::mem::take(&mut self.slots).into_vec().into_iter().take(slots));
        list.resize_with(slots, || Slot { item: None, next: NONE });
        self.slots = list.into_boxed_slice();
    }

    /// Puts an item into an unused slot: its number.
    ///
    /// # Panics
    /// When there is none.
    #[inline(always)]
    pub(super) fn put(&mut self, item: impl FnOnce() -> M) -> u32 {
        let at = self.used;
        let slot = &mut self.slots[at as usize];
        prefetch(ptr::from_ref(slot).wrapping_add(MAILS_AHEAD));
        // Nothing in it has to be dropped: to look would take longer than to write.
        std::mem::forget(slot.item.replace(item()));
        slot.next = NONE;
        self.used = at + 1;
        at
    }

    /// Hangs a slot behind another.
    #[inline(always)]
    pub(super) fn link(&mut self, last: u32, next: u32) {
        self.slots[last as usize].next = next;
    }

    /// Puts an item behind the last of a chain.
    pub(super) fn append(&mut self, chain: &mut Chain, item: M) {
        self.make_slot();
        let at = self.put(|| item);
        self.hang(chain, at);
    }

    fn hang(&mut self, chain: &mut Chain, at: u32) {
        self.slots[at as usize].next = NONE;
        if chain.count == 0 {
            chain.first = at;
        } else {
            self.link(chain.last, at);
        }
        chain.last = at;
        chain.count += 1;
    }

    /// Puts an item into a chain, behind so many others.
    pub(super) fn insert(&mut self, chain: &mut Chain, before: u32, item: M) {
        if before == chain.count {
            return self.append(chain, item);
        }
        self.make_slot();
        let at = self.put(|| item);
        if before == 0 {
            self.link(at, chain.first);
            chain.first = at;
        } else {
            let mut last = chain.first;
            for _ in 1..before {
                last = self.behind(last);
            }
            self.link(at, self.behind(last));
            self.link(last, at);
        }
        chain.count += 1;
    }

    fn behind(&self, at: u32) -> u32 {
        self.slots[at as usize].next
    }

    /// The item in front of the rest of a chain, which is what is behind it then. It may have been taken.
    #[inline(always)]
    pub(crate) fn next(&mut self, front: &mut Front) -> Option<&mut Option<M>> {
        if front.is_empty() {
            return None;
        }
        let slot = &mut self.slots[front.0 as usize];
        *front = Front(slot.next);
        Some(&mut slot.item)
    }

    /// Asks for the memory of the first of a chain.
    #[inline(always)]
    pub(crate) fn prefetch(&self, front: Front) {
        prefetch(self.slots.as_ptr().wrapping_add(front.0 as usize));
    }

    /// Takes all items of a chain out.
    pub(crate) fn take_all(&mut self, mut front: Front) -> impl Iterator<Item = M> {
        std::iter::from_fn(move || self.next(&mut front).map(Option::take)).flatten()
    }

    /// Those of a chain that are chosen, up to so many. The rest is taken out.
    pub(super) fn divide(
        &mut self,
        mut front: Front,
        count: u32,
        choice: impl Fn(&M) -> bool,
        mut rest: impl FnMut(M),
    ) -> Chain {
        let mut chosen = Chain::EMPTY;
        loop {
            let at = front.0;
            let Some(item) = self.next(&mut front) else { break };
            if chosen.count < count && item.as_ref().is_some_and(&choice) {
                self.hang(&mut chosen, at);
            } else {
                item.take().into_iter().for_each(&mut rest);
            }
        }
        chosen
    }

    /// Sorts a chain by a key, those of one key as they are.
    pub(crate) fn sort<K: Ord>(&mut self, front: &mut Front, key: impl Fn(&M) -> K) {
        if front.is_empty() || self.behind(front.0) == NONE {
            return;
        }
        let some = |at: u32| Some(at).filter(|at| *at != NONE);
        let mut order: Vec<u32> = std::iter::successors(some(front.0), |at| some(self.behind(*at))).collect();
        order.sort_by_key(|at| self.slots[*at as usize].item.as_ref().map(&key));
        let mut chain = Chain::EMPTY;
        order.into_iter().for_each(|at| self.hang(&mut chain, at));
        *front = chain.front();
    }

    /// Nothing is used any more, or still: what was in it has been taken, or need not be dropped.
    #[inline(always)]
    pub(crate) fn reset(&mut self) {
        if self.slots.len() > LARGE {
            self.mind_spare();
        }
        self.used = 0;
        self.disturbed = false;
    }

    #[inline(never)]
    fn mind_spare(&mut self) {
        let used = self.used as usize;
        self.spare = if 4 * used < self.slots.len() { self.spare + 1 } else { 0 };
        if self.spare == PATIENCE {
            self.spare = 0;
            self.resize((2 * used).max(LARGE));
        }
    }

    /// Drops what a round that has panicked has left.
    #[inline(always)]
    pub(crate) fn recover(&mut self) {
        if self.used > 0 {
            self.drop_all();
        }
        self.disturbed = false;
    }

    #[cold]
    fn drop_all(&mut self) {
        let used = std::mem::take(&mut self.used) as usize;
        self.slots[..used].iter_mut().for_each(|slot| drop(slot.item.take()));
    }
}
