//! What the rover can know: each sensor takes the truth and hands out a reading with its own faults.

use super::geometry::{Pose, Wheels, wrapped};
use super::plant::Truth;
use polycephaly::prelude::*;
use polycephaly::rand::{Rng, RngExt};

/// Standard deviation of an encoder reading, counts: play in the gear, and when exactly it was read.
const ENCODER_NOISE: f64 = 4.0;
/// Standard deviation of a gyro reading, rad/s.
pub(crate) const GYRO_NOISE: f64 = 0.02;
/// Standard deviation of the gyro's bias from one power-up to the next, rad/s.
pub(crate) const GYRO_BIAS: f64 = 0.02;
/// Standard deviations of a fix of the camera: m, and rad.
pub(crate) const FIX_NOISE: (f64, f64) = (0.02, 0.03);

/// A normally distributed number, near enough: the sum of twelve uniform ones. Made of additions only, so that it has the
/// same bits on every machine.
fn normal(rng: &mut impl Rng, deviation: f64) -> f64 {
    let sum: f64 = (0..12).map(|_| rng.random::<f64>()).sum();
    (sum - 6.0) * deviation
}

/// Topic: both wheels' counts since the start, as the encoders read them.
pub(crate) struct Counts(pub(crate) Wheels<f64>);

/// Topic: the rate of turn as the gyro reads it, rad/s.
pub(crate) struct TurnRate(pub(crate) f64);

/// Mail to the estimator: where the camera sees the rover.
pub(crate) struct Fix(pub(crate) Pose);

/// 200 Hz: both wheels' counters.
#[derive(Component)]
pub(crate) struct Encoders;

impl Process for Encoders {
    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        let Some(truth) = cx.latest::<Truth>().map(|truth| truth.counts) else { return Ok(()) };
        let mut read = |counts: i64| counts as f64 + normal(cx.rng(), ENCODER_NOISE).round();
        let counts = Wheels { left: read(truth.left), right: read(truth.right) };
        cx.publish(Counts(counts));
        Ok(())
    }
}

/// 200 Hz: the rate of turn, with a bias that nobody knows.
#[derive(Component, Default)]
pub(crate) struct Gyro {
    bias: f64,
}

impl Process for Gyro {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        self.bias = normal(cx.rng(), GYRO_BIAS);
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        let Some(truth) = cx.latest::<Truth>().map(|truth| truth.turn_rate) else { return Ok(()) };
        let reading = truth + self.bias + normal(cx.rng(), GYRO_NOISE);
        cx.publish(TurnRate(reading));
        Ok(())
    }
}

/// 1 Hz: a camera under the ceiling that sees the marker on the rover's back. Coarse, but it never drifts.
#[derive(Component)]
pub(crate) struct Camera;

impl Process for Camera {
    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        let Some(truth) = cx.latest::<Truth>().map(|truth| truth.pose) else { return Ok(()) };
        let (position, heading) = FIX_NOISE;
        let fix = Pose {
            x: truth.x + normal(cx.rng(), position),
            y: truth.y + normal(cx.rng(), position),
            heading: wrapped(truth.heading + normal(cx.rng(), heading)),
        };
        // By mail, for each fix is to be used once; of a topic, the estimator would find the same one again and again.
        cx.send(Mail::to("estimator").subject("fix").body(Fix(fix)))?;
        Ok(())
    }
}
