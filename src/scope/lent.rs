//! Where the scope of a World lies, and how it is reached together with what else is in there.

use super::Scope;
use bevy_ecs::change_detection::DetectChangesMut;
use bevy_ecs::entity::Entity;
use bevy_ecs::resource::Resource;
use bevy_ecs::world::{DeferredWorld, EntityMut, World};
use parking_lot::Mutex;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The scope, as a resource. The mutex only makes it `Sync`: it is always reached through `&mut`, never locked.
#[derive(Resource)]
pub(crate) struct Lent(Option<Box<Mutex<Scope>>>);

impl Lent {
    pub(crate) fn new(scope: Scope) -> Self {
        Self(Some(Box::new(Mutex::new(scope))))
    }

    #[inline(always)]
    pub(crate) fn scope(&mut self) -> &Scope {
        self.0.as_mut().expect("only `lend` takes it out, and lives do not look for it in the World").get_mut()
    }
}

/// The scope of a World.
pub(crate) fn of(world: &mut World) -> &Scope {
    world.resource_mut::<Lent>().into_inner().scope()
}

/// Lends the scope together with its World, in which it is not to be found meanwhile.
#[inline]
pub(crate) fn lend<R>(world: &mut World, borrow: impl FnOnce(&mut World, &Scope) -> R) -> R {
    let mut scope = world.resource_mut::<Lent>().0.take().expect("it is lent once at a time");
    // What has panicked is not looked at again: the panic goes on when the scope is back in its place.
    let outcome = catch_unwind(AssertUnwindSafe(|| borrow(world, scope.get_mut())));
    world.resource_mut::<Lent>().0 = Some(scope);
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Lends an entity together with the scope, if it is there.
pub(crate) fn with<R>(world: &mut World, entity: Entity, f: impl FnOnce(EntityMut<'_>, &Scope) -> R) -> Option<R> {
    let lender = self::entity(world)?;
    with_lender(world.into(), entity, lender, f)
}

/// The same, where the World can't be changed at once, and it is known who carries the scope.
pub(crate) fn with_lender<R>(
    mut world: DeferredWorld<'_>,
    entity: Entity,
    lender: Entity,
    f: impl FnOnce(EntityMut<'_>, &Scope) -> R,
) -> Option<R> {
    let [entity, mut lender] = world.get_entity_mut([entity, lender]).ok()?;
    let mut lent = lender.get_mut::<Lent>()?;
    Some(f(entity, lent.bypass_change_detection().scope()))
}

/// The entity that carries the scope: resources are entities, and two entities can be borrowed together.
pub(crate) fn entity(world: &World) -> Option<Entity> {
    world.resource_entities().get(world.component_id::<Lent>()?)
}
