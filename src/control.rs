//! What all heads of an application share: its time, its post, and whether it is to go on.

use crate::cause::Cause;
use crate::clock::{Clock, Timeline};
use crate::link::Link;
use crate::post::Post;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// How many causes after the first are kept by name; the rest are only counted.
const FURTHER: usize = 16;

/// One per application, shared by heads, handles and addresses.
#[derive(Debug)]
pub(crate) struct Control {
    timeline: OnceLock<Timeline>,
    pub(crate) post: Post,
    pub(crate) seed: AtomicU64,
    /// Application time at which tick 0 of every group is due; nothing is late before it.
    pub(crate) epoch: AtomicU64,
    /// Processes born and not yet dead.
    pub(crate) population: AtomicUsize,
    pub(crate) paused: AtomicBool,
    stopping: AtomicBool,
    braked: AtomicBool,
    main_name: Mutex<Option<Arc<str>>>,
    end: Mutex<End>,
    links: Mutex<Vec<Arc<Link>>>,
}

/// The first cause of the end, and what came after it.
#[derive(Default, Debug, Clone)]
pub(crate) struct End {
    pub(crate) cause: Option<Cause>,
    pub(crate) further: Vec<Cause>,
    pub(crate) more: u64,
}

impl Control {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            timeline: OnceLock::new(),
            post: Post::default(),
            seed: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            population: AtomicUsize::new(0),
            paused: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            braked: AtomicBool::new(false),
            main_name: Mutex::new(None),
            end: Mutex::default(),
            links: Mutex::default(),
        })
    }

    /// Begins the run: application time is 0 now.
    pub(crate) fn start_clock(&self, clock: Clock) {
        self.timeline.get_or_init(|| Timeline::new(clock));
    }

    /// The application's time, real unless [`start_clock`](Self::start_clock) said otherwise.
    #[inline]
    pub(crate) fn timeline(&self) -> &Timeline {
        self.timeline.get_or_init(|| Timeline::new(Clock::real()))
    }

    pub(crate) fn add_link(&self, link: Arc<Link>) {
        self.links.lock().push(link);
    }

    pub(crate) fn main_link(&self) -> Arc<Link> {
        self.links.lock()[0].clone()
    }

    pub(crate) fn main_name(&self) -> Option<Arc<str>> {
        self.main_name.lock().clone()
    }

    pub(crate) fn set_main_name(&self, name: &str) {
        *self.main_name.lock() = Some(name.into());
    }

    /// Whether an orderly or a sudden end has begun.
    #[inline]
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    /// Whether the e-brake is pulled.
    #[inline]
    pub(crate) fn is_braked(&self) -> bool {
        self.braked.load(Relaxed)
    }

    /// The flag itself, looked at between any two lives.
    #[inline(always)]
    pub(crate) fn brake_flag(&self) -> &AtomicBool {
        &self.braked
    }

    /// Begins an orderly end, unless one has begun; the first cause is kept.
    pub(crate) fn stop(&self, cause: Cause) {
        self.note(cause);
        self.stopping.store(true, Relaxed);
        self.ring();
    }

    /// Pulls the e-brake. An e-brake outranks an orderly stop that has already begun.
    pub(crate) fn brake(&self, culprit: &str, reason: String) {
        let cause = Cause::Ebrake { culprit: culprit.to_owned(), reason };
        tracing::error!(%cause, "e-brake");
        if self.braked.swap(true, Relaxed) {
            self.note(cause);
        } else {
            let mut end = self.end.lock();
            if let Some(orderly) = end.cause.replace(cause) {
                end.push(orderly);
            }
        }
        self.stopping.store(true, Relaxed);
        self.ring();
    }

    fn note(&self, cause: Cause) {
        let mut end = self.end.lock();
        if end.cause.is_none() {
            tracing::info!(%cause, "the application ends");
            end.cause = Some(cause);
        } else {
            end.push(cause);
        }
    }

    pub(crate) fn end(&self) -> End {
        self.end.lock().clone()
    }

    /// Wakes every head.
    pub(crate) fn ring(&self) {
        for link in self.links.lock().iter() {
            link.bell.ring();
        }
    }
}

impl End {
    fn push(&mut self, cause: Cause) {
        if self.further.len() < FURTHER {
            self.further.push(cause);
        } else {
            self.more += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_cause_stays_first() {
        let control = Control::new();
        control.stop(Cause::TimeUp);
        control.stop(Cause::Idle);
        let end = control.end();
        assert_eq!((end.cause, end.further), (Some(Cause::TimeUp), vec![Cause::Idle]));
        assert!(!control.is_braked());
    }

    #[test]
    fn the_e_brake_outranks_an_orderly_stop_and_later_culprits_are_listed() {
        let control = Control::new();
        control.stop(Cause::TimeUp);
        control.brake("motor", "hot".into());
        (0..40).for_each(|_| control.brake("imu", "lost".into()));
        let end = control.end();
        assert!(matches!(end.cause, Some(Cause::Ebrake { culprit, .. }) if culprit == "motor"));
        assert_eq!(end.further[0], Cause::TimeUp);
        assert_eq!(end.further.len() as u64 + end.more, 41);
    }
}
