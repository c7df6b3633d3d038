//! How a run went: for people as a table, for machines as JSON.
//!
//! It is had at the end from the [`Exit`](crate::exit::Exit), and at any time from a [`Running`](crate::running::Running). Every tick that was
//! due is counted once: it ran, or was dropped, paused, shed or suspended. Lateness and work are distributions, right to 1 % and exact in
//! their maximum. Printed, it lists what failed first, and no more than fits a screen; [`to_json`](Report::to_json) has it all.

mod gather;
mod table;

use crate::budget::Misses;
use crate::event::EventCount;
use crate::importance::Importance;
use crate::mailbox::MailCount;
use crate::overrun::Overrun;
use crate::pace::PaceReport;
use crate::run_level::RunLevel;
use crate::scope::Forgotten;
use crate::stats::{Summary, as_nanos};
use crate::switchboard::SignalCount;
use crate::systems::fallback::SystemFailures;
use crate::thread::ThreadCount;
use crate::topic::TopicCount;
#[cfg(feature = "usb")]
use crate::usb::UsbCount;
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(crate) use gather::of;

/// Counters and distributions of a whole run, up to the instant it was asked for. In JSON, durations are whole
/// nanoseconds.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// Application time that has passed since the epoch, when tick 0 of every group was due.
    #[serde(with = "as_nanos", rename = "elapsed_ns")]
    pub elapsed: Duration,
    /// The seed of all randomness.
    pub seed: u64,
    /// Every head, the main one first.
    pub heads: Vec<HeadReport>,
    /// Every frequency group there has been, by head, and on each in order of creation.
    pub groups: Vec<GroupReport>,
    /// Every living process, and up to 1000 dead ones of each head, in order of birth.
    pub processes: Vec<ProcessReport>,
    /// The sum over dead processes that are not listed.
    pub forgotten: Forgotten,
    /// Plain systems that failed.
    pub systems: Vec<SystemFailures>,
    /// Processes spawned while running that were not born.
    pub refused_births: u64,
    /// Births that took longer than a second.
    pub slow_births: u64,
    /// What did not end in time: deaths, for people to read.
    pub overdue: Vec<String>,
    /// How often a head stood still for longer than its watchdog's limit.
    pub stalls: u64,
    /// Requests to force the end that were refused.
    pub refused_forces: u64,
    /// What went through topics, by name of type.
    pub topics: Vec<TopicCount>,
    /// Mail that nobody read: see [`DeadLetter`](crate::control::DeadLetter).
    pub dead_letters: u64,
    /// Mail that was read and matched no filter.
    pub unmatched: u64,
    /// Signals that have come while it listened, or that a handle has said came.
    pub signals: Vec<SignalCount>,
    /// Signals of the whole OS process that were taken as one with others of their number, as hundreds waited.
    pub merged_signals: u64,
    /// USB devices, for all who watch or ping them.
    #[cfg(feature = "usb")]
    #[serde(default)]
    pub usb: UsbCount,
}

/// One head.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HeadReport {
    /// Its name.
    pub name: String,
    /// Whether it did not answer: then nothing more is known of it.
    pub lost: bool,
    /// How many of its groups that have ticked are due at one instant when most are. Of more than 64 groups, a lower bound.
    pub most_at_once: u32,
    /// How often it had to change which ticks it sheds.
    pub sheddings: u64,
    /// How the external reference that paces it behaved, if one does.
    pub pace: Option<PaceReport>,
    /// What its thread got of its [`RealTime`](crate::realtime::RealTime) settings.
    pub realtime: Vec<String>,
    /// What it asked for and did not get, each with the reason and the way out.
    pub refused: Vec<String>,
}

/// One frequency group. Every tick that was due is in exactly one of `ticks`, `dropped`, `paused`, `shed` and
/// `suspended`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GroupReport {
    /// Its frequency, and its label if it has one.
    pub group: String,
    /// The head that it is on.
    pub head: String,
    /// Processes in it now.
    pub population: u32,
    /// What becomes of missed ticks.
    pub overrun: Overrun,
    /// Ticks run.
    pub ticks: u64,
    /// Ticks that were due and never ran.
    pub dropped: u64,
    /// Times that a tick started after later ones were due.
    pub overruns: u64,
    /// Ticks that started more than a tenth of a period late.
    pub late: u64,
    /// Ticks passed over while paused.
    pub paused: u64,
    /// Ticks shed because the head was overloaded.
    pub shed: u64,
    /// How much it matters then.
    pub importance: Importance,
    /// How long after the epoch its tick 0 was due.
    #[serde(with = "as_nanos", rename = "phase_ns")]
    pub phase: Duration,
    /// Ticks that had come due when the OS process went on after a stop, by Ctrl-Z or SIGSTOP, and were passed over. A single
    /// one that is late by less than a period runs.
    pub suspended: u64,
    /// By how much [`Overrun::Delay`] has moved the group's ticks in all.
    #[serde(with = "as_nanos", rename = "shift_ns")]
    pub shift: Duration,
    /// How long after their due instant ticks started.
    pub lateness: Summary,
    /// How often a tick was over its budget.
    pub budget: Misses,
    /// How long ticks took; on the simulated clock, what their lives consumed.
    pub busy: Summary,
}

/// One process.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProcessReport {
    /// Its name.
    pub name: String,
    /// The short name of its type.
    pub kind: String,
    /// Its frequency group.
    pub group: String,
    /// The head that it lives on.
    pub head: String,
    /// Its level now.
    pub run_level: RunLevel,
    /// Calls of `life`.
    pub lives: u64,
    /// Errors returned by its hooks.
    pub errors: u64,
    /// Panics of its hooks.
    pub panics: u64,
    /// Births after the first.
    pub restarts: u64,
    /// Ticks of its group that passed while it was paused.
    pub paused: u64,
    /// How often a life was over its budget.
    pub budget: Misses,
    /// What went through its mailbox.
    pub mail: MailCount,
    /// What became of its events.
    pub events: EventCount,
    /// What became of its child threads.
    pub threads: ThreadCount,
    /// Pairs of its locks that were taken in both orders: found in debug builds only.
    pub lock_inversions: u64,
    /// Locks of its that somebody held at its death.
    pub held_locks: u64,
    /// Why it dies or has died.
    pub ended_by: Option<String>,
}

impl Report {
    /// The group with this name, such as `100 Hz` or `100 Hz logging`.
    #[must_use]
    pub fn group(&self, group: &str) -> Option<&GroupReport> {
        self.groups.iter().find(|known| known.group == group)
    }

    /// A frequency group of one head, by the names that both print.
    #[must_use]
    pub fn group_on(&self, head: &str, group: &str) -> Option<&GroupReport> {
        self.groups.iter().find(|known| known.head.eq_ignore_ascii_case(head) && known.group == group)
    }

    /// The process of this name, in any case; the youngest, where several have had it.
    #[must_use]
    pub fn process(&self, name: &str) -> Option<&ProcessReport> {
        self.processes.iter().rev().find(|known| known.name.eq_ignore_ascii_case(name))
    }

    /// Everything that failed: errors and panics of processes, failures of plain systems, ticks over their hard budget,
    /// refused births.
    #[must_use]
    pub fn failures(&self) -> u64 {
        let processes: u64 = self.processes.iter().map(|process| process.errors + process.panics).sum();
        let systems: u64 = self.systems.iter().map(|system| system.failures).sum();
        let ticks: u64 = self.groups.iter().map(|group| group.budget.failures).sum();
        processes + self.forgotten.errors + self.forgotten.panics + systems + ticks + self.refused_births
    }

    /// As one line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("names and numbers always make JSON")
    }
}
