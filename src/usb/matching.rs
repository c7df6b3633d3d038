//! Which devices matter.

use super::device::UsbDevice;
use crate::filter::Pattern;
use std::fmt;
use std::str::FromStr;

/// Conditions that a device meets, all of them. Without any, every device does. A device without a text matches no pattern
/// for it.
///
/// ```
/// use polycephaly::prelude::*;
///
/// let arms = UsbMatch::new().vendor(0x1209).product(0x0001).serial(regex("R-[0-9]+$")?);
/// assert!(arms.matches(&UsbDevice::new(0x1209, 0x0001).with_serial("R-42")));
/// assert!(!arms.matches(&UsbDevice::new(0x1209, 0x0001)));
/// let boards: UsbMatch = "1209:0001".parse()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct UsbMatch {
    vendor: Option<u16>,
    product: Option<u16>,
    class: Option<u8>,
    serial: Option<Pattern>,
    manufacturer: Option<Pattern>,
    product_name: Option<Pattern>,
}

impl UsbMatch {
    /// No condition yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The vendor's id.
    #[must_use]
    pub fn vendor(self, vendor: u16) -> Self {
        Self { vendor: Some(vendor), ..self }
    }

    /// The product's id, which each vendor gives.
    #[must_use]
    pub fn product(self, product: u16) -> Self {
        Self { product: Some(product), ..self }
    }

    /// The class of the device as a whole or of one of its interfaces.
    #[must_use]
    pub fn class(self, class: u8) -> Self {
        Self { class: Some(class), ..self }
    }

    /// The serial number.
    #[must_use]
    pub fn serial(self, pattern: impl Into<Pattern>) -> Self {
        Self { serial: Some(pattern.into()), ..self }
    }

    /// The name of the manufacturer.
    #[must_use]
    pub fn manufacturer(self, pattern: impl Into<Pattern>) -> Self {
        Self { manufacturer: Some(pattern.into()), ..self }
    }

    /// The name of the product.
    #[must_use]
    pub fn product_name(self, pattern: impl Into<Pattern>) -> Self {
        Self { product_name: Some(pattern.into()), ..self }
    }

    /// Whether a device meets all conditions.
    #[must_use]
    pub fn matches(&self, device: &UsbDevice) -> bool {
        let class = |class| device.class() == class || device.interfaces().contains(&class);
        self.vendor.is_none_or(|vendor| vendor == device.vendor())
            && self.product.is_none_or(|product| product == device.product())
            && self.class.is_none_or(class)
            && is_like(self.serial.as_ref(), device.serial())
            && is_like(self.manufacturer.as_ref(), device.manufacturer())
            && is_like(self.product_name.as_ref(), device.product_name())
    }
}

fn is_like(pattern: Option<&Pattern>, text: Option<&str>) -> bool {
    pattern.is_none_or(|pattern| text.is_some_and(|text| pattern.matches(text)))
}

impl fmt::Display for UsbMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = |id: Option<u16>| id.map_or_else(|| "*".to_owned(), |id| format!("{id:04x}"));
        write!(f, "{}:{}", id(self.vendor), id(self.product))?;
        if let Some(class) = self.class {
            write!(f, " class={class:02x}")?;
        }
        let texts =
            [("serial", &self.serial), ("manufacturer", &self.manufacturer), ("product_name", &self.product_name)];
        for (name, pattern) in texts {
            if let Some(pattern) = pattern {
                write!(f, " {name}={pattern}")?;
            }
        }
        Ok(())
    }
}

/// A text that names no vendor and product.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{given:?} is not of the form VENDOR:PRODUCT, two hexadecimal numbers of 1 to 4 digits, such as 1209:0001")]
pub struct UsbMatchError {
    /// What was given.
    pub given: String,
}

impl FromStr for UsbMatch {
    type Err = UsbMatchError;

    /// `VENDOR:PRODUCT`, both hexadecimal, as `lsusb` writes them.
    fn from_str(text: &str) -> Result<Self, UsbMatchError> {
        // The standard parser takes a sign, too.
        let id = |text: &str| u16::from_str_radix(text, 16).ok().filter(|_| !text.starts_with('+'));
        let pair = text.split_once(':').and_then(|(vendor, product)| Some((id(vendor)?, id(product)?)));
        let (vendor, product) = pair.ok_or_else(|| UsbMatchError { given: text.to_owned() })?;
        Ok(Self::new().vendor(vendor).product(product))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::regex;

    fn arm() -> UsbDevice {
        UsbDevice::new(0x1209, 1).with_serial("R-1").with_manufacturer("Acme Robots").with_interface(3).with_class(0xef)
    }

    #[test]
    fn every_condition_counts() {
        let all = UsbMatch::new()
            .vendor(0x1209)
            .product(1)
            .class(3)
            .serial("r-1")
            .manufacturer(regex("Acme").unwrap())
            .product_name(Pattern::ANY);
        assert!(!all.matches(&arm()), "it has no name");
        assert!(all.matches(&arm().with_product_name("x")));
        for (index, wrong) in [
            UsbMatch::new().vendor(0x120a),
            UsbMatch::new().product(2),
            UsbMatch::new().class(4),
            UsbMatch::new().serial("R-2"),
            UsbMatch::new().manufacturer("Acme"),
            UsbMatch::new().product_name("y"),
        ]
        .into_iter()
        .enumerate()
        {
            assert!(!wrong.matches(&arm()), "{index}");
        }
        assert!(UsbMatch::new().class(0xef).matches(&arm()), "of the device as a whole");
        assert!(UsbMatch::new().matches(&arm()));
    }

    #[test]
    fn ids_are_read_and_shown_in_hexadecimal() {
        let known: UsbMatch = "1209:F00".parse().unwrap();
        assert_eq!(known.to_string(), "1209:0f00");
        assert_eq!(UsbMatch::new().class(8).serial("a").to_string().split(' ').next(), Some("*:*"));
        for wrong in ["", "1209", "1209:", ":1", "1209:0001:2", "12090:1", "+1:2", "g:1", "1209: 1"] {
            let error = wrong.parse::<UsbMatch>().unwrap_err().to_string();
            assert!(error.contains(&format!("{wrong:?}")), "{error}");
        }
    }
}
