//! One worker over one queue in memory, on the test's paused clock.

use std::{future::Future, ops::Deref, sync::Arc, time::Duration};

pub(crate) use longshore::testing::TestWorker as Running;
use longshore::{
    Pool,
    consumer::{ConsumerSettings, Prefetch, Preparation},
    duration::Span,
    ecs,
    handler::{self, AnyHandler, Batch, Context, Outcome, Outcomes},
    message::{Message, MessageId, OutgoingMessage},
    once::Once,
    testing,
    worker::{Consumer, DeadLetters},
};

use super::{
    agent::FakeAgent, faulty::FaultyQueue, gate::Gate, onlooker::OtherConsumer, preparation::FakePreparation,
};

/// The library's own scene, with a queue that fails on request.
pub(crate) struct Scene {
    inner: testing::TestQueue,
    pub(crate) queue: Arc<FaultyQueue>,
    /// The dead-letter queue, which exists once the queue has a redrive policy.
    pub(crate) dlq: Arc<FaultyQueue>,
    rejects: DeadLetters,
}

impl Deref for Scene {
    type Target = testing::TestQueue;

    fn deref(&self) -> &testing::TestQueue {
        &self.inner
    }
}

impl Scene {
    /// A standard queue without a redrive policy, worked with the default options and a drain limit of 110 s.
    pub(crate) fn new() -> Self {
        Self::of(testing::TestQueue::new())
    }

    /// A scene with a FIFO queue.
    pub(crate) fn fifo() -> Self {
        Self::of(testing::TestQueue::fifo())
    }

    /// A scene with a server that does not keep groups in order: it returns messages of a group in flight.
    pub(crate) fn loose_fifo() -> Self {
        let scene = testing::TestQueue::new();
        let queue = FaultyQueue::new(scene.queue()).described_as_fifo();
        Self::with(scene, queue)
    }

    fn of(scene: testing::TestQueue) -> Self {
        let queue = FaultyQueue::new(scene.queue());
        Self::with(scene, queue)
    }

    fn with(scene: testing::TestQueue, queue: FaultyQueue) -> Self {
        let queue = Arc::new(queue);
        let dlq = Arc::new(FaultyQueue::new(scene.dead_letter_queue()));
        Self { inner: scene.through(queue.clone()), queue, dlq, rejects: DeadLetters::default() }
    }

    /// Another worker on the same queues, with the same journal.
    pub(crate) fn other_worker(&self) -> Self {
        let other = Self::of(self.inner.clone());
        let dead_letters = match &self.rejects {
            DeadLetters::Open(_) => DeadLetters::Open(other.dlq.clone()),
            elsewhere => elsewhere.clone(),
        };
        other.dead_letters(dead_letters)
    }

    /// Moves messages to a dead-letter queue after this many receives, and copies rejected messages to it.
    pub(crate) fn max_receives(self, count: u32) -> Self {
        let dlq = self.dlq.clone();
        let scene = Self { inner: self.inner.max_receives(count), ..self };
        scene.dead_letters(DeadLetters::Open(dlq))
    }

    /// Sets the destination of rejected messages.
    pub(crate) fn dead_letters(self, dead_letters: DeadLetters) -> Self {
        Self { inner: self.inner.reject_to(dead_letters.clone()), rejects: dead_letters, ..self }
    }

    /// Changes the settings of the consumer.
    pub(crate) fn options(self, change: impl FnOnce(&mut ConsumerSettings)) -> Self {
        Self { inner: self.inner.options(change), ..self }
    }

    /// Sets the concurrency and the prefetch.
    pub(crate) fn permits(self, concurrency: usize, prefetch: usize) -> Self {
        self.options(|options| {
            options.concurrency = concurrency;
            options.prefetch = Prefetch::Fixed(prefetch);
        })
    }

    /// Sets the visibility of receives and extensions.
    pub(crate) fn visibility(self, visibility: Duration) -> Self {
        self.options(|options| {
            options.visibility = Span(visibility);
        })
    }

    /// Sets the drain limit.
    pub(crate) fn drain_limit(self, drain_limit: Duration) -> Self {
        Self { inner: self.inner.drain_limit(drain_limit), ..self }
    }

    /// Prepares messages between their receive and their call.
    pub(crate) fn prepared_by(self, preparation: &FakePreparation) -> Self {
        let preparation: Arc<dyn Preparation> = Arc::new(preparation.clone());
        let configure = move |consumer: Consumer| consumer.prepared_by(preparation.clone());
        Self { inner: self.inner.consumer(configure), ..self }
    }

    /// Takes the slots of calls from a pool.
    pub(crate) fn pool(self, pool: &Pool, weight: usize) -> Self {
        let pool = pool.clone();
        Self { inner: self.inner.consumer(move |consumer| consumer.pool(&pool, weight)), ..self }
    }

    /// Runs the messages of one key once.
    pub(crate) fn once(self, once: Once) -> Self {
        let configure = move |consumer: Consumer| consumer.once(once.clone());
        Self { inner: self.inner.consumer(configure), ..self }
    }

    /// Runs workers as a task of ECS that is protected after ten seconds of work.
    pub(crate) fn on_ecs(self, agent: &Arc<FakeAgent>) -> Self {
        self.protected_by(ecs::ProtectionPlan::with(agent.clone(), ecs::ProtectionTiming::default()))
    }

    /// Runs workers as a task of ECS that is protected by this plan.
    pub(crate) fn protected_by(self, plan: ecs::ProtectionPlan) -> Self {
        Self { inner: self.inner.protect(plan), ..self }
    }

    /// Runs workers that raise the desired count of a service by this plan.
    pub(crate) fn scaled_out_by(self, plan: ecs::ScaleOutPlan) -> Self {
        Self { inner: self.inner.scale_out(plan), ..self }
    }

    /// Sends one message to a group of a FIFO queue.
    pub(crate) fn send_to(&self, group: &str, body: impl Into<String>) -> MessageId {
        self.send(testing::message(body).group(group))
    }

    /// Sends one message.
    pub(crate) fn send_message(&self, message: OutgoingMessage) -> MessageId {
        self.send(message)
    }

    /// Sends messages of the bodies `0`, `1` and so on.
    pub(crate) fn send_many(&self, count: usize) -> Vec<MessageId> {
        (0..count).map(|number| self.send(number.to_string())).collect()
    }

    /// Starts a worker whose handler is this closure.
    pub(crate) fn start<F, A>(&self, function: F) -> Running
    where
        F: Fn(Arc<Message>, Context) -> A + Send + Sync + 'static,
        A: Future<Output = Outcome> + Send + 'static,
    {
        self.inner.start(handler::from_fn_with(function))
    }

    /// Starts a worker whose handler waits at the gate, and then returns this outcome.
    pub(crate) fn start_gated(&self, gate: &Gate, outcome: Outcome) -> Running {
        let gate = gate.clone();
        self.start(move |_, _| {
            let (gate, outcome) = (gate.clone(), outcome.clone());
            async move {
                gate.passed().await;
                outcome
            }
        })
    }

    /// Starts a worker whose batch handler is this closure.
    pub(crate) fn start_batches<F, A>(&self, function: F) -> Running
    where
        F: Fn(Batch, Context) -> A + Send + Sync + 'static,
        A: Future<Output = Outcomes> + Send + 'static,
    {
        self.inner.start(handler::batched(handler::from_batch_fn(function)))
    }

    /// Starts a worker with this handler.
    pub(crate) fn start_handler(&self, handler: impl Into<AnyHandler>) -> Running {
        self.inner.start(handler)
    }

    /// Another consumer of the queue.
    pub(crate) fn other_consumer(&self) -> OtherConsumer {
        OtherConsumer::new(&self.account, self.inner.queue().name())
    }

    /// Another consumer of the dead-letter queue.
    pub(crate) fn dlq_consumer(&self) -> OtherConsumer {
        OtherConsumer::new(&self.account, self.inner.dead_letter_queue().name())
    }

    /// Messages in the dead-letter queue.
    pub(crate) fn dead(&self) -> u64 {
        self.inner.dead_letters().len() as u64
    }

    /// Drops every message, from outside.
    pub(crate) fn purge(&self) {
        self.account.purge(self.inner.queue().name()).unwrap();
    }
}
