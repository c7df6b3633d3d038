//! Birth: from a component and a bundle of settings to a process that lives in a frequency group.

use crate::context::Context;
use crate::failure::guarded;
use crate::frequency::Frequency;
use crate::key::{GroupKey, InGroup};
use crate::post::{Address, Record};
use crate::process::{Flags, Private, Process, Vitals, short_name};
use crate::run_level::RunLevel;
use crate::scope::{self, Change, GroupEntry, Kind, Lane, Scope};
use crate::systems::{death, janitor, life, marker};
use bevy_ecs::bundle::Bundle;
use bevy_ecs::entity::Entity;
use bevy_ecs::lifecycle::HookContext;
use bevy_ecs::name::Name;
use bevy_ecs::system::{Commands, EntityCommands};
use bevy_ecs::world::{DeferredWorld, World};
use std::any::TypeId;
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// A process that was not born. It is handed back.
pub struct SpawnError<P> {
    /// The process as it was given; its `birth` has not run.
    pub process: P,
    /// Why.
    pub reason: Refusal,
}

/// Why a process was not born.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Names are unique over the whole application, without regard to case.
    #[error("the name {0:?} is taken; give the process another one, or none to have it numbered")]
    NameTaken(String),
    /// An empty name can't be found by anyone.
    #[error("a process's name can't be empty; leave `Name` out to have the process named after its type")]
    NameEmpty,
    /// The World has no application: it was not built by one.
    #[error("this World belongs to no polycephaly application; build it with `Application::build`")]
    NoApplication,
    /// The entity was despawned before the command came to it.
    #[error("the entity kept for the process is gone")]
    EntityGone,
}

impl<P> fmt::Debug for SpawnError<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpawnError({:?})", self.reason)
    }
}

impl<P> fmt::Display for SpawnError<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a process of type {} was not born: {}", short_name::<P>(), self.reason)
    }
}

impl<P> std::error::Error for SpawnError<P> {}

/// Bearing processes in a World, at once.
pub trait SpawnProcess {
    /// Bears a process: its `birth` has run when this returns. `bundle` holds its settings ([`Frequency`], [`Name`],
    /// [`InGroup`]) and any other components.
    ///
    /// # Errors
    /// [`SpawnError`] with the process handed back; the bundle is dropped.
    fn spawn_process<P: Process>(&mut self, process: P, bundle: impl Bundle) -> Result<Entity, SpawnError<P>>;
}

impl SpawnProcess for World {
    fn spawn_process<P: Process>(&mut self, process: P, bundle: impl Bundle) -> Result<Entity, SpawnError<P>> {
        let entity = self.spawn_empty().id();
        bear(self, entity, process, bundle)
    }
}

/// Bearing processes from a system, at the next sync point.
pub trait SpawnProcessCommands {
    /// Bears a process when the commands are applied. What is refused is logged and counted in the report, and the
    /// entity is despawned.
    fn spawn_process<P: Process>(&mut self, process: P, bundle: impl Bundle) -> EntityCommands<'_>;
}

impl SpawnProcessCommands for Commands<'_, '_> {
    fn spawn_process<P: Process>(&mut self, process: P, bundle: impl Bundle) -> EntityCommands<'_> {
        let entity = self.spawn_empty().id();
        self.queue(move |world: &mut World| {
            let born = bear(world, entity, process, bundle);
            note_refusal(world, born);
        });
        self.entity(entity)
    }
}

impl<P: Process> Context<'_, P> {
    /// Bears another process on this head when this tick's systems have run; it lives first at its group's next due
    /// instant. What is refused is logged and counted in the report.
    pub fn spawn<Q: Process>(&mut self, process: Q, bundle: impl Bundle) {
        self.scope.defer(move |world| {
            let born = world.spawn_process(process, bundle);
            note_refusal(world, born);
        });
    }
}

pub(crate) fn note_refusal<P>(world: &mut World, born: Result<Entity, SpawnError<P>>) {
    if let Err(error) = born {
        tracing::error!("{error}");
        if scope::entity(world).is_some() {
            let refused = &scope::of(world).refused_births;
            refused.set(refused.get() + 1);
        }
    }
}

/// The one way into life.
pub(crate) fn bear<P: Process>(
    world: &mut World,
    entity: Entity,
    mut process: P,
    bundle: impl Bundle,
) -> Result<Entity, SpawnError<P>> {
    let address = match prepare::<P>(world, entity, bundle) {
        Ok(address) => address,
        Err(reason) => {
            world.despawn(entity);
            return Err(SpawnError { process, reason });
        }
    };
    let (key, fixed) = group_of(world, entity);
    let group = find_group(world, key);
    let scope = scope::of(world);
    let lane = lane_of(scope, group, address.0.kind);
    let lives_offset = 0_u64.wrapping_sub(scope.lanes.borrow()[lane as usize].runs);
    let mut vitals = Vitals { address, lives_offset, since: scope.now(), lane };
    let mut flags = Flags::ABSENT;
    let mut private = Private::<P>(None);
    if scope.started.get() {
        flags.set(Flags::FRESH);
        scope.joined.borrow_mut().insert(entity, scope.now());
    }
    scope.count(lane, true);
    scope.control.population.fetch_add(1, Relaxed);
    vitals.address.set_run_level(RunLevel::Buildup);
    scope.control.post.list(&vitals.address);
    let pulled = Cell::new(false);
    let cx = Context { vitals: &mut vitals, flags: &mut flags, private: &mut private, scope, pulled: &pulled };
    guarded("birth", &mut process, cx, P::birth);
    if !flags.has(Flags::DYING) {
        vitals.address.set_run_level(RunLevel::Run);
    }
    let marker = scope.groups.borrow()[group as usize].marker;
    let name = Name::new(vitals.address.0.name.clone());
    let mut slot = world.entity_mut(entity);
    if fixed {
        slot.insert((process, flags, vitals, private));
    } else {
        slot.insert((process, flags, vitals, private, name));
    }
    marker::insert(&mut slot, marker);
    Ok(entity)
}

/// Inserts the settings, and reserves the name.
fn prepare<P: Process>(world: &mut World, entity: Entity, bundle: impl Bundle) -> Result<Address, Refusal> {
    if scope::entity(world).is_none() {
        return Err(Refusal::NoApplication);
    }
    let kind = kind_of::<P>(world);
    let Ok(mut slot) = world.get_entity_mut(entity) else { return Err(Refusal::EntityGone) };
    let name: Option<Cow<'static, str>> =
        slot.insert(bundle).get::<Name>().map(|name| Cow::Owned(name.as_str().to_owned()));
    let scope = scope::of(world);
    let name = match name {
        Some(name) if name.is_empty() => return Err(Refusal::NameEmpty),
        Some(name) if !scope.control.post.reserve(name.clone()) => return Err(Refusal::NameTaken(name.into_owned())),
        Some(name) => name,
        None => {
            let next = &mut scope.unnamed.borrow_mut()[kind as usize];
            scope.control.post.reserve_numbered(short_name::<P>(), next)
        }
    };
    let birth = scope.control.post.next_birth();
    Ok(Address(Arc::new(Record::new(name, entity, scope.link.clone(), kind, birth))))
}

/// The group a process asks for by its components, and whether it has a name component already.
fn group_of(world: &mut World, entity: Entity) -> (GroupKey, bool) {
    let global = scope::of(world).global_frequency.get();
    let mut slot = world.entity_mut(entity);
    if !slot.contains::<Frequency>() {
        slot.insert(global);
    }
    let frequency = slot.get::<Frequency>().copied().unwrap_or(global);
    let label = slot.get::<InGroup>().map_or(Cow::Borrowed(""), |group| group.0.clone());
    (GroupKey { frequency, label }, slot.contains::<Name>())
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
fn lane_of(scope: &Scope, group: u32, kind: u32) -> u32 {
    let mut lanes = scope.lanes.borrow_mut();
    if let Some(lane) = lanes.iter().position(|lane| (lane.group, lane.kind) == (group, kind)) {
        return lane as u32;
    }
    lanes.push(Lane { group, kind, runs: 0, last: 0, before: 0, dear: true });
    let lane = lanes.len() as u32 - 1;
    drop(lanes);
    scope.change(Change::Install { lane });
    lane
}

/// The number of a process type on this head, made known at its first birth.
fn kind_of<P: Process>(world: &mut World) -> u32 {
    let type_id = TypeId::of::<P>();
    let scope = scope::of(world);
    if let Some(kind) = scope.kinds.borrow().iter().position(|kind| kind.type_id == type_id) {
        return kind as u32;
    }
    let kind = Kind {
        type_id,
        name: short_name::<P>(),
        install: life::install::<P>,
        safe_stop: death::safe_stop::<P>,
        ring: janitor::ring_one::<P>,
    };
    let mut kinds = scope.kinds.borrow_mut();
    kinds.push(kind);
    scope.unnamed.borrow_mut().push(0);
    let number = kinds.len() as u32 - 1;
    drop(kinds);
    world.add_observer(death::observe::<P>);
    number
}

/// Makes a new [`Frequency`] or [`InGroup`] on a process move it to that group.
pub(crate) fn watch_settings(world: &mut World) {
    fn on_insert(mut world: DeferredWorld<'_>, context: HookContext) {
        if world.get::<Vitals>(context.entity).is_some() {
            world.commands().queue(move |world: &mut World| regroup(world, context.entity));
        }
    }
    world.register_component_hooks::<Frequency>().on_insert(on_insert);
    world.register_component_hooks::<InGroup>().on_insert(on_insert);
}

fn regroup(world: &mut World, entity: Entity) {
    if world.get::<Flags>(entity).is_none_or(|flags| flags.has(Flags::DYING.and(Flags::OVER))) {
        return;
    }
    let (key, _) = group_of(world, entity);
    let group = find_group(world, key);
    let Some(from) = world.get::<Vitals>(entity).map(|vitals| vitals.lane) else { return };
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
    let (old, new) = {
        let groups = scope.groups.borrow();
        (groups[left.group as usize].marker, groups[group as usize].marker)
    };
    let mut process = world.entity_mut(entity);
    if let Ok((mut vitals, mut flags)) = process.get_components_mut::<(&mut Vitals, &mut Flags)>() {
        if !flags.has(Flags::ABSENT) {
            vitals.since = left.last;
        }
        vitals.lives_offset = vitals.lives_offset.wrapping_add(left.runs).wrapping_sub(runs);
        vitals.lane = to;
        flags.clear(Flags::BACK);
        flags.set(Flags::FRESH.and(Flags::ABSENT));
    }
    process.remove_by_id(old);
    marker::insert(&mut process, new);
}
