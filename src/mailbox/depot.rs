//! What a head has for the mailboxes of its processes: their homes by slot, and the bags of its lanes.

use super::home::{Home, HomeRef, Page};
use super::sack::Bag;
use crate::party::PAGE;
use std::cell::RefMut;
use std::sync::Arc;

pub(crate) struct Depot<M> {
    /// By lane.
    pub(crate) bags: Vec<Bag<M>>,
    /// By slot. There is none where slots are another head's.
    pages: Vec<Option<Arc<Page>>>,
}

impl<M> Default for Depot<M> {
    fn default() -> Self {
        Self { bags: Vec::new(), pages: Vec::new() }
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

    /// The home of a slot, if it is this head's.
    #[inline(always)]
    pub(crate) fn home(&self, slot: u32) -> Option<&Home> {
        Some(self.pages.get(slot as usize / PAGE)?.as_ref()?.home(slot))
    }
}

/// By what the head of a process, and nobody else, reaches the box of a slot.
pub(crate) struct Right<'a, M> {
    pub(crate) depot: RefMut<'a, Depot<M>>,
    pub(crate) slot: u32,
}

impl<M> Right<'_, M> {
    /// Its home, and the bag of its lane; nothing if it is another head's.
    #[inline(always)]
    pub(super) fn reach(&mut self) -> Option<(&Home, &mut Bag<M>)> {
        let Depot { bags, pages } = &mut *self.depot;
        let home = pages.get(self.slot as usize / PAGE)?.as_ref()?.home(self.slot);
        Some((home, &mut bags[home.lane() as usize]))
    }
}
