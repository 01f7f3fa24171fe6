//! Tests that change the process as a whole run in a process of their own.

use std::process::Command;

const VARIABLE: &str = "LONGSHORE_TEST_OWN_PROCESS";

/// Returns true in a process of its own; elsewhere runs the test in one, and expects it to pass.
#[expect(clippy::disallowed_methods, reason = "no setting, but the way to recognise that process")]
pub(crate) fn is_own_process(test: &str) -> bool {
    if std::env::var_os(VARIABLE).is_some() {
        return true;
    }
    let mut own = Command::new(std::env::current_exe().unwrap());
    let output = own.args(["--exact", test]).env(VARIABLE, "1").output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
    false
}
