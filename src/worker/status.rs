//! The status of a worker: its queues, what runs and what waits, as `/status` shows it.

use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};

use crate::{consumer::Engine, stop::Stop};

/// The status of a worker, for people and scripts; clones share it.
#[derive(Clone, Default)]
pub struct WorkerStatus(Arc<Inner>);

#[derive(Default)]
struct Inner {
    stop: OnceLock<Stop>,
    engines: OnceLock<Vec<Engine>>,
}

impl WorkerStatus {
    pub(super) fn set_stop(&self, stop: Stop) {
        self.0.stop.get_or_init(|| stop);
    }

    pub(super) fn set_engines(&self, engines: Vec<Engine>) {
        self.0.engines.get_or_init(|| engines);
    }

    /// The status as JSON: the version, whether the worker drains, and an object for each queue.
    pub fn json(&self) -> String {
        self.value().to_string()
    }

    pub(super) fn value(&self) -> Value {
        let queues: Vec<_> = self.0.engines.get().into_iter().flatten().map(Engine::status).collect();
        let is_draining = self.0.stop.get().is_some_and(Stop::is_draining);
        json!({ "version": env!("CARGO_PKG_VERSION"), "draining": is_draining, "queues": queues })
    }
}
