//! The record of one receive of a message, from its receive to its settlement: pure.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use tokio::time::Instant;

use crate::{
    consumer::lease::MessageStage,
    duration::Span,
    message::{Message, MessageId},
    telemetry::{Action, Ending, Label as _},
};

/// The longest reason that a record keeps, in bytes.
const REASON_BYTES: usize = 400;

/// One receive of a message.
#[derive(Clone, Debug)]
pub(super) struct ReceiveRecord {
    id: MessageId,
    attempt: u32,
    sent: Option<SystemTime>,
    received: Instant,
    started: Option<Instant>,
    ended: Option<(Instant, Ending)>,
    /// The handler's reason.
    reason: Option<Box<str>>,
    /// The calls that did not count, after which it was kept.
    kept: Option<Box<Kept>>,
    /// True if it has used up its receives.
    is_exhausted: bool,
    request: Option<SettleRequest>,
    /// True once SQS has accepted a copy for the DLQ.
    is_copied: bool,
    /// The last failure of its settlement, or the cause of its lost lease.
    trouble: Option<Box<str>>,
    lost: Option<Instant>,
    released: Option<Instant>,
}

/// The calls after which a message was kept.
#[derive(Clone, Debug)]
struct Kept {
    count: u32,
    last: Instant,
    reason: Option<Box<str>>,
}

/// The last request to settle the message.
#[derive(Clone, Copy, Debug)]
struct SettleRequest {
    action: Action,
    delay: Duration,
    at: Instant,
    settled: Option<Instant>,
}

/// The state of a received message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum HeldState {
    /// It waits for a slot, for a full batch, or for an earlier message of its group.
    Waiting,
    Running,
    /// Its call has ended, and SQS has not confirmed what it was asked for.
    Settling,
    Deleted,
    /// Copied to the DLQ and deleted.
    DeadLetter,
    GivenBack,
    /// Its lease was lost.
    Lost,
    /// It is held no longer, and was not settled: it comes back after its visibility.
    Released,
}

/// A clock by which instants become the time of day.
#[derive(Clone, Copy, Debug)]
pub(super) struct WallClock {
    now: Instant,
    time: SystemTime,
}

impl WallClock {
    pub(super) fn now() -> Self {
        Self { now: Instant::now(), time: SystemTime::now() }
    }

    /// The time of day, in RFC 3339.
    pub(super) fn at(self, instant: Instant) -> String {
        let time = match instant.checked_duration_since(self.now) {
            Some(later) => self.time.checked_add(later),
            None => self.time.checked_sub(self.now - instant),
        };
        humantime::format_rfc3339_millis(time.unwrap_or(SystemTime::UNIX_EPOCH)).to_string()
    }

    fn seconds_since(self, instant: Instant) -> f64 {
        (self.now.saturating_duration_since(instant).as_secs_f64() * 10.0).round() / 10.0
    }
}

/// A receive of a message, for people and scripts.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReceiveReport {
    queue: String,
    message_id: String,
    attempt: u32,
    state: HeldState,
    /// The ending of its call.
    #[serde(skip_serializing_if = "Option::is_none")]
    ending: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
    /// True if it has used up its receives, so that SQS moves it to the DLQ rather than hand it out again.
    #[serde(skip_serializing_if = "is_false")]
    exhausted: bool,
    /// The time at which it is visible again, where this worker knows that and it is to be tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try_at: Option<String>,
    steps: Vec<Step>,
}

/// A step of a message's way, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Step {
    at: String,
    step: String,
}

/// A call that runs, for people and scripts.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CallReport {
    message_id: String,
    attempt: u32,
    since: String,
    seconds: f64,
}

impl ReceiveRecord {
    pub(super) fn new(message: &Message, at: Instant) -> Self {
        Self {
            id: message.id.clone(),
            attempt: message.receive_count,
            sent: message.sent_at,
            received: at,
            started: None,
            ended: None,
            reason: None,
            kept: None,
            is_exhausted: false,
            request: None,
            is_copied: false,
            trouble: None,
            lost: None,
            released: None,
        }
    }

    pub(super) fn id(&self) -> &str {
        self.id.as_str()
    }

    /// Records a stage.
    pub(super) fn pass(&mut self, stage: MessageStage<'_>, at: Instant) {
        match stage {
            MessageStage::Started => self.started = Some(at),
            MessageStage::Ended { ending: Some(ending), reason } => {
                self.ended = Some((at, ending));
                self.reason = shortened(reason);
            }
            MessageStage::Ended { ending: None, reason } => {
                self.started = None;
                let count = self.kept.as_ref().map_or(1, |kept| kept.count + 1);
                self.kept = Some(Box::new(Kept { count, last: at, reason: shortened(reason) }));
            }
            MessageStage::Exhausted => self.is_exhausted = true,
            MessageStage::Settling { action, delay } => {
                self.request = Some(SettleRequest { action, delay, at, settled: None });
            }
            MessageStage::Settled(Action::Copy) => {
                self.is_copied = true;
                let (action, delay) = (Action::Delete, Duration::ZERO);
                self.request = Some(SettleRequest { action, delay, at, settled: None });
            }
            MessageStage::Settled(_) => {
                if let Some(request) = &mut self.request {
                    request.settled = Some(at);
                }
            }
            MessageStage::NotSettled { action, reason } => {
                self.trouble = shortened(&format!("{}: {reason}", noun(action)));
            }
            MessageStage::Lost { reason } => {
                self.lost = Some(at);
                self.trouble = shortened(reason);
            }
            MessageStage::Released => self.released = Some(at),
        }
    }

    /// The time since which its call runs, if it does.
    pub(super) fn running_since(&self) -> Option<Instant> {
        self.started.filter(|_| self.ended.is_none() && self.released.is_none())
    }

    /// True if its call failed, if its lease was lost, or if it could not be settled.
    pub(super) fn has_failed(&self) -> bool {
        let is_failure = self.ended.is_some_and(|(_, ending)| ending != Ending::Done);
        is_failure || self.lost.is_some() || self.released.is_some() && !self.is_settled()
    }

    fn is_settled(&self) -> bool {
        self.request.is_some_and(|request| request.settled.is_some())
    }

    /// The time at which it was held no longer, or was received.
    pub(super) fn last(&self) -> Instant {
        self.released.unwrap_or(self.received)
    }

    fn state(&self) -> HeldState {
        match self.request {
            Some(SettleRequest { action: Action::Delete, settled: Some(_), .. }) if self.is_copied => {
                HeldState::DeadLetter
            }
            Some(SettleRequest { action: Action::Delete, settled: Some(_), .. }) => HeldState::Deleted,
            Some(SettleRequest { settled: Some(_), .. }) => HeldState::GivenBack,
            _ if self.lost.is_some() => HeldState::Lost,
            _ if self.released.is_some() => HeldState::Released,
            Some(_) => HeldState::Settling,
            None if self.ended.is_some() => HeldState::Settling,
            None if self.started.is_some() => HeldState::Running,
            None => HeldState::Waiting,
        }
    }

    /// The time at which it is visible again, if it was given back and has receives left.
    fn next_try(&self) -> Option<Instant> {
        let SettleRequest { action, delay, at, settled } = self.request?;
        (action == Action::GiveBack && !self.is_exhausted).then(|| settled.unwrap_or(at) + delay)
    }

    /// The call that runs, if one does.
    pub(super) fn running_call(&self, clock: WallClock) -> Option<CallReport> {
        let since = self.running_since()?;
        Some(CallReport {
            message_id: self.id.to_string(),
            attempt: self.attempt,
            since: clock.at(since),
            seconds: clock.seconds_since(since),
        })
    }

    /// The receive, for people and scripts.
    pub(super) fn report(&self, queue: &str, clock: WallClock) -> ReceiveReport {
        ReceiveReport {
            queue: queue.to_owned(),
            message_id: self.id.to_string(),
            attempt: self.attempt,
            state: self.state(),
            ending: self.ended.map(|(_, ending)| ending.as_str()),
            reason: self.reason.as_deref().map(str::to_owned),
            ended_at: self.ended.map(|(at, _)| clock.at(at)),
            exhausted: self.is_exhausted,
            next_try_at: self.next_try().map(|at| clock.at(at)),
            steps: self.steps(clock),
        }
    }

    /// The steps so far, each as a sentence; the last says what comes next.
    fn steps(&self, clock: WallClock) -> Vec<Step> {
        let mut steps = vec![(self.received, self.received_step(clock))];
        if let Some(Kept { count, last, reason }) = self.kept.as_deref() {
            let reason = reason.as_deref().unwrap_or("no reason given");
            steps.push((*last, format!("kept {}, to run again here: {reason}", times(*count))));
        }
        steps.extend(self.started.map(|at| (at, "the call of the handler started".to_owned())));
        steps.extend(self.ended.map(|(at, ending)| (at, self.ended_step(at, ending))));
        steps.extend(self.lost.map(|at| {
            let reason = self.trouble.as_deref().unwrap_or("unknown");
            (at, format!("the lease was lost, others may receive it: {reason}"))
        }));
        steps.extend(self.last_step(clock));
        steps.into_iter().map(|(at, step)| Step { at: clock.at(at), step }).collect()
    }

    fn received_step(&self, clock: WallClock) -> String {
        let received = clock.time.checked_sub(clock.now.saturating_duration_since(self.received));
        let wait = self.sent.zip(received).and_then(|(sent, received)| received.duration_since(sent).ok());
        let wait = wait.map(|wait| format!(", {} after it was sent", plain(wait))).unwrap_or_default();
        format!("received, attempt {}{wait}", self.attempt)
    }

    fn ended_step(&self, at: Instant, ending: Ending) -> String {
        let took = self.started.map(|started| format!(" after {}", plain(at - started)));
        let reason = self.reason.as_deref().map(|reason| format!(": {reason}"));
        format!("ended {ending}{}{}", took.unwrap_or_default(), reason.unwrap_or_default())
    }

    /// The step of the settlement, or of what the message waits for.
    fn last_step(&self, clock: WallClock) -> Option<(Instant, String)> {
        let trouble = self.trouble.as_deref().map(|trouble| format!("; last failure: {trouble}"));
        let trouble = trouble.unwrap_or_default();
        let at = self.released.unwrap_or(clock.now);
        let step = match (self.state(), self.request) {
            (HeldState::Lost, _) => return None,
            (HeldState::Waiting, _) => {
                "waits for a slot, for a full batch, or for an earlier message of its group".to_owned()
            }
            (HeldState::Running, _) => {
                let since = self.started.map(|started| clock.now.saturating_duration_since(started));
                format!("runs, for {} so far", plain(since.unwrap_or_default()))
            }
            (HeldState::Deleted, _) if self.started.is_none() => {
                "deleted without a call: it was done in an earlier receive".to_owned()
            }
            (HeldState::Deleted, _) => "deleted".to_owned(),
            (HeldState::DeadLetter, _) => "copied to the dlq and deleted".to_owned(),
            (HeldState::GivenBack, Some(request)) => {
                format!("{}{trouble}", self.given_back_step(request, clock))
            }
            (HeldState::Settling, Some(SettleRequest { action, .. })) => {
                format!("waits for sqs to confirm the {}{trouble}", noun(action))
            }
            (HeldState::Settling, None) => format!("waits to be settled{trouble}"),
            (HeldState::Released | HeldState::GivenBack, _) => {
                format!("released unsettled, it comes back after its visibility timeout{trouble}")
            }
        };
        let settled = self.request.and_then(|request| request.settled);
        Some((settled.unwrap_or(at), step))
    }

    fn given_back_step(
        &self,
        SettleRequest { delay, at, settled, .. }: SettleRequest,
        clock: WallClock,
    ) -> String {
        let unrun =
            if self.started.is_none() && self.ended.is_none() { " before its call started" } else { "" };
        let next = clock.at(settled.unwrap_or(at) + delay);
        let visible = match (self.is_exhausted, delay.is_zero()) {
            (true, _) => format!("its receives are used up: sqs moves it to the dlq, not before {next}"),
            (false, true) => "visible at once".to_owned(),
            (false, false) => format!("visible again after {}, next try not before {next}", plain(delay)),
        };
        format!("given back{unrun}, {visible}")
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

fn times(count: u32) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

fn noun(action: Action) -> &'static str {
    match action {
        Action::Copy => "copy to the dlq",
        Action::GiveBack => "change of visibility",
        _ => "delete",
    }
}

/// A duration for people, to the millisecond below ten seconds and to the second above.
fn plain(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let rounded = if millis < 10_000 { millis } else { millis / 1_000 * 1_000 };
    Span(Duration::from_millis(rounded)).to_string()
}

/// A reason of bounded length; `None` for an empty one.
fn shortened(reason: &str) -> Option<Box<str>> {
    if reason.len() <= REASON_BYTES {
        return (!reason.is_empty()).then(|| reason.into());
    }
    Some(format!("{}…", &reason[..reason.floor_char_boundary(REASON_BYTES)]).into())
}
