//! The log of a process.

use longshore::telemetry::logs::{LogsError, Settings};

#[test]
fn the_log_is_started_once() {
    Settings::default().init().unwrap();
    assert!(matches!(Settings::default().init(), Err(LogsError::Started(_))));
}
