//! A device, as the bus describes it.

use std::fmt;
use std::sync::Arc;

/// Tells two plugged devices apart. A device that is unplugged and plugged again has another one; an id may come back for
/// another device later.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct UsbId(Key);

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Key {
    Number(u64),
    Real(nusb::DeviceId),
}

impl UsbId {
    /// An id of a [`UsbBackend`](super::UsbBackend) that numbers its devices.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(Key::Number(number))
    }
}

impl From<nusb::DeviceId> for UsbId {
    fn from(id: nusb::DeviceId) -> Self {
        Self(Key::Real(id))
    }
}

/// A device that is or was plugged. Cheap to clone.
///
/// Child threads open it by [`Thread::open_usb`](crate::thread::Thread::open_usb); [`info`](Self::info) leads to all else that
/// `nusb` can do with it.
#[derive(Clone)]
pub struct UsbDevice(Arc<Sheet>);

#[derive(Clone)]
struct Sheet {
    id: UsbId,
    vendor: u16,
    product: u16,
    class: u8,
    interfaces: Vec<u8>,
    serial: Option<Box<str>>,
    manufacturer: Option<Box<str>>,
    product_name: Option<Box<str>>,
    bus: Box<str>,
    address: u8,
    info: Option<Box<nusb::DeviceInfo>>,
}

/// For a [`FakeUsb`](super::FakeUsb), or a backend of your own.
impl UsbDevice {
    /// A device with these ids, of class 0 and without texts.
    #[must_use]
    pub fn new(vendor: u16, product: u16) -> Self {
        Self(Arc::new(Sheet {
            id: UsbId::new(0),
            vendor,
            product,
            class: 0,
            interfaces: Vec::new(),
            serial: None,
            manufacturer: None,
            product_name: None,
            bus: "".into(),
            address: 0,
            info: None,
        }))
    }

    fn with(mut self, set: impl FnOnce(&mut Sheet)) -> Self {
        set(Arc::make_mut(&mut self.0));
        self
    }

    /// With this serial number.
    #[must_use]
    pub fn with_serial(self, serial: impl Into<String>) -> Self {
        self.with(|sheet| sheet.serial = Some(serial.into().into()))
    }

    /// With this name of its manufacturer.
    #[must_use]
    pub fn with_manufacturer(self, name: impl Into<String>) -> Self {
        self.with(|sheet| sheet.manufacturer = Some(name.into().into()))
    }

    /// With this name of the product.
    #[must_use]
    pub fn with_product_name(self, name: impl Into<String>) -> Self {
        self.with(|sheet| sheet.product_name = Some(name.into().into()))
    }

    /// Of this class as a whole.
    #[must_use]
    pub fn with_class(self, class: u8) -> Self {
        self.with(|sheet| sheet.class = class)
    }

    /// With one more interface, of this class.
    #[must_use]
    pub fn with_interface(self, class: u8) -> Self {
        self.with(|sheet| sheet.interfaces.push(class))
    }

    /// As this one plugged device.
    #[must_use]
    pub fn with_id(self, id: UsbId) -> Self {
        self.with(|sheet| sheet.id = id)
    }

    /// At this place.
    #[must_use]
    pub fn with_place(self, bus: impl Into<String>, address: u8) -> Self {
        self.with(|sheet| {
            sheet.bus = bus.into().into();
            sheet.address = address;
        })
    }

    pub(super) fn real(info: nusb::DeviceInfo) -> Self {
        Self(Arc::new(Sheet {
            id: info.id().into(),
            vendor: info.vendor_id(),
            product: info.product_id(),
            class: info.class(),
            interfaces: info.interfaces().map(nusb::InterfaceInfo::class).collect(),
            serial: info.serial_number().map(Into::into),
            manufacturer: info.manufacturer_string().map(Into::into),
            product_name: info.product_string().map(Into::into),
            bus: info.bus_id().into(),
            address: info.device_address(),
            info: Some(Box::new(info)),
        }))
    }
}

impl UsbDevice {
    /// Which plugged device this is.
    #[must_use]
    pub fn id(&self) -> UsbId {
        self.0.id
    }

    /// The id of its vendor.
    #[must_use]
    pub fn vendor(&self) -> u16 {
        self.0.vendor
    }

    /// Its vendor's id for the product.
    #[must_use]
    pub fn product(&self) -> u16 {
        self.0.product
    }

    /// Its serial number, if it has one.
    #[must_use]
    pub fn serial(&self) -> Option<&str> {
        self.0.serial.as_deref()
    }

    /// The name of its manufacturer, if it says so.
    #[must_use]
    pub fn manufacturer(&self) -> Option<&str> {
        self.0.manufacturer.as_deref()
    }

    /// The name of the product, if it says so.
    #[must_use]
    pub fn product_name(&self) -> Option<&str> {
        self.0.product_name.as_deref()
    }

    /// The class of the device as a whole: 0 where each interface has its own.
    #[must_use]
    pub fn class(&self) -> u8 {
        self.0.class
    }

    /// The classes of its interfaces, as far as the operating system has seen them.
    #[must_use]
    pub fn interfaces(&self) -> &[u8] {
        &self.0.interfaces
    }

    /// The bus that it is plugged to, as the operating system names it.
    #[must_use]
    pub fn bus(&self) -> &str {
        &self.0.bus
    }

    /// Its address on that bus.
    #[must_use]
    pub fn address(&self) -> u8 {
        self.0.address
    }

    /// What `nusb` knows of it; nothing of a device that is not real.
    #[must_use]
    pub fn info(&self) -> Option<&nusb::DeviceInfo> {
        self.0.info.as_deref()
    }

    /// Whether this is the same device, plugged the same time: ids alone come back.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let (a, b) = (&*self.0, &*other.0);
        let serials = a.serial.as_deref().zip(b.serial.as_deref());
        a.id == b.id && (a.vendor, a.product) == (b.vendor, b.product) && serials.is_none_or(|(a, b)| a == b)
    }

    /// Whether this look at a device shows something new, compared to an earlier one at the same. Right after it is plugged,
    /// a device may not show all; one that is being unplugged shows less and less, which says nothing of what it is.
    pub(crate) fn shows_more_than(&self, known: &Self) -> bool {
        let (new, old) = (&*self.0, &*known.0);
        let texts = [
            (&new.serial, &old.serial),
            (&new.manufacturer, &old.manufacturer),
            (&new.product_name, &old.product_name),
        ];
        let fades = texts.iter().any(|(new, old)| new.is_none() && old.is_some())
            || new.interfaces.len() < old.interfaces.len();
        let differs =
            texts.iter().any(|(new, old)| new != old) || (new.class, &new.interfaces) != (old.class, &old.interfaces);
        differs && !fades
    }
}

impl fmt::Display for UsbDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:04x}", self.vendor(), self.product())?;
        for text in [self.manufacturer(), self.product_name(), self.serial()].into_iter().flatten() {
            write!(f, " {text:?}")?;
        }
        if self.bus().is_empty() { Ok(()) } else { write!(f, " at {}:{:03}", self.bus(), self.address()) }
    }
}

impl fmt::Debug for UsbDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UsbDevice({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_shown_with_all_that_it_says() {
        let device = UsbDevice::new(0x1209, 0xf00d);
        assert_eq!(device.to_string(), "1209:f00d");
        let device = device.with_manufacturer("Acme").with_product_name("Arm").with_serial("7").with_place("001", 4);
        assert_eq!(device.to_string(), "1209:f00d \"Acme\" \"Arm\" \"7\" at 001:004");
    }

    #[test]
    fn an_id_that_comes_back_for_another_device_is_seen() {
        let device = |product, serial: &str| UsbDevice::new(1, product).with_id(UsbId::new(5)).with_serial(serial);
        assert!(device(1, "a").is_same(&device(1, "a")));
        assert!(!device(1, "a").is_same(&device(2, "a")));
        assert!(!device(1, "a").is_same(&device(1, "b")));
        assert!(!device(1, "a").is_same(&device(1, "a").with_id(UsbId::new(6))));
        // A text may be known later than the rest.
        assert!(device(1, "a").is_same(&UsbDevice::new(1, 1).with_id(UsbId::new(5))));
    }

    #[test]
    fn only_a_look_that_shows_more_is_news() {
        let bare = UsbDevice::new(1, 1);
        let full = bare.clone().with_serial("a").with_manufacturer("b").with_product_name("c").with_interface(3);
        assert!(full.shows_more_than(&bare) && full.shows_more_than(&bare.clone().with_serial("a")));
        assert!(!full.shows_more_than(&full) && !bare.shows_more_than(&full));
        for less in [
            bare.clone().with_serial("a").with_manufacturer("b").with_product_name("c"),
            bare.clone().with_manufacturer("b").with_product_name("c").with_interface(3),
            bare.clone().with_serial("a").with_product_name("c").with_interface(3),
            bare.with_serial("a").with_manufacturer("b").with_interface(3).with_interface(8),
        ] {
            assert!(!less.shows_more_than(&full), "{less:?}");
        }
        assert!(full.clone().with_interface(8).shows_more_than(&full));
        assert!(full.clone().with_class(9).shows_more_than(&full));
    }
}
