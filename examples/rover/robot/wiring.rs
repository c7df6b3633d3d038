//! Where the world meets the robot: plain Bevy systems that run before or after the lives they serve. What processes tell
//! each other goes by topics and mail instead.

use super::geometry::{Side, Wheels};
use super::motor::Motor;
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

/// 1 Hz: the world to the camera.
pub(crate) fn view(plant: Res<Plant>, mut camera: Single<&mut Camera>) {
    camera.truth = plant.pose();
}

/// 2 Hz: what really goes on to telemetry.
pub(crate) fn observe(plant: Res<Plant>, referee: Res<Referee>, mut telemetry: Single<&mut Telemetry>) {
    telemetry.status = Status {
        truth: plant.pose(),
        speed: plant.speed(),
        visited: referee.visited(),
        missed: referee.missed(),
        laps: referee.laps(),
    };
}
