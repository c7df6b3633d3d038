//! Start, stop and restart by name, from a process and from outside; births and deaths in order of dependency.

mod common;

use common::{Log, Script, diary, ms, named, secs, simulated};
use polycephaly::prelude::*;

/// Does something at 200 ms.
fn at_200(mut act: impl FnMut(&mut Context<Script>) -> Result + Send + Sync + 'static) -> Script {
    Script::new().life(move |cx| if cx.now() == ms(200) { act(cx) } else { Ok(()) })
}

#[test]
fn stopped_and_started_it_keeps_its_state_and_its_name() {
    let log = Log::default();
    let (births, lives, deaths) = (log.clone(), log.clone(), log.clone());
    let mut count = 0;
    let counter = Script::new()
        .birth(move |_| {
            births.say("born");
            Ok(())
        })
        .life(move |cx| {
            count += 1;
            lives.say(format!("{count} at {}, {} ms after", cx.now().as_millis(), cx.dt().as_millis()));
            Ok(())
        })
        .death(move |cx| {
            deaths.say(format!("dead at {}: {}", cx.run_level(), cx.cause().ok_or("no cause")?));
            Ok(())
        });
    let mut running = simulated()
        .add_process(counter, (hz(10), named("counter")))
        .add_process(at_200(|cx| Ok(cx.stop("Counter", "enough")?)), hz(10))
        .build()
        .unwrap();
    let address = running.handle().address_of("counter").unwrap();
    running.run_for(ms(450));
    assert_eq!(address.run_level(), RunLevel::Unset);
    assert_eq!(running.report().process("counter").unwrap().ended_by.as_deref(), Some("stopped by \"Script\": enough"));
    let refused = running.mail(Mail::to(&address).subject("hello")).unwrap_err();
    assert_eq!(refused.kind(), SendErrorKind::Closed);
    assert!(running.handle().address_of("COUNTER").is_ok(), "its name is kept");
    running.handle().start("counter").unwrap();
    running.handle().start("counter").unwrap();
    running.run_for(ms(200));
    assert_eq!(address.run_level(), RunLevel::Run);
    assert!(running.mail(Mail::to(&address).subject("hello")).is_ok());
    assert_eq!(
        log.take(),
        [
            "born",
            "1 at 0, 0 ms after",
            "2 at 100, 100 ms after",
            "3 at 200, 100 ms after",
            "dead at HALT: stopped by \"Script\": enough",
            "born",
            "4 at 500, 50 ms after",
            "5 at 600, 100 ms after",
        ]
    );
    let report = running.report();
    let counter = report.process("counter").unwrap();
    assert_eq!((counter.lives, counter.restarts, &counter.ended_by), (5, 1, &None));
}

#[test]
fn restarted_by_request_it_keeps_its_mail_and_dies_and_is_born_once() {
    let log = Log::default();
    let mut running = simulated().add_process(diary(&log), (hz(10), named("p"))).build().unwrap();
    running.run_for(ms(150));
    running.handle().restart("p", "new settings").unwrap();
    running.run_for(ms(150));
    assert_eq!(log.take(), ["p born", "p 0", "p 100", "p dead", "p born", "p 200"]);
    assert_eq!(running.report().process("p").unwrap().restarts, 1);
    // One that rests is started by it.
    running.handle().stop("p", "pause").unwrap();
    running.run_for(ms(0));
    running.handle().restart("p", "go on").unwrap();
    assert!(!running.run_for(ms(100)), "without a main, the application ends when nobody lives");
}

#[test]
fn a_process_restarts_itself_by_its_run_level() {
    let log = Log::default();
    let mut p = diary(&log);
    let mut life = p.take_life();
    let p = p.life(move |cx| {
        life(cx)?;
        if cx.now() == ms(100) {
            assert_eq!(cx.set_run_level(RunLevel::Reboot)?, RunLevel::Reboot);
            assert_eq!(cx.run_level(), RunLevel::Reboot);
            assert!(!cx.is_active());
        }
        Ok(())
    });
    simulated().add_process(p, (hz(10), named("p"))).run_for(ms(300)).assert_clean();
    assert_eq!(log.take(), ["p born", "p 0", "p 100", "p dead", "p born", "p 200", "p dead"]);
}

#[test]
fn a_start_starts_what_it_depends_on_first() {
    let log = Log::default();
    let rests = Autostart(false);
    let mut running = simulated()
        .add_process(diary(&log), (hz(10), named("top"), Depends::on(["Left", "right"]), rests))
        .add_process(diary(&log), (hz(10), named("left"), Depends::on(["base"]), rests))
        .add_process(diary(&log), (hz(10), named("right"), Depends::on(["base"]), rests))
        .add_process(diary(&log), (hz(10), named("base"), rests))
        .add_process(at_200(|cx| Ok(cx.start("TOP")?)), hz(10))
        .build()
        .unwrap();
    running.run_for(ms(201));
    assert_eq!(log.take(), ["base born", "left born", "right born", "top born"]);
    running.handle().stop("base", "alone").unwrap();
    running.run_for(ms(100));
    assert_eq!(log.take(), ["base dead", "left 300", "right 300", "top 300"], "a stop concerns nobody else");
    running.handle().restart("top", "again").unwrap();
    running.run_for(ms(10));
    assert_eq!(log.take(), ["top dead", "top born"], "what is stopped stays so: nothing of it is started by a restart");
}

#[test]
fn what_rests_can_be_despawned_and_its_name_is_free_then() {
    let log = Log::default();
    let mut running = simulated()
        .add_process(diary(&log), (hz(10), named("p"), Autostart(false)))
        .add_process(Script::new(), hz(10))
        .build()
        .unwrap();
    running.run_for(ms(100));
    let entity = running.handle().address_of("p").unwrap().entity();
    running.world_mut().despawn(entity);
    assert!(running.handle().address_of("p").is_err());
    assert!(log.take().is_empty(), "it was never born, so it does not die");
    running.handle().spawn(diary(&log), (hz(10), named("P")));
    running.run_for(ms(150));
    assert_eq!(log.take(), ["P born", "P 200"]);
    assert_eq!(running.report().processes.iter().filter(|process| process.name == "p").count(), 1);
}

#[test]
fn a_stop_while_it_waits_to_be_born_again_ends_the_wait_and_a_start_cuts_it_short() {
    for start in [false, true] {
        let log = Log::default();
        let mut p = diary(&log);
        let mut life = p.take_life();
        let p = p.life(move |cx| {
            life(cx)?;
            if cx.now() == Duration::ZERO { Err("once")? } else { Ok(()) }
        });
        let backoff = Backoff { first: secs(1), ..Backoff::default() };
        let supervision = Supervision::both(Restart::new().backoff(backoff));
        let application = simulated().add_process(p, (hz(10), named("p"), supervision));
        let mut running = application.add_process(Script::new(), hz(10)).build().unwrap();
        running.run_for(ms(150));
        running.mail(Mail::to("p").subject("kept")).unwrap();
        assert_eq!(running.handle().address_of("p").unwrap().run_level(), RunLevel::Reboot);
        match start {
            true => running.handle().start("p").unwrap(),
            false => running.handle().stop("p", "no more").unwrap(),
        }
        running.run_for(secs(2));
        let lines = log.take();
        let births = lines.iter().filter(|line| *line == "p born").count();
        assert_eq!(births, if start { 2 } else { 1 }, "{lines:?}");
        assert_eq!(lines.contains(&"p 200".to_owned()), start);
        assert_eq!(
            running.report().dead_letters,
            u64::from(!start),
            "its mail is a dead letter when it does not come back"
        );
    }
}

#[test]
fn births_go_by_rank_and_deaths_the_other_way() {
    let log = Log::default();
    simulated()
        .add_process(diary(&log), (hz(10), named("motor"), Depends::on(["imu", "power"])))
        .add_process(diary(&log), (hz(10), named("imu"), Depends::on(["power"])))
        .add_process(diary(&log), (hz(10), named("lamp")))
        .add_process(diary(&log), (hz(10), named("power")))
        .run_for(ms(1))
        .assert_clean();
    let lines = log.take();
    let events: Vec<&str> = lines.iter().map(String::as_str).filter(|line| !line.ends_with('0')).collect();
    assert_eq!(
        events,
        [
            "lamp born",
            "power born",
            "imu born",
            "motor born", // the other ranks have waited for them
            "motor dead",
            "imu dead",
            "power dead",
            "lamp dead"
        ]
    );
}

#[test]
fn circles_and_unknown_names_print_their_chain() {
    let process = |name: &str, needs: &[&'static str]| (hz(10), named(name), Depends::on(needs.iter().copied()));
    let error = simulated()
        .add_process(Script::new(), process("a", &["b"]))
        .add_process(Script::new(), process("b", &["c"]))
        .add_process(Script::new(), process("c", &["A"]))
        .add_process(Script::new(), process("d", &["e"]))
        .build()
        .unwrap_err();
    assert_eq!(
        error.faults,
        [
            "these depend on each other in a circle, so none can be born first: a -> b -> c -> a",
            "\"d\" depends on \"e\", and there is no such process (d -> e): add it, or mend the name"
        ]
    );
}

#[test]
fn one_spawned_later_may_depend_on_those_that_are_there() {
    let log = Log::default();
    let base = (hz(10), named("base"), Autostart(false));
    let mut running = simulated().add_process(diary(&log), base).add_process(Script::new(), hz(10)).build().unwrap();
    running.run_for(ms(50));
    let late = (hz(10), named("late"), Depends::on(["base"]));
    running.world_mut().spawn_process(diary(&log), late).unwrap();
    assert_eq!(log.take(), ["base born", "late born"]);
    let lost = (hz(10), named("lost"), Depends::on(["nobody"]));
    let error = running.world_mut().spawn_process(diary(&log), lost).unwrap_err();
    let text = "process \"lost\" of type Script was not born: \"lost\" depends on \"nobody\", and there is no such process \
                (lost -> nobody): add it, or mend the name";
    assert_eq!(error.to_string(), text);
    assert!(running.handle().address_of("lost").is_err());
    let entities = running.world_mut().query::<&Script>().iter(running.world()).count();
    assert_eq!(entities, 3, "it was handed back");
    drop(error.process);
    running.finish().assert_clean();
    assert_eq!(log.take(), ["late dead", "base dead"]);
}

#[test]
fn prepare_runs_before_birth_and_side_by_side_where_asked() {
    use std::sync::{Arc, Barrier};

    /// Ends its `prepare` only when all others are in theirs.
    #[derive(Component)]
    struct Slow(Arc<Barrier>, Log);
    impl Process for Slow {
        fn prepare(&mut self) -> Result {
            self.0.wait();
            self.1.say("prepared");
            Ok(())
        }
        fn birth(&mut self, cx: &mut Context<Self>) -> Result {
            self.1.say(format!("{} born", cx.name()));
            Ok(())
        }
    }
    let (barrier, log) = (Arc::new(Barrier::new(3)), Log::default());
    let mut application = simulated();
    for name in ["a", "b", "c"] {
        application = application.add_process(Slow(barrier.clone(), log.clone()), (named(name), ParallelBirth));
    }
    let running = application.build().unwrap();
    assert_eq!(log.take(), ["prepared", "prepared", "prepared", "a born", "b born", "c born"]);
    drop(running);
}

#[test]
fn the_epoch_waits_for_the_slowest_birth_which_is_named() {
    let log = Log::default();
    let lives = log.clone();
    let slow = Script::new().birth(|cx| {
        cx.consume(secs(3));
        Ok(())
    });
    let fast = Script::new().life(move |cx| {
        lives.say(format!("{} {}", cx.now().as_millis(), cx.frame()));
        Ok(())
    });
    let exit = simulated().add_process(fast, hz(2)).add_process(slow, hz(2)).run_for(secs(1));
    assert_eq!(log.take(), ["3000 1", "3500 2"], "no group begins before all are born, and nobody is late");
    assert_eq!(exit.report().slow_births, 1);
    assert_eq!(exit.report().group("2 Hz").unwrap().late, 0);
}

#[test]
fn another_frequency_while_it_rests_holds_from_its_next_birth() {
    let log = Log::default();
    let mut running = simulated()
        .add_process(diary(&log), (hz(10), named("p")))
        .add_process(diary(&log), (hz(10), named("q"), Autostart(false)))
        .add_process(Script::new(), hz(10))
        .build()
        .unwrap();
    running.run_for(ms(50));
    running.handle().stop("p", "new pace").unwrap();
    running.run_for(ms(50));
    for name in ["p", "q"] {
        running.handle().set_frequency(name, hz(20)).unwrap();
    }
    running.run_for(ms(100));
    running.handle().start("p").unwrap();
    running.handle().start("q").unwrap();
    running.run_for(ms(110));
    assert_eq!(
        log.take(),
        ["p born", "p 0", "p dead", "p born", "q born", "p 250", "q 250", "p 300", "q 300"],
        "born at 200, and never in the group of before"
    );
    let report = running.report();
    assert_eq!(report.group("20 Hz").unwrap().population, 2);
    assert_eq!(report.group("10 Hz").unwrap().population, 1);
    assert_eq!((report.process("p").unwrap().lives, report.process("q").unwrap().lives), (3, 2));
}

#[test]
fn a_frequency_that_an_observer_gives_it_before_its_birth_holds() {
    let log = Log::default();
    let hurry = |world: &mut World| {
        world.add_observer(|added: On<Add<Script>>, mut commands: Commands| {
            commands.entity(added.entity).insert(hz(20));
        });
    };
    let mut running = simulated().setup(hurry).add_process(diary(&log), (hz(10), named("p"))).build().unwrap();
    running.run_for(ms(10));
    running.world_mut().spawn_process(diary(&log), (hz(10), named("q"))).unwrap();
    running.run_for(ms(95));
    assert_eq!(log.take(), ["p born", "p 0", "q born", "p 50", "q 50", "p 100", "q 100"]);
    assert_eq!(running.report().group("20 Hz").unwrap().population, 2);
}

/// A process that writes to the reader at one instant.
fn writer_at(instant: Duration) -> Script {
    Script::new().life(move |cx| {
        if cx.now() == instant {
            cx.tell("reader", "number", 1_u64);
        }
        Ok(())
    })
}

/// Mail from another head calls the mailman; when its reader stops meanwhile, that call must not stand for the next.
#[test]
fn mail_is_read_after_a_start_though_other_mail_was_on_its_way_at_the_stop() {
    let reader = Script::new().birth(|cx| {
        cx.on::<u64>(|_, _, _| Ok(()));
        Ok(())
    });
    let mut running = simulated()
        .add_head(Head::new("far"))
        .add_process(reader, (hz(10), named("reader")))
        .add_process(writer_at(ms(250)), (hz(20), OnHead::new("far")))
        .add_process(writer_at(ms(600)), hz(10))
        .build()
        .unwrap();
    running.run_for(ms(260));
    let handle = running.handle();
    handle.stop("reader", "enough").unwrap();
    running.run_for(ms(190));
    handle.start("reader").unwrap();
    running.run_for(ms(400));
    let mail = running.report().process("reader").unwrap().mail;
    assert_eq!((mail.received, mail.delivered, mail.waiting), (2, 2, 0), "{mail:?}");
}
