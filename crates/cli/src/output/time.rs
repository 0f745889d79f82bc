//! Times and durations for people; machines get microseconds and RFC 3339.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Local date and time of microseconds since the Unix epoch, to the second.
pub(crate) fn instant(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(
        |_| micros.to_string(),
        |time| time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
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
