//! Reads a report off all heads.

use super::{GroupReport, HeadReport, ProcessReport, Report};
use crate::crew::Crew;
use crate::event::Inbox;
use crate::group::Group;
use crate::pace::Pacer;
use crate::phase;
use crate::post::{Address, Fate};
use crate::process::{Flags, Vitals};
use crate::runner::Runner;
use crate::scope::{self, Forgotten};
use crate::switchboard;
use crate::systems::fallback::{self, SystemFailures};
#[cfg(feature = "usb")]
use crate::usb;
use bevy_ecs::entity_disabling::Disabled;
use bevy_ecs::query::Allow;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// What one head knows.
struct Part {
    head: HeadReport,
    groups: Vec<GroupReport>,
    /// With the numbers of their births.
    processes: Vec<(u64, ProcessReport)>,
    forgotten: Forgotten,
    systems: Vec<SystemFailures>,
    refused_births: u64,
    slow_births: u64,
}

/// How it goes with all heads that answer.
pub(crate) fn of(crew: &mut Crew) -> Report {
    let control = crew.control.clone();
    let epoch = control.epoch.load(Relaxed);
    let mut report = Report {
        elapsed: Duration::from_nanos(control.timeline().now().saturating_sub(epoch)),
        seed: control.seed.load(Relaxed),
        overdue: control.ending.overdue(),
        stalls: control.ending.stalls.load(Relaxed),
        refused_forces: control.ending.refused.load(Relaxed),
        topics: control.topics.counts(),
        dead_letters: control.dead_letters.load(Relaxed),
        unmatched: control.unmatched.load(Relaxed),
        signals: control.switchboard.counts(),
        merged_signals: switchboard::lost(),
        #[cfg(feature = "usb")]
        usb: usb::Hub::of(&control).count(),
        ..Report::default()
    };
    let mut processes = Vec::new();
    let here = crew.here.len();
    for ((number, part), link) in crew.each(part).into_iter().enumerate().zip(control.links()) {
        let head = part.as_ref().map(|part| part.head.clone());
        report.heads.push(head.unwrap_or_else(|| HeadReport {
            name: link.name.to_string(),
            lost: true,
            ..HeadReport::default()
        }));
        let Some(part) = part else { continue };
        report.groups.extend(part.groups);
        processes.extend(part.processes);
        report.forgotten += part.forgotten;
        if number == 0 || number >= here {
            // Failures of systems are kept by thread, and all heads that are here share one.
            report.systems.extend(part.systems);
        }
        report.refused_births += part.refused_births;
        report.slow_births += part.slow_births;
    }
    processes.sort_by_key(|&(birth, _)| birth);
    report.processes = processes.into_iter().map(|(_, process)| process).collect();
    report
}

fn part(head: &mut Runner) -> Part {
    let placed: Vec<_> = head.groups.iter().filter(|group| group.stats.ticks > 0).map(Group::placed).collect();
    let report = HeadReport {
        name: head.link.name.to_string(),
        lost: false,
        most_at_once: phase::most_at_once(&placed),
        sheddings: head.load.changes,
        pace: head.pacer.as_ref().map(Pacer::report),
        realtime: head.grant.got.clone(),
        refused: head.grant.refused.clone(),
    };
    let processes = processes(head);
    let groups = groups(head);
    let scope = scope::of(&mut head.world);
    Part {
        head: report,
        groups,
        processes,
        forgotten: scope.graveyard.borrow().forgotten,
        systems: fallback::failures(),
        refused_births: scope.refused_births.get(),
        slow_births: scope.slow_births.get(),
    }
}

fn groups(head: &mut Runner) -> Vec<GroupReport> {
    let population: Vec<u32> =
        scope::of(&mut head.world).groups.borrow().iter().map(|entry| entry.population).collect();
    let name = &head.link.name;
    let one = |(group, population): (&Group, u32)| GroupReport {
        group: group.key.to_string(),
        head: name.to_string(),
        population,
        overrun: group.overrun,
        ticks: group.stats.ticks,
        dropped: group.stats.dropped,
        overruns: group.stats.overruns,
        late: group.stats.late,
        paused: group.stats.paused,
        shed: group.stats.shed,
        suspended: group.stats.suspended,
        importance: group.importance,
        phase: Duration::from_nanos(group.phase),
        shift: Duration::from_nanos(group.stats.shift),
        budget: group.meter.misses,
        lateness: group.stats.lateness.summary(),
        busy: group.stats.busy.summary(),
    };
    head.groups.iter().zip(population).map(one).collect()
}

fn processes(head: &mut Runner) -> Vec<(u64, ProcessReport)> {
    // Those that systems are not to see are there all the same.
    let mut query = head.world.query_filtered::<&Vitals, Allow<Disabled>>();
    let living: Vec<_> = query
        .iter(&head.world)
        .filter(|vitals| !vitals.flags.has(Flags::OVER) || vitals.address.0.fate() != Fate::End)
        .map(|v| (v.address.clone(), v.lane, v.address.attic().lives_offset(), v.flags.has(Flags::OVER)))
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
    all
}

fn process(address: &Address, kind: &str, group: &str, lives: u64) -> ProcessReport {
    let record = &address.0;
    let misses = record.known_incidents().and_then(|incidents| Some(incidents.meter.lock().as_ref()?.misses));
    ProcessReport {
        name: address.name().to_owned(),
        kind: kind.to_owned(),
        group: group.to_owned(),
        head: record.link.name.to_string(),
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
        ended_by: record.cause().map(|cause| cause.to_string()),
    }
}
