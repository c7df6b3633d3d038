//! What follows when a process fails, apart for errors and for panics: as pure values and arithmetic.
//!
//! Log, die, e-brake, or be born again with growing pauses, so often within a time and no more; then a `fallback` may take over.
//! [`Budget`](crate::budget::Budget) does the same for lives that take too long. Processes that
//! [`Depends::on`](crate::lifecycle::Depends::on) others are born after them and die before them;
//! [`Autostart(false)`](crate::lifecycle::Autostart) waits for `cx.start("parking")`; `cx.stop` keeps the state, `cx.restart` renews it. What
//! hangs is named by a [`watchdog`](crate::watchdog).
//!
//! ```
//! use polycephaly::prelude::*;
//!
//! #[derive(Component, Clone)]
//! struct Driver { port: u8 }
//!
//! impl Process for Driver {
//!     fn life(&mut self, _: &mut Context<Self>) -> Result {
//!         Err("no answer from the motor")?
//!     }
//! }
//!
//! #[derive(Component)]
//! struct Parking;
//! impl Process for Parking {}
//!
//! let backoff = Backoff { first: Duration::from_millis(100), factor: 2.0, ..Backoff::default() };
//! let restart = Restart::new().backoff(backoff).at_most(3, Duration::from_secs(10));
//! let exit = Application::new()
//!     .clock(Clock::simulated())
//!     .add_process(
//!         Driver { port: 7 },
//!         (Name::new("driver"), Supervision::both(restart).fallback("parking"), Renewal::<Driver>::first_state()),
//!     )
//!     .add_process(Parking, (Name::new("parking"), Autostart(false)))
//!     .run_for(Duration::from_secs(5));
//! let driver = exit.report().process("driver").unwrap();
//! assert_eq!((driver.restarts, driver.errors), (3, 4));
//! assert!(exit.report().process("parking").unwrap().lives > 100);
//! ```

use bevy_ecs::component::Component;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::nanos;

/// What follows when a process fails: put it into the process's bundle.
///
/// Without one, errors are logged and the process lives on, and a panic is its death, for a state that was left half
/// changed is not to be trusted.
///
/// ```
/// use polycephaly::prelude::*;
/// use std::time::Duration;
///
/// // A driver: born again after 50 ms, 100 ms, 200 ms …, and at the sixth failure within a minute, `parking` takes over.
/// let backoff = Backoff { first: Duration::from_millis(50), ..Backoff::default() };
/// let driver = Supervision::both(Restart::new().backoff(backoff).at_most(5, Duration::from_secs(60))).fallback("parking");
/// // A planner: an error is an error, but a panic stops the robot.
/// let planner = Supervision::new().on_panic(Response::Ebrake);
/// ```
#[derive(Component, Clone, PartialEq, Debug)]
#[component(immutable)]
pub struct Supervision {
    pub(crate) errors: Response,
    pub(crate) panics: Response,
    pub(crate) fallback: Option<Cow<'static, str>>,
}

/// What follows one failure.
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub enum Response {
    /// It is counted and logged, and the process lives on.
    Log,
    /// The process dies in order.
    Die,
    /// The e-brake is pulled for the whole application.
    Ebrake,
    /// The process dies and is born again.
    Restart(Restart),
}

/// How a process is born again after a failure: how soon, how often, with whom, and what follows when that does not help.
///
/// It keeps its name, its address and the mail in its box. Its state is as it was, unless its bundle has a
/// [`Renewal`](crate::renewal::Renewal); filters, timers and asks are gone, for `birth` sets them up again.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Restart {
    pub(crate) backoff: Backoff,
    pub(crate) limit: u32,
    pub(crate) window: Duration,
    pub(crate) dependents: bool,
    pub(crate) drops_mail: bool,
    pub(crate) ebrake: bool,
}

/// How long a process waits before it is born again: `first`, then `factor` times as long after each further failure, at
/// most `max`; `first` again once it has lived well for `reset_after`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Backoff {
    /// The wait after the first failure; zero for at once.
    pub first: Duration,
    /// From 1 to 1000.
    pub factor: f64,
    /// The longest wait.
    pub max: Duration,
    /// So long without a failure counts as healthy, counted from the last birth.
    pub reset_after: Duration,
}

/// A supervision that makes no sense.
#[derive(Clone, Copy, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SupervisionError {
    /// The factor of a backoff is out of range.
    #[error("the factor of a backoff is a number from 1 to 1000, not {0}")]
    Factor(f64),
    /// No failures are counted in a window of no length, so it would never give up.
    #[error("restarts are counted within a window of time, and this one is of length 0: give a longer one")]
    Window,
}

impl Default for Backoff {
    /// 100 ms, doubled up to 10 s; healthy after 30 s.
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            factor: 2.0,
            max: Duration::from_secs(10),
            reset_after: Duration::from_secs(30),
        }
    }
}

impl Backoff {
    /// No wait at all.
    #[must_use]
    pub fn none() -> Self {
        Self { first: Duration::ZERO, max: Duration::ZERO, ..Self::default() }
    }
}

impl Default for Restart {
    fn default() -> Self {
        Self::new()
    }
}

impl Restart {
    /// With the default [`Backoff`], at most 5 times in a minute, alone; then it dies.
    #[must_use]
    pub fn new() -> Self {
        let window = Duration::from_secs(60);
        Self { backoff: Backoff::default(), limit: 5, window, dependents: false, drops_mail: false, ebrake: false }
    }

    /// How long it waits each time.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// It is given up at the failure that would make more than `limit` restarts within `window`.
    #[must_use]
    pub fn at_most(mut self, limit: u32, window: Duration) -> Self {
        self.limit = limit;
        self.window = window;
        self
    }

    /// All that depend on it die before it and are born after it, too.
    #[must_use]
    pub fn with_dependents(mut self) -> Self {
        self.dependents = true;
        self
    }

    /// The mail in its box is lost: dead letters.
    #[must_use]
    pub fn without_mail(mut self) -> Self {
        self.drops_mail = true;
        self
    }

    /// When it is given up, the e-brake is pulled.
    #[must_use]
    pub fn then_ebrake(mut self) -> Self {
        self.ebrake = true;
        self
    }

    fn check(&self) -> Result<(), SupervisionError> {
        if !(1.0..=1000.0).contains(&self.backoff.factor) {
            return Err(SupervisionError::Factor(self.backoff.factor));
        }
        if self.window.is_zero() { Err(SupervisionError::Window) } else { Ok(()) }
    }
}

impl From<Restart> for Response {
    fn from(restart: Restart) -> Self {
        Self::Restart(restart)
    }
}

impl Default for Supervision {
    fn default() -> Self {
        Self::new()
    }
}

impl Supervision {
    /// Errors are logged, panics are the end: what holds without any.
    #[must_use]
    pub const fn new() -> Self {
        Self { errors: Response::Log, panics: Response::Die, fallback: None }
    }

    /// The same after an error as after a panic.
    #[must_use]
    pub fn both(response: impl Into<Response>) -> Self {
        let response = response.into();
        Self { errors: response, panics: response, fallback: None }
    }

    /// [`Restart::new`], after an error as after a panic.
    #[must_use]
    pub fn restart() -> Self {
        Self::both(Restart::new())
    }

    /// What follows an error.
    #[must_use]
    pub fn on_error(mut self, response: impl Into<Response>) -> Self {
        self.errors = response.into();
        self
    }

    /// What follows a panic.
    #[must_use]
    pub fn on_panic(mut self, response: impl Into<Response>) -> Self {
        self.panics = response.into();
        self
    }

    /// The process that is started when this one is given up: after a failure that it dies of, by [`Response::Die`] or
    /// because restarting did not help. It is best added with [`Autostart(false)`](crate::lifecycle::Autostart).
    #[must_use]
    pub fn fallback(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.fallback = Some(name.into());
        self
    }

    pub(crate) fn check(&self) -> Result<(), SupervisionError> {
        for response in [&self.errors, &self.panics] {
            if let Response::Restart(restart) = response {
                restart.check()?;
            }
        }
        Ok(())
    }
}

/// The restarts of one process so far.
#[derive(Debug, Default)]
pub(crate) struct Restarts {
    /// When it failed and was to be born again, within the window.
    recent: VecDeque<u64>,
    /// What the last wait was.
    last_wait: Option<u64>,
}

impl Restarts {
    /// How long to wait after a failure at `now` of a process that was last born at `born`; `None` when it is given up.
    pub(crate) fn after_failure(&mut self, restart: &Restart, born: u64, now: u64) -> Option<u64> {
        let Restart { backoff, limit, window, .. } = restart;
        while self.recent.front().is_some_and(|&then| now - then >= nanos(*window)) {
            self.recent.pop_front();
        }
        if self.recent.len() >= *limit as usize {
            return None;
        }
        self.recent.push_back(now);
        let healthy = now.saturating_sub(born) >= nanos(backoff.reset_after);
        let wait = match self.last_wait {
            Some(last) if !healthy => (last as f64 * backoff.factor) as u64,
            _ => nanos(backoff.first),
        };
        let wait = wait.min(nanos(backoff.max));
        self.last_wait = Some(wait);
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn waits_grow_to_their_cap_and_start_anew_after_health() {
        let backoff = Backoff {
            first: Duration::from_secs(1),
            factor: 3.0,
            max: Duration::from_secs(5),
            reset_after: Duration::from_secs(10),
        };
        let restart = Restart::new().backoff(backoff).at_most(100, Duration::from_secs(1000));
        let mut restarts = Restarts::default();
        let mut fail = |born: u64, now: u64| restarts.after_failure(&restart, born * SECOND, now * SECOND);
        assert_eq!(fail(0, 20), Some(SECOND), "the first of all");
        assert_eq!(fail(21, 22), Some(3 * SECOND));
        assert_eq!(fail(25, 26), Some(5 * SECOND), "capped");
        assert_eq!(fail(31, 40), Some(5 * SECOND), "9 s are not yet healthy");
        assert_eq!(fail(45, 55), Some(SECOND), "10 s are");
    }

    #[test]
    fn it_is_given_up_at_the_failure_over_the_limit_within_the_window() {
        let restart = Restart::new().backoff(Backoff::none()).at_most(2, Duration::from_secs(10));
        let mut restarts = Restarts::default();
        let mut fail = |now: u64| restarts.after_failure(&restart, 0, now * SECOND).is_some();
        assert_eq!([fail(0), fail(9), fail(9)], [true, true, false]);
        assert!(fail(10), "the one at 0 has left the window");
        assert!(!fail(18));
        assert!(fail(19));
        let never = Restart::new().at_most(0, Duration::from_secs(1));
        assert_eq!(Restarts::default().after_failure(&never, 0, 0), None);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for factor in [0.5, f64::NAN, f64::INFINITY, -1.0, 1000.1] {
            let restart = Restart::new().backoff(Backoff { factor, ..Backoff::default() });
            assert!(matches!(Supervision::both(restart).check(), Err(SupervisionError::Factor(_))));
        }
        let windowless = Restart::new().at_most(3, Duration::ZERO);
        let error = Supervision::new().on_panic(windowless).check().unwrap_err();
        assert!(error.to_string().contains("give a longer one"));
        assert!(Supervision::restart().check().is_ok());
    }
}
