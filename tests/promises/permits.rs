//! Promises 3 and 4: no more handlers run than the concurrency, no more messages are held than there are permits, and
//! nothing is received without permits.

use std::{future::pending, time::Duration};

use longshore::handler::Outcome;
use tokio::time::sleep;

use crate::support::{calls::Action, faulty::Fault, gate::Gate, scene::Scene, secs};

#[tokio::test(start_paused = true)]
async fn never_more_handlers_run_than_the_concurrency() {
    let scene = Scene::new().permits(7, 20);
    scene.send_many(200);
    let worker = scene.start(|message, _| async move {
        sleep(Duration::from_millis(10 * (message.body.len() as u64))).await;
        Outcome::Done
    });
    scene.emptied().await;
    assert_eq!(scene.journal.most_running(), 7, "all of the concurrency is used, and no more");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn never_more_messages_are_held_than_there_are_permits() {
    let scene = Scene::new().permits(2, 3);
    scene.send_many(100);
    let worker = scene.start(|_, _| async {
        sleep(secs(1)).await;
        Outcome::Done
    });
    let mut most = 0;
    while scene.described().visible > 0 {
        most = most.max(scene.described().in_flight);
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(most, 5);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn messages_beyond_those_requested_do_not_exceed_the_permits() {
    let scene = Scene::new().permits(2, 1);
    scene.queue.always(Action::Receive, Fault::Excess);
    scene.send_many(30);
    let worker = scene.start(|_, _| async {
        sleep(secs(1)).await;
        Outcome::Done
    });
    scene.journal.began(1).await;
    for _ in 0..1_000 {
        assert!(worker.metric("longshore_messages_held") <= 3);
        sleep(Duration::from_millis(100)).await;
    }
    scene.emptied().await;
    assert_eq!(scene.journal.most_running(), 2);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_received_while_no_permit_is_free() {
    let (scene, gate) = (Scene::new().permits(1, 0), Gate::default());
    scene.send_many(3);
    let worker = scene.start_gated(&gate, Outcome::Done);
    scene.journal.began(1).await;
    let receives = scene.queue.calls(Action::Receive).len();
    sleep(secs(3_600)).await;
    assert_eq!(scene.queue.receives_under_way(), 0);
    assert_eq!(scene.queue.calls(Action::Receive).len(), receives);
    gate.open();
    scene.emptied().await;
    assert!(
        scene.journal.runs().iter().all(|run| run.message.receive_count == 1),
        "no receive count was wasted"
    );
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_receive_requests_no_more_messages_than_there_are_free_permits() {
    let scene = Scene::new().permits(3, 1);
    scene.send_many(40);
    let worker = scene.start(|_, _| async {
        sleep(secs(1)).await;
        Outcome::Done
    });
    scene.emptied().await;
    assert!(scene.queue.calls(Action::Receive).iter().all(|call| (1..=4).contains(&call.max)));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_message_holds_its_own_slot_and_no_other() {
    let scene = Scene::new().permits(2, 0);
    scene.send("slow");
    scene.send_many(50);
    let worker = scene.start(|message, _| async move {
        if message.body == "slow" {
            pending::<()>().await;
        }
        Outcome::Done
    });
    scene.journal.ended(50).await;
    sleep(secs(1)).await;
    assert_eq!(scene.described().in_flight, 1);
    worker.stop.halt();
    worker.ended().await;
}
