//! What went through a mailbox, for any thread to read.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// Which mail was lost so that a box could keep its bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Dropped {
    /// The one just sent.
    Newest,
    /// The oldest that waited, to make room.
    Oldest,
    /// One that waited under the same subject: the one just sent took its place.
    Superseded,
}

/// What went through a mailbox so far.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct MailCount {
    /// Taken in. Each of them was delivered, dropped or returned, or waits.
    pub received: u64,
    /// Handed to the mailman.
    pub delivered: u64,
    /// Turned away: the sender got it back.
    pub refused: u64,
    /// Lost to the bound: evicted, superseded, or dropped on arrival.
    pub dropped: u64,
    /// Left in the box when it was closed.
    pub returned: u64,
    /// Waiting now.
    pub waiting: usize,
    /// The most that ever waited at once.
    pub high_water: usize,
}

/// The counters of one mailbox. What is written for every mail is written by one thread at a time, so it needs no atomic
/// addition; the rest does.
#[derive(Default)]
#[repr(C)]
pub(super) struct Counts {
    delivered: AtomicU64,
    high_water: AtomicU32,
    refused: AtomicU32,
    dropped: AtomicU32,
    returned: AtomicU32,
}

impl Counts {
    /// How much of it every mail touches, in bytes.
    #[cfg(all(test, not(loom_model)))]
    pub(super) const HOT: usize = std::mem::offset_of!(Self, refused);

    /// So many wait now, wherever.
    #[inline(always)]
    pub(super) fn rise(&self, waiting: u32) {
        if waiting > self.high_water.load(Relaxed) {
            self.high_water.fetch_max(waiting, Relaxed);
        }
    }

    /// So many were handed to the mailman.
    #[inline(always)]
    pub(super) fn deliver(&self, mails: u32) {
        self.delivered.store(self.delivered.load(Relaxed) + u64::from(mails), Relaxed);
    }

    /// So many of them came back from it.
    pub(super) fn take_back(&self, mails: u32) {
        self.delivered.store(self.delivered.load(Relaxed) - u64::from(mails), Relaxed);
    }

    pub(super) fn refuse(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(super) fn lose(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }

    pub(super) fn give_up(&self, mails: usize) {
        self.returned.fetch_add(mails as u32, Relaxed);
    }

    /// All of them, where so many wait.
    pub(super) fn count(&self, waiting: usize) -> MailCount {
        let delivered = self.delivered.load(Relaxed);
        let [refused, dropped, returned] =
            [&self.refused, &self.dropped, &self.returned].map(|counter| counter.load(Relaxed).into());
        MailCount {
            // There is nowhere else to go: it need not be counted on the way in.
            received: delivered + dropped + returned + waiting as u64,
            delivered,
            refused,
            dropped,
            returned,
            waiting,
            high_water: self.high_water.load(Relaxed) as usize,
        }
    }
}
