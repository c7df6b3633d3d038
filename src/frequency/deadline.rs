//! Which tick is due when: exact arithmetic between numbers of ticks and nanoseconds.

use super::{Frequency, NANOS_PER_SECOND};

/// Deadlines. Instants are nanoseconds since tick 0 was due; `u64::MAX` stands for never.
///
/// All of it is exact and none of it can fail. Instants are split into seconds and nanoseconds, so that nearly all
/// products fit into 64 bits, where division is fast; what does not fit takes the same way in 128 bits.
impl Frequency {
    /// Up to this numerator, its product with the nanoseconds of a second fits into 64 bits.
    const FAST_NUMER: u64 = u64::MAX / NANOS_PER_SECOND;

    /// The instant at which tick `k` is due: `k` periods, rounded down to whole nanoseconds.
    #[inline]
    #[must_use]
    pub fn due(self, k: u64) -> u64 {
        match k.checked_mul(self.denom) {
            Some(scaled) if self.numer <= Self::FAST_NUMER => {
                let nanos = scaled % self.numer * NANOS_PER_SECOND / self.numer;
                (scaled / self.numer).saturating_mul(NANOS_PER_SECOND).saturating_add(nanos)
            }
            _ => self.due_wide(k),
        }
    }

    #[cold]
    fn due_wide(self, k: u64) -> u64 {
        let (numer, scale) = (u128::from(self.numer), u128::from(NANOS_PER_SECOND));
        let scaled = u128::from(k) * u128::from(self.denom);
        let nanos = scaled % numer * scale / numer;
        let due = (scaled / numer).saturating_mul(scale).saturating_add(nanos);
        u64::try_from(due).unwrap_or(u64::MAX)
    }

    /// How many ticks are due before `instant`; also the first tick that is due at `instant` or later.
    #[inline]
    #[must_use]
    pub fn ticks_until(self, instant: u64) -> u64 {
        self.ticks_before(instant / NANOS_PER_SECOND, instant % NANOS_PER_SECOND)
    }

    /// The first tick that is due after `instant`, at least 1.
    ///
    /// For `u64::MAX` it is the tick that would come after that instant, although it is [`due`](Self::due) never.
    #[inline]
    #[must_use]
    pub fn first_after(self, instant: u64) -> u64 {
        // Due after an instant is due at the next nanosecond or later, which is added where it cannot overflow.
        self.ticks_before(instant / NANOS_PER_SECOND, instant % NANOS_PER_SECOND + 1)
    }

    /// The last tick that is due at `instant` or before.
    #[inline]
    #[must_use]
    pub fn last_due(self, instant: u64) -> u64 {
        self.first_after(instant) - 1 // At least 1, as tick 0 is due at instant 0.
    }

    /// How many ticks are due before so many seconds and nanoseconds, of which there may be a whole second.
    ///
    /// Tick `k` is due before a whole nanosecond exactly if `k` periods are less than it, rounded down or not. So the
    /// answer is the instant times the hertz, rounded up; rounding up in between, too, does not change it.
    #[inline]
    fn ticks_before(self, seconds: u64, nanos: u64) -> u64 {
        match seconds.checked_mul(self.numer) {
            Some(scaled) if self.numer <= Self::FAST_NUMER => {
                let part = (nanos * self.numer).div_ceil(NANOS_PER_SECOND);
                match scaled.checked_add(part) {
                    Some(scaled) => scaled.div_ceil(self.denom),
                    None => self.ticks_before_wide(seconds, nanos),
                }
            }
            _ => self.ticks_before_wide(seconds, nanos),
        }
    }

    #[cold]
    fn ticks_before_wide(self, seconds: u64, nanos: u64) -> u64 {
        let numer = u128::from(self.numer);
        let part = (u128::from(nanos) * numer).div_ceil(NANOS_PER_SECOND.into());
        let ticks = (u128::from(seconds) * numer + part).div_ceil(self.denom.into());
        ticks as u64 // Fits: at most a million ticks in each of 2^64 / 10^9 seconds.
    }

    /// The number of tick `k` within its whole second, from 1 up to [`frames_per_second`](Self::frames_per_second).
    /// Always 1 at one hertz and below.
    #[inline]
    #[must_use]
    pub fn frame(self, k: u64) -> u32 {
        // In units of 1 / numer seconds, tick k is due at k * denom, a second has `numer` of them, and ticks are
        // `denom` apart: what is beyond the last whole second, counted in ticks.
        let beyond = match k.checked_mul(self.denom) {
            Some(scaled) => scaled % self.numer,
            None => (u128::from(k) * u128::from(self.denom) % u128::from(self.numer)) as u64,
        };
        (beyond / self.denom) as u32 + 1
    }

    /// The frame that a clock shows at `instant`: which of the slots of its second it is in, from 1 up to
    /// [`frames_per_second`](Self::frames_per_second). Always 1 at one hertz and below.
    ///
    /// Here each second starts with a slot of its own. With a whole number of hertz that is where the ticks are, too,
    /// and a tick on time has this [`frame`](Self::frame); with any other, ticks and seconds move against each other.
    #[inline]
    #[must_use]
    pub fn frame_at(self, instant: u64) -> u32 {
        let nanos = instant % NANOS_PER_SECOND;
        let scaled = match nanos.checked_mul(self.numer) {
            Some(product) => product / NANOS_PER_SECOND,
            None => (u128::from(nanos) * u128::from(self.numer) / u128::from(NANOS_PER_SECOND)) as u64,
        };
        // No cap is needed: a part of a second is less than one, so the slots passed in it are less than the hertz.
        (scaled / self.denom) as u32 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::super::hz;
    use super::*;

    #[test]
    fn deadlines_do_not_drift() {
        let thirds = hz(3);
        assert_eq!([0, 1, 2, 3].map(|k| thirds.due(k)), [0, 333_333_333, 666_666_666, 1_000_000_000]);
        let year = 365 * 86_400;
        assert_eq!(thirds.due(3 * year), year * NANOS_PER_SECOND);
        assert_eq!(hz((30_000, 1_001)).due(30 * year), year * 1_001_000_000);
    }

    #[test]
    fn around_a_deadline() {
        let thirds = hz(3);
        let around = [333_333_332, 333_333_333, 333_333_334];
        assert_eq!(around.map(|t| thirds.ticks_until(t)), [1, 1, 2]);
        assert_eq!(around.map(|t| thirds.last_due(t)), [0, 1, 1]);
        assert_eq!(around.map(|t| thirds.first_after(t)), [1, 2, 2]);
        assert_eq!((thirds.ticks_until(0), thirds.last_due(0), thirds.first_after(0)), (0, 0, 1));
    }

    #[test]
    fn the_end_of_time() {
        assert_eq!(Frequency::MIN.due(1), u64::MAX);
        assert_eq!(Frequency::MIN.due(2), u64::MAX);
        assert_eq!(Frequency::MIN.due(u64::MAX), u64::MAX);
        assert_eq!(Frequency::MIN.last_due(u64::MAX), 1);
        assert_eq!(Frequency::MAX.due(u64::MAX), u64::MAX);
        let last = Frequency::MAX.last_due(u64::MAX);
        assert_eq!(Frequency::MAX.due(last), u64::MAX / 1_000 * 1_000);
        assert_eq!(Frequency::MAX.due(last + 1), u64::MAX);
    }

    #[test]
    fn both_ways_agree_where_both_can_be_taken() {
        for frequency in [hz(3), hz(1_000), hz(29.97), hz((1, 7)), Frequency::MAX] {
            for k in [0, 1, 2, 999, 1_000, 1_001, 123_456_789] {
                let due = frequency.due(k);
                assert_eq!(due, frequency.due_wide(k));
                let (seconds, nanos) = (due / NANOS_PER_SECOND, due % NANOS_PER_SECOND);
                assert_eq!(frequency.ticks_until(due), frequency.ticks_before_wide(seconds, nanos));
                assert_eq!(frequency.first_after(due), frequency.ticks_before_wide(seconds, nanos + 1));
            }
        }
    }

    #[test]
    fn frames_count_within_the_second() {
        let frames = |frequency: Frequency| (0..7).map(|k| frequency.frame(k)).collect::<Vec<_>>();
        assert_eq!(frames(hz(3)), [1, 2, 3, 1, 2, 3, 1]);
        // Ticks at 0.0, 0.4, 0.8, 1.2, 1.6, 2.0 and 2.4 seconds.
        assert_eq!(frames(hz(2.5)), [1, 2, 3, 1, 2, 1, 2]);
        assert_eq!(frames(hz(0.4)), [1; 7]);
        assert_eq!([0, 399, 400, 999].map(|ms| hz(2.5).frame_at(5_000_000_000 + ms * 1_000_000)), [1, 1, 2, 3]);
        assert_eq!(hz(0.4).frame_at(999_999_999), 1);
        assert_eq!(hz(2.5).frames_per_second(), 3);
    }
}
