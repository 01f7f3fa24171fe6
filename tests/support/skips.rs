//! What the environment leaves out of the tests, because this machine has not what they need.

/// Whether this variable leaves tests out, and a word about it if it does.
#[expect(clippy::disallowed_methods, reason = "no setting, but how to run the tests")]
pub(crate) fn skips(variable: &str) -> bool {
    let is_set = std::env::var_os(variable).is_some_and(|value| value == "1");
    if is_set {
        println!("skipped: {variable} is set");
    }
    is_set
}
