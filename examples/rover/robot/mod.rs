//! A rover with two driven wheels, from its motors up to its route.
//!
//! | rate    | processes                                                    | head, where it runs on four |
//! |---------|--------------------------------------------------------------|-----------------------------|
//! | 1000 Hz | left and right [`Motor`], the real world ([`Plant`]), [`Referee`] | control                |
//! | 200 Hz  | [`Encoders`], [`Gyro`], [`Estimator`], [`Trace`]             | sensing                     |
//! | 20 Hz   | [`Planner`]                                                  | planning                    |
//! | 1 Hz    | [`Camera`]                                                   | seeing                      |
//! | 2 Hz    | [`Telemetry`]                                                | main                        |
//!
//! Sensors publish their readings, the estimator its pose, the planner its command: topics, of which each reader takes the
//! latest and minds its age, so that a rover whose planner, estimator or sensor falls silent stands still. The camera's fixes
//! go by mail, for each counts once. Between motors and world stands the [`wiring`], a plain system. Nothing but the sensors, the
//! referee, trace and telemetry ever reads the [`Truth`](plant::Truth) about where the rover really is.

pub(crate) mod arena;
mod estimator;
mod geometry;
mod motor;
mod planner;
pub(crate) mod plant;
pub(crate) mod referee;
mod sensors;
mod telemetry;
pub(crate) mod trace;
mod wiring;

use self::estimator::Estimator;
use self::geometry::Side;
use self::motor::Motor;
use self::planner::Planner;
use self::plant::Plant;
use self::referee::Referee;
use self::sensors::{Camera, Encoders, Gyro};
pub(crate) use self::telemetry::Telemetry;
use self::trace::Trace;
use polycephaly::prelude::*;

/// What engineers call the drawing of the robot: the numbers that the real one and its software agree on.
mod drawing {
    use std::f64::consts::TAU;

    /// Radius of a driven wheel, m.
    pub(super) const WHEEL_RADIUS: f64 = 0.05;
    /// Between the two driven wheels' points of contact, m.
    pub(super) const TRACK: f64 = 0.30;
    /// Turning angle of the wheel per encoder count, rad: 512 counts a turn of the motor, geared down 30 to 1.
    pub(super) const RADIANS_PER_COUNT: f64 = TAU / (512.0 * 30.0);
    /// Battery voltage, V: no motor can be given more.
    pub(super) const SUPPLY: f64 = 12.0;
    /// Voltage that a freely turning wheel induces, V per rad/s; also its torque, N·m per A. Gear included.
    pub(super) const MOTOR_CONSTANT: f64 = 0.4;
}

/// On what heads the rover runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Layout {
    /// All on one head.
    OneHead,
    /// Motors and world, sensors, planner and camera on a head each.
    FourHeads,
}

/// The whole application, on the real clock unless told otherwise: the caller adds clock, seed and telemetry, which stands on
/// the main head.
pub(crate) fn rover(layout: Layout) -> Application {
    let parts: [(&'static str, fn(Head) -> Head); 4] =
        [("control", control), ("sensing", sensing), ("planning", planning), ("seeing", seeing)];
    match layout {
        Layout::OneHead => {
            let whole = parts.into_iter().fold(Head::new("robot"), |head, (_, part)| part(head));
            Application::new().add_head(whole)
        }
        Layout::FourHeads => {
            parts.into_iter().fold(Application::new(), |rover, (name, part)| rover.add_head(part(Head::new(name))))
        }
    }
}

fn control(head: Head) -> Head {
    let rate = hz(1000);
    head.add_process(Motor::new(Side::Left), (rate, Name::new("left motor")))
        .add_process(Motor::new(Side::Right), (rate, Name::new("right motor")))
        .add_process(Plant::new(), (rate, Name::new("world")))
        .add_process(Referee::default(), (rate, Name::new("referee")))
        // The world does not wait for a late program: missed milliseconds are caught up with, up to a quarter second.
        .group(rate, |group| group.overrun(Overrun::Burst { max: 250 }))
        .configure_sets(rate, (LifeOf::<Motor>, LifeOf::<Plant>, LifeOf::<Referee>).chain())
        .add_systems(rate, wiring::physics.after(LifeOf::<Motor>).before(LifeOf::<Plant>))
}

fn sensing(head: Head) -> Head {
    let rate = hz(200);
    head.add_process(Encoders, (rate, Name::new("encoders")))
        .add_process(Gyro::default(), (rate, Name::new("gyro")))
        .add_process(Estimator::at(arena::START), (rate, Name::new("estimator")))
        .add_process(Trace::default(), (rate, Name::new("trace")))
        .configure_sets(rate, (LifeOf::<Encoders>, LifeOf::<Gyro>, LifeOf::<Estimator>, LifeOf::<Trace>).chain())
}

fn planning(head: Head) -> Head {
    head.add_process(Planner::default(), (hz(20), Name::new("planner")))
}

fn seeing(head: Head) -> Head {
    head.add_process(Camera, (hz(1), Name::new("camera")))
}

/// Adds the process that prints how it goes, twice a second, or only each so many times.
pub(crate) fn with_telemetry(rover: Application, one_in: u32) -> Application {
    rover.add_process(Telemetry::new(one_in), (hz(2), Name::new("telemetry")))
}
