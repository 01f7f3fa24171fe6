//! One worker over one queue in memory, everything on the test's own paused clock.

use std::{future::Future, sync::Arc, time::Duration};

use longshore::{
    Consumer, Worker,
    app::{DeadLetters, Drained, WorkerError},
    handler::{self, AnyHandler, Batch, Context, Outcome, Outcomes},
    health::Health,
    message::{Message, MessageId, OutgoingMessage},
    pump::{Options, Prefetch},
    queue::{
        Description,
        memory::{Account, Names},
    },
    stop::Stop,
    tasks,
    telemetry::Metrics,
};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{faulty::FaultyQueue, journal::Journal, onlooker::Onlooker, secs};

/// The queue's name in metrics.
const NAME: &str = "orders";

/// A queue, the account it is in, and how a worker is to work it.
pub(crate) struct Scene {
    pub(crate) account: Account,
    pub(crate) queue: Arc<FaultyQueue>,
    /// The dead-letter queue, which is there once the queue has a redrive policy.
    pub(crate) dlq: Arc<FaultyQueue>,
    pub(crate) journal: Journal,
    kind: Kind,
    options: Options,
    dead_letters: DeadLetters,
    drain_limit: Duration,
}

/// The kind of the queue and of its dead-letter queue.
#[derive(Clone, Copy)]
enum Kind {
    Standard,
    Fifo,
}

impl Kind {
    fn queue(self) -> &'static str {
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
        let fifo = [("FifoQueue", "true"), ("ContentBasedDeduplication", "true")];
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        match self {
            Self::Standard => Names::new(),
            Self::Fifo => fifo.map(own).into(),
        }
    }
}

impl Scene {
    /// A standard queue without a redrive policy, worked with the default options and a drain limit of 110 s.
    pub(crate) fn new() -> Self {
        Self::of(Kind::Standard)
    }

    /// The same with a FIFO queue.
    pub(crate) fn fifo() -> Self {
        Self::of(Kind::Fifo)
    }

    fn of(kind: Kind) -> Self {
        let account = Account::default();
        account.create_queue(kind.queue(), &kind.attributes(), &Names::new()).unwrap();
        let queue = Arc::new(FaultyQueue::new(account.queue(kind.queue())));
        let dlq = Arc::new(FaultyQueue::new(account.queue(kind.dead_letters())));
        let (journal, options, dead_letters) = Default::default();
        Self { account, queue, dlq, journal, kind, options, dead_letters, drain_limit: secs(110) }
    }

    /// Another worker's view of the same queues, noted in the same journal.
    pub(crate) fn twin(&self) -> Self {
        let faulty = |name| Arc::new(FaultyQueue::new(self.account.queue(name)));
        let dlq = faulty(self.kind.dead_letters());
        let dead_letters = match &self.dead_letters {
            DeadLetters::Open(_) => DeadLetters::Open(dlq.clone()),
            elsewhere => elsewhere.clone(),
        };
        Self {
            account: self.account.clone(),
            queue: faulty(self.kind.queue()),
            dlq,
            journal: self.journal.clone(),
            options: self.options.clone(),
            dead_letters,
            ..*self
        }
    }

    /// Moves messages to a dead-letter queue after so many receives, and copies there what is rejected.
    pub(crate) fn max_receives(self, count: u32) -> Self {
        self.account.create_queue(self.kind.dead_letters(), &self.kind.attributes(), &Names::new()).unwrap();
        let arn = self.account.arn(self.kind.dead_letters()).unwrap();
        let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{count}}}"#);
        let attributes = Names::from([("RedrivePolicy".to_owned(), policy)]);
        self.account.set_attributes(self.kind.queue(), &attributes).unwrap();
        let dlq = self.dlq.clone();
        self.dead_letters(DeadLetters::Open(dlq))
    }

    /// Says where rejected messages go.
    pub(crate) fn dead_letters(self, dead_letters: DeadLetters) -> Self {
        Self { dead_letters, ..self }
    }

    /// Changes how the queue is worked.
    pub(crate) fn options(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }

    /// Runs so many handlers at once and holds so many messages beyond them.
    pub(crate) fn room(self, concurrency: usize, prefetch: usize) -> Self {
        self.options(|options| {
            options.concurrency = concurrency;
            options.prefetch = Prefetch::Fixed(prefetch);
        })
    }

    /// Sets the visibility of receives and extensions.
    pub(crate) fn visibility(self, visibility: Duration) -> Self {
        self.options(|options| {
            options.visibility = visibility;
            options.visibility_max = visibility;
        })
    }

    /// Sets how long a drain waits for running handlers.
    pub(crate) fn drain_limit(self, drain_limit: Duration) -> Self {
        Self { drain_limit, ..self }
    }

    /// Sends one message.
    pub(crate) fn send(&self, body: impl Into<String>) -> MessageId {
        self.send_message(OutgoingMessage::new(body))
    }

    /// Sends one message to a group of a FIFO queue.
    pub(crate) fn send_to(&self, group: &str, body: impl Into<String>) -> MessageId {
        let group_id = Some(group.to_owned());
        self.send_message(OutgoingMessage { group_id, ..OutgoingMessage::new(body) })
    }

    /// Sends one message with whatever comes with it.
    pub(crate) fn send_message(&self, message: OutgoingMessage) -> MessageId {
        self.account.send(self.kind.queue(), message).unwrap().id
    }

    /// Sends messages of the bodies `0`, `1` and so on.
    pub(crate) fn send_many(&self, count: usize) -> Vec<MessageId> {
        (0..count).map(|number| self.send(number.to_string())).collect()
    }

    /// Starts a worker whose handler is this closure, noted in the journal.
    pub(crate) fn start<F, A>(&self, function: F) -> Running
    where
        F: Fn(Arc<Message>, Context) -> A + Send + Sync + 'static,
        A: Future<Output = Outcome> + Send + 'static,
    {
        self.start_handler(self.journal.noting(function))
    }

    /// Starts a worker whose batch handler is this closure, each message noted in the journal.
    pub(crate) fn start_batches<F, A>(&self, function: F) -> Running
    where
        F: Fn(Batch, Context) -> A + Send + Sync + 'static,
        A: Future<Output = Outcomes> + Send + 'static,
    {
        self.start_handler(handler::batched(self.journal.noting_batches(function)))
    }

    /// Starts a worker with this handler.
    pub(crate) fn start_handler(&self, handler: impl Into<AnyHandler>) -> Running {
        self.run(handler, Worker::run_here)
    }

    /// Starts a worker with this handler here and everything else on a thread of its own, on the wall clock.
    pub(crate) fn start_apart(&self, handler: impl Into<AnyHandler>) -> Running {
        self.run(handler, Worker::run_until)
    }

    fn run<F>(&self, handler: impl Into<AnyHandler>, run: impl Fn(Worker, Stop) -> F) -> Running
    where
        F: Future<Output = Result<Drained, WorkerError>> + Send + 'static,
    {
        let consumer = Consumer::of(NAME, self.queue.clone(), handler)
            .dead_letters(self.dead_letters.clone())
            .options(self.options.clone());
        let worker = Worker::new().consumer(consumer).drain_limit(self.drain_limit);
        let (metrics, health) = (worker.metrics(), worker.health());
        let stop = Stop::new();
        let ended = tasks::detach("worker", run(worker, stop.clone()));
        Running { stop, metrics, health, ended }
    }

    /// Another consumer of the queue.
    pub(crate) fn onlooker(&self) -> Onlooker {
        Onlooker::new(&self.account, self.kind.queue())
    }

    /// Another consumer of the dead-letter queue.
    pub(crate) fn undertaker(&self) -> Onlooker {
        Onlooker::new(&self.account, self.kind.dead_letters())
    }

    /// What the queue says of itself.
    pub(crate) fn described(&self) -> Description {
        self.account.describe(self.kind.queue()).unwrap()
    }

    /// Messages in the dead-letter queue.
    pub(crate) fn dead(&self) -> u64 {
        self.account.describe(self.kind.dead_letters()).unwrap().visible
    }

    /// Drops every message, from outside.
    pub(crate) fn purge(&self) {
        self.account.purge(self.kind.queue()).unwrap();
    }

    /// Waits until the queue holds no message at all.
    pub(crate) async fn emptied(&self) {
        let empty = async {
            while self.total() > 0 {
                sleep(Duration::from_millis(50)).await;
            }
        };
        let emptied = timeout(secs(86_400), empty).await.is_ok();
        assert!(emptied, "the queue should be empty within a day: {:?}", self.described());
    }

    fn total(&self) -> u64 {
        let Description { visible, in_flight, delayed, .. } = self.described();
        visible + in_flight + delayed
    }
}

/// A worker at work.
pub(crate) struct Running {
    pub(crate) stop: Stop,
    pub(crate) metrics: Metrics,
    pub(crate) health: Health,
    ended: JoinHandle<Result<Drained, WorkerError>>,
}

impl Running {
    /// Asks for the orderly stop and waits for its end.
    pub(crate) async fn drain(self) -> Drained {
        self.stop.drain();
        self.ended().await
    }

    /// Waits for the worker's end, a stop having been asked for.
    pub(crate) async fn ended(self) -> Drained {
        let ended = timeout(secs(86_400), self.ended).await;
        ended.unwrap_or_else(|_| panic!("the worker does not end")).unwrap().unwrap()
    }

    /// Whether the worker has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.is_finished()
    }

    /// The value of a metric that has no label but the queue, by its name.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let (text, start) = (self.metrics.text(), format!("{name}{{queue=\"{NAME}\"}} "));
        let found = text.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok());
        found.unwrap_or_else(|| panic!("no metric {name}"))
    }
}
