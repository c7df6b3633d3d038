//! The operating system's devices, by `nusb`.

use super::backend::{UsbBackend, UsbError, UsbErrorKind, UsbFault, UsbHandle, UsbPoll, UsbStream};
use super::device::UsbDevice;
use super::request::UsbRequest;
use crate::thread::Thread;
use futures_core::Stream;
use nusb::hotplug::{HotplugEvent, HotplugWatch};
use nusb::transfer::TransferError;
use nusb::{ErrorKind, MaybeFuture};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// What is plugged to this machine. The default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RealUsb;

impl UsbBackend for RealUsb {
    fn watch(&self, _: Duration) -> Result<Box<dyn UsbStream>, UsbError> {
        let watch = nusb::watch_devices().map_err(|error| explain(&error, UsbErrorKind::NoBus))?;
        Ok(Box::new(Hotplug(watch)))
    }

    fn list(&self, _: Duration) -> Result<Vec<UsbDevice>, UsbError> {
        let devices = nusb::list_devices().wait().map_err(|error| explain(&error, UsbErrorKind::NoBus))?;
        Ok(devices.map(UsbDevice::real).collect())
    }

    fn open(&self, device: &UsbDevice, thread: &Thread) -> Result<Box<dyn UsbHandle>, UsbError> {
        let info = device.info().ok_or_else(|| UsbError::new(UsbErrorKind::Gone, format!("{device} is not real")))?;
        let open = thread.outside(|| info.open().wait()).map_err(|error| explain(&error, UsbErrorKind::Gone))?;
        Ok(Box::new(Open(open)))
    }
}

/// `ENOENT` and `ENODEV`: how Unix says that there is no such thing, be it the bus or a device. `nusb` has no kind for it.
const NONE_SUCH: [u32; 2] = [2, 19];

/// `none` is what it means when there is no such thing.
fn explain(error: &nusb::Error, none: UsbErrorKind) -> UsbError {
    let kind = match error.kind() {
        ErrorKind::Disconnected => UsbErrorKind::Gone,
        ErrorKind::Busy => UsbErrorKind::Busy,
        ErrorKind::PermissionDenied => UsbErrorKind::Denied,
        ErrorKind::Unsupported => UsbErrorKind::Unsupported,
        _ if cfg!(unix) && error.os_error().is_some_and(|code| NONE_SUCH.contains(&code)) => none,
        _ => UsbErrorKind::Other,
    };
    UsbError::new(kind, error.to_string())
}

struct Hotplug(HotplugWatch);

impl UsbStream for Hotplug {
    fn poll(&mut self, _: Duration, waker: &Waker) -> UsbPoll {
        loop {
            return match Pin::new(&mut self.0).poll_next(&mut Context::from_waker(waker)) {
                // Not in the list either.
                Poll::Ready(Some(HotplugEvent::Connected(info))) if is_root_hub(&info) => continue,
                Poll::Ready(Some(HotplugEvent::Connected(info))) => UsbPoll::Connected(UsbDevice::real(info)),
                Poll::Ready(Some(HotplugEvent::Disconnected(id))) => UsbPoll::Disconnected(id.into()),
                Poll::Ready(None) => {
                    UsbPoll::Failed(UsbError::new(UsbErrorKind::Other, "the stream of hot-plug events has ended"))
                }
                Poll::Pending => UsbPoll::Wait { until: None },
            };
        }
    }
}

/// Root hubs are the machine's own: a hub without a port that it is plugged to.
fn is_root_hub(info: &nusb::DeviceInfo) -> bool {
    const HUB: u8 = 9;
    info.class() == HUB && info.port_chain().is_empty()
}

struct Open(nusb::Device);

impl UsbHandle for Open {
    fn control(&mut self, request: &UsbRequest, timeout: Duration, thread: &Thread) -> Result<Vec<u8>, UsbFault> {
        thread.outside(|| control(&self.0, request, timeout)).map_err(|error| match error {
            TransferError::Stall => UsbFault::Stall,
            TransferError::Fault => UsbFault::Fault,
            TransferError::Cancelled => UsbFault::TimedOut(timeout),
            TransferError::Disconnected => UsbFault::Gone,
            other => UsbFault::Other(other.to_string()),
        })
    }
}

#[cfg(not(windows))]
fn control(device: &nusb::Device, asked: &UsbRequest, timeout: Duration) -> Result<Vec<u8>, TransferError> {
    use super::request::{UsbData, UsbRecipient, UsbRequestKind};
    use nusb::transfer::{ControlIn, ControlOut, ControlType, Recipient};
    let control_type = match asked.kind {
        UsbRequestKind::Standard => ControlType::Standard,
        UsbRequestKind::Class => ControlType::Class,
        UsbRequestKind::Vendor => ControlType::Vendor,
    };
    let recipient = match asked.recipient {
        UsbRecipient::Device => Recipient::Device,
        UsbRecipient::Interface => Recipient::Interface,
        UsbRecipient::Endpoint => Recipient::Endpoint,
        UsbRecipient::Other => Recipient::Other,
    };
    let &UsbRequest { request, value, index, .. } = asked;
    match &asked.data {
        &UsbData::In(length) => {
            let request = ControlIn { control_type, recipient, request, value, index, length };
            device.control_in(request, timeout).wait()
        }
        UsbData::Out(data) if data.len() > usize::from(u16::MAX) => Err(TransferError::InvalidArgument),
        UsbData::Out(data) => {
            let request = ControlOut { control_type, recipient, request, value, index, data };
            device.control_out(request, timeout).wait().map(|()| Vec::new())
        }
    }
}

/// Windows lets nobody speak to a device as a whole.
#[cfg(windows)]
fn control(_: &nusb::Device, _: &UsbRequest, _: Duration) -> Result<Vec<u8>, TransferError> {
    Err(TransferError::InvalidArgument)
}
