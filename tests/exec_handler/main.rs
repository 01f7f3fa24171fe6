//! The `exec` kind with real programs: what they are told, what their ends come to, and that none is left behind.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

#[path = "../support/alive.rs"]
mod alive;
mod counts;
mod ending;
mod harness;
mod input;
#[path = "../support/logged.rs"]
mod logged;
mod outcomes;
mod output;
#[expect(dead_code, reason = "the promises use the rest")]
#[path = "../support/mod.rs"]
mod support;
mod worker;
