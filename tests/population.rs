//! Many births and deaths: storms, hand-overs, and when the last one has died.

mod common;

use common::{Log, Script, diary, ms, named, secs, simulated};
use polycephaly::prelude::*;

/// A spark spawns the next one and dies, each tick.
#[derive(Component)]
struct Spark {
    log: Log,
}

impl Process for Spark {
    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        cx.spawn(Spark { log: self.log.clone() }, hz(100));
        cx.after(secs(3600), |_, _| Ok(()));
        cx.die("burnt");
        Ok(())
    }

    fn death(&mut self, _: &mut Context<Self>) -> Result {
        self.log.say("dead");
        Ok(())
    }
}

#[test]
fn a_storm_of_births_and_deaths_neither_hangs_nor_leaks() {
    let log = Log::default();
    let mut running = simulated()
        .add_process(Spark { log: log.clone() }, hz(100))
        .add_process(Script::new(), (hz(100), named("bystander")))
        .build()
        .unwrap();
    assert!(running.run_for(secs(1)));
    let entities = running.world().entities().count_spawned();
    assert!(running.run_for(secs(29)));
    assert_eq!(running.world().entities().count_spawned(), entities);
    assert_eq!(log.count("dead"), 3000);
    let report = running.report();
    assert_eq!((report.groups[0].population, report.groups[0].ticks), (2, 3000));
    assert_eq!(report.processes.len(), 1000 + 2, "the list of the dead is bounded");
    assert_eq!((report.forgotten.processes, report.forgotten.lives), (2000, 2000));
    let lives: u64 = report.processes.iter().map(|process| process.lives).sum();
    assert_eq!(lives + report.forgotten.lives, 3000 + 3000);
    assert_eq!(report.process("spark-3001").unwrap().ended_by, None);
    assert!(running.handle().stop("spark-2", "").is_err(), "names of the dead are free");
    assert!(report.to_string().lines().count() < 40, "the table stays readable");
}

#[test]
fn the_forgotten_keep_their_failures() {
    let mut running = simulated()
        .add_systems(hz(100), |mut commands: Commands| {
            let faulty = Script::new().birth(|_| Err("no".into())).life(|_| panic!("never again"));
            commands.spawn_process(faulty, hz(50));
        })
        .build()
        .unwrap();
    // Panics are loud on standard error: fewer of them than the list holds would not do.
    assert!(running.run_for(ms(11_000)));
    let report = running.report();
    assert_eq!(report.forgotten.processes, report.forgotten.errors);
    assert_eq!(report.forgotten.panics, report.forgotten.processes);
    assert!(report.forgotten.processes > 50);
}

/// Whoever spawns a successor and dies leaves somebody behind: that is not the end of all.
#[test]
fn a_successor_spawned_in_the_last_life_carries_on() {
    let log = Log::default();
    let next = log.clone();
    let first = Script::new().life(move |cx| {
        cx.spawn(diary(&next), (hz(10), named("next")));
        cx.die("handing over");
        Ok(())
    });
    let mut running = simulated().add_process(first, (hz(10), named("first"))).build().unwrap();
    assert!(running.run_for(ms(250)));
    assert_eq!(log.take(), ["next born", "next 100", "next 200"]);
    running.handle().stop("next", "enough").unwrap();
    assert!(!running.run_for(ms(250)));
    assert!(matches!(running.finish().cause(), Cause::AllDied));
}

#[test]
fn a_successor_spawned_in_death_carries_on() {
    let log = Log::default();
    let next = log.clone();
    let first = Script::new()
        .life(|cx| {
            cx.die("handing over");
            Ok(())
        })
        .death(move |cx| {
            cx.spawn(diary(&next), (hz(10), named("next")));
            Ok(())
        });
    let mut running = simulated().add_process(first, (hz(10), named("first"))).build().unwrap();
    assert!(running.run_for(ms(250)));
    assert_eq!(log.take(), ["next born", "next 100", "next 200"]);
}

#[test]
fn without_a_main_it_ends_when_the_last_has_died() {
    let log = Log::default();
    let mut application = simulated();
    for lives in [3, 1, 5] {
        let mut left = lives;
        let process = diary(&log).life(move |cx| {
            left -= 1;
            if left == 0 {
                cx.die("done");
            }
            Ok(())
        });
        application = application.add_process(process, (hz(10), named(&format!("p{lives}"))));
    }
    let exit = application.run();
    assert!(matches!(exit.cause(), Cause::AllDied) && exit.is_success());
    let lives: Vec<_> = exit.report().processes.iter().map(|process| process.lives).collect();
    assert_eq!(lives, [3, 1, 5]);
    assert_eq!(exit.report().elapsed, ms(400));
    let deaths: Vec<_> = log.take().into_iter().filter(|line| line.ends_with("dead")).collect();
    assert_eq!(deaths, ["p1 dead", "p3 dead", "p5 dead"]);
}

#[test]
fn all_ways_of_losing_the_last_one_end_it() {
    type Way = fn(&mut Running);
    let ways: [Way; 3] = [
        |running| running.handle().stop("p", "").unwrap(),
        |running| {
            let entity = running.world_mut().query_filtered::<Entity, With<Script>>().single(running.world()).unwrap();
            running.world_mut().despawn(entity);
        },
        |running| {
            let entity = running.world_mut().query_filtered::<Entity, With<Script>>().single(running.world()).unwrap();
            running.world_mut().entity_mut(entity).remove::<Script>();
        },
    ];
    for way in ways {
        let mut running = simulated().add_process(Script::new(), (hz(10), named("p"))).build().unwrap();
        assert!(running.run_for(ms(100)));
        way(&mut running);
        assert!(!running.run_for(ms(200)));
        assert!(matches!(running.finish().cause(), Cause::AllDied));
    }
}

#[test]
fn one_that_dies_in_birth_never_lives_and_dies_once() {
    let log = Log::default();
    let stillborn = diary(&log).birth(|cx| {
        cx.die("changed my mind");
        Ok(())
    });
    let exit = simulated().add_process(stillborn, (hz(10), named("p"))).run();
    assert_eq!(log.take(), ["p dead"]);
    assert!(matches!(exit.cause(), Cause::AllDied));
    assert_eq!(exit.report().process("p").unwrap().lives, 0);
}

#[test]
fn nothing_to_do_is_an_end_too_but_plain_systems_are_something() {
    assert!(matches!(simulated().run().cause(), Cause::Idle));
    let mut running = simulated().add_systems(hz(10), || {}).build().unwrap();
    assert!((0..100).all(|_| running.step()));
    assert_eq!(running.report().groups[0].ticks, 100);
    assert!(matches!(running.finish().cause(), Cause::TimeUp));
}

#[test]
fn dropping_it_ends_it_in_order_with_the_cause_told() {
    let log = Log::default();
    let writes = log.clone();
    let process = diary(&log).death(move |cx| {
        writes.say(format!("{} {}", cx.name(), cx.cause().unwrap()));
        Ok(())
    });
    let mut running = simulated()
        .add_process(diary(&log), (hz(10), named("a")))
        .add_process(process, (hz(10), named("b")))
        .build()
        .unwrap();
    assert!(running.run_for(ms(1)));
    let handle = running.handle();
    drop(running);
    assert_eq!(log.take()[4..], ["b the running application was dropped", "a dead"]);
    assert!(handle.is_stopping());
    handle.spawn(diary(&log), ());
    handle.stop_application("too late");
    assert!(log.take().is_empty(), "after the end nothing happens any more");
}

/// Deaths go youngest first, and a process spawned in a death of the shut-down is not born.
#[test]
fn the_shut_down_goes_backwards_and_bears_nobody() {
    let log = Log::default();
    let mut application = simulated();
    for name in ["a", "b", "c"] {
        let (writes, children) = (log.clone(), log.clone());
        let process = diary(&writes).death(move |cx| {
            cx.spawn(diary(&children), ());
            writes.say(cx.name());
            Ok(())
        });
        application = application.add_process(process, (hz(10), named(name)));
    }
    let exit = application.run_for(ms(50));
    assert!(matches!(exit.cause(), Cause::TimeUp));
    assert_eq!(log.take()[6..], ["c", "b", "a"]);
    assert_eq!(exit.report().processes.len(), 3);
}

#[test]
fn groups_outlive_their_processes_and_keep_their_counts() {
    let mut running = simulated()
        .add_process(Script::new(), (hz(10), named("a")))
        .add_process(Script::new(), (hz(100), named("b")))
        .build()
        .unwrap();
    assert!(running.run_for(secs(1)));
    running.handle().stop("b", "").unwrap();
    assert!(running.run_for(secs(1)));
    let before = running.report().group("100 Hz").cloned().unwrap();
    assert_eq!((before.ticks, before.population, before.dropped), (100, 0, 0));
    running.handle().spawn(Script::new(), (hz(100), named("c")));
    assert!(running.run_for(secs(1)));
    let after = running.report().group("100 Hz").cloned().unwrap();
    // Born at 2 s sharp: strictly later is 2.01 s. The empty second counts as nothing.
    assert_eq!((after.ticks, after.population, after.dropped, after.late), (199, 1, 0, 0));
}

/// What Bevy keeps of removed components is swept away, but not before a system at 1 Hz has seen it.
#[test]
fn each_removal_is_seen_once_by_a_system_that_ticks_each_second() {
    #[derive(Resource, Default)]
    struct Seen(usize);
    fn count(mut gone: RemovedComponents<Spark>, mut seen: ResMut<Seen>) {
        seen.0 += gone.read().count();
    }
    let log = Log::default();
    let mut running = simulated()
        .insert_resource(Seen::default())
        .add_process(Spark { log: log.clone() }, hz(100))
        .add_systems(hz(1), count)
        .build()
        .unwrap();
    assert!(running.run_for(ms(10_005)));
    assert_eq!((log.count("dead"), running.world().resource::<Seen>().0), (1001, 1001));
}

/// Writes to one of many, always the same; counts what it gets.
#[derive(Component)]
struct Citizen {
    number: u64,
    friend: Option<Address>,
    heard: u64,
}

impl Citizen {
    fn friend(number: u64) -> u64 {
        number * number * 7919 % MANY
    }
}

const MANY: u64 = 33_000;

impl Process for Citizen {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        self.friend = Some(cx.address_of(&format!("citizen-{}", Self::friend(self.number)))?);
        cx.on::<u64>(|citizen, number, _| {
            assert_eq!(Self::friend(*number), citizen.number);
            citizen.heard += 1;
            Ok(())
        });
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        let friend = self.friend.as_ref().ok_or("it has one")?;
        cx.send(Mail::to(friend).body(self.number)).map(drop).map_err(Into::into)
    }
}

#[test]
fn of_a_large_population_each_writes_to_whom_it_likes() {
    let mut application = simulated();
    for number in 0..MANY {
        let citizen = Citizen { number, friend: None, heard: 0 };
        let bundle = (hz(100), named(&format!("citizen-{number}")), MailboxSize(10_000));
        application = application.add_process(citizen, bundle);
    }
    let mut running = application.build().unwrap();
    let ticks = 12;
    assert!((0..ticks).all(|_| running.step()));
    let mut friends = vec![0; MANY as usize];
    (0..MANY).for_each(|number| friends[Citizen::friend(number) as usize] += ticks - 1);
    let mut citizens = running.world_mut().query::<&Citizen>();
    let heard = citizens.iter(running.world()).map(|citizen| (citizen.number, citizen.heard));
    assert!(heard.into_iter().all(|(number, heard)| heard == friends[number as usize]), "what was written last waits");
    let report = running.report();
    assert_eq!((report.failures(), report.dead_letters, report.unmatched), (0, 0, 0));
}
