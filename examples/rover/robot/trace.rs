//! A fingerprint of the whole run: two runs with the same fingerprint went the same way to the last bit.

use super::geometry::Pose;
use super::plant::Truth;
use polycephaly::prelude::*;

/// Topic: the 64-bit FNV-1a hash of all real and estimated poses so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fingerprint(pub(crate) u64);

/// 200 Hz: hashes on, after the estimator.
#[derive(Component)]
pub(crate) struct Trace(u64);

impl Default for Trace {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Trace {
    fn write(&mut self, pose: Pose) {
        for byte in [pose.x, pose.y, pose.heading].into_iter().flat_map(f64::to_le_bytes) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

impl Process for Trace {
    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        if let (Some(truth), Some(estimate)) = (cx.latest::<Truth>(), cx.latest::<Pose>()) {
            self.write(truth.pose);
            self.write(*estimate);
        }
        cx.publish(Fingerprint(self.0));
        Ok(())
    }
}
