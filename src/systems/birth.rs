//! Birth: from a component and a bundle of settings to a process that lives in a frequency group.

use crate::budget::{Budget, Meter};
use crate::context::Context;
use crate::control::Control;
use crate::key::OnHead;
use crate::lifecycle::{self, Autostart, BoundShutdown, Depends, DependsError, Node};
use crate::link::{Link, UnknownHead};
use crate::mail::Mail;
use crate::mailbox::{Mailbox, MailboxSize, MailboxSizeError, Order, Overflow, Sack};
use crate::party::Party;
use crate::post::{Address, Record};
use crate::process::{Process, Vitals, short_name};
use crate::scope::{self, Mark, Scope, row};
use crate::settings::{self, Settings, Sorter, Taken};
use crate::supervision::{Supervision, SupervisionError};
use crate::systems::marker::Abroad;
use crate::systems::placement::{group_of, kind_of, lane_of};
use crate::systems::rebirth;
use bevy_ecs::bundle::Bundle;
use bevy_ecs::component::ComponentId;
use bevy_ecs::entity::Entity;
use bevy_ecs::name::Name;
use bevy_ecs::system::{Commands, EntityCommands};
use bevy_ecs::world::{EntityMut, World};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// A process that was not born. It is handed back.
#[non_exhaustive]
pub struct SpawnError<P> {
    /// The name in its bundle, if there was one.
    pub name: Option<String>,
    /// The process as it was given; its `birth` has not run.
    pub process: P,
    /// Why.
    pub reason: Refusal,
}

/// Why a process was not born.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
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
    /// Its supervision makes no sense.
    #[error(transparent)]
    Supervision(#[from] SupervisionError),
    /// It depends on a process that is not there, or on itself.
    #[error(transparent)]
    Depends(#[from] DependsError),
    /// The World has no application: it was not built by one.
    #[error("this World belongs to no polycephaly application; build it with `Application::build`")]
    NoApplication,
    /// Its bundle names a head that there is not.
    #[error(transparent)]
    UnknownHead(#[from] UnknownHead),
    /// Its bundle names another head than that of this World.
    #[error(
        "it belongs on head {0:?}, whose World is another one; spawn it by a process's context or the application's handle"
    )]
    OtherHead(String),
    /// The entity was despawned before the command came to it.
    #[error("the entity kept for the process was despawned before its turn: spawn the process again")]
    EntityGone,
}

impl<P> fmt::Debug for SpawnError<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpawnError({:?})", self.reason)
    }
}

impl<P> fmt::Display for SpawnError<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        refuse(f, self.name.as_deref(), short_name::<P>(), &self.reason)
    }
}

fn refuse(f: &mut fmt::Formatter<'_>, name: Option<&str>, of: &str, reason: &Refusal) -> fmt::Result {
    match name {
        Some(name) => write!(f, "process {name:?}")?,
        None => write!(f, "a process")?,
    }
    write!(f, " of type {of} was not born: {reason}")
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
        let entity = put_settings(self, bundle);
        bear(self, entity, process)
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
            let born = match world.get_entity_mut(entity) {
                Ok(mut slot) => {
                    slot.insert(bundle);
                    bear(world, entity, process)
                }
                Err(_) => Err(SpawnError { name: None, process, reason: Refusal::EntityGone }),
            };
            note_refusal(world, born);
        });
        self.entity(entity)
    }
}

impl<P: Process> Context<'_, P> {
    /// Bears another process when this tick's systems have run, on this head or on that of an
    /// [`OnHead`] in the bundle; it lives first at its group's next due instant. What is refused is
    /// logged and counted in the report.
    ///
    /// ```
    /// # use polycephaly::prelude::*;
    /// # fn life<P: Process>(cx: &mut Context<P>) {
    /// #[derive(Component)]
    /// struct Probe;
    /// impl Process for Probe {}
    /// cx.spawn(Probe, (hz(100), Name::new("probe")));
    /// # }
    /// ```
    pub fn spawn<Q: Process>(&mut self, process: Q, bundle: impl Settings) {
        self.scope.defer(move |world| bear_on_its_head(world, process, bundle));
    }
}

/// Bears a process on the head that its bundle names, else in this World.
pub(crate) fn bear_on_its_head<P: Process, B: Settings>(world: &mut World, process: P, bundle: B) {
    if scope::entity(world).is_none() || !settings::names_head::<B>(world) {
        return bear_here(world, process, bundle);
    }
    let (place, bundle) = Sorter::default().look(bundle);
    let scope = scope::of(world);
    match place.head.and_then(|head| scope.control.link_of(&head.0).ok()) {
        Some(link) if !Arc::ptr_eq(&link, &scope.link) => link.call(move |world| bear_here(world, process, bundle)),
        _ => bear_here(world, process, bundle),
    }
}

fn bear_here<P: Process>(world: &mut World, process: P, bundle: impl Bundle) {
    let born = world.spawn_process(process, bundle);
    note_refusal(world, born);
}

/// Puts the settings of a process into the World. Not inlined: many types have settings of one type.
#[inline(never)]
pub(crate) fn put_settings<B: Bundle>(world: &mut World, bundle: B) -> Entity {
    world.spawn(bundle).id()
}

/// Whether a process whose bundle is in its slot belongs into this World.
fn check_head(slot: &EntityMut<'_>, control: &Control, own: &Link) -> Result<(), Refusal> {
    let Some(head) = slot.get::<OnHead>() else { return Ok(()) };
    if control.link_of(&head.0)?.head == own.head { Ok(()) } else { Err(Refusal::OtherHead(head.0.to_string())) }
}

pub(crate) fn note_refusal<P>(world: &mut World, born: Result<Entity, SpawnError<P>>) {
    if let Err(error) = born {
        count_refusal(world, &error);
    }
}

fn count_refusal(world: &mut World, error: &dyn fmt::Display) {
    tracing::error!("{error}");
    if scope::entity(world).is_some() {
        let refused = &scope::of(world).refused_births;
        refused.set(refused.get() + 1);
    }
}

/// The one way into life for an entity that has its settings: enrolled, and born at once unless it is to wait for a start.
fn bear<P: Process>(world: &mut World, entity: Entity, process: P) -> Result<Entity, SpawnError<P>> {
    let address = enroll(world, entity, process)?;
    match settle_rank(world, entity, &address) {
        Ok(()) => {
            if autostarts(world, entity) {
                rebirth::start(world, entity);
            }
            Ok(entity)
        }
        Err(fault) => {
            let process = world.entity_mut(entity).take::<P>();
            let name = Some(address.name().to_owned());
            world.despawn(entity);
            // It was put there by `enroll`, and nobody else had the World since.
            let process = process.expect("an enrolled process stands in the World");
            Err(SpawnError { name, process, reason: Refusal::Depends(fault) })
        }
    }
}

/// Whether it is born without being asked for.
pub(crate) fn autostarts(world: &World, entity: Entity) -> bool {
    world.get::<Autostart>(entity).is_none_or(|autostart| autostart.0)
}

/// Puts a process to its settings in the World under its name, at rest: its address can be written to, and nothing of it
/// runs. What is refused is despawned.
pub(crate) fn enroll<P: Process>(world: &mut World, entity: Entity, process: P) -> Result<Address, SpawnError<P>> {
    row::remember(world, entity, &process);
    match ready::<P>(world, entity) {
        Ok((vitals, ids)) => {
            let address = vitals.address.clone();
            row::put(&mut world.entity_mut(entity), ids, process, vitals);
            Ok(address)
        }
        Err((name, reason)) => Err(SpawnError { name, process, reason }),
    }
}

/// Of a process that is to be put into the World: what is kept beside it, and the numbers of both components.
type Ready = (Vitals, [ComponentId; 2]);

/// Readies an entity for a process of this type, or despawns it, and tells the name it was to have.
fn ready<P: Process>(world: &mut World, entity: Entity) -> Result<Ready, (Option<String>, Refusal)> {
    let kind = check_slot(world, entity).map(|()| kind_of::<P>(world));
    ready_kind(kind, world, entity)
}

fn ready_kind(
    kind: Result<u32, Refusal>,
    world: &mut World,
    entity: Entity,
) -> Result<Ready, (Option<String>, Refusal)> {
    let (vitals, mark, ids) = match kind.and_then(|kind| list(world, entity, kind)) {
        Ok(listed) => listed,
        Err(reason) => {
            let name = world.get::<Name>(entity).map(|name| name.as_str().to_owned());
            // It may be gone already.
            let _ = world.try_despawn(entity);
            return Err((name, reason));
        }
    };
    let mut slot = world.entity_mut(entity);
    slot.remove::<Taken>();
    // What is known beforehand comes first, so that little has to be moved: each insertion moves the entity to another table.
    if slot.get::<Autostart>().is_none_or(|autostart| autostart.0) {
        mark.put(&mut slot);
    } else {
        slot.insert(Abroad);
    }
    Ok((vitals, ids))
}

/// Whether a process can be put to the settings of an entity at all.
fn check_slot(world: &World, entity: Entity) -> Result<(), Refusal> {
    if scope::entity(world).is_none() {
        return Err(Refusal::NoApplication);
    }
    // A hook of the user's may have taken it away as its bundle came.
    world.get_entity(entity).map_or(Err(Refusal::EntityGone), |_| Ok(()))
}

/// Of fewer than this, it does not matter what room they take.
const MANY: usize = 1024;
/// So many entities the World may keep back, of those that it was given back.
const SPARE: usize = 128;

/// Makes room in the World for so many processes of this type that bring nothing else with them, and no more: what grows by
/// itself doubles each time.
pub(crate) fn expect<P: Process>(world: &mut World, count: usize) {
    if count >= MANY {
        // Before all of them: what is found at a high place among entities costs each of those below it some bytes.
        kind_of::<P>(world);
        let none = (0..count + SPARE).filter_map(|_| None::<(P, Vitals)>);
        drop(world.spawn_batch(none));
    }
}

/// Finds its rank among those that are there already, whom alone a late-born can depend on.
fn settle_rank(world: &mut World, entity: Entity, address: &Address) -> Result<(), DependsError> {
    let Some(depends) = world.get::<Depends>(entity) else { return Ok(()) };
    let (own, depends) = (address.name(), depends.clone());
    let post = &scope::of(world).control.post;
    let known = |name: &str| post.get(name).map(|address| address.0.rank.load(Relaxed));
    let node = Node { name: own, needs: &depends.0 };
    let ranks = lifecycle::ranks(&[node], known).map_err(|mut faults| faults.swap_remove(0))?;
    address.0.rank.store(ranks[0], Relaxed);
    Ok(())
}

/// Reads the settings, and lists their bearer under its name. Beside its vitals come the mark of its group, and the numbers
/// of the components of its kind.
fn list(world: &mut World, entity: Entity, kind: u32) -> Result<(Vitals, Mark, [ComponentId; 2]), Refusal> {
    let group = group_of(world, entity);
    let listed = scope::with(world, entity, |slot, scope| {
        let record = record(&slot, kind, scope)?;
        let post = &scope.control.post;
        let address = if slot.contains::<Name>() {
            post.list(record).map_err(|taken| Refusal::NameTaken(taken.name.as_ref().into()))?
        } else {
            let name = scope.kinds.borrow()[kind as usize].name;
            post.list_numbered(record, name, &mut scope.unnamed.borrow_mut()[kind as usize])
        };
        let lane = lane_of(scope, group, kind);
        address.0.mailbox.home().set_lane(lane);
        let vitals = Vitals::new(address, lane, scope.now());
        scope.mind(lane);
        let kind = &scope.kinds.borrow()[kind as usize];
        Ok((vitals, scope.mark(lane), [kind.component, kind.vitals]))
    });
    listed.unwrap_or(Err(Refusal::EntityGone))
}

/// What the whole application may know of a process with these settings.
fn record(slot: &EntityMut<'_>, kind: u32, scope: &Scope) -> Result<Record, Refusal> {
    let name: Box<str> = slot.get::<Name>().map_or("", |name| name.as_str()).into();
    if name.is_empty() && slot.contains::<Name>() {
        return Err(Refusal::NameEmpty);
    }
    check_head(slot, &scope.control, &scope.link)?;
    let (party, mailbox) = mailbox_of(slot, scope)?;
    if slot.get::<Autostart>().is_some_and(|autostart| !autostart.0) {
        // Empty: nobody knows of it so far.
        drop(mailbox.close(&mut Sack::default()));
    }
    let bound = slot.get::<BoundShutdown>().is_none_or(|bound| bound.0);
    scope.control.has_unbound.fetch_or(!bound, Relaxed);
    let birth = scope.control.post.next_birth();
    let record = Record::new(name, party, scope.link.clone(), kind, birth, bound, mailbox);
    if let Some(supervision) = slot.get::<Supervision>() {
        supervision.check()?;
        *record.incidents().supervision.lock() = Some(Arc::new(supervision.clone()));
    }
    if let Some(&budget) = slot.get::<Budget>().filter(|budget| !budget.is_none()) {
        *record.incidents().meter.lock() = Some(Meter::new(budget));
    }
    Ok(record)
}

/// The mailbox that the settings ask for, and whose it is.
fn mailbox_of(slot: &EntityMut<'_>, scope: &Scope) -> Result<(Party, Mailbox<Mail>), MailboxSizeError> {
    let default = scope.control.mailbox_size.get();
    let size = slot.get::<MailboxSize>().or(default).copied().unwrap_or_default().checked()?;
    let overflow = slot.get::<Overflow>().copied().unwrap_or_default();
    let order = slot.get::<Order>().copied().unwrap_or_default();
    let (party, home) = scope.claim_slot();
    home.attic().set_entity(slot.id());
    Ok((party, Mailbox::new(home, size, overflow, order)))
}
