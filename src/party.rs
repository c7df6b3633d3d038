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
    /// How many have had the slot before.
    tenancy: u32,
}

/// So many slots are given to a head at once: one list of all would have up to twice the room that it needs, and be moved
/// under the lock whenever it grows.
/// (Few where threads are modelled: there they are made on small stacks.)
pub(crate) const PAGE: usize = if cfg!(loom_model) { 4 } else { 64 };

/// Some slots: who has them, and the number of the last in each that has been listed. In two arrays, for pairs of them would
/// have holes.
struct Page {
    tenancies: Box<[u32; PAGE]>,
    residents: Box<[Option<Arc<dyn Resident>>; PAGE]>,
}

struct Directory {
    pages: Vec<Page>,
    /// Pages whose heads are gone.
    free: Vec<u32>,
    retired: VecDeque<Party>,
}

static DIRECTORY: RwLock<Directory> = RwLock::new(Directory::new());

impl Party {
    /// Nobody: what comes from outside.
    pub(crate) const NOBODY: Self = Self { slot: u32::MAX, tenancy: 0 };

    /// Of one who has this slot.
    pub(crate) const fn new(slot: u32, tenancy: u32) -> Self {
        Self { slot, tenancy }
    }

    /// How many have had the slot before.
    pub(crate) const fn tenancy(self) -> u32 {
        self.tenancy
    }

    /// As one word.
    #[inline(always)]
    pub(crate) const fn to_bits(self) -> u64 {
        (self.tenancy as u64) << 32 | self.slot as u64
    }

    /// The same, back.
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self { slot: bits as u32, tenancy: (bits >> 32) as u32 }
    }

    /// The number of a place in the tables of its head.
    #[inline(always)]
    pub(crate) const fn slot(self) -> u32 {
        self.slot
    }

    /// Who has this slot next.
    pub(crate) const fn next_tenant(self) -> Self {
        Self { slot: self.slot, tenancy: self.tenancy.wrapping_add(1) }
    }

    /// Lists who it is.
    pub(crate) fn settle(self, resident: Arc<dyn Resident>) {
        DIRECTORY.write().settle(self, resident);
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

/// A page of slots for one head: its number, and whom its slots are for, in order.
pub(crate) fn claim_page() -> (u32, impl DoubleEndedIterator<Item = Party>) {
    DIRECTORY.write().claim_page()
}

/// Gives pages back, of which nobody has a slot any more. The next head gets them in the same order: who is born after another
/// is to stand behind him in memory.
pub(crate) fn free_pages(pages: &[u32]) {
    DIRECTORY.write().free_pages(pages);
}

impl Directory {
    const fn new() -> Self {
        Self { pages: Vec::new(), free: Vec::new(), retired: VecDeque::new() }
    }

    /// Who it is, unless another has the slot by now.
    fn resident(&self, party: Party) -> Option<&Arc<dyn Resident>> {
        let (page, at) = (self.pages.get(party.slot as usize / PAGE)?, party.slot as usize % PAGE);
        if page.tenancies[at] == party.tenancy { page.residents[at].as_ref() } else { None }
    }

    fn settle(&mut self, party: Party, resident: Arc<dyn Resident>) {
        let (page, at) = (&mut self.pages[party.slot as usize / PAGE], party.slot as usize % PAGE);
        page.tenancies[at] = party.tenancy;
        page.residents[at] = Some(resident);
    }

    fn claim_page(&mut self) -> (u32, impl DoubleEndedIterator<Item = Party> + use<>) {
        let number = self.free.pop().unwrap_or_else(|| {
            self.pages.push(Page { tenancies: Box::new([0; PAGE]), residents: Box::new([const { None }; PAGE]) });
            self.pages.len() as u32 - 1
        });
        let tenancies = *self.pages[number as usize].tenancies;
        let first = number * PAGE as u32;
        let last = (first..).zip(tenancies).take(PAGE).map(|(slot, tenancy)| Party { slot, tenancy });
        let parties: Vec<_> = last.map(Party::next_tenant).collect();
        (number, parties.into_iter())
    }

    fn free_pages(&mut self, pages: &[u32]) {
        self.free.extend(pages.iter().rev());
    }

    /// The one who is forgotten in its place.
    fn retire(&mut self, party: Party, remembered: usize) -> Option<Arc<dyn Resident>> {
        self.resident(party)?;
        self.retired.push_back(party);
        if self.retired.len() <= remembered {
            return None;
        }
        let oldest = self.retired.pop_front()?.slot as usize;
        self.pages[oldest / PAGE].residents[oldest % PAGE].take()
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
        let (number, parties) = directory.claim_page();
        let parties: Vec<_> = parties.take(3).collect();
        for (party, name) in parties.iter().zip(["a", "b", "c"]) {
            directory.settle(*party, Arc::new(Named(name)));
        }
        assert!(directory.retire(parties[0], 2).is_none());
        assert!(directory.retire(parties[1], 2).is_none());
        let name = |directory: &Directory, party| directory.resident(party).map(|it| it.name().to_owned());
        assert_eq!(name(&directory, parties[0]).unwrap(), "a");
        assert_eq!(directory.retire(parties[2], 2).unwrap().name(), "a");
        assert!(name(&directory, parties[0]).is_none());
        let next = parties[0].next_tenant();
        directory.settle(next, Arc::new(Named("d")));
        assert!(directory.resident(parties[0]).is_none(), "not who had it before, nor who has it now");
        assert_eq!((name(&directory, next).unwrap(), name(&directory, parties[1]).unwrap()), ("d".into(), "b".into()));
        directory.free_pages(&[number]);
        let (again, mut parties) = directory.claim_page();
        assert_eq!((again, parties.next().unwrap()), (number, next.next_tenant()), "never the same party twice");
    }

    #[test]
    fn there_are_as_many_pages_as_are_asked_for() {
        let mut directory = Directory::new();
        for page in 0..3 {
            let (number, parties) = directory.claim_page();
            assert!(number == page && parties.map(Party::slot).eq((0..PAGE as u32).map(|at| page * PAGE as u32 + at)));
        }
        assert_eq!(directory.pages.len(), 3);
        directory.free_pages(&[0, 1, 2]);
        let again: Vec<u32> = (0..4).map(|_| directory.claim_page().0).collect();
        assert_eq!(again, [0, 1, 2, 3], "those that were given back first, in their order");
    }

    #[test]
    fn nobody_has_no_name() {
        assert!(Party::NOBODY.resident().is_none());
        assert_eq!(Party::NOBODY.birth(), u64::MAX);
    }
}
