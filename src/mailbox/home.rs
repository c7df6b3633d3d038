//! What the head of a process keeps of its mailbox: a chain through the bag of its lane.
//!
//! One thread at a time writes here, that of the head: loads and stores do, and no addition has to be atomic. Others look only
//! at how much there is.

use super::sack::{Chain, Sack};
use super::{Item, Rank};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32};

#[derive(Default)]
#[repr(C)]
pub(super) struct Home {
    /// While fewer than this wait, an ordinary parcel just goes to the end: the bound, or 0 where more has to be thought of.
    plain: AtomicU32,
    first: AtomicU32,
    last: AtomicU32,
    waiting: AtomicU32,
    /// How many of them are urgent: they come first.
    urgent: AtomicU32,
    /// On the list of boxes to be visited.
    ready: AtomicBool,
}

impl Home {
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
