//! A fingerprint of the whole run: two runs with the same fingerprint went the same way to the last bit.

use super::estimator::Estimator;
use super::geometry::Pose;
use super::plant::Plant;
use polycephaly::prelude::*;

/// The 64-bit FNV-1a hash of all real and estimated poses so far.
#[derive(Resource, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Trace(u64);

impl Default for Trace {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Trace {
    pub(crate) fn hash(self) -> u64 {
        self.0
    }

    fn write(&mut self, pose: Pose) {
        for byte in [pose.x, pose.y, pose.heading].into_iter().flat_map(f64::to_le_bytes) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// At each tick of the estimator, after it.
pub(crate) fn record(plant: Res<Plant>, estimator: Single<&Estimator>, mut trace: ResMut<Trace>) {
    trace.write(plant.pose());
    trace.write(estimator.pose);
}
