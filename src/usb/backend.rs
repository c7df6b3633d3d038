//! Where devices come from: the operating system, or a script.

use super::device::{UsbDevice, UsbId};
use super::request::UsbRequest;
use crate::thread::Thread;
use std::task::Waker;
use std::time::Duration;

/// Lists devices, watches for them and opens them. [`RealUsb`](super::RealUsb) asks the operating system,
/// [`FakeUsb`](super::FakeUsb) plays a script.
///
/// `now` and `thread.now()` are the application's clock.
pub trait UsbBackend: Send + Sync + 'static {
    /// Begins to watch. What is plugged before that need not be told.
    ///
    /// # Errors
    /// When there is no way to watch: tried again at the watcher's interval. Devices are found by the list meanwhile.
    fn watch(&self, now: Duration) -> Result<Box<dyn UsbStream>, UsbError>;

    /// Everything that is plugged.
    ///
    /// # Errors
    /// When the bus can't be read: tried again at the watcher's interval.
    fn list(&self, now: Duration) -> Result<Vec<UsbDevice>, UsbError>;

    /// Opens a device from a child thread. It may take its time: inside of [`Thread::outside`], if it is not the thread's own
    /// sleep.
    ///
    /// # Errors
    /// When the device can't be opened. [`UsbErrorKind::Gone`] and [`Other`](UsbErrorKind::Other) may mean that it is being
    /// unplugged.
    fn open(&self, device: &UsbDevice, thread: &Thread) -> Result<Box<dyn UsbHandle>, UsbError>;

    /// Whether watching and listing is a matter of `now` alone, so that simulated time can do without a watcher thread. One
    /// that says no, as the real one does, is not used under the simulated clock: there is no bus then.
    fn is_scripted(&self) -> bool {
        false
    }
}

/// Tells what is plugged and unplugged.
pub trait UsbStream: Send {
    /// The next change, in order. Where there is none, `waker` must be woken when there is.
    fn poll(&mut self, now: Duration, waker: &Waker) -> UsbPoll;
}

/// What a [`UsbStream`] says.
#[derive(Debug)]
pub enum UsbPoll {
    /// A device was plugged.
    Connected(UsbDevice),
    /// A device was unplugged.
    Disconnected(UsbId),
    /// Nothing now. It need not be asked again before it wakes the waker, or before `until` where that comes earlier.
    Wait {
        /// When it wants to be asked without a wake.
        until: Option<Duration>,
    },
    /// It has failed, and is not used any more: the watcher lists at once, and begins to watch anew.
    Failed(UsbError),
}

/// An open device.
pub trait UsbHandle: Send {
    /// Sends one control request and waits for its end, `timeout` at most. What the device sent comes back; nothing for
    /// [`UsbData::Out`](super::UsbData::Out).
    ///
    /// # Errors
    /// [`UsbFault`], when the device did not do as asked.
    fn control(&mut self, request: &UsbRequest, timeout: Duration, thread: &Thread) -> Result<Vec<u8>, UsbFault>;
}

/// The bus could not be read, or a device not be opened.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct UsbError {
    /// What sort of error it is.
    pub kind: UsbErrorKind,
    /// What the operating system says, for people.
    pub message: String,
}

impl UsbError {
    /// An error for a backend to return.
    pub fn new(kind: UsbErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// Sorts of [`UsbError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum UsbErrorKind {
    /// This machine or container has no USB.
    NoBus,
    /// This user may not do that.
    Denied,
    /// Somebody else has the device.
    Busy,
    /// The device is not there any more.
    Gone,
    /// The system or its driver can't do that.
    Unsupported,
    /// Something else.
    Other,
}

/// Why a device did not answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UsbFault {
    /// It refused the request.
    #[error("it refuses the request (stall)")]
    Stall,
    /// The wire or the protocol failed.
    #[error("the transfer failed on the wire (fault)")]
    Fault,
    /// It did not answer in time.
    #[error("it did not answer within {0:?}")]
    TimedOut(Duration),
    /// It is not there any more.
    #[error("it is not there any more")]
    Gone,
    /// It can't be opened.
    #[error("it can't be opened: {0}")]
    Open(#[from] UsbError),
    /// Something else.
    #[error("{0}")]
    Other(String),
}

impl UsbFault {
    /// Whether it is a matter of talking to the device, a `comms_error`, and not one of the device itself.
    #[must_use]
    pub fn is_comms(&self) -> bool {
        matches!(self, Self::Stall | Self::Fault | Self::TimedOut(_))
    }

    /// Whether the device may just be on its way out: opening one that is being unplugged fails in several ways.
    pub(super) fn may_be_gone(&self) -> bool {
        match self {
            Self::Gone => true,
            Self::Open(error) => matches!(error.kind, UsbErrorKind::Gone | UsbErrorKind::Other),
            _ => false,
        }
    }
}
