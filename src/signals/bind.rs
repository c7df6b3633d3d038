//! Signals at a process: binding callbacks, and what they were before.

use super::desk;
use crate::context::Context;
use crate::erased::{self, AnyProcess, Callback, Calls, RawContext};
use crate::process::{Process, SignalListener};
use crate::signal::{Signal, SignalError};
use crate::switchboard::SignalBinding;
use bevy_ecs::error::Result;
use std::marker::PhantomData;

/// Calls a [`SignalListener`].
struct Listener<P>(PhantomData<P>);

impl<P: Process> Calls<Signal> for Listener<P> {
    type Function = SignalListener<P>;

    fn call(call: SignalListener<P>, process: &mut AnyProcess<'_>, signal: &Signal, cx: &mut RawContext<'_>) -> Result {
        let (process, cx) = erased::typed(process, cx);
        call(process, *signal, cx)
    }
}

/// Signals.
impl<P: Process> Context<'_, P> {
    /// Calls back for each of these signals, given by name (in any case, with or without `SIG`), by number or as [`Signal`];
    /// instead of the default, and of what this process was called for before. It runs before the next life, as an event's
    /// callback. Several processes may bind one signal: each is called. The binding ends with this process's death.
    ///
    /// Ctrl-Z (SIGTSTP) stops the OS process after its callbacks, but waits for them no longer than 5 s; with SIGCONT, all
    /// groups go on with ticks that are still to come. Once the end of the application has begun, a SIGINT or SIGQUIT
    /// forces it, bound or not. In an application that does not [listen](crate::application::Application::signals), only
    /// what [a handle](crate::handle::ApplicationHandle::signal) says comes.
    ///
    /// # Errors
    /// [`SignalError`], when there is no such signal, or it can't be bound; nothing has changed then, unless it is the
    /// system that refuses.
    pub fn on_signal<S>(
        &mut self,
        signals: impl IntoIterator<Item = S>,
        call: SignalListener<P>,
    ) -> Result<(), SignalError>
    where
        S: TryInto<Signal>,
        SignalError: From<S::Error>,
    {
        let signals: Vec<Signal> =
            signals.into_iter().map(|signal| signal.try_into()?.bindable()).collect::<Result<_, SignalError>>()?;
        self.raw().bind(&signals, Callback::new::<Listener<P>>(call))
    }

    /// Calls back for these signals no longer. How many of them were bound by this process.
    ///
    /// # Errors
    /// [`SignalError`], when there is no such signal; nothing has changed then, unless it is the system that refuses.
    pub fn remove_signals<S>(&mut self, signals: impl IntoIterator<Item = S>) -> Result<usize, SignalError>
    where
        S: TryInto<Signal>,
        SignalError: From<S::Error>,
    {
        let signals: Vec<Signal> = signals.into_iter().map(S::try_into).collect::<Result<_, _>>()?;
        self.raw().unbind(&signals)
    }

    /// All signals that do something in this application, by number: who has bound them, and what is done if nobody has.
    #[must_use]
    pub fn signals(&self) -> Vec<SignalBinding> {
        self.scope.control.switchboard.list()
    }

    /// Keeps what this process has bound now, for [`restore_signals`](Self::restore_signals).
    pub fn backup_signals(&mut self) {
        let mut cx = self.raw();
        let signals = &mut cx.own().signals;
        signals.backup = Some(signals.bound.clone());
    }

    /// Binds again what was bound at the last [`backup_signals`](Self::backup_signals), and nothing else: where that was
    /// nothing, the default is back, and for a signal without one what the host program had done about it before. `false`
    /// when there is no backup.
    ///
    /// # Errors
    /// [`SignalError::Refused`], when the system refuses.
    pub fn restore_signals(&mut self) -> Result<bool, SignalError> {
        let mut cx = self.raw();
        let signals = &mut cx.own().signals;
        let Some(backup) = signals.backup.clone() else { return Ok(false) };
        signals.bound = backup;
        self.raw().rebind()?;
        Ok(true)
    }
}

impl RawContext<'_> {
    fn bind(&mut self, signals: &[Signal], call: Callback<Signal>) -> Result<(), SignalError> {
        let bound = &mut self.own().signals.bound;
        bound.retain(|(known, _)| !signals.contains(known));
        bound.extend(signals.iter().map(|&signal| (signal, call)));
        self.rebind()
    }

    fn unbind(&mut self, signals: &[Signal]) -> Result<usize, SignalError> {
        let mut removed = 0;
        if let Some(extras) = self.known_mut() {
            let bound = &mut extras.signals.bound;
            removed = bound.extract_if(.., |(known, _)| signals.contains(known)).count();
        }
        self.rebind()?;
        Ok(removed)
    }

    /// Tells the switchboard, and the system.
    fn rebind(&mut self) -> Result<(), SignalError> {
        let bound = self.known().map_or(&[][..], |extras| &extras.signals.bound);
        let (control, owner) = (&self.scope.control, &self.vitals.address);
        let ours = control.switchboard.bound_by(owner);
        for &signal in ours.iter().filter(|signal| !bound.iter().any(|(known, _)| known == *signal)) {
            control.switchboard.unbind(Some(signal), owner);
        }
        bound.iter().for_each(|(signal, _)| control.switchboard.bind(*signal, owner));
        desk::rebound(control)
    }
}

/// A process that dies is called for nothing any more.
pub(crate) fn forget(cx: &mut RawContext<'_>) {
    let Some(extras) = cx.known_mut() else { return };
    if !std::mem::take(&mut extras.signals).bound.is_empty() {
        let (control, owner) = (&cx.scope.control, &cx.vitals.address);
        control.switchboard.unbind(None, owner);
        if let Err(error) = desk::rebound(control) {
            tracing::warn!(process = owner.name(), %error, "its signals are not as they were before");
        }
    }
}
