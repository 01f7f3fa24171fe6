//! The worker: builds it from settings, runs it and stops it in order.
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
pub(crate) mod preflight;
mod run;
mod runtime;
mod shutdown;
mod stop_requests;

use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};

use crate::{consumer::Engine, stop::Stop};

#[cfg(feature = "ecs")]
pub use self::embedded_metrics::ScalingSignal;
#[cfg(feature = "cli")]
pub(crate) use self::from_settings::{consumer_of, name_in_sqs, worker};
#[cfg(test)]
pub(crate) use self::metrics::metrics_reference;
#[cfg(feature = "cli")]
pub use self::open::open_queue;
#[cfg(feature = "cli")]
pub(crate) use self::stop_requests::Signals;
pub use self::{
    consumer::{Consumer, DeadLetters},
    error::WorkerError,
    run::Worker,
    shutdown::Drained,
};

/// The status of a worker, for people and scripts; clones share it.
#[derive(Clone, Default)]
pub struct WorkerStatus(Arc<Inner>);

#[derive(Default)]
struct Inner {
    stop: OnceLock<Stop>,
    engines: OnceLock<Vec<Engine>>,
}

impl WorkerStatus {
    fn set_stop(&self, stop: Stop) {
        self.0.stop.get_or_init(|| stop);
    }

    fn set_engines(&self, engines: Vec<Engine>) {
        self.0.engines.get_or_init(|| engines);
    }

    /// The status as JSON: the version, whether the worker drains, and an object for each queue.
    pub fn json(&self) -> String {
        self.value().to_string()
    }

    fn value(&self) -> Value {
        let queues: Vec<_> = self.0.engines.get().into_iter().flatten().map(Engine::status).collect();
        let is_draining = self.0.stop.get().is_some_and(Stop::is_draining);
        json!({ "version": env!("CARGO_PKG_VERSION"), "draining": is_draining, "queues": queues })
    }
}
