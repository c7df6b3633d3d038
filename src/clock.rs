//! Real, scaled and simulated time.
//!
//! A [`Clock`] is chosen once, for the whole application. All instants inside the application are nanoseconds since the run began, in
//! `u64`: 584 years. The real clock sleeps until absolute instants; a scaled one runs ten times as fast, or a tenth. Simulated time jumps
//! from one due instant to the next; with the same [`seed`](crate::application::Application::seed),
//! [`rng`](crate::context::Context::rng) gives the same numbers again.
//!
//! Tests use that: [`build`](crate::application::Application::build) gives a [`Running`](crate::running::Running) to step, to run for some
//! time and to look into. [`consume`](crate::context::Context::consume) says how long a life would have taken. The
//! [`report`](crate::report) counts every tick, and times lateness and work; it prints as a table, or as JSON.
//!
//! ```
//! use polycephaly::prelude::*;
//!
//! #[derive(Component, Default)]
//! struct Camera { pictures: u32 }
//!
//! impl Process for Camera {
//!     fn life(&mut self, cx: &mut Context<Self>) -> Result {
//!         self.pictures += 1;
//!         if self.pictures == 50 {
//!             cx.consume(Duration::from_millis(35)); // three ticks come due meanwhile
//!         }
//!         Ok(())
//!     }
//! }
//!
//! let app = Application::new().clock(Clock::simulated()).add_process(Camera::default(), (hz(100), Name::new("camera")));
//! let mut running = app.build().unwrap();
//! running.run_for(Duration::from_secs(1));
//! assert_eq!(running.get::<Camera>("camera").unwrap().pictures, 98);
//! let exit = running.finish();
//! let group = exit.report().group("100 Hz").unwrap();
//! assert_eq!((group.ticks, group.dropped, group.overruns), (98, 2, 1)); // of the three, one ran late
//! assert_eq!(group.lateness.max, Duration::from_millis(25));
//! ```

use crate::bell::{Bell, Woken, monotonic};
use crate::suspension;
use parking_lot::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Millionths: the unit in which a speed is kept, so that scaled time is exact integer arithmetic.
const UNITY: u64 = 1_000_000;

/// What drives the application's time.
///
/// ```
/// use polycephaly::clock::Clock;
/// let robot = Clock::real();
/// let slow_motion = Clock::scaled(0.1)?;
/// let test = Clock::simulated();
/// # Ok::<(), polycephaly::clock::SpeedError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Clock(Kind);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Kind {
    #[default]
    Real,
    Scaled(u64),
    Simulated,
}

/// A speed that no clock can run at.
#[derive(Clone, Copy, PartialEq, Debug, thiserror::Error)]
#[error("a clock can't run at {given} times real time: the speed must be from 0.000001 to 1000000")]
pub struct SpeedError {
    /// The speed asked for.
    pub given: f64,
}

impl Clock {
    /// The system's monotonic clock. Heads sleep until absolute instants, so no error accumulates.
    #[must_use]
    pub const fn real() -> Self {
        Self(Kind::Real)
    }

    /// The system's monotonic clock, `speed` times as fast: 10.0 for a quick look, 0.1 for slow motion.
    /// Can be changed while running by [`ApplicationHandle::set_speed`](crate::handle::ApplicationHandle::set_speed).
    ///
    /// # Errors
    /// [`SpeedError`] unless `speed` is from 0.000001 to 1000000.
    pub fn scaled(speed: f64) -> Result<Self, SpeedError> {
        millionths(speed).map(|speed| Self(Kind::Scaled(speed)))
    }

    /// Time jumps from one due instant to the next. What takes no [`consume`](crate::context::Context::consume)d
    /// time takes none; the same inputs and seed give the same bits.
    #[must_use]
    pub const fn simulated() -> Self {
        Self(Kind::Simulated)
    }

    /// Whether this is the simulated clock.
    #[must_use]
    pub const fn is_simulated(self) -> bool {
        matches!(self.0, Kind::Simulated)
    }
}

fn millionths(speed: f64) -> Result<u64, SpeedError> {
    let scaled = (speed * UNITY as f64).round();
    if (1.0..=(UNITY * UNITY) as f64).contains(&scaled) { Ok(scaled as u64) } else { Err(SpeedError { given: speed }) }
}

/// The application's time line: the one place that turns a [`Clock`] into instants.
#[derive(Debug)]
pub(crate) struct Timeline {
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// Application time is monotonic time less this origin.
    Real {
        origin: AtomicU64,
    },
    Scaled(RwLock<Pace>),
    Simulated {
        now: AtomicU64,
    },
}

/// From the pair (`real`, `app`) on, application time passes at `speed` millionths of real time.
#[derive(Clone, Copy, Debug)]
struct Pace {
    real: u64,
    app: u64,
    speed: u64,
}

impl Pace {
    fn app_at(self, real: u64) -> u64 {
        let passed = u128::from(real.saturating_sub(self.real)) * u128::from(self.speed) / u128::from(UNITY);
        self.app.saturating_add(passed.min(u128::from(u64::MAX)) as u64)
    }

    /// The first real instant at which the application's time is at least `app`.
    fn real_at(self, app: u64) -> u64 {
        let ahead = u128::from(app.saturating_sub(self.app)) * u128::from(UNITY);
        let real = ahead.div_ceil(u128::from(self.speed)).min(u128::from(u64::MAX)) as u64;
        self.real.saturating_add(real)
    }
}

impl Timeline {
    pub(crate) fn new(clock: Clock) -> Self {
        let real = monotonic();
        let source = match clock.0 {
            Kind::Real => Source::Real { origin: AtomicU64::new(real) },
            Kind::Scaled(speed) => Source::Scaled(RwLock::new(Pace { real, app: 0, speed })),
            Kind::Simulated => Source::Simulated { now: AtomicU64::new(0) },
        };
        Self { source }
    }

    /// Application time in nanoseconds.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        match &self.source {
            Source::Real { origin } => monotonic().saturating_sub(origin.load(Ordering::Relaxed)),
            Source::Scaled(pace) => pace.read().app_at(monotonic()),
            Source::Simulated { now } => now.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn is_simulated(&self) -> bool {
        matches!(self.source, Source::Simulated { .. })
    }

    /// Jumps simulated time forward; other clocks go by themselves.
    pub(crate) fn jump_to(&self, instant: u64) {
        if let Source::Simulated { now } = &self.source {
            now.fetch_max(instant, Ordering::Relaxed);
        }
    }

    /// Sleeps until application time `deadline`, or until the bell rings. Simulated time never sleeps: its driver jumps.
    pub(crate) fn sleep_until(&self, deadline: Option<u64>, bell: &Bell) -> Woken {
        self.sleep_and_spin(deadline, 0, bell)
    }

    /// The same, without sleeping for the last `spin` nanoseconds of real time.
    pub(crate) fn sleep_and_spin(&self, deadline: Option<u64>, spin: u64, bell: &Bell) -> Woken {
        if self.is_simulated() {
            return Woken::Deadline;
        }
        let real = deadline.and_then(|at| self.real_at(at)).filter(|&at| at != u64::MAX);
        match (bell.wait_until(real.map(|at| at.saturating_sub(spin))), real) {
            (Woken::Deadline, Some(at)) if spin > 0 => bell.spin_until(at),
            (woken, _) => woken,
        }
    }

    /// Monotonic time at an instant of application time; `None` for simulated ones.
    fn real_at(&self, instant: u64) -> Option<u64> {
        match &self.source {
            Source::Real { origin } => Some(instant.saturating_add(origin.load(Ordering::Relaxed))),
            Source::Scaled(pace) => Some(pace.read().real_at(instant)),
            Source::Simulated { .. } => None,
        }
    }

    /// Whether the OS process was stopped and has gone on at or after an instant of application time: what should have been
    /// done at that instant and is not done by now is nobody's fault. May wait a moment.
    #[cold]
    pub(crate) fn stopped_since(&self, instant: u64) -> bool {
        self.real_at(instant).is_some_and(|instant| suspension::since(instant, monotonic()))
    }

    /// Changes the speed of a scaled clock from this instant on. `Ok(false)` on any other clock.
    /// Sleepers must be rung: their deadlines have moved.
    pub(crate) fn set_speed(&self, speed: f64) -> Result<bool, SpeedError> {
        let speed = millionths(speed)?;
        let Source::Scaled(pace) = &self.source else { return Ok(false) };
        let mut pace = pace.write();
        let real = monotonic();
        *pace = Pace { real, app: pace.app_at(real), speed };
        Ok(true)
    }
}

/// Whole nanoseconds of a duration, at most `u64::MAX` (584 years).
#[inline]
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_out_of_range_are_errors() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-7, 1.1e6] {
            let error = Clock::scaled(bad).unwrap_err();
            assert!(error.to_string().contains("from 0.000001 to 1000000"), "{error}");
        }
        assert!(Clock::scaled(1e-6).is_ok());
        assert!(Clock::scaled(1e6).is_ok());
    }

    #[test]
    fn scaled_time_goes_there_and_back() {
        for speed in [1, 100_000, 333_333, UNITY, 10 * UNITY] {
            let pace = Pace { real: 1_000, app: 77, speed };
            for app in [77, 78, 1_000, 123_456_789, 31_536_000_000_000_000] {
                let real = pace.real_at(app);
                // At a millionth of real time, a year is more real time than there is: never.
                assert!(pace.app_at(real) >= app || real == u64::MAX);
                assert!(real == pace.real || pace.app_at(real - 1) < app, "woken too late at speed {speed}");
            }
        }
    }

    #[test]
    fn a_change_of_speed_does_not_jump() {
        let line = Timeline::new(Clock::scaled(1000.0).unwrap());
        let before = line.now();
        assert!(line.set_speed(0.000_001).unwrap());
        let after = line.now();
        assert!(after >= before);
        assert!(line.now() - after < 1_000_000, "nearly standing still");
        assert!(line.set_speed(0.0).is_err());
    }

    #[test]
    #[cfg(not(loom_model))] // A bell of a model rings in it alone.
    fn spinning_ends_at_the_deadline_and_not_before() {
        for clock in [Clock::real(), Clock::scaled(3.0).unwrap()] {
            let (line, bell) = (Timeline::new(clock), Bell::default());
            for spin in [0, 1_000, 1_000_000_000] {
                let deadline = line.now() + 3_000_000;
                assert_eq!(line.sleep_and_spin(Some(deadline), spin, &bell), Woken::Deadline);
                assert!(line.now() >= deadline, "{clock:?}, {spin} ns");
                bell.ring();
                assert_eq!(line.sleep_and_spin(Some(u64::MAX / 2), spin, &bell), Woken::Rung);
            }
        }
    }

    #[test]
    fn simulated_time_only_jumps_forward() {
        let line = Timeline::new(Clock::simulated());
        assert_eq!(line.now(), 0);
        line.jump_to(500);
        line.jump_to(400);
        assert_eq!(line.now(), 500);
    }
}
