//! The queue of a mailbox, and its bound. Plain data, no lock.

use super::{Dropped, Order, Overflow};
use std::cmp::Reverse;
use std::collections::VecDeque;
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

/// A buffer of more than this is given back once it has been emptied.
const LARGE: usize = 256;

/// Invariant: the first `urgent` items are the urgent ones; under [`Order::Priority`] the others come by falling
/// priority.
pub(super) struct Queue<M> {
    items: VecDeque<M>,
    urgent: usize,
    bound: NonZeroU32,
    /// On a list of boxes to be visited.
    ready: bool,
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
        Self { items: VecDeque::new(), urgent: 0, bound, ready: false, policy, order }
    }

    /// Takes everything out, the urgent ones first.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = M> {
        self.ready = false;
        self.urgent = 0;
        self.items.drain(..)
    }

    /// Gives memory back after a flood.
    pub(super) fn trim(&mut self) {
        if self.items.capacity() > LARGE {
            self.items.shrink_to(LARGE);
        }
    }

    /// Puts a parcel where it belongs by rank, order and policy, where so many that take room wait elsewhere.
    pub(super) fn insert<P: Parcel<Item = M>>(
        &mut self,
        parcel: P,
        elsewhere: usize,
    ) -> Result<Option<Lost<M>>, (Refusal, P)> {
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
        self.place(parcel.land());
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
                self.place(parcel.land());
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
                std::mem::replace(&mut self.items[at], parcel.land())
            } else {
                let item = self.items.remove(at).expect("it was found there");
                self.place(parcel.land());
                item
            };
        Lost { why: Dropped::Superseded, item }
    }

    /// Puts an item where it belongs by rank and order.
    pub(super) fn place(&mut self, item: M) {
        let at = match (item.rank(), self.order) {
            (Rank::Urgent, _) => {
                self.urgent += 1;
                self.urgent - 1
            }
            (_, Order::Fifo) => self.items.len(),
            (_, Order::Priority) => {
                let behind = |other: &&M| other.priority() < item.priority();
                let ordinary = self.items.len() - self.urgent;
                self.items.len() - self.items.iter().rev().take(ordinary).take_while(behind).count()
            }
        };
        self.items.insert(at, item);
    }

    /// Whether there is no room left, where so many that take room wait elsewhere.
    pub(super) fn is_full(&self, elsewhere: usize) -> bool {
        self.items.len() - self.urgent + elsewhere >= self.bound.get() as usize
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Marks the box as on the list; whether it was not.
    pub(super) fn set_ready(&mut self) -> bool {
        !std::mem::replace(&mut self.ready, true)
    }

    /// Takes up to `budget` of those that are due, wherever they stand. Whether more wait: then the box stays ready.
    pub(super) fn take(&mut self, budget: usize, due: impl Fn(&M) -> bool, mut to: impl FnMut(M)) -> bool {
        let mut left = VecDeque::new();
        let (mut taken, urgent) = (0, std::mem::take(&mut self.urgent));
        for (at, item) in self.items.drain(..).enumerate() {
            if taken < budget && due(&item) {
                taken += 1;
                to(item);
            } else {
                self.urgent += usize::from(at < urgent);
                left.push_back(item);
            }
        }
        self.items.append(&mut left);
        self.trim();
        self.ready = !self.items.is_empty();
        self.ready
    }

    /// Puts back what was taken, before what has come in since.
    pub(super) fn give_back(&mut self, items: impl IntoIterator<Item = M>) {
        let mut all: VecDeque<M> = items.into_iter().collect();
        all.append(&mut self.items);
        self.items = all;
        let order = self.order;
        self.items.make_contiguous().sort_by_key(|item| match (item.rank(), order) {
            (Rank::Urgent, _) => None,
            (_, Order::Fifo) => Some(Reverse(0)),
            (_, Order::Priority) => Some(Reverse(item.priority())),
        });
        self.urgent = self.items.iter().filter(|item| item.rank() == Rank::Urgent).count();
    }
}

fn is_ordinary<M: Item>(item: &M) -> bool {
    item.rank() == Rank::Ordinary
}
