//! The processes of one type that stand in one table, and the loop over their lives: the hot loop of the library.
//!
//! Lives run over dense slices, with one landing pad for the whole batch: after a panic the loop goes on behind the culprit.
//! The processes are marked changed as a whole, for `Changed<P>` queries of the user.

use crate::budget::Reading;
use crate::context::Context;
use crate::failure::Culprit;
use crate::process::{Flags, Private, Process, Row, Vitals};
use crate::scope::Scope;
use bevy_ecs::change_detection::{ContiguousMut, DetectChangesMut};
use bevy_ecs::entity::Entity;
use bevy_ecs::query::{ContiguousQueryData, QueryData};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice::from_mut;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// All that their hooks see of some processes: slices of one length.
pub(super) struct Rows<'a, P: Process> {
    pub(super) processes: &'a mut [P],
    pub(super) flags: &'a mut [Flags],
    pub(super) vitals: &'a mut [Vitals],
    pub(super) privates: &'a mut [Private<P>],
}

impl<'a, P: Process> Rows<'a, P> {
    /// Those of one table.
    pub(super) fn of(
        (processes, flags, vitals, privates): <Row<P> as ContiguousQueryData>::Contiguous<'a, '_>,
    ) -> Self {
        Self {
            processes: ContiguousMut::split(processes).0,
            flags: ContiguousMut::bypass_change_detection_split(flags).0,
            vitals: ContiguousMut::bypass_change_detection_split(vitals).0,
            privates: ContiguousMut::bypass_change_detection_split(privates).0,
        }
    }

    /// One alone.
    #[inline(always)]
    pub(super) fn with(row: <Row<P> as QueryData>::Item<'_, '_>, look: impl FnOnce(&mut Rows<'_, P>)) {
        let (mut process, mut flags, mut vitals, mut private) = row;
        look(&mut Rows {
            processes: from_mut(&mut *process),
            flags: from_mut(flags.bypass_change_detection()),
            vitals: from_mut(vitals.bypass_change_detection()),
            privates: from_mut(private.bypass_change_detection()),
        });
    }

    #[inline(always)]
    pub(super) fn entity(&self, row: usize) -> Entity {
        self.vitals[row].address.entity()
    }

    /// Whether this process stands there.
    #[inline(always)]
    pub(super) fn holds(&self, entity: Entity, row: usize) -> bool {
        self.vitals.get(row).is_some_and(|vitals| vitals.address.entity() == entity)
    }

    /// The lives of all. After a panic, goes on behind the culprit.
    #[inline(always)]
    pub(super) fn live(&mut self, scope: &Scope, dear: bool) {
        let mut begun = 0;
        loop {
            let run = AssertUnwindSafe(|| live_from(&mut begun, self, scope, dear));
            let Err(panic) = catch_unwind(run) else { return };
            let (vitals, flags) = (&self.vitals[begun - 1], &mut self.flags[begun - 1]);
            Culprit { hook: "life", scope, vitals, flags, pulled: &Cell::new(false) }.panicked(&*panic);
        }
    }
}

/// An empty list in the memory of another.
pub(super) fn recycle<'b, P: Process>(mut tables: Vec<Rows<'_, P>>) -> Vec<Rows<'b, P>> {
    tables.clear();
    // Collected in place: sound without a word of `unsafe`, for there is nothing to convert.
    tables.into_iter().map(|_| unreachable!("it is empty")).collect()
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
fn live_from<P: Process>(begun: &mut usize, rows: &mut Rows<'_, P>, scope: &Scope, dear: bool) {
    let first = *begun;
    let mut progress = Progress { begun, count: first };
    let blocks = if dear { 0 } else { (rows.processes.len() - first) / BLOCK };
    let (processes, last_processes) = rows.processes[first..].split_at_mut(blocks * BLOCK);
    let (flags, last_flags) = rows.flags[first..].split_at_mut(blocks * BLOCK);
    let (vitals, last_vitals) = rows.vitals[first..].split_at_mut(blocks * BLOCK);
    let (privates, last_privates) = rows.privates[first..].split_at_mut(blocks * BLOCK);
    let (processes, flags) = (processes.as_chunks_mut::<BLOCK>().0, flags.as_chunks_mut::<BLOCK>().0);
    let (vitals, privates) = (vitals.as_chunks_mut::<BLOCK>().0, privates.as_chunks_mut::<BLOCK>().0);
    let (pulled, brake) = (Cell::new(false), scope.control.brake_flag());
    for (((processes, flags), vitals), privates) in processes.iter_mut().zip(flags).zip(vitals).zip(privates) {
        // Then only these lives themselves could change either, and a life can flag no process but its own.
        let clear = Flags::are_clear(flags) && !brake.load(Relaxed);
        if clear {
            scope.link.hold(vitals[0].party);
        }
        for at in 0..BLOCK {
            progress.count += 1;
            let (flags, vitals, private) = (&mut flags[at], &mut vitals[at], &mut privates[at]);
            let cx = Context { vitals, flags, private, scope, pulled: &pulled };
            if clear { live::<P, true>(&mut processes[at], cx) } else { live::<P, false>(&mut processes[at], cx) }
        }
    }
    for (((process, flags), vitals), private) in
        last_processes.iter_mut().zip(last_flags).zip(last_vitals).zip(last_privates)
    {
        progress.count += 1;
        live::<P, false>(process, Context { vitals, flags, private, scope, pulled: &pulled });
    }
}

/// One life. With `CLEAR`, the process has no flag and nobody has pulled the e-brake, unless a life of this batch just has.
#[inline(always)]
fn live<P: Process, const CLEAR: bool>(process: &mut P, mut cx: Context<'_, P>) {
    let (scope, pulled) = (cx.scope, cx.pulled);
    let look = pulled.get() || !CLEAR && (!cx.flags.is_clear() || scope.control.brake_flag().load(Relaxed));
    if look && !admitted(cx.vitals, cx.flags, scope) {
        return;
    }
    if !CLEAR {
        scope.link.hold(cx.vitals.party);
    }
    let from = if !CLEAR && cx.flags.has(Flags::TIMED) { Some(scope.stopwatch()) } else { None };
    if let Err(error) = process.life(&mut cx) {
        Culprit::of("life", &mut cx).failed(&error);
    }
    if let Some(from) = from {
        meter(from, Culprit::of("life", &mut cx));
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
