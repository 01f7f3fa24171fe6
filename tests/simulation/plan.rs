//! The plan of a simulated world: a seed becomes a queue, workers, messages, faults and incidents; pure.

use std::time::Duration;

use fastrand::Rng;

use crate::support::secs;

/// The end of the faults of the longest worlds; from then on everything works.
const LONGEST_STORM: u64 = 240;

/// A world.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) queue: QueuePlan,
    pub(super) worker: WorkerPlan,
    /// The number of workers at once.
    pub(super) workers: usize,
    pub(super) messages: Vec<MessagePlan>,
    pub(super) network: Network,
    /// Sorted by their times, all before `calm_at`.
    pub(super) incidents: Vec<(Duration, Incident)>,
    /// From this time on there are no faults.
    pub(super) calm_at: Duration,
    /// Set if the workers are tasks of ECS.
    pub(super) ecs: Option<EcsPlan>,
    /// The outage of the handler, if there is one.
    pub(super) outage: Option<HandlerOutage>,
}

/// The protection of each worker's task from scale-in.
#[derive(Clone, Copy, Debug)]
pub(super) struct EcsPlan {
    /// The duration from which a call is protected.
    pub(super) after: Duration,
    /// The requests to the agent that fail, in percent.
    pub(super) failing: u8,
}

/// A time in which every call that starts finds the handler, or the worker's resources, not there, while probes succeed.
#[derive(Clone, Copy, Debug)]
pub(super) struct HandlerOutage {
    pub(super) from: Duration,
    pub(super) to: Duration,
    pub(super) kind: OutageKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutageKind {
    Unavailable,
    ShortOfResources,
}

/// The queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueuePlan {
    pub(super) fifo: bool,
    /// `maxReceiveCount`; without it there is no DLQ.
    pub(super) max_receives: Option<u32>,
    /// The clock of the queue is this many seconds ahead of the workers'.
    pub(super) clock_ahead: i64,
}

/// The settings of every worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct WorkerPlan {
    pub(super) visibility: Duration,
    pub(super) concurrency: usize,
    /// The most messages a call; 1 is a handler of single messages.
    pub(super) batch: usize,
    pub(super) one_group: bool,
    pub(super) window: u64,
    /// `None` is automatic.
    pub(super) prefetch: Option<usize>,
    pub(super) timeout: Duration,
    pub(super) drain_limit: Duration,
    /// A body that cannot be read is rejected, not retried.
    pub(super) rejects_bad_bodies: bool,
}

/// One message.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessagePlan {
    pub(super) group: u8,
    pub(super) sent_at: Duration,
    /// The time that each run takes.
    pub(super) lasts: Duration,
    /// The runs of so many first receives fail.
    pub(super) fails: u32,
    pub(super) failure: FailureMode,
    /// A cancelled run goes on until it is dropped.
    pub(super) ignores_cancellation: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureMode {
    Retries,
    RetriesIn(u64),
    Rejects,
    Panics,
    Hangs,
    IsDown,
    /// The body cannot be read, at any receive.
    BadBody,
}

/// The chances of faults, in percent of the calls of each action, and the kinds of faults of this world.
#[derive(Clone, Debug)]
pub(super) struct Network {
    pub(super) receive: u8,
    pub(super) delete: u8,
    pub(super) change: u8,
    pub(super) copy: u8,
    pub(super) kinds: Vec<FaultKind>,
    /// Receives that hand out a message another worker holds, in percent of the receives of a standard queue.
    pub(super) duplicates: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    Throttled,
    Refused,
    Broken,
    FailsLate,
    Late,
    AnswerLost,
    AnswersLate,
    Hangs,
    /// Some entries of a batch fail; a receive is empty at once, or brings too many.
    Partly,
}

const KINDS: [FaultKind; 9] = [
    FaultKind::Throttled,
    FaultKind::Refused,
    FaultKind::Broken,
    FaultKind::FailsLate,
    FaultKind::Late,
    FaultKind::AnswerLost,
    FaultKind::AnswersLate,
    FaultKind::Hangs,
    FaultKind::Partly,
];

#[derive(Clone, Copy, Debug)]
pub(super) enum Incident {
    /// The worker in this slot dies without a stop, and another starts after this time.
    Crash { slot: usize, down: Duration },
    /// The worker in this slot drains, and another starts after that.
    Restart { slot: usize },
    /// All processes stand still.
    Freeze(Duration),
    /// Every call of every worker fails.
    Outage(Duration),
    /// `maxReceiveCount` becomes this.
    Policy(u32),
}

impl World {
    pub(super) fn of(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let random = &mut random;
        let mut queue = QueuePlan {
            fifo: random.bool(),
            max_receives: one_in(random, 5).then_some(0).map_or_else(|| Some(random.u32(4..10)), |_| None),
            clock_ahead: if one_in(random, 3) { random.i64(-90_000..90_000) } else { 0 },
        };
        let storm = secs(random.u64(20..LONGEST_STORM));
        let worker = worker(random);
        let workers = random.usize(1..=5);
        let messages = messages(random, queue, worker, storm);
        let network = network(random, queue);
        let incidents = incidents(random, queue, workers, storm);
        let (ecs, outage) = (ecs(random), outage(random, storm));
        if outage.is_some() && one_in(random, 2) {
            // The outage meets messages at their last attempts.
            queue.max_receives = queue.max_receives.map(|_| random.u32(1..4));
        }
        Self { seed, queue, worker, workers, messages, network, incidents, calm_at: storm, ecs, outage }
    }
}

impl HandlerOutage {
    pub(super) fn is_on(&self, at: Duration) -> bool {
        self.from <= at && at < self.to
    }
}

impl MessagePlan {
    /// The failure of the run at this receive.
    pub(super) fn failure_at(&self, receive_count: u32) -> Option<FailureMode> {
        let fails = self.failure == FailureMode::BadBody || receive_count <= self.fails;
        fails.then_some(self.failure)
    }
}

fn one_in(random: &mut Rng, many: u32) -> bool {
    random.u32(0..many) == 0
}

fn pick<T: Copy>(random: &mut Rng, choices: &[T]) -> T {
    choices[random.usize(0..choices.len())]
}

fn worker(random: &mut Rng) -> WorkerPlan {
    let batch = if one_in(random, 3) { random.usize(2..6) } else { 1 };
    WorkerPlan {
        // None is the delay of a give-back, so that the checks tell an extension from it.
        visibility: secs(pick(random, &[11, 17, 23, 30])),
        concurrency: random.usize(1..6),
        batch,
        one_group: random.bool(),
        window: if batch > 1 { random.u64(0..3) } else { 0 },
        prefetch: random.bool().then(|| random.usize(0..6)),
        timeout: secs(pick(random, &[40, 90, 300])),
        drain_limit: secs(pick(random, &[3, 10, 40, 110])),
        rejects_bad_bodies: random.bool(),
    }
}

fn messages(random: &mut Rng, queue: QueuePlan, worker: WorkerPlan, storm: Duration) -> Vec<MessagePlan> {
    let count = random.usize(1..40);
    let groups = random.u8(1..6);
    let (failing, is_ever_down) = (random.u32(1..8), one_in(random, 6));
    let is_late = random.bool();
    let longest = pick(random, &[500, 3_000, 20_000, 35_000]);
    let limit = u64::try_from(worker.timeout.as_millis()).unwrap() - 2_000;
    (0..count)
        .map(|_| {
            let failure = failure(random, queue, is_ever_down);
            let always = queue.max_receives.is_some() && one_in(random, 6);
            let fails =
                if one_in(random, failing) { if always { u32::MAX } else { random.u32(1..4) } } else { 0 };
            let is_bad = failure == FailureMode::BadBody && fails == 0;
            MessagePlan {
                group: random.u8(0..groups),
                sent_at: if is_late {
                    Duration::from_millis(random.u64(0..20_000)).min(storm)
                } else {
                    Duration::ZERO
                },
                lasts: Duration::from_millis(random.u64(0..longest).min(limit)),
                fails,
                failure: if is_bad { FailureMode::Retries } else { failure },
                ignores_cancellation: one_in(random, 4),
            }
        })
        .collect()
}

fn failure(random: &mut Rng, queue: QueuePlan, is_ever_down: bool) -> FailureMode {
    match random.u32(0..12) {
        3 | 4 => FailureMode::RetriesIn(random.u64(0..9)),
        5 | 6 => FailureMode::Rejects,
        7 => FailureMode::Panics,
        8 => FailureMode::Hangs,
        9 if is_ever_down => FailureMode::IsDown,
        10 if queue.max_receives.is_some() => FailureMode::BadBody,
        _ => FailureMode::Retries,
    }
}

fn network(random: &mut Rng, queue: QueuePlan) -> Network {
    let is_calm = one_in(random, 3);
    let percent = |random: &mut Rng| if is_calm { 0 } else { pick(random, &[0, 0, 5, 20, 50]) };
    let (receive, delete, change, copy) =
        (percent(random), percent(random), percent(random), percent(random));
    let mut kinds: Vec<_> = KINDS.into_iter().filter(|_| random.bool()).collect();
    if kinds.is_empty() {
        kinds.push(pick(random, &KINDS));
    }
    let duplicates = if !queue.fifo && one_in(random, 4) { random.u8(5..40) } else { 0 };
    Network { receive, delete, change, copy, kinds, duplicates }
}

fn incidents(
    random: &mut Rng,
    queue: QueuePlan,
    workers: usize,
    storm: Duration,
) -> Vec<(Duration, Incident)> {
    let count = if random.bool() { 0 } else { random.usize(1..6) };
    let mut incidents: Vec<_> = (0..count)
        .map(|_| {
            let at = Duration::from_millis(random.u64(0..u64::try_from(storm.as_millis()).unwrap()));
            let slot = random.usize(0..workers);
            let incident = match random.u32(0..7) {
                0..=2 => Incident::Crash { slot, down: secs(random.u64(0..20)) },
                3 | 4 => Incident::Restart { slot },
                5 if queue.max_receives.is_some() => Incident::Policy(random.u32(3..12)),
                5 => Incident::Outage(secs(random.u64(1..40))),
                _ => Incident::Freeze(secs(random.u64(1..60))),
            };
            (at, incident)
        })
        .collect();
    incidents.sort_by_key(|(at, _)| *at);
    incidents
}

fn ecs(random: &mut Rng) -> Option<EcsPlan> {
    let plan = EcsPlan { after: secs(pick(random, &[2, 5, 10])), failing: pick(random, &[0, 0, 20, 50]) };
    random.bool().then_some(plan)
}

fn outage(random: &mut Rng, storm: Duration) -> Option<HandlerOutage> {
    let storm = storm.as_secs();
    let from = random.u64(0..storm / 2);
    let to = random.u64(from + 5..=storm.max(from + 5)).min(storm);
    let kind = if random.bool() { OutageKind::Unavailable } else { OutageKind::ShortOfResources };
    one_in(random, 3).then_some(HandlerOutage { from: secs(from), to: secs(to), kind })
}
