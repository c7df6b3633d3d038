//! Poses, sides and angles.

use std::f64::consts::{PI, TAU};

/// A point in the plane of the floor, m.
pub(crate) type Point = [f64; 2];

/// Where something is and which way it looks.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Pose {
    /// m
    pub(crate) x: f64,
    /// m
    pub(crate) y: f64,
    /// rad, counter-clockwise from the x axis, −π to π.
    pub(crate) heading: f64,
}

impl Pose {
    pub(crate) fn distance_to(self, [x, y]: Point) -> f64 {
        (x - self.x).hypot(y - self.y)
    }

    /// The point as seen from here: metres ahead, metres to the left.
    pub(crate) fn sees(self, [x, y]: Point) -> Point {
        let (sin, cos) = self.heading.sin_cos();
        let (dx, dy) = (x - self.x, y - self.y);
        [cos * dx + sin * dy, cos * dy - sin * dx]
    }
}

/// The same angle between −π and π.
pub(crate) fn wrapped(angle: f64) -> f64 {
    (angle + PI).rem_euclid(TAU) - PI
}

/// Which of the two driven wheels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    Left,
    Right,
}

/// The same thing for either wheel.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Wheels<T> {
    pub(crate) left: T,
    pub(crate) right: T,
}

impl<T> Wheels<T> {
    pub(crate) fn side(&self, side: Side) -> &T {
        match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        }
    }

    pub(crate) fn side_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        }
    }
}
