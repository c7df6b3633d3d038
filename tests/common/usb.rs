//! A process that writes down what it hears of USB devices.

use super::Log;
use polycephaly::prelude::*;
use std::time::Instant;

#[derive(Component, Default)]
pub(crate) struct Keeper {
    pub(crate) log: Log,
    pub(crate) matches: Vec<UsbMatch>,
    pub(crate) pings: Vec<UsbPing>,
    /// Whether its lives are written down, too.
    pub(crate) lives: bool,
    /// Dies of so many events.
    pub(crate) until: Option<u32>,
    pub(crate) heard: u32,
}

impl Keeper {
    /// Watches all devices.
    pub(crate) fn all(log: &Log) -> Self {
        Self::of(log, [UsbMatch::new()])
    }

    pub(crate) fn of(log: &Log, matches: impl Into<Vec<UsbMatch>>) -> Self {
        Self { log: log.clone(), matches: matches.into(), ..Self::default() }
    }

    pub(crate) fn pinging(log: &Log, ping: UsbPing) -> Self {
        Self { log: log.clone(), pings: vec![ping], ..Self::default() }
    }

    fn usb(&mut self, event: &Event, cx: &mut Context<Self>) -> Result {
        let known = UsbEvent::of(event).ok_or("of another type")?;
        let device = known.device();
        let more = match known {
            UsbEvent::Pong(pong) => format!(" {:?} after {:?}", pong.data, pong.round_trip),
            UsbEvent::CommsError(trouble) | UsbEvent::DeviceError(trouble) => format!(" {}", trouble.fault),
            _ => String::new(),
        };
        let (ids, serial) =
            (format!("{:04x}:{:04x}", device.vendor(), device.product()), device.serial().unwrap_or("-"));
        let (name, of, now) = (event.name(), event.time().as_millis(), cx.now().as_millis());
        self.log.say(format!("{name} {ids} {serial} of {of} at {now}{more}"));
        self.heard += 1;
        if Some(self.heard) == self.until {
            cx.die("heard enough");
        }
        Ok(())
    }
}

impl Process for Keeper {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.on_usb(Self::usb);
        for matching in &self.matches {
            cx.watch_usb(matching.clone());
        }
        for ping in &self.pings {
            cx.ping_usb(ping.clone())?;
        }
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        if self.lives {
            self.log.say(format!("life {}", cx.now().as_millis()));
        }
        Ok(())
    }
}

pub(crate) fn board(product: u16) -> UsbDevice {
    UsbDevice::new(0x1209, product)
}

/// On the real clock: steps until something has come to pass. After a minute it has not.
#[track_caller]
pub(crate) fn step_until(running: &mut Running, mut done: impl FnMut(&mut Running) -> bool) {
    let started = Instant::now();
    while !done(running) {
        assert!(running.step(), "the application goes on");
        assert!(started.elapsed() < Duration::from_secs(60), "it does not come to pass");
    }
}
