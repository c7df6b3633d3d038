//! The births of all processes that start with the application: first everybody is enrolled, then ranked, then born by rank.

use crate::lifecycle::{Depends, Node, ParallelBirth, ranks};
use crate::post::{Address, Post};
use crate::realtime::Civil;
use crate::scope::{self, Outcome};
use crate::systems::birth;
use bevy_ecs::entity::Entity;
use bevy_ecs::world::World;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// So many run `prepare` at once: they mostly wait for something, so there may be more than processors.
const AT_ONCE: usize = 64;

/// One that starts with the application, as its head has taken it in.
pub(crate) struct Entrant {
    pub(crate) address: Address,
    depends: Option<Depends>,
    autostarts: bool,
}

impl Entrant {
    pub(crate) fn new(world: &World, address: Address) -> Self {
        let depends = world.get::<Depends>(address.entity()).cloned();
        Self { autostarts: birth::autostarts(world, address.entity()), depends, address }
    }
}

/// Gives each its rank, over all heads. What is wrong with what they say of each other comes back.
pub(crate) fn rank(post: &Post, entrants: &[Entrant]) -> Vec<String> {
    let mut faults: Vec<String> = entrants.iter().filter_map(|one| unknown_fallback(post, &one.address)).collect();
    let nodes: Vec<Node<'_>> = entrants
        .iter()
        .map(|Entrant { address, depends, .. }| {
            let needs = depends.as_ref().map_or(Vec::new(), |depends| depends.names().collect());
            Node { name: address.name(), needs }
        })
        .collect();
    match ranks(&nodes, |_| None) {
        Ok(ranks) => entrants.iter().zip(ranks).for_each(|(one, rank)| one.address.0.rank.store(rank, Relaxed)),
        Err(errors) => faults.extend(errors.iter().map(ToString::to_string)),
    }
    faults
}

fn unknown_fallback(post: &Post, address: &Address) -> Option<String> {
    let supervision = address.0.known_incidents()?.supervision.lock().clone()?;
    let fallback = supervision.fallback.as_ref()?;
    post.get(fallback).is_none().then(|| {
        format!(
            "the fallback of {:?} is {fallback:?}, and there is no such process: add it, with Autostart(false)",
            address.name()
        )
    })
}

/// Those that are to be born now, by rank, and within one as they were added.
pub(crate) fn order(entrants: &[Entrant]) -> Vec<Address> {
    let mut order: Vec<Address> = entrants.iter().filter(|one| one.autostarts).map(|one| one.address.clone()).collect();
    order.sort_by_key(|address| address.0.rank.load(Relaxed));
    order
}

/// Runs `prepare` of those of this World that want it beside others, each on a thread of its own.
pub(crate) fn prepare(world: &mut World, rank: &[Address]) -> HashMap<Entity, Outcome> {
    let own = scope::of(world).link.clone();
    let wanted: Vec<(Entity, u32)> = rank
        .iter()
        .filter(|address| Arc::ptr_eq(&address.0.link, &own))
        .map(|address| (address.entity(), address.0.kind))
        .filter(|&(entity, _)| world.get::<ParallelBirth>(entity).is_some())
        .collect();
    let kinds = scope::of(world).kinds.borrow().clone();
    let mut outcomes = HashMap::new();
    for some in wanted.chunks(AT_ONCE) {
        let entities: Vec<Entity> = some.iter().map(|&(entity, _)| entity).collect();
        let (rows, civil) = (world.entity_mut(&*entities), Civil::of_this_thread());
        std::thread::scope(|threads| {
            let running: Vec<_> = rows
                .into_iter()
                .zip(some)
                .map(|(mut row, &(entity, kind))| {
                    let (prepare, civil) = (kinds[kind as usize].prepare, civil.clone());
                    let work = move || {
                        civil.enter();
                        prepare(&mut row)
                    };
                    (entity, threads.spawn(work))
                })
                .collect();
            outcomes.extend(running.into_iter().map(|(entity, thread)| (entity, thread.join().and_then(|it| it))));
        });
    }
    outcomes
}
