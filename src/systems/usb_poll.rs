//! The first system of every tick on a head whose processes watch USB: takes what the watcher has seen out of its channel,
//! and gives each process the events that it asked for. It never asks a real bus: only under the simulated clock, where there
//! is no watcher thread, a scripted bus plays on in it. The schedules of other heads have no such system.

use crate::cause::Cause;
use crate::context::Context;
use crate::event::{EmitError, Event};
use crate::failure::guarded;
use crate::post::Address;
use crate::process::{Flags, Process};
use crate::scope::{self, Change, Lent, Scope};
use crate::systems::actor::visit;
use crate::usb::{Hub, News, Told, UsbDevice, UsbEvent, UsbId, UsbMatch, UsbPing, UsbRequired, What};
use bevy_ecs::change_detection::DetectChangesMut;
use bevy_ecs::entity::Entity;
use bevy_ecs::error::Result;
use bevy_ecs::resource::Resource;
use bevy_ecs::system::{Commands, ResMut};
use bevy_ecs::world::World;
use crossbeam_channel::Receiver;
use indexmap::IndexMap;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};

/// USB.
impl<P: Process> Context<'_, P> {
    /// Asks for the events `connected` and `disconnected` of all devices that match: their callbacks are set by
    /// [`on_event`](Self::on_event) or [`on_usb`](Self::on_usb), and their payload is a [`UsbDevice`]. What is plugged
    /// already is `connected`, too. Asked for several times, one event comes for a device that several ask for.
    ///
    /// It holds until the process's death: a restart asks anew, in its birth.
    pub fn watch_usb(&mut self, matching: UsbMatch) {
        let watch = self.usb_watch();
        watch.wanted.lock().matches.push(matching);
        self.scope.defer(move |world| register(world, &watch));
    }

    /// Asks for no more events of devices. The threads of pings go on, and ping nobody.
    pub fn unwatch_usb(&mut self) {
        if let Some(extras) = self.raw().known_mut() {
            extras.usb = None;
        }
    }

    /// Calls back for all events about USB devices, in place of what was called before:
    /// [`UsbEvent::of`] tells them apart.
    pub fn on_usb(&mut self, call: fn(&mut P, &Event, &mut Context<'_, P>) -> Result) {
        for name in UsbEvent::NAMES {
            self.on_event(name, call);
        }
    }

    /// Watches devices and pings them, by a child thread.
    ///
    /// # Errors
    /// As [`add_child`](Self::add_child).
    pub fn ping_usb(&mut self, ping: UsbPing) -> Result {
        let (hub, watch) = (Hub::of(&self.scope.control), self.usb_watch());
        let matching = ping.matching().clone();
        self.add_child(ping.into_thread(hub, Remembered(Arc::downgrade(&watch))))?;
        self.watch_usb(matching);
        Ok(())
    }

    /// The devices that this process was told are plugged, in that order.
    #[must_use]
    pub fn usb_devices(&self) -> Vec<UsbDevice> {
        self.known_usb_watch().map(|watch| watch.devices()).unwrap_or_default()
    }

    fn known_usb_watch(&self) -> Option<Arc<Watch>> {
        self.known()?.usb.clone()?.downcast().ok()
    }

    fn usb_watch(&mut self) -> Arc<Watch> {
        if let Some(known) = self.known_usb_watch() {
            return known;
        }
        let watch = Arc::new(Watch {
            address: self.vitals.address.clone(),
            required: AtomicBool::new(false),
            wanted: Mutex::default(),
        });
        self.raw().own().usb = Some(watch.clone());
        watch
    }
}

/// What one process wants to know. It owns this, so that it ends with its life.
struct Watch {
    address: Address,
    /// Whether it can't do without: then it fails when the bus can't be read.
    required: AtomicBool,
    wanted: Mutex<Wanted>,
}

#[derive(Default)]
struct Wanted {
    matches: Vec<UsbMatch>,
    /// Devices that match and are plugged, as far as news has come.
    known: IndexMap<UsbId, UsbDevice>,
    /// Devices whose `connected` is in the inbox or has been, and whose `disconnected` is not.
    told: IndexMap<UsbId, UsbDevice>,
    /// What is to be told, and when that was seen: more than the inbox has had room for.
    waiting: VecDeque<(u64, Untold)>,
}

#[derive(Clone)]
enum Untold {
    Connected(UsbDevice),
    Disconnected(UsbDevice),
}

impl Untold {
    fn event(self) -> Event {
        match self {
            Self::Connected(device) => Event::new("connected").body(device),
            Self::Disconnected(device) => Event::new("disconnected").body(device),
        }
    }
}

/// What the thread of a ping holds of its owner's watch.
struct Remembered(Weak<Watch>);

impl Watch {
    fn devices(&self) -> Vec<UsbDevice> {
        self.wanted.lock().told.values().cloned().collect()
    }
}

impl Told for Remembered {
    fn devices(&self) -> Vec<UsbDevice> {
        self.0.upgrade().map(|watch| watch.devices()).unwrap_or_default()
    }

    fn emit_of(&self, device: &UsbDevice, emit: &mut dyn FnMut()) -> bool {
        let Some(watch) = self.0.upgrade() else { return false };
        let wanted = watch.wanted.lock();
        let told = wanted.told.get(&device.id()).is_some_and(|told| told.is_same(device));
        if told {
            emit();
        }
        told
    }
}

impl Wanted {
    fn connected(&mut self, device: &UsbDevice, time: u64) {
        match self.known.get_mut(&device.id()) {
            Some(known) if known.is_same(device) => {
                known.clone_from(device);
                if let Some(told) = self.told.get_mut(&device.id()) {
                    told.clone_from(device);
                }
                return;
            }
            Some(known) => {
                let known = known.clone();
                self.disconnected(&known, time);
            }
            None => {}
        }
        if self.matches.iter().any(|matching| matching.matches(device)) {
            self.known.insert(device.id(), device.clone());
            self.waiting.push_back((time, Untold::Connected(device.clone())));
        }
    }

    fn disconnected(&mut self, device: &UsbDevice, time: u64) {
        if let Some(known) = self.known.shift_remove(&device.id()) {
            self.waiting.push_back((time, Untold::Disconnected(known)));
        }
    }
}

/// One head's end of the watcher's channel, and who on this head watches.
#[derive(Resource)]
pub(crate) struct Port {
    hub: Arc<Hub>,
    news: Receiver<News>,
    watches: Vec<Weak<Watch>>,
    /// Whether events wait for a process to have room.
    holds: bool,
}

impl Drop for Port {
    fn drop(&mut self) {
        self.hub.unsubscribe();
    }
}

/// Puts a watch on the list of its head, and tells it what is plugged already.
fn register(world: &mut World, watch: &Arc<Watch>) {
    let scope = scope::of(world);
    let (control, now) = (scope.control.clone(), scope.now());
    scope.change(Change::PollUsb);
    let entity = watch.address.entity();
    watch.required.store(world.get::<UsbRequired>(entity).is_some(), Relaxed);
    let mut port = world.get_resource_or_insert_with(|| {
        let hub = Hub::of(&control);
        let news = hub.subscribe(&control);
        Port { hub, news, watches: Vec::new(), holds: false }
    });
    let port = port.bypass_change_detection();
    port.watches.retain(|known| known.strong_count() > 0);
    let weak = Arc::downgrade(watch);
    if !port.watches.iter().any(|known| known.ptr_eq(&weak)) {
        port.watches.push(weak);
    }
    // What stands in the channel as well is not told twice.
    let (present, outage) = port.hub.present();
    let mut wanted = watch.wanted.lock();
    present.iter().for_each(|device| wanted.connected(device, now));
    port.holds |= !wanted.waiting.is_empty();
    drop(wanted);
    if let Some(error) = outage.filter(|_| watch.required.load(Relaxed)) {
        fail(world, entity, &error.to_string());
    }
}

/// The system: two words read when there is no news.
pub(crate) fn system(mut port: ResMut<Port>, mut lent: ResMut<Lent>, mut commands: Commands) {
    let (port, scope) = (port.bypass_change_detection(), lent.bypass_change_detection().scope());
    port.hub.catch_up(scope.now());
    if port.holds || !port.news.is_empty() {
        port.hand_out(scope, &mut commands);
    }
}

impl Port {
    #[cold]
    fn hand_out(&mut self, scope: &Scope, commands: &mut Commands) {
        let watches: Vec<Arc<Watch>> = self.watches.iter().filter_map(Weak::upgrade).collect();
        while let Ok(News { time, what }) = self.news.try_recv() {
            for watch in &watches {
                match &what {
                    What::Connected(device) => watch.wanted.lock().connected(device, time),
                    What::Disconnected(device) => watch.wanted.lock().disconnected(device, time),
                    What::Outage(error) if watch.required.load(Relaxed) => {
                        let (entity, message) = (watch.address.entity(), error.to_string());
                        commands.queue(move |world: &mut World| fail(world, entity, &message));
                    }
                    What::Outage(_) => {}
                }
            }
        }
        self.holds = watches.iter().filter(|watch| watch.emit(scope)).count() > 0;
    }
}

impl Watch {
    /// Emits what waits, as far as there is room. Whether more waits.
    fn emit(&self, scope: &Scope) -> bool {
        let (inbox, mut wanted) = (self.address.0.inbox(), self.wanted.lock());
        while inbox.has_room() {
            let Some((time, change)) = wanted.waiting.pop_front() else { return false };
            match self.address.emit(change.clone().event(), time, |record| scope.wake(record)) {
                Ok(()) | Err(EmitError::Closed { .. }) => match change {
                    Untold::Connected(device) => drop(wanted.told.insert(device.id(), device)),
                    Untold::Disconnected(device) => drop(wanted.told.shift_remove(&device.id())),
                },
                // A thread was faster.
                Err(EmitError::Full { .. }) => {
                    wanted.waiting.push_front((time, change));
                    break;
                }
            }
        }
        !wanted.waiting.is_empty()
    }
}

/// A process that can't do without USB has to.
fn fail(world: &mut World, entity: Entity, message: &str) {
    visit(world, entity, |mut actor| {
        let cx = &mut actor.cx;
        if cx.vitals.flags.has(Flags::DYING.and(Flags::OVER)) {
            return;
        }
        guarded("usb", cx, |_| Err(message.into()));
        if !cx.vitals.flags.has(Flags::DYING) {
            let process = cx.vitals.address.name().to_owned();
            let cause = Cause::Failed { process, hook: "usb".into(), message: message.to_owned() };
            cx.scope.condemn(cx.vitals, Arc::new(cause));
        }
    });
}
