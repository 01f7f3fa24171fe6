//! Promise 2: a message stays hidden from its receive until its outcome is settled.

use std::{future::pending, time::Duration};

use longshore::{duration::Limit, handler::Outcome};
use tokio::time::{Instant, sleep};

use crate::support::{
    calls::Action,
    faulty::{Failure, Fault},
    gate::Gate,
    scene::Scene,
    secs,
};

#[tokio::test(start_paused = true)]
async fn a_message_stays_hidden_while_its_handler_runs() {
    let scene = Scene::new().visibility(secs(10));
    scene.send("35 seconds");
    let worker = scene.start(|_, _| async {
        sleep(secs(35)).await;
        Outcome::Done
    });
    scene.journal.began(1).await;
    scene.other_consumer().gets_nothing_for(secs(60)).await;
    assert_eq!(scene.journal.runs().len(), 1);
    assert_eq!(scene.queue.calls(Action::Delete).len(), 1);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_stays_hidden_for_hours_while_its_handler_runs() {
    let scene = Scene::new().options(|options| options.timeout = Limit::None);
    let id = scene.send("eleven hours");
    let worker = scene.start(|_, _| async {
        sleep(Duration::from_hours(11)).await;
        Outcome::Done
    });
    scene.journal.began(1).await;
    scene.other_consumer().gets_nothing_for(Duration::from_hours(12)).await;
    assert_eq!((scene.journal.runs().len(), scene.queue.deletes_of(&id).len()), (1, 1));
    assert_eq!(worker.metric("longshore_leases_lost_total"), 0);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_stays_hidden_while_it_waits_for_its_turn() {
    let scene = Scene::new().permits(1, 5).visibility(secs(10));
    scene.send_many(6);
    let worker = scene.start(|_, _| async {
        sleep(secs(35)).await;
        Outcome::Done
    });
    scene.journal.began(1).await;
    scene.other_consumer().gets_nothing_for(secs(300)).await;
    assert_eq!(scene.journal.runs().len(), 6, "each ran once");
    assert_eq!(worker.metric("longshore_messages_started_total"), 6);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_stays_hidden_while_a_drain_waits_for_its_handler() {
    let scene = Scene::new().visibility(secs(10));
    scene.send("a");
    let worker = scene.start(|_, _| async {
        sleep(secs(90)).await;
        Outcome::Done
    });
    scene.journal.began(1).await;
    worker.stop.drain();
    scene.other_consumer().gets_nothing_for(secs(100)).await;
    assert!(worker.has_ended());
    assert_eq!(scene.queue.calls(Action::Delete).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_stays_hidden_while_its_delete_keeps_failing() {
    let scene = Scene::new().visibility(secs(10));
    scene.queue.always(Action::Delete, Fault::Fails(Failure::Throttled));
    let id = scene.send("a");
    let worker = scene.start(|_, _| async { Outcome::Done });
    scene.journal.ended(1).await;
    scene.other_consumer().gets_nothing_for(secs(1_800)).await;
    let tries = scene.queue.deletes_of(&id).len();
    assert!((10..=400).contains(&tries), "{tries} deletes in half an hour");
    scene.queue.heal(Action::Delete);
    scene.emptied().await;
    assert_eq!(scene.journal.runs().len(), 1);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_stays_hidden_although_half_of_its_extensions_fail() {
    let scene = Scene::new().visibility(secs(20));
    let flaky = |number| if number % 2 == 1 { Fault::Fails(Failure::Broken) } else { Fault::None };
    scene.queue.script(Action::ChangeVisibility, flaky);
    scene.send("a");
    let worker = scene.start(|_, _| async {
        sleep(secs(600)).await;
        Outcome::Done
    });
    scene.journal.began(1).await;
    scene.other_consumer().gets_nothing_for(secs(700)).await;
    assert_eq!(scene.journal.runs().len(), 1);
    worker.drain().await;
}

/// The number of leases lost by this many tasks of 35 s under a visibility of 30 s.
async fn leases_lost(tasks: usize, fault: impl Fn(usize) -> Fault + Send + Sync + 'static) -> u64 {
    let scene = Scene::new().permits(tasks, 0).visibility(secs(30));
    scene.queue.script(Action::ChangeVisibility, fault);
    scene.send_many(tasks);
    let worker = scene.start(|_, _| async {
        sleep(secs(35)).await;
        Outcome::Done
    });
    scene.journal.ended(tasks).await;
    let lost = worker.metric("longshore_leases_lost_total");
    worker.stop.halt();
    worker.ended().await;
    lost
}

#[tokio::test(start_paused = true)]
async fn long_tasks_keep_their_leases_although_half_of_all_extensions_fail() {
    // Fails every second call on average, in no regular order.
    let is_bad = |number: usize| number.wrapping_mul(2_654_435_761) >> 7 & 1 == 1;
    let flaky = move |number| if is_bad(number) { Fault::Fails(Failure::Broken) } else { Fault::None };
    let lost = leases_lost(1_000, flaky).await;
    assert!(lost < 1, "{lost} of 1,000 were lost");
}

#[tokio::test(start_paused = true)]
async fn extensions_that_hang_do_not_starve_the_others() {
    let hanging = |number| if number % 10 == 0 { Fault::Hangs } else { Fault::None };
    let lost = leases_lost(5_000, hanging).await;
    assert!(lost < 5, "{lost} of 5,000 were lost");
}

#[tokio::test(start_paused = true)]
async fn a_message_stays_hidden_although_an_extension_hangs() {
    let scene = Scene::new().visibility(secs(20));
    scene.queue.once(Action::ChangeVisibility, Fault::Hangs);
    scene.send("a");
    let worker = scene.start(|_, _| async {
        sleep(secs(60)).await;
        Outcome::Done
    });
    scene.journal.began(1).await;
    scene.other_consumer().gets_nothing_for(secs(70)).await;
    assert_eq!(scene.queue.calls(Action::Delete).len(), 1);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_stays_hidden_although_its_delete_hangs() {
    let scene = Scene::new().visibility(secs(10));
    scene.queue.once(Action::Delete, Fault::Hangs);
    let id = scene.send("a");
    let worker = scene.start(|_, _| async { Outcome::Done });
    scene.journal.ended(1).await;
    scene.other_consumer().gets_nothing_for(secs(60)).await;
    assert_eq!((scene.queue.deletes_of(&id).len(), scene.journal.runs().len()), (2, 1));
    assert_eq!(worker.metric("longshore_messages_held"), 0, "the room is free again");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn leases_are_extended_ten_to_a_call_at_about_half_their_visibility() {
    let (scene, gate) = (Scene::new().permits(100, 0).visibility(secs(30)), Gate::default());
    scene.send_many(100);
    let worker = scene.start(|_, _| pending());
    scene.journal.began(100).await;
    let start = Instant::now();
    sleep(secs(300)).await;
    let calls = scene.queue.calls(Action::ChangeVisibility);
    let first = calls.iter().map(|call| call.at - start).min().unwrap();
    assert!(first > secs(10) && first < secs(17), "first extension after {first:?}");
    assert!((180..=260).contains(&calls.len()), "{} calls for 100 messages in 20 half-lives", calls.len());
    gate.open();
    worker.stop.halt();
    worker.ended().await;
}
