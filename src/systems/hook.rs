//! The hooks of one process, run from outside of a tick's lanes: what a [`Kind`](crate::scope::Kind) is made of.

use crate::context::Context;
use crate::failure::guarded;
use crate::frequency::Frequency;
use crate::post::Fate;
use crate::process::{Flags, Process, Vitals};
use crate::run_level::RunLevel;
use crate::scope::{self, Outcome, Prepared, Scope};
use crate::systems::{death, mailman, row};
use bevy_ecs::change_detection::DetectChangesMut;
use bevy_ecs::entity::Entity;
use bevy_ecs::world::{EntityMut, World};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::Relaxed;

/// Lends one process and its context to `f`, if it is there.
pub(crate) fn visit<P: Process>(world: &mut World, entity: Entity, f: impl FnOnce(&mut P, Context<'_, P>)) {
    scope::with(world, entity, |mut entity, scope| {
        let Some((mut process, mut vitals)) = row::of::<P>(&mut entity) else { return };
        f(&mut process, Context::new(vitals.bypass_change_detection(), scope, &Cell::new(false)));
    });
}

/// Births that take longer are logged by name.
const SLOW: u64 = 1_000_000_000;

/// From rest to life: the process counts as one of its group, gets a new state if it returns and its settings say which,
/// and its `prepare` and `birth` run. `prepared` is what `prepare` has come to, where it ran beforehand.
pub(crate) fn birth<P: Process>(world: &mut World, entity: Entity, prepared: Option<Prepared>) {
    scope::with(world, entity, |mut entity, scope| {
        let Some(((mut process, mut vitals), renewal)) = row::with_renewal::<P>(&mut entity) else { return };
        let vitals = vitals.bypass_change_detection();
        let returns = take_place(vitals, scope);
        let (from, pulled) = (scope.stopwatch(), Cell::new(false));
        let mut cx = Context::new(vitals, scope, &pulled);
        if let Some(mut renewal) = renewal.filter(|_| returns) {
            guarded("renewal", &mut *process, &mut cx, |process, _| {
                if let Some(state) = renewal.renew() {
                    *process = state;
                }
                Ok(())
            });
        }
        let beforehand = prepared.as_ref().map_or(0, |prepared| prepared.took);
        be_born(&mut *process, &mut cx, prepared.map(|prepared| prepared.outcome));
        let took = beforehand + scope.stopwatch().saturating_sub(from);
        if took > SLOW && !scope.was_stopped(from) {
            note_slow(scope, cx.name(), took);
        }
    });
}

/// Counts a process among the living of its group. Whether it returns from a death that a birth was to follow.
fn take_place(vitals: &mut Vitals, scope: &Scope) -> bool {
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
    let returns = address.0.fate() == Fate::Restart;
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
    vitals.since = now;
    vitals.lives_offset = vitals.lives_offset.wrapping_sub(runs);
    returns
}

fn be_born<P: Process>(process: &mut P, cx: &mut Context<'_, P>, prepared: Option<Outcome>) {
    let mut ready = true;
    guarded("prepare", process, cx, |process, _| {
        ready = false;
        match prepared {
            Some(Ok(result)) => result?,
            Some(Err(panic)) => resume_unwind(panic),
            None => process.prepare()?,
        }
        ready = true;
        Ok(())
    });
    if ready {
        guarded("birth", process, cx, P::birth);
    }
    if !cx.vitals.flags.has(Flags::DYING) {
        cx.vitals.address.set_run_level(RunLevel::Run);
    }
}

#[cold]
fn note_slow(scope: &Scope, process: &str, took: u64) {
    tracing::warn!(process, took_ns = took, "its birth took long");
    scope.slow_births.update(|slow| slow + 1);
}

/// Runs `prepare` alone, on any thread.
pub(crate) fn prepare<P: Process>(entity: &mut EntityMut<'_>) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| match entity.get_mut::<P>() {
        Some(mut process) => process.prepare(),
        None => Ok(()),
    }))
}

/// Runs the death of a process that stays where it is.
pub(crate) fn retire<P: Process>(world: &mut World, entity: Entity) {
    visit::<P>(world, entity, |process, mut cx| {
        withdraw_alarms(&cx);
        death::die(process, &mut cx);
        cx.vitals.private.clear::<P>();
    });
}

/// Nobody will wait for what has been set so far: a birth sets up anew.
fn withdraw_alarms<P: Process>(cx: &Context<'_, P>) {
    let Some(belongings) = cx.known() else { return };
    let timers = belongings.timers.iter().map(|timer| timer.id).chain(belongings.asks.iter().map(|ask| ask.timer));
    let mut alarms = cx.scope.alarms.borrow_mut();
    timers.for_each(|timer| alarms.withdraw(cx.entity(), timer));
}

/// Runs `safe_stop` of one process.
pub(crate) fn safe_stop<P: Process>(world: &mut World, entity: Entity) {
    visit::<P>(world, entity, |process, mut cx| guarded("safe_stop", process, &mut cx, P::safe_stop));
}

/// Tells the threads of one process to end.
pub(crate) fn halt<P: Process>(world: &mut World, entity: Entity) {
    visit::<P>(world, entity, |_, cx| {
        cx.known().iter().flat_map(|belongings| &belongings.children).for_each(|child| child.shared.stop());
    });
}

/// Tells the threads of one process how often it lives from now on.
pub(crate) fn regrouped<P: Process>(world: &mut World, entity: Entity, frequency: Frequency) {
    visit::<P>(world, entity, |_, cx| {
        if let Some(family) = cx.known().and_then(|belongings| belongings.family.as_ref()) {
            *family.frequency.lock() = frequency;
            if family.has_ended_threads() {
                // It was listed where it was before.
                cx.scope.list_ready(cx.vitals.lane, cx.vitals.address.entity());
            }
        }
    });
}
