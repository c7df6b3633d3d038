//! The mailman, then one call of `Process::life` for each process of one type in one group.
//!
//! The hot loop of the library. Lives run over dense slices, with one landing pad for the whole batch: after a panic the
//! loop goes on behind the culprit. The process is marked changed as a whole, for `Changed<P>` queries of the user.

use crate::bell::monotonic;
use crate::budget::Reading;
use crate::context::Context;
use crate::failure::Culprit;
use crate::party::Party;
use crate::process::{Flags, LifeOf, Private, Process, Row, Vitals};
use crate::scope::{self, Lent, Scope};
use crate::systems::Step;
use crate::systems::parallel::{Fork, Rows};
use crate::systems::round::{self, Desk};
use bevy_ecs::change_detection::DetectChangesMut;
use bevy_ecs::component::ComponentId;
use bevy_ecs::entity::Entities;
use bevy_ecs::schedule::{IntoScheduleConfigs, Schedule};
use bevy_ecs::system::{ParamBuilder, Query, QueryParamBuilder, ResMut, SystemParamBuilder};
use bevy_ecs::world::World;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice::from_mut;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Adds the system of one lane to the schedule of its group.
pub(crate) fn install<P: Process>(world: &mut World, lane: u32, marker: ComponentId, schedule: &mut Schedule) {
    let rows = QueryParamBuilder::new(move |query| {
        query.with_id(marker);
    });
    let (mut desk, mut fork) = (Desk::default(), Fork::new(P::PARALLEL, lane, &scope::of(world).control));
    let system = (rows, ParamBuilder::of::<&Entities>(), ParamBuilder::resource_mut::<Lent>())
        .build_state(world)
        .build_system(move |rows: Query<Row<P>>, entities: &Entities, lent: ResMut<Lent>| {
            live(lane, &mut desk, &mut fork, rows, entities, lent);
        });
    schedule.add_systems(system.in_set(LifeOf::<P>::LifeOf).in_set(Step::Live).in_set(Step::Lives));
}

fn live<P: Process>(
    lane: u32,
    desk: &mut Desk,
    fork: &mut Fork,
    mut rows: Query<Row<P>>,
    entities: &Entities,
    mut lent: ResMut<Lent>,
) {
    let scope = lent.bypass_change_detection().scope();
    let mut watch = Watch::start(lane, scope);
    round::deliver(lane, desk, &mut rows, entities, scope);
    let dear = watch.dear;
    if let Ok(tables) = rows.contiguous_iter_mut() {
        for (mut processes, mut flags, mut vitals, mut privates) in tables {
            let flags = flags.bypass_change_detection();
            let (vitals, privates) = (vitals.bypass_change_detection(), privates.bypass_change_detection());
            let rows = Rows { processes: &mut processes, flags, vitals, privates };
            watch.lives += run(rows, fork, scope, dear);
        }
    } else {
        // A sparse-set component has no slices.
        for (mut process, mut flags, mut vitals, mut private) in &mut rows {
            let flags = from_mut(flags.bypass_change_detection());
            let (vitals, private) = (vitals.bypass_change_detection(), private.bypass_change_detection());
            let (processes, vitals, privates) = (from_mut(&mut *process), from_mut(vitals), from_mut(private));
            watch.lives += run(Rows { processes, flags, vitals, privates }, fork, scope, dear);
        }
    }
    if const { P::PARALLEL.is_ever() } {
        fork.merge(scope);
    }
    scope.hold(Party::NOBODY);
    watch.stop(lane, scope);
}

/// Has the rows live, each type in its way. How many lives that was for each thread.
#[inline(always)]
fn run<P: Process>(rows: Rows<'_, P>, fork: &mut Fork, scope: &Scope, dear: bool) -> usize {
    let live = |Rows { processes, flags, vitals, privates }: Rows<'_, P>, scope: &Scope| {
        batch(processes, flags, vitals, privates, scope, dear);
    };
    if const { P::PARALLEL.is_ever() } {
        return fork.live(rows, scope, live);
    }
    let count = rows.processes.len();
    live(rows, scope);
    count
}

/// Finds out, now and then, whether the lives of a lane are dear.
struct Watch {
    dear: bool,
    started: Option<u64>,
    lives: usize,
}

/// Lives that take longer than this are dear: before each, one looks whether another thread has pulled the e-brake.
/// Before cheap ones, one looks every [`BLOCK`] lives, so that it is seen within a microsecond.
const DEAR: u64 = 100;
/// Every so many runs of a lane are timed.
const SAMPLE: u64 = 64;

impl Watch {
    #[inline]
    fn start(lane: u32, scope: &Scope) -> Self {
        let lane = &mut scope.lanes.borrow_mut()[lane as usize];
        let started = (lane.runs.is_multiple_of(SAMPLE)).then(monotonic);
        lane.run(scope.now());
        Self { dear: lane.dear, started, lives: 0 }
    }

    #[inline]
    fn stop(self, lane: u32, scope: &Scope) {
        if let Some(started) = self.started
            && self.lives > 0
        {
            // Simulated time must not depend on how fast this machine is.
            let nanos = (monotonic() - started) / self.lives as u64;
            scope.lanes.borrow_mut()[lane as usize].dear = nanos > DEAR && !scope.control.timeline().is_simulated();
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
    dear: bool,
) {
    let mut begun = 0;
    loop {
        let run = AssertUnwindSafe(|| run_from(&mut begun, processes, flags, vitals, privates, scope, dear));
        let Err(panic) = catch_unwind(run) else { return };
        let (vitals, flags) = (&vitals[begun - 1], &mut flags[begun - 1]);
        Culprit { hook: "life", scope, vitals, flags, pulled: &Cell::new(false) }.panicked(&*panic);
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

/// So many flags are looked at as one word.
const BLOCK: usize = size_of::<u64>();

/// Runs the rows from `begun` on, cheap ones in blocks.
#[inline(always)]
fn run_from<P: Process>(
    begun: &mut usize,
    processes: &mut [P],
    flags: &mut [Flags],
    vitals: &mut [Vitals],
    privates: &mut [Private<P>],
    scope: &Scope,
    dear: bool,
) {
    let first = *begun;
    let mut progress = Progress { begun, count: first };
    let (processes, flags) = (&mut processes[first..], &mut flags[first..]);
    let (vitals, privates) = (&mut vitals[first..], &mut privates[first..]);
    if dear || processes.len() < BLOCK {
        return run_rows::<P, false>(&mut progress, processes, flags, vitals, privates, scope);
    }
    let (processes, last_processes) = processes.as_chunks_mut::<BLOCK>();
    let (flags, last_flags) = flags.as_chunks_mut::<BLOCK>();
    let (vitals, last_vitals) = vitals.as_chunks_mut::<BLOCK>();
    let (privates, last_privates) = privates.as_chunks_mut::<BLOCK>();
    let brake = scope.control.brake_flag();
    for (((processes, flags), vitals), privates) in processes.iter_mut().zip(flags).zip(vitals).zip(privates) {
        if Flags::are_clear(flags) && !brake.load(Relaxed) {
            scope.hold(vitals[0].party);
            run_rows::<P, true>(&mut progress, processes, flags, vitals, privates, scope);
        } else {
            run_rows::<P, false>(&mut progress, processes, flags, vitals, privates, scope);
        }
    }
    run_rows::<P, false>(&mut progress, last_processes, last_flags, last_vitals, last_privates, scope);
}

/// Runs rows. With `CLEAR`, none has a flag and nobody has pulled the e-brake: then only these lives themselves could
/// change either, and a life can flag no process but its own.
#[inline(always)]
fn run_rows<P: Process, const CLEAR: bool>(
    progress: &mut Progress<'_>,
    processes: &mut [P],
    flags: &mut [Flags],
    vitals: &mut [Vitals],
    privates: &mut [Private<P>],
    scope: &Scope,
) {
    let pulled = Cell::new(false);
    let brake = scope.control.brake_flag();
    for (((process, flags), vitals), private) in processes.iter_mut().zip(flags).zip(vitals).zip(privates) {
        progress.count += 1;
        let look = pulled.get() || !CLEAR && (!flags.is_clear() || brake.load(Relaxed));
        if look && !admitted(vitals, flags, scope) {
            continue;
        }
        if !CLEAR {
            scope.hold(vitals.party);
        }
        let from = if !CLEAR && flags.has(Flags::TIMED) { Some(scope.stopwatch()) } else { None };
        if let Err(error) = process.life(&mut Context { vitals, flags, private, scope, pulled: &pulled }) {
            Culprit { hook: "life", scope, vitals, flags, pulled: &pulled }.failed(&error);
        }
        if let Some(from) = from {
            meter(from, Culprit { hook: "life", scope, vitals, flags, pulled: &pulled });
        }
    }
}

/// Holds what a life has taken against the budget of its process.
#[inline(never)]
fn meter(from: u64, culprit: Culprit<'_>) {
    let (took, address) = (culprit.scope.stopwatch() - from, &culprit.vitals.address);
    let mut slot = address.0.incidents().meter.lock();
    let Some(meter) = slot.as_mut() else { return };
    if meter.would_miss(took) && culprit.scope.was_stopped(from) {
        return; // That is nobody's fault.
    }
    let (reading, ebrake) = (meter.read(took, culprit.scope.now()), meter.budget.ebrake);
    drop(slot);
    let took = Duration::from_nanos(took);
    match reading {
        Reading::Fine => {}
        Reading::Tell { limit } => {
            tracing::warn!(process = address.name(), ?took, ?limit, "a life was over its budget");
        }
        Reading::Act { limit, .. } => {
            let message = format!("took {took:?}, over its hard budget of {limit:?}");
            if ebrake { culprit.brakes(message) } else { culprit.errs(message) }
        }
    }
}

/// The second look at a process with a flag, or at any when the e-brake is pulled.
#[cold]
#[inline(never)]
fn admitted(vitals: &mut Vitals, flags: &mut Flags, scope: &Scope) -> bool {
    if flags.has(Flags::OVER) {
        return false; // Its lives are not counted by its lane.
    }
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
    if flags.has(Flags::DYING) {
        return false;
    }
    if flags.has(Flags::PAUSED) {
        vitals.address.0.incidents().paused.fetch_add(1, Relaxed);
        return false;
    }
    let entity = vitals.address.entity();
    if scope.joined_too_late(entity) {
        return false;
    }
    scope.joined.borrow_mut().remove(&entity);
    flags.clear(Flags::FRESH);
    true
}
