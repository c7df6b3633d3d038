//! Who writes next, and to whom: mail waits longest for the memory of these two, so it is asked for ahead.
//!
//! Lives go through their table in order, and most write to the same one each time. So who writes next is told by who wrote
//! last; to whom, by the same where neighbours write to neighbours, and else by to whom that one wrote before.

use crate::prefetch::{MAILS_AHEAD, Stride, prefetch};

#[derive(Default)]
pub(crate) struct Foresight {
    /// Where those stand who write.
    places: Stride,
    /// The slots that are written to.
    recipients: Stride,
    habits: Habits,
}

/// To whom those wrote last who do not write in even steps. Only kept of large populations: all of a small one is near.
#[derive(Default)]
struct Habits {
    /// The slots of those who write.
    writers: Stride,
    /// By these, the slots that they wrote to, or no slot.
    recipients: Vec<u32>,
}

impl Foresight {
    /// From now on remembers to whom those wrote who have the first so many slots: memory, for it to be gathered.
    pub(super) fn learn(&mut self, slots: usize) -> &[u32] {
        self.habits.recipients.resize(slots, u32::MAX);
        &self.habits.recipients
    }

    /// One who stands here, and has this slot, writes to that one. Asks for who will write; tells to whom.
    #[inline(always)]
    pub(super) fn foresee<T>(&mut self, place: *const T, writer: u32, recipient: u32) -> Option<u32> {
        if let Some(next) = self.places.foresee(place.addr(), MAILS_AHEAD) {
            prefetch(place.with_addr(next));
        }
        match self.recipients.foresee(recipient as usize, MAILS_AHEAD) {
            Some(next) => Some(next as u32),
            None if self.habits.recipients.is_empty() => None,
            None => self.habits.foresee(writer, recipient),
        }
    }
}

impl Habits {
    #[inline(never)]
    fn foresee(&mut self, writer: u32, recipient: u32) -> Option<u32> {
        let writer = writer as usize;
        let last = self.recipients.get_mut(writer)?;
        // Not written where it is the same: that would have to be written back to memory.
        if *last != recipient {
            *last = recipient;
        }
        let next = self.writers.foresee(writer, MAILS_AHEAD)?;
        // What is looked up here is to be there, too.
        let later = next.wrapping_add(next.wrapping_sub(writer));
        prefetch(self.recipients.as_ptr().wrapping_add(later));
        self.recipients.get(next).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// To whom each writes; what is foreseen at each mail of the last of three rounds.
    fn foreseen(recipients: &[u32], step: usize) -> Vec<Option<u32>> {
        let (mut foresight, places) = (Foresight::default(), vec![0_u64; 100]);
        assert_eq!(foresight.learn(100).len(), 100);
        let mut round = || {
            let writers = recipients.iter().enumerate().map(|(number, recipient)| (number * step, *recipient));
            writers.map(|(writer, to)| foresight.foresee(&raw const places[writer], writer as u32, to)).collect()
        };
        let _: [Vec<_>; 2] = [round(), round()];
        round()
    }

    #[test]
    fn neighbours_who_write_to_neighbours_are_foreseen() {
        let recipients: Vec<u32> = (0..50).map(|number| number + 20).collect();
        let next = foreseen(&recipients, 1);
        assert!((2..50).all(|at| next[at] == Some(at as u32 + 20 + MAILS_AHEAD as u32)), "{next:?}");
    }

    #[test]
    fn who_writes_in_no_order_is_expected_to_write_as_before() {
        let recipients: Vec<u32> = (0..40_u32).map(|number| number * number * 7 % 101).collect();
        for step in [1, 2] {
            let next = foreseen(&recipients, step);
            let right = (2..40 - MAILS_AHEAD).filter(|at| next[*at] == Some(recipients[at + MAILS_AHEAD])).count();
            assert!(right >= 38 - MAILS_AHEAD - 2, "{step}: {next:?}");
        }
    }

    #[test]
    fn nothing_is_foreseen_beyond_the_slots_that_are_known() {
        let (mut foresight, place) = (Foresight::default(), [0_u64; 1]);
        let mut foresee = |slots, writer| {
            foresight.learn(slots);
            [3, u32::MAX, 0, 17, 5].map(|recipient| foresight.foresee(place.as_ptr(), writer, recipient))
        };
        assert_eq!(foresee(0, 0), [None; 5], "few: nothing is kept");
        assert_eq!(foresee(8, 8), [None; 5]);
        assert_eq!(foresee(8, 7)[2..], [Some(0), Some(17), Some(5)], "no step: it is he again");
        assert_eq!(foresee(8, u32::MAX), [None; 5]);
    }
}
