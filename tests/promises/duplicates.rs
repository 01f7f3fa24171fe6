//! Promise 7: no message runs twice at once, and a done message is deleted and not run again.

use longshore::{
    handler::Outcome,
    queue::{Queue as _, VisibilityChange},
};
use tokio::time::{Instant, sleep};

use crate::support::{
    calls::Action,
    faulty::{Failure, Fault},
    scene::Scene,
    secs,
};

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_again_while_it_runs_is_not_run_twice() {
    let scene = Scene::new().permits(2, 0).visibility(secs(10));
    let id = scene.send("a");
    let worker = scene.start(|_, _| async {
        sleep(secs(20)).await;
        Outcome::Done
    });
    scene.journal.began(1).await;
    make_visible_from_outside(&scene).await;
    scene.emptied().await;
    assert_eq!(scene.journal.runs().len(), 1);
    let deletes = scene.queue.deletes_of(&id);
    assert_eq!(deletes.last().unwrap().entries[0].receive, 2, "the newer receipt is the one that deletes");
    assert_eq!(worker.metric("longshore_messages_duplicate_total"), 1);
    assert_eq!(worker.metric("longshore_leases_lost_total"), 0);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_delete_overtaken_by_a_newer_receive_is_sent_again_with_its_receipt() {
    let scene = Scene::new().permits(2, 0);
    scene.queue.once(Action::Delete, Fault::Late(secs(5)));
    let id = scene.send("a");
    let worker = scene.start(|_, _| async { Outcome::Done });
    scene.journal.ended(1).await;
    sleep(secs(1)).await;
    make_visible_from_outside(&scene).await;
    let made_visible = Instant::now();
    scene.emptied().await;
    assert!(made_visible.elapsed() < secs(6), "not before it came back: {:?}", made_visible.elapsed());
    let receives: Vec<_> = scene.queue.deletes_of(&id).iter().map(|call| call.entries[0].receive).collect();
    assert_eq!((receives, scene.journal.runs().len()), (vec![1, 2], 1));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_delete_whose_answer_is_lost_is_sent_again_and_nothing_runs_twice() {
    let scene = Scene::new();
    scene.queue.once(Action::Delete, Fault::AnswerLost);
    let id = scene.send("a");
    let worker = scene.start(|_, _| async { Outcome::Done });
    scene.journal.ended(1).await;
    sleep(secs(300)).await;
    assert_eq!(scene.queue.deletes_of(&id).len(), 2);
    assert_eq!(scene.journal.runs().len(), 1);
    assert_eq!(worker.metric("longshore_messages_held"), 0);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_done_message_whose_deletes_failed_until_its_lease_ended_is_deleted_when_it_comes_back() {
    let scene = Scene::new().visibility(secs(10));
    scene.queue.always(Action::Delete, Fault::Fails(Failure::Broken));
    scene.queue.always(Action::ChangeVisibility, Fault::Fails(Failure::Broken));
    let id = scene.send("a");
    let worker = scene.start(|_, _| async { Outcome::Done });
    scene.journal.ended(1).await;
    sleep(secs(60)).await;
    let came_back = scene.queue.deletes_of(&id).iter().any(|call| call.entries[0].receive > 1);
    assert!(came_back, "it came back, and was to be deleted");
    scene.queue.heal(Action::ChangeVisibility);
    scene.queue.heal(Action::Delete);
    scene.emptied().await;
    assert_eq!(scene.journal.runs().len(), 1, "it was not run again");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_given_back_runs_again() {
    let scene = Scene::new();
    scene.send("a");
    let worker = scene.start(|message, _| async move {
        if message.receive_count < 3 { Outcome::Retry("again".to_owned()) } else { Outcome::Done }
    });
    scene.emptied().await;
    let counts: Vec<_> = scene.journal.runs().iter().map(|run| run.message.receive_count).collect();
    assert_eq!(counts, [1, 2, 3]);
    worker.drain().await;
}

/// Makes the first message visible, with the receipt that the worker holds.
async fn make_visible_from_outside(scene: &Scene) {
    let receipt = scene.journal.runs()[0].message.receipt.clone();
    scene.queue.change_visibility(&[VisibilityChange { receipt, visibility: secs(0) }]).await.unwrap();
}
