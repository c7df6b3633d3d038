//! 20 Hz: follows the course on the estimated pose by pure pursuit: always steer on the arc that leads to a point of the
//! course a little ahead.

use super::arena::{START, WAY_POINTS};
use super::drawing::{TRACK, WHEEL_RADIUS};
use super::geometry::{Point, Pose, Wheels};
use super::motor::Command;
use polycephaly::prelude::*;

/// How far ahead the pursued point is, m: more cuts corners, less weaves.
const LOOKAHEAD: f64 = 0.3;
/// m/s
const CRUISE: f64 = 1.1;
/// Sideways acceleration in bends, m/s²: a third of what the tyres can bear.
const CORNERING: f64 = 2.5;
/// How fast the speed may change, m/s².
const ACCELERATION: f64 = 3.0;
/// Rate of turn on the spot, when the course lies behind, rad/s.
const PIVOT: f64 = 2.0;
/// A way point this close is done with, m.
const REACH: f64 = 0.12;
/// On an estimate older than this the rover does not drive: ten of them may be lost.
const POSE_TIMEOUT: Duration = Duration::from_millis(50);

/// Turns the estimated [`Pose`] into a [`Command`].
#[derive(Component, Default)]
pub(crate) struct Planner {
    /// Where the estimator thinks we are.
    pose: Pose,
    /// How many way points are done with.
    done: usize,
    /// Commanded speed, m/s.
    speed: f64,
}

impl Planner {
    /// Start and end of a leg of the course, m, by the number of the way point it leads to.
    fn leg(number: usize) -> (Point, Point) {
        let point = |number: usize| WAY_POINTS[number % WAY_POINTS.len()];
        let start = if number == 0 { [START.x, START.y] } else { point(number - 1) };
        (start, point(number))
    }

    /// How far along a leg the rover is, m, and the leg's length.
    fn progress(&self, number: usize) -> (f64, f64) {
        let ([x, y], [to_x, to_y]) = Self::leg(number);
        let length = (to_x - x).hypot(to_y - y);
        let along = ((self.pose.x - x) * (to_x - x) + (self.pose.y - y) * (to_y - y)) / length;
        (along.clamp(0.0, length), length)
    }

    /// The point of the course to steer for: [`LOOKAHEAD`] further on.
    fn carrot(&self) -> Point {
        let mut number = self.done;
        let (along, mut length) = self.progress(number);
        let mut along = along + LOOKAHEAD;
        while along > length {
            along -= length;
            number += 1;
            (_, length) = self.progress(number);
        }
        let ([x, y], [to_x, to_y]) = Self::leg(number);
        let part = along / length;
        [x + part * (to_x - x), y + part * (to_y - y)]
    }
}

impl Process for Planner {
    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        let Some(pose) = cx.latest_within::<Pose>(POSE_TIMEOUT) else {
            self.speed = 0.0;
            cx.publish(Command(Wheels::default()));
            return Ok(());
        };
        self.pose = *pose;
        let (along, length) = self.progress(self.done);
        if along >= length || self.pose.distance_to(Self::leg(self.done).1) < REACH {
            self.done += 1;
        }

        let [ahead, left] = self.pose.sees(self.carrot());
        let curvature = 2.0 * left / (ahead * ahead + left * left); // 1/m
        let (wanted, pivot) = if ahead > 0.0 {
            ((CORNERING / curvature.abs().max(1e-3)).sqrt().min(CRUISE), 0.0)
        } else {
            (0.0, PIVOT.copysign(left))
        };
        let change = ACCELERATION * cx.frequency().period().as_secs_f64();
        self.speed += (wanted - self.speed).clamp(-change, change);

        let turn = if pivot == 0.0 { self.speed * curvature } else { pivot }; // rad/s
        let wheel = |offset: f64| (self.speed + turn * offset) / WHEEL_RADIUS;
        cx.publish(Command(Wheels { left: wheel(-TRACK / 2.0), right: wheel(TRACK / 2.0) }));
        Ok(())
    }
}
