//! The one watcher of an application, and how it is driven: by a thread of its own, or, under the simulated clock, by
//! whoever wants to know what it has seen by now.

use super::backend::{UsbBackend, UsbError, UsbErrorKind, UsbHandle};
use super::count::UsbCount;
use super::device::UsbDevice;
use super::real::RealUsb;
pub(crate) use super::watcher::{News, What};
use super::watcher::{State, Watcher};
use crate::bell::{Bell, Wake};
use crate::cause::message_of;
use crate::clock::nanos;
use crate::control::Control;
use crate::thread::Thread;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use parking_lot::Mutex;
use std::convert::Infallible;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::thread::JoinHandle;
use std::time::Duration;

const NEVER: u64 = u64::MAX;

/// How often all devices are listed, unless set: so long may a lost event go unnoticed.
const INTERVAL: Duration = Duration::from_secs(5);

/// How long the end of the application waits for the watcher: a broken controller may hold it in the kernel.
const PATIENCE: Duration = Duration::from_secs(2);

/// See the module's documentation. Shared by all heads.
pub(crate) struct Hub {
    backend: Mutex<Arc<dyn UsbBackend>>,
    interval: AtomicU64,
    state: Mutex<State>,
    driver: Mutex<Driver>,
    /// When a watcher without a thread is to look again.
    due: Arc<AtomicU64>,
    /// Heads that listen.
    ports: AtomicUsize,
}

/// What has the watcher look.
enum Driver {
    /// Nobody: nobody has asked for devices so far.
    Idle,
    /// A thread of its own.
    Thread { line: Arc<Line>, running: JoinHandle<()>, ended: Receiver<Infallible> },
    /// Simulated: whoever wants to know, at the very instants at which a thread would have looked.
    Script { watcher: Watcher, waker: Waker, last: u64 },
    /// Nobody, and it will stay so.
    Off,
}

/// The line to the watcher's thread.
#[derive(Default)]
struct Line {
    bell: Bell,
    stop: AtomicBool,
    look: AtomicBool,
}

impl Wake for Line {
    fn wake(&self) {
        self.bell.ring();
    }
}

impl std::task::Wake for Line {
    fn wake(self: Arc<Self>) {
        self.bell.ring();
    }
}

/// Has a watcher without a thread look at the instant at which it is woken.
struct Caller {
    due: Arc<AtomicU64>,
    control: Weak<Control>,
}

impl std::task::Wake for Caller {
    fn wake(self: Arc<Self>) {
        if let Some(control) = self.control.upgrade() {
            self.due.fetch_min(control.timeline().now(), Relaxed);
        }
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hub")
    }
}

impl Hub {
    fn new() -> Self {
        Self {
            backend: Mutex::new(Arc::new(RealUsb)),
            interval: AtomicU64::new(nanos(INTERVAL)),
            state: Mutex::default(),
            driver: Mutex::new(Driver::Idle),
            due: Arc::new(AtomicU64::new(NEVER)),
            ports: AtomicUsize::new(0),
        }
    }

    /// The one of an application.
    pub(crate) fn of(control: &Control) -> Arc<Self> {
        let any = control.usb.get_or_init(|| Arc::new(Self::new())).clone();
        any.downcast().expect("nobody else puts anything there")
    }

    pub(crate) fn set_backend(&self, backend: Arc<dyn UsbBackend>) {
        *self.backend.lock() = backend;
    }

    pub(crate) fn set_interval(&self, interval: Duration) {
        self.interval.store(nanos(interval).max(1), Relaxed);
    }

    pub(crate) fn backend(&self) -> Arc<dyn UsbBackend> {
        self.backend.lock().clone()
    }

    /// What has been counted so far.
    pub(crate) fn count(&self) -> UsbCount {
        self.state.lock().count
    }

    pub(super) fn note(&self, note: impl FnOnce(&mut UsbCount)) {
        note(&mut self.state.lock().count);
    }

    /// Whether the watcher has this device among those plugged.
    pub(super) fn has(&self, device: &UsbDevice) -> bool {
        self.state.lock().present.get(&device.id()).is_some_and(|known| known.is_same(device))
    }

    /// How many lists have begun so far.
    pub(super) fn lists(&self) -> u64 {
        self.state.lock().lists.0
    }

    /// Whether a list has come to its end that is not among the first so many.
    pub(super) fn has_listed_since(&self, lists: u64) -> bool {
        self.state.lock().lists.1 > lists
    }

    /// All that is plugged, and what is wrong with the bus.
    pub(crate) fn present(&self) -> (Vec<UsbDevice>, Option<UsbError>) {
        let state = self.state.lock();
        (state.present.values().cloned().collect(), state.outage.clone())
    }

    /// One more head listens. The first one starts the watcher.
    pub(crate) fn subscribe(self: &Arc<Self>, control: &Arc<Control>) -> Receiver<News> {
        // Not bounded: a watcher that waits for a head that has stopped would leave the others blind.
        let (sender, receiver) = crossbeam_channel::unbounded();
        self.state.lock().subscribers.push(sender);
        self.ports.fetch_add(1, Relaxed);
        let mut driver = self.driver.lock();
        if matches!(*driver, Driver::Idle) {
            *driver = self.start(control);
        }
        receiver
    }

    fn start(self: &Arc<Self>, control: &Arc<Control>) -> Driver {
        let (backend, timeline) = (self.backend(), control.timeline());
        let is_scripted = backend.is_scripted();
        let watcher = Watcher::new(backend, self.interval.load(Relaxed));
        if timeline.is_simulated() {
            if !is_scripted {
                let message = "real USB devices are not watched under the simulated clock: give it a FakeUsb";
                tracing::warn!("{message}");
                self.state.lock().outage = Some(UsbError::new(UsbErrorKind::Unsupported, message));
                return Driver::Off;
            }
            self.due.store(timeline.now(), Relaxed);
            let caller = Caller { due: self.due.clone(), control: Arc::downgrade(control) };
            return Driver::Script { watcher, waker: Arc::new(caller).into(), last: timeline.now() };
        }
        let line = Arc::new(Line::default());
        control.add_child(Arc::downgrade(&(line.clone() as Arc<dyn Wake>)));
        let (hub, control, own) = (Arc::downgrade(self), control.clone(), line.clone());
        let (alive, ended) = crossbeam_channel::bounded::<Infallible>(0);
        let work = move || {
            run(watcher, &hub, &control, &own);
            drop(alive);
        };
        match std::thread::Builder::new().name("usb".into()).spawn(work) {
            Ok(running) => Driver::Thread { line, running, ended },
            Err(error) => {
                tracing::error!(%error, "USB devices are not watched: there is no thread to be had");
                self.state.lock().outage = Some(UsbError::new(UsbErrorKind::Other, error.to_string()));
                Driver::Off
            }
        }
    }

    /// Simulated: has the watcher look at all instants up to `now` at which it is to. One load where it has its own thread.
    #[inline]
    pub(crate) fn catch_up(&self, now: u64) {
        if self.due.load(Relaxed) <= now {
            self.play(now, false);
        }
    }

    #[cold]
    fn play(&self, now: u64, lists: bool) {
        let mut driver = self.driver.lock();
        let Driver::Script { watcher, waker, last } = &mut *driver else { return };
        loop {
            let at = self.due.load(Relaxed).max(*last);
            if at > now {
                break;
            }
            *last = at;
            // Before it looks: a wake while it does has it look again.
            self.due.store(NEVER, Relaxed);
            let next = watcher.turn(&self.state, at, waker);
            self.due.fetch_min(next, Relaxed);
        }
        if lists && *last <= now {
            *last = now;
            watcher.list_soon();
            let next = watcher.turn(&self.state, now, waker);
            self.due.store(next, Relaxed);
        }
    }

    /// Has the watcher list as soon as it can: something seems to be gone.
    pub(super) fn look_again(&self, now: u64) {
        if let Driver::Thread { line, .. } = &*self.driver.lock() {
            line.look.store(true, Relaxed);
            line.bell.ring();
            return;
        }
        self.play(now, true);
    }

    /// One head listens no more. With the last one the watcher ends.
    pub(crate) fn unsubscribe(&self) {
        if self.ports.fetch_sub(1, Relaxed) > 1 {
            return;
        }
        self.due.store(NEVER, Relaxed);
        let driver = std::mem::replace(&mut *self.driver.lock(), Driver::Off);
        if let Driver::Thread { line, running, ended } = driver {
            line.stop.store(true, Relaxed);
            line.bell.ring();
            match ended.recv_timeout(PATIENCE) {
                Err(RecvTimeoutError::Timeout) => {
                    tracing::warn!(waited = ?PATIENCE, "the USB watcher does not end, for the system does not answer: it is left behind");
                }
                _ => drop(running.join()),
            }
        }
    }
}

/// The watcher's thread.
fn run(mut watcher: Watcher, hub: &Weak<Hub>, control: &Control, line: &Arc<Line>) {
    let waker = Waker::from(line.clone());
    let looks = AssertUnwindSafe(|| {
        while let Some(hub) = hub.upgrade().filter(|_| !line.stop.load(Relaxed)) {
            if line.look.swap(false, Relaxed) {
                watcher.list_soon();
            }
            let next = watcher.turn(&hub.state, control.timeline().now(), &waker);
            drop(hub);
            control.timeline().sleep_until(Some(next), &line.bell);
        }
    });
    if let Err(panic) = catch_unwind(looks) {
        let message = message_of(&*panic);
        tracing::error!(message, "the USB watcher panicked: no more devices are seen");
        if let Some(hub) = hub.upgrade() {
            hub.note(|count| count.errors += 1);
        }
    }
}

/// USB.
impl Thread {
    /// Opens a device that its owner was told of.
    ///
    /// # Errors
    /// [`UsbError`], when it is gone, somebody else has it, or this user may not.
    pub fn open_usb(&self, device: &UsbDevice) -> Result<Box<dyn UsbHandle>, UsbError> {
        Hub::of(self.control()).backend().open(device, self)
    }
}
