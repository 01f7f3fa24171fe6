//! The attempts of calls that open a queue: which failures are repeated, for how long, and how often they are logged.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::{
    queue::{
        QueueError, RetryClass,
        sqs::{CredentialsFault, credentials_fault},
    },
    start::Patience,
    telemetry::events,
};

/// The attempts of a command for which a person waits.
const FEW: u32 = 4;
/// The attempts of a call that is refused because of this machine's clock: the SDK corrects the clock by the first answer.
const CLOCK_ATTEMPTS: u32 = 2;
/// The time after which a cause that persists is logged again.
const REMINDER: Duration = Duration::from_mins(5);
/// The most causes that are logged in that time, in case each error has a text of its own.
const MOST_CAUSES: usize = 10;

/// Repeats the calls that open one queue, as long as their failure may pass.
#[derive(Clone, Copy)]
pub(super) struct Attempts<'a> {
    /// The name of the queue.
    queue: &'a str,
    limit: AttemptLimit,
    /// Called with the queue's name and each failure that is followed by another attempt.
    on_delay: OnDelay<'a>,
}

type OnDelay<'a> = &'a (dyn Fn(&str, &QueueError) + Send + Sync);

/// The limit of the attempts of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AttemptLimit {
    /// Four attempts within about a second, and none after a call that hangs.
    Few,
    /// Attempts begin until this time; absent, there is no limit.
    Until(Option<Instant>),
}

impl<'a> Attempts<'a> {
    pub(super) fn new(queue: &'a str, limit: AttemptLimit, on_delay: OnDelay<'a>) -> Self {
        Self { queue, limit, on_delay }
    }

    /// Repeats a call while its failure may pass and the limit allows another attempt.
    pub(super) async fn repeat<T, F>(&self, mut call: impl FnMut() -> F) -> Result<T, QueueError>
    where
        F: Future<Output = Result<T, QueueError>>,
    {
        let mut attempt = 1;
        loop {
            let error = match call().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let Some(pause) = self.limit.pause(&error, attempt, Instant::now()) else { return Err(error) };
            (self.on_delay)(self.queue, &error);
            sleep(pause).await;
            attempt += 1;
        }
    }
}

impl AttemptLimit {
    /// One attempt.
    pub(super) fn one() -> Self {
        Self::Until(Some(Instant::now()))
    }

    /// The attempts that this patience allows from now on.
    pub(super) fn of(patience: Patience) -> Self {
        Self::Until(match patience {
            Patience::Forever => None,
            Patience::For(time) => Instant::now().checked_add(time),
        })
    }

    /// The pause between a failed attempt and the next; `None` if there is none. The last attempt begins at the limit.
    fn pause(self, error: &QueueError, attempt: u32, now: Instant) -> Option<Duration> {
        if !may_pass(error, attempt) {
            return None;
        }
        let pause = error.retry_class().pauses().random_delay(attempt);
        match self {
            Self::Few => (attempt < FEW && !error.is_timeout()).then_some(pause),
            Self::Until(None) => Some(pause),
            Self::Until(Some(end)) => (now < end).then(|| pause.min(end - now)),
        }
    }
}

/// True if the failure may pass by itself.
fn may_pass(error: &QueueError, attempt: u32) -> bool {
    let has_no_credentials = credentials_fault(error) == Some(CredentialsFault::Missing);
    let is_by_clock = error.is_by_clock() && attempt >= CLOCK_ATTEMPTS;
    error.retry_class() == RetryClass::Transient && !has_no_credentials && !is_by_clock
}

/// The causes of failures that were logged, so that a thousand queues with one cause log one line.
#[derive(Debug, Default)]
pub(super) struct LoggedCauses(Mutex<BTreeMap<String, Instant>>);

impl LoggedCauses {
    /// True if this cause was not logged for a while.
    pub(super) fn admits(&self, cause: &str, now: Instant) -> bool {
        let mut causes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        causes.retain(|_, logged| now.saturating_duration_since(*logged) < REMINDER);
        let is_admitted = causes.len() < MOST_CAUSES && !causes.contains_key(cause);
        if is_admitted {
            causes.insert(cause.to_owned(), now);
        }
        is_admitted
    }

    /// Logs the failure of a call that is repeated, unless its cause was logged of late.
    pub(super) fn log_delay(&self, queue: &str, error: &QueueError) {
        if self.admits_error(error, Instant::now()) {
            events::StartDelayed { queue, error, hint: error.hint() }.emit();
        }
    }

    /// The same for the failure of a call; an error code is one cause, whatever its text is.
    fn admits_error(&self, error: &QueueError, now: Instant) -> bool {
        match error.code() {
            Some(code) => self.admits(code, now),
            None => self.admits(&error.to_string(), now),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn throttled() -> QueueError {
        QueueError::answered("RequestThrottled", "no")
    }

    /// The time after which attempts end that always fail with this error, and their number.
    async fn attempts(limit: AttemptLimit, error: impl Fn() -> QueueError) -> (Duration, usize) {
        let (began, delays) = (Instant::now(), AtomicUsize::new(0));
        let on_delay = |_: &str, _: &QueueError| {
            delays.fetch_add(1, Ordering::Relaxed);
        };
        let failed = Attempts::new("orders", limit, &on_delay).repeat(async || Err::<(), _>(error())).await;
        assert!(failed.is_err());
        (began.elapsed(), delays.into_inner() + 1)
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_attempt_begins_when_the_patience_is_over() {
        let (took, count) = attempts(AttemptLimit::of(Patience::For(MINUTE)), throttled).await;
        assert_eq!(took, MINUTE);
        assert!((8..=12).contains(&count), "{count} attempts");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_hangs_is_repeated_too() {
        let hung = || QueueError::timed_out("hung");
        let (took, _) = attempts(AttemptLimit::of(Patience::For(MINUTE)), hung).await;
        assert_eq!(took, MINUTE);
        assert_eq!(attempts(AttemptLimit::Few, hung).await.1, 1, "a person does not wait for another");
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_without_a_limit_end_with_their_success() {
        let began = Instant::now();
        let limit = AttemptLimit::of(Patience::Forever);
        let is_late = || began.elapsed() > Duration::from_hours(10);
        let attempts = Attempts::new("orders", limit, &|_, _| ());
        let answer = attempts.repeat(async || if is_late() { Ok(()) } else { Err(throttled()) }).await;
        assert!(answer.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_that_cannot_pass_ends_the_attempts_at_once() {
        let refused = || QueueError::answered("AccessDenied", "no");
        assert_eq!(attempts(AttemptLimit::of(Patience::Forever), refused).await, (Duration::ZERO, 1));
        assert_eq!(attempts(AttemptLimit::one(), throttled).await.1, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_clock_has_one_more_attempt() {
        let skewed = || QueueError::answered("SignatureDoesNotMatch", "no").caused_by_clock(20 * MINUTE);
        assert_eq!(attempts(AttemptLimit::of(Patience::Forever), skewed).await.1, 2);
    }

    #[test]
    fn a_cause_is_logged_once_in_a_while_and_few_causes_are() {
        let (causes, now) = (LoggedCauses::default(), Instant::now());
        let admitted = (0..1_000).filter(|_| causes.admits_error(&throttled(), now)).count();
        assert_eq!(admitted, 1);
        let others = (0..1_000).filter(|number| causes.admits(&number.to_string(), now)).count();
        assert_eq!(others, MOST_CAUSES - 1);
        assert!(causes.admits_error(&throttled(), now + REMINDER));
    }
}
