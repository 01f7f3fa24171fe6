//! Preparation between receive and call: a message is hidden, ordered and settled as if its handler prepared it.

use std::{future::pending, time::Duration};

use longshore::{
    Message,
    backoff::{Backoff, Jitter},
    handler::Outcome,
    testing::TestQueue,
    worker::Drained,
};
use tokio::time::{Instant, sleep};

use crate::support::{
    calls::{Action, Call},
    faulty::{Failure, Fault},
    preparation::{FakePreparation, Step},
    scene::{Running, Scene},
    secs,
};

/// The steps of a message that is prepared a second time after its claim was undone.
const TWICE: [Step; 6] =
    [Step::Begun, Step::Prepared, Step::Undone, Step::Begun, Step::Prepared, Step::Completed];

/// A preparation that takes this many seconds for the message with this body, and no time for others.
fn slow(body: &'static str, seconds: u64) -> FakePreparation {
    FakePreparation::new(move |message| async move {
        if message.body == body {
            sleep(secs(seconds)).await;
        }
        Ok(())
    })
}

/// A preparation that ends each message in this way, or prepares it.
fn failing(fails: fn(&Message) -> Option<Outcome>) -> FakePreparation {
    FakePreparation::new(move |message| async move { fails(&message).map_or(Ok(()), Err) })
}

/// A preparation that panics at the first receive of the message with this body.
fn panicking(body: &'static str) -> FakePreparation {
    FakePreparation::new(move |message| async move {
        assert!(message.body != body || message.receive_count > 1, "on purpose");
        Ok(())
    })
}

/// A worker whose handler returns this outcome at a message's first receive, and is done at the others.
fn first_failing(scene: &Scene, outcome: Outcome) -> Running {
    scene.start(move |message, _| {
        let outcome = if message.receive_count == 1 { outcome.clone() } else { Outcome::Done };
        async move { outcome }
    })
}

fn working(scene: &Scene) -> Running {
    scene.start(async |_, _| Outcome::Done)
}

/// Sends messages `a0`, `a1` and so on to the group `a`.
fn send_group(scene: &Scene, messages: usize) {
    for number in 0..messages {
        scene.send_to("a", format!("a{number}"));
    }
}

/// The received bodies of all runs, in order.
fn runs(scene: &Scene) -> Vec<String> {
    let received = |body: &str| body.strip_prefix("prepared ").unwrap().to_owned();
    scene.journal.runs().into_iter().map(|run| received(&run.message.body)).collect()
}

fn receive_counts(scene: &Scene) -> Vec<u32> {
    scene.journal.runs().into_iter().map(|run| run.message.receive_count).collect()
}

/// The bodies of all copies in the DLQ.
fn dead_bodies(scene: &Scene) -> Vec<String> {
    TestQueue::dead_letters(scene).into_iter().map(|message| message.body).collect()
}

/// The time of the first visibility change that gives a message back.
fn given_back(scene: &Scene, is_back: impl Fn(&Call) -> bool) -> Instant {
    scene.queue.calls(Action::ChangeVisibility).into_iter().find(is_back).unwrap().at
}

#[tokio::test(start_paused = true)]
async fn a_handler_sees_the_prepared_message() {
    let preparation = FakePreparation::quick();
    let scene = Scene::new().prepared_by(&preparation);
    scene.send("a");
    let worker = working(&scene);
    scene.emptied().await;
    assert_eq!(scene.journal.done_bodies(), ["prepared a"]);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_completed_once_and_only_after_sqs_deleted_its_message() {
    let preparation = FakePreparation::quick();
    let scene = Scene::new().prepared_by(&preparation);
    scene.queue.script(Action::Delete, |number| match number {
        1 => Fault::Fails(Failure::Throttled),
        _ => Fault::Late(secs(5)),
    });
    let id = scene.send("a");
    let worker = working(&scene);
    let completed = preparation.reached(Step::Completed, 1).await;
    let deleted = scene.queue.deletes_of(&id).last().unwrap().at + secs(5);
    assert!(completed >= deleted, "it was completed {:?} too early", deleted - completed);
    sleep(secs(60)).await;
    assert_eq!(preparation.steps_of("a"), [Step::Begun, Step::Prepared, Step::Completed]);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_stays_hidden_while_it_is_prepared() {
    let preparation = slow("a", 35);
    let scene = Scene::new().visibility(secs(10)).prepared_by(&preparation);
    scene.send("a");
    let worker = working(&scene);
    preparation.reached(Step::Begun, 1).await;
    scene.other_consumer().gets_nothing_for(secs(60)).await;
    assert_eq!(receive_counts(&scene), [1]);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_preparation_asks_for_a_retry_comes_again_and_does_not_run_before() {
    let preparation =
        failing(|message| (message.receive_count < 3).then(|| Outcome::Retry("on purpose".to_owned())));
    let scene = Scene::new().prepared_by(&preparation);
    scene.send("a");
    let worker = working(&scene);
    scene.emptied().await;
    assert_eq!((receive_counts(&scene), preparation.bodies_at(Step::Failed).len()), (vec![3], 2));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_its_preparation_rejects_is_copied_to_the_dlq_and_deleted_and_never_runs() {
    let preparation = failing(|_| Some(Outcome::Reject("on purpose".to_owned())));
    let scene = Scene::new().max_receives(3).prepared_by(&preparation);
    let id = scene.send("a");
    let worker = working(&scene);
    scene.emptied().await;
    assert_eq!(dead_bodies(&scene), ["a"]);
    assert_eq!((scene.queue.deletes_of(&id).len(), runs(&scene).len()), (1, 0));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_prepared_message_that_its_handler_rejects_is_copied_as_it_was_received() {
    let preparation = FakePreparation::quick();
    let scene = Scene::new().max_receives(3).prepared_by(&preparation);
    scene.dlq.once(Action::Send, Fault::AnswersLate(secs(5)));
    let id = scene.send("a");
    let worker = scene.start(async |_, _| Outcome::Reject("on purpose".to_owned()));
    let completed = preparation.reached(Step::Completed, 1).await;
    assert!(completed >= scene.queue.deletes_of(&id)[0].at);
    assert_eq!(scene.journal.runs()[0].message.body, "prepared a");
    assert_eq!(dead_bodies(&scene), ["a"]);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_undone_before_its_message_is_visible_again() {
    let preparation = FakePreparation::quick().claims_end_after(secs(5));
    let scene = Scene::new().prepared_by(&preparation);
    let id = scene.send("a");
    let worker = first_failing(&scene, Outcome::RetryIn(Duration::ZERO, "on purpose".to_owned()));
    preparation.reached(Step::Completed, 1).await;
    let undone = preparation.reached(Step::Undone, 1).await;
    assert!(given_back(&scene, |call| call.frees(&id)) >= undone);
    assert_eq!(preparation.steps_of("a"), TWICE);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_undone_before_its_message_is_visible_again_because_the_dlq_refused_it() {
    let preparation = FakePreparation::quick().claims_end_after(secs(5));
    let retry = Backoff { initial: secs(1), jitter: Jitter::None, ..Backoff::default() };
    let scene = Scene::new().max_receives(9).options(|options| options.retry = retry);
    let scene = scene.prepared_by(&preparation);
    scene.dlq.once(Action::Send, Fault::Fails(Failure::Refused));
    scene.send("a");
    let worker = scene.start(async |_, _| Outcome::Reject("on purpose".to_owned()));
    preparation.reached(Step::Completed, 1).await;
    let undone = preparation.reached(Step::Undone, 1).await;
    assert!(given_back(&scene, |call| call.entries[0].visibility == Some(secs(1))) >= undone);
    assert_eq!(preparation.steps_of("a"), TWICE);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_undone_when_the_lease_is_lost_while_the_handler_runs() {
    let preparation = FakePreparation::quick();
    let scene = Scene::new().visibility(secs(10)).prepared_by(&preparation);
    scene.queue.always(Action::ChangeVisibility, Fault::Fails(Failure::Throttled));
    scene.send("a");
    let worker = scene.start(async |message, context| {
        if message.receive_count == 1 {
            context.cancelled().await;
            return Outcome::Retry("cancelled".to_owned());
        }
        Outcome::Done
    });
    preparation.reached(Step::Undone, 1).await;
    scene.queue.heal(Action::ChangeVisibility);
    preparation.reached(Step::Completed, 1).await;
    assert_eq!(preparation.steps_of("a"), TWICE);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_undone_when_the_lease_is_lost_while_the_message_waits() {
    let preparation = FakePreparation::quick();
    let scene = Scene::new().permits(1, 1).visibility(secs(10)).prepared_by(&preparation);
    scene.send_many(2);
    let worker = scene.start(async |_, context| {
        context.cancelled().await;
        Outcome::Done
    });
    preparation.reached(Step::Prepared, 2).await;
    scene.purge();
    preparation.reached(Step::Undone, 2).await;
    assert_eq!((preparation.bodies_at(Step::Completed).len(), runs(&scene).len()), (0, 1));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_preparation_is_dropped_when_the_lease_is_lost() {
    let preparation = slow("a", 600);
    let scene = Scene::new().visibility(secs(10)).prepared_by(&preparation);
    scene.send("a");
    let worker = working(&scene);
    preparation.reached(Step::Begun, 1).await;
    scene.purge();
    preparation.reached(Step::Cut, 1).await;
    sleep(secs(1)).await;
    assert_eq!((worker.metric("longshore_messages_held"), runs(&scene).len()), (0, 0));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_preparation_that_panics_touches_no_other_message() {
    let preparation = panicking("9");
    let scene = Scene::new().prepared_by(&preparation);
    scene.send_many(10);
    let (began, worker) = (Instant::now(), working(&scene));
    scene.emptied().await;
    assert!(began.elapsed() < secs(20), "it did not wait for its visibility: {:?}", began.elapsed());
    assert_eq!(receive_counts(&scene), [1, 1, 1, 1, 1, 1, 1, 1, 1, 2]);
    assert_eq!((preparation.bodies_at(Step::Cut), runs(&scene)[9].as_str()), (vec!["9".to_owned()], "9"));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_group_goes_on_in_order_after_a_preparation_that_panicked() {
    let preparation = panicking("a1");
    let scene = Scene::fifo().prepared_by(&preparation);
    send_group(&scene, 4);
    let worker = working(&scene);
    scene.emptied().await;
    assert_eq!(runs(&scene), ["a0", "a1", "a2", "a3"]);
    assert_eq!(receive_counts(&scene), [1, 2, 2, 2]);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_panics_at_its_end_changes_nothing_for_any_message() {
    let preparation = FakePreparation::quick().claims_panic();
    let scene = Scene::new().prepared_by(&preparation);
    scene.send_many(5);
    let began = Instant::now();
    let worker = first_failing(&scene, Outcome::RetryIn(secs(1), "on purpose".to_owned()));
    scene.emptied().await;
    assert!(began.elapsed() < secs(20), "they did not wait for their visibility: {:?}", began.elapsed());
    assert_eq!(receive_counts(&scene), [1, 1, 1, 1, 1, 2, 2, 2, 2, 2]);
    assert_eq!(worker.drain().await, Drained::All);
}

#[tokio::test(start_paused = true)]
async fn a_stop_during_a_preparation_gives_the_message_back_at_once() {
    let preparation = FakePreparation::new(|_| pending());
    let scene = Scene::fifo().prepared_by(&preparation);
    send_group(&scene, 3);
    let worker = working(&scene);
    preparation.reached(Step::Begun, 1).await;
    let stopped = Instant::now();
    assert_eq!(worker.drain().await, Drained::All);
    assert!(stopped.elapsed() < secs(1), "{:?}", stopped.elapsed());
    assert_eq!((scene.visible(), preparation.bodies_at(Step::Cut).len()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_until_every_claim_has_ended() {
    let preparation = FakePreparation::quick().claims_end_after(secs(3));
    let scene = Scene::new().permits(1, 1).prepared_by(&preparation);
    scene.send_many(2);
    let worker = scene.start(async |_, _| {
        sleep(secs(10)).await;
        Outcome::Done
    });
    preparation.reached(Step::Prepared, 2).await;
    assert_eq!(worker.drain().await, Drained::All);
    assert_eq!(preparation.bodies_at(Step::Completed), ["0"]);
    assert_eq!((preparation.bodies_at(Step::Undone), scene.visible()), (vec!["1".to_owned()], 1));
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_group_are_prepared_and_run_in_order_although_the_first_one_is_slow() {
    let preparation = slow("a0", 20);
    let scene = Scene::fifo().prepared_by(&preparation);
    send_group(&scene, 3);
    scene.send_to("b", "b0");
    let worker = working(&scene);
    scene.emptied().await;
    assert_eq!(runs(&scene), ["b0", "a0", "a1", "a2"]);
    assert_eq!(preparation.bodies_at(Step::Begun), ["a0", "b0", "a1", "a2"]);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_group_are_prepared_and_run_in_order_although_they_come_by_several_receives() {
    let preparation = slow("a0", 20);
    let scene = Scene::loose_fifo().prepared_by(&preparation);
    scene.send_to("a", "a0");
    let worker = working(&scene);
    preparation.reached(Step::Begun, 1).await;
    for body in ["a1", "a2"] {
        scene.send_to("a", body);
        sleep(secs(5)).await;
    }
    assert_eq!(scene.in_flight(), 3, "all are here before the first one is prepared");
    scene.emptied().await;
    assert_eq!(runs(&scene), ["a0", "a1", "a2"]);
    assert_eq!(preparation.bodies_at(Step::Begun), ["a0", "a1", "a2"]);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_in_preparation_does_not_overtake_a_failed_one_of_its_group() {
    let preparation = slow("a1", 20);
    let scene = Scene::fifo().prepared_by(&preparation);
    send_group(&scene, 3);
    let worker = scene.start(async |message, _| match (message.body.as_str(), message.receive_count) {
        ("prepared a0", 1) => Outcome::RetryIn(secs(5), "on purpose".to_owned()),
        _ => Outcome::Done,
    });
    scene.journal.began(2).await;
    assert_eq!(preparation.bodies_at(Step::Cut), ["a1"], "the group does not wait for its end");
    scene.emptied().await;
    assert_eq!(runs(&scene), ["a0", "a0", "a1", "a2"]);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_in_preparation_does_not_overtake_one_that_was_given_back_to_a_handler_that_is_down() {
    let preparation = slow("a1", 3);
    let scene = Scene::fifo().permits(1, 9).prepared_by(&preparation);
    scene.send_to("0", "down");
    send_group(&scene, 3);
    let worker = scene.start(async |message, _| {
        sleep(secs(1)).await;
        let is_down = message.body == "prepared down" && message.receive_count == 1;
        if is_down { Outcome::Down("on purpose".to_owned()) } else { Outcome::Done }
    });
    scene.emptied().await;
    let group: Vec<_> = runs(&scene).into_iter().filter(|body| body.starts_with('a')).collect();
    assert_eq!(group, ["a0", "a1", "a2"]);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_in_preparation_does_not_overtake_one_that_lost_its_lease_while_it_waited() {
    let scene = Scene::fifo().permits(1, 9).visibility(secs(10));
    let account = scene.account.clone();
    let preparation = FakePreparation::new(move |message| {
        if message.body == "a0" {
            account.delete("orders.fifo", message.receipt.as_str()).unwrap();
        }
        async move {
            sleep(secs(if message.body == "a1" { 60 } else { 0 })).await;
            Ok(())
        }
    });
    let scene = scene.prepared_by(&preparation);
    scene.send_to("0", "busy");
    send_group(&scene, 3);
    let worker = scene.start(async |_, _| pending().await);
    preparation.reached(Step::Undone, 1).await;
    assert_eq!(preparation.bodies_at(Step::Undone), ["a0"], "its lease was lost");
    assert_eq!(preparation.bodies_at(Step::Cut), ["a1"], "and the one behind it was given back");
    worker.stop.halt();
}

#[tokio::test(start_paused = true)]
async fn messages_behind_one_whose_preparation_fails_for_good_all_run() {
    let preparation = failing(|message| {
        (message.body == "a0").then(|| Outcome::RetryIn(secs(30), "on purpose".to_owned()))
    });
    let scene = Scene::fifo().max_receives(3).prepared_by(&preparation);
    send_group(&scene, 10);
    let worker = working(&scene);
    scene.emptied().await;
    assert_eq!(runs(&scene), ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9"]);
    assert_eq!((scene.dead(), receive_counts(&scene).into_iter().max()), (1, Some(2)));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn messages_behind_those_that_their_preparation_rejects_spend_no_receive() {
    let preparation =
        failing(|message| (message.body.as_str() < "a4").then(|| Outcome::Reject("on purpose".to_owned())));
    let scene = Scene::fifo().max_receives(3).prepared_by(&preparation);
    send_group(&scene, 6);
    let worker = working(&scene);
    scene.emptied().await;
    assert_eq!((runs(&scene), receive_counts(&scene)), (vec!["a4".to_owned(), "a5".to_owned()], vec![1, 1]));
    assert_eq!(scene.dead(), 4);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn no_message_runs_before_the_copy_of_one_of_its_group_that_its_preparation_rejected() {
    let preparation =
        failing(|message| (message.body == "a0").then(|| Outcome::Reject("on purpose".to_owned())));
    let scene = Scene::fifo().max_receives(9).prepared_by(&preparation);
    scene.dlq.script(Action::Send, |number| match number {
        1 => Fault::Fails(Failure::Refused),
        _ => Fault::Late(secs(5)),
    });
    send_group(&scene, 3);
    let worker = working(&scene);
    scene.emptied().await;
    let copied = scene.dlq.calls(Action::Send)[1].at + secs(5);
    assert!(scene.journal.runs()[0].began >= copied);
    assert_eq!((runs(&scene), scene.dead()), (vec!["a1".to_owned(), "a2".to_owned()], 1));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn never_more_messages_are_held_than_there_are_permits_while_some_are_prepared() {
    let preparation = FakePreparation::new(async |_| {
        sleep(secs(1)).await;
        Ok(())
    });
    let scene = Scene::new().permits(2, 3).prepared_by(&preparation);
    scene.send_many(50);
    let worker = scene.start(async |_, _| {
        sleep(secs(1)).await;
        Outcome::Done
    });
    let mut most = 0;
    while scene.visible() > 0 {
        most = most.max(scene.in_flight());
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!((most, preparation.most_at_once()), (5, 5));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn long_groups_leave_permits_for_others_while_they_are_prepared() {
    let preparation = FakePreparation::new(async |_| {
        sleep(secs(10)).await;
        Ok(())
    });
    let scene = Scene::fifo().options(|options| options.concurrency = 4).prepared_by(&preparation);
    for group in ["a", "b", "c", "d"] {
        (0..10).for_each(|number| drop(scene.send_to(group, format!("{group}{number}"))));
    }
    let worker = working(&scene);
    preparation.reached(Step::Prepared, 1).await;
    assert_eq!(preparation.most_at_once(), 4, "{:?}", preparation.bodies_at(Step::Begun));
    worker.drain().await;
}
