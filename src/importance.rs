//! What an overloaded head sheds: which ticks of which groups, as pure arithmetic on what they cost.
//!
//! A head that is asked for more than it can do loses ticks somewhere. Left alone, it loses them wherever it happens to be
//! late. With importances declared, it drops whole ticks of what matters least, before they are due, until the rest fits.

use crate::frequency::Frequency;
use serde::{Deserialize, Serialize};

/// How much a frequency group matters when its head is overloaded for long: which share of its ticks is kept at the very
/// least. Declared by [`GroupOptions::importance`](crate::key::GroupOptions::importance); a head sheds nothing unless one of
/// its groups has it declared, and the others count as [`Normal`](Self::Normal) then.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Importance {
    /// Keeps one tick in 64.
    Low,
    /// Keeps one tick in 8.
    #[default]
    Normal,
    /// Keeps one tick in 2.
    High,
    /// Keeps all its ticks.
    Critical,
}

impl Importance {
    /// Of so many ticks, one is kept at least.
    #[must_use]
    pub const fn keeps_one_in(self) -> u32 {
        match self {
            Self::Low => 64,
            Self::Normal => 8,
            Self::High => 2,
            Self::Critical => 1,
        }
    }
}

/// What one group asks of its head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand {
    pub(crate) importance: Importance,
    pub(crate) frequency: Frequency,
    /// Nanoseconds that a tick takes.
    pub(crate) cost: u64,
    /// Of so many ticks one runs now.
    pub(crate) keeps_one_in: u32,
}

/// Thousandths of the head's time.
pub(crate) type PerMille = u64;

impl Demand {
    /// What it takes when one tick in `divisor` runs.
    fn share(&self, divisor: u32) -> PerMille {
        let Self { frequency, cost, .. } = *self;
        let per_second = u128::from(cost) * u128::from(frequency.numer()) / u128::from(frequency.denom());
        u64::try_from(per_second / 1_000_000 / u128::from(divisor)).unwrap_or(u64::MAX)
    }
}

/// What all of them take, as they are.
pub(crate) fn load(demands: &[Demand]) -> PerMille {
    demands.iter().map(|demand| demand.share(demand.keeps_one_in)).fold(0, u64::saturating_add)
}

fn load_with(demands: &[Demand], divisors: &[u32]) -> PerMille {
    let shares = demands.iter().zip(divisors).map(|(demand, &divisor)| demand.share(divisor));
    shares.fold(0, u64::saturating_add)
}

/// Of how many ticks of each group one runs, so that all fit into `limit`: the least important are halved first, of equals
/// the slowest, until they have given all they may.
pub(crate) fn divisors(demands: &[Demand], limit: PerMille) -> Vec<u32> {
    let mut divisors = vec![1; demands.len()];
    let mut order: Vec<usize> = (0..demands.len()).collect();
    order.sort_by_key(|&at| (demands[at].importance, demands[at].frequency, at));
    for importance in [Importance::Low, Importance::Normal, Importance::High] {
        let rank: Vec<usize> = order.iter().copied().filter(|&at| demands[at].importance == importance).collect();
        // All of one rank by turns, so that none of them is at its least while another has given nothing.
        for _ in 0..importance.keeps_one_in().ilog2() {
            for &at in &rank {
                if load_with(demands, &divisors) <= limit {
                    return divisors;
                }
                divisors[at] *= 2;
            }
        }
    }
    divisors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frequency::hz;
    use proptest::prelude::*;

    fn demand(importance: Importance, hertz: u32, millis: u64) -> Demand {
        Demand { importance, frequency: hz(hertz), cost: millis * 1_000_000, keeps_one_in: 1 }
    }

    #[test]
    fn what_fits_is_left_alone() {
        let demands = [demand(Importance::Low, 100, 4), demand(Importance::Critical, 10, 50)];
        assert_eq!((load(&demands), divisors(&demands, 900)), (900, vec![1, 1]));
    }

    #[test]
    fn the_least_important_give_first_and_of_equals_the_slowest() {
        let demands = [
            demand(Importance::Normal, 200, 2),   // 400
            demand(Importance::Normal, 50, 8),    // 400
            demand(Importance::Low, 100, 4),      // 400
            demand(Importance::Critical, 100, 1), // 100
        ];
        assert_eq!(divisors(&demands, 1200), [1, 1, 2, 1]);
        // The low one gives all it has (6 left of 400), and the slower of the normal ones half.
        assert_eq!(divisors(&demands, 900), [1, 2, 64, 1]);
        assert_eq!(divisors(&demands, 0), [8, 8, 64, 1], "nobody gives more than it may");
    }

    proptest! {
        #[test]
        fn nobody_starves_and_nothing_is_shed_in_vain(
            groups in proptest::collection::vec((0..4_usize, 1..1000_u32, 0..50_u64), 1..12),
            limit in 1..2000_u64,
        ) {
            let all = [Importance::Low, Importance::Normal, Importance::High, Importance::Critical];
            let demands: Vec<_> = groups.iter().map(|&(at, hertz, cost)| demand(all[at], hertz, cost)).collect();
            let found = divisors(&demands, limit);
            for (demand, &divisor) in demands.iter().zip(&found) {
                prop_assert!(divisor.is_power_of_two() && divisor <= demand.importance.keeps_one_in());
            }
            let all_given = demands.iter().zip(&found).all(|(demand, &divisor)| divisor == demand.importance.keeps_one_in());
            prop_assert!(load_with(&demands, &found) <= limit || all_given);
            // One who matters more gives only when all who matter less have given all they may.
            for (a, &shed) in demands.iter().zip(&found) {
                for (b, &other) in demands.iter().zip(&found) {
                    if shed > 1 && b.importance < a.importance {
                        prop_assert_eq!(other, b.importance.keeps_one_in());
                    }
                }
            }
        }
    }
}
