//! How far the stop has come, and whether ECS may stop the task at all.

use std::{
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use prometheus::Gauge;
use tokio::time::Instant;

use crate::telemetry::catalog::Families;

type Ask = Box<dyn Fn() -> bool + Send + Sync>;

/// How far the stop has come, and whether ECS may stop the task at all.
pub(super) struct StopMetrics {
    began: OnceLock<Instant>,
    seconds: Gauge,
    limit: Gauge,
    is_protected: Mutex<Option<Ask>>,
}

impl StopMetrics {
    pub(super) fn new(families: &Families) -> Self {
        const NO_LABELS: [&str; 0] = [];
        Self {
            began: OnceLock::new(),
            seconds: families.drain_seconds.with_label_values(&NO_LABELS),
            limit: families.drain_limit.with_label_values(&NO_LABELS),
            is_protected: Mutex::new(None),
        }
    }

    pub(super) fn limit(&self, limit: Duration) {
        self.limit.set(limit.as_secs_f64());
    }

    pub(super) fn asked_for(&self, now: Instant) {
        self.began.get_or_init(|| now);
    }

    pub(super) fn protection(&self, ask: Ask) {
        *self.is_protected.lock().unwrap_or_else(PoisonError::into_inner) = Some(ask);
    }

    pub(super) fn refresh(&self, families: &Families, now: Instant) {
        if let Some(began) = self.began.get() {
            self.seconds.set(now.saturating_duration_since(*began).as_secs_f64());
        }
        if let Some(ask) = &*self.is_protected.lock().unwrap_or_else(PoisonError::into_inner) {
            families.task_protected.with_label_values::<&str>(&[]).set(i64::from(ask()));
        }
    }
}
