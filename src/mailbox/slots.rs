//! A list that is emptied from its front and swapped as a whole.
//!
//! What a `VecDeque` does with arithmetic on each access, this does with a count of empty slots before the first item: so the
//! whole of it is a `Vec` that can be handed over, and read where it lies.

/// Items in order, behind some empty slots.
pub(super) struct Slots<M> {
    /// Invariant: the first `empty` are `None`, and no other is.
    slots: Vec<Option<M>>,
    empty: u32,
}

impl<M> Slots<M> {
    pub(super) const fn new() -> Self {
        Self { slots: Vec::new(), empty: 0 }
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.empty as usize
    }

    /// Whether [`push`](Self::push) needs no memory.
    #[inline(always)]
    pub(super) fn has_slot(&self) -> bool {
        self.slots.len() < self.slots.capacity()
    }

    /// One slot first, for most boxes never hold more than one mail; twice as many whenever that is not enough.
    pub(super) fn make_slot(&mut self) {
        if !self.has_slot() {
            self.close_ranks();
            let length = self.slots.len();
            if !self.has_slot() || self.slots.capacity() < 2 * length {
                self.slots.reserve_exact(length.max(1));
            }
        }
    }

    /// Drops the empty slots.
    fn close_ranks(&mut self) {
        self.slots.drain(..self.empty as usize);
        self.empty = 0;
    }

    #[inline(always)]
    pub(super) fn push(&mut self, item: M) {
        self.slots.push(Some(item));
    }

    pub(super) fn insert(&mut self, at: usize, item: M) {
        self.slots.insert(self.empty as usize + at, Some(item));
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &M> {
        self.slots.iter().flatten()
    }

    pub(super) fn get(&self, at: usize) -> Option<&M> {
        self.slots.get(self.empty as usize + at)?.as_ref()
    }

    /// Takes one out; the first, without moving the others.
    pub(super) fn remove(&mut self, at: usize) -> Option<M> {
        let place = self.empty as usize + at;
        if at > 0 {
            return if place < self.slots.len() { self.slots.remove(place) } else { None };
        }
        let first = self.slots.get_mut(place)?.take();
        self.empty += 1;
        // Each item is moved once at most for each that was taken out before it.
        if self.empty as usize > self.len() {
            self.close_ranks();
        }
        first
    }

    /// Puts another in the place of one.
    pub(super) fn replace(&mut self, at: usize, item: M) -> Option<M> {
        self.slots.get_mut(self.empty as usize + at)?.replace(item)
    }

    /// Swaps everything with a list that is empty.
    #[inline(always)]
    pub(super) fn swap(&mut self, batch: &mut Vec<Option<M>>) {
        std::mem::swap(&mut self.slots, batch);
        self.empty = 0;
    }

    /// Moves up to so many of those that pass `choice` to the end of a list.
    pub(super) fn take_some(&mut self, batch: &mut Vec<Option<M>>, count: usize, choice: impl Fn(&M) -> bool) {
        self.close_ranks();
        batch.extend(self.slots.extract_if(.., |slot| slot.as_ref().is_some_and(&choice)).take(count));
    }

    /// Gives back what is more than so many slots, and than are needed.
    pub(super) fn shrink_to(&mut self, slots: usize) {
        self.slots.shrink_to(slots);
    }

    /// Puts some before all others, and sorts all by a key, those of one key as they were.
    pub(super) fn put_back<K: Ord>(&mut self, batch: &mut Vec<Option<M>>, key: impl Fn(&M) -> K) {
        self.close_ranks();
        self.slots.splice(0..0, batch.drain(..).filter(Option::is_some));
        self.slots.sort_by_key(|slot| slot.as_ref().map(&key));
    }

    /// All of them.
    pub(super) fn into_items(self) -> impl Iterator<Item = M> {
        self.slots.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_list(steps in proptest::collection::vec((0..6_u8, 0..8_usize), 0..200)) {
            let (mut slots, mut list, mut batch) = (Slots::new(), Vec::new(), Vec::new());
            for (number, (step, at)) in steps.into_iter().enumerate() {
                match step {
                    0 | 1 if slots.has_slot() => {
                        slots.push(number);
                        list.push(number);
                    }
                    0 | 1 => slots.make_slot(),
                    2 => {
                        slots.insert(at.min(list.len()), number);
                        list.insert(at.min(list.len()), number);
                    }
                    3 => {
                        let removed = (at < list.len()).then(|| list.remove(at));
                        prop_assert_eq!(slots.remove(at), removed);
                    }
                    4 => {
                        let first = (!list.is_empty()).then(|| list.remove(0));
                        prop_assert_eq!(slots.remove(0), first);
                    }
                    _ if at == 0 => {
                        slots.swap(&mut batch);
                        prop_assert!(batch.drain(..).flatten().eq(list.drain(..)));
                    }
                    _ => {
                        slots.take_some(&mut batch, at, |number| number % 3 > 0);
                        let taken: Vec<_> = list.iter().copied().filter(|number| number % 3 > 0).take(at).collect();
                        list.retain(|number| !taken.contains(number));
                        prop_assert!(batch.iter().flatten().eq(&taken));
                        slots.put_back(&mut batch, |_| ());
                        list.splice(0..0, taken);
                    }
                }
                prop_assert_eq!(slots.len(), list.len());
                prop_assert!(slots.iter().eq(&list));
                prop_assert_eq!(slots.get(at), list.get(at));
            }
            prop_assert!(slots.into_items().eq(list));
        }
    }

    #[test]
    fn taking_the_first_again_and_again_needs_no_more_memory() {
        let mut slots = Slots::new();
        for number in 0..10_000 {
            slots.make_slot();
            slots.push(number);
            assert!(number < 50 || slots.remove(0) == Some(number - 50));
        }
        assert!(slots.slots.capacity() <= 256, "{}", slots.slots.capacity());
    }
}
