//! Promise 11: a poll that hangs is replaced, a failing queue is asked less and less, and no loop is ever hot.

use std::time::Duration;

use longshore::{duration::Span, handler::Outcome};
use tokio::time::{Instant, sleep};

use crate::support::{
    calls::{Action, Call},
    faulty::{Failure, Fault},
    scene::{Running, Scene},
    secs,
};

/// Calls in ten minutes that are no hot loop, whatever goes wrong.
const FEW: usize = 60;

#[tokio::test(start_paused = true)]
async fn an_idle_queue_costs_at_most_four_calls_a_minute() {
    let (scene, worker) = idle(Scene::new());
    sleep(secs(600)).await;
    assert!((25..=40).contains(&scene.queue.call_count()), "{} calls", scene.queue.call_count());
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn the_first_receive_waits_for_no_message_and_the_next_is_sent_at_once() {
    let (scene, worker) = idle(Scene::new());
    sleep(Duration::from_millis(50)).await;
    assert!(worker.health.unready().is_empty(), "{:?}", worker.health.unready());
    let sent = Instant::now();
    scene.send("a");
    scene.journal.ended(1).await;
    assert!(sent.elapsed() < Duration::from_millis(50), "{:?}", sent.elapsed());
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_receive_that_hangs_is_noticed_and_replaced() {
    let (scene, worker) = idle(Scene::new());
    scene.queue.once(Action::Receive, Fault::Hangs);
    scene.send("a");
    scene.journal.ended(1).await;
    assert!(worker.health.silent().is_empty());
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_always_hangs_is_asked_again_and_again() {
    let (scene, worker) = idle(Scene::new());
    scene.queue.always(Action::Receive, Fault::Hangs);
    sleep(secs(600)).await;
    let receives = scene.queue.calls(Action::Receive).len();
    assert!((10..=FEW).contains(&receives), "{receives} receives");
    assert!(!worker.health.unready().is_empty(), "and the worker says that it is not ready");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_throttled_queue_is_asked_with_growing_pauses() {
    assert_asked_with_growing_pauses(Failure::Throttled, secs(15)..=secs(20)).await;
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_cannot_be_reached_is_asked_with_growing_pauses() {
    assert_asked_with_growing_pauses(Failure::Broken, secs(10)..=secs(20)).await;
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_refuses_is_asked_about_once_a_minute() {
    assert_asked_with_growing_pauses(Failure::Refused, secs(30)..=secs(60)).await;
}

async fn assert_asked_with_growing_pauses(failure: Failure, at_last: std::ops::RangeInclusive<Duration>) {
    let (scene, worker) = idle(Scene::new());
    scene.queue.always(Action::Receive, Fault::Fails(failure));
    sleep(secs(600)).await;
    let receives = scene.queue.calls(Action::Receive);
    assert!(receives.len() <= FEW, "{} receives", receives.len());
    let pauses = pauses(&receives);
    assert!(pauses[0] < *at_last.start(), "the first pause is short: {:?}", pauses[0]);
    let (_, late) = pauses.split_at(pauses.len() - 3);
    let least = *at_last.start() / 2;
    assert!(late.iter().all(|pause| (least..=*at_last.end()).contains(pause)), "{late:?}");
    scene.queue.heal(Action::Receive);
    scene.send("a");
    scene.journal.ended(1).await;
    assert!(worker.health.unready().is_empty());
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn receives_that_fail_together_count_as_one_failure() {
    let scene = Scene::new().permits(300, 0);
    scene.send_many(2_000);
    let mut outage = None;
    scene.queue.script(Action::Receive, move |number| {
        let is_out = number > 60 && outage.get_or_insert_with(Instant::now).elapsed() < secs(1);
        if is_out { Fault::FailsLate(secs(1)) } else { Fault::None }
    });
    let (scene, worker) = idle(scene);
    scene.emptied().await;
    let receives = scene.queue.calls(Action::Receive);
    let together = receives.chunk_by(|one, next| one.at == next.at).map(<[_]>::len).max();
    assert!(together > Some(10), "{together:?} at once");
    let longest = pauses(&receives[..200]).into_iter().max().unwrap();
    assert!(longest < secs(2), "an outage of a second paused the receives for {longest:?}");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_wait_makes_no_hot_loop() {
    let (scene, worker) = idle(Scene::new());
    scene.queue.always(Action::Receive, Fault::Empty);
    sleep(secs(600)).await;
    let receives = scene.queue.calls(Action::Receive).len();
    assert!(receives <= 601, "one a second, and the first: {receives} receives in ten minutes");
    scene.queue.heal(Action::Receive);
    let (id, sent) = (scene.send("a"), Instant::now());
    scene.journal.ended(1).await;
    assert!(sent.elapsed() <= secs(2), "{id} waited for {:?}", sent.elapsed());
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_with_a_wait_of_zero_makes_no_hot_loop() {
    let scene = Scene::new().options(|options| options.receive.wait = Span::secs(0));
    let (scene, worker) = idle(scene);
    sleep(secs(600)).await;
    let receives = scene.queue.calls(Action::Receive).len();
    assert!(receives <= 601, "one a second, and the first: {receives} receives in ten minutes");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn deletes_that_fail_are_repeated_with_growing_pauses() {
    for (failure, first_pause) in
        [(Failure::Throttled, secs(1)), (Failure::Broken, secs(1)), (Failure::Refused, secs(6))]
    {
        let scene = Scene::new();
        scene.queue.always(Action::Delete, Fault::Fails(failure));
        scene.send("a");
        let (scene, worker) = idle(scene);
        sleep(secs(600)).await;
        let deletes = scene.queue.calls(Action::Delete);
        assert!((12..=FEW).contains(&deletes.len()), "{failure:?}: {} deletes", deletes.len());
        assert!(pauses(&deletes)[0] < first_pause);
        worker.stop.halt();
        worker.ended().await;
    }
}

#[tokio::test(start_paused = true)]
async fn extensions_that_fail_are_repeated_with_growing_pauses() {
    for failure in [Failure::Throttled, Failure::Broken, Failure::Refused] {
        let scene = Scene::new().permits(200, 0).visibility(secs(30));
        scene.queue.always(Action::ChangeVisibility, Fault::Fails(failure));
        scene.send_many(200);
        let worker = scene.start(|_, _| std::future::pending());
        scene.journal.began(200).await;
        // Until the leases are lost there is time for about fifteen tries of each.
        sleep(secs(29)).await;
        let extensions = scene.queue.calls(Action::ChangeVisibility).len();
        assert!((60..=340).contains(&extensions), "{failure:?}: {extensions} extensions of 20 batches");
        worker.stop.halt();
        worker.ended().await;
    }
}

/// A worker whose handler is done at once.
fn idle(scene: Scene) -> (Scene, Running) {
    let worker = scene.start(|_, _| async { Outcome::Done });
    (scene, worker)
}

fn pauses(calls: &[Call]) -> Vec<Duration> {
    calls.windows(2).map(|pair| pair[1].at - pair[0].at).collect()
}
