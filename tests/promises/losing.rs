//! Promise 5: a lost lease cancels the handler, and its outcome deletes nothing.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use longshore::{duration::Limit, handler::Outcome, testing::RunEnd, worker::Drained};
use tokio::time::sleep;

use crate::support::{
    calls::Action,
    faulty::{Failure, Fault},
    scene::{Running, Scene},
    secs,
};

#[tokio::test(start_paused = true)]
async fn at_twelve_hours_the_lease_is_lost_and_nothing_is_deleted() {
    let (scene, worker, _) = running_for_ever(Scene::new()).await;
    scene.journal.ended(1).await;
    let run = scene.journal.runs().remove(0);
    let (ended, end) = run.ended.unwrap();
    let lasted = ended - run.began;
    let hours = secs(12 * 3_600 - 10)..secs(12 * 3_600 + 2);
    assert!(hours.contains(&lasted), "lasted {lasted:?}");
    assert_eq!(end, RunEnd::Cut);
    sleep(Duration::from_hours(1)).await;
    assert!(scene.queue.calls(Action::Delete).is_empty());
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_purge_cancels_the_handlers_of_what_was_purged() {
    let (scene, worker, cancelled) = running_for_ever(Scene::new()).await;
    scene.purge();
    scene.journal.ended(1).await;
    assert!(cancelled.load(Ordering::SeqCst), "the handler was cancelled before it was dropped");
    assert_eq!(scene.journal.runs()[0].ended.as_ref().unwrap().1, RunEnd::Cut);
    assert_eq!(worker.metric("longshore_leases_lost_total"), 1);
    assert!(scene.queue.calls(Action::Delete).is_empty());
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_another_consumer_got_is_not_deleted_here() {
    let scene = Scene::new().permits(1, 0).visibility(secs(10));
    let id = scene.send("a");
    let worker = scene.start(|_, context| async move {
        context.cancelled().await;
        Outcome::Done
    });
    scene.journal.began(1).await;
    scene.queue.always(Action::ChangeVisibility, Fault::Hangs);
    let theirs = scene.other_consumer().gets_within(secs(60)).await.unwrap();
    assert_eq!(theirs.receive_count, 2);
    scene.journal.ended(1).await;
    sleep(secs(60)).await;
    assert!(scene.queue.deletes_of(&id).is_empty(), "its outcome came after its lease");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_done_after_its_lease_was_lost_is_deleted_and_not_run_when_it_comes_back() {
    let scene = Scene::new().permits(1, 0).visibility(secs(10));
    let id = scene.send("a");
    let worker = scene.start(|_, context| async move {
        context.cancelled().await;
        sleep(Duration::from_millis(500)).await;
        Outcome::Done
    });
    scene.journal.began(1).await;
    scene.queue.always(Action::ChangeVisibility, Fault::Hangs);
    scene.emptied().await;
    assert_eq!((scene.journal.runs().len(), scene.queue.deletes_of(&id).len()), (1, 1));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_received_while_its_cut_run_ends_runs_without_another_receive() {
    for done in [false, true] {
        let scene = Scene::new().max_receives(2).permits(2, 0).visibility(secs(10));
        scene.send("a");
        let worker = scene.start(move |message, context| async move {
            if message.receive_count == 1 {
                context.cancelled().await;
                // Longer than the second receive takes, and within the grace or beyond it.
                sleep(Duration::from_millis(if done { 900 } else { 5_000 })).await;
            }
            Outcome::Done
        });
        scene.journal.began(1).await;
        scene.queue.always(Action::ChangeVisibility, Fault::Hangs);
        scene.queue.always(Action::Receive, Fault::AnswersLate(Duration::from_millis(300)));
        scene.emptied().await;
        let receives: Vec<_> = scene.journal.runs().iter().map(|run| run.message.receive_count).collect();
        assert_eq!(receives, if done { vec![1] } else { vec![1, 2] });
        assert_eq!(scene.dead(), 0);
        worker.stop.halt();
        worker.ended().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_runs_of_a_message_received_while_its_cut_run_ends_do_not_overlap() {
    let scene = Scene::fifo().max_receives(2).permits(2, 0).visibility(secs(10));
    scene.send_to("g", "1");
    scene.send_to("g", "2");
    let worker = scene.start(|message, _| async move {
        if message.receive_count == 1 && message.body == "1" {
            pending::<()>().await;
        }
        Outcome::Done
    });
    scene.journal.began(1).await;
    scene.queue.always(Action::ChangeVisibility, Fault::Hangs);
    scene.queue.always(Action::Receive, Fault::AnswersLate(Duration::from_millis(300)));
    scene.journal.began(2).await;
    let (runs, dead) = (scene.journal.runs(), scene.dead());
    assert!(runs[0].ended.is_some(), "the cut run has ended");
    assert_eq!((runs[1].message.body.as_str(), runs[1].message.receive_count, dead), ("1", 2, 0));
    scene.queue.heal(Action::ChangeVisibility);
    scene.emptied().await;
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_received_while_its_cut_run_ends_is_given_back_at_a_stop() {
    let scene = Scene::new().permits(2, 0).visibility(secs(10));
    scene.send("a");
    let worker = scene.start(|_, _| pending());
    scene.journal.began(1).await;
    scene.queue.always(Action::ChangeVisibility, Fault::Hangs);
    scene.queue.always(Action::Receive, Fault::AnswersLate(Duration::from_millis(300)));
    sleep(Duration::from_millis(10_500)).await;
    scene.queue.heal(Action::ChangeVisibility);
    assert_eq!(worker.metric("longshore_leases_lost_total"), 1);
    assert_eq!(worker.metric("longshore_messages_held"), 2, "the cut run, and the message received again");
    assert_eq!(worker.drain().await, Drained::All);
    assert_eq!((scene.described().visible, scene.journal.runs().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_lease_whose_extensions_all_fail_is_lost_at_its_end() {
    let scene = Scene::new().visibility(secs(10));
    scene.queue.always(Action::ChangeVisibility, Fault::Fails(Failure::Throttled));
    let (scene, worker, cancelled) = running_for_ever(scene).await;
    scene.journal.ended(1).await;
    let run = scene.journal.runs().remove(0);
    let lasted = run.ended.unwrap().0 - run.began;
    assert!(lasted > secs(5) && lasted < secs(12), "lost after {lasted:?}");
    assert!(cancelled.load(Ordering::SeqCst));
    assert!(scene.queue.calls(Action::Delete).is_empty());
    worker.stop.halt();
    worker.ended().await;
}

#[tokio::test(start_paused = true)]
async fn extensions_that_hang_hide_no_loss_from_any_handler() {
    let scene = Scene::new().permits(400, 0).visibility(secs(10));
    scene.queue.always(Action::ChangeVisibility, Fault::Hangs);
    scene.send_many(400);
    let worker = scene.start(|_, context| async move {
        context.cancelled().await;
        Outcome::Retry("cancelled".to_owned())
    });
    scene.journal.ended(400).await;
    let longest =
        scene.journal.runs().iter().take(400).map(|run| run.ended.as_ref().unwrap().0 - run.began).max();
    assert!(longest.unwrap() < secs(14), "the last was cancelled after {longest:?}");
    worker.stop.halt();
    worker.ended().await;
}

#[tokio::test(start_paused = true)]
async fn an_extension_refused_because_of_the_own_delete_is_no_loss() {
    let scene = Scene::new().visibility(secs(10));
    scene.queue.always(Action::Delete, Fault::AnswersLate(secs(8)));
    scene.send("a");
    let worker = scene.start(|_, _| async { Outcome::Done });
    scene.emptied().await;
    sleep(secs(60)).await;
    assert_eq!(scene.queue.calls(Action::ChangeVisibility).len(), 1, "it was sent, and refused");
    assert_eq!(worker.metric("longshore_leases_lost_total"), 0);
    assert_eq!(worker.metric("longshore_messages_held"), 0);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_lease_was_lost_while_it_waited_is_not_run() {
    let scene = Scene::new().permits(1, 1).visibility(secs(10));
    scene.send_many(2);
    let worker = scene.start(|_, _| async {
        sleep(secs(8)).await;
        Outcome::Done
    });
    scene.journal.began(1).await;
    scene.purge();
    sleep(secs(60)).await;
    assert_eq!(scene.journal.runs().len(), 1);
    worker.drain().await;
}

/// A worker whose only call never ends by itself, and a flag that its cancellation sets.
async fn running_for_ever(scene: Scene) -> (Scene, Running, Arc<AtomicBool>) {
    let scene = scene.permits(1, 0).options(|options| options.timeout = Limit::None);
    scene.send("a");
    let cancelled = Arc::new(AtomicBool::new(false));
    let cancelled_flag = cancelled.clone();
    let worker = scene.start(move |_, context| {
        let cancelled_flag = cancelled_flag.clone();
        async move {
            context.cancelled().await;
            cancelled_flag.store(true, Ordering::SeqCst);
            pending().await
        }
    });
    scene.journal.began(1).await;
    (scene, worker, cancelled)
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_receive_was_answered_after_its_visibility_is_not_run() {
    let scene = Scene::new().visibility(secs(9));
    scene.queue.once(Action::Receive, Fault::AnswersLate(secs(11)));
    scene.send("a");
    let worker = scene.start(|_, _| async { Outcome::Done });
    assert!(
        scene.other_consumer().gets_within(secs(10)).await.is_some(),
        "it is visible again after nine seconds"
    );
    sleep(secs(60)).await;
    assert!(scene.journal.runs().is_empty(), "the other consumer holds it");
    assert!(scene.queue.calls(Action::Delete).is_empty());
    worker.drain().await;
}
