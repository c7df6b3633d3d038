//! Clocks: what can be said of them without waiting.

mod common;

use common::{Log, Script, diary, ms, named, secs};
use polycephaly::prelude::*;
use std::time::Duration;

#[test]
fn the_simulated_clock_stands_between_runs_and_jumps_within() {
    let mut running = common::simulated().add_process(Script::new(), hz(10)).build().unwrap();
    assert_eq!(running.now(), Duration::ZERO);
    assert!(running.run_for(secs(1_000)));
    assert_eq!((running.now(), running.handle().now()), (secs(1_000), secs(1_000)));
    assert!(running.step());
    assert_eq!(running.now(), secs(1_000), "the tick due at that instant");
    assert!(running.step());
    assert_eq!(running.now(), secs(1_000) + ms(100));
}

#[test]
fn a_step_is_all_that_is_due_at_one_instant() {
    let log = Log::default();
    let mut running = common::simulated()
        .add_process(diary(&log), (hz(10), named("a")))
        .add_process(diary(&log), (hz(5), named("b")))
        .build()
        .unwrap();
    log.take();
    assert!(running.step());
    assert_eq!(log.take(), ["a 0", "b 0"]);
    assert!(running.step());
    assert_eq!(log.take(), ["a 100"]);
    assert!(running.step());
    assert_eq!(log.take(), ["a 200", "b 200"]);
}

/// What a life consumes holds up what is due at the same instant on the same head, and shows as its lateness.
#[test]
fn consumed_time_holds_up_the_rest_of_the_head() {
    let log = Log::default();
    let slow = Script::new().life(|cx| {
        cx.consume(ms(20));
        cx.consume(ms(10));
        Ok(())
    });
    let mut running = common::simulated()
        .add_process(slow, (hz(10), named("slow")))
        .add_process(diary(&log), (hz(5), named("b")))
        .build()
        .unwrap();
    log.take();
    assert!(running.run_for(ms(30)));
    assert!(log.take().is_empty(), "it starts at 30, which is not before 30");
    assert!(running.run_for(ms(270)));
    assert_eq!(log.take(), ["b 30", "b 230"]);
    let report = running.report();
    assert_eq!((report.groups[0].busy.min, report.groups[1].lateness.max), (ms(30), ms(30)));
}

#[test]
fn a_run_ends_at_its_limit_whatever_is_due_then() {
    for (time, ticks) in [(0, 0), (1, 1), (100, 1), (101, 2), (999, 10), (1000, 10), (1001, 11)] {
        let exit = common::simulated().add_process(Script::new(), hz(10)).run_for(ms(time));
        assert_eq!((exit.report().groups[0].ticks, exit.report().elapsed), (ticks, ms(time)));
    }
}

#[test]
fn speeds_are_checked_and_only_a_scaled_clock_has_one() {
    assert!(Clock::scaled(10.0).is_ok() && Clock::scaled(0.1).is_ok());
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(Clock::scaled(bad).is_err());
    }
    let running = common::simulated().add_process(Script::new(), hz(10)).build().unwrap();
    assert_eq!(running.handle().set_speed(2.0), Ok(false));
    assert!(running.handle().set_speed(f64::NAN).is_err());
    assert!(Clock::simulated().is_simulated() && !Clock::real().is_simulated());
}

/// On real clocks, what must hold however late this machine is: no tick before it is due, and none is lost uncounted.
#[test]
fn real_and_scaled_clocks_never_tick_early_and_count_every_tick() {
    for clock in [Clock::real(), Clock::scaled(50.0).unwrap()] {
        let early = Script::new().life(|cx| if cx.now() < cx.due() { Err("early".into()) } else { Ok(()) });
        let application = Application::new().clock(clock).signals(false);
        let exit = application.add_process(early, (hz(1000), named("a"))).run_for(ms(50));
        let report = exit.report();
        let group = &report.groups[0];
        // A sleep that ends behind the limit may drop some that are due later still.
        assert!(group.ticks + group.dropped >= 50);
        assert_eq!((report.process("a").unwrap().errors, report.process("a").unwrap().lives), (0, group.ticks));
        assert!(report.elapsed >= ms(50));
    }
}

/// A real run sleeps on its bell: a call from another thread ends a sleep of an hour.
#[test]
fn a_sleeping_head_is_woken_from_outside() {
    let application = Application::new().signals(false).add_process(Script::new(), (hz((1, 3600)), named("a")));
    let handle = application.handle();
    let (up, is_up) = std::sync::mpsc::channel();
    handle.do_to_world(move |_| up.send(()).unwrap());
    let waker = std::thread::spawn(move || {
        is_up.recv().unwrap();
        handle.stop_application("enough");
    });
    let exit = application.run();
    waker.join().unwrap();
    assert_eq!(exit.cause().to_string(), "stopped by \"application\": enough");
}
