//! Longshore: SQS consumers as long-running containers.

mod admin;
mod aws;
mod backoff;
#[doc(hidden)]
pub mod cli;
mod config;
mod consumer;
mod dev;
mod duration;
pub mod ecs;
mod error_chain;
pub mod handler;
mod health;
mod md5;
mod message;
mod net;
mod process;
mod queue;
pub mod sns;
mod stop;
mod tasks;
mod telemetry;
pub mod testing;
mod worker;

pub use self::{
    backoff::{Backoff, Jitter},
    consumer::{BatchSettings, Prefetch},
    health::Health,
    message::{
        AttributeContent, AttributeValue, Message, MessageId, OutgoingMessage, Receipt, SystemAttributes,
    },
    stop::Stop,
    telemetry::{Metrics, traces::Traces},
    worker::{Consumer, DeadLetters, Drained, ScalingSignal, Worker, WorkerError, WorkerStatus},
};

/// The parts that Longshore's own benchmarks measure; they may change in any release.
#[doc(hidden)]
pub mod internals {
    pub use crate::{
        aws::{ServiceLocation, Settings as AwsSettings},
        duration::Span,
        handler::Source,
        queue::{
            BatchAnswer, Description, Queue, QueueError, QueueName, ReceiveRequest, VisibilityChange,
            memory::{Account, Names},
            sqs::AwsAccess,
        },
        sns::SnsPublisher,
        tasks::detach,
        telemetry::{
            Action, CallResult, Counts, Described, Ending, FailureCause, HandlerKind, HeldGroup, Label,
            Notified, Occasion, ProcessState, QueueMetrics, logs::Settings as LogSettings,
        },
        worker::open_queue,
    };
}

/// The tests in `tests/` name the crate as its users do.
#[cfg(test)]
extern crate self as longshore;

#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;

#[cfg(test)]
#[path = "../tests/inside.rs"]
mod tests;

/// The README's examples are compiled with the doc tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Those of the page on Rust handlers, too.
#[cfg(doctest)]
#[doc = include_str!("../docs/rust-handlers.md")]
struct RustHandlers;
