//! Batches: the same promises for messages that share a call.

use longshore::{
    consumer::{BatchSettings, Groups},
    duration::{Limit, Span},
    handler::{Outcome, Outcomes},
    testing::RunEnd,
};
use tokio::time::{Instant, sleep};

use crate::support::{
    calls::Action,
    faulty::{Failure, Fault},
    scene::Scene,
    secs,
};

fn batches_of(size: usize, window: u64) -> BatchSettings {
    BatchSettings { size, window: Span::secs(window), ..BatchSettings::default() }
}

impl Scene {
    fn batches(self, batch: BatchSettings) -> Self {
        self.options(|options| options.batch = batch)
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_what_one_receive_has_brought() {
    let scene = Scene::new().batches(batches_of(10, 0));
    scene.send_many(25);
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let worker = scene.start_batches(move |batch, _| {
        sender.send(batch.len()).unwrap();
        async { Outcomes::All(Outcome::Done) }
    });
    scene.emptied().await;
    worker.drain().await;
    let mut sizes = Vec::new();
    receiver.recv_many(&mut sizes, 100).await;
    assert_eq!(sizes, [10, 10, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_gathers_messages_of_several_receives_for_its_window() {
    let scene = Scene::new().batches(batches_of(1_000, 5)).options(|options| options.concurrency = 1);
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let worker = scene.start_batches(move |batch, _| {
        sender.send((batch.len(), Instant::now())).unwrap();
        async { Outcomes::All(Outcome::Done) }
    });
    scene.send_many(137);
    let began = Instant::now();
    let (size, at) = receiver.recv().await.unwrap();
    assert_eq!(size, 137);
    let waited = at - began;
    assert!(waited >= secs(5) && waited < secs(7), "{waited:?}");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_waits_for_no_window() {
    let scene = Scene::new().batches(batches_of(20, 300));
    scene.send_many(20);
    let began = Instant::now();
    let worker = scene.start_batches(async |_, _| Outcomes::All(Outcome::Done));
    scene.journal.began(20).await;
    assert!(began.elapsed() < secs(5));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn messages_stay_hidden_while_they_wait_for_their_batch_and_while_it_runs() {
    let scene = Scene::new().visibility(secs(10)).batches(batches_of(50, 120));
    scene.send_many(12);
    let worker = scene.start_batches(async |_, _| {
        sleep(secs(100)).await;
        Outcomes::All(Outcome::Done)
    });
    sleep(secs(5)).await;
    scene.other_consumer().gets_nothing_for(secs(210)).await;
    scene.emptied().await;
    assert!(scene.journal.runs().iter().all(|run| run.message.receive_count == 1));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn each_message_of_a_batch_has_its_own_outcome() {
    let scene = Scene::new().batches(batches_of(10, 0));
    scene.send_many(10);
    let worker = scene.start_batches(async |batch, _| {
        let each = batch.messages().map(|message| match (message.body.as_str(), message.receive_count) {
            ("3" | "7", 1) => Outcome::Retry("on purpose".to_owned()),
            _ => Outcome::Done,
        });
        Outcomes::Each(each.collect())
    });
    scene.emptied().await;
    assert_eq!(scene.journal.runs().len(), 12);
    for body in ["3", "7"] {
        assert_eq!(scene.journal.runs_of(body).len(), 2);
    }
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_without_an_outcome_in_its_batch_comes_again() {
    let scene = Scene::new().batches(batches_of(10, 0));
    scene.send_many(3);
    let worker = scene.start_batches(async |batch, _| {
        Outcomes::Each(batch.messages().take(2).map(|_| Outcome::Done).collect())
    });
    scene.emptied().await;
    assert_eq!(scene.journal.runs().len(), 4);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_panics_touches_no_other_batch() {
    let scene = Scene::new().batches(batches_of(5, 0));
    scene.send_many(20);
    let worker = scene.start_batches(async |batch, _| {
        let is_bad = batch.messages().any(|message| message.body == "13" && message.receive_count == 1);
        assert!(!is_bad, "on purpose");
        Outcomes::All(Outcome::Done)
    });
    scene.emptied().await;
    let again = scene.journal.runs().iter().filter(|run| run.message.receive_count == 2).count();
    assert_eq!(again, 5, "the batch that panicked, and no other");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_batch_blocks_no_other() {
    let scene = Scene::new().batches(batches_of(10, 0)).options(|options| options.concurrency = 2);
    scene.send_many(100);
    let worker = scene.start_batches(async |batch, _| {
        let is_slow = batch.messages().any(|message| message.body == "0");
        sleep(secs(if is_slow { 3_600 } else { 1 })).await;
        Outcomes::All(Outcome::Done)
    });
    scene.journal.ended(90).await;
    assert_eq!(scene.journal.runs_of("0")[0].ended, None, "the slow one still runs");
    scene.emptied().await;
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn never_more_batches_run_than_the_concurrency() {
    let scene = Scene::new().batches(batches_of(5, 0)).options(|options| options.concurrency = 3);
    scene.send_many(60);
    let worker = scene.start_batches(async |batch, _| {
        assert!(batch.len() <= 5);
        sleep(secs(5)).await;
        Outcomes::All(Outcome::Done)
    });
    scene.emptied().await;
    assert_eq!(scene.journal.most_running(), 15);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_of_a_batch_whose_lease_is_lost_is_cancelled_alone() {
    let scene = Scene::new().visibility(secs(10)).batches(batches_of(10, 0));
    scene.send_many(3);
    let worker = scene.start_batches(async |batch, context| {
        batch[1].context.cancelled().await;
        assert!(!context.is_cancelled() && !batch[0].context.is_cancelled(), "the others are still held");
        sleep(secs(30)).await;
        Outcomes::All(Outcome::Done)
    });
    scene.journal.began(3).await;
    let run = &scene.journal.runs()[1];
    scene.account.delete("orders", run.message.receipt.as_str()).unwrap();
    scene.emptied().await;
    worker.drain().await;
    assert_eq!(scene.journal.done_bodies().len(), 3, "the handler has ended in peace");
    let deletes: Vec<_> =
        scene.queue.calls(Action::Delete).into_iter().flat_map(|call| call.entries).collect();
    assert_eq!(deletes.len(), 2);
    assert!(deletes.iter().all(|entry| entry.id != run.message.id), "its outcome does not count");
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_takes_too_long_comes_again_as_a_whole() {
    let scene =
        Scene::new().batches(batches_of(10, 0)).options(|options| options.timeout = Limit::After(secs(60)));
    scene.send_many(4);
    let worker = scene.start_batches(async |batch, _| {
        if batch[0].context.attempt == 1 {
            std::future::pending::<()>().await;
        }
        Outcomes::All(Outcome::Done)
    });
    scene.emptied().await;
    let cut = scene.journal.runs().iter().filter(|run| run.ended.as_ref().unwrap().1 == RunEnd::Cut).count();
    assert_eq!((cut, scene.journal.runs().len()), (4, 8));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_gives_back_what_waits_for_its_batch() {
    let scene = Scene::new().batches(batches_of(100, 300));
    scene.send_many(7);
    let worker = scene.start_batches(async |_, _| Outcomes::All(Outcome::Done));
    while scene.described().in_flight < 7 {
        sleep(secs(1)).await;
    }
    sleep(secs(5)).await;
    worker.drain().await;
    assert_eq!(scene.described().visible, 7);
    assert!(scene.journal.runs().is_empty());
}

#[tokio::test(start_paused = true)]
async fn behind_a_failed_message_of_its_group_nothing_in_the_batch_counts_as_done() {
    let scene = Scene::fifo().batches(batches_of(10, 0));
    for (group, body) in [("a", "a0"), ("a", "a1"), ("a", "a2"), ("b", "b0"), ("b", "b1")] {
        scene.send_to(group, body);
    }
    let worker = scene.start_batches(async |batch, _| {
        let each = batch.messages().map(|message| match (message.body.as_str(), message.receive_count) {
            ("a1", 1) => Outcome::Retry("on purpose".to_owned()),
            _ => Outcome::Done,
        });
        Outcomes::Each(each.collect())
    });
    scene.emptied().await;
    let count = |body: &str| scene.journal.runs_of(body).len();
    assert_eq!(["a0", "a1", "a2", "b0", "b1"].map(count), [1, 2, 2, 1, 1]);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_one_group_fails_alone() {
    let scene = Scene::fifo().batches(BatchSettings { groups: Groups::One, ..batches_of(10, 0) });
    for (group, body) in [("a", "a0"), ("b", "b0"), ("a", "a1"), ("b", "b1")] {
        scene.send_to(group, body);
    }
    let worker = scene.start_batches(async |batch, _| {
        let groups: std::collections::BTreeSet<_> =
            batch.messages().map(|message| message.system.group_id.clone()).collect();
        assert_eq!(groups.len(), 1);
        let fails = batch[0].message.body == "a0" && batch[0].context.attempt == 1;
        Outcomes::All(if fails { Outcome::Retry("on purpose".to_owned()) } else { Outcome::Done })
    });
    scene.emptied().await;
    assert_eq!(scene.journal.runs_of("b1").len(), 1);
    assert_eq!(scene.journal.done_bodies()[2..], ["a0", "a1"]);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_delete_half_fails_runs_no_message_twice() {
    let scene = Scene::new().batches(batches_of(10, 0));
    scene.send_many(10);
    scene.queue.once(Action::Delete, Fault::Entries(vec![1, 4, 8]));
    scene.queue.once(Action::ChangeVisibility, Fault::Fails(Failure::Broken));
    let worker = scene.start_batches(async |_, _| Outcomes::All(Outcome::Done));
    scene.emptied().await;
    assert_eq!(scene.journal.runs().len(), 10);
    worker.drain().await;
}
