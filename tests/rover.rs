//! The rover of the examples: visits its way points, and goes the same way to the last bit whenever its seed is the same.

#[path = "../examples/rover/robot/mod.rs"]
mod robot;

use polycephaly::prelude::*;
use robot::plant::Truth;
use robot::referee::Score;
use robot::trace::Fingerprint;
use robot::{Layout, with_telemetry};
use std::time::Duration;

/// Robot time of one run: a lap and a half.
const TIME: Duration = Duration::from_secs(12);

#[derive(Component)]
struct Idle;

impl Process for Idle {}

fn rover() -> Application {
    robot::rover(Layout::OneHead)
}

/// What was published last.
fn latest<T: Copy + Send + Sync + 'static>(running: &Running) -> T {
    *running.handle().latest::<T>().expect("it has been published")
}

fn run(application: Application, seed: u64) -> (u64, Score) {
    let mut running = application.clock(Clock::simulated()).seed(seed).build().expect("the rover is sound");
    assert!(running.run_for(TIME));
    let result = (latest::<Fingerprint>(&running).0, latest::<Score>(&running));
    let exit = running.finish();
    let failures: u64 = exit.report().processes.iter().map(|process| process.errors + process.panics).sum();
    assert!(exit.is_success() && failures == 0, "{exit}\n{}", exit.report());
    result
}

#[test]
fn the_same_seed_goes_the_same_way_whoever_idles_beside() {
    let (trace, _) = run(rover(), 1);
    assert_eq!(run(rover(), 1).0, trace, "the same run twice");
    let beside = rover().add_process(Idle, (hz(7), Name::new("idle")));
    assert_eq!(run(beside, 1).0, trace, "an idle process in a group of its own");
    assert_eq!(run(with_telemetry(rover(), 1000), 1).0, trace, "telemetry");
    assert_ne!(run(rover(), 2).0, trace, "another seed");
}

#[test]
fn all_way_points_are_visited_whatever_the_noise() {
    for seed in 10..13 {
        let (_, score) = run(rover(), seed);
        assert!(score.laps() >= 1 && score.missed() == 0, "seed {seed}: {score}");
    }
}

#[test]
fn whoever_falls_silent_stops_the_rover_and_is_noticed() {
    for silent in ["planner", "estimator", "gyro", "encoders"] {
        let mut running = rover().clock(Clock::simulated()).build().expect("the rover is sound");
        assert!(running.run_for(Duration::from_secs(3)));
        assert_eq!(latest::<Score>(&running).missed(), 0);
        let truth = latest::<Truth>(&running);
        assert!(truth.speed > 0.3, "it drives");
        assert!(truth.pushes > 0 && truth.bumps == 0, "it is through the gate, and has hit nothing else");
        running.handle().stop(silent, "pulled out").expect("it lives");
        assert!(running.run_for(Duration::from_secs(1)));
        let speed = latest::<Truth>(&running).speed;
        assert!(speed < 0.01, "nobody obeys what is stale: {speed} m/s without {silent}");
        if silent == "planner" {
            assert!(running.run_for(Duration::from_secs(6)));
            assert!(latest::<Score>(&running).missed() > 0);
        }
    }
}

#[test]
fn a_dead_camera_leaves_it_driving() {
    let mut running = rover().clock(Clock::simulated()).build().expect("the rover is sound");
    assert!(running.run_for(Duration::from_secs(3)));
    running.handle().stop("camera", "pulled out").expect("it lives");
    assert!(running.run_for(Duration::from_secs(2)));
    assert!(latest::<Truth>(&running).speed > 0.3, "wheels and gyro do for a while");
}

#[test]
fn with_next_tick_it_goes_the_same_way_on_any_heads() {
    let next_tick = |layout| run(robot::rover(layout).delivery(Delivery::NextTick), 1);
    let (one, score) = next_tick(Layout::OneHead);
    assert_eq!(next_tick(Layout::FourHeads).0, one);
    assert!(score.laps() >= 1 && score.missed() == 0, "{score}");
    // With the other delivery, from run to run.
    let four = || run(robot::rover(Layout::FourHeads), 1).0;
    assert_eq!(four(), four());
    assert_ne!(four(), one);
}
