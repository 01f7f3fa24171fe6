//! All promises at once: random outcomes over a queue with random faults, and every message is accounted for.

use std::{collections::BTreeSet, future::pending, time::Duration};

use longshore::{
    backoff::Backoff,
    duration::Limit,
    handler::Outcome,
    message::{AttributeValue, Message, MessageId},
    testing::RunEnd,
};
use proptest::prelude::*;
use tokio::{runtime::Builder, time::sleep};

use crate::support::{
    calls::Action,
    faulty::{Failure, Fault},
    scene::Scene,
    secs,
};

const MESSAGES: usize = 250;
const MAX_RECEIVES: u32 = 6;

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_every_message_is_done_or_in_the_dlq(seed: u64) {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(run_with_faults(seed));
    }
}

async fn run_with_faults(seed: u64) {
    let scene =
        Scene::new().max_receives(MAX_RECEIVES).permits(12, 8).visibility(secs(20)).options(|options| {
            options.timeout = Limit::After(secs(45));
            options.retry = Backoff { max: secs(30), ..Backoff::default() };
        });
    for (salt, action) in [Action::Receive, Action::Delete, Action::ChangeVisibility].into_iter().enumerate()
    {
        let salt = seed.wrapping_add(salt as u64);
        scene.queue.script(action, move |number| fault(action, pseudo_random(salt, number as u64)));
    }
    let salt = seed.wrapping_add(3);
    scene.dlq.script(Action::Send, move |number| fault(Action::Send, pseudo_random(salt, number as u64)));
    let sent = scene.send_many(MESSAGES);
    let worker = scene.start(move |message, _| outcome_of(message, seed));
    scene.emptied().await;
    sleep(secs(300)).await;
    worker.drain().await;
    assert_accounted_for(&scene, sent.into_iter().collect()).await;
}

async fn assert_accounted_for(scene: &Scene, sent: BTreeSet<MessageId>) {
    let is_done = |end: &RunEnd| *end == RunEnd::Answered(Outcome::Done);
    let runs = scene.journal.runs();
    let done = runs.iter().filter(|run| run.ended.as_ref().is_some_and(|(_, end)| is_done(end)));
    let done: BTreeSet<_> = done.map(|run| run.message.id.clone()).collect();
    let rejected =
        runs.iter().filter(|run| matches!(run.ended, Some((_, RunEnd::Answered(Outcome::Reject(_))))));
    let rejected: BTreeSet<_> = rejected.map(|run| run.message.id.clone()).collect();
    let deleted = scene.queue.calls(Action::Delete).into_iter().flat_map(|call| call.entries);
    for entry in deleted {
        let is_settled = done.contains(&entry.id) || rejected.contains(&entry.id);
        assert!(is_settled, "{} was deleted and neither done nor rejected", entry.id);
    }
    let mut dead = BTreeSet::new();
    while let Some(received) = scene.dlq_consumer().gets_within(Duration::from_millis(10)).await {
        let copied = received.attributes.get("longshore.reject.message-id");
        let original = copied.and_then(AttributeValue::text).map(MessageId::new);
        dead.insert(original.unwrap_or_else(|| received.id.clone()));
    }
    let missing: Vec<_> = sent.iter().filter(|id| !done.contains(*id) && !dead.contains(*id)).collect();
    assert!(missing.is_empty(), "neither done nor in the dlq: {missing:?}");
    assert!(done.len() > MESSAGES / 2 && !dead.is_empty(), "{} done, {} dead", done.len(), dead.len());
    assert_eq!(scene.journal.doubled(), [], "ran twice at once");
    assert!(scene.journal.most_running() <= 12);
}

/// The outcome of a message at this receive.
async fn outcome_of(message: std::sync::Arc<Message>, seed: u64) -> Outcome {
    let number: u64 = message.body.parse().unwrap();
    let is_poison = number.is_multiple_of(23);
    let roll = pseudo_random(seed ^ number, u64::from(message.receive_count)) % 100;
    match roll {
        _ if is_poison && roll < 50 => panic!("poison"),
        _ if is_poison => Outcome::Retry("poison".to_owned()),
        0..=4 => panic!("on purpose"),
        5..=9 => pending().await,
        10..=14 => Outcome::Retry("on purpose".to_owned()),
        15..=19 => Outcome::Reject("on purpose".to_owned()),
        20..=24 => Outcome::RetryIn(secs(roll), "on purpose".to_owned()),
        25..=34 => {
            sleep(secs(roll)).await;
            Outcome::Done
        }
        _ => {
            sleep(Duration::from_millis(roll * 5)).await;
            Outcome::Done
        }
    }
}

/// The fault of a call: one in four fails.
fn fault(action: Action, roll: u64) -> Fault {
    match roll % 24 {
        0 => Fault::Fails(Failure::Throttled),
        1 => Fault::Fails(Failure::Broken),
        2 => Fault::AnswersLate(Duration::from_millis(roll % 3_000)),
        3 if action == Action::Receive => Fault::Excess,
        3 | 4 if action != Action::Receive => Fault::Entries(vec![0, (roll % 10) as usize]),
        6 if action == Action::Send => Fault::Refusals(vec![0, (roll % 10) as usize]),
        7 if action == Action::Send => Fault::Fails(Failure::Refused),
        5 if action != Action::ChangeVisibility => Fault::AnswerLost,
        _ => Fault::None,
    }
}

/// A pseudo-random number, the same for the same seed and number.
fn pseudo_random(seed: u64, number: u64) -> u64 {
    let mixed = (seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
