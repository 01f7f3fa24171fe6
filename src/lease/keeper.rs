//! The keeper: extends every lease in time, in batches of ten.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Leases, ledger::Extension};
use crate::{
    backoff::{Backoff, Jitter},
    message::MessageId,
    queue::{BatchAnswer, EntryError, Queue, QueueError, Verdict, VisibilityChange},
    tasks,
    telemetry::{Action, CallResult, events},
};

/// Extensions under way at once: at 10 messages and 20 ms each, enough for 8,000 extensions a second.
const CALLS_AT_ONCE: usize = 16;
/// How much time an extension has, at least and at most, whatever the queue promises.
const WATCHDOG: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(15));
/// The shortest pause between two looks into the ledger, so that leases due together go together.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
/// A failed extension is tried again soon: half the visibility is left for it.
const RETRY: Backoff = Backoff {
    initial: Duration::from_millis(500),
    factor: 2.0,
    max: Duration::from_secs(5),
    jitter: Jitter::Half,
};

impl Leases {
    /// Keeps the leases until `stop`; to be stopped only after the last message is settled.
    pub async fn keep(self, queue: Arc<dyn Queue>, stop: CancellationToken) {
        let calls = Arc::new(Semaphore::new(CALLS_AT_ONCE));
        loop {
            self.look(&queue, &calls).await;
            tokio::select! {
                () = tokio::time::sleep_until(self.next_look()) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// A new lease is due after a tenth of its visibility at the earliest, so looking that often misses none.
    fn next_look(&self) -> Instant {
        let now = Instant::now();
        let ledger = self.ledger();
        let latest = now + ledger.shortest_visibility() / 10;
        ledger.next_look().unwrap_or(latest).clamp(now + SHORTEST_PAUSE, latest.max(now + SHORTEST_PAUSE))
    }

    async fn look(&self, queue: &Arc<dyn Queue>, calls: &Arc<Semaphore>) {
        loop {
            for id in self.expired() {
                self.report_lost(&id, "its time ran out before an extension was granted");
            }
            if self.next_due() > Instant::now() {
                return;
            }
            // Closed never: the semaphore lives as long as this loop.
            let Ok(permit) = calls.clone().acquire_owned().await else { return };
            let extensions = self.take_due();
            if extensions.is_empty() {
                return;
            }
            let (leases, queue) = (self.clone(), queue.clone());
            tasks::detach("extend", async move {
                leases.extend(&*queue, extensions).await;
                drop(permit);
            });
        }
    }

    fn expired(&self) -> Vec<MessageId> {
        self.ledger().expire(Instant::now())
    }

    fn next_due(&self) -> Instant {
        self.ledger().next_look().unwrap_or_else(|| Instant::now() + Duration::from_secs(1))
    }

    fn take_due(&self) -> Vec<Extension> {
        self.ledger().take_due(Instant::now())
    }

    async fn extend(&self, queue: &dyn Queue, extensions: Vec<Extension>) {
        let sent = Instant::now();
        let change = |extension: &Extension| VisibilityChange {
            receipt: extension.receipt.clone(),
            visibility: extension.visibility,
        };
        let changes: Vec<_> = extensions.iter().map(change).collect();
        let limit = self.call_limit();
        let answer = match timeout(limit, queue.change_visibility(&changes)).await {
            Ok(answer) => answer,
            Err(_) => Err(QueueError::hung(format!("an extension was silent for {limit:?} and was dropped"))),
        };
        self.0.metrics.called(Action::Extend, CallResult::of(&answer), sent);
        self.note(&extensions, answer, sent);
    }

    /// Half the visibility is left when an extension is sent: enough for a second one if the first hangs.
    fn call_limit(&self) -> Duration {
        let (least, most) = WATCHDOG;
        (self.ledger().shortest_visibility() / 4).clamp(least, most)
    }

    fn note(&self, extensions: &[Extension], answer: BatchAnswer<()>, sent: Instant) {
        match answer {
            Ok(entries) => {
                for (extension, entry) in extensions.iter().zip(entries) {
                    self.note_entry(extension, entry, sent);
                }
            }
            Err(error) => self.note_failure(extensions, &error),
        }
    }

    fn note_entry(&self, extension: &Extension, entry: Result<(), EntryError>, sent: Instant) {
        let now = Instant::now();
        match entry {
            Ok(()) if self.ledger().extended(extension, (sent, now), fastrand::f64()) => {
                self.0.metrics.extensions.inc();
            }
            Ok(()) => self.report_lost(&extension.id, "its extension was granted too late"),
            Err(error) if error.verdict == Verdict::LeaseLost => {
                if self.ledger().refused(extension) {
                    self.report_lost(&extension.id, &error.to_string());
                }
            }
            Err(error) => {
                tracing::debug!(queue = &*self.0.queue, message_id = %extension.id, %error, "lease not extended yet");
                self.ledger().not_extended(extension, now, RETRY.random_delay(extension.attempt));
            }
        }
    }

    fn note_failure(&self, extensions: &[Extension], error: &QueueError) {
        let attempt = extensions.iter().map(|extension| extension.attempt).max().unwrap_or(1);
        let retry_in = RETRY.random_delay(attempt);
        events::CallFailed { queue: &self.0.queue, action: Action::Extend, error, attempt, retry_in }.emit();
        for extension in extensions {
            self.ledger().not_extended(extension, Instant::now(), retry_in);
        }
    }
}
