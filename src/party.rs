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

/// So many slots are made at once: one list of all would have up to twice the room that it needs, and be moved under the
/// lock whenever it grows.
const PAGE: usize = 64;

/// Some slots: tenants and how many each slot has had before. In two arrays, for pairs of them would have holes.
struct Page {
    tenancies: Box<[u32; PAGE]>,
    residents: Box<[Option<Arc<dyn Resident>>; PAGE]>,
}

struct Directory {
    pages: Vec<Page>,
    /// How many slots have ever had a tenant.
    used: u32,
    free: Vec<u32>,
    retired: VecDeque<u32>,
}

static DIRECTORY: RwLock<Directory> = RwLock::new(Directory::new());

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
        *directory.place(party.slot).1 = Some(resident.clone());
        resident
    }

    /// Says that no more mail will come from this one. It is remembered for a while; once is enough.
    pub(crate) fn retire(self) {
        // Dropped after unlocking.
        let _forgotten = DIRECTORY.write().retire(self, REMEMBERED);
    }

    /// Who it is, unless that is long forgotten.
    pub(crate) fn resident(self) -> Option<Arc<dyn Resident>> {
        DIRECTORY.read().resident(self).cloned()
    }

    /// Looks at the name, under a lock: `look` must be short.
    pub(crate) fn with_name<R>(self, look: impl FnOnce(&str) -> R) -> Option<R> {
        DIRECTORY.read().resident(self).map(|resident| look(resident.name()))
    }

    /// Order of birth; those unknown go last.
    pub(crate) fn birth(self) -> u64 {
        DIRECTORY.read().resident(self).map_or(u64::MAX, |resident| resident.birth())
    }
}

impl Directory {
    const fn new() -> Self {
        Self { pages: Vec::new(), used: 0, free: Vec::new(), retired: VecDeque::new() }
    }

    /// Who it is, unless another has the slot by now.
    fn resident(&self, party: Party) -> Option<&Arc<dyn Resident>> {
        let (page, at) = (self.pages.get(party.slot as usize / PAGE)?, party.slot as usize % PAGE);
        if page.tenancies[at] == party.tenancy { page.residents[at].as_ref() } else { None }
    }

    /// A slot that there is: how many tenants it has had, and who has it now.
    fn place(&mut self, slot: u32) -> (&mut u32, &mut Option<Arc<dyn Resident>>) {
        let (page, at) = (&mut self.pages[slot as usize / PAGE], slot as usize % PAGE);
        (&mut page.tenancies[at], &mut page.residents[at])
    }

    fn claim(&mut self) -> Party {
        let slot = self.free.pop().unwrap_or_else(|| {
            if self.used as usize == self.pages.len() * PAGE {
                self.pages.push(Page { tenancies: Box::new([0; PAGE]), residents: Box::new([const { None }; PAGE]) });
            }
            self.used += 1;
            self.used - 1
        });
        Party { slot, tenancy: *self.place(slot).0 }
    }

    /// The one who is forgotten in its place.
    fn retire(&mut self, party: Party, remembered: usize) -> Option<Arc<dyn Resident>> {
        self.resident(party)?;
        self.retired.push_back(party.slot);
        if self.retired.len() <= remembered {
            return None;
        }
        let oldest = self.retired.pop_front()?;
        let (tenancy, resident) = self.place(oldest);
        *tenancy = tenancy.wrapping_add(1);
        let forgotten = resident.take();
        self.free.push(oldest);
        forgotten
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
        let mut directory = Directory::new();
        let parties: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .map(|name| {
                let party = directory.claim();
                *directory.place(party.slot).1 = Some(Arc::new(Named(name)));
                party
            })
            .collect();
        assert!(directory.retire(parties[0], 2).is_none());
        assert!(directory.retire(parties[1], 2).is_none());
        let name = |directory: &Directory, party| directory.resident(party).map(|it| it.name().to_owned());
        assert_eq!(name(&directory, parties[0]).unwrap(), "a");
        assert_eq!(directory.retire(parties[2], 2).unwrap().name(), "a");
        assert!(name(&directory, parties[0]).is_none());
        let next = directory.claim();
        assert_eq!((next.slot, next.tenancy), (parties[0].slot, 1), "the slot has a new tenant");
        assert!(directory.resident(parties[0]).is_none(), "not who had it before, nor who has it now");
        assert_eq!(name(&directory, parties[1]).unwrap(), "b");
    }

    #[test]
    fn there_are_as_many_slots_as_are_asked_for() {
        let mut directory = Directory::new();
        for slot in 0..3 * PAGE as u32 {
            assert_eq!(directory.claim(), Party { slot, tenancy: 0 });
        }
        assert_eq!(directory.pages.len(), 3);
    }

    #[test]
    fn nobody_has_no_name() {
        assert!(Party::NOBODY.resident().is_none());
        assert_eq!(Party::NOBODY.birth(), u64::MAX);
    }
}
