//! What the watcher and the pings have come to.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Counts of one run. A change of what is plugged is first seen by an event (`events` less `duplicates`), by the first list
/// (`listed`) or by a later one (`reconciled`). A ping of a device that came to its end is in exactly one of `pongs`,
/// `comms_errors`, `device_errors` and `races`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UsbCount {
    /// Hot-plug events that came.
    pub events: u64,
    /// Of those, what was known already, from a list or another event.
    pub duplicates: u64,
    /// Devices that the first list has shown.
    pub listed: u64,
    /// Changes that a later list has shown: their event was lost, or is late.
    pub reconciled: u64,
    /// Lists and hot-plug streams that failed.
    pub errors: u64,
    /// Pings answered.
    pub pongs: u64,
    /// Pings that met a stall, a fault or a time-out.
    pub comms_errors: u64,
    /// Pings that failed otherwise.
    pub device_errors: u64,
    /// Pings left without an outcome, for the device seemed to be going.
    pub races: u64,
}

impl fmt::Display for UsbCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, duplicates, listed, reconciled, errors, .. } = self;
        write!(
            f,
            "USB: {events} event(s), {duplicates} of them known, {listed} device(s) there at first, {reconciled} change(s) \
             without an event, {errors} error(s)"
        )?;
        let Self { pongs, comms_errors, device_errors, races, .. } = self;
        if pongs + comms_errors + device_errors + races == 0 {
            return Ok(());
        }
        write!(
            f,
            "\nUSB pings: {pongs} pong(s), {comms_errors} comms error(s), {device_errors} device error(s), {races} while unplugging"
        )
    }
}
