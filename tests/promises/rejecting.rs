//! Promise 1, for rejects: a rejected message is deleted only after its copy is in the DLQ.

use std::collections::BTreeMap;

use longshore::{
    Message,
    handler::{self, BadBody, Outcome},
    message::{AttributeValue, OutgoingMessage},
    worker::{DeadLetters, Drained},
};
use tokio::time::{Instant, sleep};

use crate::support::{
    calls::Action,
    faulty::{Failure, Fault},
    gate::Gate,
    onlooker::OtherConsumer,
    scene::{Running, Scene},
    secs,
};

fn scene() -> Scene {
    Scene::new().max_receives(100)
}

/// A worker that rejects every message.
fn rejecting(scene: &Scene) -> Running {
    scene.start(|_, _| async { Outcome::Reject("no such customer".to_owned()) })
}

/// All messages in the dead-letter queue.
async fn dead(dlq_consumer: &OtherConsumer) -> Vec<Message> {
    let mut all = Vec::new();
    while let Some(received) = dlq_consumer.gets_within(secs(1)).await {
        all.push(received);
    }
    all
}

fn text<'a>(dead: &'a Message, name: &str) -> &'a str {
    dead.attributes.get(name).and_then(AttributeValue::text).unwrap_or_default()
}

fn with_attributes(body: &str, count: usize) -> OutgoingMessage {
    let attribute = |number: usize| (format!("a{number}"), AttributeValue::number(number.to_string()));
    OutgoingMessage { attributes: (0..count).map(attribute).collect(), ..OutgoingMessage::new(body) }
}

#[tokio::test(start_paused = true)]
async fn a_rejected_message_is_deleted_only_after_its_copy_was_taken() {
    let scene = scene();
    scene.dlq.once(Action::Send, Fault::AnswersLate(secs(15)));
    let sent = OutgoingMessage { trace_header: Some("Root=1".to_owned()), ..with_attributes("a", 3) };
    let id = scene.send_message(sent.clone());
    let worker = rejecting(&scene);
    scene.journal.ended(1).await;
    sleep(secs(14)).await;
    assert_eq!(
        (scene.dead(), scene.queue.calls(Action::Delete).len()),
        (1, 0),
        "copied and not answered yet"
    );
    scene.emptied().await;
    let dead = dead(&scene.dlq_consumer()).await.remove(0);
    assert_eq!((&*dead.body, dead.system.trace_header.as_deref()), ("a", Some("Root=1")));
    assert!(sent.attributes.iter().all(|(name, value)| dead.attributes.get(name) == Some(value)));
    assert_eq!(text(&dead, "longshore.reject.reason"), "no such customer");
    assert_eq!(text(&dead, "longshore.reject.kind"), "rust");
    assert_eq!(text(&dead, "longshore.reject.attempt"), "1");
    assert!(text(&dead, "longshore.reject.time").ends_with('Z'));
    assert_eq!(text(&dead, "longshore.reject.message-id"), id.as_str());
    assert_eq!((scene.journal.runs().len(), scene.queue.deletes_of(&id).len()), (1, 1));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn rejects_go_to_the_dlq_that_the_redrive_policy_names() {
    let scene = scene().dead_letters(DeadLetters::ByPolicy);
    scene.send("a");
    let worker = rejecting(&scene);
    scene.emptied().await;
    assert_eq!((scene.dead(), scene.journal.runs().len()), (1, 1));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_rejected_message_is_not_deleted_without_a_dlq() {
    for scene in [Scene::new(), scene().dead_letters(DeadLetters::Nowhere)] {
        scene.send("a");
        let worker = rejecting(&scene);
        scene.journal.ended(3).await;
        worker.drain().await;
        assert!(scene.queue.calls(Action::Delete).is_empty());
        assert!(
            scene.other_consumer().gets_within(secs(1_000)).await.is_some(),
            "the message is still there"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn rejects_are_retried_where_the_dlq_of_the_policy_cannot_be_opened() {
    let scene = scene().dead_letters(DeadLetters::ByPolicy);
    scene.account.delete_queue("orders-dlq").unwrap();
    scene.send("a");
    let worker = rejecting(&scene);
    scene.journal.ended(3).await;
    assert!(scene.queue.calls(Action::Delete).is_empty());
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_fails_is_sent_again_while_the_message_stays_hidden() {
    let scene = scene();
    scene.dlq.always(Action::Send, Fault::Fails(Failure::Throttled));
    scene.send("a");
    let worker = rejecting(&scene);
    scene.journal.ended(1).await;
    scene.other_consumer().gets_nothing_for(secs(300)).await;
    assert!(scene.queue.calls(Action::Delete).is_empty());
    let tries = scene.dlq.calls(Action::Send).len();
    assert!((5..40).contains(&tries), "{tries} tries in five minutes");
    scene.dlq.heal(Action::Send);
    scene.emptied().await;
    assert_eq!((scene.dead(), scene.journal.runs().len()), (1, 1));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_the_dlq_refuses_is_retried_and_the_worker_is_unready() {
    let scene = scene();
    scene.dlq.always(Action::Send, Fault::Fails(Failure::Refused));
    scene.send("a");
    let worker = rejecting(&scene);
    scene.journal.ended(3).await;
    sleep(secs(1)).await;
    assert!(scene.queue.calls(Action::Delete).is_empty());
    let unready = worker.health.unready();
    assert!(unready["orders dlq"].contains("AccessDenied"), "{unready:?}");
    assert_eq!(scene.dlq.calls(Action::Send).len(), 3, "once at each receive");
    scene.dlq.heal(Action::Send);
    scene.emptied().await;
    assert_eq!((scene.dead(), worker.health.unready().len()), (1, 0));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_copy_is_forgotten_when_nothing_is_rejected_for_a_while() {
    let scene = scene();
    scene.dlq.always(Action::Send, Fault::Refusals(vec![0]));
    scene.send("a");
    let worker = scene.start(|message, _| async move {
        if message.receive_count == 1 { Outcome::Reject("odd".to_owned()) } else { Outcome::Done }
    });
    scene.emptied().await;
    sleep(secs(14 * 60)).await;
    assert!(worker.health.unready()["orders dlq"].contains("InvalidMessageContents"));
    sleep(secs(90)).await;
    assert!(worker.health.unready().is_empty(), "{:?}", worker.health.unready());
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn only_the_copies_of_a_batch_that_failed_are_sent_again() {
    let scene = scene();
    scene.dlq.once(Action::Send, Fault::Entries(vec![1, 3, 5, 7, 9]));
    scene.send_many(10);
    let worker = rejecting(&scene);
    scene.emptied().await;
    let copies = scene.dlq.calls(Action::Send);
    assert_eq!(copies[0].bodies.len(), 10);
    let failed: Vec<_> = copies[0].bodies.iter().skip(1).step_by(2).collect();
    let mut again: Vec<_> = copies[1..].iter().flat_map(|call| &call.bodies).collect();
    again.sort_unstable();
    assert_eq!(again, failed);
    let first_delete = scene.queue.calls(Action::Delete).remove(0);
    assert!(first_delete.entries.len() == 5 && first_delete.at < copies[1].at, "they are not waited for");
    assert_eq!((scene.dead(), scene.journal.runs().len()), (10, 10));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn only_the_copies_of_a_batch_that_were_refused_are_retried() {
    let scene = scene();
    scene.dlq.once(Action::Send, Fault::Refusals(vec![0, 4]));
    scene.send_many(10);
    let worker = rejecting(&scene);
    scene.emptied().await;
    assert_eq!((scene.dead(), scene.journal.runs().len()), (10, 12));
    let failures = "longshore_settle_failures_total{action=\"copy\",queue=\"orders\"} 2";
    assert!(worker.metrics.text().contains(failures), "{}", worker.metrics.text());
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_the_copy_and_the_delete_loses_nothing() {
    let scene = scene();
    scene.queue.always(Action::Delete, Fault::Hangs);
    let id = scene.send("a");
    let worker = rejecting(&scene);
    scene.journal.ended(1).await;
    while scene.queue.deletes_of(&id).is_empty() {
        sleep(secs(1)).await;
    }
    worker.stop.halt();
    worker.ended().await;
    assert_eq!(scene.dead(), 1);
    scene.queue.heal(Action::Delete);
    let next = rejecting(&scene);
    scene.emptied().await;
    let dead = dead(&scene.dlq_consumer()).await;
    let originals: Vec<_> = dead.iter().map(|dead| text(dead, "longshore.reject.message-id")).collect();
    assert_eq!(originals, [id.as_str(), id.as_str()], "at least once");
    next.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_copied_message_whose_deletes_failed_until_its_lease_ended_is_deleted_and_not_copied_again() {
    let scene = scene().visibility(secs(10));
    scene.queue.always(Action::Delete, Fault::Fails(Failure::Broken));
    scene.queue.always(Action::ChangeVisibility, Fault::Fails(Failure::Broken));
    let id = scene.send("a");
    let worker = rejecting(&scene);
    scene.journal.ended(1).await;
    sleep(secs(60)).await;
    let came_back = scene.queue.deletes_of(&id).iter().any(|call| call.entries[0].receive > 1);
    assert!(came_back, "it came back, and was to be deleted");
    scene.queue.heal(Action::ChangeVisibility);
    scene.queue.heal(Action::Delete);
    scene.emptied().await;
    assert_eq!((scene.dead(), scene.journal.runs().len()), (1, 1));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_copy_answered_after_the_lease_was_lost_is_the_last_one() {
    let scene = scene().visibility(secs(10));
    scene.queue.always(Action::ChangeVisibility, Fault::Fails(Failure::Broken));
    scene.dlq.once(Action::Send, Fault::AnswersLate(secs(15)));
    scene.send("a");
    let worker = rejecting(&scene);
    scene.emptied().await;
    assert_eq!((scene.dead(), scene.journal.runs().len()), (1, 1), "deleted when it came back, and not run");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_lease_was_lost_before_its_copy_is_left_to_its_next_receive() {
    let scene = scene().visibility(secs(10));
    scene.dlq.always(Action::Send, Fault::Fails(Failure::Throttled));
    let id = scene.send("a");
    let worker = rejecting(&scene);
    scene.journal.ended(1).await;
    scene.purge();
    sleep(secs(60)).await;
    scene.dlq.heal(Action::Send);
    sleep(secs(60)).await;
    assert_eq!((scene.dead(), scene.queue.deletes_of(&id).len()), (0, 0));
    assert_eq!(worker.metric("longshore_messages_held"), 0);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_rejected_during_a_drain_is_copied_and_deleted_before_the_end() {
    let (scene, gate) = (scene(), Gate::default());
    scene.dlq.script(Action::Send, |number| match number {
        1 => Fault::Fails(Failure::Broken),
        2 => Fault::AnswersLate(secs(2)),
        _ => Fault::None,
    });
    scene.send("a");
    let worker = scene.start_gated(&gate, Outcome::Reject("late".to_owned()));
    scene.journal.began(1).await;
    worker.stop.drain();
    sleep(secs(5)).await;
    let began = Instant::now();
    gate.open();
    assert_eq!(worker.ended().await, Drained::All);
    assert!(began.elapsed() < secs(10), "{:?}", began.elapsed());
    assert_eq!((scene.dead(), scene.described().in_flight), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_wants_the_body_alone_has_its_rejects_copied_with_all_attributes() {
    let scene = scene();
    let sent = with_attributes("{", 4);
    scene.send_message(sent.clone());
    let handler = handler::from_json(async |_: Vec<u8>| ()).on_bad_body(BadBody::Reject);
    let worker = scene.start_handler(handler);
    scene.emptied().await;
    let dead = dead(&scene.dlq_consumer()).await.remove(0);
    assert!(sent.attributes.iter().all(|(name, value)| dead.attributes.get(name) == Some(value)));
    assert!(text(&dead, "longshore.reject.reason").starts_with("the body is "));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_copy_has_ten_attributes_at_most_and_all_of_the_senders() {
    let scene = scene();
    let mut sent = BTreeMap::new();
    for count in 0..=10 {
        let message = with_attributes(&count.to_string(), count);
        sent.insert(message.body.clone(), message.attributes.clone());
        scene.send_message(message);
    }
    let worker = rejecting(&scene);
    scene.emptied().await;
    let dead = dead(&scene.dlq_consumer()).await;
    assert_eq!(dead.len(), 11);
    for dead in &dead {
        let (attributes, given) = (&dead.attributes, &sent[&dead.body]);
        assert!(attributes.len() <= 10);
        assert!(given.iter().all(|(name, value)| attributes.get(name) == Some(value)));
        let record = [text(dead, "longshore.reject.reason"), text(dead, "longshore.reject")].concat();
        assert_eq!(record.contains("no such customer"), given.len() < 10, "{record}");
    }
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn copies_are_sent_ten_to_a_call_and_one_mebibyte_at_most() {
    let scene = scene();
    for _ in 0..4 {
        scene.send("x".repeat(400_000));
    }
    scene.send_many(20);
    let worker = rejecting(&scene);
    scene.emptied().await;
    let copies = scene.dlq.calls(Action::Send);
    for call in &copies {
        let bytes: usize = call.bodies.iter().map(String::len).sum();
        assert!(call.bodies.len() <= 10 && bytes <= 1_048_576, "{} of {bytes} bytes", call.bodies.len());
    }
    assert!(copies.len() < 24 && scene.dead() == 24, "{} calls", copies.len());
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_dlq_that_hangs_holds_up_no_delete() {
    let scene = scene().permits(600, 0);
    scene.dlq.always(Action::Send, Fault::Hangs);
    for _ in 0..400 {
        scene.send("bad");
    }
    let worker = scene.start(|message, _| async move {
        if message.body == "bad" { Outcome::Reject("bad".to_owned()) } else { Outcome::Done }
    });
    scene.journal.ended(400).await;
    sleep(secs(1)).await;
    assert!(!scene.dlq.calls(Action::Send).is_empty());
    scene.send_many(100);
    scene.journal.ended(500).await;
    sleep(secs(2)).await;
    assert_eq!(scene.described().in_flight, 400, "the others are deleted");
    scene.dlq.heal(Action::Send);
    scene.emptied().await;
    assert_eq!((scene.dead(), scene.journal.runs().len()), (400, 500));
    worker.drain().await;
}
