//! Messages that use up their receives: each leaves a trace, and goes to the DLQ in the way of the settings.

use std::{sync::Arc, time::Duration};

use longshore::{
    Consumer, DeadLetters, Message, Worker,
    backoff::{Backoff, Jitter},
    consumer::OnExhausted,
    handler::{self, Outcome, Outcomes},
    message::{AttributeValue, OutgoingMessage},
    queue::EmulatorQueue,
    stop::Stop,
    tasks, testing,
};
use longshore_emulator::StartMoveTask;
use tokio::{sync::mpsc, time::sleep};

use crate::support::{
    calls::Action,
    faulty::{Failure, Fault},
    gate::Gate,
    preparation::{FakePreparation, Step},
    scene::{Running, Scene},
    secs,
};

/// The number of messages that have used up their receives.
const EXHAUSTED: &str = "longshore_messages_exhausted_total";

fn retries_at_once(scene: Scene) -> Scene {
    scene.options(|options| {
        options.retry =
            Backoff { initial: secs(1), max: secs(1), jitter: Jitter::None, ..Backoff::default() };
    })
}

/// A queue with two receives, and a worker that copies what has used them up.
fn copying(scene: Scene) -> Scene {
    retries_at_once(scene.max_receives(2)).options(|options| options.on_exhausted = OnExhausted::Copy)
}

fn failing(scene: &Scene) -> Running {
    scene.start(|_, _| async { Outcome::Retry("no luck".to_owned()) })
}

fn text<'a>(message: &'a Message, name: &str) -> &'a str {
    message.attributes.get(name).and_then(AttributeValue::text).unwrap_or_default()
}

fn with_tenant(body: &str) -> OutgoingMessage {
    let attributes = [("tenant".to_owned(), AttributeValue::string("acme"))].into();
    OutgoingMessage { attributes, ..OutgoingMessage::new(body) }
}

/// The messages in the DLQ.
fn in_dlq(scene: &Scene) -> Vec<Message> {
    testing::TestQueue::dead_letters(scene)
}

/// Waits until SQS has moved or the worker copied this many messages to the DLQ.
async fn dead(scene: &Scene, count: u64) {
    while scene.dead() < count {
        sleep(secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_uses_up_its_receives_is_counted_and_left_to_the_redrive_policy() {
    let scene = retries_at_once(Scene::new().max_receives(2));
    scene.send_message(with_tenant("a"));
    let worker = failing(&scene);
    dead(&scene, 1).await;
    assert_eq!((worker.metric(EXHAUSTED), scene.journal.runs().len()), (1, 2));
    assert!(scene.dlq.calls(Action::Send).is_empty() && scene.queue.calls(Action::Delete).is_empty());
    assert_eq!(in_dlq(&scene)[0].attributes.len(), 1, "as it was sent");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_uses_up_its_receives_is_copied_with_the_reason_and_deleted_if_the_settings_say_so() {
    let scene = copying(Scene::new());
    scene.dlq.once(Action::Send, Fault::AnswersLate(secs(15)));
    let id = scene.send_message(with_tenant("a"));
    let worker = failing(&scene);
    scene.journal.ended(2).await;
    sleep(secs(14)).await;
    assert!(scene.queue.calls(Action::Delete).is_empty(), "copied and not answered yet");
    scene.emptied().await;
    let copies = in_dlq(&scene);
    let [copy] = &copies[..] else { panic!("{copies:?}") };
    assert_eq!((copy.body.as_str(), text(copy, "tenant")), ("a", "acme"));
    let fields = ["reason", "kind", "attempt", "message-id"];
    let values = fields.map(|field| text(copy, &format!("longshore.reject.{field}")));
    assert_eq!(values, ["no luck", "rust", "2", id.as_str()]);
    assert_eq!((worker.metric(EXHAUSTED), scene.queue.deletes_of(&id).len()), (1, 1));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn every_failure_of_the_last_attempt_is_copied_and_a_reject_counts_as_no_use_of_receives() {
    let scene = copying(Scene::new()).options(|options| {
        options.timeout = longshore::duration::Limit::After(secs(5));
    });
    for body in ["panics", "hangs", "waits", "is rejected"] {
        scene.send(body);
    }
    let worker = scene.start(|message, context| async move {
        match message.body.as_str() {
            _ if !context.is_last_attempt() => Outcome::Retry("first".to_owned()),
            "panics" => panic!("on purpose"),
            "hangs" => std::future::pending().await,
            "waits" => Outcome::RetryIn(Duration::from_hours(1), "later".to_owned()),
            _ => Outcome::Reject("never".to_owned()),
        }
    });
    scene.emptied().await;
    let mut copies: Vec<_> = in_dlq(&scene);
    copies.sort_by(|one, other| one.body.cmp(&other.body));
    let reasons = copies.iter().map(|copy| (copy.body.as_str(), text(copy, "longshore.reject.reason")));
    let expected = [
        ("hangs", "the time limit of 5s passed"),
        ("is rejected", "never"),
        ("panics", "on purpose"),
        ("waits", "later"),
    ];
    assert_eq!(reasons.collect::<Vec<_>>(), expected);
    assert_eq!(worker.metric(EXHAUSTED), 3);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_last_copy_the_dlq_refuses_is_left_to_the_redrive_policy() {
    let preparation = FakePreparation::quick();
    let scene = copying(Scene::new()).prepared_by(&preparation);
    scene.dlq.always(Action::Send, Fault::Fails(Failure::Refused));
    scene.send("a");
    let worker = failing(&scene);
    dead(&scene, 1).await;
    assert_eq!((scene.dlq.calls(Action::Send).len(), scene.queue.calls(Action::Delete).len()), (1, 0));
    assert_eq!((worker.metric(EXHAUSTED), scene.journal.runs().len()), (1, 2));
    let undone = preparation.bodies_at(Step::Undone).len();
    assert_eq!((undone, preparation.bodies_at(Step::Completed).len()), (2, 0));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_its_preparation_fails_for_the_last_time_is_copied_as_it_was_received() {
    let preparation = FakePreparation::new(async |_| Err(Outcome::Retry("no body".to_owned())));
    let scene = copying(Scene::new()).prepared_by(&preparation);
    scene.send("a");
    let worker = scene.start(|_, _| async { Outcome::Done });
    scene.emptied().await;
    let copy = in_dlq(&scene).remove(0);
    assert_eq!((copy.body.as_str(), text(&copy, "longshore.reject.reason")), ("a", "no body"));
    assert_eq!((worker.metric(EXHAUSTED), scene.journal.runs().len()), (1, 0));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_group_goes_on_behind_a_message_that_was_copied_at_its_last_receive() {
    for batch in [1, 3] {
        let scene = copying(Scene::fifo()).options(|options| options.batch.size = batch);
        for body in ["bad", "next", "last"] {
            scene.send_to("g", body);
        }
        let worker = scene.start_batches(async |batch, _| {
            let outcome = |message: &Arc<Message>| match message.body.as_str() {
                "bad" => Outcome::Retry("no luck".to_owned()),
                _ => Outcome::Done,
            };
            Outcomes::Each(batch.messages().map(outcome).collect())
        });
        scene.emptied().await;
        let copy = in_dlq(&scene).remove(0);
        assert_eq!((copy.body.as_str(), copy.system.group_id.as_deref()), ("bad", Some("g")));
        assert_eq!(text(&copy, "longshore.reject.reason"), "no luck");
        assert!(scene.journal.done_bodies().ends_with(&["next".to_owned(), "last".to_owned()]), "in order");
        assert_eq!((scene.journal.runs_of("bad").len(), worker.metric(EXHAUSTED)), (2, 1), "{batch}");
        worker.drain().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_given_back_at_its_last_receive_leaves_a_trace_and_is_not_copied() {
    let scene = copying(Scene::new()).max_receives(1).drain_limit(secs(30)).permits(1, 1);
    let gate = Gate::default();
    for body in ["runs", "waits"] {
        scene.send(body);
    }
    let worker = scene.start_gated(&gate, Outcome::Done);
    scene.journal.began(1).await;
    while scene.in_flight() < 2 {
        sleep(secs(1)).await;
    }
    assert_eq!(worker.metric(EXHAUSTED), 0);
    let metrics = worker.metrics.clone();
    worker.drain().await;
    assert_eq!(metrics.count(EXHAUSTED, &[]), 2, "one was cut off by the stop, the other did not run");
    assert!(scene.dlq.calls(Action::Send).is_empty(), "neither has failed");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_done_at_its_last_receive_leaves_no_trace() {
    let scene = copying(Scene::new()).max_receives(1);
    scene.send("a");
    let worker = scene.start(|_, _| async { Outcome::Done });
    scene.emptied().await;
    assert_eq!((worker.metric(EXHAUSTED), scene.dead()), (0, 0));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_moved_back_from_the_dlq_reaches_its_handler_as_it_was_sent() {
    // With seven attributes the record of the reject is one attribute, with fewer five.
    for count in [1, 7] {
        let scene = Scene::new().max_receives(5);
        let attribute = |number: usize| (format!("a{number}"), AttributeValue::string("v"));
        let sent =
            OutgoingMessage { attributes: (0..count).map(attribute).collect(), ..OutgoingMessage::new("a") };
        scene.send_message(sent.clone());
        let worker = scene.start(|_, _| async { Outcome::Reject("never".to_owned()) });
        scene.emptied().await;
        assert!(in_dlq(&scene)[0].attributes.len() > count, "the copy has the reason");
        let arn = |queue: EmulatorQueue| scene.account.arn(queue.name()).unwrap();
        let (source_arn, destination) =
            (arn(scene.dead_letter_queue()), arn(EmulatorQueue::new(&scene.account, "orders")));
        let start = StartMoveTask { source_arn, destination_arn: Some(destination), rate: None };
        scene.account.start_move(&start).unwrap();
        scene.journal.ended(2).await;
        let seen = scene.journal.runs().into_iter().map(|run| run.message.attributes.clone());
        assert_eq!(seen.collect::<Vec<_>>(), vec![sent.attributes; 2]);
        worker.drain().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_on_the_dlq_itself_passes_the_reason_to_its_handler() {
    let scene = Scene::new().max_receives(5);
    scene.send("a");
    let worker = scene.start(|_, _| async { Outcome::Reject("never".to_owned()) });
    scene.emptied().await;
    worker.drain().await;
    let (sender, mut reasons) = mpsc::unbounded_channel();
    let handler = handler::from_fn(move |message: Arc<Message>| {
        sender.send(text(&message, "longshore.reject.reason").to_owned()).unwrap();
        std::future::ready(Outcome::Done)
    });
    let dlq = Arc::new(EmulatorQueue::new(&scene.account, "orders-dlq"));
    let consumer = Consumer::of("dead", dlq, handler).dead_letters(DeadLetters::ByPolicy);
    let stop = Stop::new();
    let worker = tasks::detach("worker", Worker::new().consumer(consumer).run_here(stop.clone()));
    assert_eq!(reasons.recv().await.as_deref(), Some("never"));
    stop.drain();
    worker.await.unwrap().unwrap();
}
