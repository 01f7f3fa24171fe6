//! Promise 6 over random histories: failing messages, failing calls, preparations, batches, several workers, stops.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use longshore::{
    Message,
    consumer::{BatchSettings, Groups, Prefetch},
    duration::{Limit, Span},
    handler::{Batch, Outcome, Outcomes},
};
use proptest::prelude::*;
use tokio::time::sleep;

use crate::support::{
    calls::Action,
    faulty::{Failure, Fault},
    preparation::{FakePreparation, Step},
    scene::{Running, Scene},
    secs,
};

const MAX_RECEIVES: u32 = 3;

/// The messages, worker settings and disruptions of a history.
#[derive(Clone, Debug)]
struct History {
    messages: Vec<Plan>,
    shape: Shape,
    disruption: Disruption,
}

/// One message: its group, the number of failing attempts, and their failure mode.
#[derive(Clone, Debug)]
struct Plan {
    group: u8,
    fails: u32,
    mode: FailureMode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FailureMode {
    Retries,
    Rejects,
    /// Its preparation returns a retry, if there is one; otherwise its handler does.
    FailsUnprepared,
    /// The whole call ends in one of these ways.
    Panics,
    TakesTooLong,
    IsDown,
}

impl FailureMode {
    fn is_of_whole_call(self) -> bool {
        matches!(self, Self::Panics | Self::TakesTooLong | Self::IsDown)
    }
}

/// The settings of the workers.
#[derive(Clone, Debug)]
struct Shape {
    size: usize,
    window: u64,
    groups: Groups,
    concurrency: usize,
    prefetch: Prefetch,
    /// Messages are prepared before their calls.
    prepares: bool,
}

/// The failures besides those of messages.
#[derive(Clone, Debug)]
struct Disruption {
    /// Every call of each kind whose number is a multiple of this fails; none at 0.
    faults: usize,
    workers: Workers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Workers {
    /// This many workers at once.
    Many(usize),
    /// One worker after another, this many times.
    Restarted(u32),
    /// A worker that loses leases, because extensions fail and its messages are deleted from outside.
    Losing,
}

fn plan() -> impl Strategy<Value = Plan> {
    let fails = prop_oneof![8 => Just(0u32), 2 => 1u32..3, 1 => Just(9)];
    let mode = prop_oneof![
        5 => Just(FailureMode::Retries),
        2 => Just(FailureMode::Rejects),
        1 => Just(FailureMode::FailsUnprepared),
        1 => Just(FailureMode::Panics),
        1 => Just(FailureMode::TakesTooLong),
        1 => Just(FailureMode::IsDown),
    ];
    (0u8..4, fails, mode).prop_map(|(group, fails, mode)| Plan { group, fails, mode })
}

fn history() -> impl Strategy<Value = History> {
    let messages = proptest::collection::vec(plan(), 1..40);
    let groups = prop_oneof![Just(Groups::Several), Just(Groups::One)];
    let size = prop_oneof![4 => 1usize..5, 1 => 11usize..40];
    let prefetch = prop_oneof![2 => Just(Prefetch::Auto), 1 => (0usize..12).prop_map(Prefetch::Fixed)];
    let shape = (size, 0u64..3, groups, 1usize..5, prefetch, proptest::bool::ANY);
    let shape = shape.prop_map(|(size, window, groups, concurrency, prefetch, prepares)| Shape {
        size,
        window: if size > 10 { window.max(1) } else { window },
        groups,
        concurrency,
        prefetch,
        prepares,
    });
    let workers = prop_oneof![
        3 => (1usize..4).prop_map(Workers::Many),
        1 => (1u32..4).prop_map(Workers::Restarted),
        1 => Just(Workers::Losing),
    ];
    let disruption = (prop_oneof![Just(0usize), 2usize..6], workers);
    let disruption = disruption.prop_map(|(faults, workers)| Disruption { faults, workers });
    (messages, shape, disruption).prop_map(|(messages, shape, disruption)| History {
        messages,
        shape,
        disruption,
    })
}

impl History {
    fn plan_of(&self, body: &str) -> (usize, &Plan) {
        let number = body.trim_start_matches("prepared ").parse().unwrap();
        (number, &self.messages[number])
    }

    /// True if the preparation fails at this receive.
    fn fails_unprepared(&self, plan: &Plan, receive_count: u32) -> bool {
        self.shape.prepares && plan.mode == FailureMode::FailsUnprepared && receive_count <= plan.fails
    }

    /// The failure of the handler at this receive. One that is down is so for the message's first calls, whichever receive they
    /// are of.
    fn failure(&self, message: &Message, log: &Log) -> Option<FailureMode> {
        let (number, plan) = self.plan_of(&message.body);
        let calls = || log.runs.iter().filter(|run| run.number == number).count();
        let fails = match plan.mode {
            FailureMode::IsDown => calls() < plan.fails as usize,
            _ => message.receive_count <= plan.fails,
        };
        fails.then_some(plan.mode)
    }

    fn has(&self, mode: FailureMode) -> bool {
        self.messages.iter().any(|plan| plan.fails > 0 && plan.mode == mode)
    }

    fn loses_leases(&self) -> bool {
        self.disruption.workers == Workers::Losing
    }

    /// True if receives are spent on messages that do not run.
    fn spends_receives(&self) -> bool {
        self.loses_leases()
            || self.has(FailureMode::IsDown)
            || matches!(self.disruption.workers, Workers::Restarted(_))
    }
}

/// One message in one call.
#[derive(Clone, Debug)]
struct Run {
    call: usize,
    number: usize,
    receive_count: u32,
    result: RunResult,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RunResult {
    Done,
    Rejected,
    Failed,
    /// The handler was down, so that a message is kept at its last receive.
    Unreached,
}

/// Every call of every worker in the order of their beginning, and the groups that run.
#[derive(Debug, Default)]
struct Log {
    calls: usize,
    runs: Vec<Run>,
    busy: BTreeSet<u8>,
    overlaps: Vec<String>,
}

type Shared = Arc<Mutex<Log>>;

/// The groups of a running call; dropped at its end.
struct Busy {
    log: Shared,
    groups: BTreeSet<u8>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.log.lock().unwrap().busy.retain(|group| !self.groups.contains(group));
    }
}

/// Handles a batch; a message's body is its number.
async fn work(log: Shared, history: Arc<History>, batch: Batch) -> Outcomes {
    let modes: Vec<_> = {
        let log = log.lock().unwrap();
        batch.messages().map(|message| history.failure(message, &log)).collect()
    };
    let whole = modes.iter().flatten().find(|mode| mode.is_of_whole_call());
    let _busy = begin(&log, &history, &batch, &modes);
    sleep(Duration::from_millis(fastrand::u64(0..3_000))).await;
    match whole {
        Some(FailureMode::Panics) => panic!("planned"),
        Some(FailureMode::TakesTooLong) => pending().await,
        Some(_) => Outcomes::All(Outcome::Down("planned".to_owned())),
        None => Outcomes::Each(modes.into_iter().map(outcome).collect()),
    }
}

fn outcome(mode: Option<FailureMode>) -> Outcome {
    match mode {
        None => Outcome::Done,
        Some(FailureMode::Rejects) => Outcome::Reject("planned".to_owned()),
        Some(_) => Outcome::RetryIn(secs(3), "planned".to_owned()),
    }
}

fn begin(shared: &Shared, history: &History, batch: &Batch, modes: &[Option<FailureMode>]) -> Busy {
    let mut log = shared.lock().unwrap();
    let mut groups = BTreeSet::new();
    log.calls += 1;
    let whole = modes.iter().flatten().find(|mode| mode.is_of_whole_call());
    for (message, mode) in batch.messages().zip(modes) {
        let (call, (number, plan)) = (log.calls, history.plan_of(&message.body));
        if log.busy.contains(&plan.group) && !groups.contains(&plan.group) {
            log.overlaps.push(format!("{} in call {call}", plan.group));
        }
        groups.insert(plan.group);
        let result = match mode {
            _ if whole == Some(&FailureMode::IsDown) => RunResult::Unreached,
            None if whole.is_none() => RunResult::Done,
            Some(FailureMode::Rejects) if whole.is_none() => RunResult::Rejected,
            _ => RunResult::Failed,
        };
        log.runs.push(Run { call, number, receive_count: message.receive_count, result });
    }
    log.busy.extend(&groups);
    Busy { log: shared.clone(), groups }
}

/// A preparation that takes up to two seconds, and fails as the plan says.
fn preparation_of(history: &Arc<History>) -> FakePreparation {
    let history = history.clone();
    FakePreparation::new(move |message| {
        let (_, plan) = history.plan_of(&message.body);
        let fails = history.fails_unprepared(plan, message.receive_count);
        async move {
            sleep(Duration::from_millis(fastrand::u64(0..2_000))).await;
            if fails { Err(Outcome::RetryIn(secs(3), "planned".to_owned())) } else { Ok(()) }
        }
    })
    .claims_end_after(Duration::from_millis(300))
}

/// The events of a history.
struct HistoryResult {
    runs: Vec<Run>,
    overlaps: Vec<String>,
    dead: u64,
    preparation: FakePreparation,
}

async fn run_history(history: History) -> HistoryResult {
    let history = Arc::new(history);
    let preparation = preparation_of(&history);
    let scene = scene_of(&history);
    let scene = if history.shape.prepares { scene.prepared_by(&preparation) } else { scene };
    for (number, plan) in history.messages.iter().enumerate() {
        scene.send_to(&plan.group.to_string(), number.to_string());
    }
    let log = Shared::default();
    let workers = match history.disruption.workers {
        Workers::Many(workers) => workers,
        Workers::Restarted(_) | Workers::Losing => 1,
    };
    let scenes: Vec<_> = (0..workers).map(|_| scene.other_worker()).collect();
    let mut workers: Vec<_> = scenes.iter().map(|scene| start(scene, &history, &log)).collect();
    if let Workers::Restarted(times) = history.disruption.workers {
        for _ in 0..times {
            sleep(Duration::from_millis(fastrand::u64(0..9_000))).await;
            workers.remove(0).drain().await;
            workers.push(start(&scenes[0], &history, &log));
        }
    }
    scene.emptied().await;
    for worker in workers {
        worker.drain().await;
    }
    let log = log.lock().unwrap();
    HistoryResult { runs: log.runs.clone(), overlaps: log.overlaps.clone(), dead: scene.dead(), preparation }
}

fn scene_of(history: &History) -> Scene {
    let Shape { size, window, groups, concurrency, prefetch, .. } = history.shape;
    let scene = Scene::fifo().max_receives(MAX_RECEIVES).options(|options| {
        options.concurrency = concurrency;
        options.prefetch = prefetch;
        options.timeout = Limit::After(secs(10));
        options.batch =
            BatchSettings { size, window: Span::secs(window), groups, ..BatchSettings::default() };
    });
    if history.loses_leases() { scene.visibility(secs(3)) } else { scene }
}

fn start(scene: &Scene, history: &Arc<History>, log: &Shared) -> Running {
    let every = history.disruption.faults;
    let fault = move |fault: Fault| {
        move |number: usize| if number.is_multiple_of(every) { fault.clone() } else { Fault::None }
    };
    if every > 0 {
        scene.queue.script(Action::Delete, fault(Fault::Fails(Failure::Throttled)));
        scene.queue.script(Action::ChangeVisibility, fault(Fault::Fails(Failure::Broken)));
        scene.queue.script(Action::Receive, fault(Fault::AnswerLost));
        scene.dlq.script(Action::Send, fault(Fault::Fails(Failure::Refused)));
    }
    let loses_leases = history.loses_leases();
    if loses_leases {
        scene.queue.script(Action::ChangeVisibility, |number| match number % 3 {
            0 => Fault::None,
            _ => Fault::Fails(Failure::Broken),
        });
    }
    let (history, log, account) = (history.clone(), log.clone(), scene.account.clone());
    scene.start_batches(move |batch, _| {
        if loses_leases && fastrand::u8(0..8) == 0 {
            account.delete("orders.fifo", batch[0].message.receipt.as_str()).unwrap();
        }
        work(log.clone(), history.clone(), batch)
    })
}

/// Checks that a message runs only when no earlier one of its group runs later, except before it in the same call, and
/// only until it is over: done, rejected and copied, or failed in its last attempt. Returns the messages that are over.
fn check_order(history: &History, runs: &[Run]) -> Result<BTreeSet<usize>, String> {
    let last_calls: BTreeMap<_, _> = runs.iter().map(|run| (run.number, run.call)).collect();
    let mut over = BTreeSet::new();
    for call in runs.chunk_by(|run, next| run.call == next.call) {
        let mut failed_groups = BTreeSet::new();
        let mut over_now = Vec::new();
        for (position, run) in call.iter().enumerate() {
            let group = history.messages[run.number].group;
            let overtaken = (0..run.number).filter(|number| history.messages[*number].group == group);
            let is_waited_for = |number: &usize| {
                let runs_later = last_calls.get(number).is_some_and(|last| *last > run.call);
                runs_later && call[..position].iter().all(|before| before.number != *number)
            };
            if let Some(missing) = overtaken.into_iter().find(is_waited_for) {
                return Err(format!("{run:?} ran before {missing} was over"));
            }
            if over.contains(&run.number) {
                return Err(format!("{run:?} was over already"));
            }
            let is_last_run = last_calls[&run.number] == run.call;
            let is_over = match run.result {
                // The outcome does not count if the lease was lost; a copy may be refused.
                RunResult::Done => !history.loses_leases() || is_last_run,
                RunResult::Rejected => is_last_run,
                RunResult::Failed => run.receive_count >= MAX_RECEIVES,
                RunResult::Unreached => false,
            };
            if !is_over {
                failed_groups.insert(group);
            }
            if !failed_groups.contains(&group) {
                over_now.push(run.number);
            }
        }
        over.extend(over_now);
    }
    Ok(over)
}

/// Checks that each claim is completed or undone once, and unless leases are lost, before its message is prepared again.
fn check_claims(history: &History, preparation: &FakePreparation) -> Result<(), String> {
    let count = |step| preparation.bodies_at(step).len();
    if count(Step::Prepared) != count(Step::Completed) + count(Step::Undone) {
        return Err(format!("not every claim has one end: {:?}", preparation.noted()));
    }
    for number in 0..history.messages.len() {
        let steps = preparation.steps_of(&number.to_string());
        let is_early = |pair: &[Step]| pair == [Step::Prepared, Step::Begun];
        if !history.loses_leases() && steps.windows(2).any(is_early) {
            return Err(format!("{number} was prepared again before its claim had ended: {steps:?}"));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_fails_a_group_runs_in_order_and_every_message_is_done_or_dead(history in history()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let HistoryResult { runs, overlaps, dead, preparation } = runtime.block_on(run_history(history.clone()));
        prop_assert_eq!(overlaps, Vec::<String>::new());
        check_claims(&history, &preparation).map_err(TestCaseError::fail)?;
        let over = check_order(&history, &runs).map_err(TestCaseError::fail)?;
        if history.loses_leases() {
            return Ok(());
        }
        let planned = history.messages.len();
        if !history.spends_receives() {
            let ran: BTreeSet<_> = runs.iter().map(|run| run.number).collect();
            let unprepared = |plan: &&Plan| history.fails_unprepared(plan, MAX_RECEIVES);
            let never_prepared = history.messages.iter().filter(unprepared).count();
            prop_assert_eq!(ran.len() + never_prepared, planned, "every message has run that was prepared");
        }
        let is_done = |run: &&Run| run.result == RunResult::Done && over.contains(&run.number);
        let done: BTreeSet<_> = runs.iter().filter(is_done).map(|run| run.number).collect();
        prop_assert!(done.len() as u64 + dead >= planned as u64, "{} done, {} dead", done.len(), dead);
        let is_doomed = |plan: &&Plan| plan.fails >= MAX_RECEIVES && plan.mode != FailureMode::IsDown;
        let doomed = history.messages.iter().filter(is_doomed).count() as u64;
        prop_assert!(dead >= doomed);
    }
}
