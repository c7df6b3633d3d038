//! Topics: the latest value of a type, published by one process, readable by all on every head.
//!
//! ```
//! use polycephaly::prelude::*;
//!
//! struct Speed(f64);
//!
//! #[derive(Component)]
//! struct Stick;
//! impl Process for Stick {
//!     fn life(&mut self, cx: &mut Context<Self>) -> Result {
//!         if cx.now() < Duration::from_millis(200) {
//!             cx.publish(Speed(1.5)); // then the cable is pulled
//!         }
//!         Ok(())
//!     }
//! }
//!
//! #[derive(Component, Default)]
//! struct Motor { speed: f64 }
//! impl Process for Motor {
//!     fn life(&mut self, cx: &mut Context<Self>) -> Result {
//!         // No command for 50 ms: stop.
//!         self.speed = cx.latest_within::<Speed>(Duration::from_millis(50)).map_or(0.0, |speed| speed.0);
//!         Ok(())
//!     }
//! }
//!
//! let app = Application::new().clock(Clock::simulated()).add_process(Stick, hz(100));
//! let mut running = app.add_process(Motor::default(), (hz(100), Name::new("motor"))).build().unwrap();
//! running.run_for(Duration::from_millis(240));
//! assert_eq!(running.get::<Motor>("motor").unwrap().speed, 1.5);
//! running.run_for(Duration::from_millis(60));
//! assert_eq!(running.get::<Motor>("motor").unwrap().speed, 0.0);
//! ```
//!
//! One topic a type. A value stands behind an `Arc` that readers take by two atomic operations (`arc-swap`): a reader never
//! waits for a writer nor the other way round, and keeps what it holds however often the topic is published meanwhile. (A
//! sequence lock would save the writer its allocation, but needs `unsafe` and values without a `Drop`.)

use crate::clock::nanos;
use crate::post::Address;
use arc_swap::ArcSwapOption;
use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use std::any::{Any, TypeId, type_name};
use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The latest value of a topic. It stays as it is, however long it is held.
pub struct Latest<T>(Arc<Published<T>>);

struct Published<T> {
    value: T,
    /// Nanoseconds of the application's clock.
    time: u64,
    publisher: Address,
}

impl<T> Latest<T> {
    /// When it was published, by the application's clock.
    #[must_use]
    pub fn time(&self) -> Duration {
        Duration::from_nanos(self.0.time)
    }

    /// How old it is at `now` of the application's clock.
    #[must_use]
    pub fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.time())
    }

    /// Who published it.
    #[must_use]
    pub fn publisher(&self) -> &Address {
        &self.0.publisher
    }
}

impl<T> Deref for Latest<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T> Clone for Latest<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for Latest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} by {} at {:?}", **self, self.publisher().name(), self.time())
    }
}

/// A topic that was looked up once: reading and publishing through it looks up nothing. Cheap to clone.
pub struct Topic<T>(Arc<Cell<T>>);

struct Cell<T> {
    latest: ArcSwapOption<Published<T>>,
    /// The latest of an earlier instant: kept where `logical`.
    before: ArcSwapOption<Published<T>>,
    /// Whether what is published at an instant is seen only after it.
    logical: bool,
    /// Guards the count below, and keeps times in order between writers on several heads.
    writing: Mutex<()>,
    published: AtomicU64,
    takeovers: AtomicU64,
}

impl<T: Send + Sync + 'static> Topic<T> {
    fn new(logical: bool) -> Self {
        Self(Arc::new(Cell {
            latest: ArcSwapOption::const_empty(),
            before: ArcSwapOption::const_empty(),
            logical,
            writing: Mutex::new(()),
            published: AtomicU64::new(0),
            takeovers: AtomicU64::new(0),
        }))
    }

    /// Makes `value` the latest, unless another head has published a later one already. `time` is in nanoseconds of the
    /// application's clock. Under [`Delivery::NextTick`](crate::mail::Delivery::NextTick), of those published at one instant
    /// the one of the youngest publisher wins, in whatever order they come.
    pub(crate) fn publish(&self, value: T, time: u64, publisher: &Address) {
        let cell = &*self.0;
        let next = Arc::new(Published { value, time, publisher: publisher.clone() });
        let writing = cell.writing.lock();
        cell.published.fetch_add(1, Relaxed);
        let last = cell.latest.load_full();
        let other = last.as_ref().is_some_and(|last| !Arc::ptr_eq(&last.publisher.0, &publisher.0));
        if other {
            cell.takeovers.fetch_add(1, Relaxed);
        }
        let late = last.as_ref().is_some_and(|last| {
            last.time > time || cell.logical && last.time == time && last.publisher.0.birth > publisher.0.birth
        });
        // What nobody holds any more is dropped after unlocking.
        let (dropped, forgotten) = if late {
            (Some(next), None)
        } else {
            let passes = cell.logical && last.as_ref().is_some_and(|last| last.time < time);
            let forgotten = if passes { cell.before.swap(last.clone()) } else { None };
            (cell.latest.swap(Some(next)), forgotten)
        };
        drop(writing);
        drop((last, dropped, forgotten));
    }

    /// What a tick that started at `now` may see: the latest value, and under
    /// [`Delivery::NextTick`](crate::mail::Delivery::NextTick) the latest that was published before. (Beside a publisher of
    /// another head that has published twice since, the older of the two that are kept.)
    pub(crate) fn latest_at(&self, now: u64) -> Option<Latest<T>> {
        let latest = self.latest()?;
        if !self.0.logical || latest.0.time < now {
            return Some(latest);
        }
        self.0.before.load_full().map(Latest)
    }

    /// The latest value, if there is one.
    #[inline]
    #[must_use]
    pub fn latest(&self) -> Option<Latest<T>> {
        self.0.latest.load_full().map(Latest)
    }

    /// The latest value, if it is at most `age` old at `now` of the application's clock.
    #[must_use]
    pub fn latest_within(&self, age: Duration, now: Duration) -> Option<Latest<T>> {
        self.latest_at(nanos(now)).filter(|latest| latest.age(now) <= age)
    }
}

impl<T> Clone for Topic<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Topic<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Topic<{}>", type_name::<T>())
    }
}

/// What went through a topic so far.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TopicCount {
    /// The type.
    pub name: Cow<'static, str>,
    /// How often it was published.
    pub published: u64,
    /// How often by another process than the time before. More than one or two: two processes write to one topic.
    pub takeovers: u64,
    /// Who published last.
    pub publisher: Option<String>,
}

/// A topic of some type.
trait AnyTopic: Any + Send + Sync {
    fn count(&self) -> TopicCount;
}

impl<T: Send + Sync + 'static> AnyTopic for Topic<T> {
    fn count(&self) -> TopicCount {
        TopicCount {
            name: type_name::<T>().into(),
            published: self.0.published.load(Relaxed),
            takeovers: self.0.takeovers.load(Relaxed),
            publisher: self.latest().map(|latest| latest.publisher().name().to_owned()),
        }
    }
}

/// All topics of the application, by type.
#[derive(Default)]
pub(crate) struct Topics {
    all: RwLock<HashMap<TypeId, Box<dyn AnyTopic>>>,
    logical: AtomicBool,
}

impl Topics {
    /// The topic of `T`, which begins here if it is not there yet.
    pub(crate) fn topic<T: Send + Sync + 'static>(&self) -> Topic<T> {
        self.existing().unwrap_or_else(|| {
            let (mut topics, logical) = (self.all.write(), self.logical.load(Relaxed));
            let topic = topics.entry(TypeId::of::<T>()).or_insert_with(|| Box::new(Topic::<T>::new(logical)));
            Self::typed(&**topic)
        })
    }

    fn existing<T: Send + Sync + 'static>(&self) -> Option<Topic<T>> {
        self.all.read().get(&TypeId::of::<T>()).map(|topic| Self::typed(&**topic))
    }

    fn typed<T: Send + Sync + 'static>(topic: &dyn AnyTopic) -> Topic<T> {
        let topic: &dyn Any = topic;
        topic.downcast_ref::<Topic<T>>().expect("it was filed under its own type").clone()
    }

    /// The latest `T`, if one was published.
    pub(crate) fn latest<T: Send + Sync + 'static>(&self) -> Option<Latest<T>> {
        self.existing()?.latest()
    }

    /// The latest `T` that a tick which started at `now` may see.
    pub(crate) fn latest_at<T: Send + Sync + 'static>(&self, now: u64) -> Option<Latest<T>> {
        self.existing()?.latest_at(now)
    }

    /// From now on, topics that are new keep to [`Delivery::NextTick`](crate::mail::Delivery::NextTick), or not.
    pub(crate) fn set_logical(&self, logical: bool) {
        self.logical.store(logical, Relaxed);
    }

    /// Publishes through the look-up.
    pub(crate) fn publish<T: Send + Sync + 'static>(&self, value: T, time: u64, publisher: &Address) {
        self.topic().publish(value, time, publisher);
    }

    /// What went through each of them, by name.
    pub(crate) fn counts(&self) -> Vec<TopicCount> {
        let mut counts: Vec<_> = self.all.read().values().map(|topic| topic.count()).collect();
        counts.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        counts
    }
}

impl fmt::Debug for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.counts()).finish()
    }
}

#[cfg(test)]
#[cfg(not(loom_model))]
mod tests {
    use super::*;
    use crate::post::tests::address;

    #[derive(Debug, PartialEq)]
    struct Pose(u64, u64);

    #[test]
    fn the_latest_value_has_an_age_and_a_publisher() {
        let (topics, imu) = (Topics::default(), address("imu", 0));
        assert!(topics.latest::<Pose>().is_none());
        topics.publish(Pose(1, 1), 10, &imu);
        topics.publish(Pose(2, 2), 30, &imu);
        let latest = topics.latest::<Pose>().unwrap();
        assert_eq!((&*latest, latest.publisher().name()), (&Pose(2, 2), "imu"));
        assert_eq!(latest.age(Duration::from_nanos(50)), Duration::from_nanos(20));
        let topic = topics.topic::<Pose>();
        let within = |age, now| topic.latest_within(Duration::from_nanos(age), Duration::from_nanos(now)).is_some();
        assert!(within(20, 50) && !within(19, 50));
        assert!(topics.latest::<u64>().is_none(), "another type is another topic");
    }

    #[test]
    fn what_is_held_stays() {
        let (topics, imu) = (Topics::default(), address("imu", 0));
        topics.publish(String::from("old"), 1, &imu);
        let held = topics.latest::<String>().unwrap();
        topics.publish(String::from("new"), 2, &imu);
        assert_eq!((held.as_str(), topics.latest::<String>().unwrap().as_str()), ("old", "new"));
    }

    #[test]
    fn two_publishers_are_seen_and_the_later_time_stays() {
        let (topics, imu, gps) = (Topics::default(), address("imu", 0), address("gps", 1));
        topics.publish(1_u32, 5, &imu);
        topics.publish(2_u32, 9, &gps);
        topics.publish(3_u32, 7, &imu);
        assert_eq!(*topics.latest::<u32>().unwrap(), 2, "what is older comes too late");
        let [count] = &topics.counts()[..] else { panic!("one topic") };
        assert_eq!((count.published, count.takeovers, count.publisher.as_deref()), (3, 2, Some("gps")));
    }

    #[test]
    fn readers_never_see_half_a_value() {
        let topics = Topics::default();
        let topic = topics.topic::<Pose>();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let imu = address("imu", 0);
                (0..20_000).for_each(|i| topic.publish(Pose(i, !i), i, &imu));
            });
            let mut last = 0;
            while last < 19_999 {
                if let Some(latest) = topic.latest() {
                    let Pose(value, mirror) = *latest;
                    assert_eq!(value, !mirror);
                    assert!(value >= last, "never back to an older one");
                    last = value;
                }
            }
        });
    }
}
