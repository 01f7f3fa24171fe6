//! The queues behind the API: the first one, and each by its name in the path.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};

use super::error::IngestError;
use crate::{payload::Offload, queue::Queue};

/// The part of a path that names a queue.
pub(super) const QUEUE: &str = "queue";

/// The queue behind a route, and the bucket for what is too large for it.
#[derive(Clone)]
pub(crate) struct IngestTarget {
    pub(super) queue: Arc<dyn Queue>,
    pub(super) offload: Option<Arc<Offload>>,
}

impl IngestTarget {
    /// The queue, and no bucket.
    pub(crate) fn new(queue: Arc<dyn Queue>) -> Self {
        Self { queue, offload: None }
    }

    /// Sets the bucket for the bodies of messages that are too large for SQS.
    pub(crate) fn offload(self, offload: Option<Offload>) -> Self {
        Self { offload: offload.map(Arc::new), ..self }
    }

    /// The queue.
    pub(crate) fn queue(&self) -> &Arc<dyn Queue> {
        &self.queue
    }
}

/// All queues behind the API; clones share them.
#[derive(Clone)]
pub(crate) struct IngestTargets(Arc<RwLock<TargetsByName>>);

struct TargetsByName {
    /// The queue of the routes that name none.
    first: IngestTarget,
    named: BTreeMap<String, IngestTarget>,
}

impl From<IngestTarget> for IngestTargets {
    fn from(first: IngestTarget) -> Self {
        Self::new(first, BTreeMap::new())
    }
}

impl IngestTargets {
    /// The queue of the routes that name none, and the others by their names.
    pub(crate) fn new(first: IngestTarget, named: BTreeMap<String, IngestTarget>) -> Self {
        Self(Arc::new(RwLock::new(TargetsByName { first, named })))
    }

    /// Serves other queues from now on.
    pub(crate) fn replace(&self, first: IngestTarget, named: BTreeMap<String, IngestTarget>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = TargetsByName { first, named };
    }

    fn find(&self, name: Option<&str>) -> Result<IngestTarget, IngestError> {
        let targets = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(name) = name else { return Ok(targets.first.clone()) };
        targets.named.get(name).cloned().ok_or_else(|| {
            let names: Vec<_> = targets.named.keys().map(String::as_str).collect();
            IngestError::unknown_queue(name, &names)
        })
    }
}

impl FromRequestParts<IngestTargets> for IngestTarget {
    type Rejection = IngestError;

    async fn from_request_parts(parts: &mut Parts, targets: &IngestTargets) -> Result<Self, IngestError> {
        let parameters = RawPathParams::from_request_parts(parts, targets).await;
        let parameters = parameters.map_err(|_| IngestError::unknown_path())?;
        let named = parameters.iter().find(|(parameter, _)| *parameter == QUEUE);
        targets.find(named.map(|(_, name)| name))
    }
}
