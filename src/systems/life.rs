//! One call of `Process::life` for each process of one type in one group.
//!
//! The hot loop of the library. Lives run over dense slices, with one landing pad for the whole batch: after a panic the
//! loop goes on behind the culprit. The process is marked changed as a whole, for `Changed<P>` queries of the user.

use crate::context::Context;
use crate::failure::{failed, panicked};
use crate::process::{Flags, LifeOf, Private, Process, Vitals};
use crate::scope::{Lent, Scope};
use crate::systems::Step;
use bevy_ecs::change_detection::DetectChangesMut;
use bevy_ecs::component::ComponentId;
use bevy_ecs::schedule::{IntoScheduleConfigs, Schedule};
use bevy_ecs::system::{ParamBuilder, Query, QueryParamBuilder, ResMut, SystemParamBuilder};
use bevy_ecs::world::World;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice::from_mut;
use std::sync::atomic::Ordering::Relaxed;

pub(crate) type Row<P> = (&'static mut P, &'static mut Flags, &'static mut Vitals, &'static mut Private<P>);

/// Adds the system of one lane to the schedule of its group.
pub(crate) fn install<P: Process>(world: &mut World, lane: u32, marker: ComponentId, schedule: &mut Schedule) {
    let rows = QueryParamBuilder::new(move |query| {
        query.with_id(marker);
    });
    let system = (rows, ParamBuilder::resource_mut::<Lent>())
        .build_state(world)
        .build_system(move |rows: Query<Row<P>>, lent: ResMut<Lent>| live(lane, rows, lent));
    schedule.add_systems(system.in_set(LifeOf::<P>::LifeOf).in_set(Step::Live).in_set(Step::Lives));
}

fn live<P: Process>(lane: u32, mut rows: Query<Row<P>>, mut lent: ResMut<Lent>) {
    let scope = lent.bypass_change_detection().scope();
    scope.lanes.borrow_mut()[lane as usize].run(scope.now());
    if let Ok(tables) = rows.contiguous_iter_mut() {
        for (mut processes, mut flags, mut vitals, mut privates) in tables {
            let flags = flags.bypass_change_detection();
            let (vitals, privates) = (vitals.bypass_change_detection(), privates.bypass_change_detection());
            batch(&mut processes, flags, vitals, privates, scope);
        }
    } else {
        // A sparse-set component has no slices.
        for (mut process, mut flags, mut vitals, mut private) in &mut rows {
            let flags = from_mut(flags.bypass_change_detection());
            let (vitals, private) = (vitals.bypass_change_detection(), private.bypass_change_detection());
            batch(from_mut(&mut *process), flags, from_mut(vitals), from_mut(private), scope);
        }
    }
}

/// All rows of one table. After a panic, goes on behind the culprit.
fn batch<P: Process>(
    processes: &mut [P],
    flags: &mut [Flags],
    vitals: &mut [Vitals],
    privates: &mut [Private<P>],
    scope: &Scope,
) {
    let mut begun = 0;
    loop {
        let run = AssertUnwindSafe(|| run_from(&mut begun, processes, flags, vitals, privates, scope));
        let Err(panic) = catch_unwind(run) else { return };
        panicked("life", scope, &vitals[begun - 1], &mut flags[begun - 1], &*panic);
    }
}

/// How many rows have begun to live. Written back when dropped, by unwinding too: while the loop runs it can stay in a
/// register.
struct Progress<'a> {
    begun: &'a mut usize,
    count: usize,
}

impl Drop for Progress<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        *self.begun = self.count;
    }
}

/// Runs the rows from `begun` on. Beside the process itself, a row without a flag costs one byte read.
#[inline(always)]
fn run_from<P: Process>(
    begun: &mut usize,
    processes: &mut [P],
    flags: &mut [Flags],
    vitals: &mut [Vitals],
    privates: &mut [Private<P>],
    scope: &Scope,
) {
    let first = *begun;
    let mut progress = Progress { begun, count: first };
    let brake = scope.control.brake_flag();
    let rows = processes[first..].iter_mut().zip(&mut flags[first..]);
    let rows = rows.zip(&mut vitals[first..]).zip(&mut privates[first..]);
    for (((process, flags), vitals), private) in rows {
        progress.count += 1;
        if (brake.load(Relaxed) || !flags.is_clear()) && !admitted(vitals, flags, scope) {
            continue;
        }
        if let Err(error) = process.life(&mut Context { vitals, flags, private, scope }) {
            failed("life", scope, &vitals.address, &error);
        }
    }
}

/// The second look at a process with a flag, or at any when the e-brake is pulled.
#[cold]
#[inline(never)]
fn admitted(vitals: &mut Vitals, flags: &mut Flags, scope: &Scope) -> bool {
    let may = !scope.control.is_braked() && may_live(vitals, flags, scope);
    flags.clear(Flags::BACK);
    if may {
        if flags.has(Flags::ABSENT) {
            flags.clear(Flags::ABSENT);
            flags.set(Flags::BACK);
        }
    } else {
        // Its lane counts a run that it had no part in.
        vitals.lives_offset = vitals.lives_offset.wrapping_sub(1);
        if !flags.has(Flags::ABSENT) {
            vitals.since = scope.lane(vitals).before;
            flags.set(Flags::ABSENT);
        }
    }
    may
}

fn may_live(vitals: &Vitals, flags: &mut Flags, scope: &Scope) -> bool {
    if flags.has(Flags::DYING.and(Flags::OVER)) {
        return false;
    }
    if flags.has(Flags::PAUSED) {
        vitals.address.0.paused.fetch_add(1, Relaxed);
        return false;
    }
    let entity = vitals.address.entity();
    let mut joined = scope.joined.borrow_mut();
    if joined.get(&entity).is_some_and(|&since| scope.beat.due() <= since) {
        return false;
    }
    joined.remove(&entity);
    flags.clear(Flags::FRESH);
    true
}
