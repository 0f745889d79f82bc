//! Sizes and times as people write them: `10MiB`, `30s`.
//!
//! The one grammar of units for every document and argument: digits, then a unit, nothing between.
//! Exact and case-sensitive; no fractions, signs, exponents or spaces, so that there is nothing to
//! round and `10mb` is an error instead of a guess. It knows no compound forms such as `1h30m`.

use std::fmt;
use std::time::Duration;

/// Size units in bytes. A bare number is bytes.
const SIZES: [(&str, u64); 7] = [
    ("", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

/// Time units in microseconds. A bare number is no time.
const TIMES: [(&str, u64); 5] = [
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
];

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// The text does not begin with a digit.
    #[error("`{0}` does not start with a digit")]
    NotNumber(String),
    /// The text is negative.
    #[error("`{0}` is negative")]
    Negative(String),
    /// The text has a fraction.
    #[error("`{0}` has a fraction, only whole numbers are exact")]
    Fraction(String),
    /// The letters after the number are no unit of the wanted kind.
    #[error("unknown unit `{unit}` in `{text}`")]
    Unknown {
        /// The whole text.
        text: String,
        /// What follows the digits.
        unit: String,
    },
    /// A time was wanted and there is only a number.
    #[error("`{0}` has no unit of time")]
    NoUnit(String),
    /// The value does not fit 64 bits of bytes or microseconds.
    #[error("`{0}` is too large")]
    TooLarge(String),
}

impl UnitError {
    /// The units that would have been accepted, for a hint.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        "sizes end in KiB, MiB, GiB, KB, MB or GB, times in ms, s, m, h or d"
    }
}

/// A size or a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// Bytes, or a bare number.
    Bytes(u64),
    /// Microseconds.
    Micros(u64),
}

impl Quantity {
    /// A length of time; parts of a microsecond count as one.
    #[must_use]
    pub fn of_time(time: Duration) -> Quantity {
        let micros = time.as_nanos().div_ceil(1_000);
        Quantity::Micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

/// In the largest unit that says it exactly, so that it reads back as the same quantity. A time that is
/// no whole number of milliseconds has no exact text and is rounded up to the next.
impl fmt::Display for Quantity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (amount, units) = match *self {
            Quantity::Bytes(bytes) => (bytes, SIZES.as_slice()),
            Quantity::Micros(micros) => {
                let least = TIMES.first().map_or(1, |(_, factor)| *factor);
                (micros.div_ceil(least).saturating_mul(least), TIMES.as_slice())
            }
        };
        let exact =
            |(_, factor): &&(&str, u64)| amount.is_multiple_of(*factor) && amount >= *factor;
        match units.iter().filter(exact).max_by_key(|(_, factor)| factor) {
            Some((unit, factor)) => write!(out, "{}{unit}", amount / factor),
            None => write!(out, "0{}", units.first().map_or("", |(unit, _)| unit)),
        }
    }
}

/// Bytes of `10MiB` or `1024`.
///
/// # Errors
/// Anything but digits followed by nothing or one of `KiB MiB GiB KB MB GB`; 2^64 bytes or more.
pub fn size(text: &str) -> Result<u64, UnitError> {
    let (number, unit) = split(text)?;
    scale(text, number, unit, &SIZES)
}

/// The length of time of `30s`.
///
/// # Errors
/// Anything but digits followed by one of `ms s m h d`; 2^64 microseconds or more.
pub fn duration(text: &str) -> Result<Duration, UnitError> {
    let (number, unit) = split(text)?;
    if unit.is_empty() {
        return Err(UnitError::NoUnit(text.to_owned()));
    }
    scale(text, number, unit, &TIMES).map(Duration::from_micros)
}

/// A size or a time, told apart by the unit.
///
/// # Errors
/// As [`size`] and [`duration`].
pub fn quantity(text: &str) -> Result<Quantity, UnitError> {
    let (number, unit) = split(text)?;
    if TIMES.iter().any(|(name, _)| *name == unit) {
        scale(text, number, unit, &TIMES).map(Quantity::Micros)
    } else {
        scale(text, number, unit, &SIZES).map(Quantity::Bytes)
    }
}

fn is_digit(letter: char) -> bool {
    letter.is_ascii_digit()
}

fn split(text: &str) -> Result<(&str, &str), UnitError> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(end).unwrap_or((text, ""));
    if number.is_empty() {
        let negative = text.strip_prefix('-').is_some_and(|rest| rest.starts_with(is_digit));
        let error = if negative { UnitError::Negative } else { UnitError::NotNumber };
        return Err(error(text.to_owned()));
    }
    if unit.starts_with(['.', ',']) {
        return Err(UnitError::Fraction(text.to_owned()));
    }
    Ok((number, unit))
}

fn scale(text: &str, number: &str, unit: &str, units: &[(&str, u64)]) -> Result<u64, UnitError> {
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(UnitError::Unknown { text: text.to_owned(), unit: unit.to_owned() });
    };
    let number = number.parse::<u64>().ok();
    number
        .and_then(|number| number.checked_mul(*factor))
        .ok_or_else(|| UnitError::TooLarge(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{Quantity, UnitError, duration, quantity, size};
    use std::time::Duration;

    #[test]
    fn sizes_are_exact() {
        for (text, bytes) in [
            ("0", 0),
            ("1024", 1024),
            ("007", 7),
            ("1KiB", 1024),
            ("1KB", 1000),
            ("10MiB", 10 << 20),
            ("10MB", 10_000_000),
            ("1GiB", 1 << 30),
            ("1GB", 1_000_000_000),
            ("18446744073709551615", u64::MAX),
            ("17179869183GiB", 17_179_869_183 << 30),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn times_are_exact() {
        for (text, millis) in
            [("1ms", 1), ("30s", 30_000), ("5m", 300_000), ("2h", 7_200_000), ("1d", 86_400_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let text = |text: &str| text.to_owned();
        let unknown = |text: &str, unit: &str| UnitError::Unknown {
            text: text.to_owned(),
            unit: unit.to_owned(),
        };
        for (input, error) in [
            ("", UnitError::NotNumber(text(""))),
            ("MiB", UnitError::NotNumber(text("MiB"))),
            ("+1", UnitError::NotNumber(text("+1"))),
            (" 1", UnitError::NotNumber(text(" 1"))),
            ("\u{661}", UnitError::NotNumber(text("\u{661}"))),
            ("-1", UnitError::Negative(text("-1"))),
            ("-1KiB", UnitError::Negative(text("-1KiB"))),
            ("1.5GiB", UnitError::Fraction(text("1.5GiB"))),
            ("1,5GiB", UnitError::Fraction(text("1,5GiB"))),
            ("1 KiB", unknown("1 KiB", " KiB")),
            ("1kib", unknown("1kib", "kib")),
            ("1kB", unknown("1kB", "kB")),
            ("1K", unknown("1K", "K")),
            ("1TiB", unknown("1TiB", "TiB")),
            ("1e3", unknown("1e3", "e3")),
            ("18446744073709551616", UnitError::TooLarge(text("18446744073709551616"))),
            ("17179869184GiB", UnitError::TooLarge(text("17179869184GiB"))),
        ] {
            assert_eq!(size(input), Err(error.clone()), "{input}");
            assert_eq!(quantity(input), Err(error), "{input}");
        }
        for input in ["30S", "1M", "1min", "1w", "1us", "1h30m", "30KiB"] {
            assert!(matches!(duration(input), Err(UnitError::Unknown { .. })), "{input}");
        }
        assert_eq!(duration("30"), Err(UnitError::NoUnit(text("30"))));
        assert!(matches!(duration("213503983d"), Err(UnitError::TooLarge(_))));
    }

    #[test]
    fn a_quantity_is_shown_as_people_write_it() {
        for text in [
            "0", "7", "1023", "1KiB", "1025", "1KB", "10MiB", "10MB", "3GiB", "0ms", "1ms",
            "1500ms", "30s", "90s", "5m", "2h", "1d", "25h",
        ] {
            assert_eq!(quantity(text).unwrap().to_string(), text);
        }
        for (text, shown) in [("60s", "1m"), ("24h", "1d"), ("30000ms", "30s"), ("1024KiB", "1MiB")]
        {
            assert_eq!(quantity(text).unwrap().to_string(), shown);
        }
        assert_eq!(Quantity::of_time(Duration::from_secs(90)), Quantity::Micros(90_000_000));
        assert_eq!(Quantity::of_time(Duration::from_nanos(1)).to_string(), "1ms");
    }

    #[test]
    fn the_unit_tells_sizes_from_times() {
        assert_eq!(quantity("5m"), Ok(Quantity::Micros(300_000_000)));
        assert_eq!(quantity("5MB"), Ok(Quantity::Bytes(5_000_000)));
        assert_eq!(quantity("5"), Ok(Quantity::Bytes(5)));
    }
}
