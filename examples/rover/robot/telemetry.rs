//! 2 Hz: tells how it goes.

use super::geometry::{Pose, wrapped};
use super::plant::Truth;
use super::referee::Score;
use polycephaly::prelude::*;

/// Prints a line of how it really goes, and what the robot makes of it.
#[derive(Component)]
pub(crate) struct Telemetry {
    one_in: u32,
    lives: u32,
}

impl Telemetry {
    /// Prints in one of so many lives.
    pub(crate) fn new(one_in: u32) -> Self {
        Self { one_in: one_in.max(1), lives: 0 }
    }
}

impl Process for Telemetry {
    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        let prints = self.lives.is_multiple_of(self.one_in);
        self.lives += 1;
        if prints {
            let (Some(now), Some(score)) = (cx.latest::<Truth>(), cx.latest::<Score>()) else { return Ok(()) };
            let Some(estimate) = cx.latest::<Pose>() else { return Ok(()) };
            let (truth, speed) = (now.pose, now.speed);
            println!(
                "{:6.1} s  lap {:<3} {:4} visited {} missed  at {:+.2} {:+.2} m {:+4.0}°  {speed:.2} m/s  \
                 estimate off by {:4.1} cm {:3.1}°",
                cx.now().as_secs_f64(),
                score.laps() + 1,
                score.visited(),
                score.missed(),
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
