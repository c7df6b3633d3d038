//! Processes whose type is told by a number, as that of a `dyn Any` is by a function: a call for each mail takes longer than to
//! compare two numbers.
#![allow(unsafe_code)]

use crate::prefetch::prefetch;
use crate::process::Process;
use bevy_ecs::ptr::PtrMut;
use std::any::TypeId;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// One process, borrowed.
pub(crate) struct AnyProcess<'a> {
    place: NonNull<u8>,
    of: TypeId,
    borrowed: PhantomData<&'a mut u8>,
}

/// What stands side by side, borrowed.
pub(crate) struct AnyProcesses<'a> {
    first: NonNull<u8>,
    size: usize,
    len: usize,
    of: TypeId,
    borrowed: PhantomData<&'a mut u8>,
}

// SAFETY: it is an exclusive slice of components, which are both.
unsafe impl Send for AnyProcesses<'_> {}
// SAFETY: as above.
unsafe impl Sync for AnyProcesses<'_> {}

impl<'a> AnyProcess<'a> {
    #[inline(always)]
    pub(crate) fn new<P: Process>(process: &'a mut P) -> Self {
        Self { place: NonNull::from(process).cast(), of: TypeId::of::<P>(), borrowed: PhantomData }
    }

    /// The component at a place in a World.
    ///
    /// # Safety
    /// There is one of this type.
    pub(crate) unsafe fn at(place: PtrMut<'a>, of: TypeId) -> Self {
        Self { place: place.into(), of, borrowed: PhantomData }
    }

    /// With its type, if it is this one.
    #[inline(always)]
    pub(crate) fn downcast_mut<P: Process>(&mut self) -> Option<&mut P> {
        // SAFETY: it is a `P`, and borrowed for as long as this is there.
        (self.of == TypeId::of::<P>()).then(|| unsafe { self.place.cast().as_mut() })
    }
}

impl<'a> AnyProcesses<'a> {
    #[inline(always)]
    pub(crate) fn new<P: Process>(processes: &'a mut [P]) -> Self {
        let len = processes.len();
        let first = NonNull::from(processes).cast();
        Self { first, size: size_of::<P>(), len, of: TypeId::of::<P>(), borrowed: PhantomData }
    }

    /// Asks for the memory in which one of them begins.
    #[inline(always)]
    pub(crate) fn prefetch(&self, at: usize) {
        prefetch(self.first.as_ptr().wrapping_add(at * self.size));
    }

    /// One of them, if there are so many.
    #[inline(always)]
    pub(crate) fn get_mut(&mut self, at: usize) -> Option<AnyProcess<'_>> {
        if at >= self.len {
            return None;
        }
        // SAFETY: it is one of the slice, by whose pointer all of it may be reached.
        let place = unsafe { self.first.byte_add(at * self.size) };
        Some(AnyProcess { place, of: self.of, borrowed: PhantomData })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bevy_ecs::component::Component;

    #[derive(Component)]
    struct Text(String);
    impl Process for Text {}

    #[derive(Component)]
    struct Nothing;
    impl Process for Nothing {}

    #[test]
    fn each_is_reached_and_nothing_behind_the_last() {
        let mut texts = ["a", "b", "c"].map(|text| Text(text.into()));
        let mut some = AnyProcesses::new(&mut texts[..2]);
        for at in 0..2 {
            some.get_mut(at).unwrap().downcast_mut::<Text>().unwrap().0.push('!');
        }
        assert!(some.get_mut(2).is_none() && some.get_mut(usize::MAX).is_none());
        assert_eq!(texts.map(|text| text.0), ["a!", "b!", "c"]);
    }

    #[test]
    fn none_is_of_another_type() {
        let mut texts = [Text("a".into())];
        assert!(AnyProcess::new(&mut texts[0]).downcast_mut::<Nothing>().is_none());
        assert!(AnyProcesses::new(&mut texts).get_mut(0).unwrap().downcast_mut::<Nothing>().is_none());
        let mut nothing = [Nothing, Nothing];
        let mut nothing = AnyProcesses::new(&mut nothing);
        assert!(nothing.get_mut(1).unwrap().downcast_mut::<Nothing>().is_some() && nothing.get_mut(2).is_none());
    }
}
