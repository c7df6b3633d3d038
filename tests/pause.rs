//! Pausing and resuming a process, a group, the application: what lives, and what is counted.

mod common;

use common::{Log, Script, diary, ms, named, secs, simulated};
use polycephaly::prelude::*;

/// Two groups, two processes in the first, and their diary.
fn three(log: &Log) -> Running {
    simulated()
        .add_process(diary(log), (hz(10), named("a")))
        .add_process(diary(log), (hz(10), named("b")))
        .add_process(diary(log), (hz(5), named("c")))
        .build()
        .unwrap()
}

fn counts(running: &mut Running, group: usize) -> (u64, u64, u64) {
    let report = running.report();
    let group = &report.groups[group];
    (group.ticks, group.dropped, group.paused)
}

fn lives(log: &Log, name: &str) -> Vec<u64> {
    log.take().iter().filter_map(|line| line.strip_prefix(name)?.trim().parse().ok()).collect()
}

#[test]
fn a_paused_process_does_not_live_and_its_siblings_do() {
    let log = Log::default();
    let mut running = three(&log);
    let handle = running.handle();
    assert!(running.run_for(ms(300)));
    handle.pause("A").unwrap();
    assert!(running.run_for(ms(400)));
    handle.resume("a").unwrap();
    assert!(running.run_for(ms(400)));
    // Resumed at 700 before the tick due then: strictly later is 800.
    assert_eq!(lives(&log, "a"), [0, 100, 200, 800, 900, 1000]);
    let report = running.report();
    let (a, b) = (report.process("a").unwrap(), report.process("b").unwrap());
    assert_eq!((a.lives, a.paused, b.lives, b.paused), (6, 4, 11, 0));
    assert_eq!(counts(&mut running, 0), (11, 0, 0));
}

/// Cheap lives of one type run in blocks, in which nobody looks at single ones until somebody says so.
#[test]
fn one_of_many_is_paused_ended_moved_and_restarted() {
    let log = Log::default();
    let name = |number: usize| format!("p-{number:02}");
    let mut running = (0..20)
        .fold(simulated(), |all, number| all.add_process(diary(&log), (hz(10), named(&name(number)))))
        .build()
        .unwrap();
    let handle = running.handle();
    // Long enough that nobody has a flag any more.
    assert!(running.run_for(ms(500)));
    handle.pause("p-03").unwrap();
    handle.stop("p-05", "enough").unwrap();
    handle.restart("p-06", "anew").unwrap();
    handle.set_frequency("p-07", hz(5)).unwrap();
    assert!(running.run_for(ms(500)));
    handle.resume("p-03").unwrap();
    assert!(running.run_for(ms(300)));
    let all = log.take();
    let lives = |number: usize| -> Vec<u64> {
        all.iter().filter_map(|line| line.strip_prefix(&name(number))?.trim().parse().ok()).collect()
    };
    let every = |from: u64, to: u64, step: u64| (from..=to).step_by(step as usize).collect::<Vec<_>>();
    for number in (0..20).filter(|number| ![3, 5, 6, 7].contains(number)) {
        assert_eq!(lives(number), every(0, 1200, 100), "{number}");
    }
    assert_eq!(lives(3), [every(0, 400, 100), every(1100, 1200, 100)].concat());
    assert_eq!(lives(5), every(0, 400, 100));
    assert_eq!(lives(7), [every(0, 400, 100), every(600, 1200, 200)].concat());
    let report = running.report();
    let of = |number: usize| report.process(&name(number)).unwrap();
    assert_eq!((of(3).lives, of(3).paused, of(5).lives, of(7).lives), (7, 5, 5, 9));
}

#[test]
fn dt_after_a_pause_counts_from_the_last_life() {
    let log = Log::default();
    let writes = log.clone();
    let process = Script::new().life(move |cx| {
        writes.say(cx.dt().as_millis().to_string());
        Ok(())
    });
    let mut running = simulated().add_process(process, (hz(10), named("a"))).build().unwrap();
    assert!(running.run_for(ms(200)));
    running.handle().pause("a").unwrap();
    assert!(running.run_for(ms(300)));
    running.handle().resume("a").unwrap();
    assert!(running.run_for(ms(200)));
    assert_eq!(log.take(), ["0", "100", "500"]);
}

#[test]
fn pausing_twice_is_resumed_once_and_an_idle_resume_is_nothing() {
    let log = Log::default();
    let mut running = three(&log);
    let handle = running.handle();
    handle.resume("a").unwrap();
    assert!(running.run_for(ms(100)));
    assert_eq!(lives(&log, "a"), [0], "a resume of what is not paused costs no life");
    (0..2).for_each(|_| handle.pause("a").unwrap());
    assert!(running.run_for(ms(200)));
    handle.resume("a").unwrap();
    assert!(running.run_for(ms(200)));
    assert_eq!(lives(&log, "a"), [400]);
    assert!(handle.pause("nobody").unwrap_err().to_string().contains("\"nobody\""));
    assert!(handle.resume("nobody").is_err());
}

#[test]
fn a_paused_group_counts_its_ticks_as_paused_and_keeps_its_grid() {
    let log = Log::default();
    let mut running = three(&log);
    let handle = running.handle();
    assert!(running.run_for(ms(250)));
    handle.pause(hz(10)).unwrap();
    assert!(running.run_for(ms(400)));
    handle.resume(hz(10)).unwrap();
    assert!(running.run_for(ms(350)));
    let lines = log.take();
    let of =
        |name: &str| -> Vec<u64> { lines.iter().filter_map(|l| l.strip_prefix(name)?.trim().parse().ok()).collect() };
    assert_eq!(of("a"), [0, 100, 200, 700, 800, 900]);
    assert_eq!(of("c"), [0, 200, 400, 600, 800]);
    assert_eq!(counts(&mut running, 0), (6, 0, 4));
    assert_eq!(counts(&mut running, 1), (5, 0, 0));
}

#[test]
fn a_paused_application_stands_still_and_loses_nothing_but_time() {
    let log = Log::default();
    let mut running = three(&log);
    let handle = running.handle();
    assert!(running.run_for(ms(100)));
    handle.pause(Target::Application).unwrap();
    assert!(running.run_for(secs(1)));
    handle.resume(Target::Application).unwrap();
    assert!(running.run_for(ms(100)));
    assert_eq!(lives(&log, "c"), Vec::<u64>::new().into_iter().chain([0]).collect::<Vec<_>>());
    assert_eq!(counts(&mut running, 0), (2, 0, 10));
    assert_eq!(counts(&mut running, 1), (1, 0, 5));
}

/// What a process pauses from within holds from the end of its tick.
#[test]
fn a_process_pauses_and_resumes_others_groups_and_itself() {
    let log = Log::default();
    let driver = Script::new().life(|cx| {
        match cx.now().as_millis() {
            200 => cx.pause("a")?,
            400 => cx.pause(hz(10))?,
            600 => cx.resume(hz(10))?,
            800 => cx.resume("a")?,
            _ => {}
        }
        Ok(())
    });
    let mut running = simulated()
        .add_process(diary(&log), (hz(10), named("a")))
        .add_process(diary(&log), (hz(10), named("b")))
        .add_process(driver, (hz(5), named("driver")))
        .build()
        .unwrap();
    assert!(running.run_for(ms(1100)));
    let lines = log.take();
    let of =
        |name: &str| -> Vec<u64> { lines.iter().filter_map(|l| l.strip_prefix(name)?.trim().parse().ok()).collect() };
    // The 10 Hz group ticks before the 5 Hz group at the same instant.
    assert_eq!(of("b"), [0, 100, 200, 300, 400, 700, 800, 900, 1000]);
    assert_eq!(of("a"), [0, 100, 200, 900, 1000]);
    assert_eq!(counts(&mut running, 0), (9, 0, 2));
    assert_eq!(running.report().process("a").unwrap().paused, 4);
}

#[test]
fn a_process_that_pauses_its_own_group_stops_it_after_this_tick() {
    let log = Log::default();
    let pauser = Script::new().life(|cx| {
        if cx.now() == ms(200) {
            cx.pause(hz(10))?;
        }
        Ok(())
    });
    let mut running = simulated()
        .add_process(pauser, (hz(10), named("pauser")))
        .add_process(diary(&log), (hz(10), named("a")))
        .build()
        .unwrap();
    assert!(running.run_for(secs(1)));
    assert_eq!(lives(&log, "a"), [0, 100, 200]);
    assert_eq!(counts(&mut running, 0), (3, 0, 7));
}

#[test]
fn a_paused_process_can_die_and_its_death_runs() {
    let log = Log::default();
    let mut running = three(&log);
    running.handle().pause("a").unwrap();
    assert!(running.run_for(ms(100)));
    running.handle().stop("a", "enough").unwrap();
    assert!(running.run_for(ms(100)));
    assert_eq!(log.count("a dead"), 1);
    assert!(lives(&log, "a").is_empty());
}

#[test]
fn plain_systems_of_a_paused_group_do_not_run() {
    let log = Log::default();
    let writes = log.clone();
    let mut running = simulated().add_systems(hz(10), move || writes.say("ran")).build().unwrap();
    assert!(running.run_for(ms(300)));
    running.handle().pause(hz(10)).unwrap();
    assert!(running.run_for(ms(300)));
    assert_eq!(log.count("ran"), 3);
    assert_eq!(counts(&mut running, 0), (3, 0, 3));
}

/// A pause of the process holds its timers back: nothing of it runs. What came due meanwhile is called once after.
#[test]
fn timers_of_a_paused_process_wait() {
    let log = Log::default();
    let writes = log.clone();
    let process = Script::new().birth(move |cx| {
        let (once, often) = (writes.clone(), writes.clone());
        cx.after(ms(150), move |_, cx| {
            once.say(format!("once {}", cx.now().as_millis()));
            Ok(())
        });
        cx.every(ms(100), move |_, cx| {
            often.say(format!("often {}", cx.now().as_millis()));
            Ok(())
        });
        Ok(())
    });
    let mut running = simulated().add_process(process, (hz(10), named("a"))).build().unwrap();
    running.handle().pause("a").unwrap();
    assert!(running.run_for(ms(400)));
    assert_eq!(log.take(), [""; 0]);
    running.handle().resume("a").unwrap();
    assert!(running.run_for(ms(250)));
    assert_eq!(log.take(), ["often 500", "once 500", "often 600"]);
}
