//! The mailbox of one process: a bounded queue that any thread fills and one mailman empties.
//!
//! The head of the process reaches it without a lock: an uncontended one takes longer than all else that a mail needs. All
//! others write behind a lock, and the head takes that over when it looks next. Only a policy that must see all of the queue
//! at once has the whole of it there. An idle box costs no visit, and no memory beyond its fields. What leaves a box is
//! dropped after unlocking, for a body's `drop` may do anything, even write mail. The algorithm knows neither mail nor heads:
//! it moves parcels.
//!
//! What every mail touches is the `Home` of the box, half a cache line in a table of the head, found by a number that the sender
//! has: with a million boxes, waiting for memory takes longer than all else. The common ways go there without a look at the
//! box. A round does not even look there: who is sent mail is listed with its first in the `Bag` of its lane, and what homes say
//! holds for one round alone.
//!
//! The order is that in which mail came in: before the head adds to its queue, it takes over what others have written by
//! then. The bound holds for all of it. Only what a head and another thread push into one box in the very same nanoseconds
//! may be one or two too many, as they do not wait for each other.

mod attic;
mod bag;
mod counts;
mod depot;
mod foresight;
mod gate;
mod home;
#[cfg(all(test, not(loom_model)))]
mod model;
mod queue;
mod sack;
mod settings;
#[cfg(all(test, not(loom_model)))]
mod tests;
#[cfg(test)]
mod threads;

use crate::sync::{Mutex, wait_until};
use attic::{Behind, Door};
use gate::Gate;
use home::{CROWDED, House};
use queue::Lost;
use sack::Chain;
use std::fmt;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use attic::Attic;
pub(crate) use bag::{Bag, Rounds, Visit};
pub use counts::{Dropped, MailCount};
pub(crate) use depot::{Depot, Homes, Right};
pub(crate) use home::{BATCH, Home, HomeRef, Page};
pub(crate) use queue::{Item, Parcel, Rank, Refusal};
pub(crate) use sack::{Front, Sack};
pub use settings::{MailboxSize, MailboxSizeError, Order, Overflow};

/// The bounded queue of one process. What every mail touches of it is at home.
pub(crate) struct Mailbox<M> {
    /// The page and the slot of its home. That has no mail for ever, where all of it is behind the gate.
    page: Arc<Page>,
    slot: u32,
    bound: NonZeroU32,
    gate: Mutex<Gate<M>>,
}

/// What became of a parcel, and whether the box was idle and is ready now.
type Outcome<M, P> = (Result<Option<Lost<M>>, (Refusal, P)>, bool);

impl<M: Item> Mailbox<M> {
    /// Of a process that is yet to be born.
    pub(crate) fn new(home: HomeRef, bound: NonZeroU32, overflow: Overflow, order: Order) -> Self {
        let is_whole = overflow != Overflow::Reject || order != Order::Fifo;
        home.page.house(home.slot).furnish(if is_whole { Behind::All } else { Behind::Nothing });
        let gate = Mutex::new(if is_whole { Gate::whole(bound, overflow, order) } else { Gate::inbox() });
        let HomeRef { page, slot } = home;
        Self { page, slot, bound, gate }
    }

    /// The number of its home.
    pub(crate) fn slot(&self) -> u32 {
        self.slot
    }

    /// What the own head has.
    pub(crate) fn home(&self) -> &Home {
        self.page.home(self.slot)
    }

    /// The same, for who has it next.
    pub(crate) fn home_ref(&self) -> HomeRef {
        HomeRef::new(self.page.clone(), self.slot)
    }

    /// What the own head has beside it.
    pub(crate) fn attic(&self) -> &Attic {
        self.page.attic(self.slot)
    }

    fn house(&self) -> House<'_> {
        self.page.house(self.slot)
    }

    /// Takes a parcel in, or hands it back. If the box was idle and is ready now, it is listed in the bag, or `announce` is
    /// called where none is given. `lost` gets what was dropped for it, after unlocking.
    #[inline(always)]
    pub(crate) fn push<P: Parcel<Item = M>>(
        &self,
        parcel: P,
        right: Option<Right<'_, M>>,
        announce: impl FnOnce(),
        lost: impl FnOnce(Dropped, M),
    ) -> Result<Option<Dropped>, (Refusal, P)> {
        let mut right = right;
        if let Some(right) = &mut right
            && let slot = right.slot
            && let Some((house, bag)) = right.reach()
        {
            let (home, round) = (house.home, bag.round());
            let is_of_round = home.is_of(round);
            let waiting = if is_of_round { home.known_waiting() } else { 0 };
            let plain = waiting < home.plain() && home.can_count() && parcel.rank() != Rank::Urgent;
            if plain && bag.sack.has_slot() {
                let at = bag.sack.put(|| parcel.land());
                if home.hang(at, waiting, round, is_of_round, &mut bag.sack) {
                    bag.visits.push(Visit { slot, row: home.row(), taken: Some(Front::at(at)) });
                }
                return Ok(None);
            }
        }
        // A copy of its own: a parcel whose address is taken here would have to stand in memory on the common way too, and be
        // copied into the sack from there (30 ns instead of 5).
        self.push_special(black_box(parcel), right, announce, lost)
    }

    /// From elsewhere, or into a box that is closed or full; urgent, by priority or by subject; or into a full sack.
    #[inline(never)]
    fn push_special<P: Parcel<Item = M>>(
        &self,
        parcel: P,
        right: Option<Right<'_, M>>,
        announce: impl FnOnce(),
        lost: impl FnOnce(Dropped, M),
    ) -> Result<Option<Dropped>, (Refusal, P)> {
        let outcome = self.push_anywhere(parcel, right, announce);
        match outcome {
            Ok(None) => Ok(None),
            Ok(Some(Lost { why, item })) => {
                self.gate.lock().counts(self.bound).dropped += 1;
                lost(why, item);
                Ok(Some(why))
            }
            Err(refused) => {
                self.gate.lock().counts(self.bound).refused += 1;
                Err(refused)
            }
        }
    }

    fn push_anywhere<P: Parcel<Item = M>>(
        &self,
        parcel: P,
        mut right: Option<Right<'_, M>>,
        announce: impl FnOnce(),
    ) -> Result<Option<Lost<M>>, (Refusal, P)> {
        let own = right.as_mut().and_then(Right::reach);
        if let Some((_, bag)) = own {
            let (outcome, idle) =
                if self.house().is_at_home() { self.push_home(parcel, bag) } else { self.push_behind(parcel) };
            if idle {
                bag.list(self.slot);
            }
            return outcome;
        }
        let (outcome, idle) = self.push_behind(parcel);
        if idle {
            announce();
        }
        outcome
    }

    fn push_home<P: Parcel<Item = M>>(&self, parcel: P, bag: &mut Bag<M>) -> Outcome<M, P> {
        self.take_over(&mut bag.sack);
        if self.attic().is_door(Door::Closed) {
            return (Err((Refusal::Closed, parcel)), false);
        }
        if parcel.rank() == Rank::Ordinary && self.house().taking_room() >= self.bound.get() {
            return (Err((Refusal::Full, parcel)), false);
        }
        self.house().place(parcel.land(), &mut bag.sack);
        let waiting = self.house().waiting();
        self.home().rise(waiting);
        if waiting >= CROWDED.into() {
            self.gate.lock().rise(self.bound, waiting);
        }
        (Ok(None), self.house().set_ready())
    }

    fn push_behind<P: Parcel<Item = M>>(&self, parcel: P) -> Outcome<M, P> {
        let mut gate = self.gate.lock();
        if self.attic().is_door(Door::Closed) {
            return (Err((Refusal::Closed, parcel)), false);
        }
        let queue = gate.queue(self.bound);
        let outcome = queue.insert(parcel, self.house().taking_room() as usize);
        let idle = outcome.is_ok() && queue.set_ready();
        self.note_behind(&mut gate);
        (outcome, idle)
    }

    /// Says how much there is, and that some is behind the gate, if so.
    fn note_behind(&self, gate: &mut Gate<M>) {
        let behind = gate.queue(self.bound).len() as u32;
        if self.attic().is_behind(Behind::Nothing) && behind > 0 {
            self.set_behind(Behind::Some);
        }
        let waiting = self.house().waiting() + behind;
        self.home().rise(waiting);
        gate.rise(self.bound, waiting);
    }

    /// The own head takes over what others have written, into the sack in which its chain is.
    fn take_over(&self, sack: &mut Sack<M>) {
        if self.attic().is_behind(Behind::Some) {
            self.empty(&mut self.gate.lock(), sack);
        }
    }

    fn empty(&self, gate: &mut Gate<M>, sack: &mut Sack<M>) {
        self.set_behind(Behind::Nothing);
        if let Some(queue) = gate.known_queue() {
            queue.drain().for_each(|item| self.house().place(item, sack));
            queue.trim();
        }
    }

    /// Hands over what waits and is `due`, in order of delivery, up to `budget`: where more has to be thought of than
    /// [`Home::take`] does. The chain is in this sack, in which it stays. Whether more wait: then the box stays ready, and it is
    /// the caller who lists it again.
    #[inline(never)]
    pub(crate) fn take_due(&self, sack: &mut Sack<M>, budget: u32, due: impl Fn(&M) -> bool) -> (Front, bool) {
        let (chain, more) = if self.attic().is_behind(Behind::All) {
            self.take_behind(sack, budget, due)
        } else {
            // Locked all the while: what is left here is older than what others write next.
            let mut gate = self.gate.lock();
            self.empty(&mut gate, sack);
            // It waits behind the gate: so a box that is visited twice in one round has nothing in a sack any more.
            let leave = |item| gate.queue(self.bound).place(item);
            let front = self.house().release(sack).front();
            let chain = sack.divide(front, budget, due, leave);
            let more = gate.known_queue().is_some_and(|queue| queue.len() > 0);
            self.set_behind(if more { Behind::Some } else { Behind::Nothing });
            if more {
                self.house().set_ready();
            } else {
                self.house().clear_ready();
            }
            (chain, more)
        };
        self.house().deliver(chain.count);
        (chain.front(), more)
    }

    fn take_behind(&self, sack: &mut Sack<M>, budget: u32, due: impl Fn(&M) -> bool) -> (Chain, bool) {
        let (mut gate, mut chain) = (self.gate.lock(), Chain::EMPTY);
        let queue = gate.queue(self.bound);
        let more = queue.take(budget as usize, due, |item| sack.append(&mut chain, item));
        gate.tell_of_room();
        (chain, more)
    }

    /// Takes everything out, in order of delivery. The chain of the box is in this sack.
    pub(crate) fn take_all(&self, sack: &mut Sack<M>) -> Vec<M> {
        if self.house().waiting() == 0 && self.attic().is_behind(Behind::Nothing) {
            return Vec::new();
        }
        let all = self.withdraw(sack, false);
        self.house().deliver(all.len() as u32);
        all
    }

    fn withdraw(&self, sack: &mut Sack<M>, close: bool) -> Vec<M> {
        self.take_over(sack);
        let mut all = self.house().unload(sack);
        let mut gate = self.gate.lock();
        if close {
            self.set_door(Door::Closed);
        }
        if let Some(queue) = gate.known_queue() {
            all.extend(queue.drain());
        }
        gate.tell_of_room();
        if self.attic().is_behind(Behind::Some) {
            self.set_behind(Behind::Nothing);
        }
        self.house().clear_ready();
        all
    }

    /// Puts back what was taken and could not be read, before what has come in since, which is in this sack. Whether the box was
    /// idle and is ready now: then it is the caller who lists it.
    pub(crate) fn give_back(&self, items: Vec<M>, sack: &mut Sack<M>) -> bool {
        if items.is_empty() {
            return false;
        }
        self.house().take_back(items.len() as u32);
        self.shelve(items, sack);
        if self.attic().is_behind(Behind::All) {
            return self.gate.lock().queue(self.bound).set_ready();
        }
        self.house().set_ready()
    }

    /// Lays these items and all that is in this sack behind the gate: the mail of one who is not to read for a while is in
    /// nobody's way there.
    pub(crate) fn shelve(&self, items: Vec<M>, sack: &mut Sack<M>) {
        let own = self.house().unload(sack);
        if own.is_empty() && items.is_empty() {
            return;
        }
        let mut gate = self.gate.lock();
        let queue = gate.queue(self.bound);
        queue.give_back(own);
        queue.give_back(items);
        self.note_behind(&mut gate);
    }

    /// Others have written, or say so: it is to be looked at in the next round of its lane. Whether it was on no list there.
    pub(crate) fn announced(&self, bag: &mut Bag<M>) -> bool {
        let is_new = self.attic().is_behind(Behind::All) || self.house().set_ready();
        if is_new {
            bag.list(self.slot);
        } else {
            bag.sack.disturb();
        }
        is_new
    }

    /// Lets nothing in any more. What is left comes back, what was in this sack, too: dead letters.
    #[must_use = "what is left in the box must be accounted for"]
    pub(crate) fn close(&self, sack: &mut Sack<M>) -> Vec<M> {
        let left = self.withdraw(sack, true);
        if !left.is_empty() {
            self.gate.lock().counts(self.bound).returned += left.len() as u64;
        }
        left
    }

    /// Its process goes away for a while: what waits goes behind the gate, out of this sack, and what comes in, too.
    pub(crate) fn leave(&self, sack: &mut Sack<M>) {
        self.shelve(Vec::new(), sack);
        let _gate = self.gate.lock();
        self.set_door(Door::Away);
    }

    /// Its process is there, and reads. It is to be listed if anything waits.
    pub(crate) fn open(&self) {
        // Whatever list it is on, nobody looks there.
        self.house().clear_ready();
        let _gate = self.gate.lock();
        self.set_door(Door::Open);
    }

    /// Says who is let in, under the lock of the gate.
    fn set_door(&self, door: Door) {
        self.attic().set_door(door);
        self.mind_plain();
    }

    /// Says what is behind the gate, under its lock.
    fn set_behind(&self, behind: Behind) {
        self.attic().set_behind(behind);
        self.mind_plain();
    }

    fn mind_plain(&self) {
        let is_plain = self.attic().is_door(Door::Open) && self.attic().is_behind(Behind::Nothing);
        self.home().set_plain(if is_plain { self.bound.get() } else { 0 });
    }

    /// How long a thread may wait for room here.
    pub(crate) fn patience(&self) -> Option<Duration> {
        if self.attic().is_behind(Behind::All) { Some(self.gate.lock().patience()?.time) } else { None }
    }

    /// Waits until something was taken out or the box was closed; `false` when the time is up. Not for ticks.
    pub(crate) fn wait_for_room(&self, until: Instant) -> bool {
        let is_full = |gate: &mut Gate<M>| {
            !self.attic().is_door(Door::Closed) && gate.known_queue().is_some_and(|queue| queue.is_full(0))
        };
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

    /// What went through. While others are at work, of slightly different instants.
    pub(crate) fn count(&self) -> MailCount {
        let mut gate = self.gate.lock();
        let behind = gate.known_queue().map_or(0, |queue| queue.len());
        gate.known_counts().count(self.house(), behind)
    }
}

impl<M: Item> fmt::Debug for Mailbox<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.count().fmt(f)
    }
}
