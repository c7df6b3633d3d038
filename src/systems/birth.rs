//! Birth: from a component and a bundle of settings to a process that lives in a frequency group.

use crate::context::Context;
use crate::failure::guarded;
use crate::mail::Mail;
use crate::mailbox::{Mailbox, MailboxSize, MailboxSizeError, Order, Overflow};
use crate::post::{Address, Record};
use crate::process::{Flags, Private, Process, Vitals, short_name};
use crate::run_level::RunLevel;
use crate::scope;
use crate::systems::marker;
use crate::systems::placement::{find_group, group_of, kind_of, lane_of};
use bevy_ecs::bundle::Bundle;
use bevy_ecs::entity::Entity;
use bevy_ecs::name::Name;
use bevy_ecs::system::{Commands, EntityCommands};
use bevy_ecs::world::{EntityWorldMut, World};
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
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
    /// Its mailbox can't be of the size asked for.
    #[error(transparent)]
    Mailbox(#[from] MailboxSizeError),
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
    /// Bears a process: its `birth` has run when this returns. `bundle` holds its settings ([`Frequency`](crate::frequency::Frequency), [`Name`],
    /// [`InGroup`](crate::key::InGroup), [`MailboxSize`], [`Overflow`], [`Order`]) and any other components.
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
    address.0.lane.store(lane, Relaxed);
    let lives_offset = 0_u64.wrapping_sub(scope.lanes.borrow()[lane as usize].runs);
    let mut vitals = Vitals { party: address.0.party, address, lives_offset, since: scope.now(), lane };
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
    let mut cx = Context { vitals: &mut vitals, flags: &mut flags, private: &mut private, scope, pulled: &pulled };
    guarded("birth", &mut process, &mut cx, P::birth);
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
    let control = scope::of(world).control.clone();
    let Ok(mut slot) = world.get_entity_mut(entity) else { return Err(Refusal::EntityGone) };
    let name: Option<Cow<'static, str>> =
        slot.insert(bundle).get::<Name>().map(|name| Cow::Owned(name.as_str().to_owned()));
    let mailbox = mailbox_of(&slot, control.mailbox_size.get())?;
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
    Ok(Address::new(Record::new(name, entity, scope.link.clone(), kind, birth, mailbox)))
}

/// The mailbox that the settings ask for.
fn mailbox_of(slot: &EntityWorldMut<'_>, default: Option<&MailboxSize>) -> Result<Mailbox<Mail>, MailboxSizeError> {
    let size = slot.get::<MailboxSize>().or(default).copied().unwrap_or_default().checked()?;
    let overflow = slot.get::<Overflow>().copied().unwrap_or_default();
    Ok(Mailbox::new(size, overflow, slot.get::<Order>().copied().unwrap_or_default()))
}
