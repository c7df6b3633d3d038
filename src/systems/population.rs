//! Where a large population lies in memory.

use crate::huge_pages;
use crate::scope;
use bevy_ecs::archetype::Archetype;
use bevy_ecs::world::World;
use std::ops::Range;

/// Of fewer, it does not matter.
const MANY: u32 = 1 << 15;

/// Has large populations, as they are now, on huge pages.
pub(crate) fn gather(world: &mut World) {
    let mut memory: Vec<_> =
        world.archetypes().iter().filter(|one| one.len() > MANY).flat_map(|one| table(world, one)).collect();
    if !memory.is_empty() {
        memory.extend(scope::of(world).depot.borrow().homes().memory());
        huge_pages::gather(memory.into_iter());
    }
}

/// The columns of a table, and when each was changed.
fn table(world: &World, archetype: &Archetype) -> Vec<Range<usize>> {
    let Some(table) = world.storages().tables.get(archetype.table_id()) else { return Vec::new() };
    let [Some(first), Some(last)] = [table.entities().first(), table.entities().last()] else { return Vec::new() };
    let [first, last] = [first, last].map(|entity| world.entity(*entity));
    let columns = archetype.components().iter().filter_map(|id| {
        let [first, last] = [first, last].map(|entity| entity.get_by_id(*id).ok());
        Some(first?.as_ptr().addr()..last?.as_ptr().addr())
    });
    let changes = archetype.components().iter().filter_map(|id| {
        let changes = table.get_changed_ticks_slice_for(*id)?.as_ptr_range();
        Some(changes.start.addr()..changes.end.addr())
    });
    columns.chain(changes).collect()
}
