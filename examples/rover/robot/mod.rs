//! A rover with two driven wheels, from its motors up to its route.
//!
//! | rate    | processes                               | plain systems around them                           |
//! |---------|-----------------------------------------|-----------------------------------------------------|
//! | 1000 Hz | left and right [`Motor`]                | the physics engine's step, the referee              |
//! | 200 Hz  | [`Encoders`], [`Gyro`], [`Estimator`]   | the real world into the sensors                     |
//! | 20 Hz   | [`Planner`]                             |                                                     |
//! | 2 Hz    | [`Telemetry`]                           | what it shows                                       |
//! | 1 Hz    | [`Camera`]                              | the real pose in                                    |
//!
//! Sensors publish their readings, the estimator its pose, the planner its command: topics, of which each reader takes the
//! latest and minds its age, so that a rover whose planner, estimator or sensor falls silent stands still. The camera's fixes
//! go by mail, for each counts once. Between robot and world stands the [`wiring`]: nothing but the sensors, the referee and
//! telemetry ever sees where the rover really is.

pub(crate) mod arena;
mod estimator;
mod geometry;
mod motor;
mod planner;
mod plant;
pub(crate) mod referee;
mod sensors;
mod telemetry;
pub(crate) mod trace;
mod wiring;

use self::estimator::Estimator;
use self::geometry::Side;
use self::motor::Motor;
use self::planner::Planner;
pub(crate) use self::plant::Plant;
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

/// The whole application, on the real clock unless told otherwise: the caller adds clock, seed and telemetry.
pub(crate) fn rover() -> Application {
    let (control, sensing, planning, seeing) = (hz(1000), hz(200), hz(20), hz(1));
    Application::new()
        .insert_resource(Plant::new())
        .insert_resource(Referee::default())
        .insert_resource(Trace::default())
        .add_process(Motor::new(Side::Left), (control, Name::new("left motor")))
        .add_process(Motor::new(Side::Right), (control, Name::new("right motor")))
        .add_process(Encoders::default(), (sensing, Name::new("encoders")))
        .add_process(Gyro::default(), (sensing, Name::new("gyro")))
        .add_process(Estimator::at(arena::START), (sensing, Name::new("estimator")))
        .add_process(Planner::default(), (planning, Name::new("planner")))
        .add_process(Camera::default(), (seeing, Name::new("camera")))
        // The world does not wait for a late program: missed milliseconds are caught up with, up to a quarter second.
        .group(control, |group| group.overrun(Overrun::Burst { max: 250 }))
        .add_systems(control, (wiring::physics, wiring::judge).chain().after(LifeOf::<Motor>))
        .configure_sets(sensing, (LifeOf::<Encoders>, LifeOf::<Gyro>, LifeOf::<Estimator>).chain())
        .add_systems(sensing, wiring::sense.before(LifeOf::<Encoders>))
        .add_systems(sensing, trace::record.after(LifeOf::<Estimator>))
        .add_systems(seeing, wiring::view.before(LifeOf::<Camera>))
}

/// Adds the process that prints how it goes, twice a second, or only each so many times.
pub(crate) fn with_telemetry(rover: Application, one_in: u32) -> Application {
    let watching = hz(2);
    rover
        .add_process(Telemetry::new(one_in), (watching, Name::new("telemetry")))
        .add_systems(watching, wiring::observe.before(LifeOf::<Telemetry>))
}
