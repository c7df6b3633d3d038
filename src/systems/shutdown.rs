//! The end of a World's processes, all together.

use crate::cause::Cause;
use crate::post::Fate;
use crate::process::{Flags, Vitals};
use crate::run_level::RunLevel;
use crate::scope;
use crate::systems::rebirth;
use bevy_ecs::entity::{Entity, EntityHashSet};
use bevy_ecs::world::World;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Motors off: `safe_stop` of every process of this World, the oldest first.
pub(crate) fn safe_stop_all(world: &mut World) {
    let mut living: Vec<_> = {
        let mut query = world.query::<(&Vitals, &Flags)>();
        query
            .iter(world)
            .filter(|(_, flags)| !flags.has(Flags::OVER))
            .map(|(vitals, _)| (vitals.address.0.birth, vitals.address.entity(), vitals.address.0.kind))
            .collect()
    };
    living.sort_unstable_by_key(|&(birth, ..)| birth);
    let kinds: Vec<_> = scope::of(world).kinds.borrow().clone();
    for (_, entity, kind) in living {
        (kinds[kind as usize].safe_stop)(world, entity);
    }
}

/// Those that live and are not bound to end with the application, and all that they depend on.
pub(crate) fn exempt(world: &mut World) -> EntityHashSet {
    let mut query = world.query::<(Entity, &Vitals, &Flags)>();
    let unbound = |(_, vitals, flags): &(Entity, &Vitals, &Flags)| !flags.has(Flags::OVER) && !vitals.address.0.bound;
    let mut open: Vec<Entity> = query.iter(world).filter(unbound).map(|(entity, ..)| entity).collect();
    let mut exempt = EntityHashSet::default();
    while let Some(next) = open.pop() {
        if exempt.insert(next) {
            open.extend(rebirth::needs(world, next));
        }
    }
    exempt
}

/// Ends every process of this World but a few: first all are condemned, then buried, by falling rank and within one the
/// youngest first.
pub(crate) fn end_all_but(world: &mut World, exempt: &EntityHashSet, cause: &Arc<Cause>) {
    rebirth::cancel_all(world);
    let mut query = world.query::<(&Vitals, &mut Flags)>();
    let mut living: Vec<(u32, u64, Entity)> = Vec::new();
    for (vitals, mut flags) in query.iter_mut(world) {
        let (address, entity) = (&vitals.address, vitals.address.entity());
        if flags.has(Flags::OVER) || exempt.contains(&entity) {
            continue; // One that rests stays at rest.
        }
        address.0.ends_by(cause.clone());
        address.0.set_fate(Fate::End);
        flags.set(Flags::DYING);
        address.set_run_level(RunLevel::Cleanup);
        living.push((address.0.rank.load(Relaxed), address.0.birth, entity));
    }
    living.sort_unstable_by(|a, b| b.cmp(a));
    // All threads of one rank are told to end before any is waited for.
    for rank in living.chunk_by(|a, b| a.0 == b.0) {
        halt(world, rank);
        end_each(world, rank);
    }
    let is_exempt = |entity: &Entity| exempt.contains(entity);
    scope::of(world).leaving.borrow_mut().retain(is_exempt);
}

fn halt(world: &mut World, rank: &[(u32, u64, Entity)]) {
    if scope::of(world).has_threads.get() {
        for &(.., entity) in rank {
            let Some(kind) = world.get::<Vitals>(entity).map(|vitals| vitals.address.0.kind) else { continue };
            let halt = scope::of(world).kinds.borrow()[kind as usize].halt;
            halt(world, entity);
        }
    }
}

/// The deaths of some, each of which may take so long and no longer.
fn end_each(world: &mut World, some: &[(u32, u64, Entity)]) {
    let mut from = scope::of(world).stopwatch();
    for &(.., entity) in some {
        let address = world.get::<Vitals>(entity).map(|vitals| vitals.address.clone());
        rebirth::bury(world, [entity]);
        let scope = scope::of(world);
        let now = scope.stopwatch();
        let (took, ending) = (now.saturating_sub(std::mem::replace(&mut from, now)), &scope.control.ending);
        if took > ending.each()
            && let Some(address) = address
        {
            let (process, took) = (address.name(), Duration::from_nanos(took));
            tracing::error!(process, ?took, "its death took longer than it may");
            ending.note_overdue(&format!("the death of {process:?}"));
        }
    }
}
