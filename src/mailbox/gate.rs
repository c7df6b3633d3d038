//! Who gets at a mailbox by which way: its own head by right, all others through the gate, one at a time.

use super::queue::Queue;
use super::{Order, Overflow};
use crate::sync::Condvar;
use qcell::{QCell, QCellOwner};
use std::cell::{RefCell, RefMut};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// The right of one head to the mailboxes of its processes. There is one of it, and one thread at a time has it: so its head
/// fills and empties them without a lock, which is most of what a mail would cost.
pub(crate) struct Owner(RefCell<QCellOwner>);

impl Default for Owner {
    fn default() -> Self {
        Self(RefCell::new(QCellOwner::new()))
    }
}

impl Owner {
    /// What only this one can look into.
    pub(super) fn keep<T>(&self, value: T) -> QCell<T> {
        QCell::new(&*self.0.borrow(), value)
    }

    /// What looks into one of them at a time.
    #[inline(always)]
    pub(super) fn right(&self) -> RefMut<'_, QCellOwner> {
        self.0.borrow_mut()
    }
}

/// What stands behind the lock of a mailbox.
pub(super) struct Gate<M> {
    /// Most boxes never have one: nobody but their own head writes to them.
    pub(super) annex: Option<Box<Annex<M>>>,
}

/// What others than the own head of a box find there.
pub(super) struct Annex<M> {
    /// What has come in since the head looked last; or the whole box, where its policy needs to see all of it at once.
    pub(super) queue: Queue<M>,
    /// Only where the policy says so does anybody wait.
    pub(super) patience: Option<Arc<Patience>>,
}

/// Threads that wait for room: how long, and where.
pub(super) struct Patience {
    pub(super) time: Duration,
    pub(super) room: Condvar,
}

impl<M: super::Item> Gate<M> {
    /// Of a box whose policy needs to see all of it.
    pub(super) fn whole(bound: NonZeroU32, overflow: Overflow, order: Order) -> Self {
        let patience = match overflow {
            Overflow::Block(time) => Some(Arc::new(Patience { time, room: Condvar::new() })),
            _ => None,
        };
        Self { annex: Some(Box::new(Annex { queue: Queue::new(bound, overflow, order), patience })) }
    }

    /// Of a box that its own head minds.
    pub(super) fn inbox() -> Self {
        Self { annex: None }
    }

    /// What others write to.
    pub(super) fn queue(&mut self, bound: NonZeroU32, is_closed: bool) -> &mut Queue<M> {
        let annex = self.annex.get_or_insert_with(|| {
            let mut queue = Queue::new(bound, Overflow::Reject, Order::Fifo);
            if is_closed {
                queue.close();
            }
            Box::new(Annex { queue, patience: None })
        });
        &mut annex.queue
    }

    /// What others have written to, if anybody has.
    pub(super) fn known_queue(&mut self) -> Option<&mut Queue<M>> {
        Some(&mut self.annex.as_mut()?.queue)
    }

    /// Says that there may be room.
    pub(super) fn tell_of_room(&self) {
        if let Some(patience) = self.patience() {
            patience.room.notify_all();
        }
    }

    pub(super) fn patience(&self) -> Option<&Arc<Patience>> {
        self.annex.as_ref()?.patience.as_ref()
    }
}
