//! The trait that makes a component a process, and what the library keeps beside each one.
//!
//! A process is a component that implements [`Process`]; the component is its state, so that any system can query it. Its hooks are all
//! optional: [`prepare`](Process::prepare), [`birth`](Process::birth), [`life`](Process::life), [`death`](Process::death), and
//! [`safe_stop`](Process::safe_stop) for "motors off" when somebody pulls the [e-brake](Context::ebrake). The components beside it in the
//! bundle are its settings: a [`Frequency`](crate::frequency::Frequency), a `Name`, a [`MailboxSize`](crate::mailbox::MailboxSize), a
//! [`Supervision`](crate::supervision::Supervision), a [`Budget`](crate::budget::Budget), and what [`lifecycle`](crate::lifecycle) and
//! [`key`](crate::key) have. Without a `Name` it is called after its type, the next ones `Hello-2`, `Hello-3`; case does not count.
//!
//! Errors and panics stay with the process that had them, or the plain system: the others of the group still run in that tick. Both are
//! counted, and logged. After an error the process lives on; a panic ends it, unless [`supervision`](crate::supervision) says otherwise. A
//! program built with `panic = "abort"` has no panics caught.

use crate::belongings::Private;
use crate::context::Context;
use crate::erased::Callback;
use crate::filter::Filters;
use crate::mail::Mail;
use crate::parallel::Parallel;
use crate::post::Address;
use crate::signal::Signal;
use crate::thread::ChildThread;
use bevy_ecs::component::{Component, Mutable};
use bevy_ecs::error::Result;
use bevy_ecs::query::QueryData;
use bevy_ecs::schedule::SystemSet;
use std::any::TypeId;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

/// A component that is born, lives so many times a second, and dies.
///
/// The component is the process's state. All four hooks may fail: what they return is counted, logged and shown in the
/// report; a panic is caught and ends this process alone.
///
/// ```
/// use polycephaly::prelude::*;
///
/// #[derive(Component)]
/// struct Odometer { ticks: u64 }
///
/// impl Process for Odometer {
///     fn life(&mut self, _: &mut Context<Self>) -> Result {
///         self.ticks += 1;
///         Ok(())
///     }
/// }
/// ```
pub trait Process: Component<Mutability = Mutable> + Sized {
    /// From how many processes of this type on their lives run on several threads: never, unless said. It changes when takes
    /// effect what a life asks for.
    const PARALLEL: Parallel = Parallel::NEVER;

    /// The part of the set-up that takes long and needs no context: opening a device, loading a map. It runs before each
    /// [`birth`](Self::birth), which is left out where this fails; beside that of others on threads of their own, for those
    /// with [`ParallelBirth`](crate::lifecycle::ParallelBirth) that are born when the application is built.
    ///
    /// # Errors
    /// Whatever the process deems one: its [`Supervision`](crate::supervision::Supervision) says what follows.
    fn prepare(&mut self) -> Result {
        Ok(())
    }

    /// The child threads that [`launch_threads`](crate::context::Context::launch_threads) starts.
    fn threads(&mut self) -> Vec<ChildThread> {
        Vec::new()
    }

    /// Set-up, once, before the first life, and again after each restart.
    ///
    /// # Errors
    /// Whatever the process deems one: its [`Supervision`](crate::supervision::Supervision) says what follows, here as in
    /// all hooks. Unless it says otherwise, the process lives on after an error and dies of a panic.
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        let _ = cx;
        Ok(())
    }

    /// The loop body, called at each tick of the process's frequency.
    ///
    /// # Errors
    /// Whatever the process deems one: see [`birth`](Self::birth).
    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        let _ = cx;
        Ok(())
    }

    /// Tear-down, exactly once, whatever ended the process. [`Context::cause`] tells what did.
    ///
    /// # Errors
    /// Whatever the process deems one: counted and logged; the process is dead all the same.
    fn death(&mut self, cx: &mut Context<Self>) -> Result {
        let _ = cx;
        Ok(())
    }

    /// Motors off: called once on every running process when the e-brake is pulled, before any [`death`](Self::death).
    ///
    /// # Errors
    /// Whatever the process deems one: counted and logged.
    fn safe_stop(&mut self, cx: &mut Context<Self>) -> Result {
        let _ = cx;
        Ok(())
    }
}

/// The system set in which all lives of `P` in a group run; order it with Bevy's own tools.
///
/// ```
/// use polycephaly::prelude::*;
/// # #[derive(Component)] struct Imu;
/// # impl Process for Imu {}
/// # #[derive(Component)] struct Control;
/// # impl Process for Control {}
/// fn fuse() {}
///
/// Application::new()
///     .configure_sets(hz(200), (LifeOf::<Imu>, LifeOf::<Control>).chain())
///     .add_systems(hz(200), fuse.after(LifeOf::<Imu>).before(LifeOf::<Control>));
/// ```
pub enum LifeOf<P> {
    /// The set itself: written `LifeOf::<P>`, as a value.
    LifeOf,
    #[doc(hidden)]
    Never(std::convert::Infallible, PhantomData<fn() -> P>),
}

// The glob brings the variant into the value namespace only: the enum above shadows it as a type.
#[doc(hidden)]
pub use self::LifeOf::*;

impl<P> Clone for LifeOf<P> {
    fn clone(&self) -> Self {
        Self::LifeOf
    }
}

impl<P> fmt::Debug for LifeOf<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_set(f, short_name::<P>())
    }
}

fn write_set(f: &mut fmt::Formatter<'_>, of: &str) -> fmt::Result {
    write!(f, "LifeOf<{of}>")
}

impl<P> PartialEq for LifeOf<P> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<P> Eq for LifeOf<P> {}

impl<P: 'static> Hash for LifeOf<P> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        TypeId::of::<P>().hash(state);
    }
}

impl<P: Process> SystemSet for LifeOf<P> {
    fn dyn_clone(&self) -> Box<dyn SystemSet> {
        Box::new(self.clone())
    }
}

/// The last part of a type's path, without its parameters: what an unnamed process is called.
pub(crate) fn short_name<T: ?Sized>() -> &'static str {
    shorten(std::any::type_name::<T>())
}

fn shorten(full: &str) -> &str {
    let end = full.find('<').unwrap_or(full.len());
    let start = full[..end].rfind("::").map_or(0, |colons| colons + 2);
    &full[start..end]
}

/// What is kept beside each process. No tick touches it but those of processes with a flag: lives are counted per lane.
#[derive(Component, Debug)]
pub(crate) struct Vitals {
    pub(crate) address: Address,
    /// Index of its group and type on this head.
    pub(crate) lane: u32,
    pub(crate) flags: Flags,
    /// Of its mailbox.
    pub(crate) filters: Filters<Callback<Mail>>,
    pub(crate) private: Private,
}

impl Vitals {
    /// Of one who is yet to be born.
    pub(crate) fn new(address: Address, lane: u32, since: u64) -> Self {
        let flags = Flags::OVER.and(Flags::ABSENT);
        let (filters, private) = (Filters::default(), Private::default());
        address.0.set_since(since);
        Self { address, lane, flags, filters, private }
    }
}

/// In a query of a plain system: which process an entity is. The [`Name`](bevy_ecs::name::Name) of its bundle is not in the
/// World any more when it is born: its address has it, for all threads.
///
/// ```
/// use polycephaly::prelude::*;
/// # #[derive(Component)] struct Motor { speed: f64 }
/// # impl Process for Motor {}
/// fn show(motors: Query<(&Motor, Identity)>) {
///     for (motor, identity) in &motors {
///         println!("{} turns at {}", identity.address().name(), motor.speed);
///     }
/// }
/// # Application::new().add_systems(hz(1), show);
/// ```
#[derive(QueryData, Debug)]
#[query_data(derive(Debug))]
pub struct Identity {
    vitals: &'static Vitals,
}

impl IdentityItem<'_, '_> {
    /// The address of the process: its name, its level, and where to write to it.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.vitals.address
    }
}

/// Why a process needs a second look before it may live. None set: live. Whoever sets one tells the lane, by
/// [`Scope::flag`](crate::scope::Scope::flag): no tick looks at the flags of a lane in which nobody has any.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Flags(u8);

impl Flags {
    /// Has joined its group while running: must wait for a tick that is due strictly later.
    pub(crate) const FRESH: Self = Self(1);
    /// Paused: its ticks are counted as such.
    pub(crate) const PAUSED: Self = Self(2);
    /// Has been told to die; lives no more.
    pub(crate) const DYING: Self = Self(4);
    /// Its death has run, or its birth has not: it has no part in anything.
    pub(crate) const OVER: Self = Self(8);
    /// Did not live when its lane last ran.
    pub(crate) const ABSENT: Self = Self(16);
    /// Lives again for the first time after an absence.
    pub(crate) const BACK: Self = Self(32);
    /// Has a budget: each of its lives is timed.
    pub(crate) const TIMED: Self = Self(64);

    #[inline(always)]
    pub(crate) const fn is_clear(self) -> bool {
        self.0 == 0
    }

    /// Whether any of these is set.
    pub(crate) const fn has(self, flags: Self) -> bool {
        self.0 & flags.0 != 0
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn set(&mut self, flag: Self) {
        self.0 |= flag.0;
    }

    pub(crate) const fn clear(&mut self, flag: Self) {
        self.0 &= !flag.0;
    }
}

/// All that a hook of a process gets to see, in the World.
pub(crate) type Row<P> = (&'static mut P, &'static mut Vitals);

/// What a signal calls.
pub type SignalListener<P> = fn(&mut P, Signal, &mut Context<'_, P>) -> Result;

#[cfg(test)]
mod tests {
    use super::*;

    struct Wheel<T>(PhantomData<T>);

    #[test]
    fn short_names_drop_path_and_parameters() {
        assert_eq!(short_name::<Wheel<Vec<u8>>>(), "Wheel");
        assert_eq!(short_name::<String>(), "String");
    }

    #[test]
    fn what_stands_beside_a_process_stays_small() {
        assert!(size_of::<Vitals>() <= 40, "{}", size_of::<Vitals>());
    }
}
