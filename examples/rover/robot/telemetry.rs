//! 2 Hz: tells how it goes.

use super::geometry::{Pose, wrapped};
use polycephaly::prelude::*;

/// What telemetry shows.
#[derive(Clone, Copy, Default)]
pub(crate) struct Status {
    pub(crate) truth: Pose,
    /// m/s
    pub(crate) speed: f64,
    pub(crate) visited: usize,
    pub(crate) missed: usize,
    pub(crate) laps: usize,
}

/// Prints a line of what it is shown.
#[derive(Component)]
pub(crate) struct Telemetry {
    /// Input.
    pub(crate) status: Status,
    one_in: u32,
    lives: u32,
}

impl Telemetry {
    /// Prints in one of so many lives.
    pub(crate) fn new(one_in: u32) -> Self {
        Self { status: Status::default(), one_in: one_in.max(1), lives: 0 }
    }
}

impl Process for Telemetry {
    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        let prints = self.lives.is_multiple_of(self.one_in);
        self.lives += 1;
        if prints {
            let Status { truth, speed, visited, missed, laps } = self.status;
            let Some(estimate) = cx.latest::<Pose>() else { return Ok(()) };
            println!(
                "{:6.1} s  lap {:<3} {visited:4} visited {missed} missed  at {:+.2} {:+.2} m {:+4.0}°  {speed:.2} m/s  \
                 estimate off by {:4.1} cm {:3.1}°",
                cx.now().as_secs_f64(),
                laps + 1,
                truth.x,
                truth.y,
                truth.heading.to_degrees(),
                100.0 * truth.distance_to([estimate.x, estimate.y]),
                wrapped(truth.heading - estimate.heading).to_degrees().abs(),
            );
        }
        Ok(())
    }
}
