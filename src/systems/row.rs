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
    // SAFETY: no two are of one type. `Vitals` is a type of this crate that is no process, as `P` is.
    unsafe { entity.get_components_mut_unchecked::<Row<P>>() }.ok()
}

/// The same, and what says which state it begins with.
pub(crate) fn with_renewal<'a, P: Process>(
    entity: &'a mut EntityMut<'_>,
) -> Option<Item<'a, (Row<P>, Option<&'static mut Renewal<P>>)>> {
    // SAFETY: as above, and `Renewal<P>` is one more such type.
    unsafe { entity.get_components_mut_unchecked::<(Row<P>, Option<&mut Renewal<P>>)>() }.ok()
}

#[cfg(all(test, not(loom_model)))]
mod tests {
    use super::*;
    use crate::post::tests::address;
    use crate::process::{Flags, Vitals};
    use bevy_ecs::component::Component;
    use bevy_ecs::world::World;

    #[derive(Component, Default, Debug, PartialEq)]
    struct Text(String);
    impl Process for Text {}

    fn vitals() -> Vitals {
        Vitals::new(address("p", 0), 9, 8)
    }

    #[test]
    fn each_is_borrowed_for_itself() {
        let mut world = World::new();
        let rest = (vitals(), Renewal::<Text>::default_state());
        let entity = world.spawn((Text("old".into()), rest)).id();
        let mut row = world.entity_mut(entity).into_mutable();
        let ((mut text, mut vitals), renewal) = with_renewal::<Text>(&mut row).unwrap();
        *text = renewal.unwrap().renew().unwrap();
        vitals.flags.clear(Flags::OVER.and(Flags::ABSENT));
        vitals.lane += 1;
        vitals.private.belongings::<Text>().next_timer = 3;
        let (mut text, vitals) = of::<Text>(&mut row).unwrap();
        assert!(vitals.flags.is_clear() && text.0.is_empty());
        text.0.push_str("new");
        assert_eq!((vitals.lane, vitals.private.get::<Text>().unwrap().next_timer), (10, 3));
        assert_eq!(world.get::<Text>(entity).unwrap().0, "new");
    }

    #[test]
    fn one_that_lacks_something_is_no_process() {
        let mut world = World::new();
        world.register_component::<Renewal<Text>>();
        let entity = world.spawn(Text("old".into())).id();
        world.register_component::<Vitals>();
        let mut row = world.entity_mut(entity).into_mutable();
        assert!(of::<Text>(&mut row).is_none() && with_renewal::<Text>(&mut row).is_none());
        let mut whole = world.spawn((Text::default(), vitals())).into_mutable();
        let (_, renewal) = with_renewal::<Text>(&mut whole).unwrap();
        assert!(renewal.is_none());
    }
}
