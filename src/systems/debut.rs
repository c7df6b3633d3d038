//! The births of all processes that start with the application: first everybody is enrolled, then ranked, then born by rank.

use crate::bell::monotonic;
use crate::lifecycle::{Depends, Node, ParallelBirth, ranks};
use crate::post::Address;
use crate::scope::{self, Prepared};
use crate::systems::birth;
use bevy_ecs::entity::{Entity, EntityHashMap};
use bevy_ecs::world::World;
use std::sync::atomic::Ordering::Relaxed;

/// So many run `prepare` at once: they mostly wait for something, so there may be more than processors.
const AT_ONCE: usize = 64;

/// Gives each its rank. What is wrong with what they say of each other comes back.
pub(crate) fn rank(world: &mut World, enrolled: &[Address]) -> Vec<String> {
    let mut faults: Vec<String> = enrolled.iter().filter_map(|address| unknown_fallback(world, address)).collect();
    let nodes: Vec<Node<'_>> = enrolled
        .iter()
        .map(|address| {
            let needs = world.get::<Depends>(address.entity()).map_or(Vec::new(), |depends| depends.names().collect());
            Node { name: address.name(), needs }
        })
        .collect();
    match ranks(&nodes, |_| None) {
        Ok(ranks) => enrolled.iter().zip(ranks).for_each(|(address, rank)| address.0.rank.store(rank, Relaxed)),
        Err(errors) => faults.extend(errors.iter().map(ToString::to_string)),
    }
    faults
}

fn unknown_fallback(world: &mut World, address: &Address) -> Option<String> {
    let supervision = address.0.known_incidents()?.supervision.lock().clone()?;
    let fallback = supervision.fallback.as_ref()?;
    let unknown = scope::of(world).control.post.get(fallback).is_none();
    unknown.then(|| {
        format!(
            "the fallback of {:?} is {fallback:?}, and there is no such process: add it, with Autostart(false)",
            address.name()
        )
    })
}

/// Those that are to be born now, by rank, and within one as they were added.
pub(crate) fn order(world: &World, enrolled: &[Address]) -> Vec<Address> {
    let mut order: Vec<Address> =
        enrolled.iter().filter(|address| birth::autostarts(world, address.entity())).cloned().collect();
    order.sort_by_key(|address| address.0.rank.load(Relaxed));
    order
}

/// Runs `prepare` of those that want it beside others, each on a thread of its own.
pub(crate) fn prepare(world: &mut World, rank: &[Address]) -> EntityHashMap<Prepared> {
    let wants = |address: &&Address| world.get::<ParallelBirth>(address.entity()).is_some();
    let wanted: Vec<&Address> = rank.iter().filter(wants).collect();
    let scope = scope::of(world);
    let (kinds, link) = (scope.kinds.borrow().clone(), scope.link.clone());
    // Simulated time must not depend on how fast this machine is.
    let clock = if scope.control.timeline().is_simulated() { || 0 } else { monotonic };
    let mut all = EntityHashMap::default();
    for some in wanted.chunks(AT_ONCE) {
        let entities: Vec<Entity> = some.iter().map(|address| address.entity()).collect();
        let rows = world.entity_mut(&*entities);
        std::thread::scope(|threads| {
            let begin = rows.into_iter().zip(some).map(|(mut row, address)| {
                let prepare = kinds[address.0.kind as usize].prepare;
                threads.spawn(move || {
                    let from = clock();
                    let outcome = prepare(&mut row);
                    Prepared { outcome, took: clock() - from }
                })
            });
            let running: Vec<_> = begin.collect();
            for (thread, address) in running.into_iter().zip(some) {
                link.hold(address.0.party);
                let prepared = thread.join().unwrap_or_else(|panic| Prepared { outcome: Err(panic), took: 0 });
                all.insert(address.entity(), prepared);
                link.live();
            }
        });
    }
    all
}
