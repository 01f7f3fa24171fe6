//! A queue in memory, and a worker on it.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{Journal, Running, patience::patiently};
use crate::{
    consumer::ConsumerSettings,
    ecs,
    handler::AnyHandler,
    message::{MessageId, OutgoingMessage},
    queue::{
        Description, Queue,
        memory::{Account, Content, Fault, MemoryQueue, Names},
    },
    stop::{self, Stop},
    tasks,
    worker::{Consumer, DeadLetters, Drained, Worker, WorkerError},
};

/// The queue's configured name, in logs and metrics.
const NAME: &str = "orders";
/// How soon a fact is looked for again that nobody announces, at first and after hours of waiting.
const LOOKS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// A queue in memory, called `orders` (`orders.fifo`), and how a worker is to work it.
///
/// The queue keeps the semantics of SQS, and its time is tokio's. One scene may have several workers, one after
/// another or at once.
#[derive(Clone)]
pub struct Scene {
    /// The account of SQS that the queue is in.
    pub account: Account,
    /// The runs of every handler started here.
    pub journal: Journal,
    kind: Kind,
    queue: Arc<dyn Queue>,
    options: ConsumerSettings,
    rejects: DeadLetters,
    drain_limit: Duration,
    protection: Option<ecs::ProtectionPlan>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Standard,
    Fifo,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Standard => "orders",
            Self::Fifo => "orders.fifo",
        }
    }

    fn dead_letters(self) -> &'static str {
        match self {
            Self::Standard => "orders-dlq",
            Self::Fifo => "orders-dlq.fifo",
        }
    }

    fn attributes(self) -> Names {
        let set = ["FifoQueue", "ContentBasedDeduplication"].map(|name| (name.to_owned(), "true".to_owned()));
        match self {
            Self::Standard => Names::new(),
            Self::Fifo => Names::from(set),
        }
    }
}

impl fmt::Debug for Scene {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Scene").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Default for Scene {
    fn default() -> Self {
        Self::new()
    }
}

impl Scene {
    /// A standard queue without a redrive policy, worked with the default options.
    pub fn new() -> Self {
        Self::of(Kind::Standard)
    }

    /// The same with a FIFO queue that takes equal bodies for duplicates, within five minutes.
    pub fn fifo() -> Self {
        Self::of(Kind::Fifo)
    }

    fn of(kind: Kind) -> Self {
        let account = Account::default();
        taken(account.create_queue(kind.name(), &kind.attributes(), &Names::new()));
        Self {
            queue: Arc::new(account.queue(kind.name())),
            account,
            journal: Journal::default(),
            kind,
            options: ConsumerSettings::default(),
            rejects: DeadLetters::default(),
            drain_limit: stop::Settings::USUAL,
            protection: None,
        }
    }

    /// Moves messages to a dead-letter queue after so many receives, and copies there what is rejected.
    #[must_use]
    pub fn max_receives(self, count: u32) -> Self {
        let dead_letters = self.kind.dead_letters();
        taken(self.account.create_queue(dead_letters, &self.kind.attributes(), &Names::new()));
        let arn = taken(self.account.arn(dead_letters));
        let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{count}}}"#);
        let attributes = Names::from([("RedrivePolicy".to_owned(), policy)]);
        taken(self.account.set_attributes(self.kind.name(), &attributes));
        let dead_letters = Arc::new(self.dead_letter_queue());
        self.reject_to(DeadLetters::Open(dead_letters))
    }

    /// Says where rejected messages go; without a dead-letter queue a reject is a retry.
    #[must_use]
    pub fn reject_to(self, rejects: DeadLetters) -> Self {
        Self { rejects, ..self }
    }

    /// Changes how the queue is worked: concurrency, batches, visibility, retries and the rest.
    ///
    /// ```
    /// let scene = longshore::testing::Scene::new().options(|options| options.concurrency = 1);
    /// # let _ = scene;
    /// ```
    #[must_use]
    pub fn options(mut self, change: impl FnOnce(&mut ConsumerSettings)) -> Self {
        change(&mut self.options);
        self
    }

    /// Sets how long a stop may take (110 s).
    #[must_use]
    pub fn drain_limit(self, drain_limit: Duration) -> Self {
        Self { drain_limit, ..self }
    }

    /// Lets workers run as a task of ECS, with an agent of your own.
    #[must_use]
    pub fn protect(self, plan: ecs::ProtectionPlan) -> Self {
        Self { protection: Some(plan), ..self }
    }

    /// Lets workers reach the queue through something of your own, such as one that fails now and then.
    #[must_use]
    pub fn through(self, queue: Arc<dyn Queue>) -> Self {
        Self { queue, ..self }
    }

    /// The queue itself.
    pub fn queue(&self) -> MemoryQueue {
        self.account.queue(self.kind.name())
    }

    /// The dead-letter queue, of which there is one after [`max_receives`](Self::max_receives).
    pub fn dead_letter_queue(&self) -> MemoryQueue {
        self.account.queue(self.kind.dead_letters())
    }

    /// Sends a message: a body, or a [`message`](super::message) with attributes and a group.
    pub fn send(&self, message: impl Into<OutgoingMessage>) -> MessageId {
        taken(self.account.send(self.kind.name(), message.into())).id
    }

    /// Starts a worker with this handler, everything on the current runtime and its clock.
    pub fn start(&self, handler: impl Into<AnyHandler>) -> Running {
        self.run(handler, Worker::run_here)
    }

    /// Starts a worker with its handler on the current runtime and everything else on a thread of its own, as in a
    /// real one; a clock that is paused here goes on there.
    pub fn start_apart(&self, handler: impl Into<AnyHandler>) -> Running {
        self.run(handler, Worker::run_until)
    }

    fn run<F>(&self, handler: impl Into<AnyHandler>, run: impl Fn(Worker, Stop) -> F) -> Running
    where
        F: Future<Output = Result<Drained, WorkerError>> + Send + 'static,
    {
        let handler = self.journal.noting(handler);
        let consumer = Consumer::of(NAME, self.queue.clone(), handler)
            .dead_letters(self.rejects.clone())
            .settings(self.options.clone());
        let worker = Worker::new().consumer(consumer).drain_limit(self.drain_limit);
        let worker = match self.protection.clone() {
            Some(plan) => worker.protect(plan),
            None => worker,
        };
        let (metrics, health, stop) = (worker.metrics(), worker.health(), Stop::new());
        let ended = tasks::detach("worker", run(worker, stop.clone()));
        Running { stop, metrics, health, queue: NAME, ended }
    }

    /// Waits until the queue holds no message at all: each one is deleted, or a dead letter.
    pub async fn emptied(&self) {
        let began = Instant::now();
        let empty = async {
            while self.total() > 0 {
                sleep((began.elapsed() / 100).clamp(LOOKS.0, LOOKS.1)).await;
            }
        };
        let emptied = patiently(empty).await.is_some();
        assert!(emptied, "the queue should be empty: {:?}", self.described());
    }

    fn total(&self) -> u64 {
        let Description { visible, in_flight, delayed, .. } = self.described();
        visible + in_flight + delayed
    }

    /// What the queue says of itself: messages visible, in flight and delayed.
    pub fn described(&self) -> Description {
        taken(self.account.describe(self.kind.name()))
    }

    /// Every message in the dead-letter queue, of which there is one after [`max_receives`](Self::max_receives).
    pub fn dead_letters(&self) -> Vec<Arc<Content>> {
        taken(self.account.messages(self.kind.dead_letters()))
    }
}

fn taken<T>(answer: Result<T, Fault>) -> T {
    answer.unwrap_or_else(|fault| panic!("the queue in memory refused: {fault}"))
}
