//! What is seen to once for all who start with the application, so that the first ticks take no longer than others.

use crate::huge_pages;
use crate::process::{Flags, Vitals};
use crate::scope::{self, Scope};
use bevy_ecs::archetype::Archetype;
use bevy_ecs::change_detection::ContiguousMut;
use bevy_ecs::world::World;
use std::ops::Range;

/// Of fewer, it does not matter where they lie in memory.
const MANY: u32 = 1 << 15;

/// The births before the first tick are over.
pub(crate) fn settle(world: &mut World) {
    gather(world);
    scope::lend(world, introduce);
}

/// Mailmen know where each stands. And nobody has been absent: whoever was born by the start has his first life counted from
/// there, like his lane.
fn introduce(world: &mut World, scope: &Scope) {
    let (depot, mut all) = (scope.depot.borrow(), world.query::<&mut Vitals>());
    let tables = all.contiguous_iter_mut(world).expect("all vitals are in tables");
    for table in tables {
        let vitals = ContiguousMut::bypass_change_detection_split(table).0;
        for (vitals, row) in vitals.iter_mut().zip(0..) {
            if vitals.flags == Flags::ABSENT {
                vitals.flags.clear(Flags::ABSENT);
            }
            if let Some(home) = depot.homes().get(vitals.address.party().slot()) {
                home.set_row(row);
            }
        }
    }
}

/// Has large populations, as they are now, on huge pages, and the head ready for their mail.
fn gather(world: &mut World) {
    let mut memory: Vec<_> =
        world.archetypes().iter().filter(|one| one.len() > MANY).flat_map(|one| table(world, one)).collect();
    if !memory.is_empty() {
        memory.extend(scope::of(world).depot.borrow_mut().expect_many());
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
    let changes = archetype.components().iter().filter_map(|id| table.get_changed_ticks_slice_for(*id));
    columns.chain(changes.map(huge_pages::addresses)).collect()
}
