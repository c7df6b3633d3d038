//! Where processes live: which group and lane a process is in, and how it moves to another.

use crate::budget::{Budget, Meter};
use crate::context::with_vitals;
use crate::filter::Longer;
use crate::frequency::Frequency;
use crate::key::{GroupKey, InGroup};
use crate::mailbox::Bag;
use crate::process::{Flags, LifeOf, Process, Vitals, short_name};
use crate::renewal::Renewal;
use crate::scope::{self, Change, GroupEntry, Kind, Lane, Lent, Scope, Ways, row};
use crate::settings::Asked;
use crate::supervision::Supervision;
use crate::systems::stretch::Lay;
use crate::systems::{death, hook, janitor, life, mailman, marker};
use bevy_ecs::change_detection::DetectChangesMut;
use bevy_ecs::entity::Entity;
use bevy_ecs::lifecycle::{HookContext, Remove};
use bevy_ecs::observer::{Observer, On};
use bevy_ecs::schedule::{Schedules, SystemSet};
use bevy_ecs::world::{DeferredWorld, World};
use std::any::TypeId;
use std::marker::PhantomData;
use std::sync::Arc;

/// The index of the group that a process asks for by its components, made if need be. What it does not ask for stays as it
/// is; at first it is the plain group of the global frequency.
pub(crate) fn group_of(world: &mut World, entity: Entity) -> u32 {
    let slot = world.entity(entity);
    let (frequency, label) = (slot.get::<Frequency>().copied(), slot.get::<InGroup>().cloned());
    let lane = slot.get::<Vitals>().map(|vitals| vitals.lane);
    let scope = scope::of(world);
    let mut key = lane.map_or_else(|| scope.global_frequency.into(), |lane| key_of(scope, lane));
    key.frequency = frequency.unwrap_or(key.frequency);
    key.label = label.map_or(key.label, |label| label.0);
    find_group(world, key)
}

fn key_of(scope: &Scope, lane: u32) -> GroupKey {
    let group = scope.lanes.borrow()[lane as usize].group;
    scope.groups.borrow()[group as usize].key.clone()
}

/// The index of a group, made if need be.
pub(crate) fn find_group(world: &mut World, key: GroupKey) -> u32 {
    let scope = scope::of(world);
    if let Some(index) = scope.groups.borrow().iter().position(|group| group.key == key) {
        return index as u32;
    }
    let marker = marker::register(world, format!("Group({key})"));
    let scope = scope::of(world);
    let mut groups = scope.groups.borrow_mut();
    groups.push(GroupEntry { key, marker, population: 0 });
    let index = groups.len() as u32 - 1;
    drop(groups);
    scope.change(Change::Found);
    index
}

/// The lane of a type in a group, made if need be.
pub(crate) fn lane_of(scope: &Scope, group: u32, kind: u32) -> u32 {
    let mut lanes = scope.lanes.borrow_mut();
    if let Some(lane) = lanes.iter().position(|lane| (lane.group, lane.kind) == (group, kind)) {
        return lane as u32;
    }
    scope.depot.borrow_mut().bags.push(Bag::new(scope.link.slots.rounds().add()));
    let is_home = lanes.iter().all(|lane| lane.kind != kind);
    lanes.push(Lane { group, kind, is_home, runs: 0, last: 0, before: 0, dear: true, flagged: true });
    let lane = lanes.len() as u32 - 1;
    drop(lanes);
    scope.change(Change::Install { group });
    lane
}

/// The lanes of a group, in order of their first processes.
pub(crate) fn lanes_of(scope: &Scope, group: u32) -> Vec<Lay> {
    let (lanes, kinds) = (scope.lanes.borrow(), scope.kinds.borrow());
    let of = |(number, lane): (usize, &Lane)| {
        let (number, kind) = (number as u32, kinds[lane.kind as usize]);
        Lay { lane: number, kind, mark: scope.mark(number) }
    };
    lanes.iter().enumerate().filter(|(_, lane)| lane.group == group).map(of).collect()
}

/// The number of a process type on this head, made known at its first birth.
pub(crate) fn kind_of<P: Process>(world: &mut World) -> u32 {
    known_kind(world, TypeId::of::<P>()).unwrap_or_else(|| {
        let kind = kind::<P>(world);
        add_kind(world, kind)
    })
}

/// All that is to be known of a type. This alone, and what it names, is compiled once for each.
pub(crate) fn kind<P: Process>(world: &mut World) -> Kind {
    let (component, vitals) = (world.register_component::<P>(), world.register_component::<Vitals>());
    Kind { name: short_name::<P>(), component, vitals, ways: &Of::<P>::WAYS }
}

struct Of<P>(PhantomData<P>);

impl<P: Process> Of<P> {
    const WAYS: Ways = Ways {
        type_id: TypeId::of::<P>(),
        renewal: TypeId::of::<Renewal<P>>(),
        life_set: || LifeOf::<P>::LifeOf.intern(),
        lives: life::lives::<P>,
        casts: row::casts::<P>(),
        prepare: hook::prepare::<P>,
        act: hook::act::<P>,
    };
}

fn known_kind(world: &mut World, type_id: TypeId) -> Option<u32> {
    let kinds = scope::of(world).kinds.borrow();
    kinds.iter().position(|kind| kind.ways.type_id == type_id).map(|kind| kind as u32)
}

fn add_kind(world: &mut World, kind: Kind) -> u32 {
    let scope = scope::of(world);
    scope.vitals.set(Some(kind.vitals));
    let mut kinds = scope.kinds.borrow_mut();
    kinds.push(kind);
    scope.unnamed.borrow_mut().push(0);
    scope.first_filters.borrow_mut().push(Longer::default());
    let number = kinds.len() as u32 - 1;
    drop(kinds);
    // Looked up once, not at each death.
    let lender = scope::entity(world).expect("there is a scope, which knows the kind");
    let observe = move |gone: On<Remove<()>>, world: DeferredWorld<'_>| death::observe(gone.entity, world, lender);
    world.add_observer(Observer::new(observe).with_component(kind.component));
    number
}

/// Makes a new [`Frequency`] or [`InGroup`] on a process move it to that group.
pub(crate) fn watch_settings(world: &mut World) {
    fn on_insert(mut world: DeferredWorld<'_>, context: HookContext) {
        if world.get::<Vitals>(context.entity).is_some() {
            world.commands().queue(move |world: &mut World| regroup(world, context.entity));
        }
    }
    // First of all: to be found late among many entities would cost each of them some bytes.
    world.init_resource::<Schedules>();
    world.register_component_hooks::<Frequency>().on_insert(on_insert);
    world.register_component_hooks::<InGroup>().on_insert(on_insert);
    world.register_component_hooks::<Supervision>().on_insert(supervise);
    world.register_component_hooks::<Budget>().on_insert(ration);
}

/// Another supervision holds from now on. One that makes no sense is refused: the old one stays.
fn supervise(world: DeferredWorld<'_>, context: HookContext) {
    let (Some(vitals), Some(supervision)) =
        (world.get::<Vitals>(context.entity), world.get::<Supervision>(context.entity))
    else {
        return;
    };
    match supervision.check() {
        Ok(()) => *vitals.address.0.incidents().supervision.lock() = Some(Arc::new(supervision.clone())),
        Err(error) => tracing::error!(process = vitals.address.name(), %error, "the supervision stays as it was"),
    }
}

/// Another budget holds from now on.
fn ration(mut world: DeferredWorld<'_>, context: HookContext) {
    let Some(budget) = world.get::<Budget>(context.entity).copied() else { return };
    let Some(vitals) = world.get::<Vitals>(context.entity) else { return };
    vitals.address.0.incidents().meter.lock().get_or_insert_with(|| Meter::new(budget)).set(budget);
    if let Some(mut vitals) = world.get_mut::<Vitals>(context.entity) {
        let vitals = vitals.bypass_change_detection();
        vitals.flags.clear(Flags::TIMED);
        if !budget.is_none() {
            vitals.flags.set(Flags::TIMED);
        }
        let lane = vitals.lane;
        world.resource_mut::<Lent>().scope().mind(lane);
    }
}

fn regroup(world: &mut World, entity: Entity) {
    let Some(vitals) = world.get::<Vitals>(entity) else { return };
    let (flags, from) = (vitals.flags, vitals.lane);
    if flags.has(Flags::OVER) {
        // It finds its place anew when it is born.
        let mark = scope::of(world).mark(from);
        mark.take(&mut world.entity_mut(entity));
        return;
    }
    if flags.has(Flags::DYING) {
        return;
    }
    let group = group_of(world, entity);
    world.entity_mut(entity).remove::<Asked>();
    let scope = scope::of(world);
    let left = scope.lanes.borrow()[from as usize];
    if left.group == group {
        return;
    }
    let to = lane_of(scope, group, left.kind);
    let runs = scope.lanes.borrow()[to as usize].runs;
    scope.joined.borrow_mut().insert(entity, scope.now());
    scope.count(from, false);
    scope.count(to, true);
    janitor::follow(scope, entity, left.group, group);
    let (old, new) = (scope.mark(from), scope.mark(to));
    with_vitals(world, entity, |vitals, scope| {
        if !vitals.flags.has(Flags::ABSENT) {
            vitals.address.0.set_since(left.last);
        }
        let attic = vitals.address.attic();
        attic.set_lives_offset(attic.lives_offset().wrapping_add(left.runs).wrapping_sub(runs));
        vitals.lane = to;
        vitals.flags.clear(Flags::BACK);
        scope.flag(vitals, Flags::FRESH.and(Flags::ABSENT));
    });
    let mut process = world.entity_mut(entity);
    old.take(&mut process);
    new.put(&mut process);
    follow_mail(world, entity);
    tell_threads(world, entity, to);
}

/// Threads keep the rhythm of their owner.
fn tell_threads(world: &mut World, entity: Entity, lane: u32) {
    let scope = scope::of(world);
    if scope.has_threads.get() {
        let frequency = key_of(scope, lane).frequency;
        hook::regrouped(world, entity, frequency);
    }
}

fn follow_mail(world: &mut World, entity: Entity) {
    let Some(vitals) = world.get::<Vitals>(entity) else { return };
    let (address, lane) = (vitals.address.clone(), vitals.lane);
    mailman::follow(&address, lane, scope::of(world));
}
