//! Says in one sentence why a queue's messages are received or not; pure.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::{PauseReason, PauseStatus, fifo::Order, metrics::ConsumerMetrics};
use crate::{
    consumer::depth::Counts,
    duration::Span,
    queue::{QueueError, RetryClass},
    telemetry::{Ending, Label as _},
};

/// The time after which an answer that is due is missing.
const LATE: Duration = Duration::from_secs(5);

/// The state of a queue's receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReceiveState {
    /// Nothing keeps messages from being received.
    #[default]
    Receiving,
    /// SQS has no visible messages.
    Empty,
    /// As many messages run or are held as may.
    Full,
    /// The permits are held by messages that SQS has not settled.
    Settling,
    /// A limit of the settings or of SQS is used up.
    Throttled,
    /// Polling is paused.
    Paused,
    /// SQS refuses the receives.
    Refused,
    /// Receives fail or are not answered, and are tried again.
    Failing,
    /// The worker stops.
    Stopping,
}

/// The error of the last receive, until one succeeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReceiveFailure {
    pub(super) message: String,
    class: FailureClass,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FailureClass {
    Refused,
    Throttled,
    Passing,
}

impl From<&QueueError> for ReceiveFailure {
    fn from(error: &QueueError) -> Self {
        let class = match error.retry_class() {
            RetryClass::Refused => FailureClass::Refused,
            _ if error.is_throttled() => FailureClass::Throttled,
            _ => FailureClass::Passing,
        };
        Self { message: error.to_string(), class }
    }
}

/// The progress of a queue's receives, as its poller notes it.
#[derive(Clone, Debug, Default)]
pub(super) struct ReceiveProgress {
    pub(super) failure: Option<ReceiveFailure>,
    /// The time at which all receives in flight should be answered.
    pub(super) answers_due: Option<Instant>,
}

/// The facts from which the sentence follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReceiveFacts<'a> {
    pub(super) is_draining: bool,
    pub(super) paused: &'a [PauseStatus],
    pub(super) failure: Option<&'a ReceiveFailure>,
    pub(super) order: Order,
    pub(super) concurrency: usize,
    /// Calls running.
    pub(super) running: usize,
    pub(super) waiting: usize,
    pub(super) held: usize,
    pub(super) permits: usize,
    pub(super) settling: usize,
    /// The error of the last settlement that SQS refused, until one succeeds.
    pub(super) settling_error: Option<&'a str>,
    /// The calls that the rate allows now, where one is set.
    pub(super) calls_by_rate: Option<usize>,
    /// True while messages wait for a slot of a pool.
    pub(super) waits_for_pool: bool,
    /// The time since which an answer to the receives in flight is due; zero while none is.
    pub(super) overdue: Duration,
    pub(super) counts: Option<Counts>,
    /// True if receives have brought messages since they were counted.
    pub(super) is_outrun: bool,
}

/// The sentence, and the state that it describes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Why {
    /// The state of the queue's receives.
    pub state: ReceiveState,
    /// Why messages are received or not.
    pub why: String,
}

impl Why {
    /// The sentence for these facts: the first cause that applies, from the most general to the most particular.
    pub(super) fn of(facts: &ReceiveFacts<'_>) -> Self {
        let causes = [stopping, paused, failing, full, throttled, silent];
        let cause = causes.iter().find_map(|cause| cause(facts));
        let (state, why) = cause.unwrap_or_else(|| receiving(facts));
        Self { state, why }
    }
}

type Cause = (ReceiveState, String);

fn stopping(facts: &ReceiveFacts<'_>) -> Option<Cause> {
    let running = facts.running;
    let why =
        format!("The worker stops and receives nothing more; {}.", calls(running, "still run", "still runs"));
    facts.is_draining.then_some((ReceiveState::Stopping, why))
}

fn paused(facts: &ReceiveFacts<'_>) -> Option<Cause> {
    let because = |PauseStatus { reason, details }: &PauseStatus| match reason {
        PauseReason::Operator => format!("an operator has paused it ({details})"),
        PauseReason::HandlerDown => format!("the handler is down ({details})"),
        PauseReason::BreakerOpen => {
            format!("calls fail, and one message at a time is tried ({details})")
        }
        PauseReason::Cordoned => format!("the worker leaves once what it holds has ended ({details})"),
        PauseReason::ShortOfResources => format!("the worker is short of resources ({details})"),
        PauseReason::NotProbed => "the handler was not probed yet".to_owned(),
    };
    // The reasons are in the order of their kinds, the operator's the last.
    let reasons: Vec<_> = facts.paused.iter().rev().map(because).collect();
    let why = || format!("Polling is paused because {}.", reasons.join(", and because "));
    (!reasons.is_empty()).then(|| (ReceiveState::Paused, why()))
}

fn failing(facts: &ReceiveFacts<'_>) -> Option<Cause> {
    let ReceiveFailure { message, class } = facts.failure?;
    Some(match class {
        FailureClass::Refused => {
            (ReceiveState::Refused, format!("SQS refuses the receives, and someone must act: {message}."))
        }
        FailureClass::Throttled => (
            ReceiveState::Throttled,
            format!("SQS throttles the receives, which are tried again: {message}."),
        ),
        FailureClass::Passing => {
            (ReceiveState::Failing, format!("The last receive failed and is tried again: {message}."))
        }
    })
}

fn full(facts: &ReceiveFacts<'_>) -> Option<Cause> {
    let ReceiveFacts { concurrency, running, waiting, held, permits, settling, .. } = *facts;
    if held >= permits && settling * 2 > held {
        let error = facts.settling_error.map(|error| format!(": {error}")).unwrap_or_default();
        let why = format!(
            "No permit is free: {settling} of the {held} messages held are settled here, and SQS has not confirmed that{error}."
        );
        return Some((ReceiveState::Settling, why));
    }
    if running >= concurrency {
        let wait = match waiting {
            0 => String::new(),
            1 => ", and 1 more message waits".to_owned(),
            _ => format!(", and {waiting} more messages wait"),
        };
        let why = format!("All {concurrency} slots run calls{wait}; the next receive follows as calls end.");
        return Some((ReceiveState::Full, why));
    }
    if held < permits {
        return None;
    }
    let what = match facts.order {
        Order::Groups => "for earlier messages of their groups",
        Order::None => "for a full batch, a preparation, or a limit",
    };
    let why = format!(
        "No permit is free: {}, {waiting} messages wait {what}, {settling} are being settled.",
        calls(running, "run", "runs")
    );
    Some((ReceiveState::Full, why))
}

fn throttled(facts: &ReceiveFacts<'_>) -> Option<Cause> {
    if facts.waits_for_pool {
        let why =
            "Messages wait for a slot of the pool, all of whose slots run calls of this queue and of others.";
        return Some((ReceiveState::Full, why.to_owned()));
    }
    let why =
        "The rate of the settings allows no further call for now, so nothing is received that would wait.";
    (facts.calls_by_rate? == 0).then(|| (ReceiveState::Throttled, why.to_owned()))
}

fn silent(facts: &ReceiveFacts<'_>) -> Option<Cause> {
    let overdue = Span::secs(facts.overdue.as_secs());
    let why = || format!("A receive should have been answered {overdue} ago; it is replaced soon.");
    (facts.overdue > LATE).then(|| (ReceiveState::Failing, why()))
}

fn receiving(facts: &ReceiveFacts<'_>) -> Cause {
    let Some(Counts { visible, in_flight, delayed }) = facts.counts else {
        let why = "Receives are sent and answered; SQS was not asked how many messages there are.";
        return (ReceiveState::Receiving, why.to_owned());
    };
    let elsewhere = format!("{in_flight} are in flight, at all workers, and {delayed} delayed");
    if visible == 0 && !facts.is_outrun {
        let why = format!(
            "The queue is empty: SQS counts no visible message ({elsewhere}), and receives wait for one."
        );
        return (ReceiveState::Empty, why);
    }
    let groups = match facts.order {
        Order::Groups => "; those behind an earlier message of their group are not handed out",
        Order::None => "",
    };
    let why = if visible == 0 {
        format!(
            "Nothing holds it back: receives bring messages; SQS counted no visible one before that{groups}."
        )
    } else {
        format!(
            "Nothing holds it back: receives are answered, and SQS counts {visible} visible messages ({elsewhere}){groups}."
        )
    };
    (ReceiveState::Receiving, why)
}

fn calls(count: usize, many: &str, one: &str) -> String {
    if count == 1 { format!("1 call {one}") } else { format!("{count} calls {many}") }
}

/// The work of a queue since the start, for rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorkTotals {
    /// Messages received, every receive counted.
    pub received: u64,
    /// Messages whose handler was done.
    pub done: u64,
    /// Messages whose call ended in any other way.
    pub failed: u64,
    /// Messages given back before their handler started.
    pub given_back: u64,
}

impl WorkTotals {
    pub(super) fn of(metrics: &ConsumerMetrics) -> Self {
        let done = metrics.ended.of(Ending::Done).get();
        let ended: u64 = Ending::ALL.iter().map(|ending| metrics.ended.of(*ending).get()).sum();
        Self {
            received: metrics.consumed.get(),
            done,
            failed: ended.saturating_sub(done),
            given_back: metrics.given_back.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> ReceiveFacts<'static> {
        ReceiveFacts {
            is_draining: false,
            paused: &[],
            failure: None,
            order: Order::None,
            concurrency: 4,
            running: 0,
            waiting: 0,
            held: 0,
            permits: 6,
            settling: 0,
            settling_error: None,
            calls_by_rate: None,
            waits_for_pool: false,
            overdue: Duration::from_secs(2),
            counts: Some(Counts { visible: 0, in_flight: 0, delayed: 2 }),
            is_outrun: false,
        }
    }

    fn why(facts: ReceiveFacts<'_>) -> (ReceiveState, String) {
        let Why { state, why } = Why::of(&facts);
        (state, why)
    }

    #[test]
    fn an_empty_queue_is_said_to_be_empty_and_others_to_be_received_from() {
        let (state, sentence) = why(facts());
        assert_eq!(state, ReceiveState::Empty);
        assert!(
            sentence.contains("no visible message (0 are in flight, at all workers, and 2 delayed)"),
            "{sentence}"
        );
        let counts = Some(Counts { visible: 7, in_flight: 1, delayed: 0 });
        let (state, sentence) = why(ReceiveFacts { counts, ..facts() });
        assert_eq!(state, ReceiveState::Receiving);
        assert!(sentence.contains("7 visible") && !sentence.contains("group"), "{sentence}");
        let (_, sentence) = why(ReceiveFacts { counts, order: Order::Groups, ..facts() });
        assert!(sentence.contains("behind an earlier message of their group"), "{sentence}");
        assert_eq!(why(ReceiveFacts { counts: None, ..facts() }).0, ReceiveState::Receiving);
    }

    #[test]
    fn a_queue_that_brings_messages_is_not_empty_by_an_older_count() {
        let (state, sentence) = why(ReceiveFacts { is_outrun: true, running: 1, held: 1, ..facts() });
        assert_eq!(state, ReceiveState::Receiving);
        assert!(
            sentence.contains("receives bring messages; SQS counted no visible one before"),
            "{sentence}"
        );
    }

    #[test]
    fn a_full_worker_says_by_which_messages() {
        let full = ReceiveFacts { running: 4, held: 5, waiting: 1, ..facts() };
        let (state, sentence) = why(full);
        assert_eq!(state, ReceiveState::Full);
        assert!(sentence.starts_with("All 4 slots run calls, and 1 more message waits;"), "{sentence}");
        let waiting = ReceiveFacts { running: 1, held: 6, waiting: 5, order: Order::Groups, ..facts() };
        let (state, sentence) = why(waiting);
        assert_eq!(state, ReceiveState::Full);
        assert!(
            sentence.contains("1 call runs, 5 messages wait for earlier messages of their groups"),
            "{sentence}"
        );
        let (state, sentence) = why(ReceiveFacts { settling: 5, held: 6, running: 1, ..facts() });
        assert_eq!(state, ReceiveState::Settling);
        assert!(
            sentence.contains("5 of the 6 messages held are settled here, and SQS has not confirmed that."),
            "{sentence}"
        );
        let shrunk = ReceiveFacts { settling: 9, held: 9, settling_error: Some("AccessDenied"), ..facts() };
        let (state, sentence) = why(shrunk);
        assert_eq!(state, ReceiveState::Settling);
        assert!(
            sentence.contains("9 of the 9 messages held") && sentence.ends_with(": AccessDenied."),
            "{sentence}"
        );
        assert_ne!(
            why(ReceiveFacts { settling: 5, held: 5, ..facts() }).0,
            ReceiveState::Settling,
            "one is free"
        );
    }

    #[test]
    fn every_reason_of_a_pause_is_named() {
        let of = |reason, details: &str| PauseStatus { reason, details: details.to_owned() };
        let paused =
            [of(PauseReason::HandlerDown, "connection refused"), of(PauseReason::Operator, "by hand")];
        let (state, sentence) = why(ReceiveFacts { paused: &paused, running: 4, ..facts() });
        assert_eq!(state, ReceiveState::Paused, "more general than full");
        assert_eq!(
            sentence,
            "Polling is paused because an operator has paused it (by hand), and because the handler is down (connection refused)."
        );
        for (reason, because) in [
            (PauseReason::Cordoned, "the worker leaves once what it holds has ended (why)"),
            (PauseReason::BreakerOpen, "calls fail, and one message at a time is tried (why)"),
            (PauseReason::ShortOfResources, "the worker is short of resources (why)"),
            (PauseReason::NotProbed, "the handler was not probed yet"),
        ] {
            let paused = [of(reason, "why")];
            let (state, sentence) = why(ReceiveFacts { paused: &paused, running: 4, ..facts() });
            assert_eq!(
                (state, sentence),
                (ReceiveState::Paused, format!("Polling is paused because {because}."))
            );
        }
    }

    #[test]
    fn a_failed_receive_is_refused_throttled_or_tried_again() {
        let of = |code: &str| {
            let failure = ReceiveFailure::from(&QueueError::answered(code, "details"));
            why(ReceiveFacts { failure: Some(&failure), ..facts() })
        };
        let (state, sentence) = of("AccessDenied");
        assert_eq!(state, ReceiveState::Refused);
        assert!(sentence.contains("details"), "{sentence}");
        assert_eq!(of("RequestThrottled").0, ReceiveState::Throttled);
        assert_eq!(of("InternalError").0, ReceiveState::Failing);
    }

    #[test]
    fn a_rate_a_late_answer_and_a_stop_are_said() {
        assert_eq!(why(ReceiveFacts { calls_by_rate: Some(0), ..facts() }).0, ReceiveState::Throttled);
        assert_eq!(why(ReceiveFacts { calls_by_rate: Some(1), ..facts() }).0, ReceiveState::Empty);
        assert_eq!(why(ReceiveFacts { waits_for_pool: true, waiting: 1, ..facts() }).0, ReceiveState::Full);
        let (state, sentence) = why(ReceiveFacts { overdue: Duration::from_secs(70), ..facts() });
        assert_eq!(state, ReceiveState::Failing);
        assert!(sentence.contains("answered 1m 10s ago"), "{sentence}");
        let (state, sentence) = why(ReceiveFacts { is_draining: true, running: 1, ..facts() });
        assert_eq!((state, sentence.contains("1 call still runs")), (ReceiveState::Stopping, true));
    }
}
