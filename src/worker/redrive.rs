//! Follows the redrive policy of a queue while it is consumed: rejected messages are copied to the DLQ that it names now.

use std::sync::Arc;

use super::{
    WorkerError,
    attempts::{AttemptLimit, Attempts, LoggedCauses},
    dead_letters,
};
use crate::{
    consumer::{Engine, depth::RedriveView, settle::DeadLetterQueue},
    queue::{Queue, QueueAttributes, QueueError},
    start::Patience,
    stop::Stop,
    telemetry::{HandlerKind, events},
};

/// Follows the redrive policy of one queue whose DLQ is that of its policy.
pub(super) struct RedriveFollower {
    pub(super) policy: RedriveView,
    pub(super) dlq: DlqOpener,
    pub(super) engine: Engine,
}

/// Opens the DLQ of a policy.
pub(super) struct DlqOpener {
    pub(super) name: Arc<str>,
    pub(super) kind: HandlerKind,
    pub(super) queue: Arc<dyn Queue>,
    /// The attributes of the queue, but for the policy.
    pub(super) description: QueueAttributes,
}

impl RedriveFollower {
    /// Follows the policy until the stop.
    pub(super) async fn run(mut self, stop: Stop) {
        tokio::select! {
            biased;
            () = stop.draining() => {}
            () = self.follow() => {}
        }
    }

    async fn follow(&mut self) {
        while self.policy.changed().await.is_some() {
            self.open_latest().await;
        }
    }

    /// Opens the DLQ of the policy, or of a newer policy that comes meanwhile.
    async fn open_latest(&mut self) {
        loop {
            self.dlq.description.redrive = self.policy.policy();
            let opened = tokio::select! {
                biased;
                opened = self.dlq.open() => opened,
                changed = self.policy.changed() => match changed {
                    Some(()) => continue,
                    None => return,
                },
            };
            return self.use_dlq(opened);
        }
    }

    fn use_dlq(&self, opened: Result<Option<DeadLetterQueue>, WorkerError>) {
        let queue = &*self.dlq.name;
        let dlq = opened.unwrap_or_else(|error| {
            events::RedriveUnusable { queue, error: &error }.emit();
            None
        });
        if dlq.is_some() && !self.engine.receives_everything() {
            // A copy of a message that was received without its attributes would lack them.
            events::DlqAtNextStart { queue }.emit();
            return;
        }
        self.engine.copy_rejects_to(dlq);
    }
}

impl DlqOpener {
    /// Opens the DLQ, for as long as its failure may pass.
    async fn open(&self) -> Result<Option<DeadLetterQueue>, WorkerError> {
        let causes = LoggedCauses::default();
        let on_delay = |queue: &str, error: &QueueError| causes.log_delay(queue, error);
        let attempts = Attempts::new(&self.name, AttemptLimit::of(Patience::Forever), &on_delay);
        dead_letters::of_policy((&self.name, self.kind), &*self.queue, &self.description, &attempts).await
    }
}
