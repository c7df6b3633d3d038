//! Which signals of an application are bound, by whom, and what became of those that came.

use crate::post::Address;
use crate::signal::Signal;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What becomes of a signal that no process has bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SignalDefault {
    /// The application ends in order.
    Stop,
    /// The OS process stops until it is told to go on: after the callbacks, if there are any.
    Suspend,
    /// All groups go on with ticks that are still to come; it is so with callbacks, too.
    Continue,
}

/// One signal that does something in this application.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct SignalBinding {
    /// Which.
    pub signal: Signal,
    /// The processes that have bound it, in the order in which they are called.
    pub owners: Vec<String>,
    /// What is done if nobody has.
    pub default: Option<SignalDefault>,
}

/// What became of one signal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SignalCount {
    /// Its name.
    pub signal: String,
    /// How often it came.
    pub received: u64,
    /// Handed to processes that have bound it: more than one, where several have.
    pub bound: u64,
    /// Refused by such a process: too many events waited for it, or it was dead.
    pub refused: u64,
}

/// Signals of this OS process that were taken as one with others, as hundreds waited. Signal handlers count here.
pub(crate) static LOST: AtomicU64 = AtomicU64::new(0);

/// A signal on its way to a process, as the body of an event.
pub(crate) struct Notice {
    pub(crate) signal: Signal,
    /// Dropped when its callback has run, or never will.
    _receipt: Option<Receipt>,
}

impl Notice {
    pub(crate) fn new(signal: Signal, receipt: Option<&Receipt>) -> Self {
        Self { signal, _receipt: receipt.cloned() }
    }
}

/// Lets whoever has sent a signal know when all callbacks are through.
pub(crate) type Receipt = Arc<dyn Any + Send + Sync>;

/// One per application.
#[derive(Default)]
pub(crate) struct Switchboard(Mutex<State>);

#[derive(Default)]
struct State {
    /// In order of binding.
    bound: Vec<(Signal, Address)>,
    counts: BTreeMap<Signal, Count>,
}

#[derive(Default, Clone, Copy)]
struct Count {
    received: u64,
    bound: u64,
    refused: u64,
}

/// What is done about a signal that nobody has bound.
pub(crate) fn default_of(signal: Signal) -> Option<SignalDefault> {
    match signal {
        Signal::INT | Signal::TERM => Some(SignalDefault::Stop),
        #[cfg(unix)]
        Signal::HUP | Signal::QUIT => Some(SignalDefault::Stop),
        #[cfg(unix)]
        Signal::TSTP => Some(SignalDefault::Suspend),
        #[cfg(unix)]
        Signal::CONT => Some(SignalDefault::Continue),
        _ => None,
    }
}

impl Switchboard {
    /// A process is to be called for a signal; once, however often it is bound.
    pub(crate) fn bind(&self, signal: Signal, owner: &Address) {
        let mut state = self.0.lock();
        if !state.bound.iter().any(|(known, who)| *known == signal && Arc::ptr_eq(&who.0, &owner.0)) {
            state.bound.push((signal, owner.clone()));
        }
    }

    /// A process is to be called no longer, for a signal or for any.
    pub(crate) fn unbind(&self, signal: Option<Signal>, owner: &Address) {
        let goes = |(known, who): &mut (Signal, Address)| {
            Arc::ptr_eq(&who.0, &owner.0) && signal.is_none_or(|signal| signal == *known)
        };
        // Dropped after unlocking.
        let _gone: Vec<_> = self.0.lock().bound.extract_if(.., goes).collect();
    }

    /// All signals that a process has bound.
    pub(crate) fn bound_by(&self, owner: &Address) -> Vec<Signal> {
        let state = self.0.lock();
        state.bound.iter().filter(|(_, who)| Arc::ptr_eq(&who.0, &owner.0)).map(|(signal, _)| *signal).collect()
    }

    /// Counts one that has come.
    pub(crate) fn count(&self, signal: Signal, bound: u64, refused: u64) {
        let mut state = self.0.lock();
        let count = state.counts.entry(signal).or_default();
        count.received += 1;
        count.bound += bound;
        count.refused += refused;
    }

    /// Who has bound a signal, in order.
    pub(crate) fn owners(&self, signal: Signal) -> Vec<Address> {
        let state = self.0.lock();
        state.bound.iter().filter(|(known, _)| *known == signal).map(|(_, owner)| owner.clone()).collect()
    }

    /// All signals that are bound.
    pub(crate) fn bound(&self) -> Vec<Signal> {
        self.0.lock().bound.iter().map(|(signal, _)| *signal).collect()
    }

    /// All signals that do something, by number.
    pub(crate) fn list(&self) -> Vec<SignalBinding> {
        let mut signals: Vec<Signal> = Signal::all().into_iter().filter(|it| default_of(*it).is_some()).collect();
        signals.extend(self.bound());
        signals.sort_unstable();
        signals.dedup();
        let one = |signal| SignalBinding {
            signal,
            owners: self.owners(signal).iter().map(|owner| owner.name().to_owned()).collect(),
            default: default_of(signal),
        };
        signals.into_iter().map(one).collect()
    }

    /// What became of all that have come.
    pub(crate) fn counts(&self) -> Vec<SignalCount> {
        let one = |(signal, count): (&Signal, &Count)| {
            let (signal, Count { received, bound, refused }) = (signal.name().to_owned(), *count);
            SignalCount { signal, received, bound, refused }
        };
        self.0.lock().counts.iter().map(one).collect()
    }
}

/// How many signals of this OS process were taken as one with others.
pub(crate) fn lost() -> u64 {
    LOST.load(Relaxed)
}
