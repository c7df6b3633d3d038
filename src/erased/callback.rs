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
