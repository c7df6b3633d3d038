//! Counters and histograms of a group. Recording neither allocates nor fails.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Durations above this are kept as this in the percentiles; the maximum stays exact.
const CEILING: u64 = 3_600_000_000_000;
/// Two significant digits: percentiles are right to 1 %, in 37 KB a histogram.
const DIGITS: u8 = 2;

/// A distribution of durations: exact count, minimum and maximum; percentiles right to 1 %.
#[derive(Clone)]
pub(crate) struct Spread {
    histogram: Histogram<u64>,
    min: u64,
    max: u64,
}

impl Default for Spread {
    fn default() -> Self {
        let histogram = Histogram::new_with_max(CEILING, DIGITS).expect("a constant and valid range");
        Self { histogram, min: u64::MAX, max: 0 }
    }
}

impl fmt::Debug for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.summary())
    }
}

impl Spread {
    #[inline]
    pub(crate) fn record(&mut self, nanos: u64) {
        self.min = self.min.min(nanos);
        self.max = self.max.max(nanos);
        self.histogram.saturating_record(nanos);
    }

    pub(crate) fn summary(&self) -> Summary {
        if self.histogram.is_empty() {
            return Summary::default();
        }
        let percentile =
            |quantile| Duration::from_nanos(self.histogram.value_at_quantile(quantile).clamp(self.min, self.max));
        Summary {
            count: self.histogram.len(),
            min: Duration::from_nanos(self.min),
            p50: percentile(0.5),
            p99: percentile(0.99),
            max: Duration::from_nanos(self.max),
        }
    }
}

/// A distribution of durations in five figures. As JSON, the durations are whole nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Summary {
    /// How many were recorded. With none, the rest is zero.
    pub count: u64,
    /// The shortest, exact.
    #[serde(with = "as_nanos", rename = "min_ns")]
    pub min: Duration,
    /// Half of them were at most this long, right to 1 %.
    #[serde(with = "as_nanos", rename = "p50_ns")]
    pub p50: Duration,
    /// All but one in a hundred were at most this long, right to 1 %.
    #[serde(with = "as_nanos", rename = "p99_ns")]
    pub p99: Duration,
    /// The longest, exact.
    #[serde(with = "as_nanos", rename = "max_ns")]
    pub max: Duration,
}

/// Durations as whole nanoseconds in JSON.
pub(crate) mod as_nanos {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(crate::clock::nanos(*duration))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_nanos)
    }
}

/// What a group counts. Every due tick ends in exactly one of `ticks`, `dropped`, `paused` and `suspended`.
#[derive(Clone, Debug, Default)]
pub(crate) struct GroupStats {
    pub(crate) ticks: u64,
    pub(crate) dropped: u64,
    pub(crate) overruns: u64,
    pub(crate) late: u64,
    pub(crate) paused: u64,
    pub(crate) shed: u64,
    pub(crate) suspended: u64,
    pub(crate) shift: u64,
    pub(crate) lateness: Spread,
    pub(crate) busy: Spread,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_recorded_is_all_zero() {
        assert_eq!(Spread::default().summary(), Summary::default());
    }

    #[test]
    fn extremes_are_exact_and_percentiles_within_a_hundredth() {
        let mut spread = Spread::default();
        (1..=1000).for_each(|micros| spread.record(micros * 1_000 + 7));
        let summary = spread.summary();
        assert_eq!((summary.count, summary.min, summary.max), (1000, ns(1_007), ns(1_000_007)));
        for (found, exact) in [(summary.p50, 500_007.0), (summary.p99, 990_007.0)] {
            assert!((found.as_nanos() as f64 / exact - 1.0).abs() <= 0.01, "{found:?} is not {exact}");
        }
    }

    #[test]
    fn what_passes_the_ceiling_still_shows_as_maximum() {
        let mut spread = Spread::default();
        spread.record(u64::MAX);
        assert_eq!(spread.summary().max, ns(u64::MAX));
    }

    #[test]
    fn one_value_is_its_own_spread() {
        let mut spread = Spread::default();
        spread.record(123_456);
        let summary = spread.summary();
        assert_eq!([summary.min, summary.p50, summary.p99, summary.max], [ns(123_456); 4]);
    }

    fn ns(nanos: u64) -> Duration {
        Duration::from_nanos(nanos)
    }
}
