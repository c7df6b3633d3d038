//! USB devices that come and go: who is told what, and when. On a bus that plays a script.
#![cfg(feature = "usb")]

mod common;

use common::usb::{Keeper, board, step_until};
use common::{Log, Script, ms, named, secs, simulated};
use polycephaly::prelude::*;
use polycephaly::usb::UsbCount;

fn run(usb: &FakeUsb, keeper: Keeper, time: Duration) -> Exit {
    simulated().usb_backend(usb.clone()).add_process(keeper, (hz(10), named("keeper"))).run_for(time)
}

fn lines(usb: &FakeUsb, time: Duration) -> (Vec<String>, UsbCount) {
    let log = Log::default();
    let exit = run(usb, Keeper::all(&log), time);
    exit.assert_clean();
    (log.take(), exit.report().usb)
}

#[test]
fn what_is_plugged_already_is_connected_and_events_follow_in_order() {
    let usb = FakeUsb::new();
    usb.at(ms(0)).plug("1-1", board(1).with_serial("R-1"));
    usb.at(ms(110)).plug("1-2", board(2));
    usb.at(ms(250)).unplug("1-1");
    usb.at(ms(250)).plug("1-1", board(3));
    usb.at(ms(300)).unplug("1-2");
    let (lines, count) = lines(&usb, ms(350));
    assert_eq!(
        lines,
        [
            "connected 1209:0001 R-1 of 0 at 0",
            "connected 1209:0002 - of 110 at 200",
            "disconnected 1209:0001 R-1 of 250 at 300",
            "connected 1209:0003 - of 250 at 300",
            "disconnected 1209:0002 - of 300 at 300"
        ]
    );
    assert_eq!((count.listed, count.events, count.duplicates, count.reconciled, count.errors), (1, 4, 0, 0, 0));
}

#[test]
fn an_event_comes_before_the_life_of_the_same_tick() {
    let (usb, log) = (FakeUsb::new(), Log::default());
    usb.at(ms(50)).plug("1-1", board(1));
    run(&usb, Keeper { lives: true, ..Keeper::all(&log) }, ms(101)).assert_clean();
    assert_eq!(log.take(), ["life 0", "connected 1209:0001 - of 50 at 100", "life 100"]);
}

#[test]
fn with_delivery_at_the_next_tick_the_time_of_the_event_decides() {
    let (usb, log) = (FakeUsb::new(), Log::default());
    usb.at(ms(50)).plug("1-1", board(1));
    usb.at(ms(200)).plug("1-2", board(2));
    let application = simulated().usb_backend(usb).delivery(Delivery::NextTick);
    application.add_process(Keeper::all(&log), hz(10)).run_for(ms(301)).assert_clean();
    assert_eq!(log.take(), ["connected 1209:0001 - of 50 at 100", "connected 1209:0002 - of 200 at 300"]);
}

#[test]
fn each_process_hears_of_what_matches_once() {
    let (usb, logs) = (FakeUsb::new(), [Log::default(), Log::default(), Log::default()]);
    for product in 1..=3 {
        usb.at(ms(50)).plug(&format!("1-{product}"), board(product).with_serial(format!("S{product}")));
        usb.at(ms(150)).unplug(&format!("1-{product}"));
    }
    let one = Keeper::of(&logs[0], [UsbMatch::new().product(1)]);
    let overlapping = Keeper::of(&logs[1], [UsbMatch::new().serial("s2"), UsbMatch::new().vendor(0x1209).product(2)]);
    let others = Keeper::of(&logs[2], [UsbMatch::new().serial(regex("S[13]").unwrap())]);
    let application = simulated().usb_backend(usb).add_process(one, hz(10)).add_process(overlapping, hz(20));
    application.add_process(others, hz(10)).run_for(ms(300)).assert_clean();
    let [one, overlapping, others] = logs.map(|log| log.take());
    assert_eq!(one, ["connected 1209:0001 S1 of 50 at 100", "disconnected 1209:0001 S1 of 150 at 200"]);
    assert_eq!(overlapping, ["connected 1209:0002 S2 of 50 at 50", "disconnected 1209:0002 S2 of 150 at 150"]);
    assert_eq!(others.len(), 4);
}

#[test]
fn what_events_have_lost_the_list_finds_at_its_interval() {
    let usb = FakeUsb::new();
    usb.at(ms(100)).lost().plug("1-1", board(1));
    usb.at(ms(5100)).lost().unplug("1-1");
    usb.at(ms(5200)).lost().plug("1-1", board(2));
    // Unplugged and plugged again between two lists: another device all the same.
    usb.at(ms(10_100)).lost().unplug("1-1");
    usb.at(ms(10_200)).lost().plug("1-1", board(2));
    let (lines, count) = lines(&usb, ms(15_001));
    assert_eq!(
        lines,
        [
            "connected 1209:0001 - of 5000 at 5000",
            "disconnected 1209:0001 - of 10000 at 10000",
            "connected 1209:0002 - of 10000 at 10000",
            "disconnected 1209:0002 - of 15000 at 15000",
            "connected 1209:0002 - of 15000 at 15000"
        ]
    );
    assert_eq!((count.events, count.reconciled), (0, 5));
}

#[test]
fn the_interval_can_be_set_but_not_to_nothing() {
    let (usb, log) = (FakeUsb::new(), Log::default());
    usb.at(ms(100)).lost().plug("1-1", board(1));
    let application = simulated().usb_backend(usb).usb_interval(ms(170));
    application.add_process(Keeper::all(&log), hz(100)).run_for(secs(1)).assert_clean();
    assert_eq!(log.take(), ["connected 1209:0001 - of 170 at 170"]);
    let error = simulated().usb_interval(ms(0)).build().unwrap_err().to_string();
    assert!(error.contains("interval must be longer than 0"), "{error}");
}

#[test]
fn a_late_event_says_nothing_new() {
    let usb = FakeUsb::new();
    usb.at(ms(4900)).late(ms(300)).plug("1-1", board(1));
    usb.at(ms(9900)).late(ms(300)).unplug("1-1");
    let (lines, count) = lines(&usb, secs(12));
    assert_eq!(lines, ["connected 1209:0001 - of 5000 at 5000", "disconnected 1209:0001 - of 10000 at 10000"]);
    assert_eq!((count.events, count.duplicates, count.reconciled), (2, 2, 2));
}

#[test]
fn an_event_that_comes_after_its_device_has_gone_is_set_right_by_the_list() {
    let usb = FakeUsb::new();
    usb.at(ms(100)).late(ms(900)).plug("1-1", board(1));
    usb.at(ms(200)).unplug("1-1");
    let (lines, count) = lines(&usb, secs(6));
    assert_eq!(lines, ["connected 1209:0001 - of 1000 at 1000", "disconnected 1209:0001 - of 5000 at 5000"]);
    assert_eq!((count.events, count.duplicates, count.reconciled), (2, 1, 1));
}

#[test]
fn a_loose_contact_is_told_in_pairs() {
    let (usb, log) = (FakeUsb::new(), Log::default());
    usb.at(ms(100)).flap("1-1", &board(1), 50, ms(3));
    run(&usb, Keeper::all(&log), secs(1)).assert_clean();
    let lines = log.take();
    let words: Vec<_> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(words, ["connected", "disconnected"].repeat(50));
}

/// More than may wait for a process at a time.
#[test]
fn thousands_of_devices_are_all_told_and_none_is_refused() {
    let (usb, log) = (FakeUsb::new(), Log::default());
    for port in 0..2500 {
        usb.at(ms(0)).plug(&format!("1-{port}"), board(port));
        usb.at(ms(1000)).unplug(&format!("1-{port}"));
    }
    let exit = run(&usb, Keeper::all(&log), secs(2));
    exit.assert_clean();
    let lines = log.take();
    assert_eq!((lines.len(), exit.report().usb.listed), (5000, 2500));
    for (number, line) in lines.iter().enumerate() {
        let (word, product) = (["connected", "disconnected"][number / 2500], number % 2500);
        assert!(line.starts_with(&format!("{word} 1209:{product:04x}")), "{number}: {line}");
    }
    let events = exit.report().process("keeper").unwrap().events;
    assert_eq!((events.emitted, events.refused, events.lost), (5000, 0, 0));
}

#[test]
fn one_born_late_or_again_is_told_of_what_is_there() {
    let (usb, log, late) = (FakeUsb::new(), Log::default(), Log::default());
    usb.at(ms(50)).plug("1-1", board(1));
    usb.at(ms(250)).plug("1-2", board(2));
    let own = late.clone();
    let spawner = Script::new().life(move |cx| {
        if cx.now() == ms(300) {
            cx.spawn(Keeper::all(&own), hz(10));
        }
        Ok(())
    });
    let application = simulated().usb_backend(usb.clone()).add_process(Keeper::all(&log), (hz(10), named("keeper")));
    let mut running = application.add_process(spawner, hz(10)).build().unwrap();
    running.run_for(ms(450));
    assert_eq!(late.take(), ["connected 1209:0001 - of 300 at 400", "connected 1209:0002 - of 300 at 400"]);
    assert_eq!(log.take().len(), 2);
    running.handle().restart("keeper", "anew").unwrap();
    running.run_for(ms(100));
    assert_eq!(log.take(), ["connected 1209:0001 - of 450 at 500", "connected 1209:0002 - of 450 at 500"]);
    usb.now().unplug("1-2");
    running.run_for(ms(100));
    assert_eq!(log.take(), ["disconnected 1209:0002 - of 550 at 600"], "told once, though asked for twice");
}

#[test]
fn it_follows_its_process_into_another_group() {
    let (usb, log) = (FakeUsb::new(), Log::default());
    usb.at(ms(450)).plug("1-1", board(1));
    let own = log.clone();
    let script = Script::new()
        .birth(|cx| {
            cx.watch_usb(UsbMatch::new());
            Ok(())
        })
        .life(move |cx| {
            own.say(format!("{} at {}", cx.usb_devices().len(), cx.now().as_millis()));
            cx.set_frequency(hz(5));
            Ok(())
        });
    simulated().usb_backend(usb).add_process(script, (hz(10), named("p"))).run_for(ms(601)).assert_clean();
    assert_eq!(log.take(), ["0 at 0", "0 at 200", "0 at 400", "1 at 600"]);
}

#[test]
fn one_can_ask_for_more_and_for_nothing() {
    let (usb, log) = (FakeUsb::new(), Log::default());
    for product in 1..=2 {
        usb.at(ms(0)).plug(&format!("1-{product}"), board(product));
    }
    usb.at(ms(350)).unplug("1-1");
    let own = log.clone();
    let script = Script::new()
        .birth(|cx| {
            cx.watch_usb(UsbMatch::new().product(1));
            Ok(())
        })
        .life(move |cx| {
            let devices = cx.usb_devices().iter().map(|device| device.product().to_string()).collect::<Vec<_>>();
            own.say(devices.join(" "));
            match cx.now().as_millis() {
                100 => cx.watch_usb(UsbMatch::new()),
                300 => cx.unwatch_usb(),
                _ => {}
            }
            Ok(())
        });
    let exit = simulated().usb_backend(usb).add_process(script, (hz(10), named("p"))).run_for(ms(500));
    assert_eq!(log.take(), ["1", "1", "1 2", "1 2", ""]);
    let events = exit.report().process("p").unwrap().events;
    assert_eq!((events.emitted, events.unheard), (2, 2));
}

#[test]
fn the_same_script_gives_the_same_history() {
    let history = || {
        let usb = FakeUsb::new();
        for number in 0..40_u16 {
            let port = format!("1-{}", number % 7);
            let at = usb.at(ms(u64::from(number) * 97 % 900));
            let at = if number % 3 == 0 { at.lost() } else { at.late(ms(u64::from(number) % 5 * 20)) };
            if number % 5 < 3 { at.plug(&port, board(number)) } else { at.unplug(&port) }
        }
        let log = Log::default();
        let ping = UsbPing::new(UsbMatch::new().vendor(0x1209)).rate(hz(30));
        let keeper = Keeper { pings: vec![ping], ..Keeper::all(&log) };
        let application = simulated().usb_backend(usb).usb_interval(ms(210));
        let exit = application.add_process(keeper, hz(25)).run_for(secs(2));
        (log.take(), exit.report().usb)
    };
    let first = history();
    assert!(first.0.len() > 100, "{first:?}");
    for _ in 0..5 {
        assert_eq!(history(), first);
    }
}

/// Under the real clock the watcher has a thread: it is woken by the script, and ends with the application.
#[test]
fn on_the_real_clock_a_thread_watches() {
    let (usb, log) = (FakeUsb::new(), Log::default());
    usb.at(ms(0)).plug("1-1", board(1));
    let application = Application::new().signals(false).usb_backend(usb.clone()).usb_interval(ms(30));
    let mut running = application.add_main(Keeper::all(&log), hz(200)).build().unwrap();
    let heard = |count| move |running: &mut Running| running.get::<Keeper>("main").unwrap().heard == count;
    step_until(&mut running, heard(1));
    usb.now().lost().plug("1-2", board(2));
    step_until(&mut running, heard(2));
    usb.now().unplug("1-1");
    step_until(&mut running, heard(3));
    running.finish().assert_clean();
    let lines = log.take();
    let words: Vec<_> = lines.iter().map(|line| line.split(" of ").next().unwrap()).collect();
    assert_eq!(words, ["connected 1209:0001 -", "connected 1209:0002 -", "disconnected 1209:0001 -"]);
    #[cfg(target_os = "linux")]
    {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        assert_eq!(names.filter(|name| name.trim() == "usb").count(), 0, "the watcher has ended");
    }
}

#[test]
fn who_does_not_ask_pays_nothing() {
    let usb = FakeUsb::new();
    usb.at(ms(0)).plug("1-1", board(1));
    let exit = simulated().usb_backend(usb).add_process(Script::new(), hz(10)).run_for(secs(20));
    assert_eq!(exit.report().usb, UsbCount::default(), "nobody has looked");
    assert!(!exit.report().to_string().contains("USB"));
}
