//! The order of a group's systems: lives, then plain systems, each as registered, unless the user orders them with
//! Bevy's own tools.

use crate::systems::Step;
use bevy_ecs::error::Result;
use bevy_ecs::schedule::graph::{DiGraph, Direction};
use bevy_ecs::schedule::{
    FlattenedDependencies, NodeId, ScheduleBuildError, ScheduleBuildPass, ScheduleGraph, SystemKey, SystemSet,
    SystemSetKey,
};
use bevy_ecs::world::World;
use parking_lot::Mutex;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::sync::Arc;

/// What a system stands for in the order: the set that it alone is in.
#[derive(SystemSet, Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Seat {
    /// The place-holder of a lane.
    Lane(u32),
    /// What runs a stretch of lanes.
    Stretch(u32),
}

/// One place in the order of a group's systems.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Slot {
    /// A lane; whether its lives have a run condition.
    Lane(u32, bool),
    Stretch(u32),
    System(SystemKey),
}

/// The order of a group's systems: open while Bevy finds it, and then kept when stretches take the place of lanes.
#[derive(Default, Debug)]
pub(crate) struct Plan {
    fixed: bool,
    lanes: Vec<u32>,
    order: Vec<Slot>,
}

impl Plan {
    /// The order is to be found anew, with these lanes in it.
    pub(crate) fn reopen(&mut self, lanes: impl Iterator<Item = u32>) {
        *self = Self { fixed: false, lanes: lanes.collect(), order: Vec::new() };
    }

    /// Keeps the order that was found, with lanes that follow each other as one stretch: the lanes of each.
    pub(crate) fn close(&mut self) -> Vec<Vec<u32>> {
        self.fixed = true;
        let mut stretches: Vec<Vec<u32>> = Vec::new();
        let mut open = false;
        for slot in std::mem::take(&mut self.order) {
            match slot {
                Slot::Lane(lane, false) if open => stretches.last_mut().expect("one is open").push(lane),
                Slot::Lane(lane, conditional) => {
                    self.order.push(Slot::Stretch(stretches.len() as u32));
                    stretches.push(vec![lane]);
                    open = !conditional;
                }
                other => {
                    self.order.push(other);
                    open = false;
                }
            }
        }
        stretches
    }
}

/// Bevy leaves systems that nobody has ordered in an order of its own. This pass makes the order total: among the
/// systems that may come next, lives before plain systems that a life waits for, those before the other plain systems,
/// and among equals the one that was added first.
#[derive(Debug)]
pub(crate) struct AsRegistered(pub(crate) Arc<Mutex<Plan>>);

impl ScheduleBuildPass for AsRegistered {
    type EdgeOptions = ();

    fn add_dependency(&mut self, _: NodeId, _: NodeId, _: Option<&()>) {}

    fn collapse_set(
        &mut self,
        _: SystemSetKey,
        _: &indexmap::IndexSet<SystemKey, bevy_platform::hash::FixedHasher>,
        _: &DiGraph<NodeId>,
    ) -> impl Iterator<Item = (NodeId, NodeId)> {
        std::iter::empty()
    }

    fn build(
        &mut self,
        _: &mut World,
        graph: &mut ScheduleGraph,
        mut dependencies: FlattenedDependencies<'_>,
    ) -> Result<(), ScheduleBuildError> {
        let mut plan = self.0.lock();
        let order = if plan.fixed {
            plan.order.iter().filter_map(|slot| system_of(*slot, graph)).collect()
        } else {
            let order = find(dependencies.graph(), &members(graph, Step::Lives).collect());
            let lanes = place_holders(graph, &plan.lanes);
            plan.order = order.iter().map(|key| lanes.get(key).copied().unwrap_or(Slot::System(*key))).collect();
            order
        };
        for pair in order.windows(2) {
            dependencies.add_edge(pair[0], pair[1]);
        }
        Ok(())
    }
}

/// The order of all systems, where those in between leave a choice.
fn find(graph: &DiGraph<SystemKey>, lives: &HashSet<SystemKey>) -> Vec<SystemKey> {
    let early = before(graph, lives);
    in_order(graph, |system| match system {
        life if lives.contains(&life) => 0,
        early_one if early.contains(&early_one) => 1,
        _ => 2,
    })
}

fn members(graph: &ScheduleGraph, set: impl SystemSet) -> impl Iterator<Item = SystemKey> {
    let set = graph.system_sets.get_key(set.intern());
    let members = set.map(|set| graph.hierarchy().graph().neighbors_directed(NodeId::Set(set), Direction::Outgoing));
    members.into_iter().flatten().filter_map(|member| member.as_system())
}

fn system_of(slot: Slot, graph: &ScheduleGraph) -> Option<SystemKey> {
    match slot {
        Slot::Stretch(number) => members(graph, Seat::Stretch(number)).next(),
        Slot::System(key) => Some(key),
        // Stretches have taken their places.
        Slot::Lane(..) => None,
    }
}

/// The place-holders of lanes.
fn place_holders(graph: &ScheduleGraph, lanes: &[u32]) -> HashMap<SystemKey, Slot> {
    let place_holder = |&lane: &u32| {
        let system = members(graph, Seat::Lane(lane)).next()?;
        Some((system, Slot::Lane(lane, is_conditional(graph, system))))
    };
    lanes.iter().filter_map(place_holder).collect()
}

/// Whether a run condition of one of its sets decides over a system.
fn is_conditional(graph: &ScheduleGraph, system: SystemKey) -> bool {
    let mut open = vec![NodeId::System(system)];
    while let Some(node) = open.pop() {
        for parent in graph.hierarchy().graph().neighbors_directed(node, Direction::Incoming) {
            if parent.as_set().is_some_and(|set| graph.system_sets.has_conditions(set)) {
                return true;
            }
            open.push(parent);
        }
    }
    false
}

/// All systems that must come before one of these.
fn before(graph: &DiGraph<SystemKey>, these: &HashSet<SystemKey>) -> HashSet<SystemKey> {
    let mut found = HashSet::new();
    let mut open: Vec<SystemKey> = these.iter().copied().filter(|&node| graph.contains_node(node)).collect();
    while let Some(node) = open.pop() {
        let earlier = graph.neighbors_directed(node, Direction::Incoming);
        open.extend(earlier.filter(|&system| found.insert(system)));
    }
    found
}

/// Kahn's algorithm with the smallest of (`rank`, key) first. Nodes on a cycle are left out: Bevy reports those.
fn in_order(graph: &DiGraph<SystemKey>, rank: impl Fn(SystemKey) -> u8) -> Vec<SystemKey> {
    let mut waits: BTreeMap<SystemKey, usize> = BTreeMap::new();
    for node in graph.nodes() {
        waits.insert(node, graph.neighbors_directed(node, Direction::Incoming).count());
    }
    let entry = |node| Reverse((rank(node), node));
    let mut free: BinaryHeap<_> = waits.iter().filter(|&(_, &n)| n == 0).map(|(&node, _)| entry(node)).collect();
    let mut order = Vec::with_capacity(waits.len());
    while let Some(Reverse((_, node))) = free.pop() {
        order.push(node);
        for next in graph.neighbors(node) {
            if let Some(left) = waits.get_mut(&next) {
                *left -= 1;
                if *left == 0 {
                    free.push(entry(next));
                }
            }
        }
    }
    order
}
