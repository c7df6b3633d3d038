//! 1000 Hz: makes one wheel turn as fast as it is told.

use super::drawing::{MOTOR_CONSTANT, RADIANS_PER_COUNT, SUPPLY};
use super::geometry::{Side, Wheels};
use polycephaly::prelude::*;
use std::time::Duration;

/// Proportional gain, V per rad/s. With the motor's own damping it closes the loop at about 5 Hz; the encoder's filter
/// turns the phase at 30 Hz, far above.
const PROPORTIONAL: f64 = 1.5;
/// Integral gain, V/s per rad/s: takes out what friction and load leave within about 0.1 s.
const INTEGRAL: f64 = 15.0;
/// Time constant of the low pass on the measured speed, s: one count in one millisecond is 0.4 rad/s, too coarse raw.
const FILTER: f64 = 0.005;
/// A command older than this is not obeyed: whoever sent it may be dead. Four commands may be lost.
const COMMAND_TIMEOUT: Duration = Duration::from_millis(250);

/// Topic: what the wheels shall do, rad/s, forward positive.
pub(crate) struct Command(pub(crate) Wheels<f64>);

/// A velocity controller: proportional and integral, with the motor's known voltage fed forward.
#[derive(Component)]
pub(crate) struct Motor {
    pub(crate) side: Side,
    /// Input: the encoder's counter.
    pub(crate) counts: i64,
    /// Output: to the motor driver, V.
    pub(crate) voltage: f64,
    /// Filtered wheel speed, rad/s.
    speed: f64,
    /// Voltage that has proved necessary on top, V.
    integral: f64,
    last_counts: i64,
    /// One period, s. The nominal one: the encoder is latched by hardware on the millisecond, however late we read it.
    period: f64,
}

impl Motor {
    pub(crate) fn new(side: Side) -> Self {
        Self { side, counts: 0, voltage: 0.0, speed: 0.0, integral: 0.0, last_counts: 0, period: 0.0 }
    }
}

impl Process for Motor {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        self.period = cx.frequency().period().as_secs_f64();
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        let counted = (self.counts - self.last_counts) as f64;
        self.last_counts = self.counts;
        let raw = counted * RADIANS_PER_COUNT / self.period;
        self.speed += (raw - self.speed) * self.period / (FILTER + self.period);

        // No command for so long: stop.
        let target = cx.latest_within::<Command>(COMMAND_TIMEOUT).map_or(0.0, |command| *command.0.side(self.side));
        let error = target - self.speed;
        let wanted = MOTOR_CONSTANT * target + PROPORTIONAL * error + self.integral;
        self.voltage = wanted.clamp(-SUPPLY, SUPPLY);
        // While the supply limits, more integral would only have to be unwound later.
        if self.voltage == wanted {
            self.integral += INTEGRAL * error * self.period;
        }
        Ok(())
    }

    fn safe_stop(&mut self, _: &mut Context<Self>) -> Result {
        self.voltage = 0.0;
        Ok(())
    }

    fn death(&mut self, _: &mut Context<Self>) -> Result {
        self.voltage = 0.0;
        Ok(())
    }
}
