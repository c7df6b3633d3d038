//! A bus that can't be read, and events that don't come: said once, tried again, and no failure but of who asks for it.
#![cfg(feature = "usb")]

mod common;

use common::logs::lines_of;
use common::usb::{Keeper, board, step_until};
use common::{Log, Script, ms, named, secs, simulated};
use polycephaly::prelude::*;
use polycephaly::usb::{RealUsb, UsbError, UsbErrorKind, UsbHandle, UsbPoll, UsbStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::task::Waker;

/// What a run comes to, and what it has logged of USB: simulated, all of it happens on this thread.
fn logged<R>(run: impl FnOnce() -> R) -> (R, Vec<String>) {
    let (outcome, mut lines) = lines_of(run);
    lines.retain(|line| line.contains("usb::"));
    (outcome, lines)
}

#[test]
fn a_bus_that_cannot_be_read_is_said_once_and_tried_again() {
    let (usb, log) = (FakeUsb::new(), Log::default());
    usb.at(ms(0)).fail_list(UsbErrorKind::NoBus);
    usb.at(ms(0)).lost().plug("1-1", board(1));
    usb.at(ms(17_000)).fail_list(None);
    let application = simulated().usb_backend(usb).add_process(Keeper::all(&log), hz(10));
    let (exit, lines) = logged(|| application.run_for(secs(30)));
    exit.assert_clean();
    assert_eq!(log.take(), ["connected 1209:0001 - of 20000 at 20000"]);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("WARN") && lines[0].contains("the USB bus can't be read: tried again"), "{lines:?}");
    assert!(lines[0].contains("the script says so: NoBus") && lines[0].contains("interval=5s"), "{lines:?}");
    assert!(lines[1].contains("INFO") && lines[1].contains("can be read again devices=1"), "{lines:?}");
    let count = exit.report().usb;
    assert_eq!((count.errors, count.listed, count.reconciled), (4, 1, 0), "at 0, 5, 10 and 15 s");
    assert!(exit.report().to_string().contains("1 device(s) there at first"), "{}", exit.report());
}

#[test]
fn while_the_bus_cannot_be_read_nothing_is_taken_for_gone_and_events_count() {
    let (usb, log) = (FakeUsb::new(), Log::default());
    usb.at(ms(0)).plug("1-1", board(1));
    usb.at(ms(1000)).fail_list(UsbErrorKind::Other);
    usb.at(ms(6000)).plug("1-2", board(2));
    usb.at(ms(7000)).lost().unplug("1-1");
    usb.at(ms(12_000)).fail_list(None);
    simulated().usb_backend(usb).add_process(Keeper::all(&log), hz(10)).run_for(secs(20)).assert_clean();
    assert_eq!(
        log.take(),
        [
            "connected 1209:0001 - of 0 at 0",
            "connected 1209:0002 - of 6000 at 6000",
            "disconnected 1209:0001 - of 15000 at 15000"
        ]
    );
}

#[test]
fn without_events_the_list_does_it_alone_and_that_is_said_once() {
    let (usb, log) = (FakeUsb::new(), Log::default());
    usb.at(ms(0)).fail_watch(UsbErrorKind::Denied);
    usb.at(ms(1000)).plug("1-1", board(1));
    usb.at(ms(11_000)).fail_watch(None);
    usb.at(ms(14_000)).plug("1-2", board(2));
    usb.at(ms(16_000)).plug("1-3", board(3));
    let application = simulated().usb_backend(usb).add_process(Keeper::all(&log), hz(10));
    let (exit, lines) = logged(|| application.run_for(secs(20)));
    exit.assert_clean();
    assert_eq!(
        log.take(),
        [
            "connected 1209:0001 - of 5000 at 5000",
            "connected 1209:0002 - of 15000 at 15000",
            "connected 1209:0003 - of 16000 at 16000"
        ]
    );
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("no hot-plug events of USB devices") && lines[0].contains("Denied"), "{lines:?}");
    assert!(lines[1].contains("come again"), "{lines:?}");
    let count = exit.report().usb;
    assert_eq!((count.errors, count.events, count.reconciled), (3, 1, 2));
}

#[test]
fn after_an_error_of_the_stream_it_lists_at_once_and_watches_anew() {
    let (usb, log) = (FakeUsb::new(), Log::default());
    usb.at(ms(7100)).lost().plug("1-1", board(1));
    usb.at(ms(7150)).break_stream();
    usb.at(ms(7300)).plug("1-2", board(2));
    // The next one comes too soon: it is not watched for an interval.
    usb.at(ms(7340)).lost().unplug("1-1");
    usb.at(ms(7350)).break_stream();
    usb.at(ms(7400)).plug("1-3", board(3));
    usb.at(ms(12_700)).plug("1-4", board(4));
    let exit = simulated().usb_backend(usb).add_process(Keeper::all(&log), hz(10)).run_for(secs(20));
    exit.assert_clean();
    assert_eq!(
        log.take(),
        [
            "connected 1209:0001 - of 7150 at 7200",
            "connected 1209:0002 - of 7300 at 7300",
            "disconnected 1209:0001 - of 7350 at 7400",
            "connected 1209:0003 - of 12150 at 12200",
            "connected 1209:0004 - of 12700 at 12700"
        ]
    );
    let count = exit.report().usb;
    assert_eq!((count.errors, count.events, count.reconciled), (2, 2, 3));
}

#[test]
fn who_requires_usb_dies_of_an_outage_and_others_go_on() {
    let usb = FakeUsb::new();
    usb.at(ms(300)).fail_list(UsbErrorKind::NoBus);
    let [needs, others] = [Log::default(), Log::default()];
    let needy = Keeper { lives: true, ..Keeper::all(&needs) };
    let application = simulated().usb_backend(usb).usb_interval(secs(1));
    let exit = application
        .add_process(needy, (hz(10), named("needy"), UsbRequired))
        .add_process(Keeper { lives: true, ..Keeper::all(&others) }, (hz(10), named("other")))
        .run_for(secs(2));
    let report = exit.report().process("needy").unwrap();
    assert_eq!((report.errors, needs.take().len()), (1, 11), "the tick that hears of it goes to its end");
    let because = "\"needy\" failed in its usb: the script says so: NoBus";
    assert_eq!(report.ended_by.as_deref(), Some(because));
    assert_eq!((exit.report().process("other").unwrap().errors, others.take().len()), (0, 20));
    assert!(exit.is_success());
}

#[test]
fn a_main_process_that_requires_usb_makes_the_application_fail() {
    let usb = FakeUsb::new();
    usb.at(ms(0)).fail_list(UsbErrorKind::Denied);
    let log = Log::default();
    let exit = simulated().usb_backend(usb).add_main(Keeper::all(&log), (hz(10), UsbRequired)).run_for(secs(9));
    assert_eq!(exit.code(), 1);
    assert!(exit.to_string().contains("the script says so: Denied"), "{exit}");
}

#[test]
fn one_that_is_restarted_tries_until_the_bus_is_there() {
    let (usb, log) = (FakeUsb::new(), Log::default());
    usb.at(ms(0)).fail_list(UsbErrorKind::NoBus);
    usb.at(ms(0)).lost().plug("1-1", board(1));
    usb.at(ms(3000)).fail_list(None);
    let wait = Backoff { first: secs(1), max: secs(1), ..Backoff::default() };
    let settings = (hz(10), named("p"), UsbRequired, Supervision::both(Restart::new().backoff(wait)));
    let application = simulated().usb_backend(usb).usb_interval(secs(1)).add_process(Keeper::all(&log), settings);
    let mut running = application.add_process(Script::new(), hz(10)).build().unwrap();
    running.run_for(secs(5));
    let report = running.report();
    let report = report.process("p").unwrap();
    assert!(report.restarts >= 3 && report.run_level == RunLevel::Run, "{report:?}");
    assert_eq!(log.take().len(), 1);
}

#[test]
fn real_devices_do_not_keep_to_simulated_time() {
    for required in [false, true] {
        let log = Log::default();
        let application = simulated().usb_backend(RealUsb);
        let application = if required {
            application.add_main(Keeper::all(&log), (hz(10), UsbRequired))
        } else {
            application.add_main(Keeper::all(&log), hz(10))
        };
        let (exit, lines) = logged(|| application.run_for(secs(10)));
        assert_eq!((exit.code(), log.take().len()), (u8::from(required), 0));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("real USB devices are not watched under the simulated clock"), "{lines:?}");
    }
}

/// A backend of the user's own that breaks: its panic is its own.
#[test]
fn a_backend_that_panics_ends_the_watcher_and_nothing_else() {
    struct Broken;
    impl UsbBackend for Broken {
        fn watch(&self, _: Duration) -> Result<Box<dyn UsbStream>, UsbError> {
            Ok(Box::new(Self))
        }
        fn list(&self, _: Duration) -> Result<Vec<UsbDevice>, UsbError> {
            panic!("as told")
        }
        fn open(&self, _: &UsbDevice, _: &Thread) -> Result<Box<dyn UsbHandle>, UsbError> {
            unreachable!("there is nothing to open")
        }
    }
    impl UsbStream for Broken {
        fn poll(&mut self, _: Duration, _: &Waker) -> UsbPoll {
            UsbPoll::Wait { until: None }
        }
    }
    let log = Log::default();
    let application = Application::new().signals(false).usb_backend(Broken).add_process(Keeper::all(&log), hz(100));
    let mut running = application.build().unwrap();
    step_until(&mut running, |running| running.report().usb.errors > 0);
    running.step();
    running.finish().assert_clean();
}

/// A broken controller can hold whoever reads the bus in the kernel.
#[test]
fn a_bus_that_never_answers_does_not_hold_up_the_end() {
    struct Stuck(Mutex<Receiver<()>>);
    impl UsbBackend for Stuck {
        fn watch(&self, _: Duration) -> Result<Box<dyn UsbStream>, UsbError> {
            Err(UsbError::new(UsbErrorKind::Other, "stuck"))
        }
        fn list(&self, _: Duration) -> Result<Vec<UsbDevice>, UsbError> {
            let _ = self.0.lock().unwrap().recv();
            Ok(Vec::new())
        }
        fn open(&self, _: &UsbDevice, _: &Thread) -> Result<Box<dyn UsbHandle>, UsbError> {
            unreachable!("there is nothing to open")
        }
    }
    let (free, held) = channel();
    let log = Log::default();
    let application = Application::new().signals(false).usb_backend(Stuck(Mutex::new(held)));
    let mut running = application.add_process(Keeper::all(&log), hz(100)).build().unwrap();
    step_until(&mut running, |running| running.report().usb.errors > 0);
    running.finish().assert_clean();
    drop(free);
}
