//! Polls the number of messages in a queue and its DLQ: often while messages arrive, rarely while none do.
//!
//! Only metrics depend on the counts, so nothing waits for them, and a refusal does not stop the worker. Values that
//! polls could not renew disappear from the metrics ([`QueueDepth`]). The answers also have the redrive policy, which may
//! change while the queue is consumed ([`RedriveView`]).

mod estimate;
mod metrics;
mod redrive;
mod rhythm;
mod work;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};

use self::rhythm::{PollResult, Rhythm, Traffic};
use crate::{
    queue::{
        Queue, QueueAttributes, QueueError, QueueName, RedrivePolicy, RetryClass, metrics::CallMetrics,
        within,
    },
    stop::Stop,
    telemetry::{Action, CallResult, events},
};

#[cfg(test)]
pub(crate) use self::metrics::DepthMetrics;
pub(crate) use self::redrive::{RedrivePublisher, RedriveView};
pub use self::{estimate::Counts, metrics::QueueDepth};
pub(crate) use self::{
    estimate::QueueAgeSample,
    rhythm::{Interval, Settings},
    work::WorkAverage,
};

/// The time limit of an answer.
const WATCHDOG: Duration = Duration::from_secs(20);
/// The most polls of a worker at once: each call in flight has a connection of its own.
const AT_ONCE: usize = 32;
/// The longest that a poll waits for its turn, because the calls of other queues may hang.
const LONGEST_TURN: Duration = Duration::from_secs(5);

/// The parts of a [`DepthPoller`].
pub(crate) struct DepthPollerParts {
    /// The queue's configured name.
    pub name: Arc<str>,
    /// The queue itself.
    pub queue: Arc<dyn Queue>,
    /// Its DLQ.
    pub dlq: Dlq,
    /// The depth that the polls update.
    pub depth: QueueDepth,
    /// The redrive policy that the polls update.
    pub redrive: RedrivePublisher,
    /// Counts the calls.
    pub calls: Arc<CallMetrics>,
    /// The turns of the worker's polls.
    pub turns: PollTurns,
}

/// The turns by which the polls of many queues share few connections; clones share them.
#[derive(Clone)]
pub(crate) struct PollTurns(Arc<Semaphore>);

impl Default for PollTurns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

/// The dead-letter queue of a queue.
#[derive(Clone)]
pub(crate) enum Dlq {
    /// There is none.
    None,
    /// A DLQ that is configured, whatever the redrive policy names.
    Configured(Arc<dyn Queue>),
    /// The DLQ of the redrive policy, open already.
    Open(Arc<dyn Queue>),
    /// The DLQ of the redrive policy, by its name.
    Named(QueueName),
}

impl Dlq {
    /// The DLQ that the policy of the queue with this ARN names.
    pub(crate) fn of_policy(policy: Option<&RedrivePolicy>, source_arn: &str) -> Self {
        let name = policy.and_then(|policy| QueueName::of_arn(&policy.dead_letter_arn));
        name.map_or(Self::None, |name| Self::Named(name.seen_from(source_arn)))
    }
}

/// Polls the depth of one queue and its DLQ.
pub(crate) struct DepthPoller {
    parts: DepthPollerParts,
    interval: Duration,
    work: WorkAverage,
    queue_rhythm: Rhythm,
    dlq_rhythm: Rhythm,
}

impl DepthPoller {
    /// Creates a poller, which polls once it runs.
    pub(crate) fn new(parts: DepthPollerParts, work: WorkAverage, interval: Duration) -> Self {
        let rhythm = Rhythm::new(interval);
        parts.depth.polls_every(interval);
        Self { parts, interval, work, queue_rhythm: rhythm, dlq_rhythm: rhythm }
    }

    /// Polls until the stop, which drops a call in flight.
    pub(crate) async fn run(mut self, stop: Stop) {
        tokio::select! {
            biased;
            () = self.poll_repeatedly() => {}
            () = stop.draining() => {}
        }
    }

    async fn poll_repeatedly(&mut self) {
        loop {
            self.poll_due().await;
            // Jitter, so that workers that were started together do not poll together.
            sleep(self.interval.mul_f64(fastrand::f64().mul_add(0.2, 0.9))).await;
        }
    }

    async fn poll_due(&mut self) {
        let depth = &self.parts.depth;
        let traffic = if depth.is_quiet() { Traffic::None } else { Traffic::Some };
        self.work.update();
        depth.worked(self.work.seconds_per_message());
        depth.polls_every(self.queue_rhythm.pace(traffic));
        if self.queue_rhythm.is_due(traffic, Instant::now()) {
            self.poll_queue(traffic).await;
        }
        if self.dlq_rhythm.is_due(traffic, Instant::now()) {
            self.poll_dlq(traffic).await;
        }
    }

    async fn poll_queue(&mut self, traffic: Traffic) {
        let answer = self.describe(&*self.parts.queue).await;
        if let Ok(attributes) = &answer {
            let QueueAttributes { visible, in_flight, delayed, retention, .. } = *attributes;
            self.parts.depth.polled(Counts { visible, in_flight, delayed });
            self.parts.depth.kept_for(retention);
            self.publish_policy(attributes);
        }
        let answer = answer.map(drop);
        let has_changed = self.queue_rhythm.record(PollResult::of(&answer), traffic, Instant::now());
        self.report(events::DepthOf::Queue, has_changed, answer);
    }

    /// Publishes the redrive policy if it has changed, and counts the messages of its DLQ from now on.
    fn publish_policy(&mut self, QueueAttributes { arn, redrive, .. }: &QueueAttributes) {
        if !self.parts.redrive.publish(redrive.as_ref()) {
            return;
        }
        let queue = &*self.parts.name;
        match redrive {
            Some(RedrivePolicy { dead_letter_arn: dlq, max_receive_count }) => {
                let max_receive_count = max_receive_count.get();
                events::RedriveChanged { queue, dlq, max_receive_count }.emit();
            }
            None => events::RedriveRemoved { queue }.emit(),
        }
        if !matches!(self.parts.dlq, Dlq::Configured(_)) {
            self.parts.dlq = Dlq::of_policy(redrive.as_ref(), arn);
            self.dlq_rhythm = Rhythm::new(self.interval);
        }
    }

    async fn poll_dlq(&mut self, traffic: Traffic) {
        let answer = match self.dlq().await {
            Ok(Some(dlq)) => self.describe(&*dlq).await,
            Ok(None) => return,
            Err(error) => Err(error),
        };
        if let Ok(QueueAttributes { visible, .. }) = answer {
            self.parts.depth.dlq_polled(visible);
        }
        let answer = answer.map(drop);
        let has_changed = self.dlq_rhythm.record(PollResult::of(&answer), traffic, Instant::now());
        self.report(events::DepthOf::Dlq, has_changed, answer);
    }

    /// The DLQ, opened at the first poll.
    async fn dlq(&mut self) -> Result<Option<Arc<dyn Queue>>, QueueError> {
        let name = match &self.parts.dlq {
            Dlq::None => return Ok(None),
            Dlq::Configured(dlq) | Dlq::Open(dlq) => return Ok(Some(dlq.clone())),
            Dlq::Named(name) => name,
        };
        let dlq = self.parts.queue.open_other(name).await?;
        self.parts.dlq = Dlq::Open(dlq.clone());
        Ok(Some(dlq))
    }

    async fn describe(&self, queue: &dyn Queue) -> Result<QueueAttributes, QueueError> {
        let _turn = timeout(LONGEST_TURN, self.parts.turns.0.acquire()).await;
        let began = Instant::now();
        let answer = within(WATCHDOG, "a request for the queue's attributes", queue.describe()).await;
        self.parts.calls.called(Action::Attributes, CallResult::of(&answer), began);
        answer
    }

    /// Logs only a change of the result, not the same refusal every five minutes.
    fn report(&self, of: events::DepthOf, has_changed: bool, answer: Result<(), QueueError>) {
        let queue = &*self.parts.name;
        match answer {
            Ok(()) if has_changed => events::DepthKnown { queue, of }.emit(),
            Err(error) if has_changed => events::DepthUnknown { queue, of, error: &error }.emit(),
            Ok(()) | Err(_) => {}
        }
    }
}

impl PollResult {
    fn of(answer: &Result<(), QueueError>) -> Self {
        match answer {
            Ok(()) => Self::Answered,
            Err(error) if error.retry_class() == RetryClass::Refused => Self::Refused,
            Err(_) => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::{BoxFuture, FutureExt as _};

    use super::*;
    use crate::{
        consumer::running::RunningCalls,
        message::{Message, MessageId, OutgoingMessage, Receipt},
        queue::{BatchResult, ReceiveRequest, VisibilityChange},
        tasks,
        telemetry::Metrics,
    };

    /// A queue that is only described, which takes a second.
    #[derive(Default)]
    struct Described {
        at_once: AtomicUsize,
        most_at_once: AtomicUsize,
        answered: AtomicUsize,
        hangs: bool,
    }

    impl Queue for Described {
        fn describe(&self) -> BoxFuture<'_, Result<QueueAttributes, QueueError>> {
            async {
                let at_once = self.at_once.fetch_add(1, Ordering::Relaxed) + 1;
                self.most_at_once.fetch_max(at_once, Ordering::Relaxed);
                sleep(if self.hangs { Duration::MAX } else { Duration::from_secs(1) }).await;
                self.at_once.fetch_sub(1, Ordering::Relaxed);
                self.answered.fetch_add(1, Ordering::Relaxed);
                Ok(QueueAttributes::default())
            }
            .boxed()
        }

        fn receive(&self, _: ReceiveRequest) -> BoxFuture<'_, Result<Vec<Message>, QueueError>> {
            unreachable!()
        }

        fn delete<'a>(&'a self, _: &'a [Receipt]) -> BoxFuture<'a, BatchResult<()>> {
            unreachable!()
        }

        fn change_visibility<'a>(&'a self, _: &'a [VisibilityChange]) -> BoxFuture<'a, BatchResult<()>> {
            unreachable!()
        }

        fn send<'a>(&'a self, _: &'a [OutgoingMessage]) -> BoxFuture<'a, BatchResult<MessageId>> {
            unreachable!()
        }
    }

    /// Polls the queue by so many pollers with these turns.
    fn poll(queue: &Arc<Described>, pollers: usize, turns: &PollTurns) {
        let scope = Metrics::new().queue("orders", "orders");
        for _ in 0..pollers {
            let parts = DepthPollerParts {
                name: "orders".into(),
                queue: queue.clone(),
                dlq: Dlq::None,
                depth: QueueDepth::in_scope(&scope, 1, RunningCalls::in_scope(&scope)),
                redrive: RedrivePublisher::new(None),
                calls: scope.group(),
                turns: turns.clone(),
            };
            let work = WorkAverage::new(Default::default);
            let interval = Duration::from_hours(1);
            tasks::detach("depth", DepthPoller::new(parts, work, interval).run(Stop::new()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_polls_of_many_queues_take_turns() {
        let queue = Arc::new(Described::default());
        poll(&queue, 100, &PollTurns::default());
        sleep(Duration::from_secs(5)).await;
        assert_eq!(queue.answered.load(Ordering::Relaxed), 100);
        assert_eq!(queue.most_at_once.load(Ordering::Relaxed), AT_ONCE);
    }

    #[tokio::test(start_paused = true)]
    async fn polls_that_hang_hold_up_no_other_for_long() {
        let (turns, queue) = (PollTurns::default(), Arc::new(Described::default()));
        poll(&Arc::new(Described { hangs: true, ..Described::default() }), AT_ONCE, &turns);
        sleep(Duration::from_millis(1)).await;
        poll(&queue, 1, &turns);
        sleep(LONGEST_TURN + Duration::from_secs(2)).await;
        assert_eq!(queue.answered.load(Ordering::Relaxed), 1);
    }
}
