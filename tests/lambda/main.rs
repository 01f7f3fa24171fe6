//! Tests of the `lambda` kind with real runtimes, a lying one and emulators, in a whole worker over a queue in memory.

use crate::support::{example, logged, python, skips};

mod clients;
mod counts;
mod emulators;
mod extensions;
mod functions;
mod harness;
mod lies;
mod lives;
mod output;
mod strangers;
