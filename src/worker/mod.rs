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

mod attempts;
mod check;
mod consumer;
mod control;
mod credentials_watch;
mod dead_letters;
#[cfg(feature = "ecs")]
mod embedded_metrics;
mod engines;
mod error;
mod fault_watch;
mod first_success;
#[cfg(feature = "cli")]
mod from_settings;
mod late;
#[cfg(feature = "ecs")]
mod leaving;
mod metrics;
mod observers;
mod open;
mod opening;
#[cfg(feature = "cli")]
pub(crate) mod preflight;
mod redrive;
#[cfg(feature = "cli")]
mod reload;
mod run;
mod runtime;
mod shutdown;
mod signals;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use serde_json::{Value, json};

#[cfg(feature = "ecs")]
use crate::ecs::QueueLoad;
#[cfg(feature = "admin")]
use crate::history::MessageHistory;
use crate::{consumer::Engine, stop::Stop};

#[cfg(feature = "ecs")]
pub use self::embedded_metrics::ScalingSignal;
#[cfg(feature = "cli")]
pub(crate) use self::from_settings::{consumer_of, payload_objects, worker};
#[cfg(test)]
pub(crate) use self::metrics::metrics_reference;
#[cfg(feature = "cli")]
pub use self::open::open_queue;
pub use self::{
    consumer::{Consumer, DeadLetters},
    control::{ControlError, WorkerControl},
    error::WorkerError,
    run::Worker,
    shutdown::Drained,
};
#[cfg(feature = "cli")]
pub(crate) use self::{reload::Reload, run::end_of_task, signals::Signals};

/// The status of a worker, for people and scripts; clones share it.
#[derive(Clone, Default)]
pub struct WorkerStatus(Arc<Inner>);

#[derive(Default)]
struct Inner {
    stop: OnceLock<Stop>,
    #[cfg(feature = "admin")]
    history: OnceLock<MessageHistory>,
    queues: Mutex<Queues>,
}

/// The queues of a worker by their state.
#[derive(Default)]
struct Queues {
    /// Those that are not open yet.
    opening: BTreeMap<Arc<str>, OpeningQueue>,
    open: Vec<Engine>,
    /// The reason for which the worker is to leave, once there is one.
    cordon: Option<Arc<str>>,
}

/// A queue that is not open yet.
#[derive(Default)]
struct OpeningQueue {
    /// The error of the last attempt.
    error: Option<String>,
    /// The change of its polling that an operator has asked for, which is applied once it is open.
    asked: Option<PollingChange>,
}

/// The name of a queue that is not open yet, and the error of the last attempt.
type UnopenedQueue = (Arc<str>, Option<String>);

/// A change of a queue's polling by an operator.
#[derive(Clone)]
enum PollingChange {
    /// Pauses it for a reason.
    Pause(Arc<str>),
    Resume,
}

impl PollingChange {
    fn apply(&self, engine: &Engine) {
        match self {
            Self::Pause(reason) => engine.pause(reason),
            Self::Resume => engine.resume(),
        }
    }
}

impl WorkerStatus {
    fn set_stop(&self, stop: Stop) {
        self.0.stop.get_or_init(|| stop);
    }

    /// Shows running calls and failures of this history.
    #[cfg(feature = "admin")]
    fn set_history(&self, history: MessageHistory) {
        self.0.history.get_or_init(|| history);
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.0.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a queue is not open yet, and the error of the last attempt.
    fn opening(&self, queue: &str, error: Option<String>) {
        self.queues().opening.entry(queue.into()).or_default().error = error;
    }

    /// Notes that a queue is open.
    fn opened(&self, engine: Engine) {
        let mut queues = self.queues();
        let opening = queues.opening.remove(engine.name()).unwrap_or_default();
        if let Some(asked) = opening.asked {
            asked.apply(&engine);
        }
        if let Some(reason) = &queues.cordon {
            engine.cordon(reason);
        }
        queues.open.push(engine);
    }

    /// Lets every queue receive no more, those that open later too.
    #[cfg(feature = "ecs")]
    fn cordon(&self, reason: &str) {
        let mut queues = self.queues();
        queues.cordon = Some(reason.into());
        for engine in &queues.open {
            engine.cordon(reason);
        }
    }

    /// The messages of the open queues that are not paused, as far as they are known.
    #[cfg(feature = "ecs")]
    fn loads(&self) -> Vec<QueueLoad> {
        let load = |engine: &Engine| {
            let status = engine.status();
            let counts = status.queue_messages.filter(|_| status.paused.is_empty())?;
            Some(QueueLoad {
                waiting: counts.visible,
                in_flight: counts.in_flight,
                seconds_alone: status.backlog_seconds?,
                concurrency: status.concurrency,
            })
        };
        self.listed().0.iter().filter_map(load).collect()
    }

    /// The number of queues that are not open.
    fn unopened(&self) -> usize {
        self.queues().opening.len()
    }

    /// The open queues, and those that are not open with the errors of their last attempts.
    ///
    /// They are copies, so that no start or change of a queue waits for the lock while they become JSON.
    fn listed(&self) -> (Vec<Engine>, Vec<UnopenedQueue>) {
        let queues = self.queues();
        let opening = queues.opening.iter().map(|(queue, opening)| (queue.clone(), opening.error.clone()));
        (queues.open.clone(), opening.collect())
    }

    /// The status as JSON: the version, whether the worker drains, an object for each queue, and one for each queue that is
    /// not open yet.
    pub fn json(&self) -> String {
        self.value().to_string()
    }

    fn value(&self) -> Value {
        let (open, opening) = self.listed();
        let open: Vec<_> = open.iter().map(Engine::status).collect();
        let mut open = json!(open);
        #[cfg(feature = "admin")]
        if let Some(history) = self.0.history.get() {
            history.add_to(&mut open);
        }
        let opening: Vec<_> =
            opening.iter().map(|(queue, error)| json!({ "queue": &**queue, "lastError": error })).collect();
        let is_draining = self.0.stop.get().is_some_and(Stop::is_draining);
        json!({
            "version": env!("CARGO_PKG_VERSION"), "draining": is_draining, "queues": open, "opening": opening,
        })
    }
}
