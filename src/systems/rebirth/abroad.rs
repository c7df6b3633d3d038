//! Starts and restarts that reach over to other heads: what a process depends on, and what depends on it, may live there.
//!
//! No head waits for another in a tick. What is to be done abroad is asked of that head, and what is to follow it is done
//! when the answer comes.

use crate::lifecycle::Depends;
use crate::link::Call;
use crate::post::Address;
use crate::run_level::RunLevel;
use crate::scope;
use bevy_ecs::entity::Entity;
use bevy_ecs::world::World;
use std::sync::Arc;

/// What is done once a process has been started, and who has been asked to start before it: by number of birth.
pub(crate) struct Following {
    pub(crate) asked: Vec<u64>,
    pub(crate) then: Option<Call>,
}

/// Asks the heads of those that some processes of this World need, and that rest there, to start them first, and takes up the
/// start of `entity` again after that. What is to follow comes back when nobody had to be asked.
pub(crate) fn start_needs(
    world: &mut World,
    entity: Entity,
    order: &[Entity],
    mut following: Following,
) -> Option<Following> {
    let mut needs = order.iter().flat_map(|&one| foreign_needs(world, one));
    let resting =
        needs.find(|address| address.run_level() == RunLevel::Unset && !following.asked.contains(&address.0.birth));
    let Some(address) = resting else { return Some(following) };
    following.asked.push(address.0.birth);
    let (own, asked, needed) = (scope::of(world).link.clone(), following.asked.clone(), address.entity());
    let take_up: Call = Box::new(move |_| own.call(move |world| super::start_then(world, entity, following)));
    let first = Following { asked, then: Some(take_up) };
    address.0.link.call(move |world| super::start_then(world, needed, first));
    None
}

/// Those of other heads that a process of this World depends on.
fn foreign_needs(world: &mut World, entity: Entity) -> Vec<Address> {
    let Some(depends) = world.get::<Depends>(entity).cloned() else { return Vec::new() };
    let scope = scope::of(world);
    let found = depends.names().filter_map(|name| scope.control.post.get(name));
    found.filter(|address| !Arc::ptr_eq(&address.0.link, &scope.link)).collect()
}

/// Whether a process that is to be born again needs one of another head that still waits for that, too.
pub(crate) fn waits(world: &mut World, entity: Entity) -> bool {
    foreign_needs(world, entity).iter().any(|address| address.run_level() == RunLevel::Reboot)
}

/// Asks all other heads to restart what depends on any of these, and is born again after `wait`.
pub(crate) fn restart_dependents(world: &mut World, names: Vec<String>, wait: u64) {
    let scope = scope::of(world);
    for link in scope.control.links().into_iter().filter(|link| !Arc::ptr_eq(link, &scope.link)) {
        let names = names.clone();
        link.call(move |world| follow(world, names, wait));
    }
}

/// Restarts those of this World that depend on processes of another one, and passes that on.
fn follow(world: &mut World, names: Vec<String>, wait: u64) {
    let dependency = names.first().cloned().unwrap_or_default();
    let dependents = super::leave_with(world, names, dependency);
    if dependents.is_empty() {
        return;
    }
    let names = dependents.iter().map(|address| address.name().to_ascii_lowercase()).collect();
    super::retire_all_for_now(world, dependents, wait);
    restart_dependents(world, names, wait);
}
