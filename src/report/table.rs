//! The report as a table, for people.

use super::{GroupReport, HeadReport, ProcessReport, Report};
use crate::budget::Misses;
use crate::event::EventCount;
use crate::mailbox::MailCount;
use crate::pace::PaceReport;
use crate::switchboard::SignalCount;
use crate::thread::ThreadCount;
use crate::topic::TopicCount;
#[cfg(feature = "usb")]
use crate::usb::UsbCount;
use std::fmt;
use std::time::Duration;

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
        self.write_heads(f)?;
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
        #[cfg(feature = "usb")]
        if self.usb != UsbCount::default() {
            writeln!(f, "{}", self.usb)?;
        }
        if self.refused_births + self.slow_births > 0 {
            writeln!(f, "{} birth(s) refused, {} took long", self.refused_births, self.slow_births)?;
        }
        Ok(())
    }
}

impl Report {
    /// A group, and its head where there are several.
    fn place(&self, group: &str, head: &str) -> String {
        if self.heads.len() > 1 { format!("{head}: {group}") } else { group.to_owned() }
    }

    fn write_heads(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for HeadReport { name, lost, most_at_once, sheddings, pace, realtime, refused } in &self.heads {
            if *lost {
                writeln!(f, "head {name} did not answer: nothing more is known of it")?;
            }
            if !realtime.is_empty() {
                writeln!(f, "head {name} runs in real time: {}", realtime.join(", "))?;
            }
            refused.iter().try_for_each(|refusal| writeln!(f, "head {name} was refused: {refusal}"))?;
            if *most_at_once > 1 {
                writeln!(f, "up to {most_at_once} groups of head {name} are due at one instant")?;
            }
            if *sheddings > 0 {
                writeln!(f, "head {name} was overloaded: it changed {sheddings} time(s) which ticks it sheds")?;
            }
            if let Some(PaceReport { state, pulses, irregular, losses, free_ticks, interval, .. }) = pace {
                let (p50, max) = (Short(interval.p50), Short(interval.max));
                writeln!(
                    f,
                    "the reference of head {name} is {state}: {pulses} pulse(s), {irregular} irregular, p50 {p50}, max \
                     {max}, lost {losses} time(s), {free_ticks} free tick(s)"
                )?;
            }
        }
        Ok(())
    }

    fn write_groups(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = [
            "group", "ticks", "dropped", "overruns", "late", "paused", "shed", "late p50", "p99", "max", "busy p50",
            "p99", "max",
        ];
        let row = |group: &GroupReport| {
            let (late, busy) = (&group.lateness, &group.busy);
            let times =
                [late.p50, late.p99, late.max, busy.p50, busy.p99, busy.max].map(|time| Short(time).to_string());
            let counts = [group.ticks, group.dropped, group.overruns, group.late, group.paused, group.shed]
                .map(|n| n.to_string());
            let mut row = vec![self.place(&group.group, &group.head)];
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
            let mut row = vec![process.name.clone(), self.place(&process.group, &process.head)];
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
