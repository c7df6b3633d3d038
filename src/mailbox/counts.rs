//! What went through a mailbox, for any thread to read.

use super::home::House;

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

/// What is seldom counted, under the lock of the gate; the rest is in the [`House`].
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) refused: u64,
    pub(super) dropped: u64,
    pub(super) returned: u64,
    /// Where it is more than a home can count.
    pub(super) high_water: u32,
}

impl Counts {
    /// All of them, with those of the home, where so many wait behind the gate.
    pub(super) fn count(self, house: House<'_>, behind: usize) -> MailCount {
        let Self { refused, dropped, returned, high_water } = self;
        let (waiting, passed) = (house.waiting(), house.passed());
        MailCount {
            // There is nowhere else to go: it need not be counted on the way in.
            received: passed + dropped + returned + behind as u64,
            // The head may have gone on between the two.
            delivered: passed.saturating_sub(waiting.into()),
            refused,
            dropped,
            returned,
            waiting: waiting as usize + behind,
            high_water: high_water.max(house.home.high_water()) as usize,
        }
    }
}
