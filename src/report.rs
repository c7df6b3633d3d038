//! How a run went: for people as a table, for machines as JSON.

use crate::budget::Misses;
use crate::event::{EventCount, Inbox};
use crate::head::Head;
use crate::mailbox::MailCount;
use crate::overrun::Overrun;
use crate::post::Fate;
use crate::process::{Flags, Vitals};
use crate::run_level::RunLevel;
use crate::scope::{self, Forgotten};
use crate::stats::{Summary, as_nanos};
use crate::switchboard::{self, SignalCount};
use crate::systems::fallback::{self, SystemFailures};
use crate::thread::ThreadCount;
use crate::topic::TopicCount;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

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
    /// Every frequency group there has been, in order of creation.
    pub groups: Vec<GroupReport>,
    /// Every living process, and up to 1000 dead ones, in order of birth.
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
}

/// One frequency group. Every tick that was due is in exactly one of `ticks`, `dropped`, `paused` and `suspended`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GroupReport {
    /// Its frequency, and its label if it has one.
    pub group: String,
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

/// Reads everything off a head.
pub(crate) fn of(head: &mut Head) -> Report {
    let control = head.control.clone();
    let epoch = control.epoch.load(Relaxed);
    let processes = processes(head);
    let groups = groups(head);
    let scope = scope::of(&mut head.world);
    Report {
        elapsed: Duration::from_nanos(control.timeline().now().saturating_sub(epoch)),
        seed: control.seed.load(Relaxed),
        groups,
        processes,
        forgotten: scope.graveyard.borrow().forgotten,
        systems: fallback::failures(),
        refused_births: scope.refused_births.get(),
        slow_births: scope.slow_births.get(),
        overdue: control.ending.overdue(),
        stalls: control.ending.stalls.load(Relaxed),
        refused_forces: control.ending.refused.load(Relaxed),
        topics: control.topics.counts(),
        dead_letters: control.dead_letters.load(Relaxed),
        unmatched: control.unmatched.load(Relaxed),
        signals: control.switchboard.counts(),
        merged_signals: switchboard::lost(),
    }
}

fn groups(head: &mut Head) -> Vec<GroupReport> {
    let population: Vec<u32> =
        scope::of(&mut head.world).groups.borrow().iter().map(|entry| entry.population).collect();
    let one = |(group, population): (&crate::group::Group, u32)| GroupReport {
        group: group.key.to_string(),
        population,
        overrun: group.overrun,
        ticks: group.stats.ticks,
        dropped: group.stats.dropped,
        overruns: group.stats.overruns,
        late: group.stats.late,
        paused: group.stats.paused,
        suspended: group.stats.suspended,
        shift: Duration::from_nanos(group.stats.shift),
        budget: group.meter.misses,
        lateness: group.stats.lateness.summary(),
        busy: group.stats.busy.summary(),
    };
    head.groups.iter().zip(population).map(one).collect()
}

fn processes(head: &mut Head) -> Vec<ProcessReport> {
    let mut query = head.world.query::<(&Vitals, &Flags)>();
    let living: Vec<_> = query
        .iter(&head.world)
        .filter(|(vitals, flags)| !flags.has(Flags::OVER) || vitals.address.0.fate() != Fate::End)
        .map(|(v, flags)| (v.address.clone(), v.lane, v.lives_offset, flags.has(Flags::OVER)))
        .collect();
    let scope = scope::of(&mut head.world);
    let lanes = scope.lanes.borrow();
    let (kinds, groups, graveyard) = (scope.kinds.borrow(), scope.groups.borrow(), scope.graveyard.borrow());
    let mut all: Vec<(u64, ProcessReport)> = Vec::new();
    for (address, lane, lives_offset, is_over) in &living {
        let lane = lanes[*lane as usize];
        let runs = if *is_over { 0 } else { lane.runs };
        let (kind, group) = (kinds[lane.kind as usize].name, groups[lane.group as usize].key.to_string());
        all.push((address.0.birth, process(address, kind, &group, lives_offset.wrapping_add(runs))));
    }
    for dead in &graveyard.recent {
        all.push((dead.address.0.birth, process(&dead.address, dead.kind, &dead.group.to_string(), dead.lives)));
    }
    all.sort_by_key(|&(birth, _)| birth);
    all.into_iter().map(|(_, process)| process).collect()
}

fn process(address: &crate::post::Address, kind: &str, group: &str, lives: u64) -> ProcessReport {
    let record = &address.0;
    let misses = record.known_incidents().and_then(|incidents| Some(incidents.meter.lock().as_ref()?.misses));
    ProcessReport {
        name: address.name().to_owned(),
        kind: kind.to_owned(),
        group: group.to_owned(),
        run_level: address.run_level(),
        lives,
        errors: record.tally(|incidents| &incidents.errors),
        panics: record.tally(|incidents| &incidents.panics),
        restarts: record.tally(|incidents| &incidents.rebirths),
        paused: record.known_incidents().map_or(0, |incidents| incidents.paused.load(Relaxed)),
        budget: misses.unwrap_or_default(),
        mail: address.mail_count(),
        lock_inversions: record.tally(|incidents| &incidents.lock_inversions),
        held_locks: record.tally(|incidents| &incidents.held_locks),
        threads: record.known_incidents().map(|incidents| incidents.threads.lock().clone()).unwrap_or_default(),
        events: record.known_inbox().map(Inbox::count).unwrap_or_default(),
        ended_by: record.known_incidents().and_then(|incidents| incidents.cause()).map(|cause| cause.to_string()),
    }
}

/// How many processes the table shows; those that failed come first.
const SHOWN: usize = 24;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "ran {} with seed {}", Short(self.elapsed), self.seed)?;
        self.write_groups(f)?;
        self.write_processes(f)?;
        for TopicCount { name, published, takeovers, publisher, .. } in &self.topics {
            let publisher = publisher.as_deref().unwrap_or("nobody");
            writeln!(f, "topic {name}: {published} time(s), last by {publisher}, {takeovers} change(s) of publisher")?;
        }
        for system in &self.systems {
            writeln!(f, "system {} failed {} time(s), last: {}", system.name, system.failures, system.last)?;
        }
        if self.dead_letters + self.unmatched > 0 {
            writeln!(f, "{} dead letter(s), {} mail(s) that no filter matched", self.dead_letters, self.unmatched)?;
        }
        for SignalCount { signal, received, bound, refused } in &self.signals {
            writeln!(f, "{signal} came {received} time(s): {bound} handed to processes, {refused} refused")?;
        }
        if self.merged_signals > 0 {
            writeln!(f, "{} signal(s) taken as one with others", self.merged_signals)?;
        }
        for name in &self.overdue {
            writeln!(f, "{name} took longer than it may")?;
        }
        if self.stalls + self.refused_forces > 0 {
            writeln!(
                f,
                "{} time(s) a head stood still, {} request(s) to force the end refused",
                self.stalls, self.refused_forces
            )?;
        }
        if self.refused_births + self.slow_births > 0 {
            writeln!(f, "{} birth(s) refused, {} took long", self.refused_births, self.slow_births)?;
        }
        Ok(())
    }
}

impl Report {
    fn write_groups(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = [
            "group", "ticks", "dropped", "overruns", "late", "paused", "late p50", "p99", "max", "busy p50", "p99",
            "max",
        ];
        let row = |group: &GroupReport| {
            let (late, busy) = (&group.lateness, &group.busy);
            let times =
                [late.p50, late.p99, late.max, busy.p50, busy.p99, busy.max].map(|time| Short(time).to_string());
            let counts = [group.ticks, group.dropped, group.overruns, group.late, group.paused].map(|n| n.to_string());
            let mut row = vec![group.group.clone()];
            row.extend(counts);
            row.extend(times);
            row
        };
        write_table(f, &head, &self.groups.iter().map(row).collect::<Vec<_>>())?;
        for GroupReport { group, shift, suspended, .. } in &self.groups {
            if !shift.is_zero() {
                writeln!(f, "group {group} was delayed by {} in all", Short(*shift))?;
            }
            if *suspended > 0 {
                writeln!(f, "group {group} missed {suspended} tick(s) while the program was stopped")?;
            }
        }
        self.groups.iter().try_for_each(|group| write_misses(f, &format!("ticks of {}", group.group), group.budget))
    }

    fn write_processes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut order: Vec<&ProcessReport> = self.processes.iter().collect();
        order.sort_by_key(|process| process.errors + process.panics == 0);
        let row = |process: &&ProcessReport| {
            let MailCount { received, refused, dropped, .. } = process.mail;
            let counts = [process.lives, process.errors, process.panics, process.restarts, process.paused];
            let counts = counts.into_iter().chain([received, refused + dropped]).map(|n| n.to_string());
            let mut row = vec![process.name.clone(), process.group.clone()];
            row.extend(counts);
            row.push(process.ended_by.clone().unwrap_or_else(|| process.run_level.to_string()));
            row
        };
        let head = ["process", "group", "lives", "errors", "panics", "restarts", "paused", "mail", "lost", "state"];
        write_table(f, &head, &order.iter().take(SHOWN).map(row).collect::<Vec<_>>())?;
        for process in &self.processes {
            let EventCount { emitted, unheard, refused, lost, .. } = process.events;
            if emitted + refused > 0 {
                let name = &process.name;
                writeln!(
                    f,
                    "{name} had {emitted} event(s), {unheard} without a callback, {refused} refused, {lost} lost"
                )?;
            }
            write_misses(f, &format!("lives of {}", process.name), process.budget)?;
            let ThreadCount { started, ended, failed, panicked, left, last } = &process.threads;
            if *started > 0 {
                let name = &process.name;
                writeln!(
                    f,
                    "{name} had {started} thread(s): {ended} ended, {failed} failed, {panicked} panicked, {left} left"
                )?;
            }
            if process.lock_inversions + process.held_locks > 0 {
                let ProcessReport { name, lock_inversions, held_locks, .. } = process;
                writeln!(
                    f,
                    "{name}: {lock_inversions} pair(s) of locks in both orders, {held_locks} held at its death"
                )?;
            }
            if let Some(last) = last {
                writeln!(f, "the last failure of its threads: {last}")?;
            }
        }
        let more = self.processes.len().saturating_sub(SHOWN) as u64 + self.forgotten.processes;
        if more > 0 { writeln!(f, "and {more} more processes") } else { Ok(()) }
    }
}

fn write_misses(f: &mut fmt::Formatter<'_>, what: &str, misses: Misses) -> fmt::Result {
    let Misses { soft, hard, failures } = misses;
    if soft + hard == 0 {
        return Ok(());
    }
    writeln!(f, "{what} were over the soft budget {soft} time(s), over the hard one {hard}, of which {failures} acted")
}

/// Left-aligned first and last column where they are words, right-aligned numbers between.
fn write_table(f: &mut fmt::Formatter<'_>, head: &[&str], rows: &[Vec<String>]) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let head: Vec<String> = head.iter().map(|&title| title.to_owned()).collect();
    for row in std::iter::once(&head).chain(rows) {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let words = column == 0 || rows[0][column].parse::<f64>().is_err() && !rows[0][column].ends_with('s');
            line += &if words { format!("{cell:<width$}  ") } else { format!("{cell:>width$}  ") };
        }
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A duration in three digits or so: `12.3 µs`.
struct Short(Duration);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos() as f64;
        let (value, unit) = match nanos {
            n if n < 1e3 => (n, "ns"),
            n if n < 1e6 => (n / 1e3, "µs"),
            n if n < 1e9 => (n / 1e6, "ms"),
            n => (n / 1e9, "s"),
        };
        let digits = if value >= 100.0 || unit == "ns" {
            0
        } else if value >= 10.0 {
            1
        } else {
            2
        };
        write!(f, "{value:.digits$} {unit}")
    }
}
