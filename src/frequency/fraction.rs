//! The simplest fraction that a floating-point number can stand for.

/// Greatest common divisor; the other number if one of them is zero.
pub(super) fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The fraction of the smallest denominator among all that round to `value` in a format of `digits` binary digits
/// (24 for `f32`, 53 for `f64`), as numerator and denominator in lowest terms.
///
/// `value` must be normal in that format and between 2^-40 and 2^20: there, all numbers below stay within 128 bits.
pub(super) fn simplest_rounding_to(value: f64, digits: u32) -> (u128, u128) {
    const HIDDEN_BIT: u64 = 1 << 52;
    let bits = value.to_bits();
    let mantissa = bits & (HIDDEN_BIT - 1) | HIDDEN_BIT;
    let exponent = (bits >> 52) as u32; // biased by 1075 against the mantissa as an integer; the sign bit is clear

    // In halves of an f64's last place. Below a power of two the gap is only half as wide as taken here, but there is
    // nothing to find: no integer is that near, and whatever is below 1 / 2^n has a greater denominator.
    let scale = 1_u128 << (1075 + 1 - exponent);
    let centre = u128::from(mantissa) * 2;
    let half_gap = 1_u128 << (53 - digits);

    // The ends themselves may round to `value`, too. They need one binary digit more than it does, so they are never
    // the simplest, and the open interval will do.
    simplest_between((centre - half_gap, scale), (centre + half_gap, scale))
}

/// The fraction of the smallest denominator strictly between two fractions, `low` below `high`.
///
/// Both ends share the first terms of their continued fractions; the answer shares them, too, and then goes on with
/// the smallest integer that lies between what is left of the ends.
fn simplest_between(mut low: (u128, u128), mut high: (u128, u128)) -> (u128, u128) {
    let (mut before, mut last) = ((0, 1), (1, 0));
    loop {
        let term = low.0 / low.1;
        let follow = |term: u128| (term * last.0 + before.0, term * last.1 + before.1);
        if (term + 1) * high.1 < high.0 {
            return follow(term + 1);
        }
        (before, last) = (last, follow(term));
        // What is left is below one at both ends: its reciprocals are the next ends, in reverse order. If `low` was
        // an integer, `high` becomes infinite as something over zero, which the comparison above takes rightly.
        (low, high) = ((high.1, high.0 - term * high.1), (low.1, low.0 - term * low.1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greatest_common_divisors() {
        assert_eq!(gcd(30_000, 1_001), 1);
        assert_eq!(gcd(2_997, 100_000), 1);
        assert_eq!(gcd(84, 36), 12);
        assert_eq!(gcd(0, 7), 7);
    }

    #[test]
    fn between_two_fractions_by_hand() {
        assert_eq!(simplest_between((3, 10), (4, 10)), (1, 3));
        assert_eq!(simplest_between((1, 1), (2, 1)), (3, 2));
        assert_eq!(simplest_between((0, 1), (1, 5)), (1, 6));
        assert_eq!(simplest_between((314, 100), (315, 100)), (22, 7));
        assert_eq!(simplest_between((9, 10), (11, 10)), (1, 1));
    }

    #[test]
    fn gaps_change_at_powers_of_two() {
        for value in [1.0_f64.next_down(), 1.0, 1.0_f64.next_up(), 0.5_f64.next_down(), 0.25] {
            let (numer, denom) = simplest_rounding_to(value, 53);
            assert_eq!((numer as f64 / denom as f64).to_bits(), value.to_bits());
        }
        assert_eq!(simplest_rounding_to(1.0, 53), (1, 1));
    }
}
