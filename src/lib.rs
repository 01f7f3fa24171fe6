//! Longshore runs SQS consumers as long-running processes instead of Lambda functions.
//!
//! A worker long-polls its queues, calls your handler for each message, keeps the message hidden for as long as the
//! handler runs, and deletes it on success. A failed message comes again after a growing delay, until the queue's redrive
//! policy moves it to the DLQ.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use longshore::{Consumer, Message, Worker, handler};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let print = handler::from_fn(async |message: Arc<Message>| println!("{}", message.body));
//!     let queue = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders";
//!     // Runs until SIGTERM or Ctrl-C, then lets running handlers finish.
//!     Worker::new().consumer(Consumer::new(queue, print).concurrency(32)).run().await?;
//!     Ok(())
//! }
//! ```
//!
//! # Handlers
//!
//! A handler is a closure ([`handler::from_fn`]), a closure over a JSON type ([`handler::from_json`]), a type that
//! implements [`Handler`](handler::Handler), or a `tower` service. The built-in kinds, each behind a feature, call an HTTP
//! server, the code of a Lambda function or a program, or publish to SNS.
//!
//! ```
//! use longshore::handler::{self, Outcome};
//!
//! #[derive(serde::Deserialize)]
//! struct Order {
//!     id: u64,
//! }
//!
//! let ship = handler::from_json(async |order: Order| match order.id {
//!     0 => Outcome::Reject("order 0 does not exist".to_owned()),
//!     _ => Outcome::Done,
//! });
//! # let _ = longshore::handler::AnyHandler::from(ship);
//! ```
//!
//! The [`Outcome`](handler::Outcome) decides what SQS is asked: `Done` deletes the message, `Retry` and `RetryIn` make it
//! visible again after a delay, `Reject` copies it to the DLQ and deletes it, `Down` gives it back and pauses polling until
//! the handler's `probe` succeeds, `ShortOfResources` keeps it until the worker has resources again. `Ok(())` is `Done`,
//! `Err` is `Retry`; a panic or a time-out is a `Retry`, too.
//!
//! A [`BatchHandler`](handler::BatchHandler) receives several messages a call ([`Consumer::batch_size`]) and answers an outcome
//! for each. The [`Context`](handler::Context) of a call has the attempt, the deadline and the cancellation.
//!
//! # Guarantees
//!
//! - A message is deleted only after its handler answered `Done`, or after a rejected message was copied to the DLQ.
//! - A message stays hidden while it waits, runs and is settled; its lease is extended in time, for hours if need be.
//! - At most `concurrency` calls run at once, and nothing is received that cannot run or wait within the prefetch.
//! - In a FIFO group, messages run one at a time and in order.
//! - A panic, a time-out or a blocked thread of one call affects no other message.
//! - A stop receives nothing more, gives waiting messages back, lets running calls finish within
//!   [`Worker::drain_limit`], and sends every answer before it ends the leases.
//!
//! SQS delivers at least once, and so does Longshore: handlers should be safe to repeat.
//!
//! # Settings
//!
//! [`Consumer`] and [`Worker`] are builders, and a worker validates everything when it starts. A program may load the AWS
//! configuration itself and pass it to [`Consumer::sdk_config`]; else the SDK's own sources are used (`AWS_*` variables,
//! profile, task role), and the region is read from the queue's URL.
//!
//! # Embedding
//!
//! - **Runtime**: handlers run on the Tokio runtime on which the worker is started; receives, leases and settlement run
//!   on a thread of the worker, so that a handler that blocks its thread delays no lease.
//! - **Stop**: [`Worker::run`] obeys signals. [`Worker::run_until`] leaves signals to the program and drains when its
//!   [`Stop`] is requested.
//! - **Logs**: the library logs by `tracing` and never sets a subscriber.
//! - **Metrics**: [`Worker::metrics`] has the text for Prometheus; [`Worker::registry`] adds the metrics to the program's
//!   own `prometheus` registry.
//! - **Control**: [`Worker::control`] pauses, resumes and scales queues while the worker runs.
//! - **HTTP server**: `Worker::admin` serves health and metrics (feature `admin`); a program with a server of its own
//!   serves [`Worker::health`], [`Worker::metrics`] and [`Worker::status`] itself.
//!
//! ```no_run
//! use longshore::{Consumer, Stop, Worker, handler};
//!
//! # async fn embedded() -> Result<(), longshore::WorkerError> {
//! let worker = Worker::new().consumer(Consumer::new("orders", handler::from_fn(async |_| ())));
//! let (health, metrics, stop) = (worker.health(), worker.metrics(), Stop::new());
//! // For routes of the program's own server:
//! let is_ready = move || health.unready().is_empty();
//! let scrape = move || metrics.text();
//! // Requests the stop, from anywhere in the program.
//! let on_shutdown = { let stop = stop.clone(); move || stop.drain() };
//! # let _ = (is_ready, scrape, on_shutdown);
//! worker.run_until(stop).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Testing
//!
//! With the feature `testing`, `longshore::testing` calls a handler with a message of the test, or runs a whole worker over
//! a queue in memory that behaves like SQS. On a paused Tokio clock hours of retries take no time.
//!
//! # Features
//!
//! `default = ["cli"]` is the program `longshore`. As a library, use `default-features = false` and choose:
//!
//! | feature | adds |
//! |---|---|
//! | `http` | handlers behind HTTP |
//! | `lambda` | handlers that are Lambda functions, hosted or behind an emulator |
//! | `exec` | handlers that are programs |
//! | `sns` | handlers that publish to SNS, and notifications of outcomes |
//! | `tower` | handlers that are `tower` services, and middleware around handlers |
//! | `admin` | an HTTP server with health, metrics and status |
//! | `ecs` | task protection, scaling on Amazon ECS |
//! | `envelopes` | messages taken out of SNS notifications and EventBridge events |
//! | `once` | messages of one key that run once, by claims in DynamoDB |
//! | `payload` | bodies in S3, as the extended clients store them, and bodies in gzip or base64 |
//! | `otel` | OpenTelemetry traces |
//! | `testing` | tests of handlers and workers without a network |

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(feature = "cli"),
    allow(
        dead_code,
        unreachable_pub,
        unused_imports,
        unused_mut,
        unused_variables,
        reason = "each feature uses a part of the shared code"
    )
)]

#[cfg(feature = "admin")]
mod admin;
mod aws;
mod backoff;
mod certificates;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[cfg(feature = "cli")]
mod config;
mod consumer;
#[cfg(feature = "admin")]
mod dead_letters;
mod duration;
#[cfg(feature = "ecs")]
pub mod ecs;
#[cfg(feature = "envelopes")]
mod envelope;
mod error_chain;
pub mod handler;
mod health;
#[cfg(feature = "admin")]
mod history;
mod in_progress;
#[cfg(feature = "cli")]
mod kubernetes;
#[cfg(any(feature = "http", feature = "lambda"))]
mod md5;
mod message;
#[cfg(any(feature = "exec", feature = "payload"))]
mod message_files;
#[cfg(any(feature = "http", feature = "lambda", feature = "otel"))]
mod net;
#[cfg(feature = "once")]
pub mod once;
#[cfg(feature = "payload")]
pub mod payload;
#[cfg(any(feature = "exec", feature = "lambda"))]
mod process;
mod queue;
mod settings;
#[cfg(any(feature = "exec", feature = "http", feature = "lambda", feature = "sns"))]
mod shortage;
#[cfg(feature = "sns")]
pub mod sns;
mod start;
mod stop;
mod tasks;
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
mod worker;

#[cfg(feature = "admin")]
pub use self::admin::ControlAccess;
#[cfg(feature = "envelopes")]
pub use self::envelope::Unwrap;
#[cfg(feature = "otel")]
pub use self::telemetry::{MetricsExport, otlp::OtlpError, traces::Traces};
#[cfg(feature = "ecs")]
pub use self::worker::ScalingSignal;
pub use self::{
    aws::Role,
    backoff::{Backoff, Jitter},
    consumer::{Pool, Prefetch},
    health::Health,
    message::{
        AttributeContent, AttributeValue, Message, MessageId, OptionalSystemAttributes, OutgoingMessage,
        Receipt, SystemAttributes,
    },
    stop::Stop,
    telemetry::Metrics,
    worker::{
        Consumer, ControlError, DeadLetters, Drained, Worker, WorkerControl, WorkerError, WorkerStatus,
    },
};

/// The parts that Longshore's own benchmarks measure; they may change in any release.
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod internals {
    pub use crate::{
        aws::{ServiceLocation, Settings as AwsSettings},
        consumer::{
            BatchSettings,
            depth::{Counts, QueueDepth},
            lease::{GroupTally, LeaseMetrics},
            metrics::ConsumerMetrics,
            running::RunningCalls,
            settle::SettleMetrics,
        },
        duration::Span,
        handler::{
            Source,
            metrics::{HandlerMetrics, ProcessMetrics},
        },
        in_progress::InProgress,
        queue::{
            BatchResult, EmulatorQueue, Queue, QueueAttributes, QueueError, QueueName, ReceiveRequest,
            VisibilityChange, metrics::CallMetrics, sqs::AwsAccess,
        },
        sns::{
            SnsPublisher,
            metrics::{NotificationMetrics, PublishMetrics},
        },
        tasks::detach,
        telemetry::{
            Action, CallResult, Ending, FailureCause, HandlerKind, Label, MetricScope, Notified, Occasion,
            ProcessState, logs::Settings as LogSettings,
        },
        worker::open_queue,
    };
}

/// The tests in `tests/` import the crate by its name, as users do.
#[cfg(test)]
extern crate self as longshore;

#[cfg(test)]
#[cfg(feature = "cli")]
#[path = "../tests/support/mod.rs"]
mod support;

#[cfg(test)]
#[cfg(feature = "cli")]
#[path = "../tests/inside.rs"]
mod tests;

/// Fuzz targets, for `make fuzz`; no part of the library.
#[cfg(any(test, fuzzing))]
#[cfg(feature = "cli")]
#[path = "../tests/fuzz/mod.rs"]
pub mod fuzz;

/// Compiles the README's examples with the doc tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Compiles the examples of the page on Rust handlers.
#[cfg(doctest)]
#[doc = include_str!("../docs/rust-handlers.md")]
struct RustHandlers;
