//! Settings of the builder that concern USB.

use super::Application;
use crate::usb::{Hub, UsbBackend};
use std::sync::Arc;
use std::time::Duration;

/// USB.
impl Application {
    /// Where USB devices come from: this machine, unless set. Under the simulated clock it must be set, as real devices do
    /// not keep to it: a [`FakeUsb`](crate::usb::FakeUsb).
    pub fn usb_backend(self, backend: impl UsbBackend) -> Self {
        Hub::of(&self.control).set_backend(Arc::new(backend));
        self
    }

    /// How often all USB devices are listed, to find those whose hot-plug events got lost: every 5 s of the application's
    /// clock, unless set. 0 is a fault.
    pub fn usb_interval(mut self, interval: Duration) -> Self {
        if interval.is_zero() {
            self.faults.push("USB devices can't be listed all the time: their interval must be longer than 0".into());
        } else {
            Hub::of(&self.control).set_interval(interval);
        }
        self
    }
}
