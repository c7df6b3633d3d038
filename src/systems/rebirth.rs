//! Start, stop and restart: a process that is to come back stays where it is, with its name, its address and its state, and
//! has no part in any tick until it is born again.

mod abroad;

use crate::cause::Cause;
use crate::context::{Context, UnknownProcess, with_vitals};
use crate::lifecycle::Depends;
use crate::post::{Address, Fate};
use crate::process::{Flags, Process, Vitals};
use crate::run_level::RunLevel;
use crate::scope::{self, Expected, Prepared};
use crate::settings::Asked;
use crate::systems::placement::{group_of, lane_of};
use crate::systems::{death, hook, mailman};
use abroad::Following;
use bevy_ecs::change_detection::DetectChangesMut;
use bevy_ecs::entity::Entity;
use bevy_ecs::world::World;
use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// How often one looks whether somebody on another head, whom it needs, has been born again (ns).
const LOOK: u64 = 1_000_000;

/// Start, stop and restart, by name.
impl<P: Process> Context<'_, P> {
    /// Starts a process that rests, after those that it depends on and that rest, too: their `birth` runs at the end of
    /// this tick. It has the state with which it was stopped, or added. One that runs goes on.
    ///
    /// # Errors
    /// [`UnknownProcess`] when nobody has this name.
    pub fn start(&mut self, name: &str) -> Result<(), UnknownProcess> {
        self.request(name, Request::Start)
    }

    /// Stops a process in order: its `death` runs at the end of this tick, and it rests until it is
    /// [`start`](Self::start)ed, with its name and its state. Mail for it is refused meanwhile. Oneself as well.
    ///
    /// # Errors
    /// [`UnknownProcess`] when nobody has this name.
    ///
    /// ```
    /// # use polycephaly::prelude::*;
    /// # fn life<P: Process>(cx: &mut Context<P>) -> Result {
    /// cx.stop("camera", "it is dark")?;
    /// cx.start("lamp")?;
    /// # Ok(()) }
    /// ```
    pub fn stop(&mut self, name: &str, reason: impl Into<String>) -> Result<(), UnknownProcess> {
        let cause = self.asked(reason);
        self.request(name, Request::Stop(cause))
    }

    /// Has a process die and be born again at the end of this tick. It keeps its name, its address and its mail; its state
    /// is as its [`Renewal`](crate::renewal::Renewal) says. One that rests is started. This counts towards no limit of its supervision.
    ///
    /// # Errors
    /// [`UnknownProcess`] when nobody has this name.
    pub fn restart(&mut self, name: &str, reason: impl Into<String>) -> Result<(), UnknownProcess> {
        let cause = self.asked(reason);
        self.request(name, Request::Restart(cause))
    }

    fn asked(&self, reason: impl Into<String>) -> Arc<Cause> {
        Arc::new(Cause::Stopped { by: self.name().to_owned(), reason: reason.into() })
    }

    fn request(&mut self, name: &str, request: Request) -> Result<(), UnknownProcess> {
        let address = self.address_of(name)?;
        let entity = address.entity();
        self.scope.reach(&address, move |world| carry_out(world, entity, request));
        Ok(())
    }
}

/// What was asked for by name.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    Start,
    Stop(Arc<Cause>),
    Restart(Arc<Cause>),
}

/// Does what was asked for to a process of this World.
pub(crate) fn carry_out(world: &mut World, entity: Entity, request: Request) {
    match request {
        Request::Start => start(world, entity),
        Request::Stop(cause) => stop(world, entity, Fate::Rest, cause),
        Request::Restart(cause) if is_over(world, entity) == Some(false) => stop(world, entity, Fate::Restart, cause),
        Request::Restart(_) => start(world, entity),
    }
}

/// Whether nothing of it runs; `None` when it is no process of this World.
fn is_over(world: &World, entity: Entity) -> Option<bool> {
    let vitals = world.get::<Vitals>(entity)?;
    let is_over = vitals.flags.has(Flags::OVER);
    // One whose component was taken away is over for good.
    (!is_over || vitals.address.0.fate() != Fate::End).then_some(is_over)
}

fn stop(world: &mut World, entity: Entity, fate: Fate, cause: Arc<Cause>) {
    with_vitals(world, entity, |vitals, scope| {
        let address = &vitals.address;
        if vitals.flags.has(Flags::OVER) && address.0.fate() == Fate::Restart {
            // It waits to be born again: not any more.
            rest(address);
            mailman::empty(address, scope);
        }
        scope.leave(vitals, fate, cause);
    });
}

fn rest(address: &Address) {
    address.0.set_fate(Fate::Rest);
    address.set_run_level(RunLevel::Unset);
}

/// Starts a process by its name, on whatever head.
pub(crate) fn start_named(world: &mut World, name: &str) {
    let scope = scope::of(world);
    match scope.control.post.get(name) {
        Some(address) if Arc::ptr_eq(&address.0.link, &scope.link) => start(world, address.entity()),
        Some(address) => {
            address.0.link.clone().call(move |world| start(world, address.entity()));
        }
        None => tracing::error!(process = name, "can't be started: there is no such process"),
    }
}

/// Bears a process that rests or waits to be born again, after those that it depends on. One that runs goes on.
pub(crate) fn start(world: &mut World, entity: Entity) {
    if world.get::<Depends>(entity).is_none() {
        if is_over(world, entity) == Some(true) {
            begin(world, entity, None);
        }
        return;
    }
    start_then(world, entity, Following { asked: Vec::new(), then: None });
}

/// The same, and something after it.
pub(crate) fn start_then(world: &mut World, entity: Entity, following: Following) {
    let mut order = Vec::new();
    let (mut open, mut seen) = (vec![entity], HashSet::new());
    while let Some(next) = open.pop() {
        if is_over(world, next) == Some(true) && seen.insert(next) {
            order.push(next);
            open.extend(needs(world, next));
        }
    }
    order.sort_by_key(|&next| {
        world.get::<Vitals>(next).map(|vitals| (vitals.address.0.rank.load(Relaxed), vitals.address.0.birth))
    });
    let Some(following) = abroad::start_needs(world, entity, &order, following) else { return };
    for next in order {
        begin(world, next, None);
    }
    if let Some(then) = following.then {
        then(world);
    }
}

/// The processes of this World that one depends on.
pub(crate) fn needs(world: &mut World, entity: Entity) -> Vec<Entity> {
    let Some(depends) = world.get::<Depends>(entity).cloned() else { return Vec::new() };
    let scope = scope::of(world);
    let found = depends.names().filter_map(|name| scope.control.post.get(name));
    found.filter(|address| Arc::ptr_eq(&address.0.link, &scope.link)).map(|address| address.entity()).collect()
}

/// From rest to life: it takes its place in its group, then its birth runs.
pub(crate) fn begin(world: &mut World, entity: Entity, prepared: Option<Prepared>) {
    let found = scope::with(world, entity, |process, scope| {
        let vitals = process.get::<Vitals>()?;
        let kind = vitals.address.0.kind;
        let returns = vitals.address.0.fate() == Fate::Restart;
        let renewal = returns.then(|| scope.kinds.borrow()[kind as usize].ways.renewal);
        Some((kind, renewal, scope.mark(vitals.lane).is_on(&process)))
    });
    let Some((kind, renewal, is_placed)) = found.flatten() else { return };
    let renewal = renewal.and_then(|renewal| world.components().get_id(renewal));
    if !is_placed {
        settle_in(world, entity, kind);
    }
    hook::birth(world, entity, prepared, renewal);
}

/// Puts one that comes from rest where its settings say.
fn settle_in(world: &mut World, entity: Entity, kind: u32) {
    let group = group_of(world, entity);
    let scope = scope::of(world);
    let lane = lane_of(scope, group, kind);
    let mark = scope.mark(lane);
    let mut process = world.entity_mut(entity);
    process.remove::<Asked>();
    if let Some(mut vitals) = process.get_mut::<Vitals>() {
        vitals.bypass_change_detection().lane = lane;
    }
    mark.put(&mut process);
}

/// Runs the deaths of these processes, in this order, and frees the entities of those that are not to come back.
pub(crate) fn bury(world: &mut World, dying: impl IntoIterator<Item = Entity>) {
    for entity in dying {
        let Some(vitals) = world.get::<Vitals>(entity) else { continue };
        if vitals.flags.has(Flags::OVER) {
            continue; // It has gone along with another.
        }
        match vitals.address.0.fate() {
            Fate::End => drop(world.despawn(entity)),
            Fate::Rest => retire(world, entity),
            Fate::Restart => retire_for_now(world, entity),
        }
    }
}

/// A stop: its death runs, and it rests.
pub(crate) fn retire(world: &mut World, entity: Entity) {
    let Some(vitals) = world.get::<Vitals>(entity) else { return };
    let (address, lane) = (vitals.address.clone(), vitals.lane);
    let mark = scope::of(world).mark(lane);
    hook::retire(world, entity);
    mark.take(&mut world.entity_mut(entity));
    match address.0.fate() {
        // Its own death has asked for an end for good.
        Fate::End => {
            address.0.set_fate(Fate::Rest);
            world.despawn(entity);
        }
        Fate::Rest => rest(&address),
        Fate::Restart => return,
    }
    death::end_if_last(scope::of(world), &address);
}

/// A restart: its death runs, after those of its dependents if they go along, and all wait to be born again.
pub(crate) fn retire_for_now(world: &mut World, entity: Entity) {
    let Some(address) = world.get::<Vitals>(entity).map(|vitals| vitals.address.clone()) else { return };
    let (wait, together) = {
        let rebirth = address.0.incidents().rebirth.lock();
        (rebirth.wait, rebirth.with_dependents)
    };
    let name = address.name().to_owned();
    let mut all = if together { leave_with(world, vec![name.to_ascii_lowercase()], name) } else { Vec::new() };
    all.push(address);
    if together {
        let names = all.iter().rev().map(|address| address.name().to_ascii_lowercase()).collect();
        abroad::restart_dependents(world, names, wait);
    }
    retire_all_for_now(world, all, wait);
}

/// The deaths of these, in this order. They wait to be born again.
fn retire_all_for_now(world: &mut World, all: Vec<Address>, wait: u64) {
    for address in all {
        if address.0.fate() == Fate::Restart {
            retire(world, address.entity());
        }
        let scope = scope::of(world);
        if address.0.fate() == Fate::Restart {
            scope.expect(Expected {
                due: scope.now().saturating_add(wait),
                rank: address.0.rank.load(Relaxed),
                birth: address.0.birth,
                entity: address.entity(),
            });
        }
    }
}

/// Has all of this World that depend on processes of these names go along with `dependency`; who dies first comes first.
fn leave_with(world: &mut World, names: Vec<String>, dependency: String) -> Vec<Address> {
    let all = dependents(world, names);
    let cause = Arc::new(Cause::WithDependency { dependency });
    for address in &all {
        with_vitals(world, address.entity(), |vitals, scope| {
            scope.leave(vitals, Fate::Restart, cause.clone());
        });
    }
    all
}

/// All of this World that live and depend on processes of these names, on those that do, and so on; who dies first comes
/// first.
fn dependents(world: &mut World, mut names: Vec<String>) -> Vec<Address> {
    let mut query = world.query::<(&Vitals, &Depends)>();
    let all: Vec<(Address, Depends)> = query
        .iter(world)
        .filter(|(vitals, _)| !vitals.flags.has(Flags::OVER))
        .map(|(vitals, depends)| (vitals.address.clone(), depends.clone()))
        .collect();
    let mut found: Vec<Address> = Vec::new();
    while let Some(name) = names.pop() {
        for (address, depends) in &all {
            let new = !found.iter().any(|known| Arc::ptr_eq(&known.0, &address.0));
            if new && depends.names().any(|need| need.eq_ignore_ascii_case(&name)) {
                names.push(address.name().to_ascii_lowercase());
                found.push(address.clone());
            }
        }
    }
    found.sort_by_key(|address| Reverse((address.0.rank.load(Relaxed), address.0.birth)));
    found
}

/// Bears those whose time has come.
pub(crate) fn bear_due(world: &mut World) {
    while let Some(entity) = scope::of(world).pop_expected() {
        let waits = world.get::<Vitals>(entity).is_some_and(|vitals| vitals.address.0.fate() == Fate::Restart);
        if !waits || is_over(world, entity) != Some(true) {
            continue;
        }
        if abroad::waits(world, entity) {
            let Some(address) = world.get::<Vitals>(entity).map(|vitals| vitals.address.clone()) else { continue };
            let scope = scope::of(world);
            let (due, rank) = (scope.now().saturating_add(LOOK), address.0.rank.load(Relaxed));
            scope.expect(Expected { due, rank, birth: address.0.birth, entity });
        } else {
            begin(world, entity, None);
        }
    }
}

/// Nobody is born again any more.
pub(crate) fn cancel_all(world: &mut World) {
    let scope = scope::of(world);
    scope.beat.set_cradle(u64::MAX);
    let waiting = std::mem::take(&mut *scope.nursery.borrow_mut());
    scope.control.pending.fetch_sub(waiting.len(), Relaxed);
    for Reverse(Expected { entity, .. }) in waiting {
        with_vitals(world, entity, |vitals, scope| {
            if vitals.address.0.fate() == Fate::Restart {
                rest(&vitals.address);
                mailman::empty(&vitals.address, scope);
            }
        });
    }
}
