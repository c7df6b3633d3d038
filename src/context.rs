//! All that a process may do, and what it may know.
//!
//! A [`Context`] never borrows the World: that is what lets `&mut self` and `cx` live together in a hook. What changes
//! the World is noted and done when the tick's systems have run.

use crate::belongings::Extras;
use crate::cause::Cause;
use crate::clock::nanos;
use crate::erased::{self, AnyProcess, RawContext};
use crate::frequency::Frequency;
use crate::key::{GroupKey, GroupOptions, Target};
use crate::link::Call;
use crate::pace::PaceState;
use crate::post::{Address, Fate};
use crate::process::{Flags, Process, Vitals};
use crate::run_level::{IllegalMove, RunLevel};
use crate::scope::{self, Change, Scope};
use crate::timer::TimerId;
use bevy_ecs::change_detection::DetectChangesMut;
use bevy_ecs::entity::Entity;
use bevy_ecs::error::Result;
use bevy_ecs::world::World;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Lent to each hook of a process.
#[repr(C)]
pub struct Context<'t, P: Process> {
    pub(crate) vitals: &'t mut Vitals,
    pub(crate) scope: &'t Scope,
    /// Set when this very hook pulls the e-brake. A local of its caller: where a life is inlined and never pulls it, the
    /// look at it costs nothing.
    pub(crate) pulled: &'t Cell<bool>,
    pub(crate) of: PhantomData<fn(P)>,
}

impl<'t, P: Process> Context<'t, P> {
    #[inline(always)]
    pub(crate) fn new(vitals: &'t mut Vitals, scope: &'t Scope, pulled: &'t Cell<bool>) -> Self {
        Self { vitals, scope, pulled, of: PhantomData }
    }

    /// What few processes have, if this one has any of it.
    pub(crate) fn known(&self) -> Option<&Extras> {
        self.vitals.private.extras()
    }
}

impl<P: Process> std::fmt::Debug for Context<'_, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Context({:?} at {:?})", self.name(), self.now())
    }
}

/// A name that no process has.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no process {name:?}; {}", list(.known))]
pub struct UnknownProcess {
    /// The name asked for.
    pub name: String,
    /// Some that there are.
    pub known: Vec<String>,
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none is alive".into() } else { format!("there are {}", names.join(", ")) }
}

/// How many names an [`UnknownProcess`] lists.
const LISTED: usize = 8;

impl UnknownProcess {
    pub(crate) fn new(scope: &crate::control::Control, name: &str) -> Self {
        let known = scope.post.addresses().iter().take(LISTED).map(|address| address.name().to_owned()).collect();
        Self { name: name.to_owned(), known }
    }
}

/// Who and where.
impl<P: Process> Context<'_, P> {
    /// The name of this process.
    #[must_use]
    pub fn name(&self) -> &str {
        self.vitals.address.name()
    }

    /// The name of the main process, if the application has one.
    #[must_use]
    pub fn main_name(&self) -> Option<Arc<str>> {
        self.scope.control.main_name()
    }

    /// The entity of this process.
    #[must_use]
    pub fn entity(&self) -> Entity {
        self.vitals.address.entity()
    }

    /// The address of this process.
    #[inline]
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.vitals.address
    }

    /// The level this process is at.
    #[must_use]
    pub fn run_level(&self) -> RunLevel {
        self.vitals.address.run_level()
    }

    /// Moves between [`RunLevel::Run`] and the user's own levels 3 to 5; [`RunLevel::Cleanup`] means
    /// [`die`](Self::die), [`RunLevel::Reboot`] to die and be born again. The other moves belong to the life cycle.
    ///
    /// # Errors
    /// [`IllegalMove`] for every other level: nothing has changed then.
    pub fn set_run_level(&mut self, level: RunLevel) -> Result<RunLevel, IllegalMove> {
        let to = self.run_level().move_to(level)?;
        if to == RunLevel::Cleanup {
            self.die("moved to run level CLEANUP");
        } else if to == RunLevel::Reboot {
            let cause = Cause::Stopped { by: self.name().to_owned(), reason: "moved to run level REBOOT".into() };
            self.scope.leave(self.vitals, Fate::Restart, Arc::new(cause));
        } else if to.is_running() {
            self.vitals.address.set_run_level(to);
        } else {
            return Err(IllegalMove { from: self.run_level(), to });
        }
        Ok(to)
    }

    /// Whether this process goes on: `false` from the moment it is to die.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.vitals.flags.has(Flags::DYING)
    }

    /// Why this process dies; `None` while it lives.
    #[must_use]
    pub fn cause(&self) -> Option<Arc<Cause>> {
        self.vitals.address.0.cause()
    }
}

/// Time.
impl<P: Process> Context<'_, P> {
    /// When this tick started, counted from [`run`](crate::application::Application::run). Stamped once per tick: all lives of a tick
    /// see the same instant.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.scope.now())
    }

    /// When this tick was due. [`now`](Self::now) less this is its lateness.
    #[inline]
    #[must_use]
    pub fn due(&self) -> Duration {
        Duration::from_nanos(self.scope.beat.due())
    }

    /// Time since the last life of this process. In its first life: since its birth, or since the common epoch of all
    /// groups where that came later.
    ///
    /// ```
    /// # use polycephaly::prelude::*;
    /// #[derive(Component)]
    /// struct Wheel { angle: f64, speed: f64 }
    ///
    /// impl Process for Wheel {
    ///     fn life(&mut self, cx: &mut Context<Self>) -> Result {
    ///         self.angle += self.speed * cx.dt().as_secs_f64();
    ///         Ok(())
    ///     }
    /// }
    /// ```
    #[inline]
    #[must_use]
    pub fn dt(&self) -> Duration {
        let absent = self.vitals.flags.has(Flags::ABSENT.and(Flags::BACK));
        let last = if absent { self.vitals.address.0.since() } else { self.scope.lane(self.vitals).before };
        let last = last.max(self.scope.control.epoch.load(Relaxed));
        Duration::from_nanos(self.scope.now().saturating_sub(last))
    }

    /// How often this process lives.
    #[must_use]
    pub fn frequency(&self) -> Frequency {
        self.scope.frequency(self.vitals)
    }

    /// Changes how often this process lives, from the end of this tick on. Its next life is strictly later than now, at
    /// the next due instant of the new frequency.
    pub fn set_frequency(&mut self, frequency: Frequency) {
        let entity = self.entity();
        self.scope.defer(move |world| {
            if let Ok(mut process) = world.get_entity_mut(entity) {
                process.insert(frequency);
            }
        });
    }

    /// The number of this tick within the current whole second, from 1 to the frequency rounded up. Counted from the
    /// tick's number, so that dropped ticks show. Below 1 Hz it is 1. In births and deaths outside of a tick it is that of
    /// the last tick.
    #[must_use]
    pub fn frame(&self) -> u32 {
        self.frequency().frame(self.scope.beat.number())
    }

    /// The number of the frame that the clock is in, by its fraction of a second since the epoch: for whole frequencies
    /// without a phase it equals [`frame`](Self::frame) while no tick is late.
    #[must_use]
    pub fn time_frame(&self) -> u32 {
        let epoch = self.scope.control.epoch.load(Relaxed);
        self.frequency().frame_at(self.scope.now().saturating_sub(epoch))
    }

    /// How this head stands to the external reference that paces it, if one does.
    #[must_use]
    pub fn pace(&self) -> Option<PaceState> {
        self.scope.link.pace()
    }

    /// On the simulated clock: says that this life would have taken so long. The head is busy until then, so that
    /// lateness and overruns can be tested. Without effect on other clocks.
    pub fn consume(&mut self, time: Duration) {
        self.scope.beat.consume(nanos(time));
    }

    /// Reproducible randomness: a stream of this process's own, from the application's seed and the process's name.
    /// A small fast generator, not for secrets.
    ///
    /// ```
    /// # use polycephaly::prelude::*;
    /// # fn life<P: Process>(cx: &mut Context<P>) {
    /// use polycephaly::rand::RngExt;
    /// let noise: f64 = cx.rng().random_range(-0.1..0.1);
    /// # }
    /// ```
    pub fn rng(&mut self) -> &mut Xoshiro256PlusPlus {
        let seed = self.scope.control.seed.load(Relaxed);
        let name = self.vitals.address.name();
        let random = &mut self.vitals.private.own_extras().random;
        random.get_or_insert_with(|| Xoshiro256PlusPlus::seed_from_u64(fnv1a(seed, name)))
    }
}

/// The 64-bit FNV-1a hash of a seed and a folded name: the same on every machine and in every version.
fn fnv1a(seed: u64, name: &str) -> u64 {
    let name = name.bytes().map(|byte| byte.to_ascii_lowercase());
    seed.to_le_bytes()
        .into_iter()
        .chain(name)
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// Ends.
impl<P: Process> Context<'_, P> {
    /// Ends this process in order: this life goes on to its end, then `death` runs. The first reason holds.
    ///
    /// ```
    /// # use polycephaly::prelude::*;
    /// # fn life<P: Process>(cx: &mut Context<P>) {
    /// cx.die("the battery is empty");
    /// # }
    /// ```
    pub fn die(&mut self, reason: impl Into<String>) {
        self.raw().die(reason.into());
    }

    /// Ends the whole application in order: this tick goes on to its end, then all processes die. The first reason
    /// holds.
    pub fn stop_application(&mut self, reason: impl Into<String>) {
        let cause = Cause::Stopped { by: self.name().to_owned(), reason: reason.into() };
        self.scope.tell_control(move |control| control.stop(cause));
    }

    /// Pulls the e-brake of the whole application: no other life begins, every process gets its
    /// [`safe_stop`](Process::safe_stop), then all die.
    pub fn ebrake(&mut self, reason: impl Into<String>) {
        self.pulled.set(true);
        self.scope.brake(self.vitals.address.name(), reason.into());
    }
}

/// Pause, and settings of groups.
impl<P: Process> Context<'_, P> {
    /// Pauses a process, a group of this head or everything, from the end of this tick until [`resume`](Self::resume). Paused ticks are
    /// counted as such. A process that pauses the group it is in must be resumed from outside.
    ///
    /// # Errors
    /// [`UnknownProcess`] when a process is meant that does not exist.
    ///
    /// ```
    /// # use polycephaly::prelude::*;
    /// # fn life<P: Process>(cx: &mut Context<P>) -> Result {
    /// cx.pause("camera")?;
    /// cx.pause(hz(10))?; // a group
    /// cx.resume("camera")?;
    /// # Ok(()) }
    /// ```
    pub fn pause(&mut self, target: impl Into<Target>) -> Result<(), UnknownProcess> {
        self.set_paused(target.into(), true)
    }

    /// Ends a pause: the next life is at the next due instant.
    ///
    /// # Errors
    /// [`UnknownProcess`] when a process is meant that does not exist.
    pub fn resume(&mut self, target: impl Into<Target>) -> Result<(), UnknownProcess> {
        self.set_paused(target.into(), false)
    }

    fn set_paused(&mut self, target: Target, paused: bool) -> Result<(), UnknownProcess> {
        match target {
            Target::Process(name) => {
                let Some(address) = self.scope.control.post.get(&name) else {
                    return Err(UnknownProcess::new(&self.scope.control, &name));
                };
                self.scope.reach(&address.clone(), move |world| set_paused(world, address.entity(), paused));
            }
            Target::Group(key) => self.scope.change(Change::Pause { key, paused }),
            Target::Application => self.scope.tell_control(move |control| control.paused.store(paused, Relaxed)),
        }
        Ok(())
    }

    /// Changes the settings of a frequency group of this head, from the end of this tick on. What is not mentioned stays.
    pub fn group(&mut self, key: impl Into<GroupKey>, set: impl FnOnce(GroupOptions) -> GroupOptions) {
        self.scope.change(Change::Options { key: key.into(), options: set(GroupOptions::default()) });
    }
}

/// Timers.
impl<P: Process> Context<'_, P> {
    /// Calls back once, in the first tick of this process's group that starts at or after `delay` from now, after its
    /// life.
    ///
    /// ```
    /// # use polycephaly::prelude::*;
    /// # fn life<P: Process>(cx: &mut Context<P>) {
    /// cx.after(Duration::from_secs(5), |_, cx| Ok(cx.die("slept enough")));
    /// # }
    /// ```
    pub fn after<F>(&mut self, delay: Duration, call: F) -> TimerId
    where
        F: FnOnce(&mut P, &mut Context<'_, P>) -> Result + Send + Sync + 'static,
    {
        let mut call = Some(call);
        let once = move |process: &mut P, cx: &mut Context<'_, P>| call.take().map_or(Ok(()), |call| call(process, cx));
        self.add_timer(nanos(delay), None, once)
    }

    /// Calls back every `period`, first after one period, at most once a tick: instants that pass between two ticks
    /// make one call, and the rhythm keeps its phase. A period of zero means every tick.
    ///
    /// ```
    /// # use polycephaly::prelude::*;
    /// # fn life<P: Process>(cx: &mut Context<P>) {
    /// let timer = cx.every(Duration::from_secs(60), |_, cx| Ok(println!("{} lives", cx.name())));
    /// cx.cancel(timer);
    /// # }
    /// ```
    pub fn every<F>(&mut self, period: Duration, call: F) -> TimerId
    where
        F: FnMut(&mut P, &mut Context<'_, P>) -> Result + Send + Sync + 'static,
    {
        let period = nanos(period).max(1);
        self.add_timer(period, Some(period), call)
    }

    /// Takes a timer away. `false` when it has already made its last call, or was cancelled before.
    pub fn cancel(&mut self, timer: TimerId) -> bool {
        self.raw().cancel(timer)
    }

    fn add_timer<F>(&mut self, delay: u64, period: Option<u64>, mut call: F) -> TimerId
    where
        F: FnMut(&mut P, &mut Context<'_, P>) -> Result + Send + Sync + 'static,
    {
        let ring = move |process: &mut AnyProcess<'_>, cx: &mut RawContext<'_>| {
            let (process, cx) = erased::typed(process, cx);
            call(process, cx)
        };
        self.raw().add_timer(delay, period, Box::new(ring))
    }
}

impl Scope {
    /// Does this to the World that `address` lives in: at the end of this tick when it is this one.
    pub(crate) fn reach(&self, address: &Address, call: impl FnOnce(&mut World) + Send + 'static) {
        if Arc::ptr_eq(&address.0.link, &self.link) {
            self.defer(call);
        } else {
            let link = address.0.link.clone();
            self.tell_control(move |_| link.call(call));
        }
    }

    pub(crate) fn take_deferred(&self) -> Vec<Call> {
        std::mem::take(&mut *self.deferred.borrow_mut())
    }
}

/// Pauses or resumes one process of this World.
pub(crate) fn set_paused(world: &mut World, entity: Entity, paused: bool) {
    with_vitals(world, entity, |vitals, scope| {
        if paused {
            scope.flag(vitals, Flags::PAUSED);
        } else if vitals.flags.has(Flags::PAUSED) {
            vitals.flags.clear(Flags::PAUSED);
            scope.flag(vitals, Flags::FRESH);
            scope.joined.borrow_mut().insert(vitals.address.entity(), scope.now());
        }
    });
}

/// Lends what is kept beside a process of this World, if it is there.
pub(crate) fn with_vitals(world: &mut World, entity: Entity, f: impl FnOnce(&mut Vitals, &Scope)) {
    scope::with(world, entity, |mut process, scope| {
        let Some(mut vitals) = process.get_mut::<Vitals>() else { return };
        f(vitals.bypass_change_detection(), scope);
    });
}
