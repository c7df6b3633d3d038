//! How the lives of a group get into its schedule: lanes that follow each other are run by one system.
//!
//! Bevy's executor takes longer over a system than a lane takes over a process or two. So a group is laid out in two
//! steps: with a place-holder for each lane, Bevy finds the order of everything, by the user's own rules; then each stretch
//! of lanes without another system in between becomes one system in their place. A lane whose lives have a run condition
//! stands alone, under that condition.

use crate::party::Party;
use crate::scope::{self, Kind, Lives, Mark};
use crate::systems::Step;
use crate::systems::order::{Plan, Seat};
use bevy_ecs::schedule::{IntoScheduleConfigs, Schedule, ScheduleBuildError, ScheduleCleanupPolicy};
use bevy_ecs::world::World;
use parking_lot::Mutex;

/// One lane to be laid out.
pub(crate) struct Lay {
    pub(crate) lane: u32,
    pub(crate) kind: Kind,
    /// How its processes are told from others of their type.
    pub(crate) mark: Mark,
}

/// Builds the schedule of a group with these lanes, in order of registration.
pub(crate) fn lay_out(
    schedule: &mut Schedule,
    plan: &Mutex<Plan>,
    lanes: &[Lay],
    world: &mut World,
) -> Result<(), ScheduleBuildError> {
    plan.lock().reopen(lanes.iter().map(|lay| lay.lane));
    clear(schedule, Step::Stretches, world);
    for Lay { lane, kind, .. } in lanes {
        let seat =
            (|| {}).in_set(Seat::Lane(*lane)).in_set((kind.ways.life_set)()).in_set(Step::Lives).in_set(Step::Live);
        schedule.add_systems(seat);
    }
    schedule.initialize(world)?;
    clear(schedule, Step::Lives, world);
    let stretches = plan.lock().close();
    for (number, members) in stretches.into_iter().enumerate() {
        let of = |lane: &u32| lanes.iter().find(|lay| lay.lane == *lane);
        let members: Vec<&Lay> = members.iter().filter_map(of).collect();
        let lives = members.iter().map(|lay| (lay.kind.ways.lives)(world, lay.lane, lay.mark)).collect();
        let mut system = system(lives).in_set(Seat::Stretch(number as u32)).in_set(Step::Stretches).in_set(Step::Live);
        if let [only] = &*members {
            system = system.in_set((only.kind.ways.life_set)());
        }
        schedule.add_systems(system);
    }
    schedule.initialize(world).map(|_| ())
}

fn system(mut lanes: Vec<Box<dyn Lives>>) -> impl FnMut(&mut World) {
    move |world: &mut World| {
        scope::lend(world, |world, scope| {
            for lane in &mut lanes {
                lane.run(world, scope);
            }
            scope.hold(Party::NOBODY);
        });
    }
}

/// Takes out what stands in a set. The set stays, and so does the user's order around the sets that it shared.
fn clear(schedule: &mut Schedule, set: Step, world: &mut World) {
    let policy = ScheduleCleanupPolicy::RemoveSystemsOnlyAllowBreakages;
    // An error says that there is nothing yet.
    let _ = schedule.remove_systems_in_set(set, world, policy);
}
