//! Timers: after, every, cancel, and what becomes of them when their owner moves or dies.

mod common;

use common::{Log, Script, ms, named, secs, simulated};
use polycephaly::prelude::*;
use std::time::Duration;

type Act = fn(&mut Script, &mut Context<Script>) -> Result;

/// A callback that writes its tag and the time.
fn note(log: &Log, tag: &'static str) -> impl FnMut(&mut Script, &mut Context<Script>) -> Result + Send + Sync + use<> {
    let log = log.clone();
    move |_, cx| {
        log.say(format!("{tag} {}", cx.now().as_millis()));
        Ok(())
    }
}

/// Runs one process that sets its timers at birth; what they wrote.
fn ring(
    frequency: Frequency,
    time: u64,
    set: impl Fn(&mut Context<Script>, &Log) + Send + Sync + 'static,
) -> Vec<String> {
    let log = Log::default();
    let writes = log.clone();
    let process = Script::new().birth(move |cx| {
        set(cx, &writes);
        Ok(())
    });
    assert!(simulated().add_process(process, frequency).build().unwrap().run_for(ms(time)));
    log.take()
}

#[test]
fn after_rings_once_in_the_first_tick_at_or_after_its_instant() {
    let lines = ring(hz(10), 1000, |cx, log| {
        for (tag, delay) in [("c", 250), ("b", 200), ("a", 199), ("z", 0), ("b2", 200)] {
            cx.after(ms(delay), note(log, tag));
        }
    });
    assert_eq!(lines, ["z 0", "a 200", "b 200", "b2 200", "c 300"]);
}

#[test]
fn every_keeps_its_phase_and_rings_at_most_once_a_tick() {
    let fast = ring(hz(10), 1000, |cx, log| {
        cx.every(ms(30), note(log, "x"));
    });
    // 30 … are due three times a tick and make one call.
    assert_eq!(fast, (1..10).map(|k| format!("x {}", 100 * k)).collect::<Vec<_>>());
    let slow = ring(hz(10), 1500, |cx, log| {
        cx.every(ms(250), note(log, "x"));
    });
    assert_eq!(slow, ["x 300", "x 500", "x 800", "x 1000", "x 1300"]);
    let each = ring(hz(10), 400, |cx, log| {
        cx.every(Duration::ZERO, note(log, "x"));
    });
    assert_eq!(each, ["x 100", "x 200", "x 300"]);
}

#[test]
fn a_timer_set_in_life_with_no_delay_rings_after_that_life() {
    let log = Log::default();
    let writes = log.clone();
    let mut first = true;
    let process = Script::new().life(move |cx| {
        writes.say("life");
        if std::mem::take(&mut first) {
            cx.after(Duration::ZERO, note(&writes, "timer"));
        }
        Ok(())
    });
    assert!(simulated().add_process(process, hz(10)).build().unwrap().run_for(ms(200)));
    assert_eq!(log.take(), ["life", "timer 0", "life"]);
}

#[test]
fn a_callback_that_sets_another_with_no_delay_does_not_hang() {
    let lines = ring(hz(10), 300, |cx, log| {
        fn again(log: Log, cx: &mut Context<Script>) {
            cx.after(Duration::ZERO, move |_, cx| {
                log.say(format!("{}", cx.now().as_millis()));
                again(log, cx);
                Ok(())
            });
        }
        again(log.clone(), cx);
    });
    assert_eq!(lines, ["0", "100", "200"]);
}

#[test]
fn cancelled_timers_are_silent_and_cancel_says_whether_there_was_one() {
    let lines = ring(hz(10), 500, |cx, log| {
        let once = cx.after(ms(100), note(log, "once"));
        let often = cx.every(ms(100), note(log, "often"));
        let said = [cx.cancel(once), cx.cancel(once), cx.cancel(often)];
        log.say(format!("{said:?}"));
        let kept = cx.after(ms(100), note(log, "kept"));
        let writes = log.clone();
        cx.after(ms(300), move |_, cx| {
            writes.say(format!("{}", cx.cancel(kept)));
            Ok(())
        });
    });
    assert_eq!(lines, ["[true, false, true]", "kept 100", "false"]);
}

#[test]
fn a_repeating_timer_can_cancel_itself_and_a_sibling_of_the_same_instant() {
    let log = Log::default();
    let writes = log.clone();
    let process = Script::new().birth(move |cx| {
        let ids = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let (known, log, mut left) = (ids.clone(), writes.clone(), 3);
        let own = cx.every(ms(100), move |_, cx| {
            log.say(format!("own {}", cx.now().as_millis()));
            left -= 1;
            if left == 0 {
                let all: Vec<_> = known.lock().unwrap().drain(..).map(|id| cx.cancel(id)).collect();
                log.say(format!("{all:?}"));
            }
            Ok(())
        });
        let sibling = cx.every(ms(100), note(&writes, "sibling"));
        ids.lock().unwrap().extend([own, sibling]);
        Ok(())
    });
    assert!(simulated().add_process(process, hz(10)).build().unwrap().run_for(secs(1)));
    assert_eq!(log.take(), ["own 100", "sibling 100", "own 200", "sibling 200", "own 300", "[true, true]"]);
}

#[test]
fn timers_in_a_slow_group_wait_for_its_tick() {
    let log = Log::default();
    let writes = log.clone();
    let slow = Script::new().birth(move |cx| {
        cx.after(ms(1), note(&writes, "slow"));
        Ok(())
    });
    let mut running = simulated().add_process(slow, hz(2)).add_process(Script::new(), hz(1000)).build().unwrap();
    assert!(running.run_for(ms(500)));
    assert!(log.take().is_empty());
    assert!(running.run_for(ms(1)));
    assert_eq!(log.take(), ["slow 500"]);
}

/// The alarm has been sorted to the slow group by the fast group's tick when its owner moves away.
#[test]
fn timers_follow_a_change_of_frequency() {
    for (from, to, expected) in [(hz(1), hz(100), ["once 210", "often 210"]), (hz(100), hz(1), ["once 50", "often 60"])]
    {
        let log = Log::default();
        let writes = log.clone();
        let process = Script::new().birth(move |cx| {
            cx.after(ms(50), note(&writes, "once"));
            cx.every(ms(60), note(&writes, "often"));
            Ok(())
        });
        let mut running = simulated()
            .add_process(process, (from, named("mover")))
            .add_process(Script::new(), hz(1000))
            .build()
            .unwrap();
        assert!(running.run_for(ms(200)));
        running.handle().set_frequency("mover", to).unwrap();
        assert!(running.run_for(ms(2000)));
        let lines = log.take();
        assert!(expected.iter().all(|line| lines.contains(&(*line).to_owned())), "{lines:?}");
        let often = lines.iter().filter(|line| line.starts_with("often")).count();
        let once = lines.iter().filter(|line| line.starts_with("once")).count();
        assert_eq!(once, 1);
        assert_eq!(often, if to == hz(100) { 34 } else { 3 + 2 }, "{lines:?}");
    }
}

#[test]
fn timers_of_the_dead_are_silent() {
    let log = Log::default();
    let writes = log.clone();
    let process = Script::new()
        .birth(move |cx| {
            cx.every(ms(100), note(&writes, "x"));
            Ok(())
        })
        .life(|cx| {
            if cx.now() == ms(300) {
                cx.die("enough");
            }
            Ok(())
        });
    let mut running = simulated().add_process(process, hz(10)).add_process(Script::new(), hz(10)).build().unwrap();
    assert!(running.run_for(secs(1)));
    // It dies in the life at 300: its timer of that instant comes after, and it is no more.
    assert_eq!(log.take(), ["x 100", "x 200"]);
}

#[test]
fn a_timer_that_ends_its_owner_is_its_last() {
    let log = Log::default();
    let writes = log.clone();
    let process = Script::new().birth(move |cx| {
        let die: Act = |_, cx| {
            cx.die("timer");
            Ok(())
        };
        cx.after(ms(200), die);
        cx.after(ms(200), note(&writes, "after"));
        Ok(())
    });
    let mut running = simulated().add_process(process, named("a")).add_process(Script::new(), hz(10)).build().unwrap();
    assert!(running.run_for(secs(1)));
    assert!(log.take().is_empty());
    assert_eq!(running.report().process("a").unwrap().ended_by.as_deref(), Some("\"a\" died: timer"));
}

#[test]
fn no_timer_rings_after_the_e_brake() {
    let log = Log::default();
    let writes = log.clone();
    let process = Script::new()
        .birth(move |cx| {
            cx.every(ms(100), note(&writes, "x"));
            Ok(())
        })
        .life(|cx| {
            if cx.now() == ms(200) {
                cx.ebrake("hot");
            }
            Ok(())
        });
    let mut running = simulated().add_process(process, hz(10)).build().unwrap();
    assert!(!running.run_for(secs(1)));
    assert_eq!(log.take(), ["x 100"]);
}
