//! Which frequency group is meant, and what may be set of one.
//!
//! A group is what ticks at one frequency on one head; a label tells two groups of one rate apart. Due at the same instant, the shortest
//! period goes first. Plain systems stand beside the lives of a group and are ordered with Bevy's own tools;
//! [`LifeOf::<P>`](crate::process::LifeOf) is the set of all lives of a type. Where you say nothing, lives come first, types in order of
//! adding.
//!
//! ```
//! use polycephaly::prelude::*;
//!
//! #[derive(Component, Default)]
//! struct Imu { rate: f64 }
//! impl Process for Imu {}
//! #[derive(Component, Default)]
//! struct Estimator { rate: f64 }
//! impl Process for Estimator {}
//! fn fuse(imu: Single<&Imu>, mut estimators: Query<&mut Estimator>) {
//!     estimators.iter_mut().for_each(|mut estimator| estimator.rate += 0.1 * (imu.rate - estimator.rate));
//! }
//!
//! let app = Application::new()
//!     .add_process(Imu { rate: 1.0 }, hz(200))
//!     .add_process(Estimator::default(), (hz(200), Name::new("estimator")))
//!     .add_systems(hz(200), fuse.after(LifeOf::<Imu>).before(LifeOf::<Estimator>))
//!     .group(hz(200), |g| g.overrun(Overrun::Burst { max: 3 }).phase(Duration::from_millis(1)));
//! let mut running = app.clock(Clock::simulated()).build().unwrap();
//! running.run_for(Duration::from_millis(7)); // ticks at 1 and 6 ms
//! assert_eq!(running.get::<Estimator>("estimator").unwrap().rate, 0.1 + 0.1 * 0.9);
//! ```

use crate::budget::Budget;
use crate::frequency::Frequency;
use crate::importance::Importance;
use crate::overrun::Overrun;
use crate::phase::Phase;
use bevy_ecs::component::Component;
use std::borrow::Cow;
use std::fmt;

/// Names a frequency group of a head: its frequency, and a label where two groups share a rate.
///
/// ```
/// use polycephaly::prelude::*;
/// let plain: GroupKey = hz(100).into();
/// let labelled: GroupKey = (hz(100), "logging").into();
/// assert_eq!(labelled.to_string(), "100 Hz logging");
/// assert_ne!(plain, labelled);
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct GroupKey {
    /// How often the group ticks.
    pub frequency: Frequency,
    /// Empty for the plain group of this frequency.
    pub label: Cow<'static, str>,
}

impl From<Frequency> for GroupKey {
    fn from(frequency: Frequency) -> Self {
        Self { frequency, label: Cow::Borrowed("") }
    }
}

impl<L: Into<Cow<'static, str>>> From<(Frequency, L)> for GroupKey {
    fn from((frequency, label): (Frequency, L)) -> Self {
        Self { frequency, label: label.into() }
    }
}

impl fmt::Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.frequency)?;
        if self.label.is_empty() { Ok(()) } else { write!(f, " {}", self.label) }
    }
}

/// In a process's bundle: the label of the group it joins, among those of its frequency. Inserting another one moves
/// the process, as inserting another [`Frequency`] does. Like that one, it is taken out of the World when that is done.
#[derive(Component, Clone, PartialEq, Eq, Hash, Debug)]
#[component(immutable)]
pub struct InGroup(pub Cow<'static, str>);

impl InGroup {
    /// The group with this label.
    pub fn new(label: impl Into<Cow<'static, str>>) -> Self {
        Self(label.into())
    }
}

/// In a process's bundle: the head it lives on; the main head, unless it has one. A process stays on its head for life.
///
/// ```
/// use polycephaly::prelude::*;
/// # #[derive(Component)] struct Motor;
/// # impl Process for Motor {}
/// Application::new().add_head(Head::new("control")).add_process(Motor, (hz(1000), OnHead::new("control")));
/// ```
#[derive(Component, Clone, PartialEq, Eq, Hash, Debug)]
#[component(immutable)]
pub struct OnHead(pub Cow<'static, str>);

impl OnHead {
    /// The head of this name, in any case.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self(name.into())
    }
}

/// Settings of a frequency group; what is not mentioned stays as it is.
///
/// ```
/// use polycephaly::prelude::*;
/// use std::time::Duration;
/// Application::new().group(hz(1000), |g| g.overrun(Overrun::Burst { max: 3 }).phase(Duration::from_micros(250)));
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[must_use]
pub struct GroupOptions {
    pub(crate) overrun: Option<Overrun>,
    pub(crate) phase: Option<Phase>,
    pub(crate) budget: Option<Budget>,
    pub(crate) importance: Option<Importance>,
}

impl GroupOptions {
    /// What becomes of ticks that are missed. [`Overrun::Skip`] unless set.
    pub fn overrun(mut self, policy: Overrun) -> Self {
        self.overrun = Some(policy);
        self
    }

    /// How long a tick may take. No limits unless set.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// When the group ticks beside others of its head: how long after the common epoch tick 0 is due (zero unless set; more
    /// than one period only delays the start), or [`Phase::Auto`].
    pub fn phase(mut self, phase: impl Into<Phase>) -> Self {
        self.phase = Some(phase.into());
        self
    }

    /// How much the group matters when its head is overloaded for long. Without any on a head, nothing is shed.
    pub fn importance(mut self, importance: Importance) -> Self {
        self.importance = Some(importance);
        self
    }
}

/// What can be paused and resumed: a process by name, a frequency group, or everything.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Target {
    /// The process of this name, in any case.
    Process(String),
    /// All processes and systems of a frequency group.
    Group(GroupKey),
    /// The whole application.
    Application,
}

impl From<&str> for Target {
    fn from(name: &str) -> Self {
        Self::Process(name.to_owned())
    }
}

impl<K: Into<GroupKey>> From<K> for Target {
    fn from(key: K) -> Self {
        Self::Group(key.into())
    }
}
