//! Promise 12 for failing messages: a growing delay, or one that the handler chose, and at last the dead-letter queue.

use std::time::Duration;

use longshore::{
    backoff::{Backoff, Jitter},
    handler::Outcome,
    testing::Journal,
};
use tokio::time::sleep;

use crate::support::{calls::Action, faulty::Fault, scene::Scene, secs};

#[tokio::test(start_paused = true)]
async fn the_delay_of_a_retry_grows_with_the_receive_count_up_to_its_maximum() {
    let retry = Backoff { initial: secs(10), factor: 2.0, max: secs(60), jitter: Jitter::None };
    let scene = Scene::new().options(|options| options.retry = retry);
    scene.send("a");
    let worker = scene.start(|_, _| async { Outcome::Retry("always".to_owned()) });
    scene.journal.ended(6).await;
    assert_eq!(whole_seconds_between_runs(&scene.journal), [10, 20, 40, 60, 60]);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_choose_the_delay_of_a_retry() {
    let scene = Scene::new();
    scene.send("a");
    let worker = scene.start(|message, _| async move {
        match message.receive_count {
            1 => Outcome::RetryIn(secs(90), "in a while".to_owned()),
            2 => Outcome::RetryIn(Duration::from_millis(2_500), "soon".to_owned()),
            _ => Outcome::Done,
        }
    });
    scene.emptied().await;
    assert_eq!(whole_seconds_between_runs(&scene.journal), [90, 3]);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_delay_past_the_twelve_hours_is_cut_to_what_sqs_allows() {
    let scene = Scene::new();
    scene.send("a");
    let worker = scene.start(|message, _| async move {
        if message.receive_count > 1 {
            return Outcome::Done;
        }
        sleep(secs(3_600)).await;
        Outcome::RetryIn(Duration::from_hours(100), "next week".to_owned())
    });
    scene.journal.ended(2).await;
    let gap = whole_seconds_between_runs(&scene.journal)[0];
    assert!((43_190..=43_201).contains(&gap), "{gap} s from run to run");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_always_fails_is_in_the_dlq_after_exactly_so_many_runs() {
    let scene = Scene::new().max_receives(4);
    let bad = scene.send("bad");
    scene.send_many(20);
    let worker = scene.start(|message, _| async move {
        if message.body == "bad" { Outcome::Retry("always".to_owned()) } else { Outcome::Done }
    });
    scene.emptied().await;
    assert_eq!(scene.journal.runs_of("bad").len(), 4);
    assert_eq!(scene.dead(), 1);
    assert_eq!(scene.dlq_consumer().gets_within(secs(1)).await.unwrap().id, bad);
    worker.drain().await;
}

fn whole_seconds_between_runs(journal: &Journal) -> Vec<u64> {
    let runs = journal.runs();
    runs.windows(2).map(|pair| (pair[1].began - pair[0].began).as_secs()).collect()
}

#[tokio::test(start_paused = true)]
async fn every_receive_is_a_run_although_give_backs_are_answered_late() {
    let scene = Scene::new().max_receives(5);
    scene.queue.always(Action::ChangeVisibility, Fault::AnswersLate(Duration::from_millis(100)));
    scene.send_many(20);
    let worker = scene.start(|_, _| async { Outcome::RetryIn(Duration::ZERO, "always".to_owned()) });
    scene.emptied().await;
    for number in 0..20 {
        assert_eq!(scene.journal.runs_of(&number.to_string()).len(), 5, "runs of {number}");
    }
    assert_eq!((scene.dead(), worker.metric("longshore_messages_duplicate_total")), (20, 0));
    worker.drain().await;
}
