//! A callback of a process that has forgotten the type of the process: who calls it is compiled once, not once for each type.
#![allow(unsafe_code)]

use super::{AnyProcess, RawContext, typed};
use crate::context::Context;
use crate::process::Process;
use bevy_ecs::error::Result;
use std::fmt;
use std::marker::PhantomData;

/// What a process is called with about an `A`: a plain function, and what knows its type.
pub(crate) struct Callback<A> {
    function: fn(),
    call: Caller<A>,
}

/// Calls a function. It is unsafe to give it another than that which it stands beside.
type Caller<A> = unsafe fn(fn(), &mut AnyProcess<'_>, &A, &mut RawContext<'_>) -> Result;

/// How a kind of function is called about an `A`.
pub(crate) trait Calls<A> {
    /// A function pointer.
    type Function: Copy;

    fn call(function: Self::Function, process: &mut AnyProcess<'_>, about: &A, cx: &mut RawContext<'_>) -> Result;
}

/// A function that takes what it is called about as it is.
pub(crate) struct Plainly<P>(PhantomData<P>);

impl<A: 'static, P: Process> Calls<A> for Plainly<P> {
    type Function = fn(&mut P, &A, &mut Context<'_, P>) -> Result;

    #[inline(always)]
    fn call(function: Self::Function, process: &mut AnyProcess<'_>, about: &A, cx: &mut RawContext<'_>) -> Result {
        let (process, cx) = typed(process, cx);
        function(process, about, cx)
    }
}

impl<A> Callback<A> {
    /// Of this function, called so.
    pub(crate) fn new<C: Calls<A>>(function: C::Function) -> Self {
        const { assert!(size_of::<C::Function>() == size_of::<fn()>(), "it is a function pointer") };
        // SAFETY: a function pointer fits into another, and is not called as that.
        let function = unsafe { std::mem::transmute_copy::<C::Function, fn()>(&function) };
        Self { function, call: call::<A, C> }
    }

    /// Calls it, of the process that it was made for.
    ///
    /// # Panics
    /// When that is of another type.
    #[inline(always)]
    pub(crate) fn call(self, process: &mut AnyProcess<'_>, about: &A, cx: &mut RawContext<'_>) -> Result {
        // SAFETY: both were put here together, by `new`.
        unsafe { (self.call)(self.function, process, about, cx) }
    }
}

/// # Safety
/// The function is a `C::Function`.
unsafe fn call<A, C: Calls<A>>(
    function: fn(),
    process: &mut AnyProcess<'_>,
    about: &A,
    cx: &mut RawContext<'_>,
) -> Result {
    // SAFETY: the caller says so.
    C::call(unsafe { std::mem::transmute_copy::<fn(), C::Function>(&function) }, process, about, cx)
}

impl<A> Clone for Callback<A> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Callback<A> {}

impl<A> PartialEq for Callback<A> {
    /// Whether both do the same. Of two that do, it may say no.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::fn_addr_eq(self.function, other.function) && std::ptr::fn_addr_eq(self.call, other.call)
    }
}

impl<A> fmt::Debug for Callback<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Callback({:?})", self.function)
    }
}

impl<'t> RawContext<'t> {
    /// The context with the type of its process again.
    #[inline(always)]
    pub(crate) fn typed<P: Process>(&mut self) -> &mut Context<'t, P> {
        const { assert!(size_of::<RawContext<'_>>() == size_of::<Context<'_, P>>()) };
        // SAFETY: both have the same fields in the same order, laid out as C does, but for a mark of no size. Nothing that a
        // context does relies on the type.
        unsafe { &mut *std::ptr::from_mut(self).cast() }
    }
}

#[cfg(test)]
#[cfg(not(loom_model))]
mod tests {
    use super::*;
    use crate::erased::AnyProcess;
    use bevy_ecs::component::Component;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[derive(Component, Default)]
    struct Counter {
        sum: u64,
        other: String,
    }

    impl Process for Counter {
        /// Calls itself back, as its head does.
        fn birth(&mut self, cx: &mut Context<'_, Self>) -> Result {
            let plain = Callback::new::<Plainly<Self>>(|counter: &mut Self, more: &u64, cx: &mut Context<'_, Self>| {
                counter.sum += more;
                counter.other.push_str(cx.name());
                Ok(())
            });
            let failing = Callback::new::<Plainly<Self>>(|_: &mut Self, more: &u64, _: &mut Context<'_, Self>| {
                Err(more.to_string())?
            });
            let (mut this, mut cx) = (AnyProcess::new(self), cx.raw());
            plain.call(&mut this, &40, &mut cx)?;
            plain.call(&mut this, &2, &mut cx)?;
            let error = failing.call(&mut this, &7, &mut cx).unwrap_err();
            assert!(error.to_string().contains('7') && plain == { plain } && plain != failing);
            let mut other = Other;
            let wrong = AssertUnwindSafe(|| plain.call(&mut AnyProcess::new(&mut other), &1, &mut cx));
            assert!(catch_unwind(wrong).is_err(), "it is not called of a process of another type");
            Ok(())
        }
    }

    #[derive(Component)]
    struct Other;
    impl Process for Other {}

    #[test]
    fn a_callback_finds_the_type_of_its_process_again() {
        use crate::application::Application;
        let application = Application::new().clock(crate::clock::Clock::simulated());
        let mut running = application.add_process(Counter::default(), crate::frequency::hz(1)).build().unwrap();
        let counter = running.get::<Counter>("counter").unwrap();
        assert_eq!((counter.sum, &*counter.other), (42, "CounterCounter"));
        assert_eq!(running.report().process("counter").unwrap().panics, 0);
    }
}
