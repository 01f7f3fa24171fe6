//! The keeper: extends every lease in time, in batches of ten.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Leases,
    ledger::{Extended, Extension},
};
use crate::{
    backoff::{Backoff, Jitter},
    health::Pulse,
    message::MessageId,
    queue::{BatchAnswer, EntryError, Queue, QueueError, RetryClass, VisibilityChange, all_entries, within},
    tasks,
    telemetry::{Action, CallResult, events},
};

/// Extensions under way at once: at 10 messages and 20 ms each, enough for 8,000 extensions a second.
const CALLS_AT_ONCE: usize = 16;
/// How much time an extension has, at least and at most, whatever the queue promises.
const WATCHDOG: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(15));
/// The shortest pause between two looks into the ledger, so that leases due together go together.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause, for the sign of life.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A failed extension is tried again soon: half the visibility is left for it.
const RETRY: Backoff = Backoff {
    initial: Duration::from_millis(500),
    factor: 2.0,
    max: Duration::from_secs(5),
    jitter: Jitter::Half,
};

impl Leases {
    /// Keeps the leases until `stop`; to be stopped only after the last message is settled.
    pub async fn run_heartbeat(self, queue: Arc<dyn Queue>, pulse: Pulse, stop: CancellationToken) {
        let calls = Arc::new(Semaphore::new(CALLS_AT_ONCE));
        loop {
            pulse.beat();
            self.look(&queue, &calls);
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
        let latest = now + (ledger.shortest_visibility() / 10).min(LONGEST_PAUSE);
        ledger.next_look().unwrap_or(latest).clamp(now + SHORTEST_PAUSE, latest.max(now + SHORTEST_PAUSE))
    }

    /// Finds what is lost, and sends what is due as long as not too many calls are under way.
    fn look(&self, queue: &Arc<dyn Queue>, calls: &Arc<Semaphore>) {
        for id in self.expired() {
            self.report_lost(&id, "its time ran out before an extension was granted");
        }
        while self.next_due() <= Instant::now() {
            let Ok(permit) = calls.clone().try_acquire_owned() else { return };
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
        let answer = within(limit, "an extension", queue.change_visibility(&changes)).await;
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
                self.0.ready.ready();
                for (extension, entry) in extensions.iter().zip(all_entries(entries)) {
                    self.note_entry(extension, entry, sent);
                }
            }
            Err(error) => self.note_failure(extensions, &error),
        }
    }

    fn note_entry(&self, extension: &Extension, entry: Result<(), EntryError>, sent: Instant) {
        let now = Instant::now();
        match entry {
            Ok(()) => self.note_extended(extension, (sent, now)),
            Err(error) if error.retry_class == RetryClass::LeaseLost => {
                if self.ledger().refused(extension) {
                    self.report_lost(&extension.id, &error.to_string());
                }
            }
            Err(error) => {
                let (queue, message_id) = (&*self.0.queue, &extension.id);
                let _lines = self.enter_trace(message_id);
                events::EntryFailed { queue, message_id, action: Action::Extend, error: &error }.emit();
                self.ledger().not_extended(extension, now, RETRY.random_delay(extension.attempt));
            }
        }
    }

    fn note_extended(&self, extension: &Extension, moments: (Instant, Instant)) {
        let extended = self.ledger().extended(extension, moments, fastrand::f64());
        match extended {
            Extended::InTime => self.0.metrics.extensions.inc(),
            Extended::TooLate => self.report_lost(&extension.id, "its extension was granted too late"),
            Extended::InVain => {}
        }
    }

    fn note_failure(&self, extensions: &[Extension], error: &QueueError) {
        let attempt = extensions.iter().map(|extension| extension.attempt).max().unwrap_or(1);
        let retry_in = RETRY.random_delay(attempt);
        events::CallFailed { queue: &self.0.queue, action: Action::Extend, error, attempt, retry_in }.emit();
        if error.retry_class() == RetryClass::Refused {
            self.0.ready.unready(format!("sqs refuses to extend leases: {error}"));
        }
        for extension in extensions {
            self.ledger().not_extended(extension, Instant::now(), retry_in);
        }
    }
}
