//! The rover of the examples: visits its way points, and goes the same way to the last bit whenever its seed is the same.

#[path = "../examples/rover/robot/mod.rs"]
mod robot;

use polycephaly::prelude::*;
use robot::referee::Referee;
use robot::trace::Trace;
use robot::{Plant, rover, with_telemetry};
use std::time::Duration;

/// Robot time of one run: a lap and a half.
const TIME: Duration = Duration::from_secs(12);

#[derive(Component)]
struct Idle;

impl Process for Idle {}

fn run(application: Application, seed: u64) -> (u64, Referee) {
    let mut running = application.clock(Clock::simulated()).seed(seed).build().expect("the rover is sound");
    assert!(running.run_for(TIME));
    let result = (running.world().resource::<Trace>().hash(), running.world().resource::<Referee>().clone());
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
        let (_, referee) = run(rover(), seed);
        assert!(referee.laps() >= 1 && referee.missed() == 0, "seed {seed}: {referee}");
    }
}

#[test]
fn whoever_falls_silent_stops_the_rover_and_is_noticed() {
    for silent in ["planner", "estimator", "gyro", "encoders"] {
        let mut running = rover().clock(Clock::simulated()).build().expect("the rover is sound");
        assert!(running.run_for(Duration::from_secs(3)));
        assert_eq!(running.world().resource::<Referee>().missed(), 0);
        let plant = running.world().resource::<Plant>();
        assert!(plant.speed() > 0.3, "it drives");
        assert!(plant.pushes() > 0 && plant.bumps() == 0, "it is through the gate, and has hit nothing else");
        running.handle().stop(silent, "pulled out").expect("it lives");
        assert!(running.run_for(Duration::from_secs(1)));
        let speed = running.world().resource::<Plant>().speed();
        assert!(speed < 0.01, "nobody obeys what is stale: {speed} m/s without {silent}");
        if silent == "planner" {
            assert!(running.run_for(Duration::from_secs(6)));
            assert!(running.world().resource::<Referee>().missed() > 0);
        }
    }
}

#[test]
fn a_dead_camera_leaves_it_driving() {
    let mut running = rover().clock(Clock::simulated()).build().expect("the rover is sound");
    assert!(running.run_for(Duration::from_secs(3)));
    running.handle().stop("camera", "pulled out").expect("it lives");
    assert!(running.run_for(Duration::from_secs(2)));
    assert!(running.world().resource::<Plant>().speed() > 0.3, "wheels and gyro do for a while");
}
