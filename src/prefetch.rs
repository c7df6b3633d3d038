//! Asks for memory before it is needed. With a million processes, waiting for memory takes longer than all else: each look at
//! another line takes some 60 ns, and the processor looks ahead by a few hundred instructions alone. Only who knows what comes
//! next can ask for it earlier.
#![allow(unsafe_code)]

/// Bytes that memory is fetched by, on most machines.
const LINE: usize = 64;

/// Who writes mail asks for memory so many mails ahead.
pub(crate) const MAILS_AHEAD: usize = 8;

/// Asks for the memory of a `T`, counted from where it begins. A hint, where the processor knows it: any address will do,
/// one behind the end of all as well.
#[inline(always)]
pub(crate) fn prefetch<T>(place: *const T) {
    let place = place.cast::<u8>();
    for line in 0..size_of::<T>().div_ceil(LINE) {
        fetch(place.wrapping_add(line * LINE));
    }
    // It may end on one more line than it would if it began on one.
    if const { align_of::<T>() < LINE && size_of::<T>() > align_of::<T>() } {
        fetch(place.wrapping_add(size_of::<T>() - 1));
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn fetch(place: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: nothing is read that the program could see, whatever the address. Every x86-64 knows it.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast()) };
}

/// The other processors cannot be told in stable Rust.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn fetch(_: *const u8) {}

/// What is asked for step by step, each as far from the last: so it can be told what comes next.
#[derive(Clone, Copy, Default)]
pub(crate) struct Stride {
    last: usize,
    step: usize,
}

impl Stride {
    /// Takes note of the next; tells what will be asked for after so many more, if the last two steps were the same.
    #[inline(always)]
    pub(crate) fn foresee(&mut self, at: usize, steps: usize) -> Option<usize> {
        let step = at.wrapping_sub(self.last);
        let ahead = (step == self.step).then(|| at.wrapping_add(step.wrapping_mul(steps)));
        *self = Self { last: at, step };
        ahead
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr;

    #[test]
    fn any_address_will_do() {
        let places = [[7_u64; 40]; 3];
        prefetch(&raw const places);
        prefetch(ptr::from_ref(&places).wrapping_add(1000));
        prefetch(ptr::null::<[u8; 4096]>());
        prefetch(ptr::null::<()>());
        assert_eq!(places, [[7; 40]; 3], "it is as it was");
    }

    #[test]
    fn even_steps_are_foreseen_also_backwards() {
        let mut stride = Stride::default();
        let seen = [10, 20, 30, 40, 37, 34, 31, 1].map(|at| stride.foresee(at, 3));
        assert_eq!(seen, [None, Some(50), Some(60), Some(70), None, Some(25), Some(22), None]);
    }
}
