//! The mailbox of one process: a bounded queue that any thread fills and one mailman empties.
//!
//! A mutex per box and a list of ready boxes beat every channel that was measured: an idle box costs no visit, no memory
//! beyond its fields, and a sender holds the lock for some nanoseconds. What leaves a box is dropped after unlocking, for
//! a body's `drop` may do anything, even write mail. The algorithm knows neither mail nor heads: it moves parcels.

mod queue;
mod slots;
#[cfg(all(test, not(loom_model)))]
mod tests;
#[cfg(test)]
mod threads;

use crate::sync::{Condvar, Mutex, MutexGuard, wait_until};
use bevy_ecs::component::Component;
use queue::{Lost, Queue};
use std::fmt;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

pub(crate) use queue::{Item, LARGE, Parcel, Rank, Refusal};

/// How many mails may wait for a process: 50 unless said otherwise. Urgent mail is never counted, answers are counted but
/// never refused.
#[derive(Component, Clone, Copy, PartialEq, Eq, Debug)]
#[component(immutable)]
pub struct MailboxSize(pub u32);

/// A mailbox must have room for a mail.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a mailbox of size 0 could hold no mail: give 1 or more, or MailboxSize::UNBOUNDED")]
#[non_exhaustive]
pub struct MailboxSizeError;

impl MailboxSize {
    /// No bound: only memory is. (It is the largest number, which no memory can hold.)
    pub const UNBOUNDED: Self = Self(u32::MAX);

    pub(crate) fn checked(self) -> Result<NonZeroU32, MailboxSizeError> {
        NonZeroU32::new(self.0).ok_or(MailboxSizeError)
    }
}

impl Default for MailboxSize {
    fn default() -> Self {
        Self(50)
    }
}

/// What happens to a mail that finds its box full.
#[derive(Component, Clone, Copy, PartialEq, Eq, Default, Debug)]
#[component(immutable)]
pub enum Overflow {
    /// It is refused; the sender gets it back.
    #[default]
    Reject,
    /// It is taken, and the oldest (of the lowest priority) that waits is dropped.
    DropOldest,
    /// It is dropped, and the sender told so.
    DropNewest,
    /// It takes the place of the one that waits under the same subject, full or not. A new subject in a full box is
    /// refused.
    KeepLatest,
    /// A thread that sends it waits for room, this long at most, and then it is refused. From a tick it is refused at
    /// once: a tick never waits.
    Block(Duration),
}

/// The order in which mail is taken out of a box.
#[derive(Component, Clone, Copy, PartialEq, Eq, Default, Debug)]
#[component(immutable)]
pub enum Order {
    /// As it came in.
    #[default]
    Fifo,
    /// The highest priority first; as it came in within one.
    Priority,
}

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

/// The bounded queue of one process.
#[repr(C)]
pub(crate) struct Mailbox<M> {
    queue: Mutex<Queue<M>>,
    /// Only where the policy says so does anybody wait.
    patience: Option<Box<Patience>>,
}

/// Threads that wait for room: how long, and where.
struct Patience {
    time: Duration,
    room: Condvar,
}

impl<M: Item> Mailbox<M> {
    pub(crate) fn new(size: NonZeroU32, overflow: Overflow, order: Order) -> Self {
        let patience = match overflow {
            Overflow::Block(time) => Some(Box::new(Patience { time, room: Condvar::new() })),
            _ => None,
        };
        Self { queue: Mutex::new(Queue::new(size, overflow, order)), patience }
    }

    /// Takes a parcel in, or hands it back. `wake` is called if the box was idle and is ready now, `lost` gets what was
    /// dropped for it; both run after unlocking.
    #[inline(always)]
    pub(crate) fn push<P: Parcel<Item = M>>(
        &self,
        parcel: P,
        wake: impl FnOnce(),
        lost: impl FnOnce(Dropped, M),
    ) -> Result<Option<Dropped>, (Refusal, P)> {
        let mut queue = self.queue.lock();
        if !queue.takes_plainly(&parcel) {
            // A copy of its own: a parcel whose address is taken here would have to stand in memory on the common way too,
            // and be copied into the queue from there (30 ns instead of 5).
            return Self::push_special(queue, black_box(parcel), wake, lost);
        }
        queue.append(parcel);
        let idle = queue.set_ready();
        drop(queue);
        if idle {
            wake();
        }
        Ok(None)
    }

    /// Closed, full, without a free slot, urgent, by priority or by subject.
    #[inline(never)]
    fn push_special<P: Parcel<Item = M>>(
        mut queue: MutexGuard<'_, Queue<M>>,
        parcel: P,
        wake: impl FnOnce(),
        lost: impl FnOnce(Dropped, M),
    ) -> Result<Option<Dropped>, (Refusal, P)> {
        let outcome = queue.insert(parcel);
        let idle = outcome.is_ok() && queue.set_ready();
        drop(queue);
        if idle {
            wake();
        }
        Ok(outcome?.map(|Lost { why, item }| {
            lost(why, item);
            why
        }))
    }

    /// Moves up to `budget` mails into `batch`, which must be empty, in order of delivery; some slots may be empty. Whether more wait: then the box
    /// stays ready, and it is the caller who looks at it again.
    #[inline(always)]
    pub(crate) fn take(&self, batch: &mut Vec<Option<M>>, budget: usize) -> bool {
        let mut queue = self.queue.lock();
        let more = queue.take(batch, budget);
        drop(queue);
        self.tell_of_room();
        more
    }

    /// Like [`take`](Self::take), but only those that are `due`: for [`Delivery::NextTick`](crate::mail::Delivery).
    pub(crate) fn take_due(&self, batch: &mut Vec<Option<M>>, due: impl Fn(&M) -> bool) -> bool {
        let mut queue = self.queue.lock();
        let more = queue.take_some(batch, usize::MAX, due);
        drop(queue);
        self.tell_of_room();
        more
    }

    /// Puts back what was taken and could not be read, before what has come in since. Whether the box was idle and is ready
    /// now: then it is the caller who looks at it again.
    pub(crate) fn give_back(&self, batch: &mut Vec<Option<M>>) -> bool {
        if batch.is_empty() {
            return false;
        }
        let mut queue = self.queue.lock();
        queue.give_back(batch);
        queue.set_ready()
    }

    /// Lets nothing in any more. What is left comes back: dead letters.
    #[must_use = "what is left in the box must be accounted for"]
    pub(crate) fn close(&self) -> impl Iterator<Item = M> + use<M> {
        let left = self.queue.lock().close();
        self.tell_of_room();
        left.into_items()
    }

    /// Opens a closed box again.
    pub(crate) fn open(&self) {
        self.queue.lock().open();
    }

    #[inline(always)]
    fn tell_of_room(&self) {
        if let Some(patience) = &self.patience {
            patience.room.notify_all();
        }
    }

    /// How long a thread may wait for room here.
    #[inline(always)]
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.patience.as_ref().map(|patience| patience.time)
    }

    /// Waits until something was taken out or the box was closed; `false` when the time is up. Not for ticks.
    pub(crate) fn wait_for_room(&self, until: Instant) -> bool {
        let (mut queue, mut late) = (self.queue.lock(), false);
        if let Some(patience) = &self.patience {
            while queue.is_full() && !late {
                (queue, late) = wait_until(&patience.room, queue, until);
            }
        }
        !queue.is_full()
    }

    /// The bound.
    pub(crate) fn size(&self) -> MailboxSize {
        self.queue.lock().size()
    }

    pub(crate) fn count(&self) -> MailCount {
        self.queue.lock().count()
    }
}

impl<M: Item> fmt::Debug for Mailbox<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.count().fmt(f)
    }
}
