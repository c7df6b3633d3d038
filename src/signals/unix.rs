//! Signals of Unix: taken from the system while somebody wants them, and read on a thread of their own.

use super::action::{self, Former};
use crate::bell::monotonic;
use crate::clock::nanos;
use crate::control::Control;
use crate::signal::{Signal, SignalError};
use crate::suspension;
use crate::switchboard::{Receipt, default_of};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

/// How long a stop waits for the callbacks of SIGTSTP.
const PATIENCE: Duration = Duration::from_secs(5);
/// What the last receipt writes, so that the reader looks: no signal has this number.
const NUDGE: u8 = 0;

/// What is to be done when a signal comes.
type Arrive = fn(Signal, Option<&Receipt>);

/// What was there before, by the signals that are taken.
static TAKEN: Mutex<BTreeMap<Signal, Former>> = Mutex::new(BTreeMap::new());

/// The end of the pipe that is written to.
static PIPE: OnceLock<UnixStream> = OnceLock::new();

/// Takes from the system the signals that these applications want, and gives back the others. One that somebody else has
/// taken meanwhile is taken again, if it is wanted.
///
/// # Errors
/// The first that the system refuses; the others are as they should be.
pub(super) fn settle(listening: &[Arc<Control>], arrive: Arrive) -> Result<(), SignalError> {
    let mut wanted: BTreeSet<Signal> = listening.iter().flat_map(|control| control.switchboard.bound()).collect();
    let (mut taken, mut refused) = (TAKEN.lock(), None);
    let mut refuse = |signal: Signal, error: &io::Error| {
        refused.get_or_insert(SignalError::Refused { signal, message: error.to_string() });
    };
    if !listening.is_empty() {
        if let Err(error) = open(arrive) {
            refuse(Signal::INT, &error);
            wanted.clear();
        } else {
            wanted.extend(
                Signal::all().into_iter().filter(|signal| default_of(*signal).is_some() && !spared(*signal, &taken)),
            );
        }
    }
    let gone: Vec<Signal> = taken.keys().filter(|signal| !wanted.contains(signal)).copied().collect();
    for signal in gone {
        if let Some(former) = taken.remove(&signal)
            && let Err(error) = action::give_back(signal.number(), &former)
        {
            refuse(signal, &error);
        }
    }
    for &signal in &wanted {
        match action::take(signal.number()) {
            Ok(Some(former)) => drop(taken.insert(signal, former)),
            Ok(None) => {}
            Err(error) => refuse(signal, &error),
        }
    }
    suspension::set_watched(taken.contains_key(&Signal::CONT));
    refused.map_or(Ok(()), Err)
}

/// What the program was started to take no notice of, as by `nohup`, has no default. A callback is another matter.
fn spared(signal: Signal, taken: &BTreeMap<Signal, Former>) -> bool {
    let ignored = || match taken.get(&signal) {
        Some(former) => former.ignores(),
        None => action::is_ignored(signal.number()).unwrap_or(false),
    };
    signal != Signal::CONT && ignored()
}

/// Starts the thread that reads, once for the whole life of the OS process.
fn open(arrive: Arrive) -> io::Result<()> {
    if PIPE.get().is_none() {
        let (read, write) = UnixStream::pair()?;
        write.set_nonblocking(true)?;
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || Reader { pipe: read, pause: None, arrive }.read())?;
        action::open(PIPE.get_or_init(|| write));
    }
    Ok(())
}

/// A stop of the OS process that waits for callbacks.
struct Pause {
    /// Held by all that have not yet heard.
    receipt: Weak<Nudge>,
    /// When it waits no longer.
    until: u64,
}

impl Pause {
    fn is_over(&self) -> bool {
        self.receipt.strong_count() == 0 || monotonic() >= self.until
    }
}

/// Has the reader look when it is dropped.
struct Nudge;

impl Drop for Nudge {
    fn drop(&mut self) {
        if let Some(mut pipe) = PIPE.get() {
            // Where there is no room, the reader is at work anyway.
            let _ = Write::write(&mut pipe, &[NUDGE]);
        }
    }
}

struct Reader {
    pipe: UnixStream,
    pause: Option<Pause>,
    arrive: Arrive,
}

impl Reader {
    fn read(mut self) {
        let mut numbers = [0; 64];
        loop {
            let patience = self.pause.as_ref().map(|pause| {
                // No time at all would mean for ever.
                Duration::from_nanos(pause.until.saturating_sub(monotonic())).max(Duration::from_millis(1))
            });
            // A refusal is impossible but for no time at all.
            let _ = self.pipe.set_read_timeout(patience);
            let count = match self.pipe.read(&mut numbers) {
                Ok(count) => count,
                Err(error) if matches!(error.kind(), WouldBlock | TimedOut | Interrupted) => 0,
                Err(error) => return tracing::error!(%error, "the pipe of signals is broken; none is heard any more"),
            };
            let overflow = action::overflow();
            for number in numbers[..count].iter().map(|&number| i32::from(number)).chain(overflow) {
                if let Ok(signal) = Signal::try_from(number) {
                    self.note(signal);
                }
            }
            if self.pause.as_ref().is_some_and(Pause::is_over) {
                self.stop();
            }
        }
    }

    fn note(&mut self, signal: Signal) {
        if signal == Signal::CONT {
            suspension::note();
            // Who says "go on" means the stop that has not yet come, too.
            self.pause = None;
        }
        if signal != Signal::TSTP {
            (self.arrive)(signal, None);
        } else if self.pause.is_some() {
            // Asked again while callbacks are waited for.
            (self.arrive)(signal, None);
            self.stop();
        } else {
            let nudge = Arc::new(Nudge);
            self.pause =
                Some(Pause { receipt: Arc::downgrade(&nudge), until: monotonic().saturating_add(nanos(PATIENCE)) });
            let receipt: Receipt = nudge;
            (self.arrive)(signal, Some(&receipt));
        }
    }

    fn stop(&mut self) {
        self.pause = None;
        tracing::info!("this OS process stops");
        suspension::during(action::stop);
        tracing::info!("this OS process goes on");
    }
}
