//! Topics: the latest value of a type, its age and its publisher, for processes, plain systems and threads.

mod common;

use common::{Log, Script, ms, named, simulated};
use polycephaly::prelude::*;

#[derive(Debug, PartialEq)]
struct Pose(u64);

#[derive(Debug, PartialEq)]
struct Speed(u64);

/// Publishes the milliseconds as a pose in each life up to `until`.
fn publisher(until: u64) -> Script {
    Script::new().life(move |cx| {
        if cx.now() <= ms(until) {
            cx.publish(Pose(cx.now().as_millis() as u64));
        }
        Ok(())
    })
}

/// Writes down in each life what it finds.
fn reader(log: &Log, patience: u64) -> Script {
    let log = log.clone();
    Script::new().life(move |cx| {
        let now = cx.now();
        let found = cx.latest::<Pose>().map_or("nothing".into(), |pose| {
            assert_eq!(pose.time() + pose.age(now), now);
            format!("{} by {}, {} ms old", pose.0, pose.publisher().name(), pose.age(now).as_millis())
        });
        let fresh = if cx.latest_within::<Pose>(ms(patience)).is_some() { "fresh" } else { "stale" };
        log.say(format!("{} {found} {fresh}", now.as_millis()));
        Ok(())
    })
}

#[test]
fn the_latest_has_an_age_and_a_publisher_and_goes_stale_to_the_tick() {
    let log = Log::default();
    let mut running = simulated()
        .add_process(publisher(100), (hz(10), named("imu")))
        .add_process(reader(&log, 50), (hz(40), named("reader")))
        .build()
        .unwrap();
    running.run_for(ms(200));
    let expected = [
        // The reader's period is the shorter one: it goes first.
        "0 nothing stale",
        "25 0 by imu, 25 ms old fresh",
        "50 0 by imu, 50 ms old fresh",
        "75 0 by imu, 75 ms old stale",
        "100 0 by imu, 100 ms old stale",
        "125 100 by imu, 25 ms old fresh",
        "150 100 by imu, 50 ms old fresh",
        "175 100 by imu, 75 ms old stale",
    ];
    assert_eq!(log.take(), expected);
    running.finish().assert_clean();
}

#[test]
fn what_one_type_publishes_the_next_reads_in_the_same_tick() {
    common::scripted!(Later);
    let log = Log::default();
    let note = log.clone();
    let later = Later::new().life(move |cx| {
        note.say(format!("{:?}", cx.latest::<Pose>().map(|pose| (pose.0, pose.age(cx.now())))));
        Ok(())
    });
    let mut running = simulated().add_process(publisher(1000), hz(10)).add_process(later, hz(10)).build().unwrap();
    running.run_for(ms(200));
    assert_eq!(log.take(), ["Some((0, 0ns))", "Some((100, 0ns))"]);
}

#[test]
fn two_types_are_two_topics() {
    let log = Log::default();
    let note = log.clone();
    let both = Script::new().life(move |cx| {
        assert!(cx.latest::<Pose>().is_none() && cx.latest::<Speed>().is_none());
        cx.publish(Pose(1));
        assert!(cx.latest::<Speed>().is_none());
        cx.publish(Speed(2));
        note.say(format!("{:?} {:?}", *cx.latest::<Pose>().unwrap(), *cx.latest::<Speed>().unwrap()));
        Ok(())
    });
    let mut running = simulated().add_process(both, (hz(10), named("both"))).build().unwrap();
    running.run_for(ms(100));
    assert_eq!(log.take(), ["Pose(1) Speed(2)"]);
    let report = running.report();
    let names: Vec<_> = report.topics.iter().map(|topic| topic.name.rsplit("::").next().unwrap()).collect();
    assert_eq!(names, ["Pose", "Speed"]);
    running.finish().assert_clean();
}

#[test]
fn a_second_writer_is_counted() {
    let log = Log::default();
    let mut running = simulated()
        .add_process(publisher(1000), (hz(10), named("a")))
        .add_process(publisher(300), (hz(10), named("b")))
        .add_process(reader(&log, 50), (hz(10), named("reader")))
        .build()
        .unwrap();
    running.run_for(ms(500));
    let last = log.take().pop().unwrap();
    assert_eq!(last, "400 400 by a, 0 ms old fresh");
    let report = running.report();
    let [topic] = &report.topics[..] else { panic!("one topic") };
    // a b, a b, a b, a b, a: every one but the first took over.
    assert_eq!((topic.published, topic.takeovers, topic.publisher.as_deref()), (9, 8, Some("a")));
}

#[test]
fn plain_systems_and_threads_read_it_too() {
    #[derive(Resource, Default)]
    struct Seen(Vec<String>);
    let application = simulated();
    let topic = application.handle().topic::<Pose>();
    let read = move |time: Res<Time>, mut seen: ResMut<Seen>| {
        let (now, latest) = (time.now(), topic.latest());
        let fresh = topic.latest_within(ms(50), now).is_some();
        seen.0.push(format!("{} {:?} {fresh}", now.as_millis(), latest.map(|pose| pose.0)));
    };
    let mut running = application
        .insert_resource(Seen::default())
        .add_process(publisher(100), (hz(10), named("imu")))
        .add_systems(hz(20), read)
        .build()
        .unwrap();
    running.run_for(ms(250));
    let expected =
        ["0 None false", "50 Some(0) true", "100 Some(0) false", "150 Some(100) true", "200 Some(100) false"];
    assert_eq!(running.world().resource::<Seen>().0, expected);
    let handle = running.handle();
    let found = std::thread::spawn(move || {
        let latest = handle.latest::<Pose>().unwrap();
        (latest.0, latest.publisher().name().to_owned(), handle.latest::<Speed>().is_none())
    });
    assert_eq!(found.join().unwrap(), (100, "imu".to_owned(), true));
}

#[test]
fn the_last_value_outlives_its_publisher_and_says_whose_it_was() {
    let log = Log::default();
    let mortal = Script::new().life(|cx| {
        cx.publish(Pose(7));
        cx.die("said it all");
        Ok(())
    });
    let mut running = simulated()
        .add_process(mortal, (hz(10), named("mortal")))
        .add_process(reader(&log, 150), (hz(10), named("reader")))
        .build()
        .unwrap();
    running.run_for(ms(300));
    let expected =
        ["0 7 by mortal, 0 ms old fresh", "100 7 by mortal, 100 ms old fresh", "200 7 by mortal, 200 ms old stale"];
    assert_eq!(log.take(), expected);
    let latest = running.handle().latest::<Pose>().unwrap();
    assert!(running.handle().address_of("mortal").is_err(), "it is gone");
    assert_eq!(latest.publisher().run_level(), RunLevel::Unset);
}

#[test]
fn what_is_held_stays_as_it_is_and_is_dropped_once() {
    use std::sync::Arc;
    let token = Arc::new(());
    let given = token.clone();
    let held = Arc::new(std::sync::Mutex::new(None));
    let hold = held.clone();
    let script = Script::new().life(move |cx| {
        cx.publish((cx.now(), given.clone()));
        if cx.now() == ms(100) {
            *hold.lock().unwrap() = cx.latest::<(Duration, Arc<()>)>();
        }
        Ok(())
    });
    let mut running = simulated().add_process(script, (hz(10), named("a"))).build().unwrap();
    running.run_for(ms(1000));
    // The token itself, the process's, the latest one and the one held: eight others have been dropped.
    assert_eq!(Arc::strong_count(&token), 4);
    assert_eq!(held.lock().unwrap().take().unwrap().0, ms(100));
    assert_eq!(Arc::strong_count(&token), 3);
    drop(running);
    assert_eq!(Arc::strong_count(&token), 1);
}
