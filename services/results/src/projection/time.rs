//! Between milliseconds since 1970 and the database's times.

use chrono::{DateTime, Utc};

/// The last millisecond of the year 9999: both databases and RFC 3339 can write it.
const LAST_MS: i64 = 253_402_300_799_999;

/// A time that both databases can hold, or none.
pub fn plausible(at_ms: i64) -> Option<DateTime<Utc>> {
    (0..=LAST_MS).contains(&at_ms).then(|| DateTime::from_timestamp_millis(at_ms)).flatten()
}

/// A time that was found plausible before; others become the nearest plausible one.
pub fn at(at_ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at_ms.clamp(0, LAST_MS)).unwrap_or(DateTime::UNIX_EPOCH)
}
