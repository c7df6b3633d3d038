//! The run-time marker of a group: a zero-size table component, so that the processes of one group stand together in
//! tables of their own and a tick visits nothing else.
//!
//! Bevy has no safe way to make component types at run time.
#![allow(unsafe_code)]

use bevy_ecs::component::{ComponentCloneBehavior, ComponentDescriptor, ComponentId, StorageType};
use bevy_ecs::ptr::OwningPtr;
use bevy_ecs::world::{EntityWorldMut, World};
use std::alloc::Layout;

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
pub(crate) fn insert(entity: &mut EntityWorldMut<'_>, marker: ComponentId) {
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

    #[test]
    fn a_query_sees_only_its_marker() {
        let mut world = World::new();
        let [a, b] = ["a", "b"].map(|name| register(&mut world, name.into()));
        for marker in [a, b, a] {
            insert(&mut world.spawn_empty(), marker);
        }
        let mut query = bevy_ecs::query::QueryBuilder::<()>::new(&mut world).with_id(a).build();
        assert_eq!(query.iter(&world).count(), 2);
    }
}
