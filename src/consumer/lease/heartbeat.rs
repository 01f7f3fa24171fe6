//! The heartbeat: extends every lease in time, ten to a call.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, Semaphore},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    LeaseMetrics, Leases,
    ledger::{Extension, ExtensionEffect},
};
use crate::{
    backoff::{Backoff, Jitter},
    health::Pulse,
    queue::metrics::CallMetrics,
    queue::{BatchResult, EntryError, Queue, QueueError, RetryClass, VisibilityChange, all_entries, within},
    tasks,
    telemetry::{Action, CallResult, events},
};

/// The most prompt calls in flight: at 10 messages and 20 ms each, enough for 8,000 extensions a second.
const CALLS_AT_ONCE: usize = 16;
/// The time after which a call that is not answered no longer counts, so that calls that hang do not delay the others.
/// A lease has one extension in flight at most, which bounds the number of such calls.
const PROMPT: Duration = Duration::from_secs(1);
/// The bounds of a call's time limit, in case the queue keeps none.
const WATCHDOG: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(15));
/// The shortest time between two checks of the ledger, so that leases due together share a call.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
/// The longest time between two checks, within which the pulse must beat.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The pauses after failed extensions: short, since only half the visibility is left. Of 30 s that leaves about fifteen
/// tries, so that a lease survives when every second extension fails.
const RETRY: Backoff = Backoff {
    initial: Duration::from_millis(500),
    factor: 2.0,
    max: Duration::from_millis(1_500),
    jitter: Jitter::Half,
};

/// The loop that extends the leases of one queue.
#[derive(Clone)]
pub(super) struct Heartbeat {
    leases: Leases,
    name: Arc<str>,
    queue: Arc<dyn Queue>,
    metrics: Arc<LeaseMetrics>,
    call_metrics: Arc<CallMetrics>,
    calls: Arc<Semaphore>,
    /// Fires when an extension failed, whose retry may be due before the next check.
    failed: Arc<Notify>,
}

impl Heartbeat {
    pub(super) fn new(leases: Leases, queue: Arc<dyn Queue>) -> Self {
        let (name, metrics) = (leases.0.queue.clone(), leases.0.metrics.clone());
        let call_metrics = leases.0.scope.group();
        let calls = Arc::new(Semaphore::new(CALLS_AT_ONCE));
        Self { leases, name, queue, metrics, call_metrics, calls, failed: Arc::default() }
    }

    pub(super) async fn run(self, pulse: Pulse, stop: CancellationToken) {
        loop {
            pulse.beat();
            self.extend_due();
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep_until(self.next_check()) => {}
                () = self.failed.notified() => {}
            }
        }
    }

    /// A new lease is due after a tenth of its visibility at the earliest, so checks that often miss none.
    fn next_check(&self) -> Instant {
        let now = Instant::now();
        let ledger = self.leases.ledger();
        let latest = now + (ledger.shortest_visibility() / 10).min(LONGEST_PAUSE);
        ledger.next_check().unwrap_or(latest).clamp(now + SHORTEST_PAUSE, latest.max(now + SHORTEST_PAUSE))
    }

    /// Reports lost leases, and sends due extensions while few enough calls are in flight.
    fn extend_due(&self) {
        let lost = self.leases.ledger().expire(Instant::now());
        for (lease, id) in lost {
            self.leases.report_lost(
                lease,
                &id,
                "its visibility timeout passed before an extension was granted",
            );
        }
        while let Ok(permit) = self.calls.clone().try_acquire_owned() {
            let extensions = self.leases.ledger().take_due(Instant::now());
            if extensions.is_empty() {
                return;
            }
            let heartbeat = self.clone();
            tasks::detach("extend", async move {
                let mut call = pin!(heartbeat.extend(extensions));
                let prompt = timeout(PROMPT, &mut call).await;
                drop(permit);
                if prompt.is_err() {
                    call.await;
                }
            });
        }
    }

    async fn extend(&self, extensions: Vec<Extension>) {
        let sent = Instant::now();
        let change = |extension: &Extension| VisibilityChange {
            receipt: extension.receipt.clone(),
            visibility: extension.visibility,
        };
        let changes: Vec<_> = extensions.iter().map(change).collect();
        let call = self.queue.change_visibility(&changes);
        let answer = within(self.call_limit(), "an extension", call).await;
        self.call_metrics.called(Action::Extend, CallResult::of(&answer), sent);
        self.handle_answer(&extensions, answer, sent);
    }

    /// The time limit of a call. Half the visibility is left when an extension is sent, so four more can follow if the
    /// first hangs.
    fn call_limit(&self) -> Duration {
        let (least, most) = WATCHDOG;
        (self.leases.ledger().shortest_visibility() / 10).clamp(least, most)
    }

    fn handle_answer(&self, extensions: &[Extension], answer: BatchResult<()>, sent: Instant) {
        match answer {
            Ok(entries) => {
                self.leases.report_extensions_answered();
                for (extension, entry) in extensions.iter().zip(all_entries(entries)) {
                    self.handle_entry(extension, entry, sent);
                }
            }
            Err(error) => self.handle_call_error(extensions, &error),
        }
    }

    fn handle_entry(&self, extension: &Extension, entry: Result<(), EntryError>, sent: Instant) {
        let Extension { lease, id, attempt, .. } = extension;
        match entry {
            Ok(()) => self.handle_extended(extension, sent),
            Err(error) if error.retry_class == RetryClass::LeaseLost => {
                if self.leases.ledger().refused(extension) {
                    self.leases.report_lost(*lease, id, &error.to_string());
                }
            }
            Err(error) => {
                let _trace = self.leases.enter_trace(*lease);
                let (queue, action) = (&*self.name, Action::Extend);
                events::EntryFailed { queue, message_id: id, action, error: &error }.emit();
                self.retry(extension, RETRY.random_delay(*attempt));
            }
        }
    }

    fn handle_extended(&self, extension: &Extension, sent: Instant) {
        let effect = self.leases.ledger().extended(extension, (sent, Instant::now()), fastrand::f64());
        match effect {
            ExtensionEffect::Extended => {
                self.metrics.extensions.inc();
                self.leases.note_extended(extension.lease, sent + extension.visibility);
            }
            ExtensionEffect::TooLate => {
                self.leases.report_lost(extension.lease, &extension.id, "its extension was granted too late");
            }
            ExtensionEffect::None => {}
        }
    }

    fn handle_call_error(&self, extensions: &[Extension], error: &QueueError) {
        let attempt = extensions.iter().map(|extension| extension.attempt).max().unwrap_or(1);
        let retry_in = RETRY.random_delay(attempt);
        let (queue, action) = (&*self.name, Action::Extend);
        events::CallFailed { queue, action, error, attempt, retry_in }.emit();
        if error.retry_class().is_outage_after(attempt) {
            self.leases.report_extensions_failing(error);
        }
        for extension in extensions {
            self.retry(extension, retry_in);
        }
    }

    /// Makes an extension due again after the pause, which may end before the next check.
    fn retry(&self, extension: &Extension, pause: Duration) {
        self.leases.ledger().not_extended(extension, Instant::now(), pause);
        self.failed.notify_one();
    }
}
