//! Knows where the rover really is, and whether it visits all its way points in time.

use super::arena::WAY_POINTS;
use super::geometry::Pose;
use super::plant::Truth;
use polycephaly::prelude::*;
use std::fmt;

/// A way point counts as visited when the rover's middle really was this close, m.
const TOLERANCE: f64 = 0.2;
/// Time allowed for one way point, and once more for setting off, s: a first lap in 10 s.
const ALLOWED: f64 = 1.0;

/// 1000 Hz: keeps the score.
#[derive(Component, Default)]
pub(crate) struct Referee {
    score: Score,
}

impl Process for Referee {
    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        if let Some(truth) = cx.latest::<Truth>() {
            self.score.watch(truth.pose, truth.time);
        }
        cx.publish(self.score);
        Ok(())
    }
}

/// Topic: the score so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Score {
    visited: usize,
    missed: usize,
    /// How many had to be done with by now.
    expected: usize,
}

impl Score {
    /// Looks at the real pose at this time, s.
    fn watch(&mut self, pose: Pose, time: f64) {
        self.expected = ((time - ALLOWED) / ALLOWED).max(0.0) as usize;
        let next = self.visited + self.missed;
        let is_at = |number: usize| pose.distance_to(WAY_POINTS[number % WAY_POINTS.len()]) < TOLERANCE;
        if is_at(next) {
            self.visited += 1;
        } else if is_at(next + 1) {
            self.missed += 1;
        }
    }

    /// How many way points have been visited, over all laps.
    pub(crate) fn visited(&self) -> usize {
        self.visited
    }

    /// How many way points were passed by, or are overdue.
    pub(crate) fn missed(&self) -> usize {
        self.missed + self.expected.saturating_sub(self.visited + self.missed)
    }

    /// Whole rounds of the course.
    pub(crate) fn laps(&self) -> usize {
        (self.visited + self.missed) / WAY_POINTS.len()
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (visited, missed, laps) = (self.visited(), self.missed(), self.laps());
        write!(f, "{visited} way points visited, {missed} missed, {laps} laps")
    }
}
