//! The end of a World's processes, all together.

use crate::cause::Cause;
use crate::post::Fate;
use crate::process::{Flags, Vitals};
use crate::run_level::RunLevel;
use crate::scope;
use crate::systems::rebirth;
use bevy_ecs::entity::Entity;
use bevy_ecs::world::World;
use std::sync::Arc;

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

/// Ends every process of this World: first condemned, then buried, the youngest first.
pub(crate) fn end_all(world: &mut World, cause: &Arc<Cause>) {
    let mut query = world.query::<(&Vitals, &mut Flags)>();
    let mut living: Vec<(u64, Entity)> = Vec::new();
    for (vitals, mut flags) in query.iter_mut(world) {
        if flags.has(Flags::OVER) {
            continue; // It rests, or its component was taken away and the entity is the user's.
        }
        vitals.address.0.incidents().ends_by(cause.clone());
        vitals.address.0.set_fate(Fate::End);
        flags.set(Flags::DYING);
        vitals.address.set_run_level(RunLevel::Cleanup);
        living.push((vitals.address.0.birth, vitals.address.entity()));
    }
    living.sort_unstable_by(|a, b| b.cmp(a));
    rebirth::bury(world, living.into_iter().map(|(_, entity)| entity).collect());
    scope::of(world).leaving.borrow_mut().clear();
}
