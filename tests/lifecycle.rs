//! Birth and death: every way in, every way out, and each of them exactly once.

mod common;

use common::logs::lines_of;
use common::{Log, Script, Sparse, diary, ms, named, secs, simulated};
use polycephaly::prelude::*;

/// A process that does something to its context at 200 ms.
fn at_200(mut act: impl FnMut(&mut Context<Script>) -> Result + Send + Sync + 'static) -> Script {
    Script::new().life(move |cx| if cx.now() == ms(200) { act(cx) } else { Ok(()) })
}

#[test]
fn spawned_from_a_process_it_lives_first_at_the_next_grid_point() {
    let log = Log::default();
    let children = log.clone();
    let mother = at_200(move |cx| {
        for (name, frequency) in [("same", hz(10)), ("slow", hz(5)), ("fast", hz(40)), ("odd", hz(30))] {
            cx.spawn(diary(&children), (frequency, named(name)));
        }
        Ok(())
    });
    // The groups of 5 and 40 Hz are there already, that of 30 Hz comes with its process.
    let mut running = simulated()
        .add_process(mother, hz(10))
        .add_process(Script::new(), hz(5))
        .add_process(Script::new(), hz(40))
        .build()
        .unwrap();
    assert!(running.run_for(ms(401)));
    let lines = log.take();
    let of = |name: &str| -> Vec<u64> {
        lines.iter().filter_map(|line| line.strip_prefix(name)?.trim().parse().ok()).collect()
    };
    assert_eq!(of("same"), [300, 400]);
    assert_eq!(of("slow"), [400], "not at 200, though that tick comes after the birth");
    assert_eq!(of("fast"), [225, 250, 275, 300, 325, 350, 375, 400]);
    assert_eq!(of("odd"), [233, 266, 300, 333, 366, 400]);
    assert_eq!(lines.iter().filter(|line| line.ends_with("born")).count(), 4);
}

#[test]
fn spawned_from_a_system() {
    let log = Log::default();
    let children = log.clone();
    let mut turn = 0;
    let system = move |mut commands: Commands| {
        turn += 1;
        if turn == 3 {
            commands.spawn_process(diary(&children), (hz(10), named("child")));
        }
    };
    let mut running = simulated().add_systems(hz(10), system).build().unwrap();
    assert!(running.run_for(ms(500)));
    assert_eq!(log.take(), ["child born", "child 300", "child 400"]);
}

#[test]
fn spawned_from_another_thread() {
    let log = Log::default();
    let mut running = simulated().add_process(Script::new(), hz(10)).build().unwrap();
    assert!(running.run_for(ms(200)));
    let (handle, child) = (running.handle(), diary(&log));
    std::thread::spawn(move || handle.spawn(child, (hz(10), named("child")))).join().unwrap();
    assert!(log.take().is_empty(), "not before the next step");
    assert!(running.run_for(ms(300)));
    // Born at 200, before the tick of 200: strictly later is 300.
    assert_eq!(log.take(), ["child born", "child 300", "child 400"]);
}

#[test]
fn spawned_into_the_world_from_outside_it_is_no_different() {
    let log = Log::default();
    let mut running = simulated().add_process(Script::new(), hz(10)).build().unwrap();
    assert!(running.run_for(ms(200)));
    running.world_mut().spawn_process(diary(&log), (hz(10), named("child"))).unwrap();
    assert_eq!(log.take(), ["child born"]);
    assert!(running.run_for(ms(300)));
    assert_eq!(log.take(), ["child 300", "child 400"]);
}

#[test]
fn dt_of_the_first_life_counts_from_birth() {
    let log = Log::default();
    let writes = log.clone();
    let mut running = simulated().add_process(Script::new(), hz(10)).build().unwrap();
    assert!(running.run_for(ms(250)));
    let child = Script::new().life(move |cx| {
        writes.say(cx.dt().as_millis().to_string());
        Ok(())
    });
    running.world_mut().spawn_process(child, hz(10)).unwrap();
    assert!(running.run_for(ms(200)));
    assert_eq!(log.take(), ["50", "100"]);
}

/// One way to end the process `p`, which ticks at 10 Hz, at 200 ms; and what its report says.
type End = (&'static str, fn(Script) -> Application, fn(&mut Running), &'static str);

const ENDS: [End; 6] = [
    ("die", |p| simulated().add_process(dies(p), (hz(10), named("p"))), |_| {}, "\"p\" died: done"),
    (
        "poison pill by another",
        |p| {
            simulated()
                .add_process(p, (hz(10), named("p")))
                .add_process(at_200(|cx| Ok(cx.send_pill("P").map(drop)?)), (hz(10), named("q")))
        },
        |_| {},
        "\"p\" died: poison pill of q",
    ),
    (
        "a system despawns it",
        |p| simulated().add_process(p, (hz(10), named("p"))).add_systems(hz(10), despawn),
        |_| {},
        GONE,
    ),
    (
        "a system takes its component",
        |p| simulated().add_process(p, (hz(10), named("p"))).add_systems(hz(10), strip),
        |_| {},
        GONE,
    ),
    (
        "the world is changed from outside",
        |p| simulated().add_process(p, (hz(10), named("p"))),
        |running| {
            let entity = running.world_mut().query_filtered::<Entity, With<Script>>().iter(running.world()).next();
            running.world_mut().despawn(entity.unwrap());
        },
        GONE,
    ),
    ("panic", |p| simulated().add_process(panics(p), (hz(10), named("p"))), |_| {}, "\"p\" panicked: ouch"),
];

const GONE: &str = "its entity was despawned or lost its process component";

fn dies(mut p: Script) -> Script {
    let mut life = p.take_life();
    p.life(move |cx| {
        life(cx)?;
        if cx.now() == ms(200) {
            cx.die("done");
            assert!(!cx.is_active());
            assert_eq!(cx.run_level(), RunLevel::Cleanup);
        }
        Ok(())
    })
}

fn panics(mut p: Script) -> Script {
    let mut life = p.take_life();
    p.life(move |cx| {
        life(cx)?;
        assert!(cx.now() != ms(200), "ouch");
        Ok(())
    })
}

fn despawn(mut turn: Local<u32>, all: Query<(Entity, Identity), With<Script>>, mut commands: Commands) {
    *turn += 1;
    for (entity, _) in all.iter().filter(|(_, who)| *turn == 3 && who.address().name() == "p") {
        commands.entity(entity).despawn();
    }
}

fn strip(mut turn: Local<u32>, all: Query<(Entity, Identity), With<Script>>, mut commands: Commands) {
    *turn += 1;
    for (entity, _) in all.iter().filter(|(_, who)| *turn == 3 && who.address().name() == "p") {
        commands.entity(entity).remove::<Script>();
    }
}

#[test]
fn every_single_end_runs_death_once_and_the_others_live_on() {
    for (way, build, act, cause) in ENDS {
        let log = Log::default();
        let mut running = build(diary(&log)).add_process(diary(&log), (hz(10), named("bystander"))).build().unwrap();
        assert!(running.run_for(ms(201)));
        act(&mut running);
        assert!(running.run_for(ms(400)), "{way}");
        assert_eq!(log.count("p dead"), 1, "{way}");
        let report = running.report();
        let found: Vec<_> = report.processes.iter().filter(|process| process.name == "p").collect();
        assert_eq!(found.len(), 1, "{way}: listed once");
        assert_eq!((found[0].lives, found[0].run_level), (3, RunLevel::Unset), "{way}");
        assert_eq!(found[0].ended_by.as_deref(), Some(cause), "{way}");
        assert!(running.handle().stop("p", "again").is_err(), "{way}: nobody has this name any more");
        running.handle().spawn(Script::new(), (hz(10), named("P")));
        assert!(running.run_for(ms(200)));
        assert!(running.get::<Script>("p").is_some(), "{way}: the name is free again");
        let exit = running.finish();
        assert_eq!((log.count("p dead"), log.count("bystander dead")), (1, 1), "{way}");
        assert_eq!(exit.report().process("bystander").unwrap().lives, 9, "{way}");
        assert_eq!(exit.report().groups[0].population, 0, "{way}");
        assert!(exit.is_success(), "{way}: {exit}");
    }
}

/// One way to end the whole application at 200 ms, and the cause that its exit tells.
type Finish = (&'static str, fn(&mut Context<Script>), Option<fn(&ApplicationHandle)>, &'static str);

const FINISHES: [Finish; 5] = [
    ("stop_application", |cx| cx.stop_application("so"), None, "stopped by \"main\": so"),
    ("main dies", |cx| cx.die("bye"), None, "the main process ended (\"main\" died: bye)"),
    ("ebrake", |cx| cx.ebrake("hot"), None, "e-brake pulled by \"main\": hot"),
    ("handle stops", |_| {}, Some(|handle| handle.stop_application("so")), "stopped by \"application\": so"),
    ("handle brakes", |_| {}, Some(|handle| handle.ebrake("hot")), "e-brake pulled by \"application\": hot"),
];

#[test]
fn every_end_of_all_runs_each_death_once_and_safe_stop_before_all_with_the_e_brake() {
    for (way, act, outside, cause) in FINISHES {
        let log = Log::default();
        let main = at_200(move |cx| {
            act(cx);
            Ok(())
        });
        let mut running = simulated()
            .add_process(diary(&log), (hz(10), named("before")))
            .add_main(main, hz(10))
            .add_process(diary(&log), (hz(10), named("after")))
            .add_process(diary(&log), (hz(5), named("slow")))
            .build()
            .unwrap();
        let (exit, logged) = lines_of(|| {
            let goes_on = running.run_for(ms(201));
            if let Some(outside) = outside {
                assert!(goes_on);
                outside(&running.handle());
            }
            assert!(!running.run_for(secs(1)), "{way}");
            running.finish()
        });
        let braked = cause.starts_with("e-brake");
        let line = format!("{} cause={cause}", if braked { "e-brake" } else { "the application ends" });
        assert!(logged.len() == 1 && logged[0].ends_with(&line), "{way}: {logged:?}");
        assert_eq!(exit.cause().to_string(), cause, "{way}");
        assert_eq!(exit.code(), u8::from(braked), "{way}");
        let lines = log.take();
        let tail: Vec<_> = lines.iter().filter(|line| line.ends_with("dead") || line.ends_with("safe")).collect();
        let safe = ["before safe", "after safe", "slow safe"];
        let dead = ["slow dead", "after dead", "before dead"];
        assert_eq!(tail, if braked { [safe, dead].concat() } else { dead.to_vec() }, "{way}");
        // An orderly end lets the tick go on to its end; with the e-brake no other life begins.
        let inside = outside.is_none();
        assert_eq!(lines.contains(&"after 200".into()), !(inside && braked), "{way}");
        assert_eq!(lines.contains(&"slow 200".into()), !inside, "{way}: it ticks after main's group");
    }
}

/// `safe_stop` comes before any death, also before that of a process which had been told to die in the same tick.
#[test]
fn the_e_brake_stops_the_dying_too_before_they_die() {
    for sparse in [false, true] {
        let log = Log::default();
        let dying = dies(diary(&log));
        let children = log.clone();
        let mother = at_200(move |cx| {
            cx.spawn(diary(&children), named("child"));
            Ok(())
        });
        let application = simulated()
            .add_process(dying, (hz(10), named("dying")))
            .add_process(diary(&log), (hz(20), named("fast")))
            .add_process(mother, hz(10));
        let application = if sparse {
            let brake = |cx: &mut Context<Sparse>| {
                cx.ebrake("hot");
                Ok(())
            };
            application
                .add_process(Sparse::new().life(brake), (hz(10), named("brake")))
                .group(hz(10), |g| g.phase(ms(200)))
        } else {
            let brake = at_200(|cx| {
                cx.ebrake("hot");
                Ok(())
            });
            application.add_process(brake, hz(10))
        };
        let mut running = application.build().unwrap();
        assert!(!running.run_for(secs(1)));
        let _ = running.finish();
        let mut lines = log.take();
        lines.retain(|line| ["dead", "safe"].iter().any(|end| line.ends_with(end)) || line.starts_with("child"));
        assert_eq!(lines, ["dying safe", "fast safe", "fast dead", "dying dead"]);
    }
}

#[test]
fn the_first_e_brake_is_the_cause_and_the_others_are_listed() {
    let mut application = simulated();
    for index in 0..3 {
        let process = Script::new().life(|cx| {
            cx.ebrake("one");
            cx.stop_application("two");
            cx.ebrake("three");
            Ok(())
        });
        application = application.add_process(process, (hz(10), named(&format!("p{index}"))));
    }
    let exit = application.run();
    assert_eq!(exit.cause().to_string(), "e-brake pulled by \"p0\": one");
    let further: Vec<_> = exit.further().iter().map(ToString::to_string).collect();
    assert_eq!(further, ["stopped by \"p0\": two", "e-brake pulled by \"p0\": three"]);
}
