//! The messages that wait for their call and the calls that run: the ages of the oldest, and the seconds of work.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    in_progress::{InProgress, InProgressEntry},
    message::Message,
    telemetry::{Computed, Counter, MetricScope, metric_group},
};

metric_group! {
    /// Metrics of the calls of one queue's handler, those that run now included, and of the messages that wait for theirs.
    pub(crate) struct RunningMetrics {
        /// Seconds that calls of the handler have taken so far, those that run now included, each call counted once regardless of its number of messages; its rate is the number of slots in use.
        work_seconds: Computed<Counter> = "longshore_work_seconds_total" ["queue"];
        /// Seconds for which the oldest call of the handler has run that runs now; 0 while none runs.
        oldest_running: Computed = "longshore_oldest_running_seconds" ["queue"];
        /// Seconds since the receive of the oldest message that waits in this worker for its call; 0 while none waits.
        oldest_waiting: Computed = "longshore_oldest_waiting_seconds" ["queue"];
    }
}

/// The time for which the longest call that was done counts as usual: that long and once more.
const LATELY: Duration = Duration::from_hours(1);

/// The calls of one queue's handler; clones share them.
#[derive(Clone)]
pub struct RunningCalls {
    calls: InProgress<RunningCall>,
    /// The times of the receives of the messages that wait for their call.
    waiting: InProgress<Instant>,
    ended: Arc<Mutex<EndedCalls>>,
}

/// One call that runs.
#[derive(Clone, Debug)]
pub(crate) struct RunningCall {
    /// Its beginning.
    pub(crate) began: Instant,
    /// The number of its messages.
    pub(crate) messages: usize,
    /// The first of them.
    pub(crate) first: Arc<Message>,
    /// The age at which it is reported next, once it was.
    pub(crate) report_at: Option<Duration>,
}

/// A call in progress, until it is dropped.
pub(crate) type CallInProgress = InProgressEntry<RunningCall>;

/// The wait of a message for its call, until it is dropped.
pub(crate) type WaitingForCall = InProgressEntry<Instant>;

/// The work of calls, up to a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct WorkDone {
    /// Seconds that calls took which have ended.
    pub(crate) seconds: f64,
    /// Seconds that those have taken so far which run.
    pub(crate) running_seconds: f64,
    /// Messages of calls that have ended.
    pub(crate) messages: u64,
}

#[derive(Debug)]
struct EndedCalls {
    seconds: f64,
    /// The end of the last one that counts as work, or else the start of the worker.
    last: Instant,
    /// The longest that was done since `lately_began`, and in the time before.
    longest: [Duration; 2],
    lately_began: Instant,
}

impl EndedCalls {
    fn new(now: Instant) -> Self {
        Self { seconds: 0.0, last: now, longest: [Duration::ZERO; 2], lately_began: now }
    }

    fn worked(&mut self, took: Duration, now: Instant) {
        self.seconds += took.as_secs_f64();
        self.last = now;
    }

    fn done(&mut self, took: Duration, now: Instant) {
        if now.saturating_duration_since(self.lately_began) >= LATELY {
            (self.longest, self.lately_began) = ([Duration::ZERO, self.longest[0]], now);
        }
        self.longest[0] = self.longest[0].max(took);
    }
}

impl RunningCalls {
    /// Creates the calls that the metrics of the scope show.
    pub fn in_scope(scope: &MetricScope) -> Self {
        let ended = Arc::new(Mutex::new(EndedCalls::new(Instant::now())));
        let calls = Self { calls: InProgress::default(), waiting: InProgress::default(), ended };
        let metrics = scope.group::<RunningMetrics>();
        let shown = calls.clone();
        metrics.work_seconds.by(move || {
            let (ended, running) = shown.seconds(Instant::now());
            Some(ended + running)
        });
        let shown = calls.clone();
        metrics
            .oldest_running
            .by(move || Some(shown.oldest(Instant::now()).unwrap_or_default().as_secs_f64()));
        let shown = calls.clone();
        metrics
            .oldest_waiting
            .by(move || Some(shown.oldest_waiting(Instant::now()).unwrap_or_default().as_secs_f64()));
        calls
    }

    fn ended(&self) -> MutexGuard<'_, EndedCalls> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a call begins, which runs until the result is dropped.
    pub(crate) fn begin(&self, call: RunningCall) -> CallInProgress {
        self.calls.enter(call)
    }

    /// Notes that a message waits for its call, until the result is dropped.
    pub(crate) fn wait(&self, received: Instant) -> WaitingForCall {
        self.waiting.enter(received)
    }

    /// Adds the time of a call that has ended to the work.
    pub(crate) fn worked(&self, took: Duration, now: Instant) {
        self.ended().worked(took, now);
    }

    /// Adds the time of a call with a message that is done to the work; it is compared with those that run, too.
    pub(crate) fn done(&self, took: Duration, now: Instant) {
        let mut ended = self.ended();
        ended.worked(took, now);
        ended.done(took, now);
    }

    /// The age of the oldest call that runs.
    pub(crate) fn oldest(&self, now: Instant) -> Option<Duration> {
        self.calls.oldest(|call| call.began, now)
    }

    /// The time since the receive of the oldest message that waits for its call.
    pub(crate) fn oldest_waiting(&self, now: Instant) -> Option<Duration> {
        self.waiting.oldest(|received| *received, now)
    }

    /// The seconds of the calls that have ended, and of those that run.
    fn seconds(&self, now: Instant) -> (f64, f64) {
        let ended = self.ended().seconds;
        (ended, self.running(now).0)
    }

    /// The seconds that the calls which run have taken so far, and the number of their messages.
    fn running(&self, now: Instant) -> (f64, usize) {
        let (mut seconds, mut messages) = (0.0, 0);
        self.calls.each(|call| {
            seconds += now.saturating_duration_since(call.began).as_secs_f64();
            messages += call.messages;
        });
        (seconds, messages)
    }

    /// The work up to now, with this number of messages that have ended.
    pub(crate) fn work_done(&self, messages: u64, now: Instant) -> WorkDone {
        let (seconds, running_seconds) = self.seconds(now);
        WorkDone { seconds, running_seconds, messages }
    }

    /// The seconds for which a message keeps a slot: as usual, or as long as those that run have taken so far, once the
    /// last end is longer ago than the usual time.
    ///
    /// While calls end, those that have ended say more: among the calls that run, long ones are many.
    pub(crate) fn seconds_per_message(&self, usual: Option<f64>, now: Instant) -> Option<f64> {
        let since_end = now.saturating_duration_since(self.ended().last).as_secs_f64();
        if usual.is_some_and(|usual| since_end <= usual) {
            return usual;
        }
        let (seconds, messages) = self.running(now);
        #[expect(clippy::cast_precision_loss, reason = "no worker runs 2^53 messages")]
        let running = (messages > 0).then(|| seconds / messages as f64);
        usual.into_iter().chain(running).reduce(f64::max)
    }

    /// The longest time of a call that was done in the last hour or two in which one was; `None` if none was.
    pub(crate) fn longest_done(&self) -> Option<Duration> {
        self.ended().longest.into_iter().max().filter(|longest| !longest.is_zero())
    }

    /// Calls the function with each call that runs.
    pub(crate) fn each(&self, visit: impl FnMut(&mut RunningCall)) {
        self.calls.each(visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_call_takes_little_memory() {
        // There is one for each message in flight, in a table that doubles.
        assert!(size_of::<RunningCall>() <= 48, "{}", size_of::<RunningCall>());
    }
}
