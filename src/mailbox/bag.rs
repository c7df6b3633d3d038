//! What waits for the next round of one lane: the mail, and whom the mailman is to visit.
//!
//! Who is sent mail is listed with its first. So a round has all it needs in its list, and need not look at the homes of the boxes:
//! they are told by the number of their round that what they had is gone. Only where anything else has happened to a box
//! since it was listed, each is looked at.

use super::sack::{Front, Sack};
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Release};

pub(crate) struct Bag<M> {
    pub(crate) sack: Sack<M>,
    /// Whom to visit.
    pub(crate) visits: Vec<Visit>,
    /// The number of the round for which mail comes in now.
    round: u32,
    /// The same, for others to read.
    shared: Arc<AtomicU32>,
}

/// One whom the mailman is to visit.
#[derive(Clone, Copy)]
pub(crate) struct Visit {
    pub(crate) slot: u32,
    /// Where in its table it may stand.
    pub(crate) row: u32,
    /// What was in its box, where that is known.
    pub(crate) taken: Option<Front>,
}

/// The first round, and one that never was.
const FIRST: u32 = 1;
pub(super) const NEVER: u32 = 0;

impl<M> Default for Bag<M> {
    fn default() -> Self {
        Self::new(Arc::new(AtomicU32::new(FIRST)))
    }
}

impl<M> Bag<M> {
    /// Of the lane whose rounds are numbered there.
    pub(crate) fn new(shared: Arc<AtomicU32>) -> Self {
        Self { sack: Sack::default(), visits: Vec::new(), round: shared.load(Acquire), shared }
    }

    #[inline(always)]
    pub(crate) fn round(&self) -> u32 {
        self.round
    }

    /// Lists one whose box is to be looked at.
    pub(crate) fn list(&mut self, slot: u32) {
        self.sack.disturb();
        self.visits.push(Visit { slot, row: 0, taken: None });
    }

    /// Lists those that another bag lists.
    pub(crate) fn list_all(&mut self, other: &mut Self) {
        if !other.visits.is_empty() {
            self.sack.disturb();
            self.visits.append(&mut other.visits);
        }
    }

    /// All boxes are empty now, and on no list: what they had is of the round before. Unless no number was left: then they have to
    /// [forget](super::Depot::forget_rounds) the old ones.
    #[inline(always)]
    pub(crate) fn begin_next(&mut self) -> bool {
        let has_number = self.round < u32::MAX;
        self.set_round(if has_number { self.round + 1 } else { FIRST });
        has_number
    }

    pub(super) fn set_round(&mut self, round: u32) {
        self.round = round;
        self.shared.store(round, Release);
    }
}

/// The rounds of all lanes of a head, as its boxes and others see them.
#[derive(Default)]
pub(crate) struct Rounds(RwLock<Vec<Arc<AtomicU32>>>);

impl Rounds {
    /// Those of the next lane.
    pub(crate) fn add(&self) -> Arc<AtomicU32> {
        let round = Arc::new(AtomicU32::new(FIRST));
        self.0.write().push(Arc::clone(&round));
        round
    }

    /// For which round mail comes in now.
    pub(super) fn of(&self, lane: u32) -> u32 {
        self.0.read().get(lane as usize).map_or(FIRST, |round| round.load(Acquire))
    }
}
