//! A bus that plays a script: for tests of robots without hardware.

mod script;

use super::backend::{UsbBackend, UsbError, UsbErrorKind, UsbFault, UsbHandle, UsbPoll, UsbStream};
use super::device::{UsbDevice, UsbId};
use super::request::{UsbData, UsbRequest};
use crate::clock::nanos;
use crate::thread::Thread;
use parking_lot::Mutex;
use script::{Action, Notice, Script};
use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// A bus whose devices come and go by a script, at instants of the application's clock. Clones are the same bus: keep one, to
/// add to the script while the application runs. What is in the past is done at once.
///
/// Devices sit in ports, which have names. A device that nothing else is said of answers each request with zeros.
///
/// ```
/// use polycephaly::prelude::*;
///
/// let usb = FakeUsb::new();
/// let arm = UsbDevice::new(0x1209, 0x0001).with_serial("R-1");
/// usb.at(Duration::ZERO).plug("1-1", arm.clone());
/// usb.at(Duration::from_secs(3)).answer("1-1", FakeAnswer::Stall);
/// usb.at(Duration::from_secs(5)).lost().unplug("1-1"); // no hot-plug event: found by the next list
/// usb.at(Duration::from_secs(9)).late(Duration::from_millis(30)).plug("1-1", arm);
/// let application = Application::new().clock(Clock::simulated()).usb_backend(usb);
/// ```
#[derive(Clone, Default)]
pub struct FakeUsb(Arc<Mutex<Script>>);

impl fmt::Debug for FakeUsb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakeUsb")
    }
}

/// How a device of a [`FakeUsb`] answers a request.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FakeAnswer {
    /// With these bytes, as many as were asked for.
    Data(Vec<u8>),
    /// With zeros, as many as were asked for; so it is taken as done.
    Zeros,
    /// It refuses.
    Stall,
    /// The transfer fails on the wire.
    Fault,
    /// Not at all: the asker's time-out passes.
    Silence,
    /// With another failure.
    Failure(String),
}

impl FakeAnswer {
    fn to(self, request: &UsbRequest, timeout: Duration) -> Result<Vec<u8>, UsbFault> {
        let asked = if let UsbData::In(length) = request.data { usize::from(length) } else { 0 };
        match self {
            Self::Data(mut data) => {
                data.truncate(asked);
                Ok(data)
            }
            Self::Zeros => Ok(vec![0; asked]),
            Self::Stall => Err(UsbFault::Stall),
            Self::Fault => Err(UsbFault::Fault),
            Self::Silence => Err(UsbFault::TimedOut(timeout)),
            Self::Failure(message) => Err(UsbFault::Other(message)),
        }
    }
}

impl FakeUsb {
    /// An empty bus.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An instant of the application's clock, for something to happen at. What is written for the same instant happens in
    /// order of writing.
    pub fn at(&self, time: Duration) -> FakeMoment<'_> {
        FakeMoment { usb: self, time, notice: Notice::default() }
    }

    /// Something that happens at once, whatever the clock says.
    pub fn now(&self) -> FakeMoment<'_> {
        self.at(Duration::ZERO)
    }
}

/// An instant in the script of a [`FakeUsb`].
#[derive(Clone, Debug)]
#[must_use = "say what happens then"]
pub struct FakeMoment<'u> {
    usb: &'u FakeUsb,
    time: Duration,
    notice: Notice,
}

impl FakeMoment<'_> {
    /// The hot-plug event of what follows is lost.
    pub fn lost(self) -> Self {
        Self { notice: Notice::Lost, ..self }
    }

    /// The hot-plug event of what follows comes so much later.
    pub fn late(self, delay: Duration) -> Self {
        Self { notice: Notice::After(delay), ..self }
    }

    fn add(&self, action: Action) {
        let waker = self.usb.0.lock().add(self.time, action);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// A device is plugged into a port. What was in it is unplugged.
    pub fn plug(self, port: &str, device: UsbDevice) {
        self.add(Action::Plug { port: port.into(), device, notice: self.notice });
    }

    /// What is in a port is unplugged.
    pub fn unplug(self, port: &str) {
        self.add(Action::Unplug { port: port.into(), notice: self.notice });
    }

    /// A loose contact: plugged and unplugged so many times, each for `each`.
    pub fn flap(self, port: &str, device: &UsbDevice, times: u32, each: Duration) {
        for turn in 0..times {
            let at = |half| Self { time: self.time + each * (2 * turn + half), ..self.clone() };
            at(0).plug(port, device.clone());
            at(1).unplug(port);
        }
    }

    /// From then on, what is in a port answers like this.
    pub fn answer(self, port: &str, answer: FakeAnswer) {
        self.answer_by(port, move |_| answer.clone());
    }

    /// From then on, what is in a port answers by this function: the device's firmware, as it were.
    pub fn answer_by(self, port: &str, answer: impl Fn(&UsbRequest) -> FakeAnswer + Send + Sync + 'static) {
        self.add(Action::Answer { port: port.into(), answer: Arc::new(answer) });
    }

    /// From then on, what is in a port takes so long to answer. At once, unless set.
    pub fn delay(self, port: &str, delay: Duration) {
        self.add(Action::Delay { port: port.into(), delay });
    }

    /// From then on, what is in a port can't be opened; with `None` it can again.
    pub fn refuse(self, port: &str, kind: impl Into<Option<UsbErrorKind>>) {
        self.add(Action::Refuse { port: port.into(), kind: kind.into() });
    }

    /// From then on, the bus can't be listed; with `None` it can again.
    pub fn fail_list(self, kind: impl Into<Option<UsbErrorKind>>) {
        self.add(Action::FailList(kind.into()));
    }

    /// From then on, nobody can begin to watch; with `None` one can again.
    pub fn fail_watch(self, kind: impl Into<Option<UsbErrorKind>>) {
        self.add(Action::FailWatch(kind.into()));
    }

    /// The stream of hot-plug events fails, if somebody watches.
    pub fn break_stream(self) {
        self.add(Action::Break);
    }
}

impl UsbBackend for FakeUsb {
    fn watch(&self, now: Duration) -> Result<Box<dyn UsbStream>, UsbError> {
        let mut script = self.0.lock();
        script.play(now);
        script.watch()?;
        Ok(Box::new(Stream(self.clone())))
    }

    fn list(&self, now: Duration) -> Result<Vec<UsbDevice>, UsbError> {
        let mut script = self.0.lock();
        script.play(now);
        script.list()
    }

    fn open(&self, device: &UsbDevice, thread: &Thread) -> Result<Box<dyn UsbHandle>, UsbError> {
        let mut script = self.0.lock();
        script.play(thread.now());
        script.open(device)?;
        Ok(Box::new(Handle { usb: self.clone(), id: device.id() }))
    }

    fn is_scripted(&self) -> bool {
        true
    }
}

struct Stream(FakeUsb);

impl UsbStream for Stream {
    fn poll(&mut self, now: Duration, waker: &Waker) -> UsbPoll {
        let mut script = self.0.0.lock();
        script.play(now);
        script.poll(now, waker)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.0.lock().unwatch();
    }
}

struct Handle {
    usb: FakeUsb,
    id: UsbId,
}

impl UsbHandle for Handle {
    fn control(&mut self, request: &UsbRequest, timeout: Duration, thread: &Thread) -> Result<Vec<u8>, UsbFault> {
        let started = thread.now();
        // The plan is that of the beginning; only an unplugging comes between.
        let mut plan = None;
        loop {
            let (answer, next) = {
                let mut script = self.usb.0.lock();
                script.play(thread.now());
                (script.answer_of(self.id, request), script.next_action())
            };
            let Some((answer, delay)) = answer else { return Err(UsbFault::Gone) };
            let (answer, delay) = plan.get_or_insert_with(|| {
                if delay >= timeout || answer == FakeAnswer::Silence {
                    (FakeAnswer::Silence, timeout)
                } else {
                    (answer, delay)
                }
            });
            let end = started + *delay;
            if thread.now() >= end {
                return answer.clone().to(request, timeout);
            }
            if !thread.sleep_until(nanos(next.map_or(end, |next| next.min(end)))) {
                return Err(UsbFault::Gone);
            }
        }
    }
}

fn refusal(kind: UsbErrorKind) -> UsbError {
    UsbError::new(kind, format!("the script says so: {kind:?}"))
}
