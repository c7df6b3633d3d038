//! What is seen to before the first tick.

use crate::application::Application;
use crate::clock::Clock;
use crate::lifecycle::Autostart;
use crate::process::{Process, Vitals};
use crate::scope;
use bevy_ecs::component::Component;
use bevy_ecs::entity::Entity;

#[derive(Component)]
struct Early;

impl Process for Early {}

#[test]
fn who_starts_with_the_application_needs_no_second_look() {
    let each = |application: Application, number: usize| application.add_process(Early, Autostart(number % 3 != 1));
    let mut running = (0..100).fold(Application::new().clock(Clock::simulated()), each).build().unwrap();
    let world = running.world_mut();
    let all: Vec<Entity> = world.query::<(Entity, &Vitals)>().iter(world).map(|(entity, _)| entity).collect();
    scope::lend(world, |world, scope| {
        let look = |entity: &Entity| {
            let (vitals, row) = (world.get::<Vitals>(*entity).unwrap(), world.entity(*entity).location().table_row);
            let known = scope.at_homes(|homes| homes.get(vitals.address.party().slot()).unwrap().row());
            assert_eq!(known, row.index_u32());
            vitals.flags.is_clear()
        };
        assert_eq!((all.len(), all.iter().filter(|entity| look(entity)).count()), (100, 67));
    });
}
