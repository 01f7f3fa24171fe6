//! The status of a worker, as its admin server answers it.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::telemetry::logs::one_line;

/// A text of a worker; it is shown in one line, without characters that act on a terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(transparent)]
pub(super) struct WorkerText(String);

impl WorkerText {
    #[cfg(test)]
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text as the worker gave it, to compare it or to send it back; never to show it.
    pub(super) fn raw(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkerText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&one_line(&self.0))
    }
}

/// The status of a worker.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct WorkerReport {
    pub(super) version: WorkerText,
    #[serde(default)]
    pub(super) draining: bool,
    pub(super) queues: Vec<QueueReport>,
    #[serde(default)]
    pub(super) opening: Vec<OpeningReport>,
}

/// A queue of a worker.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct QueueReport {
    pub(super) queue: WorkerText,
    pub(super) state: WorkerText,
    /// The sentence that says why messages are received or not.
    pub(super) why: WorkerText,
    pub(super) concurrency: u64,
    pub(super) running: u64,
    pub(super) waiting: u64,
    pub(super) held: u64,
    pub(super) permits: u64,
    pub(super) settling: u64,
    pub(super) oldest_running_seconds: Option<f64>,
    pub(super) oldest_waiting_seconds: Option<f64>,
    pub(super) paused: Vec<PauseReport>,
    /// Absent until SQS has counted them.
    pub(super) queue_messages: Option<CountsReport>,
    pub(super) dlq_messages: Option<u64>,
    pub(super) totals: TotalsReport,
    /// The calls that run, the longest first.
    pub(super) calls: Vec<RunningReport>,
    /// The latest failures first.
    pub(super) failures: Vec<FailedTry>,
}

/// A reason for which polling is paused.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PauseReport {
    reason: WorkerText,
}

/// The messages in a queue by SQS's count.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct CountsReport {
    pub(super) visible: u64,
    pub(super) in_flight: u64,
    pub(super) delayed: u64,
}

/// The messages since the start of the worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct TotalsReport {
    pub(super) received: u64,
    pub(super) done: u64,
    pub(super) failed: u64,
}

/// A call that runs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RunningReport {
    pub(super) message_id: WorkerText,
    pub(super) attempt: u64,
    pub(super) since: WorkerText,
    pub(super) seconds: f64,
}

/// A receive that failed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct FailedTry {
    pub(super) message_id: WorkerText,
    pub(super) attempt: u64,
    pub(super) state: WorkerText,
    ending: Option<WorkerText>,
    reason: Option<WorkerText>,
    pub(super) ended_at: Option<WorkerText>,
    pub(super) next_try_at: Option<WorkerText>,
    /// True if SQS moves it to the DLQ rather than hand it out again.
    pub(super) exhausted: bool,
    steps: Vec<StepReport>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct StepReport {
    step: WorkerText,
}

/// A queue that is not open yet.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct OpeningReport {
    pub(super) queue: WorkerText,
    pub(super) last_error: Option<WorkerText>,
}

impl WorkerReport {
    /// Reads a status; another server's answer has no queues.
    pub(super) fn of(answer: Value) -> Result<Self, String> {
        serde_json::from_value(answer)
            .map_err(|error| format!("the answer is no status of a worker: {error}"))
    }

    pub(super) fn queue(&self, name: &WorkerText) -> Option<&QueueReport> {
        self.queues.iter().find(|queue| queue.queue == *name)
    }
}

impl QueueReport {
    /// True if an operator has paused it.
    pub(super) fn is_paused_by_operator(&self) -> bool {
        self.paused.iter().any(|pause| pause.reason.raw() == "operator")
    }

    /// Seconds for which the oldest of its messages here runs or waits.
    pub(super) fn oldest_seconds(&self) -> Option<f64> {
        let running = self.calls.first().map(|call| call.seconds).or(self.oldest_running_seconds);
        [running, self.oldest_waiting_seconds].into_iter().flatten().reduce(f64::max)
    }

    /// The latest failure of each message.
    pub(super) fn latest_failures(&self) -> Vec<&FailedTry> {
        let mut latest: Vec<&FailedTry> = Vec::new();
        for failure in &self.failures {
            if latest.iter().all(|other| other.message_id != failure.message_id) {
                latest.push(failure);
            }
        }
        latest
    }
}

impl FailedTry {
    /// The ending of its call, or else its state.
    pub(super) fn ending(&self) -> &WorkerText {
        self.ending.as_ref().unwrap_or(&self.state)
    }

    /// The handler's reason, or else the last step.
    pub(super) fn reason(&self) -> WorkerText {
        let last = || self.steps.last().map(|step| step.step.clone()).unwrap_or_default();
        self.reason.clone().unwrap_or_else(last)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_of_a_worker_is_shown_without_what_acts_on_a_terminal() {
        let hostile = WorkerText::new("404\u{1b}[2J\u{9b}31m\nx\u{202e}");
        assert_eq!(hostile.to_string(), r"404\u{1b}[2J\u{9b}31m\nx\u{202e}");
        assert_eq!(hostile.raw(), "404\u{1b}[2J\u{9b}31m\nx\u{202e}");
    }

    #[test]
    fn fields_that_are_missing_or_new_do_not_matter_but_queues_do() {
        let status = json!({ "version": "9", "queues": [{ "queue": "orders", "novel": [] }], "other": 1 });
        let status = WorkerReport::of(status).unwrap();
        assert_eq!(status.queues[0].queue.raw(), "orders");
        let error = WorkerReport::of(json!({ "status": "live" })).unwrap_err();
        assert!(error.starts_with("the answer is no status of a worker: missing field"), "{error}");
    }

    #[test]
    fn a_message_that_failed_again_is_there_once_with_its_last_step_where_it_has_no_reason() {
        let failure = |id: &str, attempt: u64| json!({ "messageId": id, "attempt": attempt, "state": "lost", "steps": [{ "step": "received" }, { "step": "the lease was lost" }] });
        let queue = json!({ "failures": [failure("a", 3), failure("b", 1), failure("a", 2)] });
        let queue: QueueReport = serde_json::from_value(queue).unwrap();
        let latest = queue.latest_failures();
        let shown: Vec<_> =
            latest.iter().map(|failure| (failure.message_id.raw(), failure.attempt)).collect();
        assert_eq!(shown, [("a", 3), ("b", 1)]);
        assert_eq!((latest[0].ending().raw(), latest[0].reason().raw()), ("lost", "the lease was lost"));
    }
}
