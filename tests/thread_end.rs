//! How child threads end: with their owner, before him, or not at all.

mod common;

use common::{Log, Script, ms, named, secs, simulated};
use polycephaly::prelude::*;

#[test]
fn death_waits_for_threads_and_names_those_that_do_not_end_but_no_daemons() {
    let log = Log::default();
    let own = log.clone();
    let p = Script::new().birth(move |cx| {
        let log = own.clone();
        cx.add_thread("good", move |thread| {
            while thread.freq_sleep(1.0) {}
            log.say("good ends");
            Ok(())
        })?;
        let never = |thread: &Thread| -> Result {
            loop {
                thread.freq_sleep(1.0);
            }
        };
        cx.add_child(ChildThread::new("demon", never).daemon(true))?;
        cx.add_thread("stubborn", never)
    });
    let deaths = log.clone();
    let p = p.death(move |cx| {
        deaths.say("death");
        assert!(cx.threads().is_empty());
        Ok(())
    });
    let exit = simulated().add_process(p, (hz(10), named("p"))).run_for(ms(300));
    assert_eq!(log.take(), ["good ends", "death"]);
    assert_eq!(exit.report().overdue, ["thread \"stubborn\" of \"p\""]);
    assert_eq!(exit.code(), 1);
    assert_eq!(exit.report().process("p").unwrap().threads.left, 1);
}

#[test]
fn one_that_emits_after_its_owners_death_gets_an_error() {
    let log = Log::default();
    let own = log.clone();
    let p = Script::new().birth(move |cx| {
        let log = own.clone();
        cx.add_child(
            ChildThread::new("late", move |thread| {
                thread.emit("early")?;
                while thread.freq_sleep(1.0) {}
                // Its owner's death does not wait for a daemon.
                thread.light_sleep(ms(1), || true);
                log.say(thread.emit("late").unwrap_err().to_string());
                Ok(())
            })
            .daemon(true),
        )
    });
    let mut running =
        simulated().add_process(p, (hz(10), named("p"))).add_process(Script::new(), hz(10)).build().unwrap();
    running.run_for(ms(150));
    running.handle().stop("p", "enough").unwrap();
    running.run_for(secs(1));
    assert_eq!(log.take(), ["\"p\" does not live: the event \"late\" was not taken; emit while it lives"]);
}

#[test]
fn a_restart_ends_the_old_threads_and_starts_new_ones() {
    let log = Log::default();
    let own = log.clone();
    let p = Script::new().birth(move |cx| {
        let log = own.clone();
        cx.add_thread("t", move |thread| {
            log.say(format!("begins {}", thread.now().as_millis()));
            while thread.freq_sleep(1.0) {}
            log.say(format!("ends {}", thread.now().as_millis()));
            Ok(())
        })
    });
    let mut running = simulated().add_process(p, (hz(10), named("p"))).build().unwrap();
    running.run_for(ms(150));
    running.handle().restart("p", "anew").unwrap();
    running.run_for(ms(100));
    running.finish().assert_clean();
    assert_eq!(log.take(), ["begins 0", "ends 150", "begins 150", "ends 250"]);
}

#[test]
fn on_the_real_clock_they_sleep_and_end_as_well() {
    let log = Log::default();
    let own = log.clone();
    let p = Script::new()
        .birth(move |cx| {
            let log = own.clone();
            cx.add_thread("t", move |thread| {
                for _ in 0..5 {
                    thread.freq_sleep(1.0);
                }
                log.say("five beats");
                log.say(format!("{:?}", thread.light_sleep(secs(60), || true)));
                Ok(())
            })
        })
        .life(move |cx| {
            if cx.now() > ms(60) {
                cx.die("enough");
            }
            Ok(())
        });
    let exit = Application::new().signals(false).add_process(p, (hz(200), named("p"))).run();
    assert_eq!(log.take(), ["five beats", "Early"], "its owner's death has ended the long sleep");
    exit.assert_clean();
}

#[test]
fn threads_that_end_while_their_owner_changes_groups_are_reaped_all_the_same() {
    let p = Script::new().birth(|cx| {
        cx.add_thread("t", |thread| {
            thread.light_sleep(ms(50), || true);
            Ok(())
        })
    });
    let mut running =
        simulated().add_process(p, (hz(1), named("p"))).add_process(Script::new(), hz(10)).build().unwrap();
    running.run_for(ms(150));
    running.handle().set_frequency("p", hz(10)).unwrap();
    running.run_for(ms(300));
    let threads = running.report().process("p").unwrap().threads.clone();
    assert_eq!((threads.started, threads.ended), (1, 1));
    running.finish().assert_clean();
}
