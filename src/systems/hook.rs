//! The hooks of one process, run from outside of a tick's lanes: of any type, but for [`act`] and [`prepare`].

use crate::erased::{self, Act, AnyProcess, RawContext};
use crate::failure::guarded;
use crate::filter::Filters;
use crate::frequency::Frequency;
use crate::post::Fate;
use crate::process::{Flags, Process, Vitals};
use crate::run_level::RunLevel;
use crate::scope::{self, Kind, Outcome, Prepared, Scope, row};
use crate::systems::actor::{Actor, lend, visit};
use crate::systems::{death, mailman};
use bevy_ecs::component::ComponentId;
use bevy_ecs::entity::Entity;
use bevy_ecs::error::Result;
use bevy_ecs::world::{EntityMut, World};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::Relaxed;

/// Runs a hook of a process of this type.
pub(crate) fn act<P: Process>(process: &mut AnyProcess<'_>, act: Act, cx: &mut RawContext<'_>) -> Result {
    let (process, cx) = erased::typed::<P>(process, cx);
    match act {
        Act::Birth => process.birth(cx),
        Act::Death => process.death(cx),
        Act::SafeStop => process.safe_stop(cx),
    }
}

/// Readies the state of a process of this type, without a context.
pub(crate) fn prepare<P: Process>(process: &mut AnyProcess<'_>) -> Result {
    process.downcast_mut::<P>().map_or(Ok(()), P::prepare)
}

/// Births that take longer are logged by name.
const SLOW: u64 = 1_000_000_000;

/// From rest to life: the process counts as one of its group, gets a new state if it returns and its settings say which,
/// and its `prepare` and `birth` run. `prepared` is what `prepare` has come to, where it ran beforehand, `renewal`
/// the number of what says with which state it begins, if it returns.
pub(crate) fn birth(world: &mut World, entity: Entity, prepared: Option<Prepared>, renewal: Option<ComponentId>) {
    scope::with(world, entity, |mut entity, scope| {
        if let Some(id) = renewal
            && let Some((row, mut renewing)) = row::renewing(&mut entity, scope, id)
        {
            return lend(row, scope, |actor| bear(actor, prepared, Some(&mut renewing)));
        }
        if let Some(row) = row::of(&mut entity, scope) {
            lend(row, scope, |actor| bear(actor, prepared, None));
        }
    });
}

fn bear(mut actor: Actor<'_>, prepared: Option<Prepared>, renewing: Option<&mut row::Renewing<'_>>) {
    let scope = actor.cx.scope;
    take_place(actor.cx.vitals, scope);
    let from = scope.stopwatch();
    if let Some(renewing) = renewing {
        let process = &mut actor.process;
        guarded("renewal", &mut actor.cx, |_| {
            renewing.renew(process);
            Ok(())
        });
    }
    let beforehand = prepared.as_ref().map_or(0, |prepared| prepared.took);
    be_born(&mut actor, prepared.map(|prepared| prepared.outcome));
    let took = beforehand + scope.stopwatch().saturating_sub(from);
    if took > SLOW && !scope.was_stopped(from) {
        note_slow(scope, actor.cx.vitals.address.name(), took);
    }
}

/// Counts a process among the living of its group.
fn take_place(vitals: &mut Vitals, scope: &Scope) {
    let (address, lane) = (&vitals.address, vitals.lane);
    let (now, runs) = (scope.now(), scope.lanes.borrow()[lane as usize].runs);
    scope.link.live();
    scope.count(lane, true);
    scope.control.population.fetch_add(1, Relaxed);
    scope.had_any.set(true);
    if address.0.note_birth() {
        address.0.incidents().reborn(now);
        address.0.forget_cause();
    }
    address.0.set_fate(Fate::End);
    address.set_run_level(RunLevel::Buildup);
    address.0.mailbox.open();
    mailman::follow(address, lane, scope);
    let mut flags = Flags::ABSENT;
    if scope.started.get() {
        flags.set(Flags::FRESH);
        scope.joined.borrow_mut().insert(address.entity(), now);
    }
    if address.0.known_incidents().is_some_and(|incidents| incidents.meter.lock().is_some()) {
        flags.set(Flags::TIMED);
    }
    vitals.flags.clear(Flags::OVER);
    scope.flag(vitals, flags);
    let attic = vitals.address.attic();
    vitals.address.0.set_since(now);
    attic.set_lives_offset(attic.lives_offset().wrapping_sub(runs));
}

fn be_born(actor: &mut Actor<'_>, prepared: Option<Outcome>) {
    let mut ready = true;
    let (process, kind, mut prepared) = (&mut actor.process, actor.kind, prepared);
    guarded("prepare", &mut actor.cx, |_| {
        ready = false;
        match prepared.take() {
            Some(Ok(result)) => result?,
            Some(Err(panic)) => resume_unwind(panic),
            None => (kind.ways.prepare)(process)?,
        }
        ready = true;
        Ok(())
    });
    if ready {
        actor.guarded("birth", Act::Birth);
    }
    if !actor.cx.vitals.flags.has(Flags::DYING) {
        actor.cx.vitals.address.set_run_level(RunLevel::Run);
    }
}

#[cold]
fn note_slow(scope: &Scope, process: &str, took: u64) {
    tracing::warn!(process, took_ns = took, "its birth took long");
    scope.slow_births.update(|slow| slow + 1);
}

/// Runs `prepare` alone, on any thread.
pub(crate) fn prepare_alone(entity: &mut EntityMut<'_>, kind: &Kind) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| {
        row::process(entity, kind).map_or(Ok(()), |mut process| (kind.ways.prepare)(&mut process))
    }))
}

/// Runs the death of a process that stays where it is.
pub(crate) fn retire(world: &mut World, entity: Entity) {
    visit(world, entity, |mut actor| {
        withdraw_alarms(actor.cx.vitals, actor.cx.scope);
        death::die(&mut actor);
        actor.cx.vitals.filters = Filters::default();
        actor.cx.vitals.private.clear();
    });
}

/// Nobody will wait for what has been set so far: a birth sets up anew.
fn withdraw_alarms(vitals: &Vitals, scope: &Scope) {
    let (entity, mut alarms) = (vitals.address.entity(), scope.alarms.borrow_mut());
    vitals.private.timers().into_iter().for_each(|timer| alarms.withdraw(entity, timer));
}

/// Runs `safe_stop` of one process.
pub(crate) fn safe_stop(world: &mut World, entity: Entity) {
    visit(world, entity, |mut actor| actor.guarded("safe_stop", Act::SafeStop));
}

/// Tells the threads of one process to end.
pub(crate) fn halt(world: &mut World, entity: Entity) {
    visit(world, entity, |actor| {
        actor.cx.known().iter().flat_map(|extras| &extras.children).for_each(|child| child.shared.stop());
    });
}

/// Tells the threads of one process how often it lives from now on.
pub(crate) fn regrouped(world: &mut World, entity: Entity, frequency: Frequency) {
    visit(world, entity, |Actor { cx, .. }| {
        if let Some(family) = cx.known().and_then(|extras| extras.family.as_ref()) {
            *family.frequency.lock() = frequency;
            if family.has_ended_threads() {
                // It was listed where it was before.
                cx.scope.list_ready(cx.vitals.lane, cx.vitals.address.party());
            }
        }
    });
}
