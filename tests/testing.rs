//! The library's `testing` module: queues, journals and builders, and waits that fail a test in the end.

use std::{sync::Arc, time::Duration};

use longshore::{
    Message,
    duration::Limit,
    handler::{self, Batch, Context, Handler as _, Outcome, Outcomes, batched},
    message::{AttributeValue, OutgoingMessage},
    testing::{self, RunEnd, TestQueue},
};
use tokio::time::{Instant, sleep};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_built_message_has_all_that_was_set_whether_received_or_sent() {
    let seal = AttributeValue::binary([7]);
    let builder =
        testing::message("body").id("m-1").attribute("kind", "gift").attribute_value("seal", seal.clone());
    let builder = builder.group("g").deduplication_id("d").attempt(4);
    let (received, sent): (Message, OutgoingMessage) = (builder.clone().into(), builder.into());
    assert_eq!((received.id.as_str(), received.body.as_str(), received.receive_count), ("m-1", "body", 4));
    assert_eq!(received.attributes["seal"], seal);
    assert_eq!((sent.body.as_str(), &sent.attributes), ("body", &received.attributes));
    assert_eq!((sent.group_id.as_deref(), sent.deduplication_id.as_deref()), (Some("g"), Some("d")));
}

#[tokio::test(start_paused = true)]
async fn a_built_context_has_all_that_was_set() {
    let builder =
        testing::context().queue("bills").attempt(3).last_attempt(3).lease(secs(9)).time_limit(secs(60));
    let context = builder.build();
    sleep(secs(4)).await;
    assert_eq!((&*context.queue, context.attempt, context.is_last_attempt()), ("bills", 3, true));
    assert_eq!((context.lease_left(), context.time_left()), (secs(5), Some(secs(56))));
    assert!(!context.is_cancelled() && testing::context().cancelled().build().is_cancelled());
}

#[tokio::test]
async fn the_context_of_a_single_call_has_the_attempt_of_its_message() {
    let handler = handler::from_fn_with(async |_: Arc<Message>, context: Context| {
        Outcome::Retry(context.attempt.to_string())
    });
    let outcome = testing::outcome_of(&handler, testing::message("x").attempt(7)).await;
    assert_eq!(outcome, Outcome::Retry("7".to_owned()));
    let outcome = handler.handle(testing::message("x").into(), testing::context().attempt(8).into()).await;
    assert_eq!(outcome, Outcome::Retry("8".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_journal_has_each_message_of_each_call_with_its_end() {
    let scene = TestQueue::new().options(|options| {
        options.batch.size = 2;
        options.timeout = Limit::After(secs(60));
    });
    scene.send("good");
    scene.send("bad");
    let worker = scene.start(batched(handler::from_batch_fn(async |batch: Batch, _: Context| {
        if batch.len() == 1 {
            sleep(secs(90)).await;
        }
        let each = batch.messages().map(|message| match message.body.as_str() {
            "good" => Outcome::Done,
            _ => Outcome::Retry("bad".to_owned()),
        });
        Outcomes::Each(each.collect())
    })));
    scene.journal.ended(3).await;
    let runs = scene.journal.runs();
    assert_eq!(runs.iter().map(|run| run.call).collect::<Vec<_>>(), [0, 0, 1]);
    assert_eq!(
        runs[2].ended.as_ref().map(|(at, end)| (*at - runs[2].began, end)),
        Some((secs(60), &RunEnd::Cut))
    );
    assert_eq!((scene.journal.done_bodies(), scene.journal.most_running()), (vec!["good".to_owned()], 2));
    assert_eq!(scene.journal.outcomes_of("bad"), [Outcome::Retry("bad".to_owned())]);
    assert!(scene.journal.doubled().is_empty());
    worker.stop.halt();
    worker.ended().await;
}

#[tokio::test(start_paused = true)]
async fn dead_letters_can_be_read_without_a_receive() {
    let scene = TestQueue::fifo().max_receives(1);
    for number in 0..30 {
        scene.send(testing::message(number.to_string()).group("all").attribute("number", number.to_string()));
    }
    let worker = scene.start(handler::from_fn(async |_: Arc<Message>| Err::<(), _>("always")));
    scene.emptied().await;
    let dead = scene.dead_letters();
    let expected: Vec<_> = (0..30).map(|number| number.to_string()).collect();
    assert_eq!(dead.iter().map(|message| message.body.clone()).collect::<Vec<_>>(), expected);
    assert_eq!(dead[7].attributes["number"].text(), Some("7"));
    assert_eq!(scene.dead_letters().len(), 30, "reading removes none");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn hours_of_retries_take_no_time() {
    let (scene, wall) = (TestQueue::new().max_receives(100), std::time::SystemTime::now());
    scene.send("x");
    let began = Instant::now();
    let worker =
        scene.start(handler::from_fn(async |_: Arc<Message>| Outcome::RetryIn(secs(600), String::new())));
    scene.emptied().await;
    assert!(began.elapsed() > Duration::from_hours(16), "{:?}", began.elapsed());
    assert!(wall.elapsed().is_ok_and(|elapsed| elapsed < secs(60)));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "1 runs should have been done")]
async fn a_wait_for_a_run_that_does_not_come_fails_its_test() {
    let scene = TestQueue::new();
    let _worker = scene.start(handler::from_fn(async |_: Arc<Message>| ()));
    scene.journal.done(1).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "the queue should be empty")]
async fn a_wait_for_a_message_that_never_ends_fails_its_test() {
    let scene = TestQueue::new();
    scene.send("x");
    scene.emptied().await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "the worker failed: ")]
async fn a_worker_that_cannot_start_fails_its_test() {
    let scene = TestQueue::new().options(|options| options.concurrency = 0);
    scene.start(handler::from_fn(async |_: Arc<Message>| ())).ended().await;
}

#[test]
#[should_panic(expected = "MessageGroupId")]
fn a_message_that_sqs_would_not_take_fails_its_test() {
    TestQueue::fifo().send("without a group");
}
