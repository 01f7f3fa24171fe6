//! The breaker: opens when calls fail in a row or too often, and closes when one tried call succeeds; pure.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::{
    disposition::{CallEnd, KeptFor},
    settings::BreakerSettings,
    start_limit::StartLimit,
};
use crate::{
    backoff::{Backoff, Jitter},
    duration::Span,
    handler::Outcome,
    message::MessageId,
};

/// The number of calls in a row that find the handler unavailable, after which it counts as down.
const CALLS_IN_A_ROW: u32 = 3;
/// The pauses before each probe or tried call of a handler that is down.
pub(super) const PAUSES: Backoff = Backoff {
    initial: Duration::from_millis(250),
    factor: 2.0,
    max: Duration::from_secs(15),
    jitter: Jitter::Half,
};
/// The shortest time after which a tried call that still runs has reached the handler.
const TRIAL: Duration = Duration::from_secs(1);
/// The number of tried calls in a row, all with one message, that end the handler, after which the message is the cause.
const CRASHES_TO_BLAME: u32 = 5;
/// The longest time for which a message is kept that may be the cause of the failures: because it ends the handler, or
/// because no other one is there to be tried.
const LONGEST_SUSPECTED: Duration = Duration::from_mins(15);
/// The longest time for which a message is kept at its last attempt that does not reach its handler while others do: each of
/// its calls pauses the polling.
const LONGEST_UNREACHED: Duration = Duration::from_mins(2);
/// The number of calls of a kept message that fail before it is let go: fewer may fail by chance, once a long outage is over.
const CALLS_TO_LET_GO: u32 = 5;
/// The number of parts of the window of the failure rate, each dropped as a whole.
const WINDOW_PARTS: u32 = 10;

/// The state of a handler by the end of one of its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HandlerResponse {
    /// It handled a message.
    Worked,
    /// It was reached, and failed.
    Failed,
    /// It is not available.
    Unavailable,
    /// It ended during the call.
    Crashed,
    /// Nothing: the call was cancelled, or did not reach it.
    Unknown,
}

impl HandlerResponse {
    /// The response of a call, with the reason of its failure.
    pub(super) fn of(end: &CallEnd) -> (Self, String) {
        match end {
            CallEnd::Answered(outcomes) => Self::of_outcomes(outcomes),
            CallEnd::Panicked(_) => (Self::Failed, "the handler panicked".to_owned()),
            CallEnd::TimedOut(limit) => (Self::Failed, format!("the time limit of {} passed", Span(*limit))),
            CallEnd::Cancelled => (Self::Unknown, String::new()),
        }
    }

    fn of_outcomes(outcomes: &[Outcome]) -> (Self, String) {
        let mut response = (Self::Unknown, String::new());
        for outcome in outcomes {
            match outcome {
                Outcome::Done | Outcome::Reject(_) => return (Self::Worked, String::new()),
                Outcome::Retry(reason) | Outcome::RetryIn(_, reason) => {
                    response = (Self::Failed, reason.clone());
                }
                Outcome::Unavailable { reason, .. } if response.0 == Self::Unknown => {
                    response = (Self::Unavailable, reason.clone());
                }
                Outcome::Crashed(reason) if response.0 == Self::Unknown => {
                    response = (Self::Crashed, reason.clone());
                }
                Outcome::Unavailable { .. }
                | Outcome::Crashed(_)
                | Outcome::Down(_)
                | Outcome::ShortOfResources(_) => {}
            }
        }
        response
    }

    /// True if the call found the handler unavailable, or made it so.
    pub(super) fn is_unavailable(self) -> bool {
        matches!(self, Self::Unavailable | Self::Crashed)
    }
}

/// The end of a call, as the breaker sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct BreakerInput<'a> {
    pub(super) response: HandlerResponse,
    /// The reason of a failure.
    pub(super) reason: &'a str,
    /// The message of the call, if it had only one.
    pub(super) message: Option<&'a MessageId>,
    pub(super) began: Instant,
    pub(super) ended: Instant,
    /// The number of other calls that run.
    pub(super) running: usize,
}

/// The failures after which a message is kept here, because they are the handler's and not its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeptFailures {
    /// None.
    None,
    /// A handler that could not be reached, at the last attempt.
    UnreachedAtLastAttempt,
    /// A handler that could not be reached or is unavailable, at the last attempt, unless it ended during the call.
    UncrashedAtLastAttempt,
    /// An unavailable handler at the last attempt: there is no further receive in which the message could run.
    UnavailableAtLastAttempt,
    /// An unavailable handler, unless it ended during the call: the message may be the cause.
    UnavailableUnlessCrashed,
    /// An unavailable handler.
    Unavailable,
    /// Any failure.
    All,
}

/// The cause for which the breaker is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OpenCause {
    /// Calls in a row found the handler unavailable.
    CallsInARow,
    /// Too large a share of the calls failed.
    FailureRate,
}

/// A message that is kept because of its handler.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeptMessage {
    /// The time at which it was first kept for this cause.
    since: Instant,
    /// The calls after which it was kept since then.
    calls: u32,
    kept_for: KeptFor,
}

impl KeptMessage {
    /// A message that is kept again, or for the first time; the first call that reaches its handler counts anew.
    pub(super) fn again(before: Option<&Self>, kept_for: KeptFor, now: Instant) -> Self {
        let is_reached =
            |before: &&Self| before.kept_for == KeptFor::HandlerDown && kept_for == KeptFor::Handler;
        match before.filter(|before| !is_reached(before)) {
            Some(before) => Self { calls: before.calls + 1, ..*before },
            None => Self { since: now, calls: 1, kept_for },
        }
    }

    /// True if it was kept at this time or before.
    pub(super) fn is_kept_since(self, latest: Instant) -> bool {
        self.since <= latest
    }

    /// True if it was kept for this time, and for enough calls to tell by them that it may be the cause of their failures.
    fn is_kept_for(self, time: Duration, now: Instant) -> bool {
        self.calls >= CALLS_TO_LET_GO && self.since + time <= now
    }
}

/// The state of an open breaker.
#[derive(Clone, Debug)]
struct OpenBreaker {
    cause: OpenCause,
    reason: String,
    since: Instant,
    /// The messages of the calls that were tried since then.
    tried: TriedMessages,
}

/// Decides by the ends of calls whether calls start.
///
/// An open breaker lets no call start for a pause, then one. If that fails, the next pause is longer; if it succeeds, the
/// breaker closes, and the number of calls grows again.
#[derive(Debug)]
pub(super) struct Breaker {
    limit: StartLimit,
    row: FailuresInARow,
    rate: Option<FailureRate>,
    opening: Option<OpenBreaker>,
    /// The number of openings and failed trials since all calls could start.
    attempts: u32,
    /// The message that ends the handler whenever it is tried, until another one shows how the handler is.
    blamed: Option<MessageId>,
    /// The latest beginning of a call that found the handler available, of those that were watched.
    available_at: Option<Instant>,
}

/// The calls in a row that found the handler unavailable.
#[derive(Debug, Default)]
struct FailuresInARow {
    calls: u32,
    /// The duration of the longest of these calls.
    longest: Duration,
}

/// The messages whose calls an open breaker tried, each alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum TriedMessages {
    #[default]
    None,
    /// One, which may be the cause, and how many of its calls in a row ended the handler.
    One { message: MessageId, crashes: u32 },
    /// Several, none of which can be the cause of all failures.
    Several,
}

impl Breaker {
    /// A closed breaker; without settings only failures in a row open it.
    pub(super) fn closed(concurrency: usize, settings: Option<BreakerSettings>) -> Self {
        Self {
            limit: StartLimit::open(concurrency),
            row: FailuresInARow::default(),
            rate: settings.map(FailureRate::new),
            opening: None,
            attempts: 0,
            blamed: None,
            available_at: None,
        }
    }

    /// Changes the number of calls that there are slots for.
    pub(super) fn set_concurrency(&mut self, concurrency: usize) {
        self.limit.set_concurrency(concurrency);
    }

    /// True unless the next success can change nothing.
    pub(super) fn is_watching(&self) -> bool {
        self.rate.is_some()
            || self.row.calls > 0
            || self.limit.is_limiting()
            || self.attempts > 0
            || self.blamed.is_some()
    }

    /// The reason for which it is open, if it is.
    pub(super) fn open_reason(&self) -> Option<&str> {
        self.opening.as_ref().map(|opening| opening.reason.as_str())
    }

    /// True while no call starts before the pause is over.
    pub(super) fn is_pausing(&self) -> bool {
        self.limit.is_closed()
    }

    /// The length of the present pause.
    pub(super) fn pause(&self) -> Duration {
        let by_rate = |opening: &OpenBreaker| opening.cause == OpenCause::FailureRate;
        let pauses = self.rate.as_ref().filter(|_| self.opening.as_ref().is_some_and(by_rate));
        pauses.map_or(PAUSES, |rate| rate.settings.pauses()).random_delay(self.attempts)
    }

    /// Lets one call be tried after the pause.
    pub(super) fn pause_ended(&mut self) {
        self.limit.probed();
    }

    /// Decides whether one more call may start beside the `running` ones.
    pub(super) fn may_start(&mut self, running: usize, now: Instant) -> bool {
        let may_start = self.limit.may_start(running, now);
        self.close_after_trial();
        may_start
    }

    /// The time at which the answer of [`Breaker::may_start`] changes by itself.
    pub(super) fn next_change(&self) -> Option<Instant> {
        self.limit.next_change()
    }

    /// Notes that a call starts.
    pub(super) fn started(&mut self, now: Instant) {
        self.limit.started(now);
    }

    /// Notes that the queue has no message that could be tried: polling goes on, and the next failure opens the breaker.
    pub(super) fn nothing_received(&mut self, now: Instant) {
        if self.opening.is_some() {
            self.limit.nothing_to_try(now);
            self.close_after_trial();
            if self.opening.is_none() {
                self.row.calls = CALLS_IN_A_ROW - 1;
            }
        }
    }

    /// Notes the end of a call.
    pub(super) fn call_ended(&mut self, call: &BreakerInput<'_>) {
        match call.response {
            HandlerResponse::Unknown => return,
            HandlerResponse::Unavailable | HandlerResponse::Crashed if !self.is_blamed(call.message) => {
                self.note_unavailable(call);
            }
            HandlerResponse::Failed if self.is_open_by_rate() => self.fail(call),
            // What a blamed message does is its own failure.
            _ => self.note_success(call),
        }
        let has_worked = call.response == HandlerResponse::Worked;
        if has_worked {
            self.blamed = None;
        }
        if self.opening.is_none()
            && let Some(rate) = &mut self.rate
            && let Some(share) = rate.call_ended(has_worked, call.ended)
        {
            self.open(OpenCause::FailureRate, format!("{share}, the last one: {}", call.reason), call);
        }
    }

    fn note_unavailable(&mut self, call: &BreakerInput<'_>) {
        self.row.add(call);
        if let Some(opening) = &mut self.opening {
            // Calls that began before it opened say nothing about a single message: one of them may have ended the others.
            if call.began >= opening.since {
                opening.tried.add(call);
                self.blamed = opening.tried.cause().cloned();
            }
            if self.is_blamed(call.message) { self.note_success(call) } else { self.fail(call) }
        } else if self.row.calls >= CALLS_IN_A_ROW {
            let reason = format!("{CALLS_IN_A_ROW} calls in a row failed, the last one: {}", call.reason);
            self.open(OpenCause::CallsInARow, reason, call);
        }
    }

    fn is_blamed(&self, message: Option<&MessageId>) -> bool {
        self.blamed.is_some() && self.blamed.as_ref() == message
    }

    fn note_success(&mut self, call: &BreakerInput<'_>) {
        self.available_at = self.available_at.max(Some(call.began));
        self.limit.had_resources(call.began, call.ended);
        self.close_after_trial();
        if self.opening.is_none() {
            self.row = FailuresInARow::default();
            if !self.limit.is_limiting() {
                self.attempts = 0;
            }
        }
    }

    fn open(&mut self, cause: OpenCause, reason: String, call: &BreakerInput<'_>) {
        self.opening = Some(OpenBreaker { cause, reason, since: call.ended, tried: TriedMessages::None });
        self.fail(call);
    }

    /// Lets no call start; calls that were running together count as one failure.
    fn fail(&mut self, call: &BreakerInput<'_>) {
        // A proxy that answers 504 does so after its time limit: a trial is good only if it lasts for longer.
        let trial = TRIAL + self.row.longest.saturating_mul(2);
        if self.limit.fell_short_after(call.running, trial, call.ended) {
            self.attempts = self.attempts.saturating_add(1);
        }
    }

    fn close_after_trial(&mut self) {
        if self.opening.is_some() && self.limit.short_since().is_none() {
            (self.opening, self.row) = (None, FailuresInARow::default());
            if let Some(rate) = &mut self.rate {
                rate.window.clear();
            }
        }
    }

    fn is_open_by_rate(&self) -> bool {
        self.opening.as_ref().is_some_and(|opening| opening.cause == OpenCause::FailureRate)
    }

    /// The failures after which this message is kept, by how it has been kept so far.
    pub(super) fn kept_failures(
        &self,
        message: &MessageId,
        kept: Option<KeptMessage>,
        now: Instant,
    ) -> KeptFailures {
        if self.is_blamed(Some(message)) {
            return KeptFailures::None;
        }
        let is_kept_for = |time| kept.is_some_and(|kept| kept.is_kept_for(time, now));
        let is_kept_for_long = is_kept_for(LONGEST_SUSPECTED);
        let Some(opening) = &self.opening else {
            // A message that fails again although others found the handler since then is the cause itself; one that did not
            // reach the handler may be so by chance. Without others, nothing but the time tells.
            let cause = kept.filter(|kept| self.available_at >= Some(kept.since)).map(|kept| kept.kept_for);
            return match cause {
                _ if is_kept_for_long => KeptFailures::None,
                Some(_) if is_kept_for(LONGEST_UNREACHED) => KeptFailures::None,
                Some(KeptFor::HandlerDown) => KeptFailures::UncrashedAtLastAttempt,
                Some(_) => KeptFailures::UnreachedAtLastAttempt,
                None => KeptFailures::UnavailableAtLastAttempt,
            };
        };
        match opening.cause {
            _ if is_kept_for_long && opening.tried.is_one() => KeptFailures::None,
            OpenCause::CallsInARow if is_kept_for_long => KeptFailures::UnavailableUnlessCrashed,
            OpenCause::CallsInARow => KeptFailures::Unavailable,
            OpenCause::FailureRate => KeptFailures::All,
        }
    }
}

impl FailuresInARow {
    fn add(&mut self, call: &BreakerInput<'_>) {
        self.calls = self.calls.saturating_add(1);
        self.longest = self.longest.max(call.ended.saturating_duration_since(call.began));
    }
}

impl TriedMessages {
    /// Adds a tried call that found the handler unavailable.
    fn add(&mut self, call: &BreakerInput<'_>) {
        let has_crashed = call.response == HandlerResponse::Crashed;
        match (&mut *self, call.message) {
            (Self::None, Some(message)) => {
                *self = Self::One { message: message.clone(), crashes: u32::from(has_crashed) };
            }
            (Self::One { message, crashes }, Some(tried)) if message == tried => {
                *crashes = if has_crashed { crashes.saturating_add(1) } else { 0 };
            }
            _ => *self = Self::Several,
        }
    }

    fn is_one(&self) -> bool {
        matches!(self, Self::One { .. })
    }

    /// The message that is the cause beyond doubt.
    fn cause(&self) -> Option<&MessageId> {
        match self {
            Self::One { message, crashes } if *crashes >= CRASHES_TO_BLAME => Some(message),
            _ => None,
        }
    }
}

/// The share of failed calls within a window of time.
#[derive(Debug)]
struct FailureRate {
    settings: BreakerSettings,
    /// The oldest part first.
    window: VecDeque<WindowPart>,
}

#[derive(Clone, Copy, Debug)]
struct WindowPart {
    began: Instant,
    calls: u32,
    failed: u32,
}

impl FailureRate {
    fn new(settings: BreakerSettings) -> Self {
        Self { settings, window: VecDeque::new() }
    }

    /// Counts a call; returns the share of failures in words once it is too large.
    fn call_ended(&mut self, has_worked: bool, now: Instant) -> Option<String> {
        let within = self.settings.within.0;
        self.window.retain(|part| part.began + within > now);
        let is_current = |part: &&mut WindowPart| part.began + within / WINDOW_PARTS > now;
        let failed = u32::from(!has_worked);
        match self.window.back_mut().filter(is_current) {
            Some(part) => (part.calls, part.failed) = (part.calls + 1, part.failed + failed),
            None => self.window.push_back(WindowPart { began: now, calls: 1, failed }),
        }
        let (calls, failed) = self.window.iter().fold((0_u32, 0_u32), |(calls, failed), part| {
            (calls.saturating_add(part.calls), failed.saturating_add(part.failed))
        });
        let is_too_large =
            calls >= self.settings.least && f64::from(failed) >= f64::from(calls) * self.settings.failures;
        (!has_worked && is_too_large)
            .then(|| format!("{failed} of {calls} calls within {} failed", self.settings.within))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker() -> Breaker {
        Breaker::closed(16, None)
    }

    fn by_rate() -> Breaker {
        Breaker::closed(16, Some(BreakerSettings::default()))
    }

    /// Notes the end of a call of this message that took a tenth of a second.
    fn call(breaker: &mut Breaker, response: HandlerResponse, message: &str, ended: Instant) {
        let message = MessageId::new(message);
        breaker.call_ended(&BreakerInput {
            response,
            reason: "the handler answered 502 Bad Gateway",
            message: Some(&message),
            began: ended - SECOND / 10,
            ended,
            running: 4,
        });
    }

    /// A message that was kept after so many calls.
    fn kept_since(since: Instant, calls: u32, kept_for: KeptFor) -> KeptMessage {
        KeptMessage { since, calls, kept_for }
    }

    fn opened(now: Instant) -> Breaker {
        let mut breaker = breaker();
        for message in ["a", "b", "c"] {
            call(&mut breaker, HandlerResponse::Unavailable, message, now);
        }
        breaker
    }

    /// Starts one call after a pause.
    fn try_one(breaker: &mut Breaker, now: Instant) {
        breaker.pause_ended();
        assert!(breaker.may_start(0, now));
        breaker.started(now);
        assert!(!breaker.may_start(1, now), "only one");
    }

    /// Tries one message, whose call ends so.
    fn tried(breaker: &mut Breaker, response: HandlerResponse, message: &str, now: Instant) {
        try_one(breaker, now);
        call(breaker, response, message, now + SECOND / 10);
    }

    #[test]
    fn three_calls_in_a_row_open_it_and_an_answer_between_them_does_not() {
        let now = Instant::now();
        for between in [HandlerResponse::Worked, HandlerResponse::Failed] {
            let mut breaker = breaker();
            for _ in 0..9 {
                call(&mut breaker, HandlerResponse::Unavailable, "a", now);
                call(&mut breaker, HandlerResponse::Unavailable, "b", now);
                call(&mut breaker, between, "c", now);
            }
            assert_eq!(breaker.open_reason(), None, "{between:?}");
        }
        let mut breaker = opened(now);
        let reason = "3 calls in a row failed, the last one: the handler answered 502 Bad Gateway";
        assert_eq!(breaker.open_reason(), Some(reason));
        assert!(breaker.is_pausing() && !breaker.may_start(0, now + SECOND * 3600));
    }

    #[test]
    fn one_call_is_tried_after_each_pause_and_the_pauses_grow() {
        let mut now = Instant::now();
        let mut breaker = opened(now);
        let mut pauses = Vec::new();
        for _ in 0..10 {
            pauses.push(breaker.pause());
            now += SECOND * 20;
            try_one(&mut breaker, now);
            now += SECOND / 10;
            call(&mut breaker, HandlerResponse::Unavailable, "a", now);
            assert!(breaker.is_pausing());
        }
        assert!(pauses[0] <= SECOND / 4 && pauses[9] >= SECOND * 7 && pauses[9] <= SECOND * 15, "{pauses:?}");
        try_one(&mut breaker, now);
        call(&mut breaker, HandlerResponse::Worked, "b", now + SECOND / 10);
        assert_eq!(breaker.open_reason(), None);
        assert!(breaker.may_start(1, now + SECOND));
    }

    #[test]
    fn a_tried_call_has_succeeded_once_it_lasts_much_longer_than_the_failures() {
        let now = Instant::now();
        let mut breaker = breaker();
        let message = MessageId::new("a");
        for _ in 0..3 {
            breaker.call_ended(&BreakerInput {
                response: HandlerResponse::Unavailable,
                reason: "the handler answered 504 Gateway Timeout",
                message: Some(&message),
                began: now,
                ended: now + SECOND * 60,
                running: 0,
            });
        }
        let tried = now + SECOND * 100;
        try_one(&mut breaker, tried);
        assert!(!breaker.may_start(1, tried + SECOND * 119));
        assert!(breaker.open_reason().is_some());
        breaker.may_start(1, tried + SECOND * 121);
        assert_eq!(breaker.open_reason(), None);
    }

    #[test]
    fn without_a_message_to_try_it_closes_and_the_next_failure_opens_it() {
        let now = Instant::now();
        let mut breaker = opened(now);
        breaker.nothing_received(now);
        assert!(breaker.open_reason().is_some(), "the pause is not over");
        breaker.pause_ended();
        breaker.nothing_received(now);
        assert_eq!(breaker.open_reason(), None);
        call(&mut breaker, HandlerResponse::Unavailable, "d", now);
        assert!(breaker.open_reason().is_some());
    }

    #[test]
    fn a_message_is_kept_while_it_is_open_unless_it_may_be_the_cause_for_long() {
        let now = Instant::now();
        let later = now + LONGEST_SUSPECTED;
        let kept = |breaker: &Breaker, since: Option<Instant>, now| {
            let kept = since.map(|since| kept_since(since, CALLS_TO_LET_GO, KeptFor::Handler));
            breaker.kept_failures(&MessageId::new("a"), kept, now)
        };
        assert_eq!(kept(&breaker(), None, now), KeptFailures::UnavailableAtLastAttempt);
        let mut closed = breaker();
        call(&mut closed, HandlerResponse::Unavailable, "a", now);
        let still = "no other one has found the handler since then";
        assert_eq!(
            kept(&closed, Some(now), later - SECOND),
            KeptFailures::UnavailableAtLastAttempt,
            "{still}"
        );
        assert_eq!(kept(&closed, Some(now), later), KeptFailures::None, "no other one may ever come");
        call(&mut closed, HandlerResponse::Worked, "b", now + SECOND);
        let let_go = now + LONGEST_UNREACHED;
        assert_eq!(kept(&closed, Some(now), let_go - SECOND), KeptFailures::UnreachedAtLastAttempt);
        assert_eq!(kept(&closed, Some(now), let_go), KeptFailures::None);
        let by_chance = kept_since(now, CALLS_TO_LET_GO - 1, KeptFor::Handler);
        let failures = closed.kept_failures(&MessageId::new("a"), Some(by_chance), later);
        assert_eq!(failures, KeptFailures::UnreachedAtLastAttempt, "as the handler was away for most of it");
        let unreached = kept_since(now, 1, KeptFor::HandlerDown);
        let failures = closed.kept_failures(&MessageId::new("a"), Some(unreached), now + SECOND * 2);
        assert_eq!(failures, KeptFailures::UncrashedAtLastAttempt, "it never found it unavailable");
        let unavailable = KeptMessage::again(Some(&unreached), KeptFor::Handler, now + SECOND * 2);
        let failures = closed.kept_failures(&MessageId::new("a"), Some(unavailable), later);
        assert_eq!(failures, KeptFailures::UnavailableAtLastAttempt, "no other one found it since then");
        let mut breaker = opened(now);
        assert_eq!(kept(&breaker, Some(now), later), KeptFailures::UnavailableUnlessCrashed);
        for _ in 0..9 {
            tried(&mut breaker, HandlerResponse::Unavailable, "a", now + SECOND);
        }
        assert_eq!(kept(&breaker, Some(now), later - SECOND), KeptFailures::Unavailable);
        assert_eq!(kept(&breaker, Some(now), later), KeptFailures::None, "no other one is there");
        tried(&mut breaker, HandlerResponse::Unavailable, "b", now + SECOND * 2);
        assert_eq!(kept(&breaker, Some(now), later), KeptFailures::UnavailableUnlessCrashed);
    }

    #[test]
    fn a_message_that_ends_the_handler_five_times_when_tried_alone_is_blamed_until_another_works() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let is_let_go = |breaker: &Breaker, message| {
            breaker.kept_failures(&MessageId::new(message), None, now) == KeptFailures::None
        };
        for _ in 0..5 {
            assert!(breaker.open_reason().is_some() && !is_let_go(&breaker, "a"));
            tried(&mut breaker, HandlerResponse::Crashed, "a", now + SECOND);
        }
        assert_eq!(breaker.open_reason(), None);
        assert!(is_let_go(&breaker, "a") && !is_let_go(&breaker, "b"));
        for _ in 0..9 {
            call(&mut breaker, HandlerResponse::Crashed, "a", now + SECOND * 2);
        }
        assert_eq!(breaker.open_reason(), None, "its failures are its own");
        call(&mut breaker, HandlerResponse::Worked, "b", now + SECOND * 3);
        assert!(!is_let_go(&breaker, "a"));
    }

    #[test]
    fn no_message_is_blamed_while_others_end_the_handler_too_or_ran_before_it_opened() {
        let now = Instant::now();
        let mut breaker = opened(now);
        for number in 0..20 {
            let message = ["a", "b"][number % 2];
            tried(&mut breaker, HandlerResponse::Crashed, message, now + SECOND);
        }
        assert!(breaker.open_reason().is_some());
        let mut breaker = opened(now);
        for _ in 0..20 {
            call(&mut breaker, HandlerResponse::Crashed, "a", now);
        }
        assert!(breaker.open_reason().is_some());
    }

    #[test]
    fn half_of_ten_calls_within_the_window_open_it_where_that_is_set() {
        let mut now = Instant::now();
        let (mut set, mut unset) = (by_rate(), breaker());
        for number in 0..10 {
            let response = [HandlerResponse::Worked, HandlerResponse::Failed][number % 2];
            assert_eq!(set.open_reason(), None, "after {number} calls");
            for breaker in [&mut set, &mut unset] {
                call(breaker, response, "a", now);
            }
            now += SECOND;
        }
        let reason = "5 of 10 calls within 30s failed, the last one: the handler answered 502 Bad Gateway";
        assert_eq!((set.open_reason(), unset.open_reason()), (Some(reason), None));
        assert_eq!(set.kept_failures(&MessageId::new("a"), None, now), KeptFailures::All);
        let pause = set.pause();
        assert!((SECOND * 5 / 2..=SECOND * 5).contains(&pause), "{pause:?}");
        try_one(&mut set, now);
        call(&mut set, HandlerResponse::Failed, "a", now + SECOND);
        assert!(set.is_pausing() && set.pause() >= SECOND * 5, "{:?}", set.pause());
    }

    #[test]
    fn failures_before_the_window_do_not_count() {
        let mut now = Instant::now();
        let mut breaker = by_rate();
        for _ in 0..100 {
            call(&mut breaker, HandlerResponse::Failed, "a", now);
            now += SECOND * 4;
        }
        assert_eq!(breaker.open_reason(), None, "at most eight calls within 30 s");
    }
}
