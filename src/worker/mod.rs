//! Wiring: from settings to a running worker, and the order in which it stops.
//!
//! ```no_run
//! use longshore::{Consumer, Worker, handler};
//!
//! # async fn run() -> Result<(), longshore::WorkerError> {
//! let orders = handler::from_fn(|message: std::sync::Arc<longshore::Message>| async move {
//!     println!("{}", message.body);
//! });
//! let queue = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders";
//! Worker::new().consumer(Consumer::new(queue, orders).concurrency(32)).run().await?;
//! # Ok(())
//! # }
//! ```

mod check;
mod consumer;
mod dead_letters;
#[cfg(feature = "ecs")]
mod embedded_metrics;
mod error;
#[cfg(feature = "cli")]
mod from_settings;
mod metrics;
#[cfg(any(feature = "ecs", feature = "sns"))]
mod observers;
mod open;
#[cfg(feature = "cli")]
pub mod preflight;
#[cfg(feature = "cli")]
mod publisher;
mod run;
mod runtime;
#[cfg(feature = "ecs")]
mod scaling;
mod shutdown;
mod status;
mod stop_requests;

#[cfg(test)]
pub use self::metrics::{all_metrics, metrics_reference};
#[cfg(feature = "ecs")]
pub use self::scaling::ScalingSignal;
pub use self::{
    consumer::{Consumer, DeadLetters},
    error::WorkerError,
    run::Worker,
    shutdown::Drained,
    status::WorkerStatus,
};
#[cfg(feature = "cli")]
pub use self::{
    from_settings::{consumer_of, name_in_sqs, worker},
    open::open_queue,
};
