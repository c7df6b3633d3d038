//! The ids of mails and threads: counters on the way, a [`Uuid`] for who reads them.
//!
//! A sender counts up from a base that no other sender of the session is near: 0.8 ns an id, where a random `Uuid` costs
//! 12 to 374. The base is random (or the application's seed), so that sessions do not repeat each other.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use uuid::Uuid;

/// How many bits count the mails of one sender: at ten million a second they last for most of a year.
const COUNT_BITS: u32 = 48;

/// How many bits count the mails of one life beside others: one that sends more goes on with the ids of its next.
const LIFE_BITS: u32 = 20;

/// The ids that one thread gives to the mails it sends.
#[derive(Debug, Default)]
pub(crate) struct Ids(Cell<u64>);

impl Ids {
    /// The ids of the sender number `sender` in the session of `seed`. Numbers from 65,536 on begin again with the ids of 0.
    pub(crate) fn new(seed: u64, sender: u64) -> Self {
        Self(Cell::new(scatter(seed).wrapping_add(sender << COUNT_BITS)))
    }

    /// From now on, the ids of what a process sends in one life, the same on whatever thread it runs: they hang on the number
    /// of its birth and on that of the life.
    pub(crate) fn begin_life(&self, seed: u64, birth: u64, life: u64) {
        // Scattered twice: other than the ids that its callbacks may draw from [`SenderIds`].
        self.0.set(scatter(scatter(seed ^ scatter(birth))).wrapping_add(life << LIFE_BITS));
    }

    #[inline(always)]
    pub(crate) fn next(&self) -> u64 {
        let id = self.0.get();
        self.0.set(id.wrapping_add(1));
        id
    }
}

/// The ids of mails by whoever sends them, so that they are the same on whatever heads the senders live: what
/// [`Delivery::NextTick`](crate::mail::Delivery::NextTick) promises.
#[derive(Debug)]
pub(crate) struct SenderIds {
    seed: u64,
    by_birth: RefCell<HashMap<u64, Ids>>,
}

impl SenderIds {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, by_birth: RefCell::default() }
    }

    /// The next id of the process with this number of birth.
    pub(crate) fn next(&self, birth: u64) -> u64 {
        let mut senders = self.by_birth.borrow_mut();
        senders.entry(birth).or_insert_with(|| Ids::new(self.seed ^ scatter(birth), 0)).next()
    }

    /// It sends no more.
    pub(crate) fn forget(&self, birth: u64) {
        self.by_birth.borrow_mut().remove(&birth);
    }
}

/// SplitMix64's finaliser: any bit of `x` changes half of the result.
fn scatter(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Version 8 (made by its user's own rules): 60 bits of the id, then its last 4, then 58 bits that prove it is ours.
pub(crate) fn to_uuid(id: u64) -> Uuid {
    let high = (id >> 16) << 16 | 0x8000 | (id >> 4) & 0x0FFF;
    let low = 0b10 << 62 | (id & 0xF) << 58 | scatter(id) >> 6;
    Uuid::from_u64_pair(high, low)
}

/// The id that [`to_uuid`] made this of; `None` for a foreign one.
pub(crate) fn from_uuid(uuid: Uuid) -> Option<u64> {
    let (high, low) = uuid.as_u64_pair();
    let id = (high >> 16) << 16 | (high & 0x0FFF) << 4 | (low >> 58) & 0xF;
    (to_uuid(id) == uuid).then_some(id)
}

/// The number under which any `Uuid` goes here.
pub(crate) fn number(uuid: Uuid) -> u64 {
    let (high, low) = uuid.as_u64_pair();
    from_uuid(uuid).unwrap_or_else(|| scatter(high ^ scatter(low)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn senders_and_sessions_do_not_meet() {
        let first = |seed, sender| Ids::new(seed, sender).next();
        assert_eq!(first(1, 1).wrapping_sub(first(1, 0)), 1 << COUNT_BITS);
        assert_ne!(first(1, 0), first(2, 0));
        let ids = Ids::new(1, 0);
        assert_eq!(ids.next() + 1, ids.next());
    }

    #[test]
    fn the_ids_of_a_life_hang_on_nothing_else() {
        let ids = Ids::default();
        let draw = |seed, birth, life| {
            ids.begin_life(seed, birth, life);
            [ids.next(), ids.next()]
        };
        let first = draw(1, 7, 3);
        assert_eq!(first[0] + 1, first[1]);
        assert_eq!(draw(1, 7, 3), first);
        assert_eq!(draw(1, 7, 4)[0] - first[0], 1 << LIFE_BITS);
        assert!(draw(1, 8, 3)[0] != first[0] && draw(2, 7, 3)[0] != first[0]);
        assert_ne!(draw(1, 7, 0)[0], SenderIds::new(1).next(7), "a callback draws others");
    }

    #[test]
    fn the_ids_of_a_sender_are_its_own() {
        let (one, other) = (SenderIds::new(1), SenderIds::new(1));
        let first = [one.next(7), one.next(8), one.next(7)];
        assert_eq!([other.next(8), other.next(7), other.next(7)], [first[1], first[0], first[2]]);
        assert_eq!(first[0] + 1, first[2]);
        one.forget(7);
        assert_eq!(one.by_birth.borrow().len(), 1);
        assert_ne!(SenderIds::new(2).next(7), first[0]);
    }

    proptest! {
        #[test]
        fn an_id_comes_back_out_of_its_uuid(id: u64) {
            let uuid = to_uuid(id);
            prop_assert_eq!(uuid.get_version_num(), 8);
            prop_assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
            prop_assert_eq!(from_uuid(uuid), Some(id));
        }

        #[test]
        fn a_foreign_uuid_is_known_as_such(bits: u128) {
            prop_assert_eq!(from_uuid(Uuid::from_u128(bits)), None);
        }
    }
}
