//! What the watcher does when it looks: first at the events, then, when it is time, at the whole list.

use super::backend::{UsbBackend, UsbError, UsbPoll, UsbStream};
use super::count::UsbCount;
use super::device::{UsbDevice, UsbId};
use crossbeam_channel::Sender;
use indexmap::IndexMap;
use parking_lot::Mutex;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

const NEVER: u64 = u64::MAX;

/// Something that heads are told, and when the watcher has seen it, in nanoseconds of application time.
#[derive(Clone, Debug)]
pub(crate) struct News {
    pub(crate) time: u64,
    pub(crate) what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Connected(UsbDevice),
    Disconnected(UsbDevice),
    /// The bus can't be read, for the first time or again.
    Outage(UsbError),
}

/// What is plugged, as far as the watcher has seen, and who is told.
#[derive(Default)]
pub(super) struct State {
    pub(super) present: IndexMap<UsbId, UsbDevice>,
    pub(super) subscribers: Vec<Sender<News>>,
    pub(super) outage: Option<UsbError>,
    pub(super) count: UsbCount,
}

impl State {
    fn tell(&mut self, time: u64, what: What) {
        self.subscribers.retain(|head| head.send(News { time, what: what.clone() }).is_ok());
    }

    /// Whether that is news. Not, if a known device only says more of itself: heads are told all the same.
    fn connect(&mut self, device: UsbDevice, time: u64) -> bool {
        match self.present.get(&device.id()) {
            Some(known) if known.is_same(&device) => {
                if !known.says_the_same(&device) {
                    self.present.insert(device.id(), device.clone());
                    self.tell(time, What::Connected(device));
                }
                return false;
            }
            Some(_) => self.disconnect(device.id(), time),
            None => false,
        };
        self.present.insert(device.id(), device.clone());
        self.tell(time, What::Connected(device));
        true
    }

    /// Whether that is news.
    fn disconnect(&mut self, id: UsbId, time: u64) -> bool {
        let Some(device) = self.present.shift_remove(&id) else { return false };
        self.tell(time, What::Disconnected(device));
        true
    }

    fn event(&mut self, is_news: bool) {
        self.count.events += 1;
        self.count.duplicates += u64::from(!is_news);
    }

    /// Makes what is known equal to a list: how many changes that took.
    fn adopt(&mut self, list: Vec<UsbDevice>, time: u64) -> u64 {
        let listed: IndexMap<UsbId, &UsbDevice> = list.iter().map(|device| (device.id(), device)).collect();
        let gone: Vec<UsbId> = self
            .present
            .iter()
            .filter(|(id, known)| listed.get(*id).is_none_or(|device| !device.is_same(known)))
            .map(|(id, _)| *id)
            .collect();
        let changes = gone.len() as u64;
        for id in gone {
            self.disconnect(id, time);
        }
        changes + list.into_iter().map(|device| u64::from(self.connect(device, time))).sum::<u64>()
    }
}

/// See the module's documentation.
pub(super) struct Watcher {
    backend: Arc<dyn UsbBackend>,
    interval: u64,
    stream: Option<Box<dyn UsbStream>>,
    /// When it begins to watch again after a failure.
    watch_at: u64,
    /// When the next list is due.
    list_at: u64,
    /// Whether a list has ever been got.
    listed: bool,
    /// Whether it is known, and has been said, that there are no events.
    deaf: bool,
}

impl Watcher {
    pub(super) fn new(backend: Arc<dyn UsbBackend>, interval: u64) -> Self {
        Self { backend, interval, stream: None, watch_at: 0, list_at: 0, listed: false, deaf: false }
    }

    /// Has the next turn list.
    pub(super) fn list_soon(&mut self) {
        self.list_at = 0;
    }

    /// One look: when it is to look again, `waker` apart, comes back. It is later than `now`.
    pub(super) fn turn(&mut self, state: &Mutex<State>, now: u64, waker: &Waker) -> u64 {
        if self.stream.is_none() && self.watch_at <= now {
            self.watch(state, now);
        }
        // Before the list: what has been told since is newer than these.
        let until = self.listen(state, now, waker);
        if self.list_at <= now {
            self.list(state, now);
        }
        let again = if self.stream.is_some() { NEVER } else { self.watch_at };
        until.min(again).min(self.list_at).max(now + 1)
    }

    fn watch(&mut self, state: &Mutex<State>, now: u64) {
        self.watch_at = now.saturating_add(self.interval);
        match self.backend.watch(Duration::from_nanos(now)) {
            Ok(stream) => {
                self.stream = Some(stream);
                if std::mem::take(&mut self.deaf) {
                    tracing::info!("hot-plug events of USB devices come again");
                    self.list_soon();
                }
            }
            Err(error) => self.is_deaf(state, &error),
        }
    }

    fn listen(&mut self, state: &Mutex<State>, now: u64, waker: &Waker) -> u64 {
        while let Some(stream) = &mut self.stream {
            match stream.poll(Duration::from_nanos(now), waker) {
                UsbPoll::Connected(device) => {
                    let mut state = state.lock();
                    let is_news = state.connect(device, now);
                    state.event(is_news);
                }
                UsbPoll::Disconnected(id) => {
                    let mut state = state.lock();
                    let is_news = state.disconnect(id, now);
                    state.event(is_news);
                }
                UsbPoll::Wait { until } => return until.map_or(NEVER, crate::clock::nanos),
                UsbPoll::Failed(error) => {
                    self.stream = None;
                    self.list_soon();
                    self.is_deaf(state, &error);
                    if self.watch_at <= now {
                        self.watch(state, now);
                    }
                }
            }
        }
        NEVER
    }

    fn is_deaf(&mut self, state: &Mutex<State>, error: &UsbError) {
        state.lock().count.errors += 1;
        if !std::mem::replace(&mut self.deaf, true) {
            let interval = Duration::from_nanos(self.interval);
            tracing::warn!(%error, ?interval, "no hot-plug events of USB devices: they are only found by the list meanwhile");
        }
    }

    fn list(&mut self, state: &Mutex<State>, now: u64) {
        self.list_at = now.saturating_add(self.interval);
        let list = self.backend.list(Duration::from_nanos(now));
        let mut state = state.lock();
        match list {
            Ok(list) => {
                if state.outage.take().is_some() {
                    tracing::info!(devices = list.len(), "the USB bus can be read again");
                }
                let changes = state.adopt(list, now);
                let first = !std::mem::replace(&mut self.listed, true);
                *(if first { &mut state.count.listed } else { &mut state.count.reconciled }) += changes;
            }
            Err(error) => {
                state.count.errors += 1;
                if state.outage.is_none() {
                    let interval = Duration::from_nanos(self.interval);
                    tracing::warn!(%error, ?interval, "the USB bus can't be read: tried again at this interval");
                    state.tell(now, What::Outage(error.clone()));
                }
                state.outage = Some(error);
            }
        }
    }
}
