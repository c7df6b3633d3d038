//! The queue of a mailbox, and its bound. Plain data, no lock.

use super::slots::{LARGE, Slots};
use super::{Dropped, Order, Overflow};
use std::cmp::Reverse;
use std::num::NonZeroU32;

/// The privileges of a parcel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rank {
    /// Refused or dropped when the box is full.
    Ordinary,
    /// Answers a question that somebody waits on: takes room, but is never refused or dropped.
    Answer,
    /// Goes before all others, takes no room, is never refused or dropped.
    Urgent,
}

/// What waits in a mailbox.
pub(crate) trait Item {
    fn rank(&self) -> Rank;
    fn priority(&self) -> i8;
}

/// What is pushed into a mailbox. It becomes an item in its place in the queue, so that nothing large is moved about.
pub(crate) trait Parcel {
    type Item: Item;
    fn rank(&self) -> Rank;
    fn priority(&self) -> i8;
    /// Whether it makes an item that waits pointless: both are about the same.
    fn supersedes(&self, waiting: &Self::Item) -> bool;
    fn land(self) -> Self::Item;
}

/// Why a parcel was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    Full,
    Closed,
}

/// An item that had to go.
pub(super) struct Lost<M> {
    pub(super) why: Dropped,
    pub(super) item: M,
}

/// How a full box decides. [`Overflow::Block`] is a matter of the sender.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Policy {
    Reject,
    DropOldest,
    DropNewest,
    KeepLatest,
}

/// Invariant: the first `urgent` items are the urgent ones; under [`Order::Priority`] the others come by falling
/// priority.
///
/// In this order, what every mail touches comes first.
#[repr(C)]
pub(super) struct Queue<M> {
    items: Slots<M>,
    /// Up to this length an ordinary parcel just goes to the end: the bound, or 0 when closed or when order or policy ask
    /// for more thought.
    plain: u32,
    urgent: u32,
    bound: NonZeroU32,
    /// On a list of boxes to be visited.
    ready: bool,
    closed: bool,
    policy: Policy,
    order: Order,
}

impl<M: Item> Queue<M> {
    pub(super) fn new(bound: NonZeroU32, overflow: Overflow, order: Order) -> Self {
        let policy = match overflow {
            Overflow::Reject | Overflow::Block(_) => Policy::Reject,
            Overflow::DropOldest => Policy::DropOldest,
            Overflow::DropNewest => Policy::DropNewest,
            Overflow::KeepLatest => Policy::KeepLatest,
        };
        let mut queue =
            Self { items: Slots::new(), plain: 0, bound, urgent: 0, policy, order, ready: false, closed: false };
        queue.open();
        queue
    }

    pub(super) fn open(&mut self) {
        self.closed = false;
        let plain = self.order == Order::Fifo && self.policy != Policy::KeepLatest;
        self.plain = if plain { self.bound.get() } else { 0 };
    }

    pub(super) fn close(&mut self) -> Slots<M> {
        self.closed = true;
        self.plain = 0;
        self.ready = false;
        self.urgent = 0;
        std::mem::replace(&mut self.items, Slots::new())
    }

    /// Whether [`append`](Self::append) will do, where so many that take room wait elsewhere.
    #[inline(always)]
    pub(super) fn takes_plainly<P: Parcel<Item = M>>(&self, parcel: &P, elsewhere: usize) -> bool {
        let length = self.items.len() + elsewhere;
        length < self.plain as usize && self.items.has_slot() && parcel.rank() != Rank::Urgent
    }

    /// To the end of the queue, into a slot that is there: nothing to grow, so the compiler writes the item in its place.
    #[inline(always)]
    pub(super) fn append<P: Parcel<Item = M>>(&mut self, parcel: P) {
        self.items.push_with(|| parcel.land());
    }

    /// Takes over all of another, which came in later. What was taken once is not refused for want of room.
    pub(super) fn absorb(&mut self, other: &mut Self) {
        if self.items.is_empty() {
            std::mem::swap(&mut self.items, &mut other.items);
            self.urgent = std::mem::take(&mut other.urgent);
        } else {
            let mut urgent = std::mem::take(&mut other.urgent);
            for item in other.items.drain() {
                if urgent > 0 {
                    urgent -= 1;
                    self.items.make_slot();
                    self.items.insert(self.urgent as usize, item);
                    self.urgent += 1;
                } else {
                    self.items.make_slot();
                    self.items.push_with(|| item);
                }
            }
        }
        other.ready = false;
    }

    /// Puts a parcel where it belongs by rank, order and policy, where so many that take room wait elsewhere.
    pub(super) fn insert<P: Parcel<Item = M>>(
        &mut self,
        parcel: P,
        elsewhere: usize,
    ) -> Result<Option<Lost<M>>, (Refusal, P)> {
        if self.closed {
            return Err((Refusal::Closed, parcel));
        }
        if parcel.rank() == Rank::Ordinary {
            let same = |item: &M| is_ordinary(item) && parcel.supersedes(item);
            let known = if self.policy == Policy::KeepLatest { self.items.iter().position(same) } else { None };
            if let Some(at) = known {
                return Ok(Some(self.supersede(at, parcel)));
            }
            if self.is_full(elsewhere) {
                return self.overflow(parcel);
            }
        }
        self.place(parcel);
        Ok(None)
    }

    fn overflow<P: Parcel<Item = M>>(&mut self, parcel: P) -> Result<Option<Lost<M>>, (Refusal, P)> {
        let lost = match self.policy {
            Policy::Reject | Policy::KeepLatest => None,
            Policy::DropNewest => Some(None),
            Policy::DropOldest => self.victim(parcel.priority()),
        };
        match lost {
            None => Err((Refusal::Full, parcel)),
            Some(None) => Ok(Some(Lost { why: Dropped::Newest, item: parcel.land() })),
            Some(Some(at)) => {
                let item = self.items.remove(at).expect("victim() gave its place");
                self.place(parcel);
                Ok(Some(Lost { why: Dropped::Oldest, item }))
            }
        }
    }

    /// Who makes room for a parcel of `priority`: nobody (`None`: all are answers), the parcel itself (`Some(None)`: all
    /// others matter more), or the item at a place.
    fn victim(&self, priority: i8) -> Option<Option<usize>> {
        let mut ordinary = self.items.iter().enumerate().filter(|(_, item)| is_ordinary(*item));
        let first = ordinary.next()?;
        if self.order == Order::Fifo {
            return Some(Some(first.0));
        }
        // The oldest of the lowest: an equal one behind it does not replace it.
        let (at, item) =
            ordinary.fold(first, |low, next| if next.1.priority() < low.1.priority() { next } else { low });
        Some((item.priority() <= priority).then_some(at))
    }

    fn supersede<P: Parcel<Item = M>>(&mut self, at: usize, parcel: P) -> Lost<M> {
        let item =
            if self.order == Order::Fifo || self.items.get(at).is_some_and(|it| it.priority() == parcel.priority()) {
                self.items.replace(at, parcel.land()).expect("it was found there")
            } else {
                let item = self.items.remove(at).expect("it was found there");
                self.place(parcel);
                item
            };
        Lost { why: Dropped::Superseded, item }
    }

    fn place<P: Parcel<Item = M>>(&mut self, parcel: P) {
        let urgent = self.urgent as usize;
        let at = match (parcel.rank(), self.order) {
            (Rank::Urgent, _) => {
                self.urgent += 1;
                urgent
            }
            (_, Order::Fifo) => self.items.len(),
            (_, Order::Priority) => {
                let behind = |item: &M| item.priority() < parcel.priority();
                let passed =
                    self.items.iter().rev().take(self.items.len() - urgent).take_while(|item| behind(item)).count();
                self.items.len() - passed
            }
        };
        self.items.make_slot();
        self.items.insert(at, parcel.land());
    }

    /// Whether there is no room left, where so many that take room wait elsewhere.
    pub(super) fn is_full(&self, elsewhere: usize) -> bool {
        !self.closed && self.items.len() - self.urgent as usize + elsewhere >= self.bound.get() as usize
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// How many of them are urgent.
    pub(super) fn urgent(&self) -> u32 {
        self.urgent
    }

    /// Marks the box as on the list; whether it was not.
    #[inline(always)]
    pub(super) fn set_ready(&mut self) -> bool {
        !std::mem::replace(&mut self.ready, true)
    }

    /// See [`Mailbox::take`](super::Mailbox::take).
    #[inline(always)]
    pub(super) fn take(&mut self, batch: &mut Slots<M>, budget: usize) -> bool {
        debug_assert!(batch.is_empty());
        let count = self.items.len();
        if count > budget || batch.capacity() > LARGE {
            return self.take_some(batch, budget, |_| true);
        }
        std::mem::swap(&mut self.items, batch);
        self.urgent = 0;
        self.ready = false;
        false
    }

    /// Takes up to `budget` of those that are due, wherever they stand.
    #[cold]
    pub(super) fn take_some(&mut self, batch: &mut Slots<M>, budget: usize, due: impl Fn(&M) -> bool) -> bool {
        debug_assert!(batch.is_empty());
        batch.shrink_to(LARGE);
        self.items.take_some(batch, budget, due);
        self.items.shrink_to(LARGE);
        self.urgent -= batch.iter().filter(|item| item.rank() == Rank::Urgent).count() as u32;
        self.ready = !self.items.is_empty();
        self.ready
    }

    /// See [`Mailbox::give_back`](super::Mailbox::give_back).
    #[cold]
    pub(super) fn give_back(&mut self, batch: &mut Slots<M>) {
        let order = self.order;
        self.items.put_back(batch, |item| match (item.rank(), order) {
            (Rank::Urgent, _) => None,
            (_, Order::Fifo) => Some(Reverse(0)),
            (_, Order::Priority) => Some(Reverse(item.priority())),
        });
        self.urgent = self.items.iter().filter(|item| item.rank() == Rank::Urgent).count() as u32;
    }
}

fn is_ordinary<M: Item>(item: &M) -> bool {
    item.rank() == Rank::Ordinary
}
