//! The order of systems in a tick: types as registered, plain systems after lives, and the user's own order above all.

mod common;

use common::{Log, ms, named, scripted, simulated};
use polycephaly::prelude::*;

scripted!(Imu);
scripted!(Estimator);
scripted!(Control);

macro_rules! says {
    ($kind:ident, $log:expr) => {{
        let log = $log.clone();
        $kind::new().life(move |cx| {
            log.say(cx.name());
            Ok(())
        })
    }};
}

fn system(log: &Log, line: &'static str) -> impl FnMut() + Send + Sync + use<> {
    let log = log.clone();
    move || log.say(line)
}

/// One tick of an application that was built by `add`.
fn tick(add: impl FnOnce(Application, &Log) -> Application) -> Vec<String> {
    let log = Log::default();
    let mut running = add(simulated(), &log).build().unwrap();
    assert!(running.run_for(ms(1)));
    log.take()
}

fn three(application: Application, log: &Log) -> Application {
    application
        .add_process(says!(Control, log), hz(10))
        .add_process(says!(Imu, log), hz(10))
        .add_process(says!(Estimator, log), hz(10))
}

#[test]
fn types_live_in_order_of_registration_and_plain_systems_after_them() {
    let found = tick(|application, log| {
        let application = application.add_systems(hz(10), (system(log, "one"), system(log, "two")));
        three(application, log).add_process(says!(Control, log), hz(10)).add_systems(hz(10), system(log, "three"))
    });
    assert_eq!(found, ["Control", "Control-2", "Imu", "Estimator", "one", "two", "three"]);
}

#[test]
fn many_plain_systems_keep_their_order() {
    let lines: Vec<&'static str> = (0..40).map(|n| -> &'static str { format!("{n}").leak() }).collect();
    let found = tick(|mut application, log| {
        for line in &lines {
            application = application.add_systems(hz(10), system(log, line));
        }
        application
    });
    assert_eq!(found, lines);
}

#[test]
fn configured_sets_order_the_lives() {
    for late in [false, true] {
        let found = tick(|application, log| {
            let order = (LifeOf::<Imu>, LifeOf::<Estimator>, LifeOf::<Control>);
            if late {
                three(application, log).configure_sets(hz(10), order.chain())
            } else {
                three(application.configure_sets(hz(10), order.chain()), log)
            }
        });
        assert_eq!(found, ["Imu", "Estimator", "Control"]);
    }
}

#[test]
fn plain_systems_stand_where_they_are_ordered() {
    let found = tick(|application, log| {
        three(application, log)
            .configure_sets(hz(10), (LifeOf::<Imu>, LifeOf::<Estimator>, LifeOf::<Control>).chain())
            .add_systems(
                hz(10),
                (
                    system(log, "last"),
                    system(log, "fuse").after(LifeOf::<Imu>).before(LifeOf::<Estimator>),
                    system(log, "first").before(LifeOf::<Imu>),
                    system(log, "check").before(LifeOf::<Control>).after(LifeOf::<Estimator>),
                ),
            )
    });
    assert_eq!(found, ["first", "Imu", "fuse", "Estimator", "check", "Control", "last"]);
}

/// Those that constrain nothing but each other keep the order of registration around them.
#[test]
fn an_order_among_plain_systems_leaves_the_lives_first() {
    fn b() {}
    let found = tick(|application, log| {
        let early = system(log, "early").before(b);
        three(application, log).add_systems(hz(10), (b, system(log, "late").after(b), early))
    });
    assert_eq!(found, ["Control", "Imu", "Estimator", "early", "late"]);
}

#[test]
fn a_type_that_comes_while_running_takes_its_ordered_place() {
    let log = Log::default();
    let mut running = three(simulated(), &log)
        .configure_sets(hz(10), (LifeOf::<common::Script>, LifeOf::<Imu>).chain())
        .add_systems(hz(10), system(&log, "plain"))
        .build()
        .unwrap();
    assert!(running.run_for(ms(50)));
    running.handle().spawn(common::Script::new(), (hz(10), named("idle")));
    let writes = log.clone();
    let late = common::Script::new().life(move |_| {
        writes.say("late");
        Ok(())
    });
    running.handle().spawn(late, (hz(10), named("late")));
    log.take();
    assert!(running.run_for(ms(51)));
    let found = log.take();
    let place = |line: &str| found.iter().position(|known| known == line).unwrap();
    assert!(place("late") < place("Imu"), "{found:?}");
    assert_eq!((place("plain"), found.len()), (4, 5));
}

#[derive(Resource, Default)]
struct Seen(u32);

/// Commands are applied at the end of the tick, or where the user says.
#[test]
fn commands_wait_for_the_end_or_a_sync_point() {
    let found = tick(|application, log| {
        let (early, late) = (log.clone(), log.clone());
        let insert = |mut commands: Commands| commands.insert_resource(Seen(7));
        application.add_systems(
            hz(10),
            (
                insert,
                move |seen: Option<Res<Seen>>| early.say(format!("{}", seen.is_some())),
                bevy_ecs::schedule::ApplyDeferred,
                move |seen: Option<Res<Seen>>| late.say(format!("{}", seen.map_or(0, |seen| seen.0))),
            )
                .chain_ignore_deferred(),
        )
    });
    assert_eq!(found, ["false", "7"]);
}

#[test]
fn a_process_spawned_by_a_command_is_in_the_world_after_the_sync_point() {
    let found = tick(|application, log| {
        let writes = log.clone();
        application.add_systems(
            hz(10),
            (
                |mut commands: Commands| {
                    commands.spawn_process(Imu::new(), (hz(10), named("child")));
                },
                bevy_ecs::schedule::ApplyDeferred,
                move |all: Query<Identity, With<Imu>>| writes.say(format!("{}", all.iter().count())),
            )
                .chain(),
        )
    });
    assert_eq!(found, ["1"]);
}

#[test]
fn cycles_are_found_by_build_with_the_group_named() {
    let cycle = three(simulated(), &Log::default())
        .configure_sets(hz(10), (LifeOf::<Imu>, LifeOf::<Control>).chain())
        .configure_sets(hz(10), (LifeOf::<Control>, LifeOf::<Imu>).chain())
        .build();
    let error = cycle.unwrap_err();
    assert_eq!(error.faults.len(), 1);
    assert!(error.faults[0].starts_with("the systems of group 10 Hz can't be ordered: "), "{error}");
}

/// A condition on the lives of one type, between two others that have none.
#[test]
fn lives_with_a_run_condition() {
    let log = Log::default();
    let mut turn = 0;
    let every_other = move || {
        turn += 1;
        turn % 2 == 1
    };
    let mut running = simulated()
        .configure_sets(hz(10), LifeOf::<Imu>.run_if(every_other))
        .add_process(says!(Control, log), hz(10))
        .add_process(says!(Imu, log), hz(10))
        .add_process(says!(Estimator, log), hz(10))
        .build()
        .unwrap();
    assert!(running.run_for(ms(201)));
    let (two, three) = (["Control", "Estimator"], ["Control", "Imu", "Estimator"]);
    assert_eq!(log.take(), [&three[..], &two[..], &three[..]].concat());
}

/// Run conditions and exclusive systems work as in Bevy.
#[test]
fn run_conditions_and_exclusive_systems() {
    let log = Log::default();
    let (exclusive, odd) = (log.clone(), log.clone());
    let mut turn = 0;
    let every_other = move || {
        turn += 1;
        turn % 2 == 1
    };
    let mut running = simulated()
        .insert_resource(Seen(0))
        .add_systems(hz(10), move |world: &mut World| {
            world.resource_mut::<Seen>().0 += 1;
            exclusive.say(world.resource::<Seen>().0.to_string());
        })
        .add_systems(hz(10), (move || odd.say("odd")).run_if(every_other))
        .build()
        .unwrap();
    assert!(running.run_for(ms(301)));
    assert_eq!(log.take(), ["1", "odd", "2", "3", "odd", "4"]);
}
