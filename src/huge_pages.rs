//! Memory in pages of 2 MiB instead of 4 KiB. Whoever looks at a page for the first time in a while has to find out where it is,
//! and with a million processes that is a sixth of all time: so many pages nobody can remember.
//!
//! Only Linux is told, as it alone can be, and it may refuse: then all is as before.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::ops::Range;

/// Between which addresses a slice is.
pub(crate) fn addresses<T>(slice: &[T]) -> Range<usize> {
    let Range { start, end } = slice.as_ptr_range();
    start.addr()..end.addr()
}

/// The memory between these addresses will be looked at again and again. What is there moves at once, which takes some
/// milliseconds for each page. For Linux 6.1 and later.
#[cfg_attr(not(target_os = "linux"), expect(unused_variables))]
pub(crate) fn gather(memory: impl Iterator<Item = Range<usize>>) {
    #[cfg(target_os = "linux")]
    system::gather(memory);
}

/// The same of memory that nobody has used yet: it takes no longer than with small pages.
#[cfg_attr(not(target_os = "linux"), expect(unused_variables))]
pub(crate) fn reserve<T>(memory: &mut [MaybeUninit<T>]) {
    #[cfg(target_os = "linux")]
    system::reserve(memory);
}

#[cfg(target_os = "linux")]
mod system {
    use rustix::mm::{Advice, madvise};
    use std::collections::BTreeMap;
    use std::io;
    use std::mem::MaybeUninit;
    use std::ops::Range;
    use std::ptr;

    /// Bytes of a huge page, where small ones have 4 KiB. Where they have more, nothing is of use that is not so large.
    pub(super) const HUGE: usize = 2 << 20;
    /// `MADV_COLLAPSE`, which not all C libraries know: include/uapi/asm-generic/mman-common.h of Linux.
    const COLLAPSE: libc::c_int = 25;
    /// So many bytes on one must be looked at again and again.
    const WORTH: usize = HUGE / 16;

    pub(super) fn gather(memory: impl Iterator<Item = Range<usize>>) {
        let (moved, refused): (Vec<_>, Vec<_>) = worth(memory).map(collapse).partition(Result::is_ok);
        let why = refused.into_iter().find_map(Result::err);
        tracing::debug!(pages = moved.len(), ?why, "a large population has moved to huge pages");
    }

    /// The addresses of the pages of which enough is in this memory.
    pub(super) fn worth(memory: impl Iterator<Item = Range<usize>>) -> impl Iterator<Item = usize> {
        let mut used = BTreeMap::<usize, usize>::new();
        for Range { mut start, end } in memory {
            while start < end {
                let page = start - start % HUGE;
                let next = end.min(page.saturating_add(HUGE));
                *used.entry(page).or_default() += next - start;
                start = next;
            }
        }
        used.into_iter().filter(|(_, used)| *used >= WORTH).map(|(page, _)| page)
    }

    fn collapse(page: usize) -> io::Result<()> {
        // SAFETY: all that is there, whoever has it, stays as it is and at its address; and where there is nothing, it says so.
        let done = unsafe { libc::madvise(ptr::without_provenance_mut(page), HUGE, COLLAPSE) };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    pub(super) fn reserve<T>(memory: &mut [MaybeUninit<T>]) {
        let range = memory.as_mut_ptr_range();
        let (start, end) = (range.start.addr().next_multiple_of(HUGE), range.end.addr() / HUGE * HUGE);
        if start < end {
            // SAFETY: these pages are of this memory alone, and nothing in them changes.
            let told = unsafe { madvise(range.start.with_addr(start).cast(), end - start, Advice::LinuxHugepage) };
            if let Err(error) = told {
                tracing::debug!(%error, "no huge pages");
            }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::system::HUGE;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_page_is_worth_it_by_what_of_it_is_used(pieces in prop::collection::vec((0..20_usize, 0..150_usize), 0..12)) {
            // In units of 32 KiB, of which a page has 64; pieces do not overlap.
            let (mut at, mut memory, mut used) = (100, Vec::new(), vec![0_usize; 60]);
            for (gap, len) in pieces {
                let start = at + gap;
                at = start + len;
                memory.push(start << 15..at << 15);
                (start..at).for_each(|unit| used[unit / 64] += 1);
            }
            let expected: Vec<_> = (0..used.len()).filter(|page| used[*page] >= 4).map(|page| page * HUGE).collect();
            prop_assert_eq!(system::worth(memory.into_iter()).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn whatever_moves_stays_as_it_is() {
        let mut list: Vec<u64> = Vec::with_capacity(1 << 20);
        reserve(list.spare_capacity_mut());
        list.extend(0..1 << 20);
        let small: Vec<Box<[u64; 100]>> = (0..10_000).map(|number| Box::new([number; 100])).collect();
        gather(small.iter().map(|piece| addresses(&**piece)).chain([addresses(&list), 0..HUGE]));
        assert!(list.iter().zip(0..1 << 20).all(|(is, was)| *is == was));
        assert!(small.iter().zip(0..).all(|(piece, number)| **piece == [number; 100]));
    }

    #[test]
    fn nothing_and_less_than_a_page_are_left_alone() {
        reserve::<u64>(&mut []);
        reserve(&mut [MaybeUninit::<u64>::uninit(); 8]);
        gather(std::iter::empty());
        gather(std::iter::once(5..5));
        assert_eq!(system::worth([5..5, usize::MAX - 10..usize::MAX].into_iter()).count(), 0);
    }
}
