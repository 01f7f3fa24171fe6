//! Runs a world: workers over one store on a paused clock, which crash, drain and stand still as planned.

use std::{future::pending, sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _, join_all};
use longshore::{
    backoff::{Backoff, Jitter},
    consumer::{BatchSettings, ConsumerSettings, Groups, Prefetch},
    duration::{Limit, Span},
    handler::{self, AnyHandler, BadBody, Batch, CallWrapper, Context, Outcome, Outcomes},
    health::Health,
    message::{Message, OutgoingMessage},
    queue::EmulatorQueue,
    stop::Stop,
    tasks,
    telemetry::Metrics,
    worker::{Consumer, DeadLetters, Drained, Worker, WorkerError},
};
use longshore_emulator::{SqsAccount, StringMap};
use tokio::{
    task::JoinHandle,
    time::{sleep, sleep_until},
};

use super::{
    agent::protection,
    network::{Sky, Wire, number_of},
    plan::{FailureMode, Incident, OutageKind, World},
    record::{Fact, Received, Record, RunEnd, Shown},
};
use crate::support::secs;

/// The time after the last fault within which every message must be done or dead.
const PATIENCE: Duration = Duration::from_hours(2);
/// The time between two looks at what a worker shows.
const LOOKS_EVERY: Duration = Duration::from_secs(10);
const RETRY: Backoff = Backoff {
    initial: Duration::from_secs(1),
    factor: 2.0,
    max: Duration::from_secs(8),
    jitter: Jitter::Half,
};

/// Runs the world of a seed from its beginning to its end.
pub(super) fn simulate(seed: u64) -> Record {
    fastrand::seed(seed);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async move { Simulation::new(World::of(seed)).run().await })
}

/// One worker process.
struct Process {
    wire: Wire,
    stop: Stop,
    ended: JoinHandle<Result<Drained, WorkerError>>,
}

struct Simulation {
    sky: Arc<Sky>,
    account: SqsAccount,
    /// The process of each slot, unless it is down.
    slots: Vec<Option<Process>>,
    /// The times at which empty slots start again.
    starts: Vec<(tokio::time::Instant, usize)>,
    started: usize,
}

impl Simulation {
    fn new(world: World) -> Self {
        let account = SqsAccount::default();
        create_queues(&account, &world);
        let slots = (0..world.workers).map(|_| None).collect();
        Self { sky: Arc::new(Sky::new(world)), account, slots, starts: Vec::new(), started: 0 }
    }

    async fn run(mut self) -> Record {
        let sent = self.send_messages();
        for slot in 0..self.slots.len() {
            self.start(slot);
        }
        for (at, incident) in self.sky.world.incidents.clone() {
            self.start_until(at).await;
            self.happen(incident).await;
        }
        self.start_until(self.sky.world.calm_at).await;
        self.sky.calm();
        self.note(Fact::Calm);
        for (_, slot) in std::mem::take(&mut self.starts) {
            self.start(slot);
        }
        sent.await.unwrap();
        self.emptied().await;
        for slot in 0..self.slots.len() {
            self.drain(slot).await;
        }
        self.record()
    }

    /// Waits until this time, and starts what is to start again before.
    async fn start_until(&mut self, at: Duration) {
        let end = self.sky.recorder.at(at);
        self.starts.sort();
        while let Some((time, slot)) = self.starts.first().copied().filter(|(time, _)| *time <= end) {
            sleep_until(time).await;
            self.starts.remove(0);
            self.start(slot);
        }
        sleep_until(end).await;
    }

    async fn happen(&mut self, incident: Incident) {
        match incident {
            Incident::Crash { slot, down } => self.crash(slot, down),
            Incident::Restart { slot } => {
                if self.drain(slot).await {
                    self.start(slot);
                }
            }
            Incident::Freeze(lasts) => {
                tokio::time::advance(lasts).await;
                self.note(Fact::Frozen(lasts));
            }
            Incident::Outage(lasts) => self.sky.outage(lasts),
            Incident::Policy(most) => {
                set_policy(&self.account, &self.sky.world, most);
                self.note(Fact::Policy(most));
            }
        }
    }

    fn note(&self, fact: Fact) {
        self.sky.recorder.note(usize::MAX, fact);
    }

    fn start(&mut self, slot: usize) {
        let world = &self.sky.world;
        let worker = self.started;
        self.started += 1;
        let seed = world.seed.wrapping_mul(1_000).wrapping_add(worker as u64);
        let wire = Wire::new(&self.sky, worker, EmulatorQueue::new(&self.account, queue_name(world)), seed);
        wire.note(Fact::Started);
        let dlq = wire.to(EmulatorQueue::new(&self.account, dlq_name(world)));
        let rejects = match world.queue.max_receives {
            Some(_) => DeadLetters::Open(Arc::new(dlq)),
            None => DeadLetters::default(),
        };
        let consumer = Consumer::of("orders", Arc::new(wire.clone()), handler_of(&wire))
            .dead_letters(rejects)
            .settings(settings(world));
        let stop = Stop::new();
        let mut process = Worker::new().consumer(consumer).drain_limit(world.worker.drain_limit);
        if let Some(ecs) = world.ecs {
            process = process.protect(protection(&wire, ecs, seed));
        }
        tasks::detach("onlooker", look(wire.clone(), process.health(), process.metrics()));
        let ended = tasks::detach("worker", process.run_here(stop.clone()));
        self.slots[slot] = Some(Process { wire, stop, ended });
    }

    /// Kills the worker: from now on nothing of it reaches the queue, and nothing of its handlers counts.
    fn crash(&mut self, slot: usize, down: Duration) {
        let Some(Process { wire, stop, .. }) = self.slots[slot].take() else { return };
        wire.note(Fact::Crashed);
        wire.cut();
        stop.halt();
        self.starts.push((tokio::time::Instant::now() + down, slot));
    }

    /// Drains the worker of a slot; false if there is none.
    async fn drain(&mut self, slot: usize) -> bool {
        let Some(Process { wire, stop, ended }) = self.slots[slot].take() else { return false };
        wire.note(Fact::DrainBegan);
        stop.drain();
        let drained = tokio::time::timeout(secs(24 * 60 * 60), ended).await;
        let drained = drained.expect("a drain ends").expect("no worker panics").expect("no worker fails");
        wire.note(Fact::Drained(drained));
        wire.cut();
        true
    }

    /// Sends each message at its time.
    fn send_messages(&self) -> JoinHandle<()> {
        let world = &self.sky.world;
        let mut later = Vec::new();
        for (number, message) in world.messages.iter().enumerate() {
            let body = if message.failure == FailureMode::BadBody {
                format!("bad {number}")
            } else {
                number.to_string()
            };
            let mut outgoing = OutgoingMessage::new(body);
            if world.queue.fifo {
                outgoing.group_id = Some(message.group.to_string());
            }
            later.push((message.sent_at, outgoing));
        }
        // In a FIFO group the numbers are in the order of sending.
        if world.queue.fifo {
            let mut times: Vec<_> = later.iter().map(|(at, _)| *at).collect();
            times.sort();
            later = times.into_iter().zip(later.into_iter().map(|(_, message)| message)).collect();
        } else {
            later.sort_by_key(|(at, _)| *at);
        }
        let (account, name, recorder) = (self.account.clone(), queue_name(world), self.sky.recorder.clone());
        tasks::detach("producer", async move {
            for (at, message) in later {
                sleep_until(recorder.at(at)).await;
                account.send(name, message).unwrap();
            }
        })
    }

    /// Waits until the queue is empty, or no longer.
    async fn emptied(&self) {
        let began = tokio::time::Instant::now();
        while self.left() > 0 && began.elapsed() < PATIENCE && !self.sky.is_hot() {
            sleep((began.elapsed() / 100).clamp(Duration::from_millis(200), secs(5))).await;
        }
    }

    fn left(&self) -> u64 {
        let queue = self.account.snapshot(queue_name(&self.sky.world)).unwrap();
        queue.visible + queue.in_flight + queue.delayed
    }

    fn record(&self) -> Record {
        let world = self.sky.world.clone();
        let dead = match world.queue.max_receives {
            Some(_) => self.account.messages(dlq_name(&world)).unwrap(),
            None => Vec::new(),
        };
        let dead = dead.iter().map(|message| number_of(&message.body)).collect();
        let is_hot = self.sky.is_hot();
        Record { world, events: self.sky.recorder.events(), dead, left: self.left(), is_hot }
    }
}

fn queue_name(world: &World) -> &'static str {
    if world.queue.fifo { "orders.fifo" } else { "orders" }
}

fn dlq_name(world: &World) -> &'static str {
    if world.queue.fifo { "dlq.fifo" } else { "dlq" }
}

fn create_queues(account: &SqsAccount, world: &World) {
    let set = ["FifoQueue", "ContentBasedDeduplication"].map(|name| (name.to_owned(), "true".to_owned()));
    let attributes = if world.queue.fifo { StringMap::from(set) } else { StringMap::new() };
    account.create_queue(queue_name(world), &attributes, &StringMap::new()).unwrap();
    if let Some(most) = world.queue.max_receives {
        account.create_queue(dlq_name(world), &attributes, &StringMap::new()).unwrap();
        set_policy(account, world, most);
    }
}

fn set_policy(account: &SqsAccount, world: &World, most: u32) {
    let arn = account.arn(dlq_name(world)).unwrap();
    let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{most}}}"#);
    account
        .set_attributes(queue_name(world), &StringMap::from([("RedrivePolicy".to_owned(), policy)]))
        .unwrap();
}

fn settings(world: &World) -> ConsumerSettings {
    let plan = &world.worker;
    ConsumerSettings {
        concurrency: plan.concurrency,
        prefetch: plan.prefetch.map_or(Prefetch::Auto, Prefetch::Fixed),
        visibility: Span(plan.visibility),
        timeout: Limit::After(plan.timeout),
        retry: RETRY,
        batch: BatchSettings {
            size: plan.batch,
            window: Span::secs(plan.window),
            groups: if plan.one_group { Groups::One } else { Groups::Several },
            ..BatchSettings::default()
        },
        ..ConsumerSettings::default()
    }
}

/// Notes every few seconds what a worker shows of itself.
async fn look(wire: Wire, health: Health, metrics: Metrics) {
    while !wire.is_cut() && !wire.sky.is_hot() {
        sleep(LOOKS_EVERY).await;
        let fails_to_settle = health.unready().contains_key("orders settle");
        wire.note(Fact::Shown(Shown { fails_to_settle, oldest_running: oldest_running(&metrics) }));
    }
}

/// The age of the oldest call that runs, by the metrics.
fn oldest_running(metrics: &Metrics) -> Duration {
    let text = metrics.text();
    let sample = "longshore_oldest_running_seconds{queue=\"orders\"} ";
    let age = text.lines().find_map(|line| line.strip_prefix(sample)?.parse().ok());
    age.map_or(Duration::ZERO, Duration::from_secs_f64)
}

/// The handler of a worker, whose runs are recorded.
fn handler_of(wire: &Wire) -> AnyHandler {
    let world = &wire.sky.world;
    let sky = wire.sky.clone();
    let handler: AnyHandler = if world.worker.batch == 1 {
        let bad = if world.worker.rejects_bad_bodies { BadBody::Reject } else { BadBody::Retry };
        let work = move |number: usize, message: Arc<Message>, context: Context| {
            let sky = sky.clone();
            async move { work(&sky, number, message.receive_count, context).await }
        };
        handler::from_json_with(work).on_bad_body(bad).into()
    } else {
        let work = move |batch: Batch, context: Context| {
            let sky = sky.clone();
            async move { work_on_batch(&sky, batch, context).await }
        };
        handler::batched(handler::from_batch_fn(work))
    };
    let (takes, wire) = (handler.takes(), wire.clone());
    handler.wrapped(takes, |inner| RecordedHandler { wire, inner })
}

async fn work(sky: &Sky, number: usize, receive_count: u32, context: Context) -> Outcome {
    let plan = sky.world.messages[number];
    if let Some(outage) = sky.world.outage.filter(|outage| outage.is_on(sky.recorder.now())) {
        sleep(Duration::from_millis(50)).await;
        return match outage.kind {
            OutageKind::Unavailable => Outcome::unavailable("planned"),
            OutageKind::ShortOfResources => Outcome::ShortOfResources("planned".to_owned()),
        };
    }
    let lasts = async {
        if plan.ignores_cancellation {
            sleep(plan.lasts).await;
            return false;
        }
        tokio::select! {
            biased;
            () = context.cancelled() => true,
            () = sleep(plan.lasts) => false,
        }
    };
    if lasts.await {
        return Outcome::Retry("cancelled".to_owned());
    }
    let reason = || "planned".to_owned();
    match plan.failure_at(receive_count) {
        None => Outcome::Done,
        Some(FailureMode::Retries) => Outcome::Retry(reason()),
        Some(FailureMode::RetriesIn(seconds)) => Outcome::RetryIn(secs(seconds), reason()),
        Some(FailureMode::Rejects | FailureMode::BadBody) => Outcome::Reject(reason()),
        Some(FailureMode::Panics) => panic!("planned"),
        Some(FailureMode::Hangs) => pending().await,
        Some(FailureMode::IsDown) => Outcome::Down(reason()),
    }
}

/// Works on all messages of a batch at once; those that fail as a whole do so for all of it.
async fn work_on_batch(sky: &Sky, batch: Batch, context: Context) -> Outcomes {
    let works = batch
        .messages()
        .map(|message| work(sky, number_of(&message.body), message.receive_count, context.clone()));
    let outcomes = join_all(works).await;
    match outcomes.iter().find(|outcome| matches!(outcome, Outcome::Down(_))) {
        Some(down) => Outcomes::All(down.clone()),
        None => Outcomes::Each(outcomes),
    }
}

struct RecordedHandler {
    wire: Wire,
    inner: AnyHandler,
}

/// One call; dropped, it records the ends of its messages.
struct RecordedCall {
    wire: Wire,
    run: usize,
    ends: Vec<(Received, RunEnd)>,
}

impl Drop for RecordedCall {
    fn drop(&mut self) {
        for (received, end) in &self.ends {
            self.wire.note(Fact::Ended { run: self.run, received: *received, end: *end });
        }
    }
}

impl CallWrapper for RecordedHandler {
    fn call(&self, batch: Batch, context: Context) -> BoxFuture<'_, Outcomes> {
        async move {
            let received = |message: &Arc<Message>| Received {
                number: number_of(&message.body),
                count: message.receive_count,
            };
            let run = self.wire.next_run();
            let mut call = RecordedCall { wire: self.wire.clone(), run, ends: Vec::new() };
            for received in batch.messages().map(received) {
                self.wire.note(Fact::Began { run, received });
                call.ends.push((received, RunEnd::Cut));
            }
            let outcomes = self.inner.call(batch, context).await.spread(call.ends.len());
            for ((_, end), outcome) in call.ends.iter_mut().zip(&outcomes) {
                *end = end_of(outcome);
            }
            Outcomes::Each(outcomes)
        }
        .boxed()
    }
}

fn end_of(outcome: &Outcome) -> RunEnd {
    match outcome {
        Outcome::Done => RunEnd::Done,
        Outcome::Reject(_) => RunEnd::Rejected,
        Outcome::Down(_) => RunEnd::Down,
        Outcome::Unavailable { .. } | Outcome::ShortOfResources(_) => RunEnd::Unavailable,
        _ => RunEnd::Failed,
    }
}
