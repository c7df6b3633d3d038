//! Named locks: shared by a process and its threads, held across calls, waited for on the simulated clock.

mod common;

use common::{Log, Script, ms, named, secs, simulated};
use polycephaly::prelude::*;

#[test]
fn a_thread_waits_for_its_owner_and_the_owner_for_its_thread() {
    let log = Log::default();
    let (own, lives) = (log.clone(), log.clone());
    let mut kept: Vec<LockGuard> = Vec::new();
    let p = Script::new()
        .birth(move |cx| {
            cx.add_locks(["bus", "map"])?;
            let log = own.clone();
            cx.add_thread("t", move |thread| {
                thread.light_sleep(ms(50), || true);
                let guard = thread.lock("BUS")?.ok_or("ended")?;
                log.say(format!("thread has {} at {}", guard.name(), thread.now().as_millis()));
                thread.light_sleep(ms(30), || true);
                drop(guard);
                let none = thread.lock_within("bus", ms(0))?.is_none();
                log.say(format!("thread lets go at {}, taken by others: {none}", thread.now().as_millis()));
                Ok(())
            })
        })
        .life(move |cx| {
            let now = cx.now().as_millis();
            match now {
                // Before the thread's first turn: it waits for this one.
                0 => kept.extend(cx.try_lock("bus")?),
                200 => {
                    lives.say(format!("held by {:?}", cx.locks()[0].holder));
                    kept.clear();
                }
                300 => {
                    // Held by the thread since 200 ms, until 230 ms.
                    let guard = cx.try_lock("bus")?;
                    lives.say(format!("free again: {}", guard.is_some()));
                }
                _ => {}
            }
            Ok(())
        });
    simulated().add_process(p, (hz(10), named("p"))).run_for(ms(400)).assert_clean();
    assert_eq!(
        log.take(),
        [
            "held by Some(\"p\")",
            "thread has bus at 200",
            "thread lets go at 230, taken by others: false",
            "free again: true"
        ]
    );
}

#[test]
fn a_wait_in_a_tick_takes_time_and_is_bounded() {
    let log = Log::default();
    let lives = log.clone();
    let p = Script::new()
        .birth(|cx| {
            cx.add_locks(["bus"])?;
            cx.add_thread("t", |thread| {
                let _guard = thread.lock("bus")?;
                thread.light_sleep(ms(120), || true);
                Ok(())
            })
        })
        .life(move |cx| {
            let within = |cx: &mut Context<Script>, time| cx.lock_within("bus", ms(time)).map(|guard| guard.is_some());
            match cx.now().as_millis() {
                100 => lives.say(format!("after 10 ms: {}, after 30 more: {}", within(cx, 10)?, within(cx, 30)?)),
                now => lives.say(format!("life {now}")),
            }
            Ok(())
        });
    let exit = simulated().add_process(p, (hz(10), named("p"))).run_for(ms(300));
    assert_eq!(log.take(), ["life 0", "after 10 ms: false, after 30 more: true", "life 200"]);
    assert_eq!(exit.report().group("10 Hz").unwrap().busy.max, ms(20), "it was free at 120 ms");
}

#[test]
fn unknown_and_duplicate_names_say_what_there_is() {
    let p = Script::new().birth(|cx| {
        cx.add_locks(["bus", "map"])?;
        let error = cx.try_lock("bos").unwrap_err();
        assert_eq!(error.to_string(), "\"p\" has no lock \"bos\"; it has bus, map");
        let error = cx.add_locks(["new", "MAP", "never"]).unwrap_err();
        assert_eq!(error.to_string(), "\"p\" has a lock \"MAP\" already: use that one, or give this one another name");
        assert_eq!(cx.locks().len(), 3, "those before it have been added");
        cx.add_thread("t", |thread| {
            assert_eq!(thread.lock("bos").unwrap_err().known, ["bus", "map", "new"]);
            Ok(())
        })
    });
    let exit = simulated().add_process(p, (hz(10), named("p"))).run_for(ms(10));
    assert_eq!(exit.report().process("p").unwrap().threads.panicked, 0);
    exit.assert_clean();
}

#[test]
fn threads_get_a_lock_one_at_a_time() {
    let log = Log::default();
    let own = log.clone();
    let p = Script::new().birth(move |cx| {
        cx.add_locks(["bus"])?;
        for name in ["a", "b", "c"] {
            let log = own.clone();
            cx.add_thread(name, move |thread| {
                for _ in 0..2 {
                    let _guard = thread.lock("bus")?.ok_or("ended")?;
                    log.say(format!("{name} {}", thread.now().as_millis()));
                    thread.light_sleep(ms(10), || true);
                }
                Ok(())
            })?;
        }
        Ok(())
    });
    simulated().add_process(p, (hz(1), named("p"))).run_for(secs(1)).assert_clean();
    let lines = log.take();
    let times: Vec<&str> = lines.iter().map(|line| &line[2..]).collect();
    assert_eq!(times, ["0", "10", "20", "30", "40", "50"], "{lines:?}");
}

#[test]
fn a_lock_held_at_death_is_free_for_the_reborn() {
    let log = Log::default();
    let lives = log.clone();
    let mut kept: Vec<LockGuard> = Vec::new();
    let p = Script::new().birth(|cx| Ok(cx.add_locks(["bus"])?)).life(move |cx| {
        let own = cx.name().to_owned();
        let taken = cx.try_lock("bus")?;
        lives.say(format!("{} {}", cx.now().as_millis(), taken.is_some()));
        if taken.is_some() {
            kept.extend(taken);
        }
        if cx.now() == ms(100) {
            cx.restart(&own, "anew")?;
        }
        Ok(())
    });
    let exit = simulated().add_process(p, (hz(10), named("p"))).run_for(ms(400));
    exit.assert_clean();
    assert_eq!(exit.report().process("p").unwrap().held_locks, 2, "at the restart, and at the end");
    assert!(exit.report().to_string().contains("p: 0 pair(s) of locks in both orders, 2 held at its death"));
    assert_eq!(log.take(), ["0 true", "100 false", "200 true", "300 false"], "the new life has locks of its own");
}

#[test]
#[cfg(debug_assertions)]
fn two_threads_that_take_two_locks_in_both_orders_are_reported_with_all_places() {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    // For all threads of this program; the other tests write nothing that matters here.
    tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).init();
    let both = |first: &'static str, second: &'static str, pause: u64| {
        move |thread: &Thread| -> Result {
            thread.light_sleep(ms(pause), || true);
            let _first = thread.lock(first)?;
            let _second = thread.lock(second)?;
            Ok(())
        }
    };
    let p = Script::new().birth(move |cx| {
        cx.add_locks(["bus", "map"])?;
        cx.add_thread("one", both("bus", "map", 0))?;
        cx.add_thread("other", both("map", "bus", 20))
    });
    let exit = simulated().add_process(p, (hz(10), named("arm"))).run_for(ms(100));
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let report: Vec<&str> = text.lines().filter(|line| line.contains("taken in both orders")).collect();
    assert_eq!(report.len(), 1, "{text}");
    assert!(report[0].contains("locks \"map\" and \"bus\" are taken in both orders"), "{report:?}");
    assert_eq!(report[0].matches("tests/lock.rs:").count(), 4, "two places each: {report:?}");
    assert_eq!(exit.report().process("arm").unwrap().lock_inversions, 1);
}
