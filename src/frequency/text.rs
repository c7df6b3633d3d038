//! Frequencies as people write them: `29.97 Hz`, `30000/1001 Hz`, `1 kHz`, `every 7 ms`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Frequency, FrequencyError, NANOS_PER_SECOND};

/// A unit's name, and its size as a fraction: of a hertz for rates, of a second for periods.
type Unit = (&'static str, u64, u64);

const RATES: [Unit; 5] = [("", 1, 1), ("Hz", 1, 1), ("kHz", 1_000, 1), ("MHz", 1_000_000, 1), ("mHz", 1, 1_000)];

/// The largest first, as a period is written in the largest that is exact. The spellings that are only read, never
/// written, follow the one that is.
const PERIODS: [Unit; 8] = [
    ("h", 3_600, 1),
    ("min", 60, 1),
    ("s", 1, 1),
    ("ms", 1, 1_000),
    ("\u{b5}s", 1, 1_000_000),  // the micro sign
    ("\u{3bc}s", 1, 1_000_000), // the Greek letter, which looks the same
    ("us", 1, 1_000_000),
    ("ns", 1, NANOS_PER_SECOND),
];

const EXPECTED_NUMBER: &str = "a number such as 50, 29.97 or 30000/1001";
const EXPECTED_RATE: &str = "the end or a unit (Hz, kHz, MHz or mHz; a period begins with `every`)";
const EXPECTED_PERIOD: &str = "a unit of time (h, min, s, ms, us or ns)";

/// Most decimal places that are written before a fraction reads better. The slowest of all begins at the eleventh.
const MOST_PLACES: u32 = 12;

/// A decimal if it ends, as in `29.97 Hz`; or else a whole period, as in `every 7 ms`; or else the fraction, as in
/// `30000/1001 Hz`. A decimal of more than twelve places counts as one that does not end.
///
/// Reading the text gives exactly the same frequency again.
impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = decimal(*self).or_else(|| whole_period(*self));
        f.pad(&text.unwrap_or_else(|| format!("{}/{} Hz", self.numer, self.denom)))
    }
}

/// The same as `Display`: `Frequency { numer: 30000, denom: 1001 }` would tell less in more words.
impl fmt::Debug for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn decimal(frequency: Frequency) -> Option<String> {
    let (mut rest, mut twos, mut fives) = (frequency.denom, 0, 0);
    while rest.is_multiple_of(2) {
        (rest, twos) = (rest / 2, twos + 1);
    }
    while rest.is_multiple_of(5) {
        (rest, fives) = (rest / 5, fives + 1);
    }
    let places = twos.max(fives);
    if rest != 1 || places > MOST_PLACES {
        return None; // It has no end, or none soon.
    }
    let one = 10_u128.pow(places);
    let scaled = u128::from(frequency.numer) * one / u128::from(frequency.denom);
    let (whole, part) = (scaled / one, scaled % one);
    Some(match places {
        0 => format!("{whole} Hz"),
        _ => format!("{whole}.{part:0width$} Hz", width = places as usize),
    })
}

fn whole_period(frequency: Frequency) -> Option<String> {
    let (numer, denom) = (u128::from(frequency.numer), u128::from(frequency.denom));
    PERIODS.iter().find_map(|&(name, unit_numer, unit_denom)| {
        let (scaled, size) = (denom * u128::from(unit_denom), numer * u128::from(unit_numer));
        scaled.is_multiple_of(size).then(|| format!("every {} {name}", scaled / size))
    })
}

/// Reads a rate with the unit Hz, kHz, MHz, mHz or none (hertz), or a period: `every` and a number with the unit h, min,
/// s, ms, us or ns. Numbers are decimals, taken exactly, or fractions.
///
/// White space may stand around each part, and case matters only where it tells mega from milli.
///
/// # Errors
///
/// [`FrequencyError::Unreadable`] says where reading ended and what was expected there; the other errors are those of
/// [`Frequency::new`].
impl FromStr for Frequency {
    type Err = FrequencyError;

    fn from_str(text: &str) -> Result<Self, FrequencyError> {
        let mut reader = Reader { text: text.trim(), rest: text.trim() };
        let is_period = reader.every();
        let is_negative = reader.take('-');
        let (numer, denom) = reader.number()?;
        let unit = if is_period { reader.unit(&PERIODS, EXPECTED_PERIOD) } else { reader.unit(&RATES, EXPECTED_RATE) };
        let (_, unit_numer, unit_denom) = unit?;

        let product = |number: u128, unit: u64| number.checked_mul(unit.into()).ok_or_else(|| reader.too_fine());
        let (numer, denom) = (product(numer, unit_numer)?, product(denom, unit_denom)?);
        if is_negative {
            Err(FrequencyError::NotPositive { given: reader.given() })
        } else if is_period {
            Self::checked(denom, numer, reader.given())
        } else {
            Self::checked(numer, denom, reader.given())
        }
    }
}

/// Reads a text from its start to its end. Neither has white space at its end.
struct Reader<'a> {
    text: &'a str,
    rest: &'a str, // the last part of `text`
}

impl<'a> Reader<'a> {
    fn every(&mut self) -> bool {
        const EVERY: &str = "every";
        match self.rest.split_at_checked(EVERY.len()) {
            Some((word, rest)) if word.eq_ignore_ascii_case(EVERY) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Whether this comes next, after white space. If so, it is read.
    fn take(&mut self, next: char) -> bool {
        let rest = self.rest.trim_start().strip_prefix(next);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn number(&mut self) -> Result<(u128, u128), FrequencyError> {
        let whole = self.spaced_digits()?;
        if let Some(rest) = self.rest.strip_prefix('.') {
            self.rest = rest;
            let places = self.digits()?.trim_end_matches('0');
            let denom = u32::try_from(places.len()).ok().and_then(|places| 10_u128.checked_pow(places));
            return Ok((self.integer(&[whole, places])?, denom.ok_or_else(|| self.too_fine())?));
        }
        if !self.take('/') {
            return Ok((self.integer(&[whole])?, 1));
        }
        let denom = self.spaced_digits()?;
        Ok((self.integer(&[whole])?, self.integer(&[denom])?))
    }

    /// One digit or more, after white space.
    fn spaced_digits(&mut self) -> Result<&'a str, FrequencyError> {
        self.rest = self.rest.trim_start();
        self.digits()
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<&'a str, FrequencyError> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        if end == 0 {
            return Err(self.unreadable(EXPECTED_NUMBER));
        }
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(digits)
    }

    /// The integer that all these digits make in one row.
    fn integer(&self, parts: &[&str]) -> Result<u128, FrequencyError> {
        let mut digits = parts.iter().flat_map(|part| part.bytes());
        digits
            .try_fold(0_u128, |sum, digit| sum.checked_mul(10)?.checked_add(u128::from(digit - b'0')))
            .ok_or_else(|| self.too_fine())
    }

    /// All that is left must be one of these units.
    fn unit(&mut self, units: &[Unit], expected: &'static str) -> Result<Unit, FrequencyError> {
        self.rest = self.rest.trim_start();
        let unit = units.iter().find(|(name, ..)| is_unit(self.rest, name));
        unit.copied().ok_or_else(|| self.unreadable(expected))
    }

    /// The text as errors show it. Most texts are much shorter; what is not may be a whole file.
    fn given(&self) -> String {
        const LONGEST: usize = 60;
        match self.text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}...", &self.text[..end]),
            None => self.text.to_owned(),
        }
    }

    fn too_fine(&self) -> FrequencyError {
        FrequencyError::TooFine { given: self.given() }
    }

    fn unreadable(&self, expected: &'static str) -> FrequencyError {
        let read = self.text.len() - self.rest.len();
        let at = self.text[..read].chars().count() + 1;
        FrequencyError::Unreadable { text: self.given(), expected, at }
    }
}

/// Without case, but for the first letter of those that begin with milli or mega.
fn is_unit(word: &str, name: &str) -> bool {
    let is_prefixed = name != "min" && name.starts_with(['m', 'M']);
    word.eq_ignore_ascii_case(name) && (!is_prefixed || word.as_bytes()[0] == name.as_bytes()[0])
}

/// As the text that `Display` writes.
impl Serialize for Frequency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// From any text that `FromStr` reads.
impl<'de> Deserialize<'de> for Frequency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::super::hz;
    use super::*;

    #[test]
    fn rates_and_periods_are_read_exactly() {
        for (text, numer, denom) in [
            ("29.97 Hz", 2_997, 100),
            ("29.97", 2_997, 100),
            ("30000/1001 Hz", 30_000, 1_001),
            (" 30000 / 1001hz ", 30_000, 1_001),
            ("1 kHz", 1_000, 1),
            ("1KHZ", 1_000, 1),
            ("0.5 MHz", 500_000, 1),
            ("500 mHz", 1, 2),
            ("0.50000000000000000000000000000000000000000", 1, 2),
            ("every 7 ms", 1_000, 7),
            ("Every 1.5 S", 2, 3),
            ("every2MIN", 1, 120),
            ("every 1 h", 1, 3_600),
            ("every 2 us", 500_000, 1),
            ("every 2 \u{b5}s", 500_000, 1),
            ("every 2 \u{3bc}s", 500_000, 1),
            ("every 1500 ns", 2_000_000, 3),
            ("every 1/30 s", 30, 1),
        ] {
            assert_eq!(text.parse::<Frequency>(), Frequency::new(numer, denom), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_where_and_why() {
        for (text, expected, at) in [
            ("", EXPECTED_NUMBER, 1),
            ("fast", EXPECTED_NUMBER, 1),
            ("5. Hz", EXPECTED_NUMBER, 3),
            ("every", EXPECTED_NUMBER, 6),
            ("30000/ Hz", EXPECTED_NUMBER, 8),
            ("29,97 Hz", EXPECTED_RATE, 3),
            ("7 ms", EXPECTED_RATE, 3),
            ("1 Mhz Hz", EXPECTED_RATE, 3),
            ("every 7", EXPECTED_PERIOD, 8),
            ("every 7 Hz", EXPECTED_PERIOD, 9),
            ("every 7 MS", EXPECTED_PERIOD, 9),
        ] {
            let unreadable = FrequencyError::Unreadable { text: text.to_owned(), expected, at };
            assert_eq!(text.parse::<Frequency>(), Err(unreadable), "{text}");
        }
    }

    #[test]
    fn what_is_no_frequency_says_why() {
        let error = |text: &str| text.parse::<Frequency>().unwrap_err();
        assert!(matches!(error("0 Hz"), FrequencyError::NotPositive { given } if given == "0 Hz"));
        assert!(matches!(error("-5 Hz"), FrequencyError::NotPositive { .. }));
        assert!(matches!(error("every -5 ms"), FrequencyError::NotPositive { .. }));
        assert!(matches!(error("every 0 s"), FrequencyError::NotFinite { .. }));
        assert!(matches!(error("5/0"), FrequencyError::NotFinite { .. }));
        assert!(matches!(error("2 MHz"), FrequencyError::TooFast { .. }));
        assert!(matches!(error("every 6000000 h"), FrequencyError::TooSlow { .. }));
        assert!(matches!(error("1.00000000000000000000001"), FrequencyError::TooFine { .. }));
        assert!(matches!(error(&"9".repeat(99)), FrequencyError::TooFine { given } if given.len() == 63));
    }

    #[test]
    fn written_in_the_form_that_reads_best() {
        for (frequency, text) in [
            (hz(1_000), "1000 Hz"),
            (hz(29.97), "29.97 Hz"),
            (hz(0.05), "0.05 Hz"),
            (hz((1_000, 7)), "every 7 ms"),
            (hz((1, 7_200)), "every 2 h"),
            (hz((1_000_000, 3)), "every 3 \u{b5}s"),
            (hz((30_000, 1_001)), "30000/1001 Hz"),
            (Frequency::MIN, "every 18446744073709551615 ns"),
        ] {
            assert_eq!(frequency.to_string(), text);
            assert_eq!(text.parse(), Ok(frequency));
            assert_eq!(format!("{frequency:?}"), text);
        }
        assert_eq!(format!("{:>9}", hz(50)), "    50 Hz");
    }
}
