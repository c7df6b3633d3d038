//! Death: whatever takes a process's component out of the World runs its `death` first, exactly once.
//!
//! An observer of the component's removal, so that despawning the entity or removing the component from a plain system
//! is as good an end as [`die`](crate::context::Context::die).

use crate::cause::Cause;
use crate::context::Context;
use crate::failure::guarded;
use crate::post::{Address, Fate};
use crate::process::{Flags, Process, Row, Vitals};
use crate::run_level::RunLevel;
use crate::scope::{Departed, Lent, Scope};
use crate::signals::bind;
use crate::systems::{mailman, threads};
use bevy_ecs::change_detection::DetectChangesMut;
use bevy_ecs::lifecycle::Remove;
use bevy_ecs::observer::On;
use bevy_ecs::system::{Query, ResMut};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Runs when a process of this type is about to leave the World.
pub(crate) fn observe<P: Process>(gone: On<Remove<P>>, mut rows: Query<Row<P>>, mut lent: ResMut<Lent>) {
    let scope = lent.bypass_change_detection().scope();
    let Ok((mut process, mut vitals)) = rows.get_mut(gone.entity) else { return };
    let vitals = vitals.bypass_change_detection();
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
    die(&mut *process, &mut Context::new(vitals, scope, &Cell::new(false)));
    forget(vitals, scope);
    end_if_last(scope, &address);
}

/// The end of a life, whatever follows: its last mail, then its `death`.
pub(crate) fn die<P: Process>(process: &mut P, cx: &mut Context<'_, P>) {
    cx.scope.link.live();
    let ends = ends_application(cx.scope, &cx.vitals.address);
    if ends {
        announce(cx.scope, &cx.vitals.address);
    }
    threads::end_all(cx);
    if cx.vitals.address.0.fate() == Fate::Restart {
        mailman::break_off(cx);
    } else {
        mailman::last_pass(process, cx);
        cx.vitals.address.set_run_level(RunLevel::Halt);
    }
    guarded("death", process, cx, P::death);
    if ends {
        cx.scope.control.ending.dawns.store(false, Relaxed);
    }
    leave_group(cx);
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
fn leave_group<P: Process>(cx: &mut Context<'_, P>) {
    bind::forget(cx);
    let Context { vitals, scope, .. } = cx;
    let entity = vitals.address.entity();
    if let Some(inbox) = vitals.address.0.known_inbox() {
        inbox.clear();
    }
    vitals.lives_offset = scope.lives(vitals);
    vitals.flags.clear(Flags::FRESH.and(Flags::BACK).and(Flags::DYING));
    scope.flag(vitals, Flags::OVER.and(Flags::ABSENT));
    scope.joined.borrow_mut().remove(&entity);
    let group = scope.lane(vitals).group as usize;
    if let Some(waiting) = scope.ringing.borrow_mut().get_mut(group) {
        waiting.retain(|(owner, ..)| *owner != entity);
    }
    scope.count(vitals.lane, false);
    scope.control.population.fetch_sub(1, Relaxed);
    tracing::debug!(process = vitals.address.name(), lives = vitals.lives_offset, "died");
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
