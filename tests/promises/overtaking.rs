//! Promise 6 with other failures than those of handlers: nothing overtakes a message of its group.

use std::{sync::Arc, time::Duration};

use longshore::{
    Message,
    backoff::{Backoff, Jitter},
    consumer::{BatchSettings, Groups},
    duration::Span,
    handler::{Outcome, Outcomes},
    testing::RunEnd,
};
use tokio::time::{Instant, sleep};

use crate::support::{
    calls::Action,
    faulty::{Failure, Fault},
    gate::Gate,
    scene::{Running, Scene},
    secs,
};

fn bodies(scene: &Scene) -> Vec<String> {
    scene.journal.runs().into_iter().map(|run| run.message.body.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn messages_behind_one_whose_copy_is_refused_all_run_and_none_goes_unrun_to_the_dead_letters() {
    // Longer than the long poll in flight.
    let retry = Backoff { initial: secs(30), jitter: Jitter::None, ..Backoff::default() };
    let scene = Scene::fifo().max_receives(3).options(|options| options.retry = retry);
    scene.dlq.always(Action::Send, Fault::Fails(Failure::Refused));
    for number in 0..10 {
        scene.send_to("a", format!("a{number}"));
    }
    let worker = scene.start(async |message, _| match message.body.as_str() {
        "a0" => Outcome::Reject("on purpose".to_owned()),
        _ => Outcome::Done,
    });
    scene.emptied().await;
    let expected = ["a0", "a0", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9"];
    assert_eq!(bodies(&scene), expected);
    let most = scene
        .journal
        .runs()
        .iter()
        .filter(|run| run.message.body != "a0")
        .map(|run| run.message.receive_count)
        .max();
    assert_eq!(most, Some(2), "the second and third refusal spent none of their receives");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn behind_a_reject_in_its_batch_nothing_is_deleted_before_the_copy_is_taken() {
    let batch = BatchSettings { size: 10, ..BatchSettings::default() };
    let scene = Scene::fifo().max_receives(5).options(|options| options.batch = batch);
    scene.dlq.script(Action::Send, |number| match number {
        1 => Fault::Fails(Failure::Refused),
        _ => Fault::None,
    });
    let ids = ["a0", "a1"].map(|body| scene.send_to("a", body));
    let other = scene.send_to("b", "b0");
    let worker = scene.start_batches(async |batch, _| {
        let each = batch.messages().map(|message| match message.body.as_str() {
            "a0" => Outcome::Reject("on purpose".to_owned()),
            _ => Outcome::Done,
        });
        Outcomes::Each(each.collect())
    });
    scene.emptied().await;
    assert_eq!(bodies(&scene), ["a0", "a1", "b0", "a0", "a1"]);
    let copied = scene.dlq.calls(Action::Send).last().unwrap().at;
    let deletes = scene.queue.deletes_of(&ids[1]);
    assert!(deletes.iter().all(|delete| delete.at >= copied), "{deletes:?}");
    assert!(scene.queue.deletes_of(&other)[0].at < copied, "another group waits for nothing");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_waits_for_the_delete_of_a_done_one_that_came_back() {
    let scene = Scene::fifo().visibility(secs(10));
    let failing = Fault::Fails(Failure::Broken);
    scene.queue.always(Action::Delete, failing.clone());
    scene.queue.always(Action::ChangeVisibility, failing);
    let ids = ["a0", "a1"].map(|body| scene.send_to("a", body));
    let worker = scene.start(async |_, _| Outcome::Done);
    scene.journal.ended(1).await;
    sleep(secs(60)).await;
    assert_eq!(bodies(&scene), ["a0"]);
    scene.queue.heal(Action::ChangeVisibility);
    scene.queue.heal(Action::Delete);
    scene.emptied().await;
    let runs = scene.journal.runs();
    assert_eq!(bodies(&scene), ["a0", "a1"]);
    let deleted = scene.queue.deletes_of(&ids[0]).last().unwrap().at;
    assert!(runs[1].began >= deleted, "it began before the delete went through");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_received_behind_one_that_is_being_given_back_does_not_overtake_it() {
    let scene =
        Scene::fifo().max_receives(30).visibility(secs(5)).options(|options| options.concurrency = 64);
    scene.queue.always(Action::Delete, Fault::Hangs);
    let gate = Gate::default();
    let passed = gate.clone();
    scene.send_to("down", "down");
    let worker = scene.start(move |message, _| {
        let gate = passed.clone();
        async move {
            match message.body.as_str() {
                "down" if message.receive_count < 30 => Outcome::RetryIn(secs(0), "on purpose".to_owned()),
                "down" => {
                    gate.passed().await;
                    // The last attempt, so this failure does not change the receive mode.
                    Outcome::Down("on purpose".to_owned())
                }
                _ => Outcome::Done,
            }
        }
    });
    scene.journal.began(30).await;
    // So many deletes that hang that nothing can be given back for a while.
    for number in 0..33 {
        scene.send_to(&format!("group{number}"), number.to_string());
        sleep(Duration::from_millis(50)).await;
    }
    scene.journal.ended(62).await;
    scene.queue.always(Action::ChangeVisibility, Fault::Hangs);
    gate.open();
    scene.journal.ended(63).await;
    scene.send_to("a", "a0");
    sleep(secs(1)).await;
    scene.send_to("a", "a1");
    sleep(secs(30)).await;
    scene.queue.heal(Action::ChangeVisibility);
    scene.queue.heal(Action::Delete);
    scene.emptied().await;
    let order: Vec<_> = bodies(&scene).into_iter().filter(|body| body.starts_with('a')).collect();
    assert_eq!(order, ["a0", "a1"]);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn batches_of_one_group_do_not_wait_for_company_that_cannot_come() {
    let batch = BatchSettings { size: 5, window: Span::secs(60), groups: Groups::One, ..Default::default() };
    let scene = Scene::fifo().options(|options| {
        options.batch = batch;
        options.concurrency = 2;
    });
    for number in 0..40 {
        scene.send_to(&format!("group{number}"), number.to_string());
    }
    let began = Instant::now();
    let worker = scene.start_batches(async |_, _| Outcomes::All(Outcome::Done));
    scene.journal.ended(40).await;
    assert!(began.elapsed() < secs(60), "{:?}", began.elapsed());
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_group_that_fails_for_ever_slows_no_other_down() {
    let scene = Scene::fifo();
    scene.send_to("bad", "bad");
    let worker = scene.start(async |message, _| match message.body.as_str() {
        "bad" => {
            sleep(secs(20)).await;
            Outcome::RetryIn(secs(1), "on purpose".to_owned())
        }
        _ => Outcome::Done,
    });
    scene.journal.began(3).await;
    for number in 0..2_000 {
        scene.send_to(&format!("group{number}"), number.to_string());
    }
    scene.queue.always(Action::Receive, Fault::AnswersLate(Duration::from_millis(20)));
    let began = Instant::now();
    scene.journal.done(2_000).await;
    assert!(began.elapsed() < secs(10), "{:?}", began.elapsed());
    worker.stop.halt();
}

/// A worker that runs `a0` and holds what follows it, and another worker that SQS has handed `a0`, as it does when the
/// first worker's lease ends there although it holds the messages behind it.
struct TakenOver {
    scene: Scene,
    workers: [Running; 2],
    /// Ends the first worker's call.
    first: Gate,
    /// Ends the second worker's call.
    second: Gate,
}

impl TakenOver {
    /// Begins with calls of so many messages.
    async fn begin(size: usize) -> Self {
        let batch = BatchSettings { size, ..BatchSettings::default() };
        // Three permits in all, so that the first worker does not receive what is taken from it.
        let scene = Scene::fifo().visibility(secs(30)).permits(1, 3 - size);
        let scene = scene.options(|options| options.batch = batch);
        let other = scene.other_worker();
        for number in 0..3 {
            scene.send_to("a", format!("a{number}"));
        }
        let (first, second) = (Gate::default(), Gate::default());
        let start = |scene: &Scene, gate: &Gate| {
            let gate = gate.clone();
            scene.start_batches(move |_, _| {
                let gate = gate.clone();
                async move {
                    gate.passed().await;
                    Outcomes::All(Outcome::Done)
                }
            })
        };
        let worker = start(&scene, &first);
        scene.journal.began(1).await;
        let held = &scene.journal.runs()[0].message;
        scene.account.change_visibility("orders.fifo", held.receipt.as_str(), Duration::ZERO).unwrap();
        let workers = [worker, start(&other, &second)];
        scene.journal.began(size + 1).await;
        assert_eq!(scene.journal.runs_of("a0").len(), 2);
        Self { scene, workers, first, second }
    }

    /// Lets the messages end, and stops the workers.
    async fn end(self) {
        self.first.open();
        self.second.open();
        self.scene.emptied().await;
        for worker in self.workers {
            worker.drain().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_starts_behind_a_message_that_another_worker_has_taken_over() {
    let taken = TakenOver::begin(1).await;
    taken.first.open();
    sleep(secs(60)).await;
    assert_eq!(bodies(&taken.scene), ["a0", "a0"], "the delete of the first was refused");
    let journal = taken.scene.journal.clone();
    taken.end().await;
    let order: Vec<_> = journal.runs().into_iter().map(|run| run.message.body.clone()).collect();
    assert_eq!(order, ["a0", "a0", "a1", "a2"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_behind_a_message_that_another_worker_has_taken_over() {
    let taken = TakenOver::begin(3).await;
    sleep(secs(30)).await;
    let cut = taken.scene.journal.runs().into_iter().filter(|run| run.call == 0);
    let ends: Vec<_> = cut.map(|run| (run.message.body.clone(), run.ended.map(|(_, end)| end))).collect();
    let expected = ["a0", "a1", "a2"].map(|body| (body.to_owned(), Some(RunEnd::Cut)));
    assert_eq!(ends, expected, "none of the group may run beside the one that was taken over");
    taken.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_message_runs_elsewhere_before_those_that_cannot_be_given_back() {
    let scene = Scene::fifo().visibility(secs(30));
    let other = scene.other_worker();
    for number in 0..3 {
        scene.send_to("a", format!("a{number}"));
    }
    let fail_once = async |message: Arc<Message>, _| match (message.body.as_str(), message.receive_count) {
        ("a0", 1) => Outcome::RetryIn(secs(0), "on purpose".to_owned()),
        _ => Outcome::Done,
    };
    // The messages behind the failed one are given back first, and in the same call or in one of their own.
    scene.queue.script(Action::ChangeVisibility, |_| Fault::Entries(vec![0, 1]));
    let workers = [scene.start(fail_once), other.start(fail_once)];
    scene.emptied().await;
    assert_eq!(bodies(&scene), ["a0", "a0", "a1", "a2"]);
    for worker in workers {
        worker.drain().await;
    }
}
