//! The `lambda` kind with real runtimes, lying ones and emulators, each under a whole worker over a queue in memory.
#![cfg(test)]

mod clients;
mod counts;
mod emulators;
#[path = "../support/example.rs"]
mod example;
mod functions;
mod harness;
mod lies;
mod lives;
#[path = "../support/logged.rs"]
mod logged;
mod output;
#[path = "../support/python.rs"]
mod python;
#[path = "../support/skips.rs"]
mod skips;
