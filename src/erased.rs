//! A process whose type is forgotten: what lets the life cycle and the mail of all types be compiled once, not once for each type.
//!
//! Only what calls a hook or a callback knows the type: see [`Act`] and [`Callback`]. All else works on a [`RawContext`].

mod any;
mod callback;

use crate::belongings::Extras;
use crate::cause::Cause;
use crate::context::Context;
use crate::process::{Process, Vitals};
use crate::scope::Scope;
use bevy_ecs::error::Result;
use std::cell::Cell;
use std::sync::Arc;

pub(crate) use any::{AnyProcess, AnyProcesses};
pub(crate) use callback::{Callback, Calls, Plainly};

/// A hook of a process.
#[derive(Clone, Copy)]
pub(crate) enum Act {
    Birth,
    Death,
    SafeStop,
}

/// What runs it, in one type.
pub(crate) type Actor = fn(&mut AnyProcess<'_>, Act, &mut RawContext<'_>) -> Result;

/// A context without the type of its process. It is laid out as [`Context`] is.
#[repr(C)]
pub(crate) struct RawContext<'t> {
    pub(crate) vitals: &'t mut Vitals,
    pub(crate) scope: &'t Scope,
    pub(crate) pulled: &'t Cell<bool>,
}

impl<'t> RawContext<'t> {
    #[inline(always)]
    pub(crate) fn new(vitals: &'t mut Vitals, scope: &'t Scope, pulled: &'t Cell<bool>) -> Self {
        Self { vitals, scope, pulled }
    }
}

impl RawContext<'_> {
    #[inline(always)]
    pub(crate) fn reborrow(&mut self) -> RawContext<'_> {
        RawContext { vitals: self.vitals, scope: self.scope, pulled: self.pulled }
    }

    /// What few processes have, if this one has any of it.
    pub(crate) fn known(&self) -> Option<&Extras> {
        self.vitals.private.extras()
    }

    /// The same, to change it.
    pub(crate) fn known_mut(&mut self) -> Option<&mut Extras> {
        self.vitals.private.extras_mut()
    }

    /// The same, made if need be.
    pub(crate) fn own(&mut self) -> &mut Extras {
        self.vitals.private.own_extras()
    }

    /// Ends the process in order.
    pub(crate) fn die(&mut self, reason: String) {
        let cause = Cause::Died { process: self.vitals.address.name().to_owned(), reason };
        self.scope.condemn(self.vitals, Arc::new(cause));
    }
}

impl<P: Process> Context<'_, P> {
    /// The same without the type.
    #[inline(always)]
    pub(crate) fn raw(&mut self) -> RawContext<'_> {
        RawContext { vitals: self.vitals, scope: self.scope, pulled: self.pulled }
    }
}

/// The process, and its context, with their type again.
///
/// # Panics
/// When it is of another type.
#[inline(always)]
pub(crate) fn typed<'a, 't, P: Process>(
    process: &'a mut AnyProcess<'_>,
    cx: &'a mut RawContext<'t>,
) -> (&'a mut P, &'a mut Context<'t, P>) {
    (process.downcast_mut().unwrap_or_else(|| wrong_type()), cx.typed())
}

#[cold]
fn wrong_type() -> ! {
    panic!("a process keeps its type")
}
