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
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashSet};

/// Bevy leaves systems that nobody has ordered in an order of its own. This pass makes the order total: among the
/// systems that may come next, lives before plain systems that a life waits for, those before the other plain systems,
/// and among equals the one that was added first.
#[derive(Debug)]
pub(crate) struct AsRegistered;

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
        let lives = lives(graph);
        let early = before(dependencies.graph(), &lives);
        let order = in_order(dependencies.graph(), |system| match system {
            life if lives.contains(&life) => 0,
            early_one if early.contains(&early_one) => 1,
            _ => 2,
        });
        for pair in order.windows(2) {
            dependencies.add_edge(pair[0], pair[1]);
        }
        Ok(())
    }
}

/// The systems that call `Process::life`.
fn lives(graph: &ScheduleGraph) -> HashSet<SystemKey> {
    let Some(set) = graph.system_sets.get_key(Step::Lives.intern()) else { return HashSet::new() };
    let members = graph.hierarchy().graph().neighbors_directed(NodeId::Set(set), Direction::Outgoing);
    members.filter_map(|member| member.as_system()).collect()
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
