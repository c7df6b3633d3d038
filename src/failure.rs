//! Calls a hook of a process so that its error or panic stays its own, and says what follows.

use crate::cause::{Cause, message_of};
use crate::context::Context;
use crate::erased::RawContext;
use crate::post::Fate;
use crate::process::{Flags, Process, Vitals};
use crate::scope::{Outcome, Scope};
use crate::supervision::{Response, Restart, Supervision};
use bevy_ecs::error::{BevyError, Result};
use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Runs one hook of one process. Its failure is counted and logged, and its supervision says what follows.
#[inline(always)]
pub(crate) fn guarded(hook: &'static str, cx: &mut RawContext<'_>, call: impl FnOnce(&mut RawContext<'_>) -> Result) {
    cx.scope.hold(cx.vitals.address.party());
    // Sound to go on after a panic: the process alone has seen the half-changed state, and is not trusted any more.
    match catch_unwind(AssertUnwindSafe(|| call(cx))) {
        Ok(Ok(())) => {}
        outcome => cx.reborrow().culprit(hook).answers(outcome),
    }
}

impl<'t> RawContext<'t> {
    /// Its process, as one that has failed in this hook.
    pub(crate) fn culprit(self, hook: &'static str) -> Culprit<'t> {
        Culprit { hook, scope: self.scope, vitals: self.vitals, pulled: self.pulled }
    }
}

/// A process that has failed, and in which of its hooks.
pub(crate) struct Culprit<'a> {
    pub(crate) hook: &'static str,
    pub(crate) scope: &'a Scope,
    pub(crate) vitals: &'a mut Vitals,
    pub(crate) pulled: &'a Cell<bool>,
}

impl<'a> Culprit<'a> {
    pub(crate) fn of<P: Process>(hook: &'static str, cx: &'a mut Context<'_, P>) -> Self {
        Self { hook, scope: cx.scope, vitals: cx.vitals, pulled: cx.pulled }
    }

    /// What it has come to, when that is not well.
    #[cold]
    #[inline(never)]
    fn answers(self, outcome: Outcome) {
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.failed(&error),
            Err(panic) => self.panicked(&*panic),
        }
    }

    /// It has returned an error.
    #[cold]
    #[inline(never)]
    pub(crate) fn failed(self, error: &BevyError) {
        let message = error.to_string().trim_end().to_owned();
        self.errs(message);
    }

    /// It has done something that counts as an error.
    #[cold]
    #[inline(never)]
    pub(crate) fn errs(self, message: String) {
        let Self { hook, scope, ref vitals, .. } = self;
        let (process, incidents) = (vitals.address.name(), vitals.address.0.incidents());
        let errors = incidents.errors.fetch_add(1, Relaxed) + 1;
        if incidents.may_log(scope.now()) {
            tracing::error!(process, hook, errors, "{message}");
        }
        let supervision = incidents.supervision.lock().clone();
        if let Some(supervision) = supervision.filter(|supervision| supervision.errors != Response::Log) {
            let cause = Cause::Failed { process: process.to_owned(), hook: hook.to_owned(), message };
            self.answer(supervision.errors, Some(&supervision), cause);
        }
    }

    /// It has done something that counts as an error and that stops everything.
    #[cold]
    #[inline(never)]
    pub(crate) fn brakes(self, message: String) {
        self.vitals.address.0.incidents().errors.fetch_add(1, Relaxed);
        let (process, hook) = (self.vitals.address.name().to_owned(), self.hook.to_owned());
        self.give_up(true, None, Cause::Failed { process, hook, message });
    }

    /// It has panicked.
    #[cold]
    #[inline(never)]
    pub(crate) fn panicked(self, panic: &(dyn Any + Send)) {
        let Self { hook, scope, ref vitals, .. } = self;
        let (process, incidents) = (vitals.address.name(), vitals.address.0.incidents());
        incidents.panics.fetch_add(1, Relaxed);
        let message = message_of(panic);
        let supervision = incidents.supervision.lock().clone();
        let response = supervision.as_ref().map_or(Response::Die, |supervision| supervision.panics);
        if response != Response::Log || incidents.may_log(scope.now()) {
            tracing::error!(process, hook, panic = message, "panicked");
        }
        incidents.rebirth.lock().distrusted = response != Response::Log;
        let cause = Cause::Panicked { process: process.to_owned(), message: message.to_owned() };
        self.answer(response, supervision.as_deref(), cause);
    }

    fn answer(self, response: Response, supervision: Option<&Supervision>, cause: Cause) {
        match response {
            Response::Log => {}
            Response::Die => self.give_up(false, supervision, cause),
            Response::Ebrake => self.give_up(true, supervision, cause),
            Response::Restart(restart) => self.restart(&restart, supervision, cause),
        }
    }

    fn restart(self, restart: &Restart, supervision: Option<&Supervision>, last: Cause) {
        if self.vitals.flags.has(Flags::DYING) {
            return; // What becomes of it has been said.
        }
        let (now, address) = (self.scope.now(), &self.vitals.address);
        let mut rebirth = address.0.incidents().rebirth.lock();
        let born = rebirth.born;
        match rebirth.restarts.after_failure(restart, born, now) {
            Some(wait) => {
                rebirth.wait = wait;
                rebirth.with_dependents = restart.dependents;
                rebirth.drops_mail = restart.drops_mail;
                drop(rebirth);
                tracing::warn!(process = address.name(), wait_ns = wait, "is to be born again");
                self.scope.leave(self.vitals, Fate::Restart, Arc::new(last));
            }
            None => {
                drop(rebirth);
                let restarts = address.0.tally(|incidents| &incidents.rebirths);
                let process = address.name().to_owned();
                self.give_up(restart.ebrake, supervision, Cause::GivenUp { process, restarts, last: last.into() });
            }
        }
    }

    /// It dies of this failure, and its fallback takes over; or everything stops.
    fn give_up(self, ebrake: bool, supervision: Option<&Supervision>, cause: Cause) {
        let address = &self.vitals.address;
        if ebrake {
            self.pulled.set(true);
            self.scope.brake(address.name(), cause.to_string());
        } else if !self.vitals.flags.has(Flags::DYING) {
            tracing::error!(process = address.name(), %cause, "is given up");
            self.scope.condemn(self.vitals, Arc::new(cause));
            if let Some(fallback) = supervision.and_then(|supervision| supervision.fallback.clone()) {
                self.scope.start(fallback);
            }
        }
    }
}
