//! How a process is born again: when, how often, with whom, with what, and what follows when that does not help.

mod common;

use common::{Log, Script, diary, ms, named, secs, simulated};
use polycephaly::prelude::*;

fn quick(wait: Duration) -> Restart {
    Restart::new().backoff(Backoff { first: wait, max: wait, ..Backoff::default() })
}

/// Fails in every life, and writes down when it is born and when it fails.
fn failing(log: &Log, healthy: u64) -> Script {
    let (births, lives) = (log.clone(), log.clone());
    let mut born = 0;
    let mut count = 0;
    Script::new()
        .birth(move |cx| {
            births.say(format!("born {}", cx.now().as_millis()));
            Ok(())
        })
        .life(move |cx| {
            born += 1;
            if born <= healthy {
                return Ok(());
            }
            (born, count) = (0, count + 1);
            lives.say(format!("fails {}", cx.now().as_millis()));
            Err(format!("failure {count}"))?
        })
}

#[test]
fn a_restart_storm_to_the_tick() {
    let log = Log::default();
    let backoff = Backoff { first: ms(100), factor: 2.0, max: ms(500), reset_after: secs(10) };
    let restart = Restart::new().backoff(backoff).at_most(5, secs(60));
    let settings = (hz(100), named("p"), Supervision::new().on_error(restart));
    let mut running =
        simulated().add_process(failing(&log, 0), settings).add_process(Script::new(), hz(1)).build().unwrap();
    running.run_for(secs(10));
    let lines = log.take();
    // Each wait is counted from the failure; the life is at the next grid point strictly after the birth.
    assert_eq!(
        lines,
        [
            "born 0",
            "fails 0",
            "born 100",
            "fails 110",
            "born 310",
            "fails 320",
            "born 720",
            "fails 730",
            "born 1230",
            "fails 1240",
            "born 1740",
            "fails 1750"
        ]
    );
    let report = running.report();
    let p = report.process("p").unwrap();
    assert_eq!((p.restarts, p.errors, p.lives, p.run_level), (5, 6, 6, RunLevel::Unset));
    let cause = "\"p\" was given up after 5 restart(s), last because \"p\" failed in its life: failure 6";
    assert_eq!(p.ended_by.as_deref(), Some(cause));
}

#[test]
fn failures_that_leave_the_window_are_forgiven_and_health_resets_the_wait() {
    let log = Log::default();
    let backoff = Backoff { first: ms(100), factor: 10.0, max: secs(60), reset_after: secs(2) };
    let restart = Restart::new().backoff(backoff).at_most(2, secs(5));
    // 30 good lives at 10 Hz between failures: 3 s of health.
    let settings = (hz(10), named("p"), Supervision::new().on_error(restart));
    let application = simulated().add_process(failing(&log, 30), settings).add_process(Script::new(), hz(1));
    let exit = application.run_for(secs(32));
    let report = exit.report().process("p").unwrap();
    assert_eq!(
        (report.errors, report.restarts),
        (10, 10),
        "about every 3 s, each waits the shortest time: never given up"
    );
    // Without health in between, the second wait is ten times as long.
    let log = Log::default();
    let settings = (hz(10), named("p"), Supervision::new().on_error(restart));
    let application = simulated().add_process(failing(&log, 9), settings).add_process(Script::new(), hz(1));
    assert!(application.run_for(secs(5)).is_success());
    assert_eq!(log.take(), ["born 0", "fails 900", "born 1000", "fails 2000", "born 3000", "fails 4000"]);
}

#[test]
fn it_escalates_to_the_e_brake_when_told_so() {
    let log = Log::default();
    let restart = quick(Duration::ZERO).at_most(1, secs(1)).then_ebrake();
    let exit = simulated()
        .add_process(failing(&log, 0), (hz(10), named("p"), Supervision::both(restart)))
        .add_process(diary(&log), (hz(10), named("other")))
        .run();
    assert!(matches!(exit.cause(), Cause::Ebrake { culprit, .. } if culprit == "p"), "{exit}");
    assert_eq!(exit.code(), 1);
    assert_eq!(log.count("other safe"), 1);
}

#[test]
fn without_a_wait_it_is_born_again_in_the_same_instant_and_lives_in_the_next_tick() {
    let log = Log::default();
    let supervision = Supervision::both(quick(Duration::ZERO).at_most(100, secs(60)));
    let exit = simulated().add_process(failing(&log, 1), (hz(10), supervision)).run_for(ms(500));
    assert!(exit.is_success(), "{exit}");
    assert_eq!(log.take(), ["born 0", "fails 100", "born 100", "fails 300", "born 300"]);
}

#[test]
fn the_state_is_as_the_renewal_says() {
    #[derive(Component, Clone, Default)]
    struct Counter {
        count: u32,
        log: Log,
    }
    impl Process for Counter {
        fn life(&mut self, cx: &mut Context<Self>) -> Result {
            self.count += 1;
            self.log.say(self.count.to_string());
            let own = cx.name().to_owned();
            if cx.now() == ms(200) {
                cx.restart(&own, "to see")?;
            }
            Ok(())
        }
    }
    let lives = |renewal: Option<fn(Log) -> Renewal<Counter>>| {
        let log = Log::default();
        let counter = Counter { count: 10, log: log.clone() };
        let application = simulated();
        let application = match renewal {
            Some(renewal) => application.add_process(counter, (hz(10), renewal(log.clone()))),
            None => application.add_process(counter, hz(10)),
        };
        let _ = application.run_for(ms(500));
        log.take().join(" ")
    };
    assert_eq!(lives(None), "11 12 13 14 15", "as it was");
    assert_eq!(lives(Some(|_| Renewal::first_state())), "11 12 13 11 12", "as it was at first");
    assert_eq!(
        lives(Some(|log| Renewal::with(move || Counter { count: 0, log: log.clone() }))),
        "11 12 13 1 2",
        "made anew"
    );
    assert_eq!(
        lives(Some(|_| Renewal::default_state())),
        "11 12 13",
        "its default, which writes into a log of its own"
    );
}

#[test]
fn a_renewal_that_panics_is_the_processs_failure() {
    #[derive(Component)]
    struct Idle;
    impl Process for Idle {
        fn life(&mut self, cx: &mut Context<Self>) -> Result {
            let own = cx.name().to_owned();
            Ok(cx.restart(&own, "to see")?)
        }
    }
    let settings = (hz(10), named("p"), Renewal::with(|| -> Idle { panic!("no parts left") }));
    let exit = simulated().add_process(Idle, settings).add_process(Script::new(), hz(10)).run_for(secs(1));
    let report = exit.report().process("p").unwrap();
    assert_eq!((report.panics, report.lives), (1, 1));
    assert_eq!(report.ended_by.as_deref(), Some("\"p\" panicked: no parts left"));
}

/// Reads notes, and fails at 100 ms.
fn reader(log: &Log) -> Script {
    let (births, mut fails) = (log.clone(), true);
    Script::new()
        .birth(move |cx| {
            let log = births.clone();
            cx.add_filter("note".into(), |_, _, _| Ok(()))?;
            cx.every(ms(1), move |_, cx| {
                log.say(format!("{} read", cx.address().mail_count().delivered));
                Ok(())
            });
            Ok(())
        })
        .life(move |cx| {
            let now = std::mem::replace(&mut fails, cx.now() < ms(100));
            if now && cx.now() == ms(100) { Err("once")? } else { Ok(()) }
        })
}

#[test]
fn mail_waits_for_the_reborn_unless_it_is_to_be_lost() {
    for (restart, delivered, lost) in [(quick(ms(250)), 3, 0), (quick(ms(250)).without_mail(), 2, 1)] {
        let log = Log::default();
        let writer = Script::new().life(|cx| {
            // At 100 ms, before it fails; at 200 and 300 ms, while it waits to be born again.
            if (ms(100)..=ms(300)).contains(&cx.now()) {
                assert!(cx.send(Mail::to("reader").subject("note")).is_ok(), "its box stays open");
            }
            Ok(())
        });
        // The reader's type comes first in each tick: what is sent at 100 ms is in its box when it fails.
        let exit = simulated()
            .add_process(reader(&log), (hz(10), named("reader"), Supervision::both(restart)))
            .add_process(writer, hz(10))
            .run_for(secs(1));
        let mail = exit.report().process("reader").unwrap().mail;
        assert_eq!((mail.received, mail.delivered, exit.report().dead_letters), (3, delivered, lost), "{restart:?}");
        assert_eq!(exit.report().process("reader").unwrap().restarts, 1);
    }
}

#[test]
fn dependents_die_before_it_and_are_born_after_it() {
    let log = Log::default();
    let imu = {
        let mut p = diary(&log);
        let mut life = p.take_life();
        p.life(move |cx| {
            life(cx)?;
            if cx.now() == ms(100) { Err("dropped out")? } else { Ok(()) }
        })
    };
    let supervision = Supervision::both(quick(ms(150)).with_dependents());
    let exit = simulated()
        .add_process(diary(&log), (hz(10), named("control"), Depends::on(["estimator"])))
        .add_process(diary(&log), (hz(10), named("estimator"), Depends::on(["imu"])))
        .add_process(imu, (hz(10), named("imu"), supervision))
        .add_process(diary(&log), (hz(10), named("light")))
        .run_for(ms(301));
    let lines = log.take();
    let around: Vec<&str> =
        lines.iter().map(String::as_str).filter(|line| line.ends_with("born") || line.ends_with("dead")).collect();
    assert_eq!(
        around,
        [
            "imu born",
            "light born",
            "estimator born",
            "control born", // by rank, and as they were added
            "control dead",
            "estimator dead",
            "imu dead",
            "imu born",
            "estimator born",
            "control born", // at 100 and 250
            "control dead",
            "estimator dead",
            "light dead",
            "imu dead"
        ]
    );
    let lives = |name: &str| exit.report().process(name).unwrap().lives;
    assert_eq!([lives("control"), lives("estimator"), lives("imu"), lives("light")], [3, 3, 3, 4]);
    assert_eq!(exit.report().process("control").unwrap().restarts, 1);
}

#[test]
fn a_fallback_takes_over_when_it_is_given_up() {
    for response in [Response::Die, quick(Duration::ZERO).at_most(2, secs(1)).into()] {
        let log = Log::default();
        let supervision = Supervision::both(response).fallback("Safe_Stop");
        let exit = simulated()
            .add_process(failing(&log, 1), (hz(10), named("driver"), supervision))
            .add_process(diary(&log), (hz(10), named("safe_stop"), Autostart(false)))
            .run_for(secs(1));
        let driver = exit.report().process("driver").unwrap();
        assert_eq!(driver.restarts, if response == Response::Die { 0 } else { 2 });
        assert_eq!(log.count("safe_stop born"), 1);
        let first = if response == Response::Die { "safe_stop 200" } else { "safe_stop 600" };
        assert!(log.contains(first), "{:?}", log.take());
        assert!(exit.is_success(), "the application went on: {exit}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_a_reason() {
    let bad = Backoff { factor: f64::NAN, ..Backoff::default() };
    let error = simulated()
        .add_process(Script::new(), (named("a"), Supervision::both(Restart::new().backoff(bad))))
        .add_process(Script::new(), (named("b"), Supervision::both(Restart::new().at_most(3, Duration::ZERO))))
        .add_process(Script::new(), (named("c"), Supervision::new().fallback("nobody")))
        .build()
        .unwrap_err();
    let text = error.to_string();
    for part in ["from 1 to 1000, not NaN", "of length 0", "the fallback of \"c\" is \"nobody\""] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}

#[test]
fn another_supervision_holds_from_the_moment_it_is_inserted() {
    let log = Log::default();
    let mut running = simulated()
        .add_process(failing(&log, 0), (hz(10), named("p")))
        .add_process(Script::new(), hz(10))
        .build()
        .unwrap();
    running.run_for(ms(300));
    let entity = running.handle().address_of("p").unwrap().entity();
    running.world_mut().entity_mut(entity).insert(Supervision::both(Response::Die));
    running.run_for(ms(300));
    let report = running.report();
    assert_eq!((report.process("p").unwrap().errors, report.process("p").unwrap().lives), (4, 4));
}
