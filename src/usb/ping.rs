//! Pings: a child thread that asks devices, again and again, whether they are still there.

use super::backend::{UsbFault, UsbHandle};
use super::count::UsbCount;
use super::device::{UsbDevice, UsbId};
use super::hub::Hub;
use super::matching::UsbMatch;
use super::request::UsbRequest;
use crate::clock::nanos;
use crate::event::Event;
use crate::frequency::{Frequency, hz};
use crate::overrun::Grid;
use crate::thread::{ChildThread, Thread};
use indexmap::IndexMap;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// Pings all devices that match, at a rate, and tells the process what they answer: as `pong`, `comms_error` and
/// `device_error`. The process watches these devices, too: it is only pinged what it was told is `connected`.
///
/// They are pinged one after the other by one child thread, first one period after its start; one that does not answer
/// holds up the others for the time-out. One that is unplugged and plugged again is opened again. One that is unplugged just
/// now is no error, but a `disconnected`.
#[derive(Clone, Debug)]
#[must_use = "give it to `Context::ping_usb`"]
pub struct UsbPing {
    matching: UsbMatch,
    rate: Frequency,
    request: UsbRequest,
    timeout: Duration,
    name: Option<Cow<'static, str>>,
}

impl UsbPing {
    /// Once a second, GET_STATUS, with a time-out of half a second.
    pub fn new(matching: UsbMatch) -> Self {
        let request = UsbRequest::get_status();
        Self { matching, rate: hz(1), request, timeout: Duration::from_millis(500), name: None }
    }

    /// How often. A period that has passed when a round of pings ends is left out.
    pub fn rate(self, rate: Frequency) -> Self {
        Self { rate, ..self }
    }

    /// What is asked.
    pub fn request(self, request: UsbRequest) -> Self {
        Self { request, ..self }
    }

    /// How long a device may take to answer: of a real one, in real time whatever the clock.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// What its thread is called. Two pings of one process need two names: unless set, what it matches is part of it.
    pub fn name(self, name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    pub(crate) fn matching(&self) -> &UsbMatch {
        &self.matching
    }

    /// The thread that pings what its owner was told of.
    pub(crate) fn into_thread(self, hub: Arc<Hub>, told: impl Told) -> ChildThread {
        let name = self.name.clone().unwrap_or_else(|| format!("usb-ping {}", self.matching).into());
        ChildThread::new(name, move |thread| {
            let grid = Grid { frequency: self.rate, origin: nanos(thread.now()) };
            let mut round = Round { ping: self, hub, targets: IndexMap::new() };
            // Told to end while it pinged, it must not sleep once more.
            while thread.is_active() && thread.sleep_until(grid.due(grid.first_after(nanos(thread.now())))) {
                round.run(&told, thread);
            }
            Ok(())
        })
    }
}

/// What a process was told is plugged.
pub(crate) trait Told: Send + Sync + 'static {
    fn devices(&self) -> Vec<UsbDevice>;

    /// Emits something about a device, unless its `disconnected` was faster: whether it was not.
    fn emit_of(&self, device: &UsbDevice, emit: &mut dyn FnMut()) -> bool;
}

/// One device that is pinged.
struct Target {
    device: UsbDevice,
    handle: Option<Box<dyn UsbHandle>>,
    /// It has seemed to be gone, when so many lists had begun.
    suspect: Option<u64>,
}

struct Round {
    ping: UsbPing,
    hub: Arc<Hub>,
    targets: IndexMap<UsbId, Target>,
}

impl Round {
    fn run(&mut self, told: &impl Told, thread: &Thread) {
        let devices: Vec<_> = told.devices().into_iter().filter(|device| self.ping.matching.matches(device)).collect();
        self.targets.retain(|_, target| devices.iter().any(|device| device.is_same(&target.device)));
        for device in devices {
            if !thread.is_active() {
                return;
            }
            let new = Target { device, handle: None, suspect: None };
            let target = self.targets.entry(new.device.id()).or_insert(new);
            target.ping(&self.ping, &self.hub, told, thread);
        }
    }
}

impl Target {
    fn ping(&mut self, ping: &UsbPing, hub: &Hub, told: &impl Told, thread: &Thread) {
        let outcome = self.ask(ping, thread);
        if !thread.is_active() {
            return; // Nobody is there to be told.
        }
        let device = self.device.clone();
        let (tally, event): (fn(&mut UsbCount) -> &mut u64, Event) = match outcome {
            Ok((data, round_trip)) => {
                self.suspect = None;
                (|count| &mut count.pongs, Event::new("pong").body(UsbPong { device, round_trip, data }))
            }
            Err(fault) if fault.may_be_gone() && self.seems_gone(hub, thread) => {
                return hub.note(|count| count.races += 1);
            }
            Err(fault) if fault.is_comms() => {
                self.suspect = None;
                (|count| &mut count.comms_errors, Event::new("comms_error").body(UsbTrouble { device, fault }))
            }
            Err(fault) => {
                self.handle = None;
                (|count| &mut count.device_errors, Event::new("device_error").body(UsbTrouble { device, fault }))
            }
        };
        let mut event = Some(event);
        let emitted = told.emit_of(&self.device, &mut || {
            // Too many waiting events are counted where they wait.
            let _ = event.take().map(|event| thread.emit(event));
        });
        hub.note(|count| *(if emitted { tally(count) } else { &mut count.races }) += 1);
    }

    fn ask(&mut self, ping: &UsbPing, thread: &Thread) -> Result<(Vec<u8>, Duration), UsbFault> {
        if self.handle.is_none() {
            self.handle = Some(thread.open_usb(&self.device)?);
        }
        let Some(handle) = &mut self.handle else { return Err(UsbFault::Gone) };
        let started = thread.now();
        let data = handle.control(&ping.request, ping.timeout, thread)?;
        Ok((data, thread.now().saturating_sub(started)))
    }

    /// Whether it is being unplugged, as far as one can tell: the watcher does not have it, or has not looked since.
    fn seems_gone(&mut self, hub: &Hub, thread: &Thread) -> bool {
        self.handle = None;
        match self.suspect {
            Some(lists) => !hub.has_listed_since(lists) || !hub.has(&self.device),
            None => {
                self.suspect = Some(hub.lists());
                hub.look_again(nanos(thread.now()));
                true
            }
        }
    }
}

/// A device has answered a ping.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UsbPong {
    /// Which.
    pub device: UsbDevice,
    /// From the request to its answer, by the application's clock.
    pub round_trip: Duration,
    /// What it sent.
    pub data: Vec<u8>,
}

/// A device has not answered a ping as it should.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UsbTrouble {
    /// Which.
    pub device: UsbDevice,
    /// What was wrong.
    pub fault: UsbFault,
}

/// An event about a USB device, with its payload.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum UsbEvent<'e> {
    /// `connected`
    Connected(&'e UsbDevice),
    /// `disconnected`
    Disconnected(&'e UsbDevice),
    /// `pong`
    Pong(&'e UsbPong),
    /// `comms_error`
    CommsError(&'e UsbTrouble),
    /// `device_error`
    DeviceError(&'e UsbTrouble),
}

impl<'e> UsbEvent<'e> {
    /// The names of all of them.
    pub const NAMES: [&'static str; 5] = ["connected", "disconnected", "pong", "comms_error", "device_error"];

    /// What an event says, if it is one of these.
    #[must_use]
    pub fn of(event: &'e Event) -> Option<Self> {
        let at = Self::NAMES.iter().position(|name| name.eq_ignore_ascii_case(event.name()))?;
        match at {
            0 => event.get().map(Self::Connected),
            1 => event.get().map(Self::Disconnected),
            2 => event.get().map(Self::Pong),
            3 => event.get().map(Self::CommsError),
            _ => event.get().map(Self::DeviceError),
        }
    }

    /// The device that it is about.
    #[must_use]
    pub fn device(&self) -> &'e UsbDevice {
        match self {
            Self::Connected(device) | Self::Disconnected(device) => device,
            Self::Pong(pong) => &pong.device,
            Self::CommsError(trouble) | Self::DeviceError(trouble) => &trouble.device,
        }
    }
}
