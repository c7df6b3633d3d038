//! What a thread got of its real-time settings, until it is taken back.

use super::{Policy, Ranges, RealTime, RealTimeError, os};
use crate::clock::nanos;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::{Mutex, PoisonError};
use std::thread::ThreadId;

/// How much stack there is to touch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Room {
    /// The thread was made with as much as it asks for.
    Made,
    /// The thread is the caller's.
    Found,
}

/// See the module's documentation. Dropped, it gives the thread back as it was, but for locked memory.
#[derive(Default, Debug)]
pub(crate) struct Grant {
    /// Nanoseconds to spin before a deadline.
    pub(crate) spin: u64,
    /// What it got of what it asked for.
    pub(crate) got: Vec<String>,
    /// What it did not get, and why.
    pub(crate) refused: Vec<String>,
    hold: Option<Hold>,
}

/// The thread that is to be given back.
#[derive(Debug)]
struct Hold {
    thread: ThreadId,
    /// Whether it has got a priority or CPUs.
    drafted: bool,
    /// The timer slack it had.
    slack: Option<u64>,
}

thread_local! {
    /// How this thread was before it got a real-time priority or CPUs of its own, and how many grants it has that did so:
    /// several applications may be built on one thread.
    static HOME: RefCell<(Civil, u32)> = const { RefCell::new((Civil { policy: None, cpus: None }, 0)) };
}

/// How a thread is scheduled that asked for nothing: what those started from a head with real-time settings return to,
/// which they would inherit.
#[derive(Clone, Default, Debug)]
pub(crate) struct Civil {
    policy: Option<os::Saved>,
    cpus: Option<BTreeSet<usize>>,
}

impl Civil {
    /// How the threads that this one starts are to be scheduled.
    pub(crate) fn of_this_thread() -> Self {
        HOME.with_borrow(|(civil, _)| civil.clone())
    }

    /// Makes the present thread one of those.
    pub(crate) fn enter(self) {
        if let Some(saved) = self.policy
            && let Err(error) = os::restore_policy(saved)
        {
            tracing::warn!(error, "a thread keeps the real-time priority of another");
        }
        if let Some(cpus) = self.cpus
            && let Err(error) = os::set_cpus(&cpus)
        {
            tracing::warn!(error, "a thread keeps the CPUs of another");
        }
    }
}

impl Grant {
    /// Asks the system for all of it, for the present thread. What is refused is logged.
    ///
    /// # Errors
    /// What is not to be had on this machine, and to the strict whatever is refused: the thread is as it was then.
    pub(crate) fn obtain(asked: &RealTime, head: &str, room: Room) -> Result<Self, RealTimeError> {
        asked.check()?;
        let mut hold = Hold { thread: std::thread::current().id(), drafted: false, slack: os::timer_slack() };
        let mut grant = Self::default();
        if asked.locks_memory {
            grant.note("memory locked", lock_memory());
        }
        if let Some(bytes) = asked.stack {
            grant.note(&format!("{bytes} bytes of stack touched"), prefault(bytes, room));
        }
        if let Some(cpus) = &asked.cpus {
            grant.note(&format!("CPUs {}", Ranges::of(cpus.iter().copied())), hold.set_cpus(cpus));
        }
        // Before the priority: that takes away the slack's effect.
        let slack = asked.slack.map_or(1, nanos);
        let sharp = os::set_timer_slack(slack);
        if let Some(slack) = asked.slack {
            grant.note(&format!("timer slack {slack:?}"), sharp);
        } else if let Err(error) = sharp {
            tracing::debug!(error, "timer slack stays as it was");
        }
        if !asked.spin.is_zero() {
            grant.spin = nanos(asked.spin);
            grant.note(&format!("spins {:?}", asked.spin), Ok(()));
        }
        if let Some((policy, priority)) = asked.policy {
            grant.note(&format!("{} {priority}", policy.name()), hold.set_policy(policy, priority));
        }
        if asked.strict && !grant.refused.is_empty() {
            return Err(RealTimeError::Refused { refusals: grant.refused });
        }
        for refusal in &grant.refused {
            tracing::warn!(head, "real time: {refusal}");
        }
        grant.hold = Some(hold);
        Ok(grant)
    }

    fn note(&mut self, what: &str, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.got.push(what.to_owned()),
            Err(reason) => self.refused.push(format!("no {what}: {reason}")),
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.thread != std::thread::current().id() {
            if self.drafted {
                tracing::warn!(
                    "a thread keeps the real-time settings of an application that has ended on another thread"
                );
            }
            return;
        }
        if self.drafted {
            let civil = HOME.with_borrow_mut(|(civil, holders)| {
                *holders -= 1;
                if *holders == 0 { std::mem::take(civil) } else { Civil::default() }
            });
            civil.enter();
        }
        if let Some(slack) = self.slack
            && let Err(error) = os::set_timer_slack(slack)
        {
            tracing::debug!(error, "timer slack stays sharp");
        }
    }
}

impl Hold {
    fn set_policy(&mut self, policy: Policy, priority: u8) -> Result<(), String> {
        let saved = os::save_policy()?;
        os::set_policy(policy, priority)?;
        self.draft(|civil| {
            civil.policy.get_or_insert(saved);
        });
        Ok(())
    }

    fn set_cpus(&mut self, cpus: &BTreeSet<usize>) -> Result<(), String> {
        let before = os::cpus()?;
        os::set_cpus(cpus)?;
        self.draft(|civil| {
            civil.cpus.get_or_insert(before);
        });
        // The system leaves out without a word what it does not allow.
        let got = os::cpus()?;
        let missing = Ranges::of(cpus.difference(&got).copied());
        if missing.0.is_empty() { Ok(()) } else { Err(os::cpus_withheld(&missing.to_string())) }
    }

    /// Keeps how the thread was, unless an earlier grant has.
    fn draft(&mut self, keep: impl FnOnce(&mut Civil)) {
        let first = !std::mem::replace(&mut self.drafted, true);
        HOME.with_borrow_mut(|(civil, holders)| {
            *holders += u32::from(first);
            keep(civil);
        });
    }
}

/// For all heads of the OS process together.
fn lock_memory() -> Result<(), String> {
    static LOCKED: Mutex<bool> = Mutex::new(false);
    let mut locked = LOCKED.lock().unwrap_or_else(PoisonError::into_inner);
    if !*locked {
        os::lock_memory()?;
        *locked = true;
    }
    Ok(())
}

/// A frame of it, large beside what else a frame holds.
const FRAME: usize = 16 << 10;

fn prefault(bytes: usize, room: Room) -> Result<(), String> {
    let there = if room == Room::Made { bytes } else { os::stack_room() };
    if bytes > there {
        return Err(format!(
            "of the stack of the thread that runs the application, only {there} bytes may be touched; put the processes onto \
             a head of their own, which gets a stack of that size, or ask for less"
        ));
    }
    touch(bytes);
    Ok(())
}

#[inline(never)]
fn touch(bytes: usize) {
    let mut frame = [0_u8; FRAME];
    black_box(&mut frame);
    if bytes > FRAME {
        touch(bytes - FRAME);
    }
    // After the call, so that the frame is still there meanwhile.
    black_box(&mut frame);
}
