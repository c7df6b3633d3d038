//! The end of an application: by rank, with those that it waits for, by force, and with what took too long named.

mod common;

use common::{Log, Script, diary, ms, named, secs, simulated};
use polycephaly::prelude::*;

/// Lives until it has lived so often, and is waited for.
fn unbound(log: &Log, lives: u32) -> Script {
    let mut p = diary(log);
    let mut life = p.take_life();
    let mut left = lives;
    p.life(move |cx| {
        life(cx)?;
        left -= 1;
        if left == 0 {
            cx.die("done at last");
        }
        Ok(())
    })
}

#[test]
fn the_end_waits_for_those_that_are_not_bound_and_for_what_they_need() {
    let log = Log::default();
    let exit = simulated()
        .add_process(diary(&log), (hz(10), named("disk")))
        .add_process(unbound(&log, 5), (hz(10), named("saver"), BoundShutdown(false), Depends::on(["disk"])))
        .add_process(diary(&log), (hz(10), named("motor"), Depends::on(["disk"])))
        .run_for(ms(150));
    let lines = log.take();
    let from = lines.iter().position(|line| line == "motor dead").unwrap();
    let rest: Vec<&str> = lines[from..].iter().map(String::as_str).collect();
    assert_eq!(
        rest,
        [
            "motor dead",
            "disk 200",
            "saver 200",
            "disk 300",
            "saver 300",
            "disk 400",
            "saver 400",
            "saver dead",
            "disk dead"
        ]
    );
    assert!(exit.is_success(), "{exit}");
    assert_eq!(exit.cause(), &Cause::TimeUp);
}

#[test]
fn a_second_request_forces_the_end_unless_that_is_refused() {
    for may in [true, false] {
        let log = Log::default();
        let saver = (hz(10), named("saver"), BoundShutdown(false));
        let application = simulated().force_stop(may).add_process(unbound(&log, 50), saver);
        let application = application.add_process(diary(&log), (hz(10), named("motor")));
        let handle = application.handle();
        let again = move |time: Res<Time>| {
            if time.now() == secs(1) || time.now() == secs(2) {
                handle.stop_application("at once");
            }
        };
        let exit = application.add_systems(hz(10), again).run();
        let last = if may { "saver 2000" } else { "saver 4900" };
        let lines = log.take();
        assert_eq!(lines[lines.len() - 2..], [last, "saver dead"], "may: {may}");
        assert_eq!(lines.iter().filter(|line| *line == "motor dead").count(), 1);
        assert_eq!(exit.report().refused_forces, u64::from(!may));
        assert_eq!(exit.cause(), &Cause::Stopped { by: "application".into(), reason: "at once".into() });
        assert_eq!(exit.further().len(), 1);
    }
}

#[test]
fn the_e_brake_waits_for_nobody() {
    let log = Log::default();
    let brake = Script::new().life(|cx| {
        if cx.now() == ms(200) {
            cx.ebrake("smoke");
        }
        Ok(())
    });
    let exit = simulated()
        .add_process(unbound(&log, 50), (hz(10), named("saver"), BoundShutdown(false)))
        .add_process(brake, hz(5))
        .run();
    assert_eq!(log.take(), ["saver born", "saver 0", "saver 100", "saver 200", "saver safe", "saver dead"]);
    assert_eq!(exit.code(), 1);
}

#[test]
fn the_e_brake_in_the_middle_of_an_orderly_end_ends_the_wait() {
    let log = Log::default();
    let mut saver = unbound(&log, 50);
    let mut life = saver.take_life();
    let saver = saver.life(move |cx| {
        life(cx)?;
        if cx.now() == ms(400) {
            cx.ebrake("no disk");
        }
        Ok(())
    });
    let application = simulated().add_process(saver, (hz(10), named("saver"), BoundShutdown(false)));
    let exit = application.run_for(ms(250));
    assert_eq!(log.take()[4..], ["saver 300", "saver 400", "saver safe", "saver dead"]);
    assert!(matches!(exit.cause(), Cause::Ebrake { .. }));
    assert_eq!(exit.further(), [Cause::TimeUp]);
}

#[test]
fn dropping_it_waits_for_nobody() {
    let log = Log::default();
    let saver = (hz(10), named("saver"), BoundShutdown(false));
    let mut running = simulated().add_process(unbound(&log, 50), saver).build().unwrap();
    running.run_for(ms(50));
    drop(running);
    assert_eq!(log.take(), ["saver born", "saver 0", "saver dead"]);
}

#[test]
fn a_death_that_takes_too_long_is_named_and_the_exit_is_a_failure() {
    let slow = |time: Duration| {
        Script::new().death(move |cx| {
            cx.consume(time);
            Ok(())
        })
    };
    let exit = simulated()
        .death_timeout(ms(100))
        .add_process(slow(ms(100)), named("just"))
        .add_process(slow(ms(101)), named("late"))
        .run_for(ms(10));
    assert_eq!(exit.report().overdue, ["the death of \"late\""]);
    assert_eq!((exit.is_success(), exit.code()), (false, 1));
    assert!(exit.to_string().ends_with("the death of \"late\" took longer than it may"), "{exit}");
    assert!(exit.report().to_string().contains("the death of \"late\" took longer than it may"));
}

#[test]
fn those_that_rest_or_wait_have_no_part_in_the_end() {
    let log = Log::default();
    let failing = {
        let mut p = diary(&log);
        let _ = p.take_life();
        p.life(|_| Err("at once")?)
    };
    let backoff = Backoff { first: secs(60), ..Backoff::default() };
    let exit = simulated()
        .add_process(diary(&log), (hz(10), named("rests"), Autostart(false)))
        .add_process(failing, (hz(10), named("waits"), Supervision::both(Restart::new().backoff(backoff))))
        .add_process(diary(&log), (hz(1), named("lives")))
        .run_for(secs(1));
    assert_eq!(log.take(), ["waits born", "lives born", "waits dead", "lives 0", "lives dead"]);
    let level = |name: &str| exit.report().process(name).unwrap().run_level;
    assert_eq!([level("rests"), level("waits"), level("lives")], [RunLevel::Unset; 3]);
}

#[test]
fn mains_death_ends_it_by_rank_and_a_stop_of_main_is_one() {
    for stopped in [false, true] {
        let log = Log::default();
        let mut main = diary(&log);
        let mut life = main.take_life();
        let main = main.life(move |cx| {
            life(cx)?;
            if cx.now() == ms(100) {
                match stopped {
                    true => cx.stop("main", "enough")?,
                    false => cx.die("enough"),
                }
            }
            Ok(())
        });
        let exit = simulated().add_main(main, hz(10)).add_process(diary(&log), (hz(10), named("p"))).run();
        assert_eq!(log.take()[2..], ["main 0", "p 0", "main 100", "p 100", "main dead", "p dead"]);
        assert!(matches!(exit.cause(), Cause::MainDied { .. }));
        assert_eq!(exit.code(), 0);
    }
}

#[test]
fn an_error_that_main_may_not_survive_is_a_failing_exit() {
    let main = Script::new().life(|_| Err("no map")?);
    let exit = simulated().add_main(main, Supervision::new().on_error(Response::Die)).run();
    assert_eq!(
        (exit.code(), exit.to_string().lines().next().unwrap()),
        (1, "the main process ended (\"main\" failed in its life: no map)")
    );
}

#[test]
fn who_asks_for_the_end_in_its_birth_stops_the_births_after_it() {
    let log = Log::default();
    let asks = Script::new().birth(|cx| {
        cx.stop_application("nothing to do");
        Ok(())
    });
    let exit = simulated()
        .add_process(diary(&log), (hz(10), named("before")))
        .add_process(asks, hz(10))
        .add_process(diary(&log), (hz(10), named("after")))
        .run();
    assert_eq!(log.take(), ["before born", "before dead"]);
    assert!(exit.is_success());
}

#[test]
fn who_was_to_be_born_after_the_end_had_begun_counts_no_lives_while_others_are_waited_for() {
    let log = Log::default();
    let asks = Script::new().birth(|cx| {
        cx.stop_application("nothing to do");
        Ok(())
    });
    let exit = simulated()
        .add_process(unbound(&log, 3), (hz(10), named("saver"), BoundShutdown(false)))
        .add_process(asks, (hz(10), named("asks")))
        .add_process(diary(&log), (hz(10), named("after")))
        .run();
    assert_eq!(log.take(), ["saver born", "saver 0", "saver 100", "saver 200", "saver dead"]);
    let lives = |name: &str| exit.report().process(name).unwrap().lives;
    assert_eq!([lives("saver"), lives("asks"), lives("after")], [3, 0, 0]);
}
