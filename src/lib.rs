//! Longshore: SQS consumers as long-running containers.

#[cfg(feature = "admin")]
mod admin;
mod aws;
mod backoff;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[cfg(feature = "cli")]
mod config;
mod consumer;
#[cfg(feature = "cli")]
mod dev;
mod duration;
#[cfg(feature = "ecs")]
pub mod ecs;
mod error_chain;
pub mod handler;
mod health;
mod md5;
mod message;
mod net;
mod process;
mod queue;
#[cfg(feature = "sns")]
pub mod sns;
mod stop;
mod tasks;
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
mod worker;

#[cfg(feature = "otel")]
pub use self::telemetry::traces::Traces;
#[cfg(feature = "ecs")]
pub use self::worker::ScalingSignal;
pub use self::{
    backoff::{Backoff, Jitter},
    consumer::{BatchSettings, Prefetch},
    health::Health,
    message::{
        AttributeContent, AttributeValue, Message, MessageId, OutgoingMessage, Receipt, SystemAttributes,
    },
    stop::Stop,
    telemetry::Metrics,
    worker::{Consumer, DeadLetters, Drained, Worker, WorkerError, WorkerStatus},
};

/// The parts that Longshore's own benchmarks measure; they may change in any release.
#[cfg(feature = "cli")]
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

#[cfg(all(test, feature = "cli"))]
#[path = "../tests/support/mod.rs"]
mod support;

#[cfg(all(test, feature = "cli"))]
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
