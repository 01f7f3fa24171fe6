//! The calls that a message costs: full batches of receives and deletes, and no delete that waits where it delays work.

use std::time::Duration;

use longshore::{Message, handler::Outcome};
use tokio::time::{Instant, sleep};

use crate::support::{calls::Action, faulty::Fault, scene::Scene, secs};

const ROUND_TRIP: Duration = Duration::from_millis(10);

/// A queue whose calls take this round trip.
fn distant(scene: Scene, concurrency: usize, round_trip: Duration) -> Scene {
    let scene = scene.options(|options| options.concurrency = concurrency);
    for action in [Action::Receive, Action::Delete] {
        scene.queue.always(action, Fault::AnswersLate(round_trip));
    }
    scene
}

/// Runs for a second if the message is one of ten, and otherwise for ten milliseconds.
async fn uneven(message: &Message) -> Outcome {
    let number: u64 = message.body.parse().unwrap();
    let is_slow = fastrand::Rng::with_seed(number / 10).u64(0..10) == number % 10;
    sleep(if is_slow { secs(1) } else { ROUND_TRIP }).await;
    Outcome::Done
}

#[tokio::test(start_paused = true)]
async fn sixteen_uneven_calls_at_once_need_at_most_230_calls_for_1000_messages() {
    let scene = distant(Scene::new(), 16, ROUND_TRIP);
    scene.send_many(5_000);
    let worker = scene.start(|message, _| async move { uneven(&message).await });
    scene.emptied().await;
    let calls = |action| scene.queue.calls(action).len();
    let (receives, deletes) = (calls(Action::Receive), calls(Action::Delete));
    assert!(receives + deletes <= 5 * 230, "{receives} receives, {deletes} deletes");
    worker.drain().await;
}

/// Deletes that wait for others hold permits, and must not hold up the next receive.
#[tokio::test(start_paused = true)]
async fn uneven_calls_keep_at_least_88_percent_of_the_slots_busy() {
    for (concurrency, round_trip) in [(10, Duration::ZERO), (10, ROUND_TRIP), (16, ROUND_TRIP)] {
        let scene = distant(Scene::new(), concurrency, round_trip);
        scene.send_many(3_000);
        let began = Instant::now();
        let worker = scene.start(|message, _| async move { uneven(&message).await });
        scene.journal.ended(3_000).await;
        let ideal = 3_000.0 * 0.109 / f64::from(u32::try_from(concurrency).unwrap());
        let share = ideal / began.elapsed().as_secs_f64();
        assert!(share >= 0.88, "{concurrency} at once, {round_trip:?}: {share:.2} of the ideal");
        worker.drain().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_delete_waits_for_no_other_when_nothing_else_runs() {
    let scene = distant(Scene::new(), 16, ROUND_TRIP);
    let worker = scene.start(|_, _| async { Outcome::Done });
    sleep(secs(5)).await;
    for _ in 0..20 {
        scene.send("a");
        let sent = Instant::now();
        scene.emptied().await;
        let delete = scene.queue.calls(Action::Delete).pop().unwrap();
        assert!(delete.at - sent <= 2 * ROUND_TRIP, "{:?}", delete.at - sent);
    }
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn the_next_message_of_a_group_waits_for_one_delete_only() {
    let scene = distant(Scene::fifo(), 16, ROUND_TRIP);
    for number in 0..40 {
        scene.send_to("group", number.to_string());
    }
    // Calls of other groups go on, so that deletes might wait for theirs.
    for group in 0..4 {
        scene.send_to(&format!("slow-{group}"), "slow");
    }
    let began = Instant::now();
    let worker = scene.start(|message, _| async move {
        if message.body == "slow" {
            sleep(secs(20)).await;
        }
        Outcome::Done
    });
    scene.journal.ended(40).await;
    assert!(began.elapsed() < secs(2), "{:?}", began.elapsed());
    worker.drain().await;
}
