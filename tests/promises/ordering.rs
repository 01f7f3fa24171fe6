//! Promise 6: within a FIFO group messages run one at a time and in order; a failure stops that group only.

use std::collections::BTreeMap;

use longshore::{
    handler::Outcome,
    message::MessageId,
    testing::{HandlerRun, RunEnd},
};
use tokio::time::{Instant, sleep};

use crate::support::{
    calls::Action,
    faulty::{Failure, Fault},
    gate::Gate,
    scene::Scene,
    secs,
};

/// The number behind the group's letter: `a7` is the seventh of group `a`.
fn number(body: &str) -> usize {
    body[1..].parse().unwrap()
}

fn send_groups(scene: &Scene, groups: &[&str], messages: usize) -> BTreeMap<String, MessageId> {
    let mut ids = BTreeMap::new();
    for number in 0..messages {
        for group in groups {
            let body = format!("{group}{number}");
            ids.insert(body.clone(), scene.send_to(group, body));
        }
    }
    ids
}

fn bodies(runs: &[HandlerRun]) -> Vec<&str> {
    runs.iter().map(|run| run.message.body.as_str()).collect()
}

fn runs_of_group(scene: &Scene, group: &str) -> Vec<HandlerRun> {
    scene.journal.runs().into_iter().filter(|run| run.message.body.starts_with(group)).collect()
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_group_run_one_at_a_time_and_in_order_and_groups_beside_each_other() {
    let scene = Scene::fifo();
    send_groups(&scene, &["a", "b", "c"], 25);
    let worker = scene.start(async |message, _| {
        sleep(secs(1 + number(&message.body) as u64 % 3)).await;
        Outcome::Done
    });
    scene.emptied().await;
    for group in ["a", "b", "c"] {
        let runs = runs_of_group(&scene, group);
        let numbers: Vec<_> = runs.iter().map(|run| number(&run.message.body)).collect();
        assert_eq!(numbers, (0..25).collect::<Vec<_>>(), "group {group}");
        let overlaps = runs.windows(2).any(|pair| pair[1].began < pair[0].ended.as_ref().unwrap().0);
        assert!(!overlaps, "group {group} runs one at a time");
    }
    assert_eq!(scene.journal.most_running(), 3);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_starts_only_when_the_one_before_it_in_its_group_is_deleted() {
    let scene = Scene::fifo().visibility(secs(60));
    let ids = send_groups(&scene, &["a"], 2);
    scene.queue.script(Action::Delete, |number| match number {
        1..=3 => Fault::Fails(Failure::Throttled),
        _ => Fault::None,
    });
    let worker = scene.start(async |_, _| Outcome::Done);
    scene.emptied().await;
    let deleted = scene.queue.deletes_of(&ids["a0"]).last().unwrap().at;
    let runs = scene.journal.runs();
    assert_eq!(bodies(&runs), ["a0", "a1"]);
    assert!(runs[1].began >= deleted, "it began before the delete went through");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_stops_its_group_only_and_the_later_ones_come_again_in_order() {
    let scene = Scene::fifo();
    send_groups(&scene, &["a", "b"], 5);
    let worker = scene.start(async |message, _| {
        sleep(secs(1)).await;
        match (message.body.as_str(), message.receive_count) {
            ("a1", 1) => Outcome::RetryIn(secs(60), "on purpose".to_owned()),
            _ => Outcome::Done,
        }
    });
    scene.emptied().await;
    assert_eq!(bodies(&runs_of_group(&scene, "a")), ["a0", "a1", "a1", "a2", "a3", "a4"]);
    assert_eq!(bodies(&runs_of_group(&scene, "b")), ["b0", "b1", "b2", "b3", "b4"]);
    let runs = scene.journal.runs();
    let second_try = runs.iter().rposition(|run| run.message.body == "a1").unwrap();
    let last_of_b = runs.iter().position(|run| run.message.body == "b4").unwrap();
    assert!(last_of_b < second_try, "group b did not wait: {:?}", bodies(&runs));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn messages_behind_one_that_fails_for_good_all_run_and_none_goes_unrun_to_the_dead_letters() {
    let scene = Scene::fifo().max_receives(3);
    send_groups(&scene, &["a"], 10);
    let worker = scene.start(async |message, _| match message.body.as_str() {
        // Longer than the long poll in flight.
        "a0" => Outcome::RetryIn(secs(30), "on purpose".to_owned()),
        _ => Outcome::Done,
    });
    scene.emptied().await;
    let expected = ["a0", "a0", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9"];
    assert_eq!(bodies(&scene.journal.runs()), expected);
    assert_eq!(scene.dead(), 1);
    let most = scene
        .journal
        .runs()
        .iter()
        .filter(|run| run.message.body != "a0")
        .map(|run| run.message.receive_count)
        .max();
    assert_eq!(most, Some(2), "the second and third failure spent none of their receives");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn messages_behind_a_failing_one_all_run_although_other_workers_receive_them_too() {
    let scene = Scene::fifo().max_receives(3);
    let twins = [scene.other_worker(), scene.other_worker()];
    send_groups(&scene, &["a", "b"], 10);
    let start = |scene: &Scene| {
        scene.start(async |message, _| match message.body.as_str() {
            "a0" | "b3" => Outcome::RetryIn(secs(20), "on purpose".to_owned()),
            _ => Outcome::Done,
        })
    };
    let scenes = [&scene, &twins[0], &twins[1]];
    let workers = scenes.map(start);
    scene.emptied().await;
    let mut done = scene.journal.done_bodies();
    done.sort_unstable();
    let all = (0..10).flat_map(|number| [format!("a{number}"), format!("b{number}")]);
    let mut expected: Vec<_> = all.filter(|body| body != "a0" && body != "b3").collect();
    expected.sort_unstable();
    assert_eq!(done, expected);
    assert_eq!(scene.dead(), 2);
    for worker in workers {
        worker.drain().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_whose_message_lost_its_lease_waits_until_that_one_has_run_again() {
    let scene = Scene::fifo().visibility(secs(10));
    send_groups(&scene, &["a"], 3);
    scene.queue.always(Action::ChangeVisibility, Fault::Fails(Failure::Throttled));
    let gate = Gate::default();
    let passed = gate.clone();
    let worker = scene.start(move |message, _| {
        let gate = passed.clone();
        async move {
            if message.body == "a0" && message.receive_count == 1 {
                gate.passed().await;
            }
            Outcome::Done
        }
    });
    scene.journal.ended(1).await;
    scene.queue.heal(Action::ChangeVisibility);
    gate.open();
    scene.emptied().await;
    assert_eq!(bodies(&scene.journal.runs()), ["a0", "a0", "a1", "a2"]);
    assert_eq!(scene.journal.runs()[0].ended.as_ref().unwrap().1, RunEnd::Cut);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_group_goes_on_where_it_was_after_a_stop() {
    let scene = Scene::fifo();
    send_groups(&scene, &["a"], 4);
    let gate = Gate::default();
    let passed = gate.clone();
    let first = scene.start(move |_, _| {
        let gate = passed.clone();
        async move {
            gate.passed().await;
            Outcome::Done
        }
    });
    scene.journal.began(1).await;
    first.stop.drain();
    gate.open();
    first.drain().await;
    let second = scene.start(async |_, _| Outcome::Done);
    scene.emptied().await;
    assert_eq!(bodies(&scene.journal.runs()), ["a0", "a1", "a2", "a3"]);
    second.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_receive_whose_answer_was_lost_is_made_again_and_spends_no_further_receive() {
    let scene = Scene::fifo();
    send_groups(&scene, &["a"], 3);
    scene.queue.once(Action::Receive, Fault::AnswerLost);
    let worker = scene.start(async |_, _| Outcome::Done);
    let began = Instant::now();
    scene.emptied().await;
    assert!(began.elapsed() < secs(30), "nothing waits for the visibility to end: {:?}", began.elapsed());
    let counts: Vec<_> = scene.journal.runs().iter().map(|run| run.message.receive_count).collect();
    assert_eq!(counts, [1, 1, 1]);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn long_groups_leave_permits_for_others() {
    let scene = Scene::fifo().options(|options| options.concurrency = 4);
    for group in ["a", "b", "c", "d"] {
        send_groups(&scene, &[group], 10);
    }
    let worker = scene.start(async |_, _| {
        sleep(secs(10)).await;
        Outcome::Done
    });
    scene.journal.began(4).await;
    let mut first: Vec<_> = bodies(&scene.journal.runs()).into_iter().map(str::to_owned).collect();
    first.sort_unstable();
    assert_eq!(first, ["a0", "b0", "c0", "d0"], "each slot has a group of its own");
    worker.stop.halt();
}
