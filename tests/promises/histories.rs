//! Promise 6 over random histories: failing messages, failing calls, batches, several workers.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use longshore::{
    duration::Span,
    handler::{Batch, Outcome, Outcomes},
    pump::{BatchSettings, Groups},
};
use proptest::prelude::*;
use tokio::time::sleep;

use crate::support::{
    calls::Action,
    faulty::{Failure, Fault},
    scene::Scene,
    secs,
};

const MAX_RECEIVES: u32 = 3;

/// What a history is made of.
#[derive(Clone, Debug)]
struct History {
    /// Each message's group, and how many of its tries fail.
    messages: Vec<(u8, u32)>,
    size: usize,
    window: u64,
    groups: Groups,
    concurrency: usize,
    workers: usize,
    /// Every so manieth call of each kind fails; none at 0.
    faults: usize,
}

fn history() -> impl Strategy<Value = History> {
    let fails = prop_oneof![6 => Just(0u32), 2 => 1u32..3, 1 => Just(9)];
    let messages = proptest::collection::vec((0u8..4, fails), 1..40);
    let groups = prop_oneof![Just(Groups::Several), Just(Groups::One)];
    let shape = (1usize..5, 0u64..3, groups, 1usize..5, 1usize..4, prop_oneof![Just(0usize), 2usize..6]);
    (messages, shape).prop_map(|(messages, (size, window, groups, concurrency, workers, faults))| History {
        messages,
        size,
        window,
        groups,
        concurrency,
        workers,
        faults,
    })
}

/// One message in one call.
#[derive(Clone, Debug)]
struct Run {
    call: usize,
    group: String,
    number: usize,
    receive_count: u32,
    is_done: bool,
}

/// Every call of every worker in the order of their beginning, and the groups that run.
#[derive(Debug, Default)]
struct Log {
    calls: usize,
    runs: Vec<Run>,
    busy: BTreeSet<String>,
    overlaps: Vec<String>,
}

type Shared = Arc<Mutex<Log>>;

/// Takes a batch through its work; a message's body is its number.
async fn work(log: Shared, history: Arc<History>, batch: Batch) -> Outcomes {
    let groups = begin(&log, &history, &batch);
    sleep(Duration::from_millis(fastrand::u64(0..3_000))).await;
    let mut log = log.lock().unwrap();
    log.busy.retain(|group| !groups.contains(group));
    drop(log);
    let each = batch.messages().map(|message| {
        let fails = history.messages[message.body.parse::<usize>().unwrap()].1;
        if message.receive_count <= fails {
            Outcome::RetryIn(secs(3), "planned".to_owned())
        } else {
            Outcome::Done
        }
    });
    Outcomes::Each(each.collect())
}

fn begin(log: &Shared, history: &History, batch: &Batch) -> BTreeSet<String> {
    let mut log = log.lock().unwrap();
    let mut groups = BTreeSet::new();
    log.calls += 1;
    for message in batch.messages() {
        let (call, number): (_, usize) = (log.calls, message.body.parse().unwrap());
        let (group, receive_count) = (message.system.group_id.clone().unwrap(), message.receive_count);
        let is_done = receive_count > history.messages[number].1;
        if log.busy.contains(&group) && !groups.contains(&group) {
            log.overlaps.push(format!("{group} in call {call}"));
        }
        groups.insert(group.clone());
        log.runs.push(Run { call, group, number, receive_count, is_done });
    }
    log.busy.extend(groups.iter().cloned());
    groups
}

async fn play(history: History) -> (Vec<Run>, Vec<String>, u64) {
    let history = Arc::new(history);
    let scene = Scene::fifo().max_receives(MAX_RECEIVES).options(|options| {
        options.concurrency = history.concurrency;
        options.batch = BatchSettings {
            size: history.size,
            window: Span::secs(history.window),
            groups: history.groups,
            ..BatchSettings::default()
        };
    });
    for (number, (group, _)) in history.messages.iter().enumerate() {
        scene.send_to(&group.to_string(), number.to_string());
    }
    let log = Shared::default();
    let scenes: Vec<_> = (0..history.workers).map(|_| scene.twin()).collect();
    let workers: Vec<_> = scenes.iter().map(|scene| start(scene, &history, &log)).collect();
    scene.emptied().await;
    for worker in workers {
        worker.drain().await;
    }
    let log = log.lock().unwrap();
    (log.runs.clone(), log.overlaps.clone(), scene.dead())
}

fn start(scene: &Scene, history: &Arc<History>, log: &Shared) -> crate::support::scene::Running {
    if history.faults > 0 {
        let every = history.faults;
        let fault = move |fault: Fault| {
            move |number: usize| if number.is_multiple_of(every) { fault.clone() } else { Fault::None }
        };
        scene.queue.script(Action::Delete, fault(Fault::Fails(Failure::Throttled)));
        scene.queue.script(Action::ChangeVisibility, fault(Fault::Fails(Failure::Broken)));
        scene.queue.script(Action::Receive, fault(Fault::AnswerLost));
    }
    let (history, log) = (history.clone(), log.clone());
    scene.start_batches(move |batch, _| work(log.clone(), history.clone(), batch))
}

/// A message may run when every earlier one of its group is over or stands before it in its call, and only until it is
/// over itself: done, or failed in its last try.
fn out_of_order(runs: &[Run], planned: &[(u8, u32)]) -> Option<String> {
    let mut over = BTreeSet::new();
    for call in runs.chunk_by(|run, next| run.call == next.call) {
        let mut failed_groups = BTreeSet::new();
        let mut over_now = Vec::new();
        for (place, run) in call.iter().enumerate() {
            let is_earlier = |(number, (group, _)): &(usize, &(u8, u32))| {
                *number < run.number && group.to_string() == run.group
            };
            let earlier = planned.iter().enumerate().filter(is_earlier).map(|(number, _)| number);
            let is_waited_for = |number: &usize| {
                !over.contains(number) && call[..place].iter().all(|run| run.number != *number)
            };
            if let Some(missing) = earlier.into_iter().find(is_waited_for) {
                return Some(format!("{run:?} ran before {missing} was over"));
            }
            if over.contains(&run.number) {
                return Some(format!("{run:?} was over already"));
            }
            let is_last_try = run.receive_count >= MAX_RECEIVES;
            if !run.is_done && !is_last_try {
                failed_groups.insert(&run.group);
            }
            if !failed_groups.contains(&run.group) {
                over_now.push(run.number);
            }
        }
        over.extend(over_now);
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn whatever_fails_a_group_runs_in_order_and_every_message_is_done_or_dead(history in history()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let planned = history.messages.clone();
        let (runs, overlaps, dead) = runtime.block_on(play(history));
        prop_assert_eq!(overlaps, Vec::<String>::new());
        prop_assert_eq!(out_of_order(&runs, &planned), None);
        let ran: BTreeSet<_> = runs.iter().map(|run| run.number).collect();
        prop_assert_eq!(ran.len(), planned.len(), "every message has run");
        let done: BTreeSet<_> = runs.iter().filter(|run| run.is_done).map(|run| run.number).collect();
        prop_assert!(done.len() as u64 + dead >= planned.len() as u64, "{} done, {} dead", done.len(), dead);
        let doomed = planned.iter().filter(|(_, fails)| *fails >= MAX_RECEIVES).count() as u64;
        prop_assert!(dead >= doomed);
    }
}
