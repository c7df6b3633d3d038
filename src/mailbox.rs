//! The mailbox of one process: a bounded queue that any thread fills and one mailman empties.
//!
//! The head of the process reaches it without a lock: an uncontended one takes longer than all else that a mail needs. All
//! others write behind a lock, and the head takes that over when it looks next. Only a policy that must see all of the queue
//! at once has the whole of it there. With a list of ready boxes, an idle one costs no visit, and no memory beyond its
//! fields. What leaves a box is dropped after unlocking, for a body's `drop` may do anything, even write mail. The
//! algorithm knows neither mail nor heads: it moves parcels.
//!
//! The order is that in which mail came in: before the head adds to its queue, it takes over what others have written by
//! then. The bound holds for all of it. Only what a head and another thread push into one box in the very same nanoseconds
//! may be one or two too many, as they do not wait for each other.

mod counts;
mod gate;
mod queue;
mod slots;
#[cfg(all(test, not(loom_model)))]
mod tests;
#[cfg(test)]
mod threads;

use crate::sync::{AtomicU8, Mutex, wait_until};
use bevy_ecs::component::Component;
use counts::Counts;
use gate::Gate;
use qcell::QCell;
use queue::{Lost, Queue};
use std::fmt;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

pub(crate) use gate::Owner;
pub(crate) use queue::{Item, Parcel, Rank, Refusal};
pub(crate) use slots::Slots;

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

/// The bounded queue of one process. In this order, what every mail touches comes first.
#[repr(C)]
pub(crate) struct Mailbox<M> {
    /// What is behind the gate: [`NOTHING`], [`SOME`] or [`ALL`].
    behind: AtomicU8,
    /// Written and read under the lock of the gate.
    closed: AtomicBool,
    bound: NonZeroU32,
    /// What the own head fills and empties. Empty for ever where all of it is behind the gate.
    home: QCell<Queue<M>>,
    counts: Counts,
    gate: Mutex<Gate<M>>,
}

/// Nothing that the head has not seen.
const NOTHING: u8 = 0;
/// What has come in since the head looked.
const SOME: u8 = 1;
/// The whole queue, always.
const ALL: u8 = 2;

/// What became of a parcel, and whether the box was idle and is ready now.
type Outcome<M, P> = (Result<Option<Lost<M>>, (Refusal, P)>, bool);

impl<M: Item> Mailbox<M> {
    /// The mailbox of a process of this owner.
    pub(crate) fn new(bound: NonZeroU32, overflow: Overflow, order: Order, owner: &Owner) -> Self {
        let is_whole = overflow != Overflow::Reject || order != Order::Fifo;
        let mut home = Queue::new(bound, overflow, order);
        if is_whole {
            home.close();
        }
        Self {
            home: owner.keep(home),
            counts: Counts::default(),
            behind: AtomicU8::new(if is_whole { ALL } else { NOTHING }),
            closed: AtomicBool::new(false),
            bound,
            gate: Mutex::new(if is_whole { Gate::whole(bound, overflow, order) } else { Gate::inbox() }),
        }
    }

    /// Takes a parcel in, or hands it back. `wake` is called if the box was idle and is ready now, `lost` gets what was
    /// dropped for it; both run after unlocking.
    #[inline(always)]
    pub(crate) fn push<P: Parcel<Item = M>>(
        &self,
        parcel: P,
        owner: Option<&Owner>,
        wake: impl FnOnce(),
        lost: impl FnOnce(Dropped, M),
    ) -> Result<Option<Dropped>, (Refusal, P)> {
        if let Some(owner) = owner
            && self.behind.load(Relaxed) == NOTHING
        {
            let mut right = owner.right();
            let queue = self.home.rw(&mut right);
            if queue.takes_plainly(&parcel, 0) {
                queue.append(parcel);
                let idle = queue.set_ready();
                self.tell(queue);
                drop(right);
                if idle {
                    wake();
                }
                return Ok(None);
            }
        }
        // A copy of its own: a parcel whose address is taken here would have to stand in memory on the common way too, and be
        // copied into the queue from there (30 ns instead of 5).
        self.push_special(black_box(parcel), owner, wake, lost)
    }

    /// From elsewhere, or into a box that is closed, full, without a free slot; urgent, by priority or by subject.
    #[inline(never)]
    fn push_special<P: Parcel<Item = M>>(
        &self,
        parcel: P,
        owner: Option<&Owner>,
        wake: impl FnOnce(),
        lost: impl FnOnce(Dropped, M),
    ) -> Result<Option<Dropped>, (Refusal, P)> {
        let (outcome, idle) = match owner {
            Some(owner) if self.behind.load(Relaxed) != ALL => self.push_home(parcel, owner),
            _ => self.push_behind(parcel),
        };
        if idle {
            wake();
        }
        match outcome {
            Ok(None) => Ok(None),
            Ok(Some(Lost { why, item })) => {
                self.counts.lose();
                lost(why, item);
                Ok(Some(why))
            }
            Err(refused) => {
                self.counts.refuse();
                Err(refused)
            }
        }
    }

    fn push_home<P: Parcel<Item = M>>(&self, parcel: P, owner: &Owner) -> Outcome<M, P> {
        let mut right = owner.right();
        let queue = self.home.rw(&mut right);
        self.take_over(queue);
        let outcome = queue.insert(parcel, 0);
        let idle = outcome.is_ok() && queue.set_ready();
        self.tell(queue);
        (outcome, idle)
    }

    fn push_behind<P: Parcel<Item = M>>(&self, parcel: P) -> Outcome<M, P> {
        let mut gate = self.gate.lock();
        let queue = gate.queue(self.bound, self.closed.load(Relaxed));
        let outcome = if queue.takes_plainly(&parcel, self.counts.taking_room()) {
            queue.append(parcel);
            Ok(None)
        } else {
            queue.insert(parcel, self.counts.taking_room())
        };
        self.counts.rise(self.counts.waiting() + queue.len());
        let idle = outcome.is_ok() && queue.set_ready();
        if self.behind.load(Relaxed) == NOTHING && queue.len() > 0 {
            self.behind.store(SOME, Relaxed);
        }
        (outcome, idle)
    }

    /// The own head takes over what others have written.
    #[inline(always)]
    fn take_over(&self, queue: &mut Queue<M>) {
        if self.behind.load(Relaxed) == SOME {
            self.take_over_now(queue);
        }
    }

    #[inline(never)]
    fn take_over_now(&self, queue: &mut Queue<M>) {
        let mut gate = self.gate.lock();
        self.behind.store(NOTHING, Relaxed);
        if let Some(inbox) = gate.known_queue() {
            queue.absorb(inbox);
        }
    }

    /// Says what waits at home.
    #[inline(always)]
    fn tell(&self, queue: &Queue<M>) {
        self.counts.wait(queue.len(), queue.urgent());
        self.counts.rise(queue.len());
    }

    /// Moves up to `budget` mails into `batch`, which must be empty, in order of delivery. Whether more wait: then
    /// the box stays ready, and it is the caller who looks at it again.
    #[inline(always)]
    pub(crate) fn take(&self, batch: &mut Slots<M>, budget: usize, owner: &Owner) -> bool {
        self.take_by(owner, |queue| queue.take(batch, budget))
    }

    /// Like [`take`](Self::take), but only those that are `due`: for [`Delivery::NextTick`](crate::mail::Delivery).
    pub(crate) fn take_due(&self, batch: &mut Slots<M>, due: impl Fn(&M) -> bool, owner: &Owner) -> bool {
        self.take_by(owner, |queue| queue.take_some(batch, usize::MAX, due))
    }

    #[inline(always)]
    fn take_by(&self, owner: &Owner, take: impl FnOnce(&mut Queue<M>) -> bool) -> bool {
        if self.behind.load(Relaxed) == ALL {
            return self.take_behind(take);
        }
        let mut right = owner.right();
        let queue = self.home.rw(&mut right);
        self.take_over(queue);
        let more = self.count_taken(queue, take);
        self.tell(queue);
        more
    }

    #[inline(never)]
    fn take_behind(&self, take: impl FnOnce(&mut Queue<M>) -> bool) -> bool {
        let mut gate = self.gate.lock();
        let more = gate.known_queue().is_some_and(|queue| self.count_taken(queue, take));
        gate.tell_of_room();
        more
    }

    #[inline(always)]
    fn count_taken(&self, queue: &mut Queue<M>, take: impl FnOnce(&mut Queue<M>) -> bool) -> bool {
        let before = queue.len();
        let more = take(queue);
        self.counts.deliver(before - queue.len());
        more
    }

    /// Puts back what was taken and could not be read, before what has come in since. Whether the box was idle and is ready
    /// now: then it is the caller who looks at it again.
    pub(crate) fn give_back(&self, batch: &mut Slots<M>, owner: &Owner) -> bool {
        if batch.is_empty() {
            return false;
        }
        self.counts.take_back(batch.len());
        if self.behind.load(Relaxed) == ALL {
            let mut gate = self.gate.lock();
            let queue = gate.queue(self.bound, self.closed.load(Relaxed));
            queue.give_back(batch);
            self.counts.rise(queue.len());
            return queue.set_ready();
        }
        let mut right = owner.right();
        let queue = self.home.rw(&mut right);
        queue.give_back(batch);
        self.take_over(queue);
        self.tell(queue);
        queue.set_ready()
    }

    /// Others say that the box was idle and has mail now. Whether it must be listed for that: it may have been since.
    pub(crate) fn is_announced(&self, owner: &Owner) -> bool {
        self.behind.load(Relaxed) == ALL || self.home.rw(&mut owner.right()).set_ready()
    }

    /// Lets nothing in any more. What is left comes back: dead letters.
    #[must_use = "what is left in the box must be accounted for"]
    pub(crate) fn close(&self, owner: &Owner) -> impl Iterator<Item = M> + use<M> {
        let mut gate = self.gate.lock();
        self.closed.store(true, Relaxed);
        let others = gate.known_queue().map(Queue::close);
        gate.tell_of_room();
        if self.behind.load(Relaxed) == SOME {
            self.behind.store(NOTHING, Relaxed);
        }
        drop(gate);
        let mut right = owner.right();
        let queue = self.home.rw(&mut right);
        let own = queue.close();
        self.tell(queue);
        self.counts.give_up(own.len() + others.as_ref().map_or(0, Slots::len));
        own.into_items().chain(others.into_iter().flat_map(Slots::into_items))
    }

    /// Opens a closed box again.
    pub(crate) fn open(&self, owner: &Owner) {
        let mut gate = self.gate.lock();
        self.closed.store(false, Relaxed);
        if let Some(queue) = gate.known_queue() {
            queue.open();
        }
        if self.behind.load(Relaxed) != ALL {
            self.home.rw(&mut owner.right()).open();
        }
    }

    /// How long a thread may wait for room here.
    pub(crate) fn patience(&self) -> Option<Duration> {
        if self.behind.load(Relaxed) != ALL {
            return None;
        }
        self.gate.lock().patience().map(|patience| patience.time)
    }

    /// Waits until something was taken out or the box was closed; `false` when the time is up. Not for ticks.
    pub(crate) fn wait_for_room(&self, until: Instant) -> bool {
        let is_full = |gate: &mut Gate<M>| gate.known_queue().is_some_and(|queue| queue.is_full(0));
        let (mut gate, mut late) = (self.gate.lock(), false);
        if let Some(patience) = gate.patience().cloned() {
            while is_full(&mut gate) && !late {
                (gate, late) = wait_until(&patience.room, gate, until);
            }
        }
        !is_full(&mut gate)
    }

    /// The bound.
    pub(crate) fn size(&self) -> MailboxSize {
        MailboxSize(self.bound.get())
    }

    /// How much of it every mail touches, in bytes.
    #[cfg(all(test, not(loom_model)))]
    pub(crate) fn hot() -> usize {
        std::mem::offset_of!(Self, counts) + Counts::HOT
    }

    pub(crate) fn count(&self) -> MailCount {
        let behind = self.gate.lock().known_queue().map_or(0, |queue| queue.len());
        self.counts.count(self.counts.waiting() + behind)
    }
}

impl<M: Item> fmt::Debug for Mailbox<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.count().fmt(f)
    }
}
