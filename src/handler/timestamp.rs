//! Formats timestamps for handlers.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

/// The precision of a timestamp.
#[derive(Clone, Copy, Debug)]
pub(super) enum Precision {
    Seconds,
    Milliseconds,
}

/// Formats a time by ISO 8601 in UTC; `None` before 1970 and after 9999.
pub(super) fn iso_8601(at: SystemTime, precision: Precision) -> Option<String> {
    let since_1970 = at.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let mut text = String::new();
    let written = match precision {
        Precision::Seconds => {
            let whole = SystemTime::UNIX_EPOCH + Duration::from_secs(since_1970.as_secs());
            write!(text, "{}", humantime::format_rfc3339_seconds(whole))
        }
        Precision::Milliseconds => write!(text, "{}", humantime::format_rfc3339_millis(at)),
    };
    written.ok().map(|()| text)
}

/// Converts a time of tokio's clock into one of the system clock.
pub(super) fn system_time(at: Instant) -> SystemTime {
    let now = SystemTime::now();
    now.checked_add(at.saturating_duration_since(Instant::now())).unwrap_or(now)
}
