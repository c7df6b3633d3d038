//! The end of a World's processes, all together.

use crate::cause::Cause;
use crate::lifecycle::Depends;
use crate::post::Fate;
use crate::process::{Flags, Vitals};
use crate::run_level::RunLevel;
use crate::scope;
use crate::systems::{hook, rebirth};
use bevy_ecs::entity::{Entity, EntityHashSet};
use bevy_ecs::world::World;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Motors off: `safe_stop` of every process of this World, the oldest first.
pub(crate) fn safe_stop_all(world: &mut World) {
    let mut living: Vec<_> = {
        let mut query = world.query::<&Vitals>();
        query
            .iter(world)
            .filter(|vitals| !vitals.flags.has(Flags::OVER))
            .map(|vitals| (vitals.address.0.birth, vitals.address.entity()))
            .collect()
    };
    living.sort_unstable_by_key(|&(birth, _)| birth);
    for (_, entity) in living {
        hook::safe_stop(world, entity);
    }
}

/// What decides whether a process outlives an orderly end of the application.
pub(crate) struct Tie {
    birth: u64,
    name: String,
    bound: bool,
    needs: Vec<String>,
}

/// Those that live in this World.
pub(crate) fn ties(world: &mut World) -> Vec<Tie> {
    let mut query = world.query::<(&Vitals, Option<&Depends>)>();
    let living = query.iter(world).filter(|(vitals, _)| !vitals.flags.has(Flags::OVER));
    let tie = |(vitals, depends): (&Vitals, Option<&Depends>)| {
        let record = &vitals.address.0;
        let needs = depends.iter().flat_map(|depends| depends.names()).map(str::to_ascii_lowercase).collect();
        Tie { birth: record.birth, name: record.name.to_ascii_lowercase(), bound: record.is_bound(), needs }
    };
    living.map(tie).collect()
}

/// Those of all heads that are not bound to end with the application, and all that they depend on: by number of birth.
pub(crate) fn exempt(ties: &[Tie]) -> HashSet<u64> {
    let by_name: HashMap<&str, &Tie> = ties.iter().map(|tie| (&*tie.name, tie)).collect();
    let mut open: Vec<&Tie> = ties.iter().filter(|tie| !tie.bound).collect();
    let mut exempt = HashSet::new();
    while let Some(next) = open.pop() {
        if exempt.insert(next.birth) {
            open.extend(next.needs.iter().filter_map(|need| by_name.get(&**need)));
        }
    }
    exempt
}

/// One that is to die with the application. The order is that of births: the reverse of that of deaths.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Doomed {
    pub(crate) rank: u32,
    pub(crate) birth: u64,
    entity: Entity,
}

/// Condemns every process of this World but a few. Each must be given to [`end`].
pub(crate) fn condemn(world: &mut World, exempt: &HashSet<u64>, cause: &Arc<Cause>) -> Vec<Doomed> {
    rebirth::cancel_all(world);
    let mut query = world.query::<&mut Vitals>();
    let doomed: Vec<Doomed> = scope::lend(world, |world, scope| {
        let all = query.iter_mut(world).filter_map(|mut vitals| {
            if vitals.flags.has(Flags::OVER) || exempt.contains(&vitals.address.0.birth) {
                return None; // One that rests stays at rest.
            }
            scope.flag(&mut vitals, Flags::DYING);
            let (address, entity) = (&vitals.address, vitals.address.entity());
            address.0.ends_by(cause.clone());
            address.0.set_fate(Fate::End);
            address.set_run_level(RunLevel::Cleanup);
            Some(Doomed { rank: address.0.rank.load(Relaxed), birth: address.0.birth, entity })
        });
        all.collect()
    });
    let mut leaving = scope::of(world).leaving.borrow_mut();
    if !leaving.is_empty() {
        let ending: EntityHashSet = doomed.iter().map(|one| one.entity).collect();
        leaving.retain(|entity| !ending.contains(entity));
    }
    drop(leaving);
    doomed
}

/// Tells the threads of these to end, and waits for none.
pub(crate) fn halt(world: &mut World, some: &[Doomed]) {
    if scope::of(world).has_threads.get() {
        for &Doomed { entity, .. } in some {
            hook::halt(world, entity);
        }
    }
}

/// Buries these, in their order. Each death may take so long and no longer.
pub(crate) fn end(world: &mut World, some: &[Doomed]) {
    let mut from = scope::of(world).stopwatch();
    for &Doomed { entity, .. } in some {
        let address = world.get::<Vitals>(entity).map(|vitals| vitals.address.clone());
        rebirth::bury(world, [entity]);
        let scope = scope::of(world);
        let now = scope.stopwatch();
        let began = std::mem::replace(&mut from, now);
        let (took, ending) = (now.saturating_sub(began), &scope.control.ending);
        if took > ending.each()
            && !scope.was_stopped(began)
            && let Some(address) = address
        {
            let (process, took) = (address.name(), Duration::from_nanos(took));
            tracing::error!(process, ?took, "its death took longer than it may");
            ending.note_overdue(&format!("the death of {process:?}"));
        }
    }
}
