//! One call of `Process::life` for each process of one type in one group.
//!
//! The hot loop of the library. Lives run over dense slices, with one landing pad for the whole batch: after a panic the
//! loop goes on behind the culprit. The process is marked changed as a whole, for `Changed<P>` queries of the user.

use crate::context::Context;
use crate::failure::{failed, panicked};
use crate::process::{Flags, LifeOf, Private, Process, Vitals};
use crate::scope::{Lent, Scope};
use crate::systems::Step;
use bevy_ecs::change_detection::DetectChangesMut;
use bevy_ecs::component::ComponentId;
use bevy_ecs::schedule::{IntoScheduleConfigs, Schedule};
use bevy_ecs::system::{ParamBuilder, Query, QueryParamBuilder, ResMut, SystemParamBuilder};
use bevy_ecs::world::World;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;

pub(crate) type Row<P> = (&'static mut P, &'static mut Vitals, &'static mut Private<P>);

/// Adds the system of this type to the schedule of the group with this marker.
pub(crate) fn install<P: Process>(world: &mut World, marker: ComponentId, schedule: &mut Schedule) {
    let rows = QueryParamBuilder::new(move |query| {
        query.with_id(marker);
    });
    let system = (rows, ParamBuilder).build_state(world).build_system(live::<P>);
    schedule.add_systems(system.in_set(LifeOf::<P>::LifeOf).in_set(Step::Live).in_set(Step::Lives));
}

fn live<P: Process>(mut rows: Query<Row<P>>, mut lent: ResMut<Lent>) {
    let scope = lent.bypass_change_detection().scope();
    if let Ok(tables) = rows.contiguous_iter_mut() {
        for (mut processes, mut vitals, mut privates) in tables {
            batch(&mut processes, vitals.bypass_change_detection(), privates.bypass_change_detection(), scope);
        }
    } else {
        // A sparse-set component has no slices.
        for (mut process, mut vitals, mut private) in &mut rows {
            let one = std::slice::from_mut(&mut *process);
            let (vitals, private) = (vitals.bypass_change_detection(), private.bypass_change_detection());
            batch(one, std::slice::from_mut(vitals), std::slice::from_mut(private), scope);
        }
    }
}

fn batch<P: Process>(processes: &mut [P], vitals: &mut [Vitals], privates: &mut [Private<P>], scope: &Scope) {
    let len = processes.len();
    let (vitals, privates) = (&mut vitals[..len], &mut privates[..len]);
    let now = scope.now();
    let mut next = 0;
    while next < len {
        let run = catch_unwind(AssertUnwindSafe(|| {
            while next < len && !scope.control.is_braked() {
                let index = next;
                next += 1;
                one(&mut processes[index], &mut vitals[index], &mut privates[index], scope, now);
            }
        }));
        match run {
            Ok(()) => return,
            Err(panic) => {
                let culprit = &mut vitals[next - 1];
                culprit.last = now;
                panicked("life", scope, culprit, &*panic);
            }
        }
    }
}

#[inline(always)]
fn one<P: Process>(process: &mut P, vitals: &mut Vitals, private: &mut Private<P>, scope: &Scope, now: u64) {
    if !vitals.flags.is_clear() && !admitted(vitals, scope) {
        return;
    }
    vitals.lives += 1;
    let result = process.life(&mut Context { vitals, private, scope });
    vitals.last = now;
    if let Err(error) = result {
        failed("life", scope, &vitals.address, &error);
    }
}

/// The second look at a process with a flag.
#[cold]
#[inline(never)]
fn admitted(vitals: &mut Vitals, scope: &Scope) -> bool {
    if vitals.flags.has(Flags::DYING) || vitals.flags.has(Flags::OVER) {
        return false;
    }
    if vitals.flags.has(Flags::PAUSED) {
        vitals.address.0.paused.fetch_add(1, Relaxed);
        return false;
    }
    let entity = vitals.address.entity();
    let mut joined = scope.joined.borrow_mut();
    if joined.get(&entity).is_some_and(|&since| scope.beat.due() <= since) {
        return false;
    }
    joined.remove(&entity);
    vitals.flags.clear(Flags::FRESH);
    true
}
