//! Death: whatever takes a process's component out of the World runs its `death` first, exactly once.
//!
//! An observer of the component's removal, so that despawning the entity or removing the component from a plain system
//! is as good an end as [`die`](crate::context::Context::die).

use crate::cause::Cause;
use crate::erased::{Act, RawContext};
use crate::post::{Address, Fate};
use crate::process::{Flags, Vitals};
use crate::run_level::RunLevel;
use crate::scope::{self, Departed, Scope, row};
use crate::signals::bind;
use crate::systems::actor::{Actor, lend};
use crate::systems::{mailman, threads};
use bevy_ecs::entity::Entity;
use bevy_ecs::world::DeferredWorld;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Runs when a process is about to leave the World: it watches the components of all types.
pub(crate) fn observe(gone: Entity, world: DeferredWorld<'_>, lender: Entity) {
    scope::with_lender(world, gone, lender, |mut entity, scope| {
        if let Some(row) = row::of(&mut entity, scope) {
            lend(row, scope, |actor| leave(actor, scope));
        }
    });
}

fn leave(mut actor: Actor<'_>, scope: &Scope) {
    let vitals = &mut *actor.cx.vitals;
    let address = vitals.address.clone();
    if vitals.flags.has(Flags::OVER) {
        // One that rests, or waits to be born again, has no part in anything but its name.
        if address.0.fate() != Fate::End {
            address.0.set_fate(Fate::End);
            forget(vitals, scope);
        }
        return;
    }
    scope.flag(vitals, Flags::DYING);
    address.0.set_fate(Fate::End);
    address.0.ends_by(Arc::new(Cause::Despawned));
    die(&mut actor);
    forget(actor.cx.vitals, scope);
    end_if_last(scope, &address);
}

/// The end of a life, whatever follows: its last mail, then its `death`.
pub(crate) fn die(actor: &mut Actor<'_>) {
    let scope = actor.cx.scope;
    scope.link.live();
    let ends = ends_application(scope, &actor.cx.vitals.address);
    if ends {
        announce(scope, &actor.cx.vitals.address);
    }
    threads::end_all(&mut actor.cx);
    if actor.cx.vitals.address.0.fate() == Fate::Restart {
        mailman::break_off(&mut actor.cx);
    } else {
        mailman::last_pass(&mut actor.process, &mut actor.cx);
        actor.cx.vitals.address.set_run_level(RunLevel::Halt);
    }
    actor.guarded("death", Act::Death);
    if ends {
        scope.control.ending.dawns.store(false, Relaxed);
    }
    leave_group(&mut actor.cx);
}

/// Whether this death is what ends the application.
fn ends_application(scope: &Scope, address: &Address) -> bool {
    let control = &scope.control;
    if control.is_stopping() || address.0.fate() == Fate::Restart {
        return false;
    }
    match control.main_name() {
        Some(main) => main.eq_ignore_ascii_case(address.name()),
        None => control.population.load(Relaxed) == 1 && !waits_for_births(scope),
    }
}

/// Before such a death, the service manager hears of the end, and its time begins to count: it may hang.
fn announce(scope: &Scope, address: &Address) {
    if let Some(manager) = scope.control.manager() {
        manager.stopping(&format!("{:?} dies", address.name()));
    }
    scope.control.ending.dawns.store(true, Relaxed);
}

/// Takes a process whose death has run out of all that concerns the living.
fn leave_group(cx: &mut RawContext<'_>) {
    bind::forget(cx);
    let RawContext { vitals, scope, .. } = cx;
    let entity = vitals.address.entity();
    if let Some(inbox) = vitals.address.0.known_inbox() {
        inbox.clear();
    }
    let lives = scope.lives(vitals);
    vitals.address.attic().set_lives_offset(lives);
    vitals.flags.clear(Flags::FRESH.and(Flags::BACK).and(Flags::DYING));
    scope.flag(vitals, Flags::OVER.and(Flags::ABSENT));
    scope.joined.borrow_mut().remove(&entity);
    let group = scope.lane(vitals).group as usize;
    if let Some(waiting) = scope.ringing.borrow_mut().get_mut(group) {
        waiting.retain(|(owner, ..)| *owner != entity);
    }
    scope.count(vitals.lane, false);
    scope.control.population.fetch_sub(1, Relaxed);
    tracing::debug!(process = vitals.address.name(), lives, "died");
}

/// Frees the name of a process that is gone for good, and lists it among the dead.
fn forget(vitals: &Vitals, scope: &Scope) {
    let address = &vitals.address;
    address.set_run_level(RunLevel::Unset);
    scope.control.post.release(address);
    scope.senders.forget(address.0.birth);
    let departed = Departed {
        address: address.clone(),
        kind: scope.kinds.borrow()[address.0.kind as usize].name,
        group: scope.groups.borrow()[scope.lane(vitals).group as usize].key.clone(),
        lives: scope.lives(vitals),
    };
    scope.graveyard.borrow_mut().bury(departed);
}

/// Ends the application with its main process, or with the last of all.
pub(crate) fn end_if_last(scope: &Scope, address: &Address) {
    let control = &scope.control;
    if control.is_stopping() {
        return;
    }
    match control.main_name() {
        Some(main) if main.eq_ignore_ascii_case(address.name()) => {
            let because = address.0.cause().unwrap_or_else(|| Arc::new(Cause::Despawned));
            control.stop(Cause::MainDied { because: Box::new(Cause::clone(&because)) });
        }
        // Whether it was the last one is seen when the births of this tick are through.
        None if control.population.load(Relaxed) == 0 => scope.beat.unsettle(),
        _ => {}
    }
}

fn waits_for_births(scope: &Scope) -> bool {
    let own = usize::from(scope.settles.get());
    !scope.deferred.borrow().is_empty() || scope.control.pending.load(Relaxed) > own || scope.control.has_calls()
}

/// Without a main, the application ends when everybody has died and nobody waits to be born.
pub(crate) fn end_if_all_died(scope: &Scope) {
    let control = &scope.control;
    let anyone = control.population.load(Relaxed) > 0 || waits_for_births(scope);
    if !anyone && scope.had_any.get() && control.main_name().is_none() && !control.is_stopping() {
        control.stop(Cause::AllDied);
    }
}
