//! Frequencies against slow and obvious models: counting, adding and reading digit by digit.

use std::time::Duration;

use bevy_ecs::component::{Component, Immutable};
use polycephaly::frequency::{Frequency, FrequencyError, every, hz};
use proptest::prelude::*;

const NANOS: u64 = 1_000_000_000;

/// A number of nanoseconds as an integer and a rest in units of 1 / numer. Knows how to add, and nothing else.
#[derive(Clone, Copy)]
struct Exact {
    whole: u128,
    rest: u128,
    numer: u128,
}

impl Exact {
    fn period(of: Frequency) -> Self {
        let (numer, scaled) = (u128::from(of.numer()), u128::from(of.denom()) * u128::from(NANOS));
        Self { whole: scaled / numer, rest: scaled % numer, numer }
    }

    fn zero(of: Frequency) -> Self {
        Self { whole: 0, rest: 0, numer: of.numer().into() }
    }

    fn plus(self, other: Self) -> Self {
        let rest = self.rest + other.rest;
        let carry = u128::from(rest >= self.numer);
        let whole = self.whole.saturating_add(other.whole).saturating_add(carry);
        Self { whole, rest: rest - carry * self.numer, numer: self.numer }
    }

    /// By doubling and adding.
    fn times(self, mut k: u64) -> Self {
        let (mut sum, mut power) = (Self { whole: 0, rest: 0, ..self }, self);
        while k > 0 {
            if k % 2 == 1 {
                sum = sum.plus(power);
            }
            power = power.plus(power);
            k /= 2;
        }
        sum
    }

    fn nanos(self) -> u64 {
        u64::try_from(self.whole).unwrap_or(u64::MAX)
    }
}

/// The first deadlines, by adding up.
fn deadlines(of: Frequency) -> impl Iterator<Item = u64> {
    let period = Exact::period(of);
    std::iter::successors(Some(Exact::zero(of)), move |last| Some(last.plus(period))).map(Exact::nanos)
}

/// Everyday rates, wild fractions, and the very fast and slow.
fn any_frequency() -> impl Strategy<Value = Frequency> {
    let pair = prop_oneof![
        (1..2_000_u64, Just(1_u64)),
        (1..100_000_u64, 1..2_000_u64),
        (1..10_000_000_u64, (0..=9_u32, 0..=9_u32).prop_map(|(twos, fives)| 2_u64.pow(twos) * 5_u64.pow(fives))),
        (Just(NANOS), 1_000..u64::MAX),
        (any::<u64>(), any::<u64>()),
        (1..=u64::MAX >> 30, 1..=u64::MAX),
    ];
    pair.prop_filter_map("out of range", |(numer, denom)| Frequency::new(numer, denom).ok())
}

/// Of any size, not only of the largest.
fn any_count() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64_u32).prop_map(|(bits, shift)| bits >> shift)
}

fn kind(result: Result<Frequency, FrequencyError>) -> &'static str {
    let Err(error) = result else { return "fine" };
    match error {
        FrequencyError::NotPositive { .. } => "not positive",
        FrequencyError::NotFinite { .. } => "not finite",
        FrequencyError::TooFast { .. } => "too fast",
        FrequencyError::TooSlow { .. } => "too slow",
        FrequencyError::TooFine { .. } => "too fine",
        _ => "unreadable",
    }
}

proptest! {
    #[test]
    fn due_is_the_sum_of_periods(frequency in any_frequency(), start in any_count()) {
        for (k, due) in (0..200).zip(deadlines(frequency)) {
            prop_assert_eq!(frequency.due(k), due);
        }
        let period = Exact::period(frequency);
        let mut sum = period.times(start);
        for k in start..start.saturating_add(100) {
            prop_assert_eq!(frequency.due(k), sum.nanos());
            sum = sum.plus(period);
        }
    }

    #[test]
    fn instants_are_counted_up(frequency in any_frequency(), k in 0..300_u64, offset in -3..=3_i64, part in 0..=NANOS) {
        let period = Exact::period(frequency).nanos();
        let within = (u128::from(period) * u128::from(part) / u128::from(NANOS)) as u64;
        let near = Exact::period(frequency).times(k).nanos().saturating_add_signed(offset);
        for instant in [near, near.saturating_add(within)] {
            if instant == u64::MAX {
                continue; // The model cannot tell this instant from never.
            }
            let before = deadlines(frequency).take_while(|&due| due < instant).count() as u64;
            let through = deadlines(frequency).take_while(|&due| due <= instant).count() as u64;
            prop_assert_eq!(frequency.ticks_until(instant), before);
            prop_assert_eq!(frequency.last_due(instant), through - 1);
            prop_assert_eq!(frequency.first_after(instant), through);
        }
    }

    #[test]
    fn far_instants_lie_between_their_ticks(frequency in any_frequency(), instant in any_count()) {
        let period = Exact::period(frequency);
        let due = |k| period.times(k).whole;
        let (last, first, until) = (frequency.last_due(instant), frequency.first_after(instant), frequency.ticks_until(instant));
        prop_assert!(due(last) <= instant.into());
        prop_assert!(due(first) > instant.into());
        prop_assert_eq!(first, last + 1);
        prop_assert!(due(until) >= instant.into());
        prop_assert!(until == 0 || due(until - 1) < instant.into());
    }

    #[test]
    fn a_tick_knows_itself(frequency in any_frequency(), mut k in any_count()) {
        while frequency.due(k) == u64::MAX {
            k /= 2;
        }
        let due = frequency.due(k);
        prop_assert_eq!(frequency.last_due(due), k);
        prop_assert_eq!(frequency.ticks_until(due), k);
        prop_assert_eq!(frequency.period(), Duration::from_nanos(Exact::period(frequency).nanos()));
    }

    #[test]
    fn frames_are_counted_through_seconds(numer in 1..400_u64, denom in 1..40_u64) {
        let frequency = Frequency::new(numer, denom).unwrap();
        let (mut second, mut frame) = (0, 0);
        for k in 0..1_000_u64 {
            let now = k * denom / numer;
            frame = if now == second { frame + 1 } else { 1 };
            second = now;
            prop_assert_eq!(frequency.frame(k), frame);
            prop_assert!(frame <= frequency.frames_per_second());
        }
        // What is exactly as long as the cycle of ticks and seconds repeats it, however far away.
        for k in 0..100 {
            let cycles = u64::MAX / 2 / frequency.numer();
            prop_assert_eq!(frequency.frame(k), frequency.frame(k + cycles * frequency.numer()));
        }
    }

    #[test]
    fn frames_of_far_ticks_follow_the_definition(frequency in any_frequency(), k in any_count()) {
        let (numer, denom) = (u128::from(frequency.numer()), u128::from(frequency.denom()));
        let second = u128::from(k) * denom / numer;
        let first = (second * numer).div_ceil(denom);
        prop_assert_eq!(u128::from(frequency.frame(k)), u128::from(k) - first + 1);
        prop_assert!(frequency >= hz(1) || frequency.frame(k) == 1);
    }

    #[test]
    fn a_clock_shows_the_slot_it_is_in(frequency in any_frequency(), second in 0..10_000_000_000_u64, nanos in 0..NANOS) {
        // Slots begin where the ticks of the first second do.
        let slot = frequency.last_due(nanos) + 1;
        let frame = frequency.frame_at(second * NANOS + nanos);
        // A deadline rounded down to this nanosecond may begin just after it.
        let begun = u128::from(slot - 1) * u128::from(frequency.denom()) * u128::from(NANOS);
        let early = begun > u128::from(nanos) * u128::from(frequency.numer());
        prop_assert_eq!(u64::from(frame), slot - u64::from(early));
        prop_assert!((1..=frequency.frames_per_second()).contains(&frame));
    }

    #[test]
    fn whole_hertz_agree_on_both_frames(rate in 1..=1_000_000_u32, k in any::<u32>()) {
        let frequency = hz(rate);
        let just_after = frequency.due(k.into()) + 1; // A deadline rounded down may fall into the slot before.
        prop_assert_eq!(frequency.frame(k.into()), frequency.frame_at(just_after));
    }

    #[test]
    fn floats_come_back_bit_for_bit(exponent in 1023 - 35..1023 + 20_u64, mantissa in 0..1_u64 << 52, noise in 0..3_u32) {
        // Also close to powers of two, where the gaps between floats change.
        let mantissa = match noise { 0 => mantissa, 1 => mantissa >> 49, _ => !(mantissa >> 49) & ((1 << 52) - 1) };
        let value = f64::from_bits(exponent << 52 | mantissa);
        match Frequency::try_from(value) {
            Ok(frequency) => prop_assert_eq!(frequency.as_f64().to_bits(), value.to_bits()),
            Err(error) => prop_assert!(!(5.5e-11..=1e6).contains(&value), "{}", error),
        }
    }

    #[test]
    fn single_floats_come_back_bit_for_bit(value in 1e-10..1e6_f32) {
        let frequency = Frequency::try_from(value).unwrap();
        prop_assert_eq!((frequency.as_f64() as f32).to_bits(), value.to_bits());
    }

    #[test]
    fn no_simpler_fraction_rounds_to_the_float(numer in 1..3_000_u64, denom in 1..300_u64) {
        let value = numer as f64 / denom as f64;
        let simplest = (1..=denom).find(|&d| ((value * d as f64).round() / d as f64) == value).unwrap();
        let frequency = Frequency::try_from(value).unwrap();
        prop_assert_eq!(frequency.denom(), simplest);
        prop_assert_eq!(frequency, Frequency::new(numer, denom).unwrap());
    }

    #[test]
    fn short_decimals_are_exact(digits in 1..10_000_000_u64, places in 0..=8_u32) {
        // From 0.01 up to a million.
        let places = places.clamp(u32::from(digits > 1_000_000), digits.ilog10() + 2);
        let value: f64 = format!("{digits}e-{places}").parse().unwrap();
        let exact = Frequency::new(digits, 10_u64.pow(places));
        prop_assert_eq!(Frequency::try_from(value), exact);
    }

    #[test]
    fn text_round_trips(frequency in any_frequency()) {
        let text = frequency.to_string();
        prop_assert_eq!(text.parse(), Ok(frequency), "{}", text);
        let json = serde_json::to_string(&frequency).unwrap();
        prop_assert_eq!(json.trim_matches('"'), &text);
        prop_assert_eq!(serde_json::from_str::<Frequency>(&json).unwrap(), frequency);
    }

    #[test]
    fn decimals_in_text_are_exact(whole in 0..1_000_000_u64, places in "[0-9]{1,12}") {
        let scale = 10_u64.pow(places.len() as u32);
        let digits = whole * scale + places.parse::<u64>().unwrap();
        let text = format!("{whole}.{places}");
        let by_hand = Frequency::new(digits, scale);
        prop_assert_eq!(text.parse::<Frequency>().is_ok(), by_hand.is_ok());
        if let Ok(frequency) = by_hand {
            prop_assert_eq!(text.parse(), Ok(frequency));
            let period = Frequency::from_period(Duration::from_nanos(digits));
            prop_assert_eq!(format!("every {digits} ns").parse::<Frequency>().ok(), period.ok());
        }
    }

    #[test]
    fn garbage_never_panics(any in ".{0,40}", near in "(every)? ?[-+0-9./eE ]{0,50} ?([kKmM\u{b5}]?[hHzZsSin]{0,3})") {
        for text in [any, near] {
            if let Ok(frequency) = text.parse::<Frequency>() {
                prop_assert_eq!(frequency.to_string().parse(), Ok(frequency));
            } else if let Err(FrequencyError::Unreadable { at, .. }) = text.parse::<Frequency>() {
                prop_assert!((1..=text.chars().count() + 1).contains(&at));
            }
        }
    }

    #[test]
    fn order_is_that_of_the_values(a in any_frequency(), b in any_frequency()) {
        let product = |x: Frequency, y: Frequency| u128::from(x.numer()) * u128::from(y.denom());
        prop_assert_eq!(a.cmp(&b), product(a, b).cmp(&product(b, a)));
        prop_assert_eq!(a == b, a.cmp(&b).is_eq());
        if a.as_f64() < b.as_f64() {
            prop_assert!(a < b);
        }
    }

    #[test]
    fn all_integers_are_judged_alike(numer in any::<i64>(), denom in any::<i64>()) {
        let verdict = kind(Frequency::try_from((numer, denom)));
        match (u64::try_from(numer), u64::try_from(denom)) {
            (Ok(numer), Ok(denom)) => prop_assert_eq!(verdict, kind(Frequency::new(numer, denom))),
            _ => prop_assert_eq!(verdict, "not positive"),
        }
    }
}

#[test]
fn bad_values_of_every_kind() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(kind(Frequency::try_from(bad)), "not finite");
        assert_eq!(kind(Frequency::try_from(bad as f32)), "not finite");
    }
    for bad in [0.0, -0.0, -1.0, -1e300] {
        assert_eq!(kind(Frequency::try_from(bad)), "not positive");
    }
    for bad in [1e6_f64.next_up(), 1e300, f64::MAX] {
        assert_eq!(kind(Frequency::try_from(bad)), "too fast");
    }
    for bad in [5e-324, f64::MIN_POSITIVE, 1e-11, 5.4e-11] {
        assert_eq!(kind(Frequency::try_from(bad)), "too slow");
    }
    assert_eq!(kind(Frequency::try_from(0_u8)), "not positive");
    assert_eq!(kind(Frequency::try_from(-1_i32)), "not positive");
    assert_eq!(kind(Frequency::try_from(i64::MIN)), "not positive");
    assert_eq!(kind(Frequency::try_from(usize::MAX)), "too fast");
    assert_eq!(kind(Frequency::try_from((5, 0))), "not finite");
    assert_eq!(kind(Frequency::try_from((0, 5))), "not positive");
    assert_eq!(kind(Frequency::try_from((5, -1))), "not positive");
    assert_eq!(kind(Frequency::from_period(Duration::ZERO)), "not finite");
    assert_eq!(kind(Frequency::from_period(Duration::from_nanos(999))), "too fast");
    assert_eq!(kind(Frequency::from_period(Duration::MAX)), "too slow");
    assert!(serde_json::from_str::<Frequency>("\"0 Hz\"").is_err());
}

#[test]
fn errors_name_the_value_the_limit_and_the_way_out() {
    let message = |error: Result<Frequency, FrequencyError>| error.unwrap_err().to_string();
    assert_eq!(
        message(Frequency::try_from(2e6)),
        "2000000.0 Hz is above the limit of 1 MHz: do several steps in one life instead"
    );
    assert_eq!(
        message("29,97 Hz".parse()),
        "cannot read \"29,97 Hz\" as a frequency: expected the end or a unit (Hz, kHz, MHz or mHz; a period begins with \
         `every`) at character 3"
    );
    assert!(message(Frequency::try_from(f64::NAN)).contains("NaN Hz"));
    assert!(message(Frequency::from_period(Duration::MAX)).contains("584 years"));
    assert!(message(Frequency::new(0, 3)).contains("0/3 Hz"));
}

#[test]
#[should_panic(expected = "above the limit of 1 MHz")]
fn a_constant_that_is_too_fast_panics() {
    let _ = every(Duration::from_nanos(1));
}

#[test]
fn as_a_component_it_cannot_be_changed_in_place() {
    fn immutable<C: Component<Mutability = Immutable>>() {}
    immutable::<Frequency>();
}

#[test]
fn any_two_rates_meet_after_each_hyperperiod() {
    let rates = [1.0, 3.0, 7.0, 29.97, 30.0, 37.0, 50.0, 60.0, 63.0, 71.0, 90.0, 100.0, 1_000.0].map(hz);
    let gcd = |mut a: u64, mut b: u64| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    for a in rates {
        for b in rates {
            // The least common multiple of two periods, which are fractions in lowest terms, in seconds.
            let numer = a.denom() / gcd(a.denom(), b.denom()) * b.denom();
            let denom = gcd(a.numer(), b.numer());
            for hyperperiods in 1..=10 {
                let end = hyperperiods * numer * NANOS / denom;
                for rate in [a, b] {
                    let (scaled, per_tick) = (hyperperiods * numer * rate.numer(), denom * rate.denom());
                    assert_eq!(scaled % per_tick, 0, "{a} and {b} do not meet");
                    let ticks = scaled / per_tick;
                    assert_eq!(rate.ticks_until(end), ticks, "{rate} with {a} and {b}");
                    assert_eq!(rate.due(ticks), end, "{rate} with {a} and {b}");
                }
            }
        }
    }
}

#[test]
fn no_drift_after_a_year() {
    const YEAR: u64 = 365 * 86_400;
    for (text, ticks) in [
        ("1 Hz", YEAR),
        ("3 Hz", 3 * YEAR),
        ("7 Hz", 7 * YEAR),
        ("29.97 Hz", 2_997 * (YEAR / 100)),
        ("30 Hz", 30 * YEAR),
        ("37 Hz", 37 * YEAR),
        ("50 Hz", 50 * YEAR),
        ("60 Hz", 60 * YEAR),
        ("63 Hz", 63 * YEAR),
        ("71 Hz", 71 * YEAR),
        ("90 Hz", 90 * YEAR),
        ("100 Hz", 100 * YEAR),
        ("1 kHz", 1_000 * YEAR),
        ("1 MHz", 1_000_000 * YEAR),
    ] {
        let frequency: Frequency = text.parse().unwrap();
        assert_eq!(frequency.due(ticks), YEAR * NANOS, "{text}");
        assert_eq!(frequency.ticks_until(YEAR * NANOS), ticks, "{text}");
        assert_eq!(frequency.last_due(YEAR * NANOS), ticks, "{text}");
        assert_eq!(frequency.last_due(YEAR * NANOS - 1), ticks - 1, "{text}");
    }
}
