//! Locks and conditions: parking_lot's, or loom's where every order of threads is tried.

use std::time::Instant;

#[cfg(not(all(loom_model, test)))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
#[cfg(not(all(loom_model, test)))]
pub(crate) use std::sync::atomic::{AtomicU8, AtomicU32};

#[cfg(all(loom_model, test))]
pub(crate) use loom::sync::MutexGuard;
#[cfg(all(loom_model, test))]
pub(crate) use loom::sync::atomic::{AtomicU8, AtomicU32};

#[cfg(all(loom_model, test))]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

#[cfg(all(loom_model, test))]
impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().expect("no test panics under the lock")
    }
}

#[cfg(all(loom_model, test))]
pub(crate) struct Condvar(loom::sync::Condvar);

#[cfg(all(loom_model, test))]
impl Condvar {
    pub(crate) fn new() -> Self {
        Self(loom::sync::Condvar::new())
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// Waits until somebody notifies.
#[cfg(not(all(loom_model, test)))]
pub(crate) fn wait<'a, T>(condition: &Condvar, mut guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condition.wait(&mut guard);
    guard
}

/// Waits until somebody notifies.
#[cfg(all(loom_model, test))]
pub(crate) fn wait<'a, T>(condition: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condition.0.wait(guard).expect("no test panics under the lock")
}

/// Waits until somebody notifies, or until `deadline`. Whether that has come.
#[cfg(not(all(loom_model, test)))]
pub(crate) fn wait_until<'a, T>(
    condition: &Condvar,
    mut guard: MutexGuard<'a, T>,
    deadline: Instant,
) -> (MutexGuard<'a, T>, bool) {
    let late = condition.wait_until(&mut guard, deadline).timed_out();
    (guard, late)
}

/// Waits until somebody notifies: in a model, time stands still.
#[cfg(all(loom_model, test))]
pub(crate) fn wait_until<'a, T>(
    condition: &Condvar,
    guard: MutexGuard<'a, T>,
    _: Instant,
) -> (MutexGuard<'a, T>, bool) {
    (wait(condition, guard), false)
}

/// Tries the orders of threads, but for those that take a thread off its turn more than three times: of these there are too
/// many, and what they show has shown before.
#[cfg(all(loom_model, test))]
pub(crate) fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(run);
}
