//! The log of a process.

use longshore::telemetry::logs::{LogsError, Settings};

use crate::support::own_process::is_own_process;

#[test]
fn the_log_is_started_once() {
    if !is_own_process("tests::logs::the_log_is_started_once") {
        return;
    }
    Settings::default().init().unwrap();
    assert!(matches!(Settings::default().init(), Err(LogsError::Started(_))));
}
