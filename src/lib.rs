//! Longshore: SQS consumers as long-running containers.

pub mod admin;
pub mod aws;
pub mod backoff;
pub mod cli;
pub mod config;
pub mod consumer;
pub mod dev;
pub mod duration;
pub mod ecs;
mod error_chain;
pub mod handler;
pub mod health;
pub mod md5;
pub mod message;
pub mod process;
pub mod queue;
pub mod settings;
pub mod sns;
pub mod stop;
pub mod tasks;
pub mod telemetry;
pub mod testing;
mod tls;
pub mod worker;

pub use self::{
    message::Message,
    worker::{Consumer, Worker},
};

/// The README's examples are compiled with the doc tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Those of the page on Rust handlers, too.
#[cfg(doctest)]
#[doc = include_str!("../docs/rust-handlers.md")]
struct RustHandlers;
