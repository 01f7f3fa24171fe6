//! The `lambda` kind with real runtimes, lying ones and emulators, each under a whole worker over a queue in memory.

use crate::support::{example, logged, python, skips};

mod clients;
mod counts;
mod emulators;
mod functions;
mod harness;
mod lies;
mod lives;
mod output;
