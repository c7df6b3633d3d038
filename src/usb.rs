//! USB devices: who is plugged, which of them matter, and whether they answer.
//!
//! One watcher serves the whole application. It hears of devices by the hot-plug events of its [`UsbBackend`], and
//! compares with a full list every few seconds, as events get lost: in floods, in some containers, without a udev. What it
//! finds goes through a channel to the heads, whose first system of each tick gives each process the events it asked for.
//! The watcher starts with the first process that asks, and ends with the application.
//!
//! A machine without USB is said once and tried again ([`UsbRequired`] makes it a failure). It works by `nusb`, without system
//! libraries, and is the feature `usb`, on unless `default-features = false`. On Linux it needs rights on `/dev/bus/usb` to
//! ping, and hears of devices at once where udev runs; on Windows, devices are watched but not pinged. A [`FakeUsb`] plays a
//! script instead, so that a robot can be tested without its hardware.
//!
//! | event | payload | when |
//! |---|---|---|
//! | `connected` | [`UsbDevice`] | plugged, or there already |
//! | `disconnected` | [`UsbDevice`] | gone |
//! | `pong` | [`UsbPong`] | it has answered a [`UsbPing`] |
//! | `comms_error` | [`UsbTrouble`] | a stall, a fault or a time-out instead |
//! | `device_error` | [`UsbTrouble`] | it can't be opened, or something else is wrong |
//!
//! ```
//! use polycephaly::prelude::*;
//!
//! #[derive(Component, Default)]
//! struct Arm { plugged: bool, pongs: u32 }
//!
//! impl Process for Arm {
//!     fn birth(&mut self, cx: &mut Context<Self>) -> Result {
//!         cx.on_usb(Self::usb);
//!         cx.ping_usb(UsbPing::new(UsbMatch::new().vendor(0x1209).product(0x0001)).rate(hz(2)))
//!     }
//! }
//!
//! impl Arm {
//!     fn usb(&mut self, event: &Event, _: &mut Context<Self>) -> Result {
//!         match UsbEvent::of(event) {
//!             Some(UsbEvent::Connected(_)) => self.plugged = true,
//!             Some(UsbEvent::Disconnected(_)) => self.plugged = false,
//!             Some(UsbEvent::Pong(_)) => self.pongs += 1,
//!             _ => {}
//!         }
//!         Ok(())
//!     }
//! }
//!
//! // On a robot, leave `clock` and `usb_backend` out.
//! let usb = FakeUsb::new();
//! usb.at(Duration::from_millis(100)).plug("1-1", UsbDevice::new(0x1209, 0x0001));
//! let mut running = Application::new()
//!     .clock(Clock::simulated())
//!     .usb_backend(usb)
//!     .add_process(Arm::default(), (hz(10), Name::new("arm")))
//!     .build()?;
//! running.run_for(Duration::from_secs(2));
//! let arm = running.get::<Arm>("arm").unwrap();
//! assert_eq!((arm.plugged, arm.pongs), (true, 3));
//! # Ok::<(), polycephaly::application::BuildError>(())
//! ```

mod backend;
mod count;
mod device;
mod fake;
mod hub;
mod matching;
mod ping;
mod real;
mod request;
mod watcher;

pub use backend::{UsbBackend, UsbError, UsbErrorKind, UsbFault, UsbHandle, UsbPoll, UsbStream};
pub use count::UsbCount;
pub use device::{UsbDevice, UsbId};
pub use fake::{FakeAnswer, FakeMoment, FakeUsb};
pub(crate) use hub::{Hub, News, What};
pub use matching::{UsbMatch, UsbMatchError};
pub(crate) use ping::Told;
pub use ping::{UsbEvent, UsbPing, UsbPong, UsbTrouble};
pub use real::RealUsb;
pub use request::{UsbData, UsbRecipient, UsbRequest, UsbRequestKind};

pub use nusb;

use bevy_ecs::component::Component;

/// A setting of a process: it can't do without USB. When the bus can't be read, that is an error of this process, which its
/// [`Supervision`](crate::supervision::Supervision) answers; it dies of it unless that has it restarted. Without this setting
/// it is logged, and tried again. It counts for a process that watches or pings.
#[derive(Component, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UsbRequired;
