//! The line to a head: how other threads reach the World that only its own thread may touch.

use crate::bell::Bell;
use bevy_ecs::world::World;
use parking_lot::Mutex;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

/// Something to be done to a head's World, between two of its ticks.
pub(crate) type Call = Box<dyn FnOnce(&mut World) + Send>;

/// One head as seen from outside.
pub(crate) struct Link {
    pub(crate) head: u32,
    pub(crate) name: Box<str>,
    pub(crate) bell: Bell,
    waiting: AtomicBool,
    calls: Mutex<Vec<Call>>,
}

impl Link {
    pub(crate) fn new(head: u32, name: &str) -> Self {
        Self {
            head,
            name: name.into(),
            bell: Bell::default(),
            waiting: AtomicBool::new(false),
            calls: Mutex::default(),
        }
    }

    /// Hands the head something to do and wakes it.
    pub(crate) fn call(&self, call: impl FnOnce(&mut World) + Send + 'static) {
        self.calls.lock().push(Box::new(call));
        self.waiting.store(true, Ordering::Release);
        self.bell.ring();
    }

    /// Whether calls wait: one relaxed load when none does.
    #[inline]
    pub(crate) fn has_calls(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Takes all waiting calls, in order.
    pub(crate) fn take_calls(&self) -> Vec<Call> {
        self.waiting.store(false, Ordering::Relaxed);
        std::mem::take(&mut *self.calls.lock())
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({} {:?})", self.head, self.name)
    }
}
