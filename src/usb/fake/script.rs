//! What happens on a fake bus, and how far it has happened.

use super::{FakeAnswer, refusal};
use crate::usb::backend::{UsbError, UsbErrorKind, UsbPoll};
use crate::usb::device::{UsbDevice, UsbId};
use crate::usb::request::UsbRequest;
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// What becomes of a hot-plug event.
#[derive(Clone, Copy, Debug)]
pub(super) enum Notice {
    After(Duration),
    Lost,
}

impl Default for Notice {
    fn default() -> Self {
        Self::After(Duration::ZERO)
    }
}

type Firmware = Arc<dyn Fn(&UsbRequest) -> FakeAnswer + Send + Sync>;

pub(super) enum Action {
    Plug { port: Box<str>, device: UsbDevice, notice: Notice },
    Unplug { port: Box<str>, notice: Notice },
    Answer { port: Box<str>, answer: Firmware },
    Delay { port: Box<str>, delay: Duration },
    Refuse { port: Box<str>, kind: Option<UsbErrorKind> },
    FailList(Option<UsbErrorKind>),
    FailWatch(Option<UsbErrorKind>),
    Break,
}

/// What sits in a port, and how it behaves: that stays with the port.
#[derive(Default)]
struct Port {
    device: Option<UsbDevice>,
    answer: Option<Firmware>,
    delay: Duration,
    refuses: Option<UsbErrorKind>,
}

/// An instant, and the number among those of the same instant.
type Key = (Duration, u64);

#[derive(Default)]
pub(super) struct Script {
    ahead: BTreeMap<Key, Action>,
    ports: IndexMap<Box<str>, Port>,
    /// Hot-plug events on their way to the stream.
    events: BTreeMap<Key, UsbPoll>,
    watched: bool,
    waker: Option<Waker>,
    fails_list: Option<UsbErrorKind>,
    fails_watch: Option<UsbErrorKind>,
    numbers: u64,
    plugged: u64,
}

impl Script {
    /// Adds to what will happen. Who is to be woken comes back.
    pub(super) fn add(&mut self, time: Duration, action: Action) -> Option<Waker> {
        let number = self.number();
        self.ahead.insert((time, number), action);
        self.waker.take()
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Has everything happen that happens by `now`.
    pub(super) fn play(&mut self, now: Duration) {
        while let Some(next) = self.ahead.first_entry().filter(|next| next.key().0 <= now) {
            let ((time, _), action) = next.remove_entry();
            self.act(time, action);
        }
    }

    pub(super) fn next_action(&self) -> Option<Duration> {
        self.ahead.keys().next().map(|(time, _)| *time)
    }

    fn act(&mut self, time: Duration, action: Action) {
        match action {
            Action::Plug { port, device, notice } => {
                self.unplug(&port, time, notice);
                self.plugged += 1;
                // As on a real bus, addresses go up, and come back.
                let address = (self.plugged % 127) as u8 + 1;
                let device = device.with_id(UsbId::new(self.plugged)).with_place("fake", address);
                self.port(port).device = Some(device.clone());
                self.announce(time, notice, UsbPoll::Connected(device));
            }
            Action::Unplug { port, notice } => self.unplug(&port, time, notice),
            Action::Answer { port, answer } => self.port(port).answer = Some(answer),
            Action::Delay { port, delay } => self.port(port).delay = delay,
            Action::Refuse { port, kind } => self.port(port).refuses = kind,
            Action::FailList(kind) => self.fails_list = kind,
            Action::FailWatch(kind) => self.fails_watch = kind,
            Action::Break => {
                let error =
                    UsbError::new(UsbErrorKind::Other, "the stream of hot-plug events broke, as the script says");
                self.announce(time, Notice::default(), UsbPoll::Failed(error));
            }
        }
    }

    fn port(&mut self, port: Box<str>) -> &mut Port {
        self.ports.entry(port).or_default()
    }

    fn unplug(&mut self, port: &str, time: Duration, notice: Notice) {
        let Some(device) = self.ports.get_mut(port).and_then(|port| port.device.take()) else { return };
        self.announce(time, notice, UsbPoll::Disconnected(device.id()));
    }

    fn announce(&mut self, time: Duration, notice: Notice, event: UsbPoll) {
        if let Notice::After(delay) = notice
            && self.watched
        {
            let number = self.number();
            self.events.insert((time + delay, number), event);
        }
    }

    pub(super) fn watch(&mut self) -> Result<(), UsbError> {
        if let Some(kind) = self.fails_watch {
            return Err(refusal(kind));
        }
        self.watched = true;
        Ok(())
    }

    pub(super) fn unwatch(&mut self) {
        self.watched = false;
        self.events.clear();
    }

    pub(super) fn poll(&mut self, now: Duration, waker: &Waker) -> UsbPoll {
        if let Some(next) = self.events.first_entry().filter(|next| next.key().0 <= now) {
            return next.remove();
        }
        self.waker = Some(waker.clone());
        let event = self.events.keys().next().map(|(time, _)| *time);
        UsbPoll::Wait { until: self.next_action().into_iter().chain(event).min() }
    }

    pub(super) fn list(&self) -> Result<Vec<UsbDevice>, UsbError> {
        match self.fails_list {
            Some(kind) => Err(refusal(kind)),
            None => Ok(self.ports.values().filter_map(|port| port.device.clone()).collect()),
        }
    }

    pub(super) fn open(&self, device: &UsbDevice) -> Result<(), UsbError> {
        let port = self.holder(device.id());
        let port =
            port.ok_or_else(|| UsbError::new(UsbErrorKind::Gone, format!("{device} is not plugged any more")))?;
        port.refuses.map_or(Ok(()), |kind| Err(refusal(kind)))
    }

    fn holder(&self, id: UsbId) -> Option<&Port> {
        self.ports.values().find(|port| port.device.as_ref().is_some_and(|device| device.id() == id))
    }

    /// What a device answers, and after how long; `None` when it is not plugged.
    pub(super) fn answer_of(&self, id: UsbId, request: &UsbRequest) -> Option<(FakeAnswer, Duration)> {
        let port = self.holder(id)?;
        Some((port.answer.as_ref().map_or(FakeAnswer::Zeros, |answer| answer(request)), port.delay))
    }
}
