//! Real `nusb` on a machine without USB: in a user, mount and network namespace of its own, with a hand-made `/sys` and
//! hand-made messages of udev. Left out where namespaces are forbidden.
#![cfg(all(feature = "usb", target_os = "linux"))]

mod common;

use common::usb::{Keeper, board, step_until};
use common::{Log, child, ms, named, secs};
use polycephaly::prelude::*;
use rustix::mount::{MountFlags, mount};
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, sendto, socket_with};
use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

/// Runs `part` in a namespace: this very test, started once more. The namespace needs a program without other threads, so
/// `unshare` makes it.
fn inside(test: &str, part: impl FnOnce(Bus)) {
    if child::kind().is_some() {
        // Over all of /sys: it need not have a place for USB.
        mount("tmpfs", "/sys", "tmpfs", MountFlags::empty(), None).unwrap();
        return part(Bus::new());
    }
    let unshare = |command: &[&str]| {
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "--map-root-user", "--mount", "--net", "--"]).args(command);
        unshare
    };
    let probe = unshare(&["mount", "-t", "tmpfs", "tmpfs", "/sys"]).output();
    let refused = match probe {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(format!("unshare: {error}")),
    };
    if let Some(why) = refused {
        // Past the test harness, which would swallow it.
        let _ =
            writeln!(std::io::stderr(), "left out: {test}, for it needs namespaces, which are forbidden here ({why})");
        return;
    }
    let program = std::env::current_exe().unwrap();
    let child = unshare(&[program.to_str().unwrap(), test, "--exact", "--nocapture", "--test-threads=1"])
        .env("POLYCEPHALY_TEST_CHILD", "namespace")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let outcome = child::wait(child);
    assert!(outcome.status.success(), "{}\n{}", outcome.out, outcome.err);
    assert!(outcome.out.contains("1 passed"), "{}", outcome.out);
}

const DEVICES: &str = "/sys/bus/usb/devices";

/// A USB bus made of files, and the voice of udev.
struct Bus {
    udev: OwnedFd,
}

impl Bus {
    fn new() -> Self {
        let flags = SocketFlags::CLOEXEC;
        let udev = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(KOBJECT_UEVENT)).unwrap();
        Self { udev }
    }

    fn appears(&self) {
        fs::create_dir_all(DEVICES).unwrap();
    }

    /// As udev's daemon does it: a header of 40 bytes, and properties, to its group.
    fn say(&self, properties: &[(&str, &str)]) {
        let body: String = properties.iter().map(|(name, value)| format!("{name}={value}\0")).collect();
        let mut message = b"libudev\0\xfe\xed\xca\xfe".to_vec();
        for word in [40, 40, body.len() as u32, 0, 0, 0, 0] {
            message.extend(word.to_ne_bytes());
        }
        message.extend(body.as_bytes());
        self.send(&message);
    }

    fn send(&self, message: &[u8]) {
        const UDEV_GROUP: u32 = 2;
        sendto(&self.udev, message, SendFlags::empty(), &SocketAddrNetlink::new(0, UDEV_GROUP)).unwrap();
    }

    fn tell(&self, action: &str, port: &str, address: u8) {
        let (path, number) = (format!("/devices/usb1/{port}"), format!("{address:03}"));
        self.say(&[
            ("ACTION", action),
            ("DEVPATH", &path),
            ("SUBSYSTEM", "usb"),
            ("DEVTYPE", "usb_device"),
            ("BUSNUM", "001"),
            ("DEVNUM", &number),
        ]);
    }

    /// The files of a device, without a word.
    fn put(&self, port: &str, address: u8, product: u16, more: &[(&str, &str)]) {
        let folder = format!("/sys/devices/usb1/{port}");
        fs::create_dir_all(format!("{folder}/{port}:1.0")).unwrap();
        let write = |name: &str, value: &str| fs::write(format!("{folder}/{name}"), format!("{value}\n")).unwrap();
        for (name, value) in [
            ("busnum", "1"),
            ("devnum", &address.to_string()),
            ("devpath", port.split('-').nth(1).unwrap_or("0")),
            ("idVendor", "1209"),
            ("idProduct", &format!("{product:04x}")),
            ("bcdDevice", "0100"),
            ("version", " 2.00"),
            ("bDeviceClass", "00"),
            ("bDeviceSubClass", "00"),
            ("bDeviceProtocol", "00"),
            ("speed", "480"),
        ] {
            write(name, value);
        }
        more.iter().for_each(|(name, value)| write(name, value));
        for (name, value) in [("Number", "00"), ("Class", "03"), ("SubClass", "00"), ("Protocol", "00")] {
            write(&format!("{port}:1.0/bInterface{name}"), value);
        }
        symlink(format!("../../../devices/usb1/{port}"), format!("{DEVICES}/{port}")).unwrap();
    }

    fn take(&self, port: &str) {
        fs::remove_file(format!("{DEVICES}/{port}")).unwrap();
        fs::remove_dir_all(format!("/sys/devices/usb1/{port}")).unwrap();
    }

    fn plug(&self, port: &str, address: u8, product: u16) {
        self.put(port, address, product, &[]);
        self.tell("add", port, address);
    }

    fn unplug(&self, port: &str, address: u8) {
        self.take(port);
        self.tell("remove", port, address);
    }
}

/// Steps until the next line comes, which must begin like this.
#[track_caller]
fn wait_for(running: &mut Running, log: &Log, begins: &str) -> String {
    step_until(running, |_| log.has_any());
    let line = log.take_first();
    assert!(line.starts_with(begins), "{line:?} instead of {begins:?}");
    line
}

/// An application that watches this machine's real bus.
fn watch(log: &Log, interval: Duration, keeper: Keeper) -> Running {
    let keeper = Keeper { log: log.clone(), ..keeper };
    let application = Application::new().signals(false).usb_interval(interval);
    application.add_process(keeper, (hz(500), named("keeper"))).build().unwrap()
}

#[test]
fn real_hot_plug_events_are_told_one_by_one() {
    inside("real_hot_plug_events_are_told_one_by_one", |bus| {
        let log = Log::default();
        bus.appears();
        let texts = [("serial", "R-1"), ("manufacturer", "Acme Robots"), ("product", "Arm")];
        bus.put("1-1", 2, 1, &texts);
        bus.put("usb1", 1, 0xffff, &[("bDeviceClass", "09")]);
        let ours = UsbMatch::new().class(3).manufacturer(regex("Acme").unwrap()).product_name("arm").serial("r-1");
        assert!(!ours.matches(&board(1)));
        let mut running = watch(&log, secs(3600), Keeper::of(&log, [ours, UsbMatch::new()]));
        wait_for(&mut running, &log, "connected 1209:0001 R-1");
        for number in 0..100 {
            let (address, product) = (number + 10, 0x100 + u16::from(number));
            // What others say is none of our business, nor is what is broken.
            bus.say(&[("ACTION", "add"), ("DEVPATH", "/devices/x"), ("SUBSYSTEM", "net")]);
            bus.tell("change", "1-1", 2);
            bus.send(b"nonsense");
            bus.tell("add", "usb1", 1);
            bus.plug("1-2", address, product);
            wait_for(&mut running, &log, &format!("connected 1209:{product:04x} -"));
            bus.unplug("1-2", address);
            wait_for(&mut running, &log, &format!("disconnected 1209:{product:04x} -"));
        }
        bus.unplug("1-1", 2);
        wait_for(&mut running, &log, "disconnected 1209:0001 R-1");
        let exit = running.finish();
        exit.assert_clean();
        let count = exit.report().usb;
        assert_eq!((count.listed, count.events, count.duplicates, count.reconciled), (1, 201, 0, 0));
    });
}

#[test]
fn without_udev_the_list_finds_what_has_changed() {
    inside("without_udev_the_list_finds_what_has_changed", |bus| {
        let log = Log::default();
        bus.appears();
        let mut running = watch(&log, ms(40), Keeper::all(&log));
        assert!(running.step());
        for round in 0..10 {
            bus.put("1-1", 7, 1 + round, &[]);
            wait_for(&mut running, &log, &format!("connected 1209:{:04x}", 1 + round));
            bus.take("1-1");
            wait_for(&mut running, &log, &format!("disconnected 1209:{:04x}", 1 + round));
        }
        let exit = running.finish();
        exit.assert_clean();
        let count = exit.report().usb;
        assert_eq!((count.listed + count.reconciled, count.events), (20, 0));
    });
}

/// Right after it is plugged, a device may not show all.
#[test]
fn what_a_device_shows_later_counts_as_well() {
    inside("what_a_device_shows_later_counts_as_well", |bus| {
        let log = Log::default();
        bus.appears();
        bus.put("1-1", 2, 1, &[]);
        let late = "/sys/devices/usb1/1-1/1-1:1.0";
        fs::remove_dir_all(late).unwrap();
        let mut running = watch(&log, ms(20), Keeper::of(&log, [UsbMatch::new().class(3), UsbMatch::new().product(2)]));
        bus.put("1-2", 3, 2, &[]);
        wait_for(&mut running, &log, "connected 1209:0002");
        fs::create_dir_all(late).unwrap();
        for (name, value) in [("Number", "00"), ("SubClass", "00"), ("Protocol", "00"), ("Class", "03")] {
            fs::write(format!("{late}/bInterface{name}"), format!("{value}\n")).unwrap();
        }
        wait_for(&mut running, &log, "connected 1209:0001");
        bus.take("1-1");
        wait_for(&mut running, &log, "disconnected 1209:0001");
        running.finish().assert_clean();
    });
}

/// The list may be read while a device is being unplugged, whose files go one after the other.
#[test]
fn what_a_device_shows_no_more_is_not_forgotten() {
    inside("what_a_device_shows_no_more_is_not_forgotten", |bus| {
        let log = Log::default();
        bus.appears();
        bus.put("1-1", 2, 1, &[("serial", "R-1"), ("manufacturer", "Acme Robots"), ("product", "Arm")]);
        let mut running = watch(&log, ms(20), Keeper::of(&log, [UsbMatch::new()]));
        wait_for(&mut running, &log, "connected 1209:0001 R-1");
        for text in ["manufacturer", "product", "serial"] {
            fs::remove_file(format!("/sys/devices/usb1/1-1/{text}")).unwrap();
        }
        fs::remove_dir_all("/sys/devices/usb1/1-1/1-1:1.0").unwrap();
        // Nobody tells of it: when it is found, the first one's files have been read as well.
        bus.put("1-2", 3, 2, &[]);
        wait_for(&mut running, &log, "connected 1209:0002");
        bus.unplug("1-1", 2);
        wait_for(&mut running, &log, "disconnected 1209:0001 R-1");
        running.finish().assert_clean();
    });
}

#[test]
fn after_a_flood_of_messages_nothing_is_missing() {
    inside("after_a_flood_of_messages_nothing_is_missing", |bus| {
        let log = Log::default();
        bus.appears();
        let mut running = watch(&log, ms(200), Keeper::all(&log));
        assert!(running.step());
        for number in 0..20_000 {
            bus.say(&[("ACTION", "add"), ("DEVPATH", &format!("/devices/x{number}")), ("SUBSYSTEM", "net")]);
        }
        bus.plug("1-1", 2, 1);
        wait_for(&mut running, &log, "connected 1209:0001");
        running.finish().assert_clean();
    });
}

#[test]
fn without_a_bus_the_application_goes_on_and_sees_it_come() {
    inside("without_a_bus_the_application_goes_on_and_sees_it_come", |bus| {
        let log = Log::default();
        let mut running = watch(&log, ms(20), Keeper::all(&log));
        step_until(&mut running, |running| running.report().usb.errors >= 3);
        bus.appears();
        bus.put("1-1", 2, 1, &[]);
        wait_for(&mut running, &log, "connected 1209:0001");
        let exit = running.finish();
        exit.assert_clean();
        // The first list that succeeds may come between the bus and its device.
        assert_eq!(exit.report().usb.listed + exit.report().usb.reconciled, 1);
    });
}

#[test]
fn without_a_bus_who_requires_it_fails() {
    inside("without_a_bus_who_requires_it_fails", |_| {
        let log = Log::default();
        let exit = Application::new().signals(false).add_main(Keeper::all(&log), (hz(100), UsbRequired)).run();
        assert_eq!(exit.code(), 1);
        assert!(exit.to_string().contains("/sys/bus/usb/devices/ not found"), "{exit}");
    });
}

/// There are no device files here: each opening fails as it does while a device is being unplugged.
#[test]
fn what_cannot_be_opened_is_an_error_only_while_it_is_there() {
    inside("what_cannot_be_opened_is_an_error_only_while_it_is_there", |bus| {
        let log = Log::default();
        bus.appears();
        bus.put("1-1", 2, 1, &[]);
        let ping = UsbPing::new(UsbMatch::new()).rate(hz(50));
        let mut running = watch(&log, ms(500), Keeper::pinging(&log, ping));
        wait_for(&mut running, &log, "connected 1209:0001");
        let line = wait_for(&mut running, &log, "device_error 1209:0001");
        assert!(line.contains("it can't be opened: device not found (errno 2)"), "{line}");
        assert!(running.report().usb.races >= 1, "held back until the list has been looked at");
        bus.take("1-1");
        let mut lines = Vec::new();
        step_until(&mut running, |_| {
            lines.extend(log.take());
            lines.iter().any(|line| line.starts_with("disconnected"))
        });
        let errors = lines.iter().filter(|line| line.starts_with("device_error")).count();
        assert_eq!(errors, lines.len() - 1, "{lines:?}");
        running.run_for(ms(100));
        assert_eq!(log.take(), [""; 0], "nothing more of what is gone");
        running.finish().assert_clean();
    });
}
