//! The trait that makes a component a process, and what the library keeps beside each one.

use crate::ask::{Ask, Debts};
use crate::context::Context;
use crate::event::Event;
use crate::filter::Filters;
use crate::mail::Mail;
use crate::mailing::Handler;
use crate::party::Party;
use crate::post::Address;
use crate::signal::Signal;
use crate::subject::Subject;
use crate::thread::{Child, ChildThread, Family};
use crate::timer::Timer;
use bevy_ecs::component::{Component, Mutable};
use bevy_ecs::error::Result;
use bevy_ecs::schedule::SystemSet;
use rand::rngs::Xoshiro256PlusPlus;
use std::any::TypeId;
use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

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
        write!(f, "LifeOf<{}>", short_name::<P>())
    }
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
    let full = std::any::type_name::<T>();
    let end = full.find('<').unwrap_or(full.len());
    let start = full[..end].rfind("::").map_or(0, |colons| colons + 2);
    &full[start..end]
}

/// What is kept beside each process. No tick touches it but those of processes with a flag: lives are counted per lane.
#[derive(Component)]
pub(crate) struct Vitals {
    pub(crate) address: Address,
    /// The number of its address, in every mail it sends: here to spare a look at the address.
    pub(crate) party: Party,
    /// Lives so far, less the runs of its lane: wraps, so that it may be negative. Of one that is over, its lives.
    pub(crate) lives_offset: u64,
    /// While absent or just back: instant of the last life; of birth, before the first.
    pub(crate) since: u64,
    /// Index of its group and type on this head.
    pub(crate) lane: u32,
}

/// Why a process needs a second look before it may live. None set: live. The one byte of the library's own that a tick
/// reads of each process.
#[derive(Component, Clone, Copy, PartialEq, Eq, Default)]
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

    /// Whether none of eight has a flag: one comparison.
    #[inline(always)]
    pub(crate) fn are_clear(flags: &[Self; 8]) -> bool {
        u64::from_ne_bytes(flags.map(|flag| flag.0)) == 0
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
pub(crate) type Row<P> = (&'static mut P, &'static mut Flags, &'static mut Vitals, &'static mut Private<P>);

/// What only a few processes need; one word for those that don't.
#[derive(Component)]
pub(crate) struct Private<P: Process>(pub(crate) Option<Box<Belongings<P>>>);

/// What every mail looks at comes first: a filter, if it is the only one, in 64 bytes. (To have them aligned costs more than it
/// saves: the allocator then leaves holes between neighbours.)
#[repr(C)]
pub(crate) struct Belongings<P: Process> {
    pub(crate) filters: Filters<Handler<P>>,
    pub(crate) next_timer: u32,
    pub(crate) timers: Vec<Timer<P>>,
    pub(crate) random: Option<Xoshiro256PlusPlus>,
    /// Filters of routes other than the mailbox.
    pub(crate) routes: Vec<(Cow<'static, str>, Filters<Handler<P>>)>,
    /// Mail that came by a route and waits for the mailman.
    pub(crate) routed: Vec<(usize, Mail)>,
    /// Events that have a callback.
    pub(crate) heard: Vec<(Subject, Listener<P>)>,
    pub(crate) signals: Signals<P>,
    pub(crate) asks: Vec<Ask<P>>,
    /// Questions it has read and not answered.
    pub(crate) owed: Debts,
    /// Its child threads, and what it shares with them: its locks among others.
    pub(crate) children: Vec<Child>,
    pub(crate) family: Option<Arc<Family>>,
    /// What it wants to know of USB devices, which this floor does not know.
    #[cfg(feature = "usb")]
    pub(crate) usb: Option<Arc<dyn std::any::Any + Send + Sync>>,
}

/// What an event calls.
pub(crate) type Listener<P> = fn(&mut P, &Event, &mut Context<'_, P>) -> Result;

/// What a signal calls.
pub type SignalListener<P> = fn(&mut P, Signal, &mut Context<'_, P>) -> Result;

/// The signals that a process has bound.
pub(crate) struct Signals<P: Process> {
    pub(crate) bound: Vec<(Signal, SignalListener<P>)>,
    pub(crate) backup: Option<Vec<(Signal, SignalListener<P>)>>,
}

impl<P: Process> Default for Signals<P> {
    fn default() -> Self {
        Self { bound: Vec::new(), backup: None }
    }
}

impl<P: Process> Default for Belongings<P> {
    fn default() -> Self {
        Self {
            filters: Filters::default(),
            next_timer: 0,
            timers: Vec::new(),
            random: None,
            routes: Vec::new(),
            routed: Vec::new(),
            heard: Vec::new(),
            signals: Signals::default(),
            asks: Vec::new(),
            owed: Debts::default(),
            children: Vec::new(),
            family: None,
            #[cfg(feature = "usb")]
            usb: None,
        }
    }
}

impl<P: Process> Private<P> {
    /// Drops all that a birth sets up anew. Numbers go on, so that nothing old is taken for something new.
    pub(crate) fn clear(&mut self) {
        if let Some(belongings) = &mut self.0 {
            let Belongings { next_timer, random, .. } = std::mem::take(&mut **belongings);
            **belongings = Belongings { next_timer, random, ..Belongings::default() };
        }
    }

    pub(crate) fn belongings(&mut self) -> &mut Belongings<P> {
        self.0.get_or_insert_default()
    }
}

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
        assert_eq!(size_of::<Flags>(), 1);
        #[derive(Component)]
        struct Idle;
        impl Process for Idle {}
        assert_eq!(size_of::<Private<Idle>>(), 8);
    }

    #[test]
    fn the_only_filter_is_as_long_as_a_cache_line() {
        #[derive(Component)]
        struct Reader;
        impl Process for Reader {}
        // The list, which the only filter stands in, and the number of the next.
        assert_eq!(size_of::<Filters<Handler<Reader>>>(), 64 + 8);
        assert_eq!(std::mem::offset_of!(Belongings<Reader>, filters), 0);
    }
}
