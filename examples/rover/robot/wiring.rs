//! Who hands what to whom: plain Bevy systems that run before or after the lives they serve. All that passes between two
//! processes, or between a process and the world, passes here.

use super::estimator::Estimator;
use super::geometry::{Side, Wheels};
use super::motor::Motor;
use super::planner::Planner;
use super::plant::Plant;
use super::referee::Referee;
use super::sensors::{Camera, Encoders, Gyro};
use super::telemetry::{Status, Telemetry};
use polycephaly::prelude::*;

/// 1000 Hz: the motors' voltages move the world by a millisecond, and the wheels' counters are latched.
pub(crate) fn physics(mut motors: Query<&mut Motor>, mut plant: ResMut<Plant>) {
    let mut voltage = Wheels::default(); // of a motor that nobody drives: 0 V
    for motor in &motors {
        *voltage.side_mut(motor.side) = motor.voltage;
    }
    plant.step(voltage);
    for mut motor in &mut motors {
        motor.counts = plant.counts(motor.side);
    }
}

/// 1000 Hz: has a way point been visited?
pub(crate) fn judge(plant: Res<Plant>, mut referee: ResMut<Referee>) {
    referee.watch(plant.pose(), plant.time());
}

/// 200 Hz: the world to wheel encoders and gyro.
pub(crate) fn sense(plant: Res<Plant>, mut encoders: Single<&mut Encoders>, mut gyro: Single<&mut Gyro>) {
    encoders.truth = Wheels { left: plant.counts(Side::Left), right: plant.counts(Side::Right) };
    gyro.truth = plant.turn_rate();
}

/// 200 Hz: readings to the estimator.
pub(crate) fn readings(encoders: Single<&Encoders>, gyro: Single<&Gyro>, mut estimator: Single<&mut Estimator>) {
    estimator.counts = encoders.reading;
    estimator.turn_rate = gyro.reading;
}

/// 20 Hz: the estimated pose to the planner.
pub(crate) fn estimate(estimator: Single<&Estimator>, mut planner: Single<&mut Planner>) {
    planner.pose = estimator.pose;
}

/// 20 Hz: wheel speeds to the motors.
pub(crate) fn commands(planner: Single<&Planner>, mut motors: Query<&mut Motor>) {
    for mut motor in &mut motors {
        motor.command = *planner.commands.side(motor.side);
    }
}

/// 1 Hz: the world to the camera.
pub(crate) fn view(plant: Res<Plant>, mut camera: Single<&mut Camera>) {
    camera.truth = plant.pose();
}

/// 1 Hz: a fix to the estimator.
pub(crate) fn fix(camera: Single<&Camera>, mut estimator: Single<&mut Estimator>) {
    estimator.fix = Some(camera.fix);
}

/// 2 Hz: everything to telemetry.
pub(crate) fn observe(
    plant: Res<Plant>,
    referee: Res<Referee>,
    estimator: Single<&Estimator>,
    mut telemetry: Single<&mut Telemetry>,
) {
    telemetry.status = Status {
        truth: plant.pose(),
        estimate: estimator.pose,
        speed: plant.speed(),
        visited: referee.visited(),
        missed: referee.missed(),
        laps: referee.laps(),
    };
}
