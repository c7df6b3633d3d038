//! Requests on a device's control endpoint.

use std::fmt;

/// Who has defined a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UsbRequestKind {
    /// The USB standard.
    Standard,
    /// The class of the device.
    Class,
    /// Its vendor.
    Vendor,
}

/// What a request is to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UsbRecipient {
    /// The device as a whole.
    Device,
    /// The interface whose number is the request's index.
    Interface,
    /// The endpoint whose address is the request's index.
    Endpoint,
    /// Something else.
    Other,
}

/// What goes along with a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum UsbData {
    /// The device is to send so many bytes at most.
    In(u16),
    /// The device gets these: 65,535 at most.
    Out(Vec<u8>),
}

/// A control request, as the USB standard lays it out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsbRequest {
    /// Who has defined it.
    pub kind: UsbRequestKind,
    /// What it is to.
    pub recipient: UsbRecipient,
    /// Its number.
    pub request: u8,
    /// Its value.
    pub value: u16,
    /// Its index.
    pub index: u16,
    /// What goes along with it.
    pub data: UsbData,
}

impl UsbRequest {
    /// GET_STATUS of the device: harmless, and every device must answer it with two bytes.
    #[must_use]
    pub const fn get_status() -> Self {
        Self {
            kind: UsbRequestKind::Standard,
            recipient: UsbRecipient::Device,
            request: 0,
            value: 0,
            index: 0,
            data: UsbData::In(2),
        }
    }

    /// A vendor's request to the device, answered with `length` bytes at most.
    #[must_use]
    pub const fn vendor_in(request: u8, value: u16, index: u16, length: u16) -> Self {
        let data = UsbData::In(length);
        Self { kind: UsbRequestKind::Vendor, recipient: UsbRecipient::Device, request, value, index, data }
    }

    /// A vendor's request to the device, with data for it: 65,535 bytes at most.
    #[must_use]
    pub fn vendor_out(request: u8, value: u16, index: u16, data: impl Into<Vec<u8>>) -> Self {
        let data = UsbData::Out(data.into());
        Self { kind: UsbRequestKind::Vendor, recipient: UsbRecipient::Device, request, value, index, data }
    }
}

impl Default for UsbRequest {
    fn default() -> Self {
        Self::get_status()
    }
}

impl fmt::Display for UsbRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, recipient, request, value, index, .. } = self;
        write!(f, "{kind:?} request {request:#04x} to {recipient:?} ({value:#06x}, {index:#06x})")
    }
}
