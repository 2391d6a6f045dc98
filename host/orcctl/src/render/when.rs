//! Times in the operator's zone.

use jiff::tz::TimeZone;
use orc_domain::Timestamp;

/// Date and time to the second: `2026-11-20 10:03:12`.
pub(crate) fn when(at: Timestamp, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(instant) => instant.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => at.to_string(),
    }
}

/// Date and time to the minute with the zone: `2026-11-20 10:03 CET`.
pub(crate) fn until(at: Timestamp, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(instant) => instant.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string(),
        Err(_) => at.to_string(),
    }
}
