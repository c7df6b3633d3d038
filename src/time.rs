//! The tick that runs now, as the head writes it, and as plain systems read it.

use bevy_ecs::resource::Resource;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Time as plain systems see it: the present tick of the frequency group they are in.
///
/// ```
/// use polycephaly::prelude::*;
///
/// #[derive(Resource)]
/// struct Angle(f64);
///
/// fn swing(time: Res<Time>, mut angle: ResMut<Angle>) {
///     angle.0 += 0.5 * time.dt().as_secs_f64();
/// }
///
/// let mut running =
///     Application::new().clock(Clock::simulated()).insert_resource(Angle(0.0)).add_systems(hz(100), swing).build()?;
/// running.run_for(Duration::from_millis(1001));
/// assert!((running.world().resource::<Angle>().0 - 0.5).abs() < 1e-9);
/// # Ok::<(), polycephaly::application::BuildError>(())
/// ```
#[derive(Resource, Debug)]
pub struct Time(pub(crate) Arc<Beat>);

impl Time {
    /// When this tick started, counted from the start of the run.
    #[must_use]
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.0.now())
    }

    /// When this tick was due.
    #[must_use]
    pub fn due(&self) -> Duration {
        Duration::from_nanos(self.0.due())
    }

    /// Time since the last tick of this group started; in its first, since the common epoch of all groups.
    #[must_use]
    pub fn dt(&self) -> Duration {
        Duration::from_nanos(self.0.now().saturating_sub(self.0.previous()))
    }

    /// The number of this tick, counted from the group's tick 0 at the epoch: dropped ticks count.
    #[must_use]
    pub fn tick(&self) -> u64 {
        self.0.number()
    }
}

/// The tick that runs now. Written by the head, read by hooks; atomic only because it is shared with the World.
#[derive(Debug)]
pub(crate) struct Beat {
    /// When the tick started, in application time.
    now: AtomicU64,
    /// When it was due.
    due: AtomicU64,
    /// Its number since the epoch.
    number: AtomicU64,
    /// How much time its lives say they took.
    consumed: AtomicU64,
    /// When the tick of this group before that started; its epoch, before the first.
    previous: AtomicU64,
    /// The janitor has nothing to do before this.
    alarm: AtomicU64,
    /// Nobody is to be born again before this.
    cradle: AtomicU64,
    /// What Bevy keeps of removed components is swept away then.
    sweep: AtomicU64,
    /// Index of its group.
    group: AtomicU64,
    /// Deaths, births, timers or changes wait to be done.
    unsettled: AtomicBool,
}

macro_rules! words {
    ($($name:ident),*) => { $(
        #[inline(always)]
        pub(crate) fn $name(&self) -> u64 { self.$name.load(Relaxed) }
    )* };
}

impl Beat {
    words!(now, due, number, previous, alarm, cradle, sweep);

    #[inline]
    pub(crate) fn begin(&self, group: usize, number: u64, due: u64, now: u64, previous: u64) {
        self.now.store(now, Relaxed);
        self.due.store(due, Relaxed);
        self.number.store(number, Relaxed);
        self.previous.store(previous, Relaxed);
        self.group.store(group as u64, Relaxed);
    }

    /// Tells the same tick as another, to lives that run beside others.
    pub(crate) fn follow(&self, other: &Self) {
        self.begin(other.group() as usize, other.number(), other.due(), other.now(), other.previous());
    }

    /// Takes over what lives that ran beside others have consumed, and that they left something to be done.
    pub(crate) fn take_over(&self, other: &Self) {
        match other.take_consumed() {
            0 => {}
            consumed => self.consume(consumed),
        }
        if other.is_unsettled() {
            other.settle();
            self.unsettle();
        }
    }

    /// Sets the instant outside of ticks.
    pub(crate) fn set_now(&self, now: u64) {
        self.now.store(now, Relaxed);
    }

    pub(crate) fn set_alarm(&self, instant: u64) {
        self.alarm.store(instant, Relaxed);
    }

    pub(crate) fn set_cradle(&self, instant: u64) {
        self.cradle.store(instant, Relaxed);
    }

    pub(crate) fn set_sweep(&self, instant: u64) {
        self.sweep.store(instant, Relaxed);
    }

    #[inline]
    pub(crate) fn group(&self) -> u32 {
        self.group.load(Relaxed) as u32
    }

    pub(crate) fn consume(&self, nanos: u64) {
        self.consumed.fetch_add(nanos, Relaxed);
    }

    #[inline]
    pub(crate) fn take_consumed(&self) -> u64 {
        let consumed = self.consumed.load(Relaxed);
        if consumed != 0 {
            self.consumed.store(0, Relaxed);
        }
        consumed
    }

    /// What lives and births have consumed since it was last taken.
    pub(crate) fn consumed(&self) -> u64 {
        self.consumed.load(Relaxed)
    }

    pub(crate) fn unsettle(&self) {
        self.unsettled.store(true, Relaxed);
    }

    #[inline]
    pub(crate) fn is_unsettled(&self) -> bool {
        self.unsettled.load(Relaxed)
    }

    pub(crate) fn settle(&self) {
        self.unsettled.store(false, Relaxed);
    }
}

impl Default for Beat {
    fn default() -> Self {
        Self {
            now: AtomicU64::new(0),
            due: AtomicU64::new(0),
            number: AtomicU64::new(0),
            consumed: AtomicU64::new(0),
            previous: AtomicU64::new(0),
            alarm: AtomicU64::new(u64::MAX),
            cradle: AtomicU64::new(u64::MAX),
            sweep: AtomicU64::new(0),
            group: AtomicU64::new(0),
            unsettled: AtomicBool::new(false),
        }
    }
}
