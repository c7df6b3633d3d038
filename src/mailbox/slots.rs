//! A list that is emptied from its front and swapped as a whole.
//!
//! Its memory is slots that are there, empty, before they are filled: an item is made in its place, where `Vec::push` would be
//! a function of its own that takes it from other memory, and waits for what was written there to arrive. The whole of it can
//! be handed over, and read where it lies.

/// A list of more slots than this gives them back once it has been emptied.
pub(super) const LARGE: usize = 256;

/// Items in order, with empty slots before and behind them.
pub(crate) struct Slots<M> {
    /// Invariant: all slots before `first` and from `end` on are `None`.
    slots: Box<[Option<M>]>,
    first: u32,
    end: u32,
}

impl<M> Slots<M> {
    pub(crate) fn new() -> Self {
        Self { slots: Box::new([]), first: 0, end: 0 }
    }

    /// How many items, and slots that were emptied among them.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        (self.end - self.first) as usize
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.first == self.end
    }

    /// Of how many slots it is made.
    #[inline(always)]
    pub(crate) fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is a slot behind the last item.
    #[inline(always)]
    pub(super) fn has_slot(&self) -> bool {
        (self.end as usize) < self.slots.len()
    }

    /// One slot first, for most boxes never hold more than one mail; twice as many whenever that is not enough.
    pub(super) fn make_slot(&mut self) {
        if !self.has_slot() {
            self.close_ranks();
            let slots = self.slots.len();
            // Each item is moved once at most for each that was taken out before it.
            if slots < 2 * self.len() || !self.has_slot() {
                self.resize(slots + slots.max(1));
            }
        }
    }

    /// Moves the items to the front.
    fn close_ranks(&mut self) {
        self.slots[..self.end as usize].rotate_left(self.first as usize);
        self.end -= self.first;
        self.first = 0;
    }

    /// Puts one into the slot behind the last.
    ///
    /// # Panics
    /// When there is none.
    #[inline(always)]
    pub(super) fn push_with(&mut self, item: impl FnOnce() -> M) {
        let slot = &mut self.slots[self.end as usize];
        // There is nothing in it: to look would take longer than to write.
        std::mem::forget(std::mem::replace(slot, Some(item())));
        self.end += 1;
    }

    /// Puts one before another, if there is a slot behind the last.
    pub(super) fn insert(&mut self, at: usize, item: M) {
        self.push_with(|| item);
        self.filled_mut()[at..].rotate_right(1);
    }

    /// All that are filled, and perhaps some that were emptied.
    #[inline(always)]
    pub(crate) fn filled_mut(&mut self) -> &mut [Option<M>] {
        &mut self.slots[self.first as usize..self.end as usize]
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &M> {
        self.slots[self.first as usize..self.end as usize].iter().flatten()
    }

    pub(super) fn get(&self, at: usize) -> Option<&M> {
        self.slots.get(self.first as usize + at)?.as_ref()
    }

    /// Takes one out; the first, without moving the others.
    pub(super) fn remove(&mut self, at: usize) -> Option<M> {
        let filled = self.filled_mut();
        let item = filled.get_mut(at)?.take();
        if at == 0 {
            self.first += 1;
        } else {
            filled[at..].rotate_left(1);
            self.end -= 1;
        }
        item
    }

    /// Puts another in the place of one.
    pub(super) fn replace(&mut self, at: usize, item: M) -> Option<M> {
        self.filled_mut().get_mut(at)?.replace(item)
    }

    /// Moves up to so many of those that pass `choice` to the end of a list.
    pub(super) fn take_some(&mut self, batch: &mut Self, count: usize, choice: impl Fn(&M) -> bool) {
        let mut left = 0;
        for at in 0..self.len() {
            let slot = &mut self.filled_mut()[at];
            if batch.len() < count
                && let Some(item) = slot.take_if(|item| choice(item))
            {
                batch.make_slot();
                batch.push_with(|| item);
            } else {
                self.filled_mut().swap(left, at);
                left += 1;
            }
        }
        self.end = self.first + left as u32;
    }

    /// Gives back what is more than so many slots, and than are needed.
    pub(super) fn shrink_to(&mut self, slots: usize) {
        if slots < self.slots.len() {
            self.close_ranks();
            self.resize(slots.max(self.len()));
        }
    }

    /// Adds empty slots, or takes away some.
    fn resize(&mut self, slots: usize) {
        let mut list = std::mem::take(&mut self.slots).into_vec();
        list.reserve_exact(slots.saturating_sub(list.len()));
        list.resize_with(slots, || None);
        self.slots = list.into_boxed_slice();
    }

    /// Puts some before all others, and sorts all by a key, those of one key as they were.
    pub(super) fn put_back<K: Ord>(&mut self, batch: &mut Self, key: impl Fn(&M) -> K) {
        std::mem::swap(self, batch);
        for item in batch.drain() {
            self.make_slot();
            self.push_with(|| item);
        }
        self.filled_mut().sort_by_key(|slot| slot.as_ref().map(&key));
    }

    /// All of them, out of their slots.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = M> {
        std::iter::from_fn(|| {
            let slot = self.slots[..self.end as usize].get_mut(self.first as usize)?;
            self.first += 1;
            Some(slot.take())
        })
        .flatten()
    }

    /// Drops all, but for those that hold nothing that must be given back: to look once takes a third of what it takes to drop
    /// one. The rest stays, if that panics.
    #[inline(always)]
    pub(crate) fn clear(&mut self, is_light: impl Fn(&M) -> bool) {
        while self.first < self.end {
            let item = self.slots[self.first as usize].take();
            self.first += 1;
            if item.as_ref().is_none_or(&is_light) {
                std::mem::forget(item);
            }
        }
        (self.first, self.end) = (0, 0);
        if self.slots.len() > LARGE {
            self.shrink_to(LARGE);
        }
    }

    /// All of them.
    pub(super) fn into_items(self) -> impl Iterator<Item = M> {
        self.slots.into_vec().into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_list(steps in proptest::collection::vec((0..6_u8, 0..8_usize), 0..200)) {
            let (mut slots, mut list, mut batch) = (Slots::new(), Vec::new(), Slots::new());
            for (number, (step, at)) in steps.into_iter().enumerate() {
                match step {
                    0 | 1 if slots.has_slot() => {
                        slots.push_with(|| number);
                        list.push(number);
                    }
                    0 | 1 => slots.make_slot(),
                    2 => {
                        slots.make_slot();
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
                        std::mem::swap(&mut slots, &mut batch);
                        prop_assert!(batch.iter().eq(&list));
                        prop_assert_eq!(batch.len(), list.len());
                        batch.clear(|number| number % 2 == 0);
                        list.clear();
                    }
                    _ => {
                        slots.take_some(&mut batch, at, |number| number % 3 > 0);
                        let taken: Vec<_> = list.iter().copied().filter(|number| number % 3 > 0).take(at).collect();
                        list.retain(|number| !taken.contains(number));
                        prop_assert!(batch.iter().eq(&taken));
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
            slots.push_with(|| number);
            assert!(number < 50 || slots.remove(0) == Some(number - 50));
        }
        assert!(slots.slots.len() <= 256, "{}", slots.slots.len());
    }
}
