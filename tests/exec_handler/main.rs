//! Tests of the `exec` kind with real programs: their input, outcomes and output, and that none is left behind.

use crate::support::{self, alive, logged};

mod counts;
mod ending;
mod harness;
mod input;
mod outcomes;
mod output;
mod worker;
