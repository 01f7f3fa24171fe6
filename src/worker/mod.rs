//! Wiring: from settings to a running worker, and the order in which it stops.
//!
//! ```no_run
//! use longshore::{Consumer, Worker, handler};
//!
//! # async fn run() -> Result<(), longshore::worker::WorkerError> {
//! let orders = handler::from_fn(|message: std::sync::Arc<longshore::Message>| async move {
//!     println!("{}", message.body);
//! });
//! let queue = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders";
//! Worker::new().consumer(Consumer::new(queue, orders).concurrency(32)).run().await?;
//! # Ok(())
//! # }
//! ```

mod admin;
mod check;
mod consumer;
mod dead_letters;
mod error;
mod from_settings;
mod measured;
mod open;
pub mod preflight;
mod publisher;
mod run;
mod runtime;
mod scaling;
mod shutdown;
mod signals;
mod stop_requests;

pub use self::{
    consumer::{Consumer, DeadLetters},
    error::WorkerError,
    from_settings::{consumer_of, name_in_sqs, worker},
    open::open_queue,
    run::Worker,
    scaling::ScalingSignal,
    shutdown::Drained,
};
