//! A process whose type is forgotten: what lets the life cycle of all types be compiled once, not once for each type.
//!
//! Only what calls a hook or a callback knows the type: see [`Act`]. All else works on a [`RawContext`] and on what every process
//! owns, whatever its type.

use crate::ask::Debts;
use crate::cause::Cause;
use crate::context::Context;
use crate::event::Event;
use crate::mail::Mail;
use crate::process::{Process, Vitals};
use crate::scope::Scope;
use crate::signal::Signal;
use crate::subject::Subject;
use crate::thread::{Child, Family};
use crate::timer::{Timer, TimerId};
use bevy_ecs::error::Result;
use rand::rngs::Xoshiro256PlusPlus;
use std::any::Any;
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

/// What is done to a process by who does not know its type.
#[derive(Clone, Copy)]
pub(crate) enum Act {
    Birth,
    Death,
    SafeStop,
    /// Reads its mail for the last time.
    LastPass,
    /// The same, if it is to be born again.
    BreakOff,
    /// Ends the question whose time is up, if this is its timer.
    TimeOut(TimerId),
}

/// What does it, in one type.
pub(crate) type Actor = fn(&mut dyn Any, Act, RawContext<'_>) -> Result;

/// A context without the type of its process.
pub(crate) struct RawContext<'t> {
    pub(crate) vitals: &'t mut Vitals,
    pub(crate) scope: &'t Scope,
    pub(crate) pulled: &'t Cell<bool>,
}

impl RawContext<'_> {
    pub(crate) fn reborrow(&mut self) -> RawContext<'_> {
        RawContext { vitals: self.vitals, scope: self.scope, pulled: self.pulled }
    }

    /// What the process has, if it has anything.
    pub(crate) fn known(&self) -> Option<&Common> {
        self.vitals.private.common()
    }

    /// The same, to change it.
    pub(crate) fn known_mut(&mut self) -> Option<&mut Common> {
        self.vitals.private.common_mut()
    }

    /// What the process has.
    ///
    /// # Panics
    /// When it has nothing: whoever wants to add something comes by [`Context::owning`].
    pub(crate) fn own(&mut self) -> &mut Common {
        self.vitals.private.own()
    }

    /// Ends the process in order.
    pub(crate) fn die(&mut self, reason: String) {
        let cause = Cause::Died { process: self.vitals.address.name().to_owned(), reason };
        self.scope.condemn(self.vitals, Arc::new(cause));
    }
}

impl<'t> RawContext<'t> {
    /// The context again: its maker knows the type.
    #[inline(always)]
    pub(crate) fn typed<P: Process>(self) -> Context<'t, P> {
        Context { vitals: self.vitals, scope: self.scope, pulled: self.pulled, of: PhantomData }
    }
}

impl<P: Process> Context<'_, P> {
    /// The same without the type.
    #[inline(always)]
    pub(crate) fn raw(&mut self) -> RawContext<'_> {
        RawContext { vitals: self.vitals, scope: self.scope, pulled: self.pulled }
    }

    /// The same, of a process that has something: made if need be.
    pub(crate) fn owning(&mut self) -> RawContext<'_> {
        self.belongings();
        self.raw()
    }
}

/// The process, and its context, with their type again.
///
/// # Panics
/// When it is of another type.
#[inline(always)]
pub(crate) fn typed<'a, P: Process>(process: &'a mut dyn Any, cx: RawContext<'a>) -> (&'a mut P, Context<'a, P>) {
    (process.downcast_mut().unwrap_or_else(|| wrong_type()), cx.typed())
}

#[cold]
fn wrong_type() -> ! {
    panic!("a process keeps its type")
}

/// A callback at a timer.
pub(crate) type Ring = Box<dyn FnMut(&mut dyn Any, RawContext<'_>) -> Result + Send + Sync>;

/// What an event calls. It is shared with who calls it, for it may take itself away.
pub(crate) type Hear = Arc<dyn Fn(&mut dyn Any, &Event, RawContext<'_>) -> Result + Send + Sync>;

/// What a signal calls.
pub(crate) type Heed = Arc<dyn Fn(&mut dyn Any, Signal, RawContext<'_>) -> Result + Send + Sync>;

/// What only a few processes need, whatever their type.
#[derive(Default)]
pub(crate) struct Common {
    pub(crate) next_timer: u32,
    pub(crate) timers: Vec<Timer>,
    pub(crate) random: Option<Xoshiro256PlusPlus>,
    /// Mail that came by a route and waits for the mailman.
    pub(crate) routed: Vec<(usize, Mail)>,
    /// Events that have a callback.
    pub(crate) heard: Vec<(Subject, Hear)>,
    pub(crate) signals: Signals,
    /// Questions it has read and not answered.
    pub(crate) owed: Debts,
    /// Its child threads, and what it shares with them: its locks among others.
    pub(crate) children: Vec<Child>,
    pub(crate) family: Option<Arc<Family>>,
    /// What it wants to know of USB devices, which this floor does not know.
    #[cfg(feature = "usb")]
    pub(crate) usb: Option<Arc<dyn Any + Send + Sync>>,
}

impl Common {
    /// The number of its next timer.
    pub(crate) fn number_timer(&mut self) -> TimerId {
        self.next_timer += 1;
        TimerId(self.next_timer - 1)
    }
}

/// The signals that a process has bound.
#[derive(Default)]
pub(crate) struct Signals {
    pub(crate) bound: Vec<(Signal, Heed)>,
    pub(crate) backup: Option<Vec<(Signal, Heed)>>,
}

/// What a process owns, and its type forgotten.
pub(crate) trait Owned: Any + Send + Sync {
    fn common(&self) -> Option<&Common>;
    fn common_mut(&mut self) -> Option<&mut Common>;
    /// Made if need be.
    fn own(&mut self) -> &mut Common;
    /// The timers of the questions that it waits on.
    fn asks(&self) -> Vec<TimerId>;
    /// Drops all that depends on the type.
    fn clear(&mut self);
}
