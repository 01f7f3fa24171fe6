//! A queue in memory, on which a test starts workers.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use longshore_emulator::{SqsAccount, SqsApiError, StringMap};
use tokio::time::{Instant, sleep};

use super::{
    Journal, TestWorker,
    worker::{NAME, patiently},
};
use crate::{
    consumer::ConsumerSettings,
    handler::AnyHandler,
    message::{Message, MessageId, OutgoingMessage},
    queue::{EmulatorQueue, Queue, QueueAttributes},
    stop::{self, Stop},
    tasks,
    worker::{Consumer, DeadLetters, Drained, Worker, WorkerError},
};

/// The interval of checks of a queue, at first and after hours of waiting.
const CHECK_INTERVALS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// A queue in memory that behaves like SQS, and the settings of the workers on it.
///
/// The queue's name is `orders`, or `orders.fifo` for a FIFO queue. Its clock is tokio's. Several workers may be
/// started on one queue, one after another or at once.
#[derive(Clone)]
pub struct TestQueue {
    /// The runs of all handlers that were started on this queue.
    pub journal: Journal,
    pub(crate) account: SqsAccount,
    queue_type: TestQueueType,
    queue: Arc<dyn Queue>,
    options: ConsumerSettings,
    configure: Arc<dyn Fn(Consumer) -> Consumer + Send + Sync>,
    rejects: DeadLetters,
    drain_limit: Duration,
    #[cfg(feature = "ecs")]
    protection: Option<crate::ecs::ProtectionPlan>,
    #[cfg(feature = "ecs")]
    scale_out: Option<crate::ecs::ScaleOutPlan>,
}

#[derive(Clone, Copy, Debug)]
enum TestQueueType {
    Standard,
    Fifo,
}

impl TestQueueType {
    fn name(self) -> &'static str {
        match self {
            Self::Standard => "orders",
            Self::Fifo => "orders.fifo",
        }
    }

    fn dlq_name(self) -> &'static str {
        match self {
            Self::Standard => "orders-dlq",
            Self::Fifo => "orders-dlq.fifo",
        }
    }

    fn attributes(self) -> StringMap {
        let set = ["FifoQueue", "ContentBasedDeduplication"].map(|name| (name.to_owned(), "true".to_owned()));
        match self {
            Self::Standard => StringMap::new(),
            Self::Fifo => StringMap::from(set),
        }
    }
}

impl fmt::Debug for TestQueue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TestQueue").field("name", &self.queue_type.name()).finish_non_exhaustive()
    }
}

impl Default for TestQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl TestQueue {
    /// A standard queue without a redrive policy, whose workers have the default settings.
    pub fn new() -> Self {
        Self::of(TestQueueType::Standard)
    }

    /// A FIFO queue without a redrive policy; equal bodies within five minutes are duplicates.
    pub fn fifo() -> Self {
        Self::of(TestQueueType::Fifo)
    }

    fn of(queue_type: TestQueueType) -> Self {
        let account = SqsAccount::default();
        accepted(account.create_queue(queue_type.name(), &queue_type.attributes(), &StringMap::new()));
        Self {
            journal: Journal::default(),
            queue: Arc::new(EmulatorQueue::new(&account, queue_type.name())),
            account,
            queue_type,
            options: ConsumerSettings::default(),
            configure: Arc::new(|consumer| consumer),
            rejects: DeadLetters::default(),
            drain_limit: stop::Settings::USUAL,
            #[cfg(feature = "ecs")]
            protection: None,
            #[cfg(feature = "ecs")]
            scale_out: None,
        }
    }

    /// Moves messages to a DLQ after so many receives; rejected messages are copied there.
    #[must_use]
    pub fn max_receives(self, count: u32) -> Self {
        let dlq = self.queue_type.dlq_name();
        accepted(self.account.create_queue(dlq, &self.queue_type.attributes(), &StringMap::new()));
        let arn = accepted(self.account.arn(dlq));
        let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{count}}}"#);
        let attributes = StringMap::from([("RedrivePolicy".to_owned(), policy)]);
        accepted(self.account.set_attributes(self.queue_type.name(), &attributes));
        let dlq = Arc::new(self.dead_letter_queue());
        self.reject_to(DeadLetters::Open(dlq))
    }

    /// Sets the destination of rejected messages; without one and without a DLQ a reject is a retry.
    #[must_use]
    pub fn reject_to(self, rejects: DeadLetters) -> Self {
        Self { rejects, ..self }
    }

    /// Configures the consumer of the workers: concurrency, batches, visibility, retries and the rest.
    ///
    /// ```
    /// let queue = longshore::testing::TestQueue::new().consumer(|consumer| consumer.concurrency(1));
    /// # let _ = queue;
    /// ```
    #[must_use]
    pub fn consumer(self, configure: impl Fn(Consumer) -> Consumer + Send + Sync + 'static) -> Self {
        Self { configure: Arc::new(configure), ..self }
    }

    /// Changes the options of the consumer, before [`consumer`](Self::consumer).
    #[cfg(test)]
    #[must_use]
    pub(crate) fn options(mut self, change: impl FnOnce(&mut ConsumerSettings)) -> Self {
        change(&mut self.options);
        self
    }

    /// Sets the longest time of a stop (110 s).
    #[must_use]
    pub fn drain_limit(self, drain_limit: Duration) -> Self {
        Self { drain_limit, ..self }
    }

    /// Runs workers as a task of ECS with this plan, such as one with an agent of the test.
    #[must_use]
    #[cfg(feature = "ecs")]
    pub fn protect(self, plan: crate::ecs::ProtectionPlan) -> Self {
        Self { protection: Some(plan), ..self }
    }

    /// Runs workers that raise the desired count of a service of ECS by this plan.
    #[must_use]
    #[cfg(feature = "ecs")]
    pub fn scale_out(self, plan: crate::ecs::ScaleOutPlan) -> Self {
        Self { scale_out: Some(plan), ..self }
    }

    /// Starts workers on another queue in front of this one, such as one that fails now and then.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn through(self, queue: Arc<dyn Queue>) -> Self {
        Self { queue, ..self }
    }

    /// The queue.
    #[cfg(test)]
    pub(crate) fn queue(&self) -> EmulatorQueue {
        EmulatorQueue::new(&self.account, self.queue_type.name())
    }

    /// The DLQ, which exists after [`max_receives`](Self::max_receives).
    pub(crate) fn dead_letter_queue(&self) -> EmulatorQueue {
        EmulatorQueue::new(&self.account, self.queue_type.dlq_name())
    }

    /// Sends a message: a body, or a [`message`](super::message) with attributes and a group.
    pub fn send(&self, message: impl Into<OutgoingMessage>) -> MessageId {
        MessageId::new(accepted(self.account.send(self.queue_type.name(), message.into())).id)
    }

    /// Starts a worker with this handler, all of it on the current runtime and its clock.
    pub fn start(&self, handler: impl Into<AnyHandler>) -> TestWorker {
        self.run(handler, Worker::run_here)
    }

    /// Starts a worker as in production: its handler on the current runtime, the rest on a thread of its own.
    ///
    /// A clock that is paused here is not paused on that thread.
    pub fn start_apart(&self, handler: impl Into<AnyHandler>) -> TestWorker {
        self.run(handler, Worker::run_until)
    }

    fn run<F>(&self, handler: impl Into<AnyHandler>, run: impl Fn(Worker, Stop) -> F) -> TestWorker
    where
        F: Future<Output = Result<Drained, WorkerError>> + Send + 'static,
    {
        let handler = self.journal.recording(handler);
        let consumer = Consumer::of(NAME, self.queue.clone(), handler)
            .dead_letters(self.rejects.clone())
            .settings(self.options.clone());
        let worker = Worker::new().consumer((self.configure)(consumer)).drain_limit(self.drain_limit);
        #[cfg(feature = "ecs")]
        let worker = self.protection.iter().cloned().fold(worker, Worker::protect);
        #[cfg(feature = "ecs")]
        let worker = self.scale_out.iter().cloned().fold(worker, Worker::scale_out);
        let (metrics, health, control) = (worker.metrics(), worker.health(), worker.control());
        let stop = Stop::new();
        let ended = tasks::detach("worker", run(worker, stop.clone()));
        TestWorker { stop, metrics, health, control, ended }
    }

    /// Waits until the queue holds no message: each is deleted or a dead letter.
    pub async fn emptied(&self) {
        let began = Instant::now();
        let empty = async {
            while self.visible() + self.in_flight() + self.delayed() > 0 {
                sleep((began.elapsed() / 100).clamp(CHECK_INTERVALS.0, CHECK_INTERVALS.1)).await;
            }
        };
        let emptied = patiently(empty).await.is_some();
        let (visible, in_flight, delayed) = (self.visible(), self.in_flight(), self.delayed());
        assert!(
            emptied,
            "the queue should be empty: {visible} visible, {in_flight} in flight, {delayed} delayed"
        );
    }

    /// The number of visible messages.
    pub fn visible(&self) -> u64 {
        self.described().visible
    }

    /// The number of messages in flight: received, and neither deleted nor visible again.
    pub fn in_flight(&self) -> u64 {
        self.described().in_flight
    }

    /// The number of messages whose delay has not ended.
    pub fn delayed(&self) -> u64 {
        self.described().delayed
    }

    pub(crate) fn described(&self) -> QueueAttributes {
        accepted(self.account.snapshot(self.queue_type.name())).into()
    }

    /// All messages in the DLQ, which exists after [`max_receives`](Self::max_receives).
    ///
    /// They have no receipt handle, because they were not received from there.
    pub fn dead_letters(&self) -> Vec<Message> {
        let messages = accepted(self.account.messages(self.queue_type.dlq_name()));
        messages.iter().map(|content| Message::from(&**content)).collect()
    }
}

fn accepted<T>(result: Result<T, SqsApiError>) -> T {
    result.unwrap_or_else(|error| panic!("the queue in memory refused: {error}"))
}
