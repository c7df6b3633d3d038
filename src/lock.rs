//! Named locks of a process, shared with its child threads.
//!
//! They guard no data of their own: what they are for is a matter of their owner, as with the Python package's. They may be held across
//! calls. In a tick nobody waits long for one; a child thread may. Where two are taken in both orders, debug builds say so, with the places.

use crate::bell::Wake;
use crate::clock::{Timeline, nanos};
use parking_lot::Mutex;
use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// A name that no lock of the process has.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{owner:?} has no lock {name:?}; {}", list(.known))]
#[non_exhaustive]
pub struct UnknownLock {
    /// Whose locks were asked for.
    pub owner: String,
    /// The name asked for.
    pub name: String,
    /// Those that there are.
    pub known: Vec<String>,
}

/// A process has a lock of this name already.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{owner:?} has a lock {name:?} already: use that one, or give this one another name")]
#[non_exhaustive]
pub struct DuplicateLock {
    /// Whose lock.
    pub owner: String,
    /// The name.
    pub name: String,
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "it has none".into() } else { format!("it has {}", names.join(", ")) }
}

/// What is known of a lock.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct LockInfo {
    /// Its name.
    pub name: String,
    /// Who holds it: the process itself, or a thread of its.
    pub holder: Option<String>,
}

/// All locks of a process.
pub(crate) struct Locks {
    owner: Cow<'static, str>,
    locks: Mutex<Vec<Arc<NamedLock>>>,
    order: Mutex<Order>,
    /// Two locks have been taken in both orders.
    on_inversion: Box<dyn Fn() + Send + Sync>,
}

struct NamedLock {
    name: Cow<'static, str>,
    state: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    holder: Option<Arc<str>>,
    waiting: Vec<Arc<dyn Wake>>,
}

/// Holds a lock until it is dropped. It may be kept across calls, in the process's own state for example.
pub struct LockGuard {
    locks: Arc<Locks>,
    lock: Arc<NamedLock>,
    holder: Arc<str>,
}

impl LockGuard {
    /// The name of the lock.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.lock.name
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LockGuard({:?} of {:?}, held by {:?})", self.lock.name, self.locks.owner, self.holder)
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        self.locks.order.lock().release(&self.holder, &self.lock.name);
        let waiting = {
            let mut state = self.lock.state.lock();
            state.holder = None;
            std::mem::take(&mut state.waiting)
        };
        // All of them look again, and the first gets it.
        waiting.iter().for_each(|waiting| waiting.wake());
    }
}

/// Who takes a lock.
pub(crate) struct Taker<'a> {
    pub(crate) holder: &'a Arc<str>,
    /// Where in the program.
    pub(crate) place: &'static Location<'static>,
    /// What is told when a lock that is held becomes free.
    pub(crate) waker: Option<&'a Arc<dyn Wake>>,
}

impl Locks {
    pub(crate) fn new(owner: Cow<'static, str>, on_inversion: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { owner, locks: Mutex::default(), order: Mutex::default(), on_inversion: Box::new(on_inversion) })
    }

    pub(crate) fn add(&self, name: Cow<'static, str>) -> Result<(), DuplicateLock> {
        let mut locks = self.locks.lock();
        if locks.iter().any(|lock| lock.name.eq_ignore_ascii_case(&name)) {
            return Err(DuplicateLock { owner: self.owner.to_string(), name: name.into() });
        }
        locks.push(Arc::new(NamedLock { name, state: Mutex::default() }));
        Ok(())
    }

    pub(crate) fn list(&self) -> Vec<LockInfo> {
        let info = |lock: &Arc<NamedLock>| LockInfo {
            name: lock.name.to_string(),
            holder: lock.state.lock().holder.as_deref().map(str::to_owned),
        };
        self.locks.lock().iter().map(info).collect()
    }

    fn find(&self, name: &str) -> Result<Arc<NamedLock>, UnknownLock> {
        let locks = self.locks.lock();
        let found = locks.iter().find(|lock| lock.name.eq_ignore_ascii_case(name)).cloned();
        found.ok_or_else(|| UnknownLock {
            owner: self.owner.to_string(),
            name: name.to_owned(),
            known: locks.iter().map(|lock| lock.name.to_string()).collect(),
        })
    }

    /// Takes a lock that nobody holds. Else `waker` is told when it is free, if there is one.
    pub(crate) fn take(self: &Arc<Self>, name: &str, taker: &Taker<'_>) -> Result<Option<LockGuard>, UnknownLock> {
        let Taker { holder, place, waker } = *taker;
        let lock = self.find(name)?;
        let mut state = lock.state.lock();
        if state.holder.is_some() {
            state.waiting.extend(waker.cloned());
            return Ok(None);
        }
        state.holder = Some(holder.clone());
        drop(state);
        let inversion = self.order.lock().acquire(holder, &lock.name, place);
        if let Some(inversion) = inversion {
            (self.on_inversion)();
            tracing::error!(process = &*self.owner, "{inversion}");
        }
        Ok(Some(LockGuard { locks: self.clone(), lock, holder: holder.clone() }))
    }

    /// Takes a lock, and waits for it until `time` has passed. `park` waits until its waker is told, or an instant comes.
    pub(crate) fn take_within(
        self: &Arc<Self>,
        name: &str,
        taker: &Taker<'_>,
        time: Duration,
        timeline: &Timeline,
        mut park: impl FnMut(u64) -> bool,
    ) -> Result<Option<LockGuard>, UnknownLock> {
        let until = timeline.now().saturating_add(nanos(time));
        loop {
            if let Some(guard) = self.take(name, taker)? {
                return Ok(Some(guard));
            }
            if timeline.now() >= until || !park(until) {
                return Ok(None);
            }
        }
    }
}

/// Which locks have been taken while which others were held: where two were taken both ways round, two threads may come to
/// wait for each other for ever. Kept in debug builds only.
#[derive(Default)]
struct Order {
    held: Vec<(Arc<str>, Step)>,
    seen: Vec<(Step, Step)>,
    reported: Vec<(String, String)>,
}

/// A lock, and where it was taken.
#[derive(Clone)]
struct Step {
    lock: String,
    place: &'static Location<'static>,
}

impl Order {
    /// Notes that a lock was taken. What there is to report comes back, once for each pair of locks.
    fn acquire(&mut self, holder: &Arc<str>, lock: &str, place: &'static Location<'static>) -> Option<String> {
        if !cfg!(debug_assertions) {
            return None;
        }
        let new = Step { lock: lock.to_owned(), place };
        let held: Vec<Step> = self.held.iter().filter(|(who, _)| who == holder).map(|(_, step)| step.clone()).collect();
        self.held.push((holder.clone(), new.clone()));
        let mut report = None;
        for old in held {
            if let Some(reverse) = self.way(&new.lock, &old.lock) {
                let pair = (old.lock.to_string(), new.lock.to_string());
                if !self.reported.contains(&pair) {
                    report = Some(format!(
                        "locks {:?} and {:?} are taken in both orders, so two threads may wait for each other for ever: {:?} then {:?} at {} and {}, the other way round at {} and {}",
                        old.lock, new.lock, old.lock, new.lock, old.place, new.place, reverse.0, reverse.1
                    ));
                    self.reported.push(pair);
                }
            }
            if !self.seen.iter().any(|(a, b)| a.lock == old.lock && b.lock == new.lock) {
                self.seen.push((old, new.clone()));
            }
        }
        report
    }

    /// Whether `to` has ever been taken after `from`, directly or by way of others: where the first step of that was.
    fn way(&self, from: &str, to: &str) -> Option<(&'static Location<'static>, &'static Location<'static>)> {
        let mut open = vec![(from.to_owned(), None)];
        let mut done: Vec<String> = Vec::new();
        while let Some((lock, first)) = open.pop() {
            for (a, b) in self.seen.iter().filter(|(a, _)| a.lock == lock) {
                let first = first.unwrap_or((a.place, b.place));
                if b.lock == to {
                    return Some(first);
                }
                if !done.contains(&b.lock.to_string()) {
                    done.push(b.lock.to_string());
                    open.push((b.lock.to_string(), Some(first)));
                }
            }
        }
        None
    }

    fn release(&mut self, holder: &Arc<str>, lock: &str) {
        if let Some(at) = self.held.iter().rposition(|(who, step)| who == holder && step.lock == lock) {
            self.held.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    fn locks() -> (Arc<Locks>, Arc<AtomicU32>) {
        let inversions = Arc::new(AtomicU32::new(0));
        let count = inversions.clone();
        let locks = Locks::new("arm".into(), move || {
            count.fetch_add(1, Relaxed);
        });
        ["bus", "map", "log"].into_iter().for_each(|name| locks.add(name.into()).unwrap());
        (locks, inversions)
    }

    #[track_caller]
    fn take(locks: &Arc<Locks>, name: &str, holder: &str) -> Option<LockGuard> {
        let taker = Taker { holder: &holder.into(), place: Location::caller(), waker: None };
        locks.take(name, &taker).unwrap()
    }

    #[test]
    fn a_lock_is_held_by_one_until_its_guard_is_dropped() {
        let (locks, _) = locks();
        let guard = take(&locks, "BUS", "arm").unwrap();
        assert!(take(&locks, "bus", "poller").is_none() && take(&locks, "bus", "arm").is_none());
        assert_eq!(locks.list()[0].holder.as_deref(), Some("arm"));
        drop(guard);
        assert!(take(&locks, "bus", "poller").is_some());
        assert_eq!(locks.list()[0].holder, None);
    }

    #[test]
    fn unknown_and_duplicate_names_say_what_there_is() {
        let (locks, _) = locks();
        let taker = Taker { holder: &"arm".into(), place: Location::caller(), waker: None };
        let error = locks.take("bos", &taker).unwrap_err();
        assert_eq!(error.to_string(), "\"arm\" has no lock \"bos\"; it has bus, map, log");
        assert!(locks.add("Bus".into()).unwrap_err().to_string().starts_with("\"arm\" has a lock \"Bus\" already"));
    }

    #[test]
    fn both_orders_of_two_locks_are_reported_once_with_all_places() {
        let (locks, inversions) = locks();
        let both = |first, second, who| {
            let _first = take(&locks, first, who);
            let _second = take(&locks, second, who);
        };
        both("bus", "map", "a");
        both("bus", "map", "b");
        assert_eq!(inversions.load(Relaxed), 0);
        both("map", "bus", "b");
        both("map", "bus", "b");
        assert_eq!(inversions.load(Relaxed), u32::from(cfg!(debug_assertions)));
    }

    #[test]
    fn a_way_round_by_a_third_lock_is_found_too() {
        let (locks, inversions) = locks();
        for (first, second) in [("bus", "map"), ("map", "log"), ("log", "bus")] {
            let _first = take(&locks, first, "a");
            let _second = take(&locks, second, "a");
        }
        assert_eq!(inversions.load(Relaxed), u32::from(cfg!(debug_assertions)));
    }
}
