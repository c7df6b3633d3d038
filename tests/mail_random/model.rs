//! The model: where each mail is, and what each mailbox has to do with it. Slow and obvious.

use polycephaly::control::DeadLetter;
use polycephaly::mailbox::Dropped;
use polycephaly::prelude::*;
use std::collections::HashMap;
use std::ops::AddAssign;
use std::sync::{Arc, Mutex};

/// Processes.
pub(crate) const NAMES: usize = 12;
/// Only these ask, or send pills. They have mailboxes without a bound, so that no answer takes the room of anything.
pub(crate) const ASKERS: [usize; 2] = [5, 11];
pub(crate) const SUBJECTS: [&str; 3] = ["a", "b", QUESTION];
pub(crate) const QUESTION: &str = "question";

pub(crate) fn name(who: usize) -> String {
    format!("p{who}")
}

/// Each policy with each order.
pub(crate) fn policy(who: usize) -> Overflow {
    use Overflow::{Block, DropNewest, DropOldest, KeepLatest, Reject};
    [Reject, DropOldest, DropNewest, KeepLatest, Block(Duration::ZERO)][who % 5]
}

pub(crate) fn order(who: usize) -> Order {
    if (6..11).contains(&who) { Order::Priority } else { Order::Fifo }
}

pub(crate) fn bound(who: usize) -> MailboxSize {
    if ASKERS.contains(&who) { MailboxSize::UNBOUNDED } else { MailboxSize(2 + who as u32 / 5) }
}

/// How a mail is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) subject: usize,
    pub(crate) priority: i8,
    pub(crate) urgent: bool,
}

/// What a process does in its next life.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed {
    Write(usize, Style),
    Ask(usize),
    Pill(usize),
    Die,
    Fail,
    Panic,
}

/// A body that is counted, too large to stand in place.
pub(crate) struct Parcel {
    pub(crate) books: Books,
    pub(crate) number: usize,
}

impl Drop for Parcel {
    fn drop(&mut self) {
        self.books.0.lock().unwrap().mails[self.number].drops += 1;
    }
}

#[derive(Clone, Default)]
pub(crate) struct Books(Arc<Mutex<Model>>);

impl Books {
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Model) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }
}

/// A process: its name and, for others may have borne that, its entity. (That alone is unique only on its head.)
pub(crate) type Owner = (usize, Entity);

/// Where a mail is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// Being written.
    Desk,
    /// In the mailbox of this one.
    Waiting(Owner),
    Read,
    /// Back at its sender.
    Refused,
    /// A dead letter.
    Dropped(Dropped),
    Unread,
}

pub(crate) struct Known {
    /// Who wrote it; `None` is nobody.
    pub(crate) sender: Option<Owner>,
    pub(crate) style: Style,
    pub(crate) at: Duration,
    pub(crate) place: Place,
    /// How often its body was dropped.
    pub(crate) drops: u32,
}

/// What a sender was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    Sent(Option<Dropped>),
    Full,
    /// Nobody reads there, or nobody has this name.
    Gone,
}

impl Told {
    pub(crate) fn refused(kind: SendErrorKind) -> Self {
        if matches!(kind, SendErrorKind::Full { .. }) { Self::Full } else { Self::Gone }
    }
}

/// A mailbox as the model sees it.
pub(crate) struct Slot {
    pub(crate) address: Address,
    pub(crate) who: usize,
    /// In order of arrival.
    pub(crate) waiting: Vec<usize>,
    /// Something has happened of which its owner may die or have died.
    pub(crate) threatened: bool,
    pub(crate) read: u64,
    pub(crate) refused: u64,
    pub(crate) dropped: u64,
    pub(crate) unread: u64,
    /// Poison pills taken in.
    pub(crate) pills: u64,
}

impl Slot {
    pub(crate) fn new(address: Address, who: usize) -> Self {
        let (waiting, threatened) = (Vec::new(), false);
        Self { address, who, waiting, threatened, read: 0, refused: 0, dropped: 0, unread: 0, pills: 0 }
    }
}

/// What happened in all runs together.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Tally {
    pub(crate) steps: usize,
    pub(crate) read: u64,
    pub(crate) refused: u64,
    pub(crate) dropped: u64,
    pub(crate) unread: u64,
    pub(crate) answered: u64,
    pub(crate) unanswered: u64,
    pub(crate) boxes: usize,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.steps += other.steps;
        self.read += other.read;
        self.refused += other.refused;
        self.dropped += other.dropped;
        self.unread += other.unread;
        self.answered += other.answered;
        self.unanswered += other.unanswered;
        self.boxes += other.boxes;
    }
}

#[derive(Default)]
pub(crate) struct Model {
    pub(crate) mails: Vec<Known>,
    pub(crate) boxes: HashMap<Owner, Slot>,
    /// Deeds to be done, by name.
    pub(crate) deeds: [Vec<Deed>; NAMES],
    pub(crate) tired: [bool; NAMES],
    /// With `Delivery::NextTick` senders are sorted: see [`in_turn`](Self::in_turn).
    pub(crate) next_tick: bool,
    pub(crate) asked: u64,
    pub(crate) dead_letters: u64,
    pub(crate) tally: Tally,
    /// What has gone wrong: a panic in a process would only be one of its failures.
    pub(crate) faults: Vec<String>,
}

impl Model {
    pub(crate) fn fault(&mut self, what: String) {
        self.faults.push(what);
    }

    pub(crate) fn write(&mut self, sender: Option<Owner>, style: Style, at: Duration) -> usize {
        self.mails.push(Known { sender, style, at, place: Place::Desk, drops: 0 });
        self.mails.len() - 1
    }

    pub(crate) fn slot(&mut self, address: &Address, who: usize) -> &mut Slot {
        self.boxes.entry((who, address.entity())).or_insert_with(|| Slot::new(address.clone(), who))
    }

    pub(crate) fn threaten(&mut self, owner: Owner) {
        if let Some(slot) = self.boxes.get_mut(&owner) {
            slot.threatened = true;
        }
    }

    /// Holds what a sender was told against what the mailbox had to do.
    pub(crate) fn sent(&mut self, number: usize, who: usize, to: Option<&Address>, told: Told) {
        let Some(to) = to else {
            if told != Told::Gone {
                self.fault(format!("mail {number} to p{who}, whom nobody knows: {told:?}"));
            }
            self.mails[number].place = Place::Refused;
            return;
        };
        let slot = self.slot(to, who);
        if told == Told::Gone {
            slot.refused += 1;
            if !slot.threatened {
                self.fault(format!("mail {number} to p{who}, who lives: {told:?}"));
            }
            self.mails[number].place = Place::Refused;
            return;
        }
        let expected = self.arrive(number, (who, to.entity()));
        if told != expected {
            self.fault(format!("mail {number} to p{who}: {told:?}, but {expected:?} was expected"));
        }
    }

    /// Which mail is lost when this one comes to an open mailbox, if any, and why; an error when it is refused.
    fn loss(&self, number: usize, slot: &Slot) -> Result<Option<(Dropped, usize)>, Told> {
        let new = self.mails[number].style;
        let ordinary = |other: &usize| !self.mails[*other].style.urgent;
        let same = |other: &usize| ordinary(other) && self.mails[*other].style.subject == new.subject;
        let full = slot.waiting.iter().filter(|other| ordinary(other)).count() >= bound(slot.who).0 as usize;
        let superseded = slot.waiting.iter().copied().find(same);
        let oldest = slot.waiting.iter().copied().filter(ordinary).min_by_key(|other| self.rank(*other, slot));
        match (policy(slot.who), superseded, oldest) {
            _ if new.urgent => Ok(None),
            (Overflow::KeepLatest, Some(old), _) => Ok(Some((Dropped::Superseded, old))),
            _ if !full => Ok(None),
            (Overflow::DropNewest, ..) => Ok(Some((Dropped::Newest, number))),
            (Overflow::DropOldest, _, Some(old)) if self.rank(old, slot) > self.rank(number, slot) => {
                Ok(Some((Dropped::Newest, number)))
            }
            (Overflow::DropOldest, _, Some(old)) => Ok(Some((Dropped::Oldest, old))),
            _ => Err(Told::Full),
        }
    }

    /// Its priority, where that matters.
    fn rank(&self, number: usize, slot: &Slot) -> i8 {
        if order(slot.who) == Order::Priority { self.mails[number].style.priority } else { 0 }
    }

    /// A mail comes to an open mailbox. What is dropped for it has been shown to the hook by now.
    pub(crate) fn arrive(&mut self, number: usize, to: Owner) -> Told {
        let slot = &self.boxes[&to];
        let loss = self.loss(number, slot);
        let in_place = |old| self.rank(old, slot) == self.rank(number, slot);
        let place = match loss {
            Ok(Some((Dropped::Superseded, old))) if in_place(old) => slot.waiting.iter().position(|it| *it == old),
            _ => None,
        };
        let slot = self.boxes.get_mut(&to).expect("it was there");
        let Ok(loss) = loss else {
            slot.refused += 1;
            self.mails[number].place = Place::Refused;
            return Told::Full;
        };
        slot.waiting.insert(place.unwrap_or(slot.waiting.len()), number);
        if let Some((why, lost)) = loss {
            slot.dropped += 1;
            slot.waiting.retain(|it| *it != lost);
            let seen = self.mails[lost].place;
            if seen != Place::Dropped(why) {
                self.fault(format!("mail {lost} had to be a dead letter, {why:?}, and is {seen:?}"));
            }
        }
        if self.mails[number].place == Place::Desk {
            self.mails[number].place = Place::Waiting(to);
        }
        Told::Sent(loss.map(|(why, _)| why))
    }

    /// Which of those that wait may be read now.
    fn in_turn(&self, slot: &Slot, number: usize) -> bool {
        let key = |other: usize| {
            let urgent = self.mails[other].style.urgent;
            (!urgent, if urgent { 0 } else { -self.rank(other, slot) })
        };
        // With `Delivery::NextTick` priority, the instant of sending and the births of the senders come before the order of
        // arrival, but not at the last mail before a death: what holds at all times is the order of one sender in one priority.
        let kind = |other: usize| {
            let Known { sender, style: Style { urgent, priority, .. }, .. } = self.mails[other];
            (sender, urgent, priority)
        };
        let rival = |other: &usize| !self.next_tick || kind(*other) == kind(number);
        if self.next_tick && policy(slot.who) == Overflow::KeepLatest {
            // One that took an earlier place goes by its instant.
            return true;
        }
        slot.waiting.iter().copied().filter(rival).min_by_key(|other| key(*other)) == Some(number)
    }

    pub(crate) fn read(&mut self, number: usize, by: Owner) {
        let place = self.mails[number].place;
        if place != Place::Waiting(by) {
            return self.fault(format!("mail {number} is read, and was {place:?}"));
        }
        self.mails[number].place = Place::Read;
        let Some(slot) = self.boxes.get(&by) else { return self.fault(format!("mail {number} is in no box")) };
        if !self.in_turn(slot, number) {
            let (who, waiting) = (slot.who, slot.waiting.clone());
            self.fault(format!("p{who} reads {number}, out of turn: {waiting:?} wait"));
        }
        self.leave(number, by, |slot| &mut slot.read);
    }

    /// A dead letter.
    pub(crate) fn lost(&mut self, number: usize, why: DeadLetter) {
        let place = self.mails[number].place;
        self.mails[number].place = match (why, place) {
            (DeadLetter::Dropped(Dropped::Newest), Place::Desk) => Place::Dropped(Dropped::Newest),
            (DeadLetter::Dropped(why @ (Dropped::Oldest | Dropped::Superseded)), Place::Waiting(_)) => {
                Place::Dropped(why)
            }
            (DeadLetter::Unread, Place::Waiting(owner)) => {
                if !self.boxes[&owner].threatened {
                    self.fault(format!("mail {number} is unread, but its recipient lives"));
                }
                self.leave(number, owner, |slot| &mut slot.unread);
                Place::Unread
            }
            _ => return self.fault(format!("mail {number} was {place:?}, and is a dead letter now: {why:?}")),
        };
    }

    fn leave(&mut self, number: usize, owner: Owner, counter: fn(&mut Slot) -> &mut u64) {
        if let Some(slot) = self.boxes.get_mut(&owner) {
            slot.waiting.retain(|other| *other != number);
            *counter(slot) += 1;
        }
    }

    /// Whoever lives has read everything that was sent before.
    pub(crate) fn lives(&mut self, owner: Owner, now: Duration) {
        let Some(slot) = self.boxes.get(&owner) else { return };
        let late: Vec<_> = slot.waiting.iter().filter(|number| self.mails[**number].at < now).collect();
        if !late.is_empty() {
            self.fault(format!("p{} lives at {now:?}, and has not read {late:?}", slot.who));
        }
    }

    /// When all is over.
    pub(crate) fn close(&mut self) {
        for (number, Known { place, drops, style, .. }) in self.mails.iter().enumerate() {
            // The body of a question stands in place.
            let expected = u32::from(SUBJECTS[style.subject] != QUESTION);
            if *drops != expected || matches!(place, Place::Desk | Place::Waiting(_)) {
                self.faults.push(format!("mail {number} is {place:?} at the end, its body was dropped {drops} times"));
            }
        }
        for Slot { address, who, read, refused, dropped, unread, pills, .. } in self.boxes.values() {
            let seen = address.mail_count();
            let (left, expected) = (seen.delivered + seen.returned, read + unread + pills);
            let right = if ASKERS.contains(who) {
                // They get answers, too, or end before those come.
                left >= expected && seen.refused >= *refused
            } else {
                (left, seen.refused) == (expected, *refused)
            };
            if !right || (seen.dropped, seen.waiting) != (*dropped, 0) {
                self.faults.push(format!(
                    "p{who} counts {seen:?}; {refused} were refused, {dropped} dropped, {read} read, {pills} pills, {unread} not read"
                ));
            }
            self.tally += Tally {
                read: *read,
                refused: *refused,
                dropped: *dropped,
                unread: *unread,
                boxes: 1,
                ..Tally::default()
            };
        }
        let ended = self.tally.answered + self.tally.unanswered;
        if ended != self.asked {
            self.faults.push(format!("{} asks, and {ended} of them have ended", self.asked));
        }
    }
}
