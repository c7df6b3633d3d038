//! Names: unique without case, numbered where none is given, free again after death; and what the builder refuses.

mod common;

use common::{Log, Script, diary, ms, named, secs, simulated};
use polycephaly::prelude::*;
use polycephaly::systems::birth::Refusal;

fn refusal(error: polycephaly::systems::birth::SpawnError<Script>) -> Refusal {
    error.reason
}

#[test]
fn a_taken_name_hands_the_process_back_unborn() {
    let log = Log::default();
    let mut running = simulated().add_process(Script::new(), named("Front-Left")).build().unwrap();
    for name in ["Front-Left", "FRONT-LEFT", "front-left"] {
        let error = running.world_mut().spawn_process(diary(&log), named(name)).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(error.reason, Refusal::NameTaken(name.into()));
        // The process is whole: it can be born under another name.
        let entity = running.world_mut().spawn_process(error.process, named(&format!("{name}-b"))).unwrap();
        assert_eq!(log.take(), [format!("{name}-b born")]);
        assert!(running.world_mut().despawn(entity));
        log.take();
    }
    let empty = running.world_mut().spawn_process(Script::new(), named("")).map_err(refusal);
    assert_eq!(empty, Err(Refusal::NameEmpty));
    let stranger = World::new().spawn_process(Script::new(), named("x")).map_err(refusal);
    assert_eq!(stranger, Err(Refusal::NoApplication));
}

/// Refused births leave nothing behind: no entity, no name, no count.
#[test]
fn refused_births_are_counted_and_leave_nothing_behind() {
    let spawner = Script::new().life(|cx| {
        cx.spawn(Script::new(), (hz(1), named("TAKEN")));
        Ok(())
    });
    let mut running = simulated()
        .add_process(spawner, (hz(10), named("taken")))
        .add_systems(hz(10), |mut commands: Commands| {
            commands.spawn_process(Script::new(), named("taken"));
        })
        .build()
        .unwrap();
    running.handle().spawn(Script::new(), named("tAKEN"));
    running.run_for(ms(100));
    let entities = running.world().entities().count_spawned();
    assert!(running.run_for(secs(1)));
    assert_eq!(running.world().entities().count_spawned(), entities);
    let report = running.report();
    assert_eq!((report.refused_births, report.processes.len()), (11 * 2 + 1, 1));
    assert_eq!(report.groups.iter().map(|group| group.population).sum::<u32>(), 1);
}

#[test]
fn unnamed_ones_are_numbered_by_type_around_taken_names() {
    let mut running = simulated()
        .add_process(Script::new(), ())
        .add_process(Script::new(), named("SCRIPT-3"))
        .add_process(Script::new(), ())
        .add_process(Script::new(), ())
        .add_process(common::Sparse::new(), ())
        .build()
        .unwrap();
    let names: Vec<_> = running.report().processes.into_iter().map(|process| process.name).collect();
    assert_eq!(names, ["Script", "SCRIPT-3", "Script-2", "Script-4", "Sparse"]);
    // Systems find it, too.
    let mut query = running.world_mut().query_filtered::<Identity, With<Script>>();
    let mut found: Vec<_> = query.iter(running.world()).map(|one| one.address().name().to_owned()).collect();
    found.sort();
    assert_eq!(found, ["SCRIPT-3", "Script", "Script-2", "Script-4"]);
}

#[test]
fn a_name_is_found_in_any_case_and_kept_as_written() {
    let mut running = simulated().add_process(Script::new(), (hz(10), named("Motor"))).build().unwrap();
    assert!(running.get::<Script>("mOTOR").is_some());
    assert!(running.get::<common::Sparse>("motor").is_none(), "of another type");
    assert!(running.get::<Script>("motor2").is_none());
    assert_eq!(running.report().process("MOTOR").unwrap().name, "Motor");
}

/// The name of one that dies in a tick is free for one that is born in the same tick.
#[test]
fn a_successor_takes_over_the_name_within_the_tick() {
    let log = Log::default();
    let next = log.clone();
    let first = Script::new().life(move |cx| {
        cx.spawn(diary(&next), (hz(10), named("driver")));
        cx.die("handing over");
        Ok(())
    });
    let mut running =
        simulated().add_process(first, (hz(10), named("driver"))).add_process(Script::new(), hz(10)).build().unwrap();
    assert!(running.run_for(ms(250)));
    assert_eq!(log.take(), ["driver born", "driver 100", "driver 200"]);
    let report = running.report();
    assert_eq!(report.refused_births, 0);
    assert_eq!(report.process("driver").unwrap().ended_by, None, "the youngest of that name");
}

#[test]
fn the_builder_reports_all_faults_together() {
    let log = Log::default();
    fn one() {}
    fn two() {}
    let error = simulated()
        .global_frequency(-1)
        .add_process(diary(&log), named("a"))
        .add_process(diary(&log), named("A"))
        .add_process(diary(&log), named(""))
        .add_main(diary(&log), ())
        .add_main(diary(&log), ())
        .add_process(diary(&log), named("MAIN"))
        .configure_sets(hz(7), (LifeOf::<Script>, LifeOf::<Script>).chain())
        .add_systems(hz(10), (one.after(two), two.after(one)))
        .build()
        .unwrap_err();
    let faults = error.faults.join("\n");
    for part in ["-1 Hz", "\"A\" is taken", "can't be empty", "two main processes", "\"MAIN\" is taken", "group 10 Hz"]
    {
        assert!(faults.contains(part), "{part} is missing in:\n{faults}");
    }
    assert!(error.faults.len() >= 6, "{faults}");
    assert!(log.take().is_empty(), "nobody is born then");
}

#[test]
fn run_tells_the_same_faults_and_exits_with_two() {
    let exit = simulated().add_process(Script::new(), named("a")).add_process(Script::new(), named("a")).run();
    assert_eq!(exit.code(), 2);
    assert!(matches!(exit.cause(), Cause::NotStarted { faults } if faults.len() == 1));
}

#[test]
fn main_is_called_main_or_as_its_bundle_says() {
    for (bundle, name) in [(None, "main"), (Some("Boss"), "Boss")] {
        let log = Log::default();
        let writes = log.clone();
        let main = Script::new().life(move |cx| {
            writes.say(format!("{:?} {}", cx.main_name().as_deref(), cx.name()));
            cx.die("done");
            Ok(())
        });
        let application = match bundle {
            None => simulated().add_main(main, ()),
            Some(name) => simulated().add_main(main, named(name)),
        };
        let exit = application.add_process(Script::new(), ()).run();
        assert_eq!(log.take(), [format!("Some({name:?}) {name}")]);
        assert!(matches!(exit.cause(), Cause::MainDied { .. }));
    }
}

#[test]
fn unknown_names_are_errors_that_list_the_known_ones() {
    let application = simulated().poison_pill("stop!").add_process(Script::new(), (hz(10), named("imu")));
    let mut running = application.build().unwrap();
    let handle = running.handle();
    for error in [
        handle.stop("gyro", "").unwrap_err(),
        handle.pause("gyro").unwrap_err(),
        handle.set_frequency("gyro", hz(1)).unwrap_err(),
    ] {
        assert_eq!(error.to_string(), "there is no process \"gyro\"; there are imu");
    }
    running.mail(Mail::to("imu").subject("STOP!")).unwrap();
    assert!(!running.run_for(ms(1)), "the last one has died");
    assert_eq!(handle.stop("imu", "").unwrap_err().to_string(), "there is no process \"imu\"; none is alive");
}
