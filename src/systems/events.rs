//! Events at their owner: callbacks by name, run by the mailman's visit.

use crate::context::Context;
use crate::emitter::Emitter;
use crate::erased::{AnyProcess, Callback, Plainly, RawContext};
use crate::event::{EmitError, Event};
use crate::failure::guarded;
use crate::process::{Flags, Process};
use crate::signal::Signal;
use crate::subject::Subject;
use crate::switchboard::Notice;
use bevy_ecs::error::Result;

/// Events.
impl<P: Process> Context<'_, P> {
    /// Calls back for each event of this name, in any case; instead of what was called before. Whether there was such.
    ///
    /// ```
    /// # use polycephaly::prelude::*;
    /// # fn life<P: Process>(cx: &mut Context<P>) {
    /// cx.on_event("pong", |_, event, _| {
    ///     println!("{} at {:?}", event.payload(), event.time());
    ///     Ok(())
    /// });
    /// # }
    /// ```
    pub fn on_event(
        &mut self,
        name: impl Into<Subject>,
        call: fn(&mut P, &Event, &mut Context<'_, P>) -> Result,
    ) -> bool {
        self.raw().on_event(name.into(), Callback::new::<Plainly<P>>(call))
    }

    /// Calls nobody any more for events of this name. Whether somebody was.
    pub fn remove_event(&mut self, name: &str) -> bool {
        self.raw().remove_event(name)
    }

    /// The names of all events that have a callback, in order.
    pub fn events(&self) -> Vec<&str> {
        self.known().iter().flat_map(|extras| &extras.heard).map(|(name, _)| name.as_str()).collect()
    }

    /// Emits an event to this process itself: its callback runs before its next life.
    ///
    /// # Errors
    /// [`EmitError`] with the event, when too many wait.
    pub fn emit(&mut self, event: impl Into<Event>) -> Result<(), EmitError> {
        let (scope, address) = (self.scope, &self.vitals.address);
        address.emit(event.into(), scope.now(), |record| scope.wake(record))
    }

    /// What emits events to this process, for threads and devices that work for it.
    #[must_use]
    pub fn emitter(&self) -> Emitter {
        Emitter::new(self.vitals.address.clone(), self.scope.control.clone())
    }
}

impl RawContext<'_> {
    fn on_event(&mut self, name: Subject, call: Callback<Event>) -> bool {
        let heard = &mut self.own().heard;
        let known = heard.iter_mut().find(|(known, _)| *known == name);
        match known {
            Some((_, old)) => {
                *old = call;
                true
            }
            None => {
                heard.push((name, call));
                false
            }
        }
    }

    fn remove_event(&mut self, name: &str) -> bool {
        let Some(extras) = self.known_mut() else { return false };
        let before = extras.heard.len();
        extras.heard.retain(|(known, _)| !known.as_str().eq_ignore_ascii_case(name));
        extras.heard.len() != before
    }
}

/// Runs the callbacks of what waits.
pub(crate) fn hear(process: &mut AnyProcess<'_>, cx: &mut RawContext<'_>) {
    let address = cx.vitals.address.clone();
    let Some(inbox) = address.0.known_inbox() else { return };
    let next_tick = cx.scope.next_tick;
    let until = if next_tick { cx.scope.now() } else { u64::MAX };
    for _ in 0..inbox.due(until) {
        if cx.pulled.get() || cx.vitals.flags.has(Flags::DYING) {
            return; // What is left is lost with its owner.
        }
        let Some(event) = inbox.pop() else { break };
        if let Some(notice) = event.get::<Notice>() {
            heed(notice.signal, process, cx);
            continue;
        }
        let heard = cx.known().map_or(&[][..], |extras| &extras.heard);
        match heard.iter().find(|(name, _)| event.is(name)) {
            Some((_, callback)) => {
                let callback = *callback;
                guarded("event", cx, |cx| callback.call(process, &event, cx));
            }
            None => unheard(&event, cx),
        }
    }
    if inbox.leave() {
        cx.scope.list_ready(cx.vitals.lane, cx.vitals.address.party());
    }
}

/// Runs the callback of a signal. Unbound since it came, it is not for this process any more.
#[cold]
fn heed(signal: Signal, process: &mut AnyProcess<'_>, cx: &mut RawContext<'_>) {
    let bound = cx.known().map_or(&[][..], |extras| &extras.signals.bound);
    if let Some(&(_, callback)) = bound.iter().find(|(known, _)| *known == signal) {
        guarded("signal", cx, |cx| callback.call(process, &signal, cx));
    }
}

/// How many names of events without a callback are told apart in the log.
const LOGGED: usize = 256;

#[cold]
fn unheard(event: &Event, cx: &RawContext<'_>) {
    cx.vitals.address.0.inbox().note_unheard();
    let mut logged = cx.scope.unmatched.borrow_mut();
    let key = format!("event {} of {}", event.name(), cx.vitals.address.name());
    if logged.len() < LOGGED && logged.insert(key) {
        let process = cx.vitals.address.name();
        tracing::warn!(process, %event, "no callback for this event; further ones are only counted");
    }
}
