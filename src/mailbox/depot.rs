//! What a head has for the mailboxes of its processes: their homes by slot, and the bags of its lanes.

use super::Item;
use super::attic::{Attic, Door};
use super::bag::Bag;
use super::foresight::Foresight;
use super::home::{Home, HomeRef, House, Page};
use super::sack::{Front, Sack};
use crate::huge_pages;
use crate::party::PAGE;
use crate::prefetch::prefetch;
use std::cell::RefMut;
use std::ops::Range;
use std::slice;
use std::sync::Arc;

pub(crate) struct Depot<M> {
    /// By lane.
    pub(crate) bags: Vec<Bag<M>>,
    /// By slot. There is none where slots are another head's.
    pages: Vec<Option<Arc<Page>>>,
    foresight: Foresight,
}

impl<M> Default for Depot<M> {
    fn default() -> Self {
        Self { bags: Vec::new(), pages: Vec::new(), foresight: Foresight::default() }
    }
}

impl<M> Depot<M> {
    /// From now on, mail finds the way to this home.
    pub(crate) fn add(&mut self, home: &HomeRef) {
        let page = home.slot as usize / PAGE;
        if self.pages.len() <= page {
            self.pages.resize(page + 1, None);
        }
        self.pages[page].get_or_insert_with(|| home.page.clone());
    }

    /// A large population is here: makes ready for much mail. Tells between which addresses the memory is that it goes through.
    pub(crate) fn expect_many(&mut self) -> impl Iterator<Item = Range<usize>> + use<'_, M> {
        let habits = self.foresight.learn(self.pages.len() * PAGE);
        let homes = self.pages.iter().flatten().map(|page| huge_pages::addresses(slice::from_ref(&**page)));
        homes.chain([huge_pages::addresses(habits)])
    }

    /// All homes.
    #[inline(always)]
    pub(crate) fn homes(&self) -> Homes<'_> {
        Homes(&self.pages)
    }

    /// Rounds are numbered anew: the old numbers are to stand nowhere.
    #[cold]
    pub(crate) fn forget_rounds(&self, lane: u32) {
        let homes = self.pages.iter().flatten().flat_map(|page| page.homes());
        homes.filter(|home| home.lane() == lane).for_each(Home::forget);
    }

    /// One who stands here, and has this slot, writes to that one. What mails soon after this will need is asked for.
    #[inline(always)]
    pub(crate) fn foresee<T>(&mut self, place: *const T, writer: u32, recipient: u32) {
        let next = self.foresight.foresee(place, writer, recipient);
        if let Some(home) = next.and_then(|slot| self.homes().get(slot)) {
            prefetch(home);
        }
    }
}

/// All homes of a head, by slot.
#[derive(Clone, Copy)]
pub(crate) struct Homes<'a>(&'a [Option<Arc<Page>>]);

impl<'a> Homes<'a> {
    /// The home of a slot, if it is this head's.
    #[inline(always)]
    pub(crate) fn get(self, slot: u32) -> Option<&'a Home> {
        self.page(slot).map(|page| page.home(slot))
    }

    /// What is kept beside it.
    pub(crate) fn attic(self, slot: u32) -> Option<&'a Attic> {
        self.page(slot).map(|page| page.attic(slot))
    }

    #[inline(always)]
    fn house(self, slot: u32) -> Option<House<'a>> {
        self.page(slot).map(|page| page.house(slot))
    }

    #[inline(always)]
    fn page(self, slot: u32) -> Option<&'a Page> {
        self.0.get(slot as usize / PAGE)?.as_deref()
    }
}

impl<M: Item> Depot<M> {
    /// Lays back what was taken from the box of a slot into this sack, or else what the box still has there; before what has
    /// come in since. Then it is on its list again.
    pub(crate) fn put_back(&mut self, slot: u32, taken: Option<Front>, sack: &mut Sack<M>) {
        let Some(house) = Homes(&self.pages).house(slot).filter(|house| !house.attic.is_door(Door::Closed)) else {
            return;
        };
        let bag = &mut self.bags[house.home.lane() as usize];
        let older: Vec<M> = match taken {
            Some(front) => sack.take_all(front).inspect(|_| house.take_back(1)).collect(),
            None => house.unload(sack),
        };
        let newer = house.unload(&mut bag.sack);
        older.into_iter().chain(newer).for_each(|item| house.place(item, &mut bag.sack));
        house.set_ready();
        bag.list(slot);
    }
}

/// By what the head of a process, and nobody else, reaches the box of a slot.
pub(crate) struct Right<'a, M> {
    pub(crate) depot: RefMut<'a, Depot<M>>,
    pub(crate) slot: u32,
}

impl<M> Right<'_, M> {
    /// What the head keeps of it, and the bag of its lane; nothing if it is another head's.
    #[inline(always)]
    pub(super) fn reach(&mut self) -> Option<(House<'_>, &mut Bag<M>)> {
        let Depot { bags, pages, .. } = &mut *self.depot;
        let house = Homes(pages).house(self.slot)?;
        Some((house, &mut bags[house.home.lane() as usize]))
    }
}
