//! The components of one process, borrowed together.
//!
//! Bevy's own way checks each time that no two of them are the same, which takes longer than many a hook.
#![allow(unsafe_code)]

use crate::process::{Process, Row};
use crate::renewal::Renewal;
use bevy_ecs::query::QueryData;
use bevy_ecs::world::EntityMut;

type Item<'a, Q> = <Q as QueryData>::Item<'a, 'static>;

/// All that a hook sees, if the entity is a process of this type.
pub(crate) fn of<'a, P: Process>(entity: &'a mut EntityMut<'_>) -> Option<Item<'a, Row<P>>> {
    // SAFETY: no two are of one type. `Flags`, `Vitals` and `Private<P>` are types of this crate that are no processes, as
    // `P` is, and differ among themselves.
    unsafe { entity.get_components_mut_unchecked::<Row<P>>() }.ok()
}

/// The same, and what says which state it begins with.
pub(crate) fn with_renewal<'a, P: Process>(
    entity: &'a mut EntityMut<'_>,
) -> Option<Item<'a, (Row<P>, Option<&'static mut Renewal<P>>)>> {
    // SAFETY: as above, and `Renewal<P>` is one more such type.
    unsafe { entity.get_components_mut_unchecked::<(Row<P>, Option<&mut Renewal<P>>)>() }.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{Flags, Private};
    use bevy_ecs::component::Component;
    use bevy_ecs::world::World;

    #[derive(Component)]
    struct Idle(u8);
    impl Process for Idle {}

    #[test]
    fn one_that_lacks_something_is_no_process() {
        let mut world = World::new();
        let entity = world.spawn((Idle(7), Flags::OVER, Private::<Idle>(None))).id();
        assert!(of::<Idle>(&mut world.entity_mut(entity).into_mutable()).is_none());
        assert!(with_renewal::<Idle>(&mut world.entity_mut(entity).into_mutable()).is_none());
        assert_eq!(world.get::<Idle>(entity).unwrap().0, 7);
    }
}
