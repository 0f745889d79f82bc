//! Times and durations: RFC 3339 for people and machines alike, durations with a unit a person would choose.
//!
//! Machines also get the exact microseconds since the Unix epoch, beside these.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Local date and time with its offset, to the second, of microseconds since the Unix epoch.
pub(crate) fn instant(micros: i64) -> String {
    local(micros, TimeZone::system())
}

fn local(micros: i64, zone: TimeZone) -> String {
    Timestamp::from_microsecond(micros).map_or_else(
        |_| micros.to_string(),
        |time| {
            let text = time.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S%:z").to_string();
            text.strip_suffix("+00:00").map_or_else(|| text.clone(), |utc| format!("{utc}Z"))
        },
    )
}

/// The exact UTC time of microseconds since the Unix epoch.
pub(crate) fn stamp(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(
        |_| micros.to_string(),
        |time| time.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
    )
}

/// A duration in microseconds with a unit a person would choose.
pub(crate) fn elapsed(micros: i64) -> String {
    let micros = micros.max(0);
    let (millis, seconds) = (micros / 1_000, micros / 1_000_000);
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..10_000 => format!("{millis}.{} ms", micros % 1_000 / 100),
        10_000..1_000_000 => format!("{millis} ms"),
        1_000_000..60_000_000 => format!("{seconds}.{} s", millis % 1_000 / 100),
        60_000_000..3_600_000_000 => format!("{}m {}s", seconds / 60, seconds % 60),
        _ => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_rfc_3339() {
        let at = 1_700_000_000_123_456;
        assert_eq!(stamp(at), "2023-11-14T22:13:20.123456Z");
        assert_eq!(local(at, TimeZone::UTC), "2023-11-14 22:13:20Z");
        let west = TimeZone::fixed(jiff::tz::offset(-5));
        assert_eq!(local(at, west), "2023-11-14 17:13:20-05:00");
        assert_eq!(local(i64::MAX, TimeZone::UTC), i64::MAX.to_string());
    }

    #[test]
    fn a_duration_reads_well_at_every_scale() {
        let check = |micros, expect: &str| assert_eq!(elapsed(micros), expect);
        check(-5, "0 µs");
        check(999, "999 µs");
        check(1_250, "1.2 ms");
        check(85_400, "85 ms");
        check(1_250_000, "1.2 s");
        check(125_000_000, "2m 5s");
        check(7_380_000_000, "2h 3m");
    }
}
