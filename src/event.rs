//! Events: what a process's own threads, its devices and other outsiders tell it, and what it tells itself.
//!
//! Mail is between processes, under their names. An event is for one process, from something that works for it: it has a
//! name and a payload, and no sender to answer to. Its callback runs on the owner, before its next life.

use crate::body::Body;
use crate::subject::Subject;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// How many events may wait for a process.
pub const EVENT_LIMIT: usize = 1000;

/// Something that has happened.
///
/// ```
/// use polycephaly::prelude::*;
///
/// let event = Event::new("pong").body(Duration::from_millis(3));
/// assert_eq!((event.name(), event.get::<Duration>()), ("pong", Some(&Duration::from_millis(3))));
/// ```
pub struct Event {
    name: Subject,
    body: Body,
    pub(crate) time: u64,
}

impl Event {
    /// An event without a payload. Names are compared without case; a literal is interned.
    #[must_use]
    pub fn new(name: impl Into<Subject>) -> Self {
        Self { name: name.into(), body: Body::default(), time: 0 }
    }

    /// With a payload: text, JSON, bytes or any other value, as the [`Body`] of a mail.
    #[must_use]
    pub fn body<V: Any + Send + Sync>(mut self, value: V) -> Self {
        self.body = Body::new(value);
        self
    }

    /// What has happened.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The payload, if it is a `T`.
    #[must_use]
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.body.get()
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &Body {
        &self.body
    }

    /// When it was emitted, by the application's clock: within a tick, when that started.
    #[must_use]
    pub fn time(&self) -> Duration {
        Duration::from_nanos(self.time)
    }

    /// Whether it is called so, in any case.
    pub(crate) fn is(&self, name: &Subject) -> bool {
        self.name.as_str().eq_ignore_ascii_case(name.as_str())
    }
}

impl<N: Into<Subject>> From<N> for Event {
    fn from(name: N) -> Self {
        Self::new(name)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:?}: {}", self.name(), self.time(), self.body)
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Event({self})")
    }
}

/// An event was not taken; it is handed back.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// As many wait as may.
    #[error("{EVENT_LIMIT} events wait for {owner:?}: {:?} was not taken; emit fewer, or let it live more often", .event.name())]
    Full {
        /// For whom it was.
        owner: String,
        /// The event.
        event: Event,
    },
    /// The owner does not live.
    #[error("{owner:?} does not live: the event {:?} was not taken; emit while it lives", .event.name())]
    Closed {
        /// For whom it was.
        owner: String,
        /// The event.
        event: Event,
    },
}

impl EmitError {
    /// The event.
    #[must_use]
    pub fn into_event(self) -> Event {
        match self {
            Self::Full { event, .. } | Self::Closed { event, .. } => event,
        }
    }
}

impl fmt::Debug for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmitError({self})")
    }
}

/// What became of a process's events.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EventCount {
    /// Taken in.
    pub emitted: u64,
    /// Handed to the process.
    pub delivered: u64,
    /// Of those delivered, without a callback.
    pub unheard: u64,
    /// Refused: too many waited, or the process did not live.
    pub refused: u64,
    /// Lost with the death of the process.
    pub lost: u64,
}

/// The events that wait for one process.
#[derive(Debug, Default)]
pub(crate) struct Inbox(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Event>,
    count: EventCount,
    /// On a list of those to be visited.
    ready: bool,
}

impl Inbox {
    /// Takes an event in, or hands it back. Whether its owner must be listed as one to visit.
    pub(crate) fn push(&self, event: Event) -> Result<bool, Event> {
        let mut waiting = self.0.lock();
        if waiting.events.len() == EVENT_LIMIT {
            waiting.count.refused += 1;
            return Err(event);
        }
        waiting.events.push_back(event);
        waiting.count.emitted += 1;
        Ok(!std::mem::replace(&mut waiting.ready, true))
    }

    /// Whether one more would be taken in.
    #[cfg(feature = "usb")]
    pub(crate) fn has_room(&self) -> bool {
        self.0.lock().events.len() < EVENT_LIMIT
    }

    pub(crate) fn refuse(&self) {
        self.0.lock().count.refused += 1;
    }

    /// How many were emitted before `until`.
    pub(crate) fn due(&self, until: u64) -> usize {
        self.0.lock().events.iter().take_while(|event| event.time < until).count()
    }

    /// The next to be delivered.
    pub(crate) fn pop(&self) -> Option<Event> {
        let mut waiting = self.0.lock();
        let event = waiting.events.pop_front();
        waiting.count.delivered += u64::from(event.is_some());
        event
    }

    /// Ends a visit. Whether more wait: then the caller looks again.
    pub(crate) fn leave(&self) -> bool {
        let mut waiting = self.0.lock();
        waiting.ready = !waiting.events.is_empty();
        waiting.ready
    }

    /// Whether its owner is to be visited.
    pub(crate) fn is_ready(&self) -> bool {
        self.0.lock().ready
    }

    /// Nobody has a callback for one.
    pub(crate) fn note_unheard(&self) {
        self.0.lock().count.unheard += 1;
    }

    /// Loses what waits: its owner dies.
    pub(crate) fn clear(&self) {
        let mut waiting = self.0.lock();
        let lost = std::mem::take(&mut waiting.events);
        waiting.count.lost += lost.len() as u64;
        waiting.ready = false;
        drop(waiting);
        // A payload's `drop` may do anything, even emit an event.
        drop(lost);
    }

    pub(crate) fn count(&self) -> EventCount {
        self.0.lock().count
    }
}
