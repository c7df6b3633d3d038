//! 200 Hz: where the rover is, as far as its sensors tell: an extended Kalman filter.

use super::drawing::{RADIANS_PER_COUNT, WHEEL_RADIUS};
use super::geometry::{Pose, Wheels, wrapped};
use super::sensors::{Counts, FIX_NOISE, Fix, GYRO_BIAS, GYRO_NOISE, TurnRate};
use polycephaly::prelude::*;

/// What is estimated, by index: x and y in m, heading in rad, bias of the gyro in rad/s.
const STATES: usize = 4;
const X: usize = 0;
const Y: usize = 1;
const HEADING: usize = 2;
const BIAS: usize = 3;
type Matrix = [[f64; STATES]; STATES];

/// Variance that each metre adds to the position, m²/m: tyres slip by a few per cent.
const SLIP: f64 = 0.02 * 0.02;
/// Variance that each second adds to the gyro's bias, (rad/s)²/s: it warms up.
const BIAS_WALK: f64 = 1e-4 * 1e-4;
/// Standard deviation of the start: how well the rover was put down, m and rad.
const START_NOISE: (f64, f64) = (0.01, 0.02);
/// Without a reading this young there is no estimate: ten readings may be lost.
const READING_TIMEOUT: Duration = Duration::from_millis(50);

/// Wheels and gyro move the estimate; the camera's fixes hold it, and by holding it reveal the gyro's bias. Publishes its
/// estimate as a [`Pose`].
#[derive(Component)]
pub(crate) struct Estimator {
    pub(crate) pose: Pose,
    bias: f64,
    covariance: Matrix,
    last_counts: Option<Wheels<f64>>,
    /// What the camera has written since the last life.
    fix: Option<Pose>,
}

impl Estimator {
    /// Begins with the pose that the rover was told to be put at.
    pub(crate) fn at(pose: Pose) -> Self {
        let (position, heading) = START_NOISE;
        let mut covariance = Matrix::default();
        for (state, deviation) in [(X, position), (Y, position), (HEADING, heading), (BIAS, GYRO_BIAS)] {
            covariance[state][state] = deviation * deviation;
        }
        Self { pose, bias: 0.0, covariance, last_counts: None, fix: None }
    }

    fn on_fix(&mut self, Fix(pose): &Fix, _: &mut Context<Self>) -> Result {
        self.fix = Some(*pose);
        Ok(())
    }

    /// Moves on by this many metres and seconds, at this rate of turn.
    fn predict(&mut self, distance: f64, turn_rate: f64, dt: f64) {
        let turned = (turn_rate - self.bias) * dt;
        // Half of the turn before the way, half after: right to the second order.
        let (sin, cos) = (self.pose.heading + turned / 2.0).sin_cos();
        self.pose.x += distance * cos;
        self.pose.y += distance * sin;
        self.pose.heading = wrapped(self.pose.heading + turned);

        let mut transition = Matrix::default();
        for (state, row) in transition.iter_mut().enumerate() {
            row[state] = 1.0;
        }
        transition[X][HEADING] = -distance * sin;
        transition[Y][HEADING] = distance * cos;
        transition[HEADING][BIAS] = -dt;
        self.covariance = product(&product(&transition, &self.covariance), &transposed(&transition));
        self.covariance[X][X] += SLIP * distance.abs();
        self.covariance[Y][Y] += SLIP * distance.abs();
        self.covariance[HEADING][HEADING] += (GYRO_NOISE * dt).powi(2);
        self.covariance[BIAS][BIAS] += BIAS_WALK * dt;
    }

    /// Takes in that one state was measured to be off by `innovation`. Measured one by one, no matrix need be inverted.
    fn correct(&mut self, measured: usize, innovation: f64, deviation: f64) {
        let row = self.covariance[measured];
        let gain = row.map(|covariance| covariance / (row[measured] + deviation * deviation));
        self.pose.x += gain[X] * innovation;
        self.pose.y += gain[Y] * innovation;
        self.pose.heading = wrapped(self.pose.heading + gain[HEADING] * innovation);
        self.bias += gain[BIAS] * innovation;
        for (covariances, gain) in self.covariance.iter_mut().zip(gain) {
            for (covariance, known) in covariances.iter_mut().zip(row) {
                *covariance -= gain * known;
            }
        }
    }
}

impl Process for Estimator {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.on::<Fix>(Self::on_fix);
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        let readings = cx.latest_within::<Counts>(READING_TIMEOUT).zip(cx.latest_within::<TurnRate>(READING_TIMEOUT));
        let Some((counts, turn_rate)) = readings else {
            if cx.now() < READING_TIMEOUT {
                return Ok(()); // They have only just begun.
            }
            // No guessing: whoever needs the pose sees that it grows old.
            return Err("the sensors are silent".into());
        };
        let counts = counts.0;
        let last = self.last_counts.replace(counts).unwrap_or(counts);
        let counted = (counts.left - last.left + counts.right - last.right) / 2.0;
        self.predict(counted * RADIANS_PER_COUNT * WHEEL_RADIUS, turn_rate.0, cx.dt().as_secs_f64());
        if let Some(fix) = self.fix.take() {
            let (position, heading) = FIX_NOISE;
            self.correct(X, fix.x - self.pose.x, position);
            self.correct(Y, fix.y - self.pose.y, position);
            self.correct(HEADING, wrapped(fix.heading - self.pose.heading), heading);
        }
        if self.pose.x.is_finite() && self.pose.y.is_finite() && self.pose.heading.is_finite() {
            cx.publish(self.pose);
            Ok(())
        } else {
            Err("the estimate has diverged".into())
        }
    }
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    let entry = |row: usize, column: usize| (0..STATES).map(|inner| a[row][inner] * b[inner][column]).sum();
    std::array::from_fn(|row| std::array::from_fn(|column| entry(row, column)))
}

fn transposed(matrix: &Matrix) -> Matrix {
    std::array::from_fn(|row| std::array::from_fn(|column| matrix[column][row]))
}
