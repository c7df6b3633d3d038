//! What stands beside a process's state in its bundle, and where that says the process lives.

use crate::frequency::Frequency;
use crate::key::{InGroup, OnHead};
use bevy_ecs::bundle::{Bundle, BundleFromComponents};
use bevy_ecs::name::Name;
use bevy_ecs::world::World;
use hashbrown::HashMap;
use std::any::TypeId;

/// The settings of a process, and any other components for its entity: each Bevy bundle that can be taken out of a World
/// again, since it may have to move to another head's. That is every component, every derived bundle and every tuple of
/// them, but not what spawns other entities (`children![..]`).
pub trait Settings: Bundle + BundleFromComponents {}

impl<B: Bundle + BundleFromComponents> Settings for B {}

/// What is taken out of the World at birth, for each would cost every process some forty bytes: its address knows its name,
/// and its lane its group. To insert another [`Frequency`] or [`InGroup`] later asks for a move.
pub(crate) type Taken = (Name, Asked);

/// How a process asks for a group.
pub(crate) type Asked = (Frequency, InGroup);

/// Where a bundle says that its process lives.
#[derive(Default, Debug)]
pub(crate) struct Place {
    pub(crate) head: Option<OnHead>,
    /// Who asks to live there: for what can't be.
    pub(crate) name: Option<Name>,
    pub(crate) frequency: Option<Frequency>,
    pub(crate) group: Option<InGroup>,
}

/// Reads places off bundles, in a World of its own: a bundle shows what is in it only there.
#[derive(Default)]
pub(crate) struct Sorter {
    /// Made when it is first needed. Boxed, for builders are moved at every call, and a World is large.
    world: Option<Box<World>>,
    seen: HashMap<TypeId, Contents>,
}

/// What bundles of one type hold.
#[derive(Clone, Copy, Debug)]
struct Contents {
    names_head: bool,
    is_bare: bool,
}

impl Sorter {
    /// Whether bundles of this type name a head.
    pub(crate) fn names_head<B: Settings>(&mut self) -> bool {
        self.contents::<B>().names_head
    }

    /// Whether nothing of a bundle of this type stays in the World.
    pub(crate) fn is_bare<B: Settings>(&mut self) -> bool {
        self.contents::<B>().is_bare
    }

    fn contents<B: Settings>(&mut self) -> Contents {
        let world = self.world.get_or_insert_default();
        *self.seen.entry(TypeId::of::<B>()).or_insert_with(|| {
            let taken = world.register_bundle::<Taken>().explicit_components().to_vec();
            let is_bare = world.register_bundle::<B>().explicit_components().iter().all(|part| taken.contains(part));
            Contents { names_head: names_head::<B>(world), is_bare }
        })
    }

    /// What the bundle says, and the bundle. Component hooks of its own types run, in a World that has nothing else.
    pub(crate) fn look<B: Settings>(&mut self, bundle: B) -> (Place, B) {
        look(self.world.get_or_insert_default(), bundle)
    }
}

/// Whether bundles of this type name a head.
pub(crate) fn names_head<B: Settings>(world: &mut World) -> bool {
    let on_head = world.register_component::<OnHead>();
    world.register_bundle::<B>().explicit_components().contains(&on_head)
}

fn look<B: Settings>(world: &mut World, bundle: B) -> (Place, B) {
    if world.register_bundle::<B>().explicit_components().is_empty() {
        return (Place::default(), bundle); // Of nothing, nothing could be taken out again.
    }
    let mut slot = world.spawn(bundle);
    let place = Place {
        head: slot.get::<OnHead>().cloned(),
        name: slot.get::<Name>().cloned(),
        frequency: slot.get::<Frequency>().copied(),
        group: slot.get::<InGroup>().cloned(),
    };
    // It was put there a moment ago, and only a component hook of the user's own could have taken a part of it away.
    let bundle = slot.take::<B>().expect("no component hook removes what it is called for");
    slot.despawn();
    (place, bundle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frequency::hz;
    use bevy_ecs::component::Component;

    #[derive(Component, Debug, PartialEq)]
    struct Payload(String);

    #[test]
    fn a_bundle_comes_back_as_it_was() {
        let mut sorter = Sorter::default();
        assert!(!sorter.names_head::<(Frequency, Name)>() && sorter.is_bare::<(Frequency, Name)>());
        assert!(sorter.is_bare::<()>() && !sorter.is_bare::<(Frequency, Payload)>());
        let bundle = (hz(5), (OnHead::new("control"), Payload("kept".into())), InGroup::new("io"));
        fn known<B: Settings>(sorter: &mut Sorter, _: &B) -> bool {
            sorter.names_head::<B>()
        }
        assert!(known(&mut sorter, &bundle));
        let (place, (frequency, (head, payload), group)) = sorter.look(bundle);
        assert_eq!((place.head, place.frequency, place.group), (Some(head), Some(frequency), Some(group)));
        assert_eq!(payload, Payload("kept".into()));
        assert!(sorter.look(()).0.frequency.is_none());
    }
}
