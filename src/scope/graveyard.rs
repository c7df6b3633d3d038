//! Who has died on this head: what the report tells of them.

use crate::key::GroupKey;
use crate::post::Address;
use std::collections::VecDeque;

/// One process that has died, for the report.
pub(crate) struct Departed {
    pub(crate) address: Address,
    pub(crate) kind: &'static str,
    pub(crate) group: GroupKey,
    pub(crate) lives: u64,
}

/// How many dead processes the report lists; the rest are summed up.
const REMEMBERED: usize = 1000;

/// Those that have died: the last ones by name, the others as a sum.
#[derive(Default)]
pub(crate) struct Graveyard {
    pub(crate) recent: VecDeque<Departed>,
    pub(crate) forgotten: Forgotten,
}

/// The sum over dead processes that are no longer listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Forgotten {
    /// How many.
    pub processes: u64,
    /// Their lives.
    pub lives: u64,
    /// Their errors.
    pub errors: u64,
    /// Their panics.
    pub panics: u64,
}

impl std::ops::AddAssign for Forgotten {
    fn add_assign(&mut self, other: Self) {
        self.processes += other.processes;
        self.lives += other.lives;
        self.errors += other.errors;
        self.panics += other.panics;
    }
}

impl Graveyard {
    pub(crate) fn bury(&mut self, departed: Departed) {
        if self.recent.len() == REMEMBERED
            && let Some(oldest) = self.recent.pop_front()
        {
            let record = &oldest.address.0;
            self.forgotten.processes += 1;
            self.forgotten.lives += oldest.lives;
            self.forgotten.errors += record.tally(|incidents| &incidents.errors);
            self.forgotten.panics += record.tally(|incidents| &incidents.panics);
        }
        self.recent.push_back(departed);
    }
}
