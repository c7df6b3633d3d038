//! Death: whatever takes a process's component out of the World runs its `death` first, exactly once.
//!
//! An observer of the component's removal, so that despawning the entity or removing the component from a plain system
//! is as good an end as [`die`](crate::context::Context::die).

use crate::cause::Cause;
use crate::context::Context;
use crate::failure::guarded;
use crate::process::{Flags, Process, Row, Vitals};
use crate::run_level::RunLevel;
use crate::scope::{self, Departed, Lent, Scope};
use crate::systems::mailman;
use bevy_ecs::change_detection::DetectChangesMut;
use bevy_ecs::entity::Entity;
use bevy_ecs::lifecycle::Remove;
use bevy_ecs::observer::On;
use bevy_ecs::system::{Query, ResMut};
use bevy_ecs::world::World;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Runs when a process of this type is about to leave the World.
pub(crate) fn observe<P: Process>(gone: On<Remove<P>>, mut rows: Query<Row<P>>, mut lent: ResMut<Lent>) {
    let scope = lent.bypass_change_detection().scope();
    let Ok((mut process, mut flags, mut vitals, mut private)) = rows.get_mut(gone.entity) else { return };
    let (vitals, flags) = (vitals.bypass_change_detection(), flags.bypass_change_detection());
    if flags.has(Flags::OVER) {
        return;
    }
    flags.set(Flags::DYING);
    vitals.address.0.ends_by(Arc::new(Cause::Despawned));
    let private = private.bypass_change_detection();
    let pulled = Cell::new(false);
    let mut cx = Context { vitals: &mut *vitals, flags: &mut *flags, private, scope, pulled: &pulled };
    mailman::last_pass(&mut *process, &mut cx);
    cx.vitals.address.set_run_level(RunLevel::Halt);
    guarded("death", &mut *process, &mut cx, P::death);
    flags.set(Flags::OVER);
    unlist(vitals, scope);
}

/// Takes a dead process out of all books.
fn unlist(vitals: &Vitals, scope: &Scope) {
    let address = &vitals.address;
    address.set_run_level(RunLevel::Unset);
    let because = address.0.cause.lock().clone().unwrap_or_else(|| Arc::new(Cause::Despawned));
    let lives = scope.lives(vitals);
    tracing::debug!(process = address.name(), lives, cause = %because, "died");
    scope.control.post.release(address.name());
    scope.joined.borrow_mut().remove(&address.entity());
    let group = scope.lane(vitals).group as usize;
    if let Some(waiting) = scope.ringing.borrow_mut().get_mut(group) {
        waiting.retain(|(owner, ..)| *owner != address.entity());
    }
    let departed = Departed {
        address: address.clone(),
        kind: scope.kinds.borrow()[address.0.kind as usize].name,
        group: scope.groups.borrow()[group].key.clone(),
        lives,
    };
    scope.graveyard.borrow_mut().bury(departed);
    scope.count(vitals.lane, false);
    end_if_last(scope, address.name(), &because);
}

fn end_if_last(scope: &Scope, name: &str, because: &Arc<Cause>) {
    let control = &scope.control;
    let left = control.population.fetch_sub(1, Relaxed) - 1;
    if control.is_stopping() {
        return;
    }
    match control.main_name() {
        Some(main) if main.eq_ignore_ascii_case(name) => {
            control.stop(Cause::MainDied { because: Box::new(Cause::clone(because)) });
        }
        // Whether it was the last one is seen when the births of this tick are through.
        None if left == 0 => scope.beat.unsettle(),
        _ => {}
    }
}

/// Without a main, the application ends when everybody has died and nobody waits to be born.
pub(crate) fn end_if_all_died(scope: &Scope) {
    let control = &scope.control;
    let anyone = control.population.load(Relaxed) > 0 || !scope.deferred.borrow().is_empty();
    let had_any = !scope.graveyard.borrow().recent.is_empty();
    if !anyone && had_any && control.main_name().is_none() && !control.is_stopping() {
        control.stop(Cause::AllDied);
    }
}

/// Runs the deaths of these processes, in this order, and frees their entities.
pub(crate) fn bury(world: &mut World, dying: Vec<Entity>) {
    for entity in dying {
        if let Ok(process) = world.get_entity_mut(entity) {
            process.despawn();
        }
    }
}

/// Ends every process of this World: first condemned, then buried, the youngest first.
pub(crate) fn end_all(world: &mut World, cause: &Arc<Cause>) {
    let mut query = world.query::<(&Vitals, &mut Flags)>();
    let mut living: Vec<(u64, Entity)> = Vec::new();
    for (vitals, mut flags) in query.iter_mut(world) {
        if flags.has(Flags::OVER) {
            continue; // Its component was taken away; the entity is the user's.
        }
        vitals.address.0.ends_by(cause.clone());
        flags.set(Flags::DYING);
        vitals.address.set_run_level(RunLevel::Cleanup);
        living.push((vitals.address.0.birth, vitals.address.entity()));
    }
    living.sort_unstable_by(|a, b| b.cmp(a));
    bury(world, living.into_iter().map(|(_, entity)| entity).collect());
    scope::of(world).leaving.borrow_mut().clear();
}

/// Motors off: `safe_stop` of every process of this World, the oldest first.
pub(crate) fn safe_stop_all(world: &mut World) {
    let mut living: Vec<_> = {
        let mut query = world.query::<&Vitals>();
        query
            .iter(world)
            .map(|vitals| (vitals.address.0.birth, vitals.address.entity(), vitals.address.0.kind))
            .collect()
    };
    living.sort_unstable_by_key(|&(birth, ..)| birth);
    let kinds: Vec<_> = scope::of(world).kinds.borrow().clone();
    for (_, entity, kind) in living {
        (kinds[kind as usize].safe_stop)(world, entity);
    }
}

/// Runs `safe_stop` of one process.
pub(crate) fn safe_stop<P: Process>(world: &mut World, entity: Entity) {
    visit::<P>(world, entity, |process, mut cx| guarded("safe_stop", process, &mut cx, P::safe_stop));
}

/// Lends one process and its context to `f`, if it is there.
pub(crate) fn visit<P: Process>(world: &mut World, entity: Entity, f: impl FnOnce(&mut P, Context<'_, P>)) {
    let Some(lender) = scope::entity(world) else { return };
    let Ok([mut process, mut lender]) = world.get_entity_mut([entity, lender]) else { return };
    let Some(mut lent) = lender.get_mut::<Lent>() else { return };
    let Ok((mut process, mut flags, mut vitals, mut private)) = process.get_components_mut::<Row<P>>() else { return };
    let flags = flags.bypass_change_detection();
    let (vitals, private) = (vitals.bypass_change_detection(), private.bypass_change_detection());
    let scope = lent.bypass_change_detection().scope();
    f(&mut process, Context { vitals, flags, private, scope, pulled: &Cell::new(false) });
}
