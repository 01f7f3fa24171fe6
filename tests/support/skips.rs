//! Environment variables that skip the tests for which this machine lacks a program.

/// Returns true if this variable skips tests, and prints that.
#[expect(clippy::disallowed_methods, reason = "no setting, but how to run the tests")]
pub(crate) fn skips(variable: &str) -> bool {
    let is_set = std::env::var_os(variable).is_some_and(|value| value == "1");
    if is_set {
        println!("skipped: {variable} is set");
    }
    is_set
}
