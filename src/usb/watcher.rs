//! What the watcher does when it looks: first at the events, then, when it is time, at the whole list.

use super::backend::{UsbBackend, UsbError, UsbPoll, UsbStream};
use super::count::UsbCount;
use super::device::{UsbDevice, UsbId};
use crossbeam_channel::Sender;
use indexmap::IndexMap;
use parking_lot::Mutex;
use std::collections::HashSet;
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
    /// How many lists have begun, and how many of them the last one to come to its end was.
    pub(super) lists: (u64, u64),
}

impl State {
    fn tell(&mut self, time: u64, what: What) {
        self.subscribers.retain(|head| head.send(News { time, what: what.clone() }).is_ok());
    }

    /// How many changes that is. None, if a known device only shows more of itself: heads are told all the same.
    fn connect(&mut self, device: UsbDevice, time: u64) -> u64 {
        let before = match self.present.get(&device.id()) {
            Some(known) if known.is_same(&device) => {
                if device.shows_more_than(known) {
                    self.present.insert(device.id(), device.clone());
                    self.tell(time, What::Connected(device));
                }
                return 0;
            }
            Some(_) => self.disconnect(device.id(), time),
            None => 0,
        };
        self.present.insert(device.id(), device.clone());
        self.tell(time, What::Connected(device));
        before + 1
    }

    /// How many changes that is.
    fn disconnect(&mut self, id: UsbId, time: u64) -> u64 {
        let Some(device) = self.present.shift_remove(&id) else { return 0 };
        self.tell(time, What::Disconnected(device));
        1
    }

    fn event(&mut self, changes: u64) {
        self.count.events += 1;
        self.count.duplicates += u64::from(changes == 0);
    }

    /// Makes what is known equal to a list: how many changes that took.
    fn adopt(&mut self, list: Vec<UsbDevice>, time: u64) -> u64 {
        let listed: HashSet<UsbId> = list.iter().map(UsbDevice::id).collect();
        let gone: Vec<UsbId> = self.present.keys().filter(|id| !listed.contains(*id)).copied().collect();
        let gone: u64 = gone.into_iter().map(|id| self.disconnect(id, time)).sum();
        gone + list.into_iter().map(|device| self.connect(device, time)).sum::<u64>()
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
                    let changes = state.connect(device, now);
                    state.event(changes);
                }
                UsbPoll::Disconnected(id) => {
                    let mut state = state.lock();
                    let changes = state.disconnect(id, now);
                    state.event(changes);
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
        state.lock().lists.0 += 1;
        let list = self.backend.list(Duration::from_nanos(now));
        let mut state = state.lock();
        state.lists.1 = state.lists.0;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: u64, product: u16) -> UsbDevice {
        UsbDevice::new(1, product).with_id(UsbId::new(id))
    }

    /// What heads are told, as `+product` and `-product`.
    fn told(change: impl FnOnce(&mut State)) -> Vec<String> {
        let (sender, receiver) = crossbeam_channel::unbounded();
        let mut state = State { subscribers: vec![sender], ..State::default() };
        change(&mut state);
        let say = |news: News| match news.what {
            What::Connected(device) => format!("+{}", device.product()),
            What::Disconnected(device) => format!("-{}", device.product()),
            What::Outage(error) => error.to_string(),
        };
        receiver.try_iter().map(say).collect()
    }

    #[test]
    fn a_list_is_adopted_with_as_few_words_as_it_takes() {
        let lines = told(|state| {
            assert_eq!(state.adopt(vec![device(1, 10), device(2, 20), device(3, 30)], 0), 3);
            assert_eq!(state.adopt(vec![device(3, 30), device(2, 20), device(1, 10)], 0), 0);
            assert_eq!(state.adopt(vec![device(4, 40), device(2, 20)], 0), 3);
        });
        assert_eq!(lines, ["+10", "+20", "+30", "-10", "-30", "+40"]);
    }

    #[test]
    fn an_id_that_comes_back_for_another_device_is_two_changes() {
        let by_list = told(|state| {
            state.adopt(vec![device(1, 10), device(2, 20)], 0);
            assert_eq!(state.adopt(vec![device(1, 11), device(2, 20)], 0), 2);
        });
        let by_event = told(|state| {
            state.adopt(vec![device(1, 10), device(2, 20)], 0);
            assert_eq!(state.connect(device(1, 11), 0), 2);
        });
        assert_eq!((by_list, by_event.clone()), (by_event, ["+10", "+20", "-10", "+11"].map(str::to_owned).into()));
    }

    #[test]
    fn who_does_not_listen_any_more_is_forgotten() {
        let (sender, receiver) = crossbeam_channel::unbounded();
        let mut state = State { subscribers: vec![sender], ..State::default() };
        drop(receiver);
        state.connect(device(1, 10), 0);
        assert!(state.subscribers.is_empty());
    }
}
