//! Moments, ages and sizes as they are typed.
//!
//! A moment is a date, a time in RFC 3339, or an age: so long before now. Nothing here prints.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Microseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment(pub(crate) i64);

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// A moment: `2026-11-21` (midnight UTC), `2026-11-21T08:00:00Z`, or an age as [`age`] takes it.
pub(crate) fn parse(text: &str) -> Result<Moment, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(Moment(time.as_microsecond()));
    }
    let midnight = text.parse::<Date>().and_then(|date| date.to_zoned(TimeZone::UTC));
    if let Ok(date) = midnight.map(|date| date.timestamp()) {
        return Ok(Moment(date.as_microsecond()));
    }
    age(text).map_err(|_| "not a date, a time in RFC 3339 or an age such as 90d".to_owned())
}

/// So long before now: a whole number and `s`, `m`, `h`, `d` or `w`.
pub(crate) fn age(text: &str) -> Result<Moment, String> {
    before(text, runner::now().0)
}

fn before(text: &str, now: i64) -> Result<Moment, String> {
    let wrong = || "not an age: a whole number and s, m, h, d or w, such as 90d".to_owned();
    let (number, unit) =
        text.split_at(text.len() - text.chars().next_back().map_or(0, char::len_utf8));
    let unit = match unit {
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3_600 * SECOND,
        "d" => DAY,
        "w" => 7 * DAY,
        _ => return Err(wrong()),
    };
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = number.parse().ok().filter(|_| digits).ok_or_else(wrong)?;
    let length = number.checked_mul(unit).ok_or_else(wrong)?;
    Ok(Moment(now.saturating_sub(length)))
}

/// Bytes: a whole number, alone or with `KiB`, `MiB`, `GiB` or `TiB`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let wrong = || "not a size: a whole number of bytes, or with KiB, MiB, GiB or TiB".to_owned();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(wrong()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date_a_time_or_an_age() {
        let check = |text: &str, micros: i64| assert_eq!(parse(text), Ok(Moment(micros)), "{text}");
        check("1970-01-02", DAY);
        check("1970-01-01T00:00:01Z", SECOND);
        check("1970-01-01T01:00:00.5+01:00", SECOND / 2);
        assert_eq!(before("90d", 100 * DAY), Ok(Moment(10 * DAY)));
        assert_eq!(before("2w", 100 * DAY), Ok(Moment(86 * DAY)));
        assert_eq!(before("30s", 60 * SECOND), Ok(Moment(30 * SECOND)));
        for bad in
            ["", "d", "-1d", "+1d", "1.5d", "1y", "90", "yesterday", "9223372036854775807w", "1é"]
        {
            assert!(parse(bad).is_err() && before(bad, 0).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_size_has_a_binary_unit() {
        let check = |text: &str, bytes: u64| assert_eq!(size(text), Ok(bytes), "{text}");
        check("0", 0);
        check("512", 512);
        check("64KiB", 65_536);
        check("1GiB", 1 << 30);
        for bad in ["", "MiB", "1MB", "1 GiB", "-1", "1.5GiB", "99999999999TiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
