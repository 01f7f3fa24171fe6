//! Promise 8: every entry of every batch answer is read, and the failed ones are tried again.

use longshore::handler::Outcome;
use tokio::time::sleep;

use crate::support::{
    calls::Action,
    faulty::{Failure, Fault},
    scene::Scene,
    secs,
};

#[tokio::test(start_paused = true)]
async fn only_the_entries_of_a_delete_that_failed_are_tried_again() {
    let scene = Scene::new();
    scene.queue.once(Action::Delete, Fault::Entries(vec![2, 5]));
    scene.send_many(10);
    let worker = scene.start(|_, _| async { Outcome::Done });
    scene.emptied().await;
    let deletes = scene.queue.calls(Action::Delete);
    assert_eq!(deletes[0].entries.len(), 10);
    let failed = [&deletes[0].entries[2].id, &deletes[0].entries[5].id];
    assert!(deletes[1..].iter().all(|call| call.at - deletes[0].at < secs(1)), "they are not waited for");
    let again: Vec<_> = deletes[1..].iter().flat_map(|call| &call.entries).map(|entry| &entry.id).collect();
    assert_eq!(again.len(), 2, "{again:?}");
    assert!(failed.iter().all(|id| again.contains(id)));
    assert_eq!(scene.journal.runs().len(), 10);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn only_the_entries_of_a_give_back_that_failed_are_tried_again() {
    let scene = Scene::new();
    scene.queue.once(Action::ChangeVisibility, Fault::Entries(vec![0]));
    scene.send_many(4);
    let worker = scene.start(|message, _| async move {
        if message.receive_count == 1 { Outcome::RetryIn(secs(5), "later".to_owned()) } else { Outcome::Done }
    });
    scene.emptied().await;
    let give_backs = scene.queue.calls(Action::ChangeVisibility);
    let sizes: Vec<_> = give_backs.iter().map(|call| call.entries.len()).collect();
    assert_eq!(sizes, [4, 1]);
    assert_eq!(give_backs[0].entries[0].id, give_backs[1].entries[0].id);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn only_the_extensions_that_failed_are_tried_again() {
    let scene = Scene::new().visibility(secs(20));
    scene.queue.once(Action::ChangeVisibility, Fault::Entries(vec![3]));
    scene.send_many(10);
    let worker = scene.start(|_, _| async {
        sleep(secs(19)).await;
        Outcome::Done
    });
    scene.emptied().await;
    let extensions = scene.queue.calls(Action::ChangeVisibility);
    assert_eq!(extensions[0].entries.len(), 10);
    let failed = &extensions[0].entries[3].id;
    let next = extensions[1..].iter().find(|call| call.names(failed)).unwrap();
    assert!(next.at - extensions[0].at < secs(3), "the failed one does not wait for its next turn");
    assert_eq!(scene.journal.runs().len(), 10);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_delete_makes_the_worker_unready_until_it_goes_through() {
    let scene = Scene::new();
    scene.queue.always(Action::Delete, Fault::Fails(Failure::Refused));
    scene.send("a");
    let worker = scene.start(|_, _| async { Outcome::Done });
    sleep(secs(30)).await;
    assert!(
        worker.health.unready()["orders settle"].contains("AccessDenied"),
        "{:?}",
        worker.health.unready()
    );
    scene.queue.heal(Action::Delete);
    scene.emptied().await;
    assert!(worker.health.unready().is_empty());
    assert_eq!(scene.journal.runs().len(), 1);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_extension_makes_the_worker_unready() {
    let scene = Scene::new();
    scene.queue.always(Action::ChangeVisibility, Fault::Fails(Failure::Refused));
    scene.send("a");
    let worker = scene.start(|_, _| std::future::pending());
    sleep(secs(25)).await;
    assert!(
        worker.health.unready()["orders extend"].contains("AccessDenied"),
        "{:?}",
        worker.health.unready()
    );
    worker.stop.halt();
    worker.ended().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_short_tasks_extend_nothing_is_ready_again_after_a_refused_extension() {
    let scene = Scene::new();
    scene.queue.always(Action::ChangeVisibility, Fault::Fails(Failure::Refused));
    scene.send("a");
    let worker = scene.start(|_, _| async {
        sleep(secs(20)).await;
        Outcome::Done
    });
    scene.emptied().await;
    assert!(worker.health.unready().contains_key("orders extend"), "{:?}", worker.health.unready());
    sleep(secs(121)).await;
    assert!(worker.health.unready().is_empty(), "{:?}", worker.health.unready());
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_full_worker_is_not_ready_while_sqs_cannot_be_reached() {
    let scene = Scene::new().permits(1, 0);
    scene.send("a");
    let worker = scene.start(|_, _| async {
        sleep(secs(60)).await;
        Outcome::Done
    });
    scene.journal.began(1).await;
    for action in [Action::Receive, Action::ChangeVisibility] {
        scene.queue.always(action, Fault::Fails(Failure::Broken));
    }
    sleep(secs(20)).await;
    assert!(worker.health.unready().contains_key("orders extend"), "{:?}", worker.health.unready());
    scene.queue.heal(Action::ChangeVisibility);
    scene.queue.heal(Action::Receive);
    sleep(secs(10)).await;
    assert!(worker.health.unready().is_empty(), "{:?}", worker.health.unready());
    worker.drain().await;
}
