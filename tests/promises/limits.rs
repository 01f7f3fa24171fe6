//! Limits of calls: a rate, the share of each group, a pool of several queues. No message spends a receive for any of them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use longshore::{
    Pool,
    consumer::{BatchSettings, RateScope, RateSettings},
    duration::Span,
    handler::{Outcome, Outcomes},
    testing::{HandlerRun, message},
};
use tokio::time::{Instant, sleep};

use crate::support::{
    calls::Action,
    scene::{Running, Scene},
    secs,
};

/// Starts a worker whose calls take this long.
fn working(scene: &Scene, took: Duration) -> Running {
    scene.start(move |_, _| async move {
        sleep(took).await;
        Outcome::Done
    })
}

fn group_of(run: &HandlerRun) -> String {
    run.message.system.group_id.clone().unwrap_or_default()
}

/// The most runs that start within any time of this length.
fn most_within(runs: &[HandlerRun], length: Duration) -> usize {
    let starts: Vec<Instant> = runs.iter().map(|run| run.began).collect();
    let within =
        |start: &Instant| starts.iter().filter(|other| *other >= start && **other < *start + length).count();
    starts.iter().map(within).max().unwrap_or(0)
}

fn all_came_once(runs: &[HandlerRun], messages: usize) {
    assert_eq!(runs.len(), messages);
    assert!(runs.iter().all(|run| run.message.receive_count == 1), "no receive is spent waiting");
}

fn limited(rate: RateSettings) -> Scene {
    Scene::new().options(|options| options.rate = Some(rate)).visibility(secs(10))
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_start_within_a_time_than_the_rate_allows_and_no_more_messages_are_received() {
    let scene = limited(RateSettings { calls: 14, per: Span::secs(1), by: RateScope::Queue });
    scene.send_many(500);
    let began = Instant::now();
    let worker = working(&scene, Duration::from_millis(100));
    sleep(secs(20)).await;
    assert!(worker.metric("longshore_messages_held") <= 28, "those that may start soon");
    scene.emptied().await;
    let (took, runs) = (began.elapsed(), scene.journal.runs());
    all_came_once(&runs, 500);
    assert_eq!(most_within(&runs, secs(1)), 14);
    assert!(took <= secs(40), "{took:?}");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_rate_far_above_the_traffic_costs_no_request() {
    let calls_with = async |rate| {
        let scene = Scene::new().options(|options| options.rate = rate);
        let worker = working(&scene, Duration::from_millis(10));
        for _ in 0..50 {
            scene.send_many(10);
            sleep(secs(1)).await;
        }
        scene.emptied().await;
        worker.drain().await;
        scene.queue.calls(Action::Receive).len()
    };
    let without = calls_with(None).await;
    let with = calls_with(Some(RateSettings { calls: 10_000, ..RateSettings::default() })).await;
    assert!(with <= without + without / 10, "{with} receives, {without} without a rate");
}

#[tokio::test(start_paused = true)]
async fn each_group_has_a_rate_of_its_own() {
    let scene = limited(RateSettings { calls: 2, per: Span::secs(1), by: RateScope::Group });
    for number in 0..60 {
        scene.send(message(number.to_string()).group(["a", "b", "c"][number % 3]));
    }
    let began = Instant::now();
    let worker = working(&scene, Duration::from_millis(100));
    scene.emptied().await;
    let (took, runs) = (began.elapsed(), scene.journal.runs());
    all_came_once(&runs, 60);
    for group in ["a", "b", "c"] {
        let of_group: Vec<HandlerRun> = runs.iter().filter(|run| group_of(run) == group).cloned().collect();
        assert_eq!(most_within(&of_group, secs(1)), 2);
    }
    assert!(took <= secs(13), "{took:?}");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn nine_quiet_tenants_wait_for_no_noisy_one() {
    let scene = Scene::new().visibility(secs(10)).options(|options| options.per_group = Some(4));
    for number in 0..400 {
        scene.send(message(format!("noisy {number}")).group("noisy"));
    }
    let worker = working(&scene, secs(5));
    sleep(secs(1)).await;
    let mut sent = BTreeMap::new();
    for number in 0..90 {
        let body = format!("quiet {number}");
        scene.send(message(body.clone()).group(format!("quiet-{}", number % 9)));
        sent.insert(body, Instant::now());
        sleep(secs(1)).await;
    }
    scene.emptied().await;
    let runs = scene.journal.runs();
    all_came_once(&runs, 490);
    for run in runs.iter().filter(|run| group_of(run) != "noisy") {
        let waited = run.began.saturating_duration_since(sent[&run.message.body]);
        assert!(waited <= secs(2), "{} waited {waited:?}", run.message.body);
    }
    for run in &runs {
        let ended = |other: &&HandlerRun| other.ended.as_ref().is_none_or(|(ended, _)| *ended > run.began);
        let beside = runs.iter().filter(|other| group_of(other) == group_of(run) && other.began <= run.began);
        assert!(beside.filter(ended).count() <= 4);
    }
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn messages_that_waited_for_their_group_weigh_in_a_batch_what_they_did_before() {
    let batch = BatchSettings { size: 10, bytes: 2_500, ..BatchSettings::default() };
    let scene = Scene::new().options(|options| {
        (options.batch, options.per_group, options.concurrency) = (batch, Some(2), 1);
    });
    for number in 0..60 {
        scene.send(message(number.to_string().repeat(500)).group(["a", "b", "c"][number % 3]));
    }
    let sizes = Arc::<Mutex<Vec<usize>>>::default();
    let seen = sizes.clone();
    let worker = scene.start_batches(move |batch, _| {
        seen.lock().unwrap().push(batch.messages().map(|message| message.body.len()).sum());
        async { Outcomes::All(Outcome::Done) }
    });
    scene.emptied().await;
    worker.drain().await;
    let sizes = std::mem::take(&mut *sizes.lock().unwrap());
    assert!(sizes.iter().all(|size| *size <= 2_500), "{sizes:?}");
    assert!(sizes.contains(&2_000), "some are full: {sizes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_gives_back_what_waits_for_its_group() {
    let scene = Scene::new().options(|options| options.per_group = Some(1));
    for number in 0..20 {
        scene.send(message(number.to_string()).group("a"));
    }
    let worker = working(&scene, secs(5));
    sleep(secs(2)).await;
    worker.drain().await;
    let left = scene.described();
    assert_eq!((left.visible, left.in_flight), (19, 0));
}

#[tokio::test(start_paused = true)]
async fn queues_share_a_pool_by_their_weights_and_none_starves() {
    let pool = Pool::new(8);
    let scenes = [1, 3].map(|weight| Scene::new().pool(&pool, weight));
    let workers = scenes.each_ref().map(|scene| {
        scene.send_many(2_000);
        working(scene, secs(1))
    });
    sleep(secs(100)).await;
    let [light, heavy] = scenes.each_ref().map(|scene| scene.journal.runs().len());
    assert!(light + heavy <= 8 * 101, "{light} and {heavy} with 8 slots");
    assert!(light + heavy >= 8 * 95, "{light} and {heavy} leave slots idle");
    assert!((150..=250).contains(&light), "{light} of {}", light + heavy);
    for worker in workers {
        worker.drain().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_without_messages_leaves_its_share_of_the_pool_to_the_others() {
    let pool = Pool::new(8);
    let (busy, quiet) = (Scene::new().pool(&pool, 1), Scene::new().pool(&pool, 1));
    busy.send_many(1_000);
    let workers = [working(&busy, secs(1)), working(&quiet, secs(1))];
    sleep(secs(50)).await;
    assert!(busy.journal.runs().len() >= 8 * 47, "{}", busy.journal.runs().len());
    quiet.send("late");
    let sent = Instant::now();
    quiet.emptied().await;
    assert!(sent.elapsed() <= secs(3), "{:?}", sent.elapsed());
    for worker in workers {
        worker.drain().await;
    }
}
