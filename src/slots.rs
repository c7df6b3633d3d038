//! The slots of one head: the numbers of those who live on it, and the homes of their mailboxes.
//!
//! A head gets whole pages of slots, and keeps them to its end, so that whether a slot is its own is told by the page. A slot
//! is one process's until its last address is gone: whoever has an address may go by its slot, and finds nobody else there.

use crate::mailbox::{HomeRef, Page, Rounds};
use crate::party::{self, Party};
use parking_lot::Mutex;
use std::sync::Arc;

#[derive(Default)]
pub(crate) struct Slots {
    stock: Mutex<Stock>,
    /// Of the lanes of the head.
    rounds: Arc<Rounds>,
}

#[derive(Default)]
struct Stock {
    free: Vec<(Party, HomeRef)>,
    pages: Vec<u32>,
}

impl Slots {
    /// A slot for a new process.
    pub(crate) fn claim(&self) -> (Party, HomeRef) {
        let stock = &mut *self.stock.lock();
        loop {
            if let Some(slot) = stock.free.pop() {
                return slot;
            }
            let (number, parties) = party::claim_page();
            let page = Arc::new(Page::vacant(self.rounds.clone()));
            stock.pages.push(number);
            // The first goes first: neighbours in age are neighbours in memory.
            stock.free.extend(parties.rev().map(|party| (party, HomeRef::new(page.clone(), party.slot()))));
        }
    }

    pub(crate) fn rounds(&self) -> &Rounds {
        &self.rounds
    }

    /// Nobody has the address of this process any more: its slot is for the next.
    pub(crate) fn free(&self, party: Party, home: HomeRef) {
        self.stock.lock().free.push((party.next_tenant(), home));
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        party::free_pages(&self.stock.get_mut().pages);
    }
}

#[cfg(test)]
#[cfg(not(loom_model))]
mod tests {
    use super::*;
    use crate::party::PAGE;

    #[test]
    fn two_heads_share_no_page() {
        let [left, right] = [Slots::default(), Slots::default()];
        let page = |party: Party| party.slot() as usize / PAGE;
        let both: Vec<_> = (0..3 * PAGE).map(|_| (left.claim().0, right.claim().0)).collect();
        assert!(
            both.iter().all(|(left, right)| both.iter().all(|other| page(*left) != page(other.1)) && left != right)
        );
        assert!(both.windows(2).all(|two| two[0].0.slot() < two[1].0.slot() || page(two[0].0) != page(two[1].0)));
    }

    #[test]
    fn the_next_tenant_of_a_slot_is_another_party() {
        let slots = Slots::default();
        let (first, home) = slots.claim();
        slots.free(first, home);
        let (second, _) = slots.claim();
        assert!(first.slot() == second.slot() && first != second);
    }
}
