//! The ends of threads: counted for who reaps them, and told to who waits for them.

use crate::sync::{Condvar, Mutex, MutexGuard, wait_until};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

/// See the module's documentation.
pub(crate) struct Ends {
    /// Threads that have ended and are not yet reaped.
    unreaped: AtomicUsize,
    /// Guards nothing: whoever waits for an end looks at the threads while holding it.
    watch: Mutex<()>,
    news: Condvar,
}

impl Ends {
    pub(crate) fn new() -> Self {
        Self { unreaped: AtomicUsize::new(0), watch: Mutex::new(()), news: Condvar::new() }
    }

    /// Whether there are threads to be reaped.
    #[inline]
    pub(crate) fn are_unreaped(&self) -> bool {
        self.unreaped.load(Relaxed) > 0
    }

    /// One has been reaped.
    pub(crate) fn reaped(&self) {
        self.unreaped.fetch_sub(1, Relaxed);
    }

    /// One has ended, as can be seen by now.
    pub(crate) fn note(&self) {
        self.unreaped.fetch_add(1, Relaxed);
        self.stir();
    }

    /// Has whoever waits look again.
    pub(crate) fn stir(&self) {
        // Who has looked and seen nothing holds this until it waits.
        drop(self.watch.lock());
        self.news.notify_all();
    }

    /// To be held while one looks at the threads, before [`wait`](Self::wait).
    pub(crate) fn watch(&self) -> MutexGuard<'_, ()> {
        self.watch.lock()
    }

    /// Waits until one may have ended since `watch` began, or until `deadline`. Whether that has come.
    pub(crate) fn wait(&self, watch: MutexGuard<'_, ()>, deadline: Instant) -> bool {
        wait_until(&self.news, watch, deadline).1
    }
}

/// In every order of the threads: who waits for the end of others sees it.
#[cfg(all(test, loom_model))]
mod model {
    use super::*;
    use crate::sync::model;
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicBool;

    #[test]
    fn no_order_of_threads_loses_an_end() {
        model(|| {
            let (ends, over) = (Arc::new(Ends::new()), [(); 2].map(|()| Arc::new(AtomicBool::new(false))));
            let threads = over.clone().map(|over| {
                let ends = ends.clone();
                loom::thread::spawn(move || {
                    over.store(true, Relaxed);
                    ends.note();
                })
            });
            loop {
                let watch = ends.watch();
                if over.iter().all(|over| over.load(Relaxed)) {
                    break;
                }
                assert!(!ends.wait(watch, Instant::now()));
            }
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            assert!(ends.are_unreaped());
            (0..2).for_each(|_| ends.reaped());
            assert!(!ends.are_unreaped());
        });
    }
}
