//! Who writes and who gets mail: eight bytes that stand for a process, in every mail twice.
//!
//! An `Arc` in each mail would count on a cache line of the sender's for every mail: 7 ns in a ring of 10,000 processes,
//! 100 ns and more in one of 100,000. So a mail holds a number, and a directory of the OS process tells who that is when
//! somebody asks. The dead stay in it until [`REMEMBERED`] others have died, so that their last mail still bears their
//! name; a number that outlives even that names nobody, for each slot counts its tenants.

use parking_lot::RwLock;
use std::any::Any;
use std::collections::VecDeque;
use std::sync::Arc;

/// How many of the dead are remembered.
const REMEMBERED: usize = 4096;

/// What a party is: a process, as far as mail must know it.
pub(crate) trait Resident: Any + Send + Sync {
    fn name(&self) -> &str;
    /// Order of birth: tells who goes first where nothing else does.
    fn birth(&self) -> u64;
}

/// One who writes or gets mail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Party {
    slot: u32,
    tenancy: u32,
}

struct Slot {
    tenancy: u32,
    resident: Option<Arc<dyn Resident>>,
}

struct Directory {
    slots: Vec<Slot>,
    free: Vec<u32>,
    retired: VecDeque<u32>,
}

static DIRECTORY: RwLock<Directory> =
    RwLock::new(Directory { slots: Vec::new(), free: Vec::new(), retired: VecDeque::new() });

impl Party {
    /// Nobody: what comes from outside.
    pub(crate) const NOBODY: Self = Self { slot: u32::MAX, tenancy: 0 };

    /// As one word.
    #[inline(always)]
    pub(crate) const fn to_bits(self) -> u64 {
        (self.tenancy as u64) << 32 | self.slot as u64
    }

    /// The same, back.
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self { slot: bits as u32, tenancy: (bits >> 32) as u32 }
    }

    /// Lists one who is made with a number of its own; `make` must be short.
    pub(crate) fn settle<R: Resident>(make: impl FnOnce(Self) -> R) -> Arc<R> {
        let mut directory = DIRECTORY.write();
        let party = directory.claim();
        let resident = Arc::new(make(party));
        directory.slots[party.slot as usize].resident = Some(resident.clone());
        resident
    }

    /// Says that no more mail will come from this one. It is remembered for a while; once is enough.
    pub(crate) fn retire(self) {
        // Dropped after unlocking.
        let _forgotten = DIRECTORY.write().retire(self, REMEMBERED);
    }

    /// Who it is, unless that is long forgotten.
    pub(crate) fn resident(self) -> Option<Arc<dyn Resident>> {
        DIRECTORY.read().slot(self)?.resident.clone()
    }

    /// Looks at the name, under a lock: `look` must be short.
    pub(crate) fn with_name<R>(self, look: impl FnOnce(&str) -> R) -> Option<R> {
        DIRECTORY.read().slot(self)?.resident.as_ref().map(|resident| look(resident.name()))
    }

    /// Order of birth; those unknown go last.
    pub(crate) fn birth(self) -> u64 {
        let directory = DIRECTORY.read();
        directory.slot(self).and_then(|slot| slot.resident.as_ref()).map_or(u64::MAX, |resident| resident.birth())
    }
}

impl Directory {
    fn slot(&self, party: Party) -> Option<&Slot> {
        self.slots.get(party.slot as usize).filter(|slot| slot.tenancy == party.tenancy)
    }

    fn claim(&mut self) -> Party {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { tenancy: 0, resident: None });
            self.slots.len() as u32 - 1
        });
        Party { slot, tenancy: self.slots[slot as usize].tenancy }
    }

    /// The one who is forgotten in its place.
    fn retire(&mut self, party: Party, remembered: usize) -> Option<Arc<dyn Resident>> {
        self.slot(party)?;
        self.retired.push_back(party.slot);
        if self.retired.len() <= remembered {
            return None;
        }
        let oldest = self.retired.pop_front()?;
        let slot = &mut self.slots[oldest as usize];
        slot.tenancy = slot.tenancy.wrapping_add(1);
        self.free.push(oldest);
        slot.resident.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Named(&'static str);

    impl Resident for Named {
        fn name(&self) -> &str {
            self.0
        }

        fn birth(&self) -> u64 {
            7
        }
    }

    #[test]
    fn the_dead_keep_their_name_for_a_while() {
        let mut directory = Directory { slots: Vec::new(), free: Vec::new(), retired: VecDeque::new() };
        let parties: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .map(|name| {
                let party = directory.claim();
                directory.slots[party.slot as usize].resident = Some(Arc::new(Named(name)));
                party
            })
            .collect();
        assert!(directory.retire(parties[0], 2).is_none());
        assert!(directory.retire(parties[1], 2).is_none());
        let name =
            |directory: &Directory, party| directory.slot(party)?.resident.as_ref().map(|it| it.name().to_owned());
        assert_eq!(name(&directory, parties[0]).unwrap(), "a");
        assert_eq!(directory.retire(parties[2], 2).unwrap().name(), "a");
        assert!(name(&directory, parties[0]).is_none());
        let next = directory.claim();
        assert_eq!((next.slot, next.tenancy), (parties[0].slot, 1), "the slot has a new tenant");
        assert!(directory.slot(parties[0]).is_none());
        assert_eq!(name(&directory, parties[1]).unwrap(), "b");
    }

    #[test]
    fn nobody_has_no_name() {
        assert!(Party::NOBODY.resident().is_none());
        assert_eq!(Party::NOBODY.birth(), u64::MAX);
    }
}
