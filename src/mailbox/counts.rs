//! What went through a mailbox, for any thread to read.

use super::MailCount;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// The counters of one mailbox. What is written for every mail is written by one thread at a time, so it needs no atomic
/// addition; the rest does.
#[derive(Default)]
#[repr(C)]
pub(super) struct Counts {
    delivered: AtomicU64,
    /// Of those at home, in the lower half; in the upper half, the urgent ones among them.
    waiting: AtomicU64,
    high_water: AtomicU32,
    refused: AtomicU32,
    dropped: AtomicU32,
    returned: AtomicU32,
}

impl Counts {
    /// How much of it every mail touches, in bytes.
    #[cfg(all(test, not(loom_model)))]
    pub(super) const HOT: usize = std::mem::offset_of!(Self, refused);

    /// Says what waits at home, after a change.
    #[inline(always)]
    pub(super) fn wait(&self, waiting: usize, urgent: u32) {
        self.waiting.store(u64::from(urgent) << 32 | waiting as u64, Relaxed);
    }

    /// How many wait at home.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Relaxed) as u32 as usize
    }

    /// How many wait at home and take room.
    pub(super) fn taking_room(&self) -> usize {
        self.waiting() - (self.waiting.load(Relaxed) >> 32) as usize
    }

    /// So many wait now, wherever.
    #[inline(always)]
    pub(super) fn rise(&self, waiting: usize) {
        if waiting as u32 > self.high_water.load(Relaxed) {
            self.high_water.fetch_max(waiting as u32, Relaxed);
        }
    }

    /// So many were handed to the mailman.
    #[inline(always)]
    pub(super) fn deliver(&self, mails: usize) {
        self.delivered.store(self.delivered.load(Relaxed) + mails as u64, Relaxed);
    }

    /// So many of them came back from it.
    pub(super) fn take_back(&self, mails: usize) {
        self.delivered.store(self.delivered.load(Relaxed) - mails as u64, Relaxed);
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
