//! What stands behind the lock of a mailbox: where all others than its own head get in, one at a time.

use super::counts::Counts;
use super::home::CROWDED;
use super::queue::Queue;
use super::{Item, Order, Overflow};
use crate::sync::Condvar;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// See the module's documentation. Most boxes have nothing there: nobody but their own head writes to them.
pub(super) struct Gate<M>(Option<Box<Annex<M>>>);

struct Annex<M> {
    /// What has come in since the head looked last; or the whole box, where its policy needs to see all of it at once.
    queue: Queue<M>,
    counts: Counts,
    /// Only where the policy says so does anybody wait.
    patience: Option<Arc<Patience>>,
}

/// Threads that wait for room: how long, and where.
pub(super) struct Patience {
    pub(super) time: Duration,
    pub(super) room: Condvar,
}

impl<M: Item> Gate<M> {
    /// Of a box whose policy needs to see all of it.
    pub(super) fn whole(bound: NonZeroU32, overflow: Overflow, order: Order) -> Self {
        let patience = match overflow {
            Overflow::Block(time) => Some(Arc::new(Patience { time, room: Condvar::new() })),
            _ => None,
        };
        Self(Some(Box::new(Annex { queue: Queue::new(bound, overflow, order), counts: Counts::default(), patience })))
    }

    /// Of a box that its own head minds.
    pub(super) fn inbox() -> Self {
        Self(None)
    }

    fn annex(&mut self, bound: NonZeroU32) -> &mut Annex<M> {
        self.0.get_or_insert_with(|| {
            let queue = Queue::new(bound, Overflow::Reject, Order::Fifo);
            Box::new(Annex { queue, counts: Counts::default(), patience: None })
        })
    }

    /// What others write to.
    pub(super) fn queue(&mut self, bound: NonZeroU32) -> &mut Queue<M> {
        &mut self.annex(bound).queue
    }

    /// What is seldom counted, to count more.
    pub(super) fn counts(&mut self, bound: NonZeroU32) -> &mut Counts {
        &mut self.annex(bound).counts
    }

    /// So many wait now, wherever.
    pub(super) fn rise(&mut self, bound: NonZeroU32, waiting: u32) {
        if waiting >= CROWDED.into() {
            let counts = self.counts(bound);
            counts.high_water = counts.high_water.max(waiting);
        }
    }

    /// What was counted so far.
    pub(super) fn known_counts(&self) -> Counts {
        self.0.as_ref().map(|annex| annex.counts).unwrap_or_default()
    }

    /// What others have written to, if anybody has.
    pub(super) fn known_queue(&mut self) -> Option<&mut Queue<M>> {
        Some(&mut self.0.as_mut()?.queue)
    }

    /// Says that there may be room.
    pub(super) fn tell_of_room(&self) {
        if let Some(patience) = self.patience() {
            patience.room.notify_all();
        }
    }

    pub(super) fn patience(&self) -> Option<&Arc<Patience>> {
        self.0.as_ref()?.patience.as_ref()
    }
}
