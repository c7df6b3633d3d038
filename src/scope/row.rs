//! What a process has in the World, borrowed together, whatever its type.
//!
//! Bevy's own way checks each time that no two of the components are the same, which takes longer than many a hook; and it wants
//! the types, so that each type of process would have that code once more.
#![allow(unsafe_code)]

use super::{Kind, Scope};
use crate::erased::AnyProcess;
use crate::process::{Process, Vitals};
use crate::renewal::Renewal;
use bevy_ecs::change_detection::{Mut, MutUntyped};
use bevy_ecs::component::ComponentId;
use bevy_ecs::entity::Entity;
use bevy_ecs::ptr::{OwningPtr, PtrMut};
use bevy_ecs::world::{EntityMut, EntityWorldMut, World};
use std::any::TypeId;

/// How what a type has in the World is borrowed. Nobody but this module calls them.
#[derive(Clone, Copy)]
pub(crate) struct Casts {
    /// Gives the process the state that its renewal says.
    renew: unsafe fn(PtrMut<'_>, &mut AnyProcess<'_>),
}

/// All that a hook sees of one process.
pub(crate) struct Row<'a> {
    pub(crate) kind: Kind,
    pub(crate) process: AnyProcess<'a>,
    pub(crate) vitals: Mut<'a, Vitals>,
}

/// That of an entity, if it is a process.
#[inline]
pub(crate) fn of<'a>(entity: &'a mut EntityMut<'_>, scope: &Scope) -> Option<Row<'a>> {
    borrow(entity, scope.vitals.get()?, |number| scope.kinds.borrow()[number as usize])
}

#[inline]
fn borrow<'a>(entity: &'a mut EntityMut<'_>, vitals: ComponentId, kind: impl FnOnce(u32) -> Kind) -> Option<Row<'a>> {
    let entity: &'a EntityMut<'_> = entity;
    // SAFETY: the number is that of the vitals, which can be changed; and the entity is borrowed for this alone.
    let vitals: Mut<'a, Vitals> = unsafe { entity.get_mut_assume_mutable_by_id_unchecked(vitals).ok()?.with_type() };
    let kind = kind(vitals.address.0.kind);
    // SAFETY: the number is that of this kind in the World of its scope. Vitals are of a type of this crate that is no process, so
    // that these are two components; and every process can be changed.
    let process = unsafe {
        let process = entity.get_mut_assume_mutable_by_id_unchecked(kind.component).ok()?;
        AnyProcess::at(process.into_inner(), kind.ways.type_id)
    };
    Some(Row { kind, process, vitals })
}

/// The same, if it has this renewal, which is the one of its kind.
pub(crate) fn renewing<'a>(
    entity: &'a mut EntityMut<'_>,
    scope: &Scope,
    renewal: ComponentId,
) -> Option<(Row<'a>, Renewing<'a>)> {
    let kind = scope.kinds.borrow()[entity.get::<Vitals>()?.address.0.kind as usize];
    with_renewal(entity, kind, renewal)
}

fn with_renewal<'a>(
    entity: &'a mut EntityMut<'_>,
    kind: Kind,
    renewal: ComponentId,
) -> Option<(Row<'a>, Renewing<'a>)> {
    let [process, vitals, renewal] = entity.get_mut_by_id([kind.component, kind.vitals, renewal]).ok()?;
    // SAFETY: the numbers are those of this kind in the World of its scope.
    let (process, vitals) = unsafe { (AnyProcess::at(process.into_inner(), kind.ways.type_id), vitals.with_type()) };
    Some((Row { kind, process, vitals }, Renewing { renewal, casts: kind.ways.casts }))
}

/// The process alone, if the entity is one of this kind.
pub(crate) fn process<'a>(entity: &'a mut EntityMut<'_>, kind: &Kind) -> Option<AnyProcess<'a>> {
    let process = entity.get_mut_by_id(kind.component).ok()?;
    // SAFETY: as above.
    Some(unsafe { AnyProcess::at(process.into_inner(), kind.ways.type_id) })
}

/// Says which state a process begins with.
pub(crate) struct Renewing<'a> {
    renewal: MutUntyped<'a>,
    casts: Casts,
}

impl Renewing<'_> {
    /// Gives the process a new state.
    pub(crate) fn renew(&mut self, process: &mut AnyProcess<'_>) {
        // SAFETY: it is the renewal of its kind, by whose number it was found.
        unsafe { (self.casts.renew)(self.renewal.as_mut(), process) }
    }
}

/// How the components of this type are borrowed.
pub(crate) const fn casts<P: Process>() -> Casts {
    unsafe fn renew<P: Process>(renewal: PtrMut<'_>, process: &mut AnyProcess<'_>) {
        // SAFETY: the caller says that it is one.
        let renewal = unsafe { renewal.deref_mut::<Renewal<P>>() };
        if let Some(process) = process.downcast_mut::<P>()
            && let Some(state) = renewal.renew()
        {
            *process = state;
        }
    }
    Casts { renew: renew::<P> }
}

/// Has its renewal, if there is one, remember a process that is to be put there.
pub(crate) fn remember<P: Process>(world: &mut World, entity: Entity, process: &P) {
    if let Some(renewal) = find(world, entity, TypeId::of::<Renewal<P>>()) {
        // SAFETY: it was found by this type.
        unsafe { renewal.deref_mut::<Renewal<P>>() }.remember(process);
    }
}

fn find(world: &mut World, entity: Entity, of: TypeId) -> Option<PtrMut<'_>> {
    let id = world.components().get_id(of)?;
    world.get_mut_by_id(entity, id).map(MutUntyped::into_inner)
}

/// Puts a process and its vitals into the World, by the numbers of these components.
pub(crate) fn put<P: Process>(entity: &mut EntityWorldMut<'_>, ids: [ComponentId; 2], process: P, vitals: Vitals) {
    OwningPtr::make(process, |process| {
        // SAFETY: the numbers are those of the two types in this World.
        OwningPtr::make(vitals, |vitals| unsafe { put_both(entity, ids, [process, vitals]) });
    });
}

/// # Safety
/// The numbers are those of these components in this World.
unsafe fn put_both(entity: &mut EntityWorldMut<'_>, ids: [ComponentId; 2], both: [OwningPtr<'_>; 2]) {
    // SAFETY: the caller says so.
    unsafe { entity.insert_by_ids(&ids, both.into_iter()) };
}

#[cfg(test)]
#[cfg(not(loom_model))]
mod tests {
    use super::*;
    use crate::post::tests::address;
    use crate::process::Flags;
    use crate::systems::placement::kind;
    use bevy_ecs::component::Component;

    #[derive(Component, Clone, Default, Debug, PartialEq)]
    struct Text(String);
    impl Process for Text {}

    fn vitals() -> Vitals {
        Vitals::new(address("p", 0), 9, 8)
    }

    #[test]
    fn each_is_borrowed_for_itself() {
        let mut world = World::new();
        let (kind, id) = (kind::<Text>(&mut world), world.register_component::<Renewal<Text>>());
        let entity = world.spawn(Renewal::<Text>::default_state()).id();
        put(&mut world.entity_mut(entity), [kind.component, kind.vitals], Text("old".into()), vitals());
        let mut row = world.entity_mut(entity).into_mutable();
        let (Row { mut process, mut vitals, .. }, mut renewing) = with_renewal(&mut row, kind, id).unwrap();
        renewing.renew(&mut process);
        vitals.flags.clear(Flags::OVER.and(Flags::ABSENT));
        vitals.lane += 1;
        vitals.private.own_extras().next_timer = 3;
        let Row { mut process, vitals, .. } = borrow(&mut row, kind.vitals, |_| kind).unwrap();
        let text: &mut Text = process.downcast_mut().unwrap();
        assert!(vitals.flags.is_clear() && text.0.is_empty());
        text.0.push_str("new");
        assert_eq!((vitals.lane, vitals.private.extras().unwrap().next_timer), (10, 3));
        assert_eq!(world.get::<Text>(entity).unwrap().0, "new");
    }

    #[test]
    fn the_first_state_is_remembered() {
        let mut world = World::new();
        let kind = kind::<Text>(&mut world);
        let entity = world.spawn(Renewal::<Text>::with(|| Text("made".into()))).id();
        remember(&mut world, entity, &Text::default());
        let other = world.spawn(Renewal::<Text>::first_state()).id();
        remember(&mut world, other, &Text("first".into()));
        let id = world.component_id::<Renewal<Text>>().unwrap();
        for (entity, state) in [(entity, "made"), (other, "first")] {
            put(&mut world.entity_mut(entity), [kind.component, kind.vitals], Text::default(), vitals());
            let mut row = world.entity_mut(entity).into_mutable();
            let (Row { mut process, .. }, mut renewing) = with_renewal(&mut row, kind, id).unwrap();
            renewing.renew(&mut process);
            assert_eq!(world.get::<Text>(entity).unwrap().0, state);
        }
    }

    #[test]
    fn one_that_lacks_something_is_no_process() {
        let mut world = World::new();
        let (kind, id) = (kind::<Text>(&mut world), world.register_component::<Renewal<Text>>());
        let mut row = world.spawn(Text("old".into())).into_mutable();
        assert!(borrow(&mut row, kind.vitals, |_| kind).is_none() && with_renewal(&mut row, kind, id).is_none());
        assert!(process(&mut row, &kind).is_some());
        let mut whole = world.spawn((Text::default(), vitals())).into_mutable();
        assert!(borrow(&mut whole, kind.vitals, |_| kind).is_some() && with_renewal(&mut whole, kind, id).is_none());
    }
}
