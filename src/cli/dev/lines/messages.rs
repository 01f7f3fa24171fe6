//! Observes the stages of one queue's messages, and makes a line of each end.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustc_hash::FxHashMap;
use tokio::time::Instant;

use super::{
    Printer,
    line::{DevLine, Mark, shown_span},
};
use crate::{
    consumer::lease::{LeaseId, MessageStage, StageObserver},
    message::Message,
    telemetry::{Action, Ending},
};

/// The time after which a call that still runs gets a line.
const UNUSUAL: Duration = Duration::from_secs(2);

/// The lines of one queue's messages.
pub(in crate::cli::dev) struct MessageLines {
    queue: Arc<str>,
    /// The receives after which SQS moves a message to the DLQ.
    max_receive_count: u32,
    printer: Printer,
    held: Mutex<FxHashMap<LeaseId, ObservedMessage>>,
}

/// A message that is held.
struct ObservedMessage {
    id: String,
    attempt: u32,
    started: Option<Instant>,
    is_announced: bool,
    end: Option<CallEnding>,
    /// The delay after which it comes again, once SQS is asked for that.
    delay: Option<Duration>,
    is_shown: bool,
}

/// The end of a call.
struct CallEnding {
    ending: Ending,
    reason: String,
    took: Duration,
}

impl MessageLines {
    pub(in crate::cli::dev) fn new(queue: Arc<str>, max_receive_count: u32, printer: Printer) -> Self {
        Self { queue, max_receive_count, printer, held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, FxHashMap<LeaseId, ObservedMessage>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the calls that run for unusually long, each once.
    pub(in crate::cli::dev) fn show_running(&self, now: Instant) {
        for message in
            self.held().values_mut().filter(|message| !message.is_announced && message.end.is_none())
        {
            let since = message.started.map(|started| now.saturating_duration_since(started));
            if let Some(since) = since.filter(|since| *since >= UNUSUAL) {
                message.is_announced = true;
                let text = format!("runs, for {} so far{}", shown_span(since), self.attempt_of(message));
                self.show(message, Mark::Running, None, text);
            }
        }
    }

    fn attempt_of(&self, message: &ObservedMessage) -> String {
        match message.attempt {
            0 | 1 => String::new(),
            attempt => format!(", try {attempt} of {}", self.max_receive_count),
        }
    }

    fn show(&self, message: &ObservedMessage, mark: Mark, took: Option<Duration>, text: String) {
        let (queue, message_id) = (self.queue.to_string(), Some(message.id.clone()));
        self.printer.print(DevLine { mark, queue, message_id, took, text });
    }

    /// Shows the end of a message, once.
    fn end(&self, message: &mut ObservedMessage, mark: Mark, text: String) {
        if !std::mem::replace(&mut message.is_shown, true) {
            self.show(message, mark, message.end.as_ref().map(|end| end.took), text);
        }
    }

    fn settled(&self, message: &mut ObservedMessage, action: Action) {
        match action {
            Action::Delete if message.started.is_none() => {
                self.end(
                    message,
                    Mark::Done,
                    "done in an earlier receive, deleted without a call".to_owned(),
                );
            }
            Action::Delete => {
                let text = self.attempt_of(message).trim_start_matches(", ").to_owned();
                self.end(message, Mark::Done, text);
            }
            Action::Copy => {
                let text = format!("DLQ, {}", copied(message));
                self.end(message, Mark::DeadLetter, text);
            }
            Action::GiveBack => {
                if let Some((mark, text)) = self.given_back(message) {
                    self.end(message, mark, text);
                }
            }
            Action::Receive | Action::Extend | Action::Attributes => {}
        }
    }

    /// The line of a message that comes again; none for one that did not run.
    fn given_back(&self, message: &ObservedMessage) -> Option<(Mark, String)> {
        let CallEnding { ending, reason, .. } = message.end.as_ref()?;
        if message.attempt >= self.max_receive_count {
            return Some((Mark::DeadLetter, format!("DLQ {}", after_tries(message))));
        }
        let reason = match ending {
            Ending::Drained => with_reason("cut off by the stop", reason),
            _ if reason.is_empty() => ending.to_string(),
            _ => reason.clone(),
        };
        let when = match message.delay {
            Some(delay) if !delay.is_zero() => format!("in {}", shown_span(delay)),
            _ => "at once".to_owned(),
        };
        let next = format!("try {} of {} {when}", message.attempt + 1, self.max_receive_count);
        Some((Mark::Retry, format!("{reason}, {next}")))
    }

    fn released(&self, mut message: ObservedMessage) {
        if let Some(CallEnding { ending, reason, .. }) = &message.end {
            let text = with_reason(&format!("{ending}, not settled: it comes back later"), reason);
            self.end(&mut message, Mark::Alert, text);
        }
    }
}

fn with_reason(text: &str, reason: &str) -> String {
    if reason.is_empty() { text.to_owned() } else { format!("{text}: {reason}") }
}

impl StageObserver for MessageLines {
    fn received(&self, lease: LeaseId, message: &Message, _at: Instant) {
        let shown = ObservedMessage {
            id: message.id.to_string(),
            attempt: message.receive_count,
            started: None,
            is_announced: false,
            end: None,
            delay: None,
            is_shown: false,
        };
        self.held().insert(lease, shown);
    }

    fn passed(&self, lease: LeaseId, stage: MessageStage<'_>, at: Instant) {
        let mut held = self.held();
        if let MessageStage::Released = stage {
            if let Some(message) = held.remove(&lease) {
                self.released(message);
            }
            return;
        }
        let Some(message) = held.get_mut(&lease) else { return };
        match stage {
            MessageStage::Started => message.started = Some(at),
            MessageStage::Ended { ending: Some(ending), reason } => {
                let took =
                    message.started.map_or(Duration::ZERO, |started| at.saturating_duration_since(started));
                message.end = Some(CallEnding { ending, reason: reason.to_owned(), took });
            }
            MessageStage::Ended { ending: None, reason } => {
                let took = message.started.take().map(|started| at.saturating_duration_since(started));
                self.show(message, Mark::Running, took, with_reason("kept, and runs again here", reason));
            }
            MessageStage::Settling { delay, .. } => message.delay = Some(delay),
            MessageStage::Settled(action) => self.settled(message, action),
            MessageStage::Lost { reason } => {
                let text = with_reason("the lease was lost, the message may run twice", reason);
                self.end(message, Mark::Alert, text);
            }
            MessageStage::Exhausted | MessageStage::NotSettled { .. } | MessageStage::Released => {}
        }
    }
}

fn copied(message: &ObservedMessage) -> String {
    match &message.end {
        Some(CallEnding { ending: Ending::Reject, reason, .. }) => with_reason("rejected", reason),
        _ => after_tries(message),
    }
}

fn after_tries(message: &ObservedMessage) -> String {
    let reason = message.end.as_ref().map_or("", |end| &end.reason);
    with_reason(&format!("after {} tries", message.attempt), reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::dev::lines::{LineStyle, ShownLines};

    const STYLE: LineStyle = LineStyle { has_colours: false, has_short_ids: true, queue_width: 6 };

    /// The lines of a message that passes these stages, each a tenth of a second after the one before.
    fn lines(attempt: u32, stages: &[MessageStage<'_>]) -> Vec<String> {
        let (printer, mut shown) = ShownLines::collect();
        let lines = MessageLines::new("orders".into(), 3, printer);
        let message = Message { receive_count: attempt, ..Message::new("3ba1c0de", "") };
        let (lease, began) = (LeaseId::of(1), Instant::now());
        lines.received(lease, &message, began);
        for (stage, at) in stages.iter().zip(1..) {
            lines.passed(lease, *stage, began + Duration::from_millis(100) * at);
        }
        lines.show_running(began + UNUSUAL * 2);
        shown.all().iter().map(|line| STYLE.write(line)).collect()
    }

    fn ended(ending: Ending, reason: &str) -> MessageStage<'_> {
        MessageStage::Ended { ending: Some(ending), reason }
    }

    fn given_back(seconds: u64) -> [MessageStage<'static>; 3] {
        let delay = Duration::from_secs(seconds);
        let action = Action::GiveBack;
        [MessageStage::Settling { action, delay }, MessageStage::Settled(action), MessageStage::Released]
    }

    fn failing(attempt: u32, ending: Ending, reason: &str) -> Vec<String> {
        let stages = [&[MessageStage::Started, ended(ending, reason)][..], &given_back(5)].concat();
        lines(attempt, &stages)
    }

    #[tokio::test]
    async fn a_message_has_one_line_when_sqs_has_deleted_it() {
        let delete = MessageStage::Settling { action: Action::Delete, delay: Duration::ZERO };
        let mut stages = vec![MessageStage::Started, ended(Ending::Done, ""), delete];
        assert_eq!(lines(1, &stages), [""; 0], "SQS has not confirmed it");
        stages.extend([MessageStage::Settled(Action::Delete), MessageStage::Released]);
        assert_eq!(lines(1, &stages), ["✓ orders 3ba1…  100 ms"]);
        assert_eq!(lines(2, &stages), ["✓ orders 3ba1…  100 ms  try 2 of 3"]);
    }

    #[tokio::test]
    async fn a_failure_names_its_reason_and_the_next_try_and_the_last_one_the_dlq() {
        let reason = "the handler answered 404";
        assert_eq!(
            failing(1, Ending::Retry, reason),
            ["↻ orders 3ba1…  100 ms  the handler answered 404, try 2 of 3 in 5 s"]
        );
        assert_eq!(
            failing(3, Ending::Retry, reason),
            ["→ orders 3ba1…  100 ms  DLQ after 3 tries: the handler answered 404"]
        );
        assert_eq!(
            failing(1, Ending::Drained, ""),
            ["↻ orders 3ba1…  100 ms  cut off by the stop, try 2 of 3 in 5 s"]
        );
        let copied = [
            MessageStage::Started,
            ended(Ending::Reject, "no such order"),
            MessageStage::Settled(Action::Copy),
            MessageStage::Settled(Action::Delete),
            MessageStage::Released,
        ];
        assert_eq!(lines(1, &copied), ["→ orders 3ba1…  100 ms  DLQ, rejected: no such order"]);
    }

    #[tokio::test]
    async fn a_long_call_is_shown_while_it_runs_and_a_lost_lease_once() {
        assert_eq!(lines(2, &[MessageStage::Started]), ["· orders 3ba1… runs, for 3 s so far, try 2 of 3"]);
        let lost = [
            MessageStage::Started,
            MessageStage::Lost { reason: "purged" },
            ended(Ending::LeaseLost, "the lease was lost"),
            MessageStage::Released,
        ];
        let expected = "! orders 3ba1… the lease was lost, the message may run twice: purged";
        assert_eq!(lines(1, &lost), [expected]);
    }

    #[tokio::test]
    async fn a_message_that_never_ran_has_no_line() {
        assert_eq!(lines(1, &given_back(0)), [""; 0]);
    }
}
