//! The `exec` kind with real programs: what they are told, what their ends come to, and that none is left behind.

use crate::support::{self, alive, logged};

mod counts;
mod ending;
mod harness;
mod input;
mod outcomes;
mod output;
mod worker;
