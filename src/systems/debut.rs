//! The births of all processes that start with the application: first everybody is enrolled, then ranked, then born by rank.

use crate::bell::monotonic;
use crate::lifecycle::{Depends, Node, ParallelBirth, ranks};
use crate::post::{Address, Post};
use crate::realtime::Civil;
use crate::scope::{self, Prepared};
use crate::systems::{birth, hook};
use bevy_ecs::entity::{Entity, EntityHashMap};
use bevy_ecs::world::World;
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
            let needs = depends.as_ref().map_or(&[][..], |depends| &depends.0);
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
pub(crate) fn prepare(world: &mut World, rank: &[Address]) -> EntityHashMap<Prepared> {
    let scope = scope::of(world);
    let (kinds, link) = (scope.kinds.borrow().clone(), scope.link.clone());
    // Simulated time must not depend on how fast this machine is.
    let clock = if scope.control.timeline().is_simulated() { || 0 } else { monotonic };
    let is_here = |address: &&Address| Arc::ptr_eq(&address.0.link, &link);
    let wants = |address: &&Address| world.get::<ParallelBirth>(address.entity()).is_some();
    let wanted: Vec<&Address> = rank.iter().filter(is_here).filter(wants).collect();
    let mut all = EntityHashMap::default();
    for some in wanted.chunks(AT_ONCE) {
        let entities: Vec<Entity> = some.iter().map(|address| address.entity()).collect();
        let (rows, civil) = (world.entity_mut(&*entities), Civil::of_this_thread());
        std::thread::scope(|threads| {
            let begin = rows.into_iter().zip(some).map(|(mut row, address)| {
                let (kind, civil) = (kinds[address.0.kind as usize], civil.clone());
                threads.spawn(move || {
                    civil.enter();
                    let from = clock();
                    let outcome = hook::prepare_alone(&mut row, &kind);
                    Prepared { outcome, took: clock() - from }
                })
            });
            let running: Vec<_> = begin.collect();
            for (thread, address) in running.into_iter().zip(some) {
                link.holder.hold(address.party());
                let prepared = thread.join().unwrap_or_else(|panic| Prepared { outcome: Err(panic), took: 0 });
                all.insert(address.entity(), prepared);
                link.live();
            }
        });
    }
    all
}
