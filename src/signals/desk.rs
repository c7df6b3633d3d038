//! Who listens to signals, and what is done when one comes.

#[cfg(not(unix))]
use super::portable as source;
#[cfg(unix)]
use super::unix as source;
use crate::cause::Cause;
use crate::control::Control;
use crate::event::Event;
use crate::post::Record;
use crate::signal::{Signal, SignalError};
use crate::switchboard::{Notice, Receipt, SignalDefault, default_of};
use parking_lot::Mutex;
use std::sync::{Arc, Weak};

/// What a shell adds to the number of a signal that has ended a program.
const BY_SIGNAL: i32 = 128;

/// The applications of this OS process that listen.
static LISTENING: Mutex<Vec<Weak<Control>>> = Mutex::new(Vec::new());

/// While it lives, signals of the OS process are its application's.
pub(crate) struct Interrupts(Arc<Control>);

impl Interrupts {
    pub(crate) fn listen(control: &Arc<Control>) -> Self {
        let mut listening = LISTENING.lock();
        listening.push(Arc::downgrade(control));
        if let Err(error) = source::settle(&upgrade(&listening), arrive) {
            tracing::warn!(%error, "not all signals reach this application");
        }
        Self(control.clone())
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        let mut listening = LISTENING.lock();
        listening.retain(|known| !std::ptr::eq(known.as_ptr(), Arc::as_ptr(&self.0)));
        if let Err(error) = source::settle(&upgrade(&listening), arrive) {
            tracing::warn!(%error, "not all signals are as they were before this application");
        }
    }
}

/// Bindings of an application have changed: takes what is wanted from the system, and gives back what is not.
pub(super) fn rebound(control: &Control) -> Result<(), SignalError> {
    let listening = LISTENING.lock();
    if listening.iter().any(|known| std::ptr::eq(known.as_ptr(), control)) {
        source::settle(&upgrade(&listening), arrive)?;
    }
    Ok(())
}

fn upgrade(listening: &[Weak<Control>]) -> Vec<Arc<Control>> {
    listening.iter().filter_map(Weak::upgrade).collect()
}

/// A signal has come: it is for all that listen. Those who have bound it let go of the receipt when they have heard.
fn arrive(signal: Signal, receipt: Option<&Receipt>) {
    let listening = upgrade(&LISTENING.lock());
    let ending = !listening.is_empty() && listening.iter().all(|control| control.is_stopping());
    if ending && forces(signal) {
        // Each is asked, so that each counts it.
        let refused = listening.iter().filter(|control| !control.ending.force()).count();
        if refused == 0 {
            eprintln!("ended by force: {signal} came during the end");
            std::process::exit(BY_SIGNAL + signal.number());
        }
        listening.iter().for_each(|control| control.ring());
    }
    for control in listening {
        hand(&control, signal, receipt);
    }
    tracing::debug!(%signal, "came");
}

/// Treats one application as if a signal had come, but for the stop of the OS process.
pub(crate) fn inject(control: &Control, signal: Signal) {
    if forces(signal) && control.is_stopping() && control.ending.force() {
        control.ring();
    }
    hand(control, signal, None);
}

/// An event for each that has bound it; if nobody takes one, the default.
fn hand(control: &Control, signal: Signal, receipt: Option<&Receipt>) {
    let (mut taken, mut refused) = (0, 0);
    for owner in control.switchboard.owners(signal) {
        let event = Event::new(signal.name()).body(Notice::new(signal, receipt));
        match owner.emit(event, control.timeline().now(), Record::announce) {
            Ok(()) => taken += 1,
            Err(error) => {
                tracing::warn!(%signal, "{error}");
                refused += 1;
            }
        }
    }
    control.switchboard.count(signal, taken, refused);
    if taken == 0 && default_of(signal) == Some(SignalDefault::Stop) {
        control.stop(Cause::Interrupted { signal });
    }
}

/// Whether this signal means "at once" when the end has begun: the two that somebody types. SIGTERM and SIGHUP often come
/// twice from one who means it once: from a service manager, a terminal that closes, or `timeout`.
fn forces(signal: Signal) -> bool {
    #[cfg(unix)]
    if signal == Signal::QUIT {
        return true;
    }
    signal == Signal::INT
}
