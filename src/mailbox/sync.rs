//! The lock and the condition of a mailbox: parking_lot's, or loom's where every order of threads is tried.

#[cfg(not(all(loom_model, test)))]
pub(super) use parking_lot::{Condvar, Mutex, MutexGuard};

#[cfg(all(loom_model, test))]
pub(super) use loom::sync::MutexGuard;

#[cfg(all(loom_model, test))]
pub(super) struct Mutex<T>(loom::sync::Mutex<T>);

#[cfg(all(loom_model, test))]
impl<T> Mutex<T> {
    pub(super) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().expect("no test panics under the lock")
    }
}

#[cfg(all(loom_model, test))]
pub(super) struct Condvar(loom::sync::Condvar);

#[cfg(all(loom_model, test))]
impl Condvar {
    pub(super) fn new() -> Self {
        Self(loom::sync::Condvar::new())
    }

    pub(super) fn notify_all(&self) {
        self.0.notify_all();
    }
}
