//! How often something happens: an exact, rational number of hertz.
//!
//! A loop that adds a rounded period to its last deadline drifts: a third of a second taken as 333,333,333 ns is off by
//! 31 ms after a year. A [`Frequency`] keeps numerator and denominator instead, and each deadline is computed from the
//! number of its tick alone. The error is always below one nanosecond, and never grows.
//!
//! A process without a frequency takes the application's
//! [`global_frequency`](crate::application::Application::global_frequency), 30 Hz unless set. In a life,
//! [`dt`](crate::context::Context::dt) is the time since the last one, [`frame`](crate::context::Context::frame) the number of
//! the tick within the second, and [`set_frequency`](crate::context::Context::set_frequency) changes the pace.

mod deadline;
mod fraction;
mod text;

use std::cmp::Ordering;
use std::fmt;
use std::time::Duration;

use bevy_ecs::component::Component;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// An exact rational number of hertz, from one in 584 years up to one million.
///
/// As a component it says how often a process is to live. The scheduler takes it out of the World when that is done: to change
/// it is to insert another one. [`Context::frequency`](crate::context::Context::frequency) tells what holds.
///
/// ```
/// use polycephaly::frequency::{Frequency, every, hz};
/// use std::time::Duration;
///
/// assert_eq!(hz(0.2), every(Duration::from_secs(5)));
/// assert_eq!("29.97 Hz".parse(), Frequency::new(2997, 100));
/// assert_eq!(hz((30000, 1001)).due(30000), 1_001_000_000_000);
/// ```
#[derive(Component, Clone, Copy, PartialEq, Eq, Hash)]
#[component(immutable)]
pub struct Frequency {
    // In lowest terms, so that equality by field is equality by value. Neither is zero.
    numer: u64,
    denom: u64,
}

/// Why something is no [`Frequency`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrequencyError {
    /// Zero, or below.
    #[error("a frequency must be above zero, not {given}: to hold a process still, pause it")]
    NotPositive {
        /// What was given.
        given: String,
    },
    /// Not a number, infinite, a fraction over zero, or a period of zero.
    #[error("a frequency must be finite, not {given}: look for a zero or a missing value where it was computed")]
    NotFinite {
        /// What was given.
        given: String,
    },
    /// Above [`Frequency::MAX`].
    #[error("{given} is above the limit of 1 MHz: do several steps in one life instead")]
    TooFast {
        /// What was given.
        given: String,
    },
    /// Below [`Frequency::MIN`].
    #[error("{given} is below the limit of once in 2^64 - 1 ns (about 584 years): shorten the period")]
    TooSlow {
        /// What was given.
        given: String,
    },
    /// In range, but no fraction of two 64-bit numbers has exactly this value.
    #[error("{given} has too many digits for an exact fraction of two 64-bit numbers: round it")]
    TooFine {
        /// What was given.
        given: String,
    },
    /// A text that cannot be read as a frequency.
    #[error("cannot read {text:?} as a frequency: expected {expected} at character {at}")]
    Unreadable {
        /// The text, shortened if it is long.
        text: String,
        /// What could have followed there.
        expected: &'static str,
        /// Where reading ended, in characters from 1, not counting white space in front.
        at: usize,
    },
}

/// The frequency of `value` hertz, for constants: `hz(5)`, `hz(0.2)`, `hz((30000, 1001))`.
///
/// A floating-point number stands for the simplest fraction that rounds to it; see [`Frequency::try_from`] for numbers
/// that come from the world.
///
/// # Panics
///
/// With the message of the [`FrequencyError`] if `value` is no frequency.
#[must_use]
#[track_caller]
pub fn hz<T>(value: T) -> Frequency
where
    Frequency: TryFrom<T, Error = FrequencyError>,
{
    match Frequency::try_from(value) {
        Ok(frequency) => frequency,
        Err(error) => panic!("{error}"),
    }
}

/// The frequency of once in `period`, for constants: `every(Duration::from_millis(7))`.
///
/// See [`Frequency::from_period`] for periods that come from the world.
///
/// # Panics
///
/// With the message of the [`FrequencyError`] if `period` is below a microsecond, or above `u64::MAX` nanoseconds.
#[must_use]
#[track_caller]
pub fn every(period: Duration) -> Frequency {
    match Frequency::from_period(period) {
        Ok(frequency) => frequency,
        Err(error) => panic!("{error}"),
    }
}

/// Making and taking apart.
impl Frequency {
    /// The fastest: one megahertz. A life of less than a microsecond is not worth its own tick.
    pub const MAX: Frequency = Frequency { numer: 1_000_000, denom: 1 };

    /// The slowest: once in `u64::MAX` nanoseconds, so that each period can be told in that type.
    pub const MIN: Frequency = Frequency { numer: NANOS_PER_SECOND / 5, denom: u64::MAX / 5 };

    /// `numer / denom` hertz, reduced to lowest terms.
    ///
    /// # Errors
    ///
    /// If either is zero, or if the fraction is above [`MAX`](Self::MAX) or below [`MIN`](Self::MIN).
    pub fn new(numer: u64, denom: u64) -> Result<Self, FrequencyError> {
        Self::checked(numer.into(), denom.into(), format_args!("{numer}/{denom} Hz"))
    }

    /// Once in `period`.
    ///
    /// # Errors
    ///
    /// If the period is below a microsecond, or above `u64::MAX` nanoseconds.
    pub fn from_period(period: Duration) -> Result<Self, FrequencyError> {
        Self::checked(NANOS_PER_SECOND.into(), period.as_nanos(), format_args!("every {period:?}"))
    }

    /// All ways in end here. `given` is what the caller wrote, for the error.
    fn checked(numer: u128, denom: u128, given: impl fmt::Display) -> Result<Self, FrequencyError> {
        let given = || given.to_string();
        if denom == 0 {
            return Err(FrequencyError::NotFinite { given: given() });
        }
        if numer == 0 {
            return Err(FrequencyError::NotPositive { given: given() });
        }
        let common = fraction::gcd(numer, denom);
        let (numer, denom) = (numer / common, denom / common);
        // Saturation cannot spoil these: one saturated side is the greater one in truth as well, and where both are,
        // neither number fits below.
        if numer > denom.saturating_mul(Self::MAX.numer.into()) {
            return Err(FrequencyError::TooFast { given: given() });
        }
        if denom.saturating_mul(NANOS_PER_SECOND.into()) > numer.saturating_mul(u64::MAX.into()) {
            return Err(FrequencyError::TooSlow { given: given() });
        }
        match (u64::try_from(numer), u64::try_from(denom)) {
            (Ok(numer), Ok(denom)) => Ok(Self { numer, denom }),
            _ => Err(FrequencyError::TooFine { given: given() }),
        }
    }

    /// `value` comes from a format of `digits` binary digits, in which it reads as `given`.
    fn from_float(value: f64, digits: u32, given: impl fmt::Display) -> Result<Self, FrequencyError> {
        /// Half of the slowest. From here up, mantissa and exponent are such as [`fraction`] can take.
        const FAR_TOO_SLOW: f64 = 2.7e-11;
        if !value.is_finite() {
            Err(FrequencyError::NotFinite { given: given.to_string() })
        } else if value <= 0.0 {
            Err(FrequencyError::NotPositive { given: given.to_string() })
        } else if value > 1e6 {
            Err(FrequencyError::TooFast { given: given.to_string() })
        } else if value < FAR_TOO_SLOW {
            Err(FrequencyError::TooSlow { given: given.to_string() })
        } else {
            let (numer, denom) = fraction::simplest_rounding_to(value, digits);
            Self::checked(numer, denom, given)
        }
    }

    /// Numerator of the hertz in lowest terms, at least 1.
    #[must_use]
    pub const fn numer(self) -> u64 {
        self.numer
    }

    /// Denominator of the hertz in lowest terms, at least 1.
    #[must_use]
    pub const fn denom(self) -> u64 {
        self.denom
    }

    /// Hertz as the nearest floating-point number. Whatever was made from an `f64` gives that very number again.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        // Shifted up to 128 bits, the quotient has at least 63: more than the cast below keeps. What the division
        // leaves over only matters in a tie, which the lowest bit then breaks.
        let shift = u128::from(self.numer).leading_zeros();
        let (scaled, denom) = (u128::from(self.numer) << shift, u128::from(self.denom));
        let quotient = (scaled / denom) | u128::from(!scaled.is_multiple_of(denom));
        quotient as f64 / (1_u128 << shift) as f64
    }

    /// The time from one tick to the next, rounded down to whole nanoseconds. Do not add it up to find deadlines: that
    /// is what [`due`](Self::due) is for.
    #[must_use]
    pub fn period(self) -> Duration {
        Duration::from_nanos(self.due(1))
    }

    /// The largest number of ticks in a whole second: the hertz, rounded up. Between 1 and one million.
    #[must_use]
    pub fn frames_per_second(self) -> u32 {
        // Fits: at most a million, as all frames are.
        self.numer.div_ceil(self.denom) as u32
    }
}

/// By value: one is less than another if it is slower.
impl Ord for Frequency {
    fn cmp(&self, other: &Self) -> Ordering {
        let cross = |a: u64, b: u64| u128::from(a) * u128::from(b);
        cross(self.numer, other.denom).cmp(&cross(other.numer, self.denom))
    }
}

impl PartialOrd for Frequency {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The simplest fraction that rounds to this number: `0.2` is 1/5, `29.97` is 2997/100, `1.0 / 3.0` is 1/3.
///
/// It is exactly the fraction meant if numerator times denominator is below 2^52, as it is for any decimal of up to
/// seven digits from 0.01 up. [`Frequency::as_f64`] always gives the same number back, bit for bit.
/// So that what is a frequency already passes wherever one is taken in other shapes.
impl From<std::convert::Infallible> for FrequencyError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl TryFrom<f64> for Frequency {
    type Error = FrequencyError;

    fn try_from(value: f64) -> Result<Self, FrequencyError> {
        Self::from_float(value, f64::MANTISSA_DIGITS, format_args!("{value:?} Hz"))
    }
}

/// The simplest fraction that rounds to this number, as for `f64`. It has only seven digits to tell them apart.
impl TryFrom<f32> for Frequency {
    type Error = FrequencyError;

    fn try_from(value: f32) -> Result<Self, FrequencyError> {
        Self::from_float(value.into(), f32::MANTISSA_DIGITS, format_args!("{value:?} Hz"))
    }
}

macro_rules! try_from_integers {
    ($($integer:ty),*) => {$(
        impl TryFrom<$integer> for Frequency {
            type Error = FrequencyError;

            fn try_from(value: $integer) -> Result<Self, FrequencyError> {
                let numer = u128::try_from(value).unwrap_or(0); // Below zero is refused as zero is.
                Self::checked(numer, 1, format_args!("{value} Hz"))
            }
        }

        /// Numerator and denominator, neither of which may be negative.
        impl TryFrom<($integer, $integer)> for Frequency {
            type Error = FrequencyError;

            fn try_from((numer, denom): ($integer, $integer)) -> Result<Self, FrequencyError> {
                let given = format_args!("{numer}/{denom} Hz");
                match (u128::try_from(numer), u128::try_from(denom)) {
                    (Ok(numer), Ok(denom)) => Self::checked(numer, denom, given),
                    _ => Err(FrequencyError::NotPositive { given: given.to_string() }),
                }
            }
        }
    )*};
}

try_from_integers!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_need_no_suffix() {
        assert_eq!(hz(5), Frequency::new(5, 1).unwrap());
        assert_eq!(hz(0.2), Frequency::new(1, 5).unwrap());
        assert_eq!(hz(29.97), Frequency::new(2997, 100).unwrap());
        assert_eq!(hz(1.0 / 3.0), Frequency::new(1, 3).unwrap());
        assert_eq!(hz(30_000.0 / 1_001.0), hz((30_000, 1_001)));
        assert_eq!(hz(0.1_f32), hz(0.1));
        assert_eq!(every(Duration::from_millis(7)), hz((1_000, 7)));
    }

    #[test]
    fn limits_are_within_range() {
        assert_eq!(Frequency::new(Frequency::MIN.numer, Frequency::MIN.denom), Ok(Frequency::MIN));
        assert_eq!(Frequency::from_period(Duration::from_nanos(u64::MAX)), Ok(Frequency::MIN));
        assert_eq!(Frequency::from_period(Duration::from_micros(1)), Ok(Frequency::MAX));
        assert!(matches!(Frequency::new(1_000_001, 1), Err(FrequencyError::TooFast { .. })));
        assert!(matches!(Frequency::new(1, 18_446_744_074), Err(FrequencyError::TooSlow { .. })));
    }

    #[test]
    #[should_panic(expected = "-3 Hz")]
    fn a_bad_constant_panics_with_its_value() {
        let _ = hz(-3);
    }

    #[test]
    fn order_is_by_value() {
        let mut some = [hz(30), hz((30_000, 1_001)), hz(29.97), Frequency::MIN, hz(0.2), Frequency::MAX];
        some.sort();
        assert_eq!(some, [Frequency::MIN, hz(0.2), hz(29.97), hz((30_000, 1_001)), hz(30), Frequency::MAX]);
    }

    #[test]
    fn as_f64_is_the_nearest() {
        assert_eq!(hz(0.1).as_f64(), 0.1);
        assert_eq!(Frequency::new(u64::MAX, u64::MAX - 2).unwrap().as_f64(), 1.0);
        assert_eq!(Frequency::MIN.as_f64(), 1e9 / u64::MAX as f64);
        // Each cast to f64 before a division would round up here, and the quotient be one place off.
        let (numer, denom) = ((1 << 53) + 1, (1 << 53) - 1);
        assert_eq!(Frequency::new(numer, denom).unwrap().as_f64(), 1.0_f64.next_up());
    }
}
