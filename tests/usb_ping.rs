//! Pings of USB devices: their outcomes, and what happens around an unplugging.
#![cfg(feature = "usb")]

mod common;

use common::usb::{Keeper, board, step_until};
use common::{Log, Script, ms, named, secs, simulated};
use polycephaly::prelude::*;
use polycephaly::usb::{UsbData, UsbErrorKind};

fn ping() -> UsbPing {
    UsbPing::new(UsbMatch::new().vendor(0x1209))
}

fn run(usb: &FakeUsb, ping: UsbPing, time: Duration) -> (Vec<String>, Exit) {
    let log = Log::default();
    let keeper = Keeper::pinging(&log, ping);
    let exit = simulated().usb_backend(usb.clone()).add_process(keeper, (hz(10), named("keeper"))).run_for(time);
    exit.assert_clean();
    (log.take(), exit)
}

#[test]
fn a_device_is_pinged_at_its_rate_and_answers_with_its_round_trip() {
    let usb = FakeUsb::new();
    usb.at(ms(0)).plug("1-1", board(1));
    usb.at(ms(0)).delay("1-1", ms(7));
    usb.at(ms(0)).answer("1-1", FakeAnswer::Data(vec![1, 2, 3]));
    let (lines, exit) = run(&usb, ping().rate(hz(4)), ms(1001));
    assert_eq!(
        lines,
        [
            "connected 1209:0001 - of 0 at 0",
            "pong 1209:0001 - of 257 at 300 [1, 2] after 7ms",
            "pong 1209:0001 - of 507 at 600 [1, 2] after 7ms",
            "pong 1209:0001 - of 757 at 800 [1, 2] after 7ms",
        ]
    );
    assert_eq!(exit.report().usb.pongs, 3, "the one of 1000 was on its way when its owner died");
}

#[test]
fn a_stall_a_fault_and_silence_are_comms_errors_and_other_failures_device_errors() {
    let usb = FakeUsb::new();
    usb.at(ms(0)).plug("1-1", board(1));
    let answers = [
        FakeAnswer::Stall,
        FakeAnswer::Fault,
        FakeAnswer::Silence,
        FakeAnswer::Failure("odd".into()),
        FakeAnswer::Zeros,
    ];
    for (second, answer) in (0..).zip(answers) {
        usb.at(ms(500 + 1000 * second)).answer("1-1", answer);
    }
    // Too slow is silent.
    usb.at(ms(5500)).delay("1-1", ms(250));
    let (lines, exit) = run(&usb, ping().timeout(ms(250)), ms(6500));
    assert_eq!(
        lines,
        [
            "connected 1209:0001 - of 0 at 0",
            "comms_error 1209:0001 - of 1000 at 1000 it refuses the request (stall)",
            "comms_error 1209:0001 - of 2000 at 2000 the transfer failed on the wire (fault)",
            "comms_error 1209:0001 - of 3250 at 3300 it did not answer within 250ms",
            "device_error 1209:0001 - of 4000 at 4000 odd",
            "pong 1209:0001 - of 5000 at 5000 [0, 0] after 0ns",
            "comms_error 1209:0001 - of 6250 at 6300 it did not answer within 250ms",
        ]
    );
    let count = exit.report().usb;
    assert_eq!((count.pongs, count.comms_errors, count.device_errors, count.races), (1, 4, 1, 0));
}

#[test]
fn one_that_may_not_be_opened_is_a_device_error_until_it_may() {
    let usb = FakeUsb::new();
    usb.at(ms(0)).plug("1-1", board(1));
    usb.at(ms(0)).refuse("1-1", UsbErrorKind::Denied);
    usb.at(ms(2500)).refuse("1-1", None);
    let (lines, _) = run(&usb, ping(), ms(3001));
    assert_eq!(
        lines[1..],
        [
            "device_error 1209:0001 - of 1000 at 1000 it can't be opened: the script says so: Denied",
            "device_error 1209:0001 - of 2000 at 2000 it can't be opened: the script says so: Denied",
            "pong 1209:0001 - of 3000 at 3000 [0, 0] after 0ns"
        ]
    );
}

/// What can't be opened for an unknown reason may be on its way out: that is held back once.
#[test]
fn a_failure_that_may_be_an_unplugging_is_an_error_only_if_the_device_stays() {
    let usb = FakeUsb::new();
    usb.at(ms(0)).plug("1-1", board(1));
    usb.at(ms(0)).refuse("1-1", UsbErrorKind::Other);
    usb.at(ms(1500)).refuse("1-1", None);
    usb.at(ms(2500)).unplug("1-1");
    usb.at(ms(2600)).refuse("1-1", UsbErrorKind::Other);
    usb.at(ms(2600)).plug("1-1", board(2));
    let (lines, exit) = run(&usb, ping(), ms(5001));
    assert_eq!(
        lines[1..],
        [
            "pong 1209:0001 - of 2000 at 2000 [0, 0] after 0ns",
            "disconnected 1209:0001 - of 2500 at 2500",
            "connected 1209:0002 - of 2600 at 2600",
            "device_error 1209:0002 - of 4000 at 4000 it can't be opened: the script says so: Other",
            "device_error 1209:0002 - of 5000 at 5000 it can't be opened: the script says so: Other"
        ]
    );
    assert_eq!(exit.report().usb.races, 2);
}

#[test]
fn unplugged_without_an_event_it_is_found_gone_by_its_ping_and_reopened_when_it_is_back() {
    let usb = FakeUsb::new();
    usb.at(ms(0)).plug("1-1", board(1));
    usb.at(ms(1500)).lost().unplug("1-1");
    usb.at(ms(2500)).plug("1-1", board(1));
    let (lines, exit) = run(&usb, ping(), ms(3001));
    assert_eq!(
        lines[1..],
        [
            "pong 1209:0001 - of 1000 at 1000 [0, 0] after 0ns",
            "disconnected 1209:0001 - of 2000 at 2000",
            "connected 1209:0001 - of 2500 at 2500",
            "pong 1209:0001 - of 3000 at 3000 [0, 0] after 0ns"
        ]
    );
    let count = exit.report().usb;
    assert_eq!((count.races, count.reconciled, count.device_errors, count.comms_errors), (1, 1, 0, 0));
}

#[test]
fn unplugged_while_it_is_asked_it_is_disconnected_and_no_error() {
    let usb = FakeUsb::new();
    usb.at(ms(0)).plug("1-1", board(1));
    usb.at(ms(0)).answer("1-1", FakeAnswer::Silence);
    usb.at(ms(1200)).unplug("1-1");
    let (lines, exit) = run(&usb, ping(), ms(2500));
    assert_eq!(lines[1..], ["disconnected 1209:0001 - of 1200 at 1200"]);
    assert_eq!(exit.report().usb.races, 1);
}

/// The device is gone and pings come faster than its owner lives: no ping takes the past for an error.
#[test]
fn fast_pings_of_a_slow_owner_do_not_make_errors_of_a_gone_device() {
    let usb = FakeUsb::new();
    usb.at(ms(0)).plug("1-1", board(1));
    usb.at(ms(205)).lost().unplug("1-1");
    let (lines, exit) = run(&usb, ping().rate(hz(100)), ms(401));
    let errors: Vec<_> = lines.iter().filter(|line| line.contains("error")).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let count = exit.report().usb;
    assert_eq!((count.pongs, count.races), (20, 10));
}

#[test]
fn a_device_on_a_loose_contact_gives_pairs_pongs_and_no_errors() {
    let usb = FakeUsb::new();
    usb.at(ms(3)).flap("1-1", &board(1), 20, ms(37));
    let (lines, exit) = run(&usb, ping().rate(hz(50)), secs(2));
    let count = |word: &str| lines.iter().filter(|line| line.starts_with(word)).count();
    assert_eq!((count("connected"), count("disconnected")), (20, 20));
    assert_eq!((count("comms_error"), count("device_error")), (0, 0));
    assert!(count("pong") > 3, "{lines:?}");
    assert_eq!(count("pong") as u64, exit.report().usb.pongs);
    // A pong stands between the events of its own device.
    let mut plugged = false;
    for line in &lines {
        match line.split(' ').next() {
            Some("connected") => plugged = true,
            Some("disconnected") => plugged = false,
            _ => assert!(plugged, "{lines:?}"),
        }
    }
}

#[test]
fn all_that_match_are_pinged_one_after_the_other_and_nothing_else() {
    let usb = FakeUsb::new();
    for product in 1..=3 {
        usb.at(ms(0)).plug(&format!("1-{product}"), board(product));
    }
    usb.at(ms(0)).plug("2-1", UsbDevice::new(0x0403, 0x6001));
    usb.at(ms(0)).answer("1-2", FakeAnswer::Silence);
    let (lines, _) = run(&usb, ping().timeout(ms(300)), ms(1500));
    assert_eq!(
        lines[3..],
        [
            "pong 1209:0001 - of 1000 at 1000 [0, 0] after 0ns",
            "comms_error 1209:0002 - of 1300 at 1300 it did not answer within 300ms",
            "pong 1209:0003 - of 1300 at 1300 [0, 0] after 0ns"
        ]
    );
}

#[test]
fn the_request_is_settable_and_the_device_may_have_a_firmware() {
    let usb = FakeUsb::new();
    usb.at(ms(0)).plug("1-1", board(1));
    usb.at(ms(0)).answer_by("1-1", |request| match (request.request, &request.data) {
        (7, UsbData::In(4)) => FakeAnswer::Data(vec![request.value as u8, request.index as u8, 9, 9, 9]),
        (8, UsbData::Out(data)) if data == &[1, 2] => FakeAnswer::Zeros,
        _ => FakeAnswer::Stall,
    });
    for (request, answer) in [
        (UsbRequest::vendor_in(7, 5, 6, 4), "pong 1209:0001 - of 1000 at 1000 [5, 6, 9, 9] after 0ns"),
        (UsbRequest::vendor_out(8, 0, 0, [1, 2]), "pong 1209:0001 - of 1000 at 1000 [] after 0ns"),
        (UsbRequest::get_status(), "comms_error 1209:0001 - of 1000 at 1000 it refuses the request (stall)"),
    ] {
        assert_eq!(run(&usb, ping().request(request), ms(1001)).0[1..], [answer]);
    }
}

#[test]
fn two_pings_of_one_process_need_two_names() {
    let script = Script::new().birth(|cx| {
        cx.ping_usb(ping())?;
        cx.ping_usb(ping().rate(hz(2)).name("quick"))?;
        cx.ping_usb(UsbPing::new(UsbMatch::new().vendor(0x1209).product(1)))?;
        let error = cx.ping_usb(ping().rate(hz(3))).unwrap_err().to_string();
        assert!(error.contains("\"p\" has a thread \"usb-ping 1209:*\" already"), "{error}");
        Ok(())
    });
    let exit = simulated().usb_backend(FakeUsb::new()).add_process(script, (hz(10), named("p"))).run_for(secs(1));
    exit.assert_clean();
    assert_eq!(exit.report().process("p").unwrap().threads.ended, 3);
}

/// A driver of the user's own: a child thread that opens a device and speaks to it.
#[test]
fn a_child_thread_may_open_a_device_itself() {
    #[derive(Component)]
    struct Driver(Log);
    impl Process for Driver {
        fn birth(&mut self, cx: &mut Context<Self>) -> Result {
            cx.watch_usb(UsbMatch::new());
            cx.on_event("connected", |driver, event, cx| {
                let (device, log) = (event.get::<UsbDevice>().ok_or("no device")?.clone(), driver.0.clone());
                cx.add_thread("driver", move |thread| {
                    let mut arm = thread.open_usb(&device)?;
                    let request = UsbRequest::vendor_in(1, 0, 0, 1);
                    log.say(format!("{:?} at {:?}", arm.control(&request, ms(100), thread)?, thread.now()));
                    thread.light_sleep(ms(500), || true);
                    log.say(arm.control(&request, ms(100), thread).unwrap_err().to_string());
                    log.say(thread.open_usb(&device).err().ok_or("opened")?.to_string());
                    Ok(())
                })
            });
            Ok(())
        }
    }
    let (usb, log) = (FakeUsb::new(), Log::default());
    usb.at(ms(50)).plug("1-1", board(1));
    usb.at(ms(50)).delay("1-1", ms(20));
    usb.at(ms(300)).unplug("1-1");
    simulated().usb_backend(usb).add_process(Driver(log.clone()), hz(10)).run_for(secs(1)).assert_clean();
    assert_eq!(
        log.take(),
        ["[0] at 120ms", "it is not there any more", "1209:0001 at fake:002 is not plugged any more"]
    );
}

/// Plugged and unplugged at any moment of a ping: what is said of a device stands between its two events.
#[test]
fn on_the_real_clock_events_of_a_device_keep_their_order() {
    let (usb, log) = (FakeUsb::new(), Log::default());
    let keeper = Keeper::pinging(&log, ping().rate(hz(10_000)));
    let application = Application::new().signals(false).usb_backend(usb.clone());
    let mut running = application.add_process(keeper, (hz(500), named("keeper"))).build().unwrap();
    let mut lines = Vec::new();
    for round in 0..100 {
        usb.now().plug("1-1", board(round));
        let mut pongs = 0;
        step_until(&mut running, |_| {
            let new = log.take();
            pongs += new.iter().filter(|line| line.starts_with("pong")).count();
            lines.extend(new);
            pongs > usize::from(round % 3)
        });
        usb.now().unplug("1-1");
        step_until(&mut running, |_| {
            lines.extend(log.take());
            lines.last().is_some_and(|line| line.starts_with("disconnected"))
        });
    }
    running.finish().assert_clean();
    let mut plugged = None;
    for line in &lines {
        let (word, device) = (line.split(' ').next().unwrap(), line.split(' ').nth(1));
        match word {
            "connected" => plugged = device,
            "disconnected" => plugged = None,
            _ => assert!(word == "pong" && plugged == device, "{line} while {plugged:?} is plugged"),
        }
    }
    assert!(log.take().is_empty());
}
