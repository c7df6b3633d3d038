//! What tells the processes of one group from others of their type, so that they stand together in tables of their own and
//! a tick visits nothing else.
//!
//! The first group of a type is its home: most types have no other, so processes at home bear no mark, which spares each a
//! column and a move at birth. All others of the type are [`Abroad`], and bear the run-time marker of their group, a zero-size
//! table component. Those that rest are in no group: abroad without a marker.
//!
//! Bevy has no safe way to make component types at run time.
#![allow(unsafe_code)]

use crate::scope::Mark;
use bevy_ecs::component::{Component, ComponentCloneBehavior, ComponentDescriptor, ComponentId, StorageType};
use bevy_ecs::ptr::OwningPtr;
use bevy_ecs::query::{QueryBuilder, QueryData};
use bevy_ecs::world::{EntityMut, EntityWorldMut, World};
use std::alloc::Layout;

/// Not in the home group of its type, or in none.
#[derive(Component)]
pub(crate) struct Abroad;

impl Mark {
    /// Puts a process that is in no group into this one.
    pub(crate) fn put(self, process: &mut EntityWorldMut<'_>) {
        match self {
            Self::Home => drop(process.remove::<Abroad>()),
            Self::Group(marker) => insert(process.insert_if_new(Abroad), marker),
        }
    }

    /// Takes a process out of this group: it is in none then.
    pub(crate) fn take(self, process: &mut EntityWorldMut<'_>) {
        match self {
            Self::Home => drop(process.insert(Abroad)),
            Self::Group(marker) => drop(process.remove_by_id(marker)),
        }
    }

    /// Whether a process of the type is in this group.
    pub(crate) fn is_on(self, process: &EntityMut<'_>) -> bool {
        match self {
            Self::Home => !process.contains::<Abroad>(),
            Self::Group(marker) => process.contains_id(marker),
        }
    }

    /// Has a query for processes of the type find those of this group only.
    pub(crate) fn filter<D: QueryData>(self, query: &mut QueryBuilder<'_, D>) {
        match self {
            Self::Home => drop(query.without::<Abroad>()),
            Self::Group(marker) => drop(query.with_id(marker)),
        }
    }
}

/// Makes a new marker.
pub(crate) fn register(world: &mut World, name: String) -> ComponentId {
    let layout = Layout::new::<()>();
    // SAFETY: the component is `()`: Send, Sync, without drop glue, and `layout` is its layout.
    let descriptor = unsafe {
        ComponentDescriptor::new_with_layout(
            name,
            StorageType::Table,
            layout,
            None,
            false,
            false,
            ComponentCloneBehavior::Ignore,
            None,
        )
    };
    world.register_component_with_descriptor(descriptor)
}

/// Puts a marker on an entity.
fn insert(entity: &mut EntityWorldMut<'_>, marker: ComponentId) {
    // SAFETY: all markers come from `register` on this World, so the id is known and its value is `()`.
    OwningPtr::make((), |unit| unsafe {
        entity.insert_by_id(marker, unit);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_distinct_and_removable() {
        let mut world = World::new();
        let [a, b] = ["a", "b"].map(|name| register(&mut world, name.into()));
        assert_ne!(a, b);
        let mut entity = world.spawn_empty();
        insert(&mut entity, a);
        insert(&mut entity, b);
        assert!(entity.contains_id(a) && entity.contains_id(b));
        entity.remove_by_id(a);
        assert!(!entity.contains_id(a) && entity.contains_id(b));
    }

    #[derive(Component)]
    struct Cell;

    #[test]
    fn a_query_sees_only_its_group() {
        let mut world = World::new();
        let marks =
            [Mark::Home, Mark::Group(register(&mut world, "a".into())), Mark::Group(register(&mut world, "b".into()))];
        let count = |world: &mut World| {
            marks.map(|mark| {
                let mut query = QueryBuilder::<&Cell>::new(world);
                mark.filter(&mut query);
                query.build().iter(world).count()
            })
        };
        let mut cells = [0, 1, 1, 2, 2, 2].map(|mark| {
            let mut cell = world.spawn(Cell);
            marks[mark].put(&mut cell);
            (cell.id(), mark)
        });
        assert_eq!(count(&mut world), [1, 2, 3]);
        // From each group to the next.
        for (cell, mark) in &mut cells {
            let mut cell = world.entity_mut(*cell);
            marks[*mark].take(&mut cell);
            assert!(!marks.iter().any(|mark| mark.is_on(&cell.as_mutable())), "in none");
            *mark = (*mark + 1) % marks.len();
            marks[*mark].put(&mut cell);
            assert!(marks[*mark].is_on(&cell.as_mutable()));
        }
        assert_eq!(count(&mut world), [3, 1, 2]);
    }
}
