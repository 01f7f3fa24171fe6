//! The tests of the parts, compiled into the crate so that they reach what its users do not see.
//!
//! The other files in this folder test the public surface and the program, from outside.

mod admin;
mod context;
mod control;
mod depth;
mod docs;
mod embedding;
#[path = "exec_handler/main.rs"]
mod exec_handler;
#[path = "http_handler/main.rs"]
mod http_handler;
mod ingest;
#[path = "lambda/main.rs"]
mod lambda;
mod logs;
mod message_lines;
mod notifications;
mod once;
mod orphans;
mod process;
#[path = "promises/main.rs"]
mod promises;
mod queue_contract;
mod redriving;
mod scaling_out;
mod services;
mod simulation;
mod starting;
mod testing;
#[path = "traces/rust.rs"]
mod traces_of_a_program;
