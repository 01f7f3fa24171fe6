//! A worker with a function on a queue in memory, and the journal of the function's runs.

use longshore::queue::EmulatorQueue;
use longshore_emulator::{SqsAccount, StringMap};
use std::{
    collections::BTreeSet, fs::OpenOptions, io::Write as _, num::NonZeroUsize, sync::Arc, time::Duration,
};

use longshore::{
    Consumer, Worker,
    backoff::{Backoff, Jitter},
    consumer::ConsumerSettings,
    duration::Span,
    handler::{
        Source,
        lambda::{LambdaHandler, Settings},
    },
    health::Health,
    message::OutgoingMessage,
    stop::Stop,
    tasks,
    telemetry::Metrics,
    worker::{Drained, WorkerControl, WorkerError},
};
use tempfile::TempDir;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

const QUEUE: &str = "orders";

/// A header of X-Ray's with 100 KB in it, which no runtime's client can read.
pub(crate) fn huge_trace_header() -> String {
    format!("Root=1-5759e988-bd862e3fe1be46a994272793;Lineage={}", "x".repeat(100_000))
}

/// The longest wait for a condition before its test fails.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// The interval of checks of a condition.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// A queue, the settings of its worker, and the journal of the functions.
pub(crate) struct Scene {
    pub(crate) account: SqsAccount,
    pub(crate) folder: TempDir,
    options: ConsumerSettings,
    drain_limit: Duration,
}

/// One run of a function by its line of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) body: String,
    pub(crate) receive_count: u32,
    pub(crate) process: u32,
}

impl Scene {
    /// A queue with retries without delay and a concurrency of one message in one process.
    pub(crate) fn new() -> Self {
        let account = SqsAccount::default();
        account.create_queue(QUEUE, &StringMap::new(), &StringMap::new()).unwrap();
        let retry =
            Backoff { initial: Duration::ZERO, factor: 1.0, max: Duration::ZERO, jitter: Jitter::None };
        let options = ConsumerSettings { concurrency: 1, retry, ..ConsumerSettings::default() };
        Self { account, folder: tempfile::tempdir().unwrap(), options, drain_limit: Duration::from_secs(20) }
    }

    /// Changes the settings of the consumer.
    pub(crate) fn options(mut self, change: impl FnOnce(&mut ConsumerSettings)) -> Self {
        change(&mut self.options);
        self
    }

    /// Sets the most messages of one event.
    pub(crate) fn batches_of(self, size: usize) -> Self {
        self.options(|options| {
            (options.batch.size, options.batch.window) = (size, Span::secs(1));
        })
    }

    /// Sets the drain limit.
    pub(crate) fn drain_limit(self, drain_limit: Duration) -> Self {
        Self { drain_limit, ..self }
    }

    pub(crate) fn send(&self, body: &str) -> String {
        self.account.send(QUEUE, OutgoingMessage::new(body)).unwrap().id.to_string()
    }

    /// Sends a message with this `AWSTraceHeader`.
    pub(crate) fn send_traced(&self, body: &str, header: String) {
        let message = OutgoingMessage { trace_header: Some(header), ..OutgoingMessage::new(body) };
        self.account.send(QUEUE, message).unwrap();
    }

    /// Sends a message for each of these bodies.
    pub(crate) fn send_all(&self, bodies: impl IntoIterator<Item: AsRef<str>>) {
        for body in bodies {
            self.send(body.as_ref());
        }
    }

    /// Starts a worker whose handler is this function.
    pub(crate) fn start(&self, settings: Settings) -> Running {
        self.run(settings, Worker::run_until)
    }

    /// Starts a worker that finds its handler down, which must not receive a message; returns the reason.
    pub(crate) async fn unready_reason(&self, settings: Settings) -> String {
        self.send("honest");
        let running = self.start(settings);
        until("the handler is down", || running.unready_reasons().contains("handler is down")).await;
        let reason = running.unready_reasons();
        assert_eq!((self.visible(), self.runs()), (1, Vec::new()), "no receive may be spent");
        running.drain().await;
        reason
    }

    /// The same with everything on this thread, whose log is recorded.
    pub(crate) fn start_here(&self, settings: Settings) -> Running {
        self.run(settings, Worker::run_here)
    }

    fn run<F>(&self, mut settings: Settings, run: impl Fn(Worker, Stop) -> F) -> Running
    where
        F: Future<Output = Result<Drained, WorkerError>> + Send + 'static,
    {
        if !settings.command.is_empty() {
            let journal = self.folder.path().join("journal").display().to_string();
            settings.env.insert("JOURNAL".to_owned(), journal);
        }
        let processes = NonZeroUsize::new(self.options.concurrency).unwrap();
        let lambda = LambdaHandler::new(&settings, QUEUE, Source::of_arn(QUEUE), processes).unwrap();
        let queue = Arc::new(EmulatorQueue::new(&self.account, QUEUE));
        let consumer = Consumer::of(QUEUE, queue, lambda).settings(self.options.clone());
        let worker = Worker::new().consumer(consumer).drain_limit(self.drain_limit);
        let (stop, health, metrics) = (Stop::new(), worker.health(), worker.metrics());
        let control = worker.control();
        let ended = tasks::detach("worker", run(worker, stop.clone()));
        Running { stop, health, metrics, control, ended }
    }

    /// Adds a line to the journal, which the functions also read.
    pub(crate) fn note(&self, line: &str) {
        let journal = OpenOptions::new().append(true).open(self.folder.path().join("journal"));
        journal.unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Every line of the journal so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join("journal")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The statuses that the host returned to these requests, in their order.
    pub(crate) fn statuses(&self, request: &str) -> Vec<u16> {
        let start = format!("> {request} ");
        let lines = self.lines();
        lines.iter().filter_map(|line| line.strip_prefix(&start)?.parse().ok()).collect()
    }

    /// Every run so far.
    pub(crate) fn runs(&self) -> Vec<Run> {
        self.lines().iter().filter_map(|line| run(line)).collect()
    }

    /// The receive counts of the runs of a message.
    pub(crate) fn runs_of(&self, body: &str) -> Vec<u32> {
        self.runs().iter().filter(|run| run.body == body).map(|run| run.receive_count).collect()
    }

    /// The processes that ran anything.
    pub(crate) fn processes(&self) -> BTreeSet<u32> {
        self.runs().iter().map(|run| run.process).collect()
    }

    /// Waits until the queue is empty.
    pub(crate) async fn emptied(&self) {
        until("the queue is empty", || self.held() == 0).await;
    }

    /// The number of messages in the queue, in any state.
    pub(crate) fn held(&self) -> u64 {
        let description = self.account.snapshot(QUEUE).unwrap();
        description.visible + description.in_flight + description.delayed
    }

    /// The number of visible messages in the queue.
    pub(crate) fn visible(&self) -> u64 {
        self.account.snapshot(QUEUE).unwrap().visible
    }
}

fn run(line: &str) -> Option<Run> {
    let mut fields = line.split(' ');
    let (body, count, process) = (fields.next()?, fields.next()?, fields.next()?);
    Some(Run { body: body.to_owned(), receive_count: count.parse().ok()?, process: process.parse().ok()? })
}

/// A running worker.
pub(crate) struct Running {
    pub(crate) stop: Stop,
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
    pub(crate) control: WorkerControl,
    ended: JoinHandle<Result<Drained, WorkerError>>,
}

impl Running {
    /// Drains the worker and waits for its end.
    pub(crate) async fn drain(self) -> Drained {
        self.stop.drain();
        timeout(PATIENCE, self.ended).await.expect("the worker ends").unwrap().unwrap()
    }

    /// The reasons why the worker is not ready, if it is not.
    pub(crate) fn unready_reasons(&self) -> String {
        format!("{:?}", self.health.unready())
    }
}

/// Waits until a condition is true.
pub(crate) async fn until(condition: &str, mut is_true: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_true() {
        assert!(began.elapsed() < PATIENCE, "still not true after {PATIENCE:?}: {condition}");
        sleep(CHECK_INTERVAL).await;
    }
}

/// True if a process runs; one that has ended and was not reaped does not.
pub(crate) fn is_alive(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}
