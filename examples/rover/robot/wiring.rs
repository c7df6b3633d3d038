//! Where the world meets the robot's motors: a plain Bevy system between their lives and the world's. All else goes by topics
//! and mail.

use super::geometry::Wheels;
use super::motor::Motor;
use super::plant::Plant;
use polycephaly::prelude::*;

/// 1000 Hz: the motors' voltages move the world by a millisecond, and the wheels' counters are latched.
pub(crate) fn physics(mut motors: Query<&mut Motor>, mut plant: Single<&mut Plant>) {
    let mut voltage = Wheels::default(); // of a motor that nobody drives: 0 V
    for motor in &motors {
        *voltage.side_mut(motor.side) = motor.voltage;
    }
    plant.step(voltage);
    for mut motor in &mut motors {
        motor.counts = plant.counts(motor.side);
    }
}
