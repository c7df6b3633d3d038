//! When groups of one head tick beside each other: phases, as exact arithmetic.
//!
//! Groups whose ticks fall on the same instant make each other late. Two groups with periods `p` and `q` meet when their
//! phases differ by a multiple of the greatest common divisor of `p` and `q`, and never come closer than their difference is
//! to such a multiple; groups that meet two by two all meet at one instant (the Chinese remainder theorem).

use crate::frequency::Frequency;
use std::time::Duration;

const NANOS_PER_SECOND: u128 = 1_000_000_000;
/// Due instants are whole nanoseconds: what is no farther apart than the two roundings meets.
const ROUNDING: u64 = 2;
/// Into so many parts at most the distance between two meetings is cut for places to try.
const PARTS: u64 = 16;

/// When a group ticks beside others of its head.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Phase {
    /// Tick 0 is due so long after the common epoch.
    At(Duration),
    /// Where it is farthest from the other groups of its head: chosen when the application starts, or when it is set.
    Auto,
}

impl Default for Phase {
    fn default() -> Self {
        Self::At(Duration::ZERO)
    }
}

impl From<Duration> for Phase {
    fn from(phase: Duration) -> Self {
        Self::At(phase)
    }
}

/// A group that has its place: its frequency, and its phase in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Placed {
    pub(crate) frequency: Frequency,
    pub(crate) phase: u64,
}

impl Placed {
    /// How close these two ever come, in nanoseconds; 0 when they meet.
    fn gap(self, other: Self) -> u64 {
        // In units of 1 / parts of a nanosecond, so that nothing is rounded.
        let (common, parts) = common(self.frequency, other.frequency);
        let Some(apart) = u128::from(self.phase.abs_diff(other.phase)).checked_mul(parts) else { return 0 };
        let apart = apart % common;
        let gap = u64::try_from(apart.min(common - apart) / parts).unwrap_or(u64::MAX);
        if gap <= ROUNDING { 0 } else { gap }
    }
}

/// The greatest common divisor of two periods, as a fraction of nanoseconds.
fn common(a: Frequency, b: Frequency) -> (u128, u128) {
    let [an, ad, bn, bd] = [a.numer(), a.denom(), b.numer(), b.denom()].map(u128::from);
    // Of ad / an and bd / bn, both over one denominator.
    let (up, down) = (gcd(ad * bn, bd * an), an.saturating_mul(bn));
    let up = up.saturating_mul(NANOS_PER_SECOND);
    let shared = gcd(up, down);
    (up / shared, down / shared)
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The phase for one more group that lets it meet the fewest of the others, and then stays farthest from all.
pub(crate) fn best(frequency: Frequency, others: &[Placed]) -> u64 {
    let period = frequency.due(1);
    let mut tries = vec![0];
    for other in others {
        let (up, down) = common(frequency, other.frequency);
        let common = u64::try_from(up / down).unwrap_or(u64::MAX).clamp(1, period);
        let part = (common / PARTS).max(1);
        tries.extend((0..PARTS).map(|n| (other.phase % common + n * part) % period));
    }
    tries.sort_unstable();
    let worth = |&phase: &u64| {
        let gaps = others.iter().map(|&other| Placed { frequency, phase }.gap(other));
        let (meets, least) =
            gaps.fold((0, u64::MAX), |(meets, least), gap| (meets + u32::from(gap == 0), least.min(gap)));
        (std::cmp::Reverse(meets), least)
    };
    // The first of the best: the earliest.
    tries.into_iter().rev().max_by_key(worth).unwrap_or(0)
}

/// How many of these are due at one instant when most are. With more than 64 groups, a lower bound.
pub(crate) fn most_at_once(groups: &[Placed]) -> u32 {
    let groups = &groups[..groups.len().min(64)];
    let meets = |a: usize| {
        let bits = (0..groups.len()).filter(|&b| b > a && groups[a].gap(groups[b]) == 0).map(|b| 1_u64 << b);
        bits.fold(0, |all, bit| all | bit)
    };
    let later: Vec<u64> = (0..groups.len()).map(meets).collect();
    let all = if groups.len() == 64 { u64::MAX } else { (1 << groups.len()) - 1 };
    let mut most = 0;
    grow(&later, all, 0, &mut most);
    most
}

/// Adds to a set of groups that meet, in every way that could still beat `most`.
fn grow(later: &[u64], mut candidates: u64, size: u32, most: &mut u32) {
    *most = (*most).max(size);
    while size + candidates.count_ones() > *most {
        let next = candidates.trailing_zeros() as usize;
        candidates &= candidates - 1;
        grow(later, candidates & later[next], size + 1, most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frequency::hz;
    use proptest::prelude::*;

    /// By listing every due instant of ten seconds.
    fn counted(groups: &[Placed]) -> u32 {
        let mut due: Vec<u64> = Vec::new();
        for group in groups {
            let ticks = group.frequency.ticks_until(10_000_000_000);
            due.extend((0..ticks).map(|tick| group.phase + group.frequency.due(tick)));
        }
        due.sort_unstable();
        due.chunk_by(|a, b| b - a <= ROUNDING).map(|same| same.len() as u32).max().unwrap_or(0)
    }

    fn spread(frequencies: &[Frequency]) -> Vec<Placed> {
        let mut placed = Vec::new();
        for &frequency in frequencies {
            let phase = best(frequency, &placed);
            placed.push(Placed { frequency, phase });
        }
        placed
    }

    #[test]
    fn groups_that_would_all_meet_never_do() {
        let frequencies = [hz(1000), hz(500), hz(200), hz(100), hz(100), hz(50)];
        let apart = spread(&frequencies);
        let together = frequencies.map(|frequency| Placed { frequency, phase: 0 });
        assert_eq!((most_at_once(&together), counted(&together)), (6, 6));
        assert_eq!((most_at_once(&apart), counted(&apart)), (1, 1), "{apart:?}");
        // Two at one rate stand opposite.
        assert_eq!(spread(&[hz(10), hz(10)])[1].phase, 50_000_000);
        assert_eq!(spread(&[hz(10)])[0].phase, 0);
    }

    #[test]
    fn what_can_not_be_kept_apart_is_told() {
        // 30000/1001 and 1000 Hz: every 33.3 microseconds.
        let film = Placed { frequency: hz((30_000, 1_001)), phase: 0 };
        assert_eq!(common(film.frequency, hz(1000)), (100_000, 3));
        let phase = best(hz(1000), &[film]);
        assert!(film.gap(Placed { frequency: hz(1000), phase }) > 15_000);
        assert_eq!(best(Frequency::MAX, &[film]), best(Frequency::MAX, &[film]));
    }

    proptest! {
        #[test]
        fn as_many_meet_as_a_list_of_all_instants_says(
            groups in proptest::collection::vec((1..40_u32, 0..40_u64), 1..7),
        ) {
            let groups: Vec<_> = groups
                .iter()
                .map(|&(hertz, phase)| Placed { frequency: hz(hertz), phase: phase * 12_500_000 })
                .collect();
            // Whole hertz: every pattern repeats each second.
            prop_assert_eq!(most_at_once(&groups), counted(&groups));
        }

        #[test]
        fn one_more_group_never_meets_more_than_it_must(hertz in proptest::collection::vec(1..200_u32, 1..8)) {
            let frequencies: Vec<_> = hertz.iter().map(|&hertz| hz(hertz)).collect();
            let together: Vec<_> = frequencies.iter().map(|&frequency| Placed { frequency, phase: 0 }).collect();
            prop_assert!(most_at_once(&spread(&frequencies)) <= most_at_once(&together));
        }
    }
}
