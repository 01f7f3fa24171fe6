//! Promise 10: the order of a stop, and that nothing is lost by it.

use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use longshore::{
    Message,
    handler::{self, Context, Handler, Outcome},
    testing::RunEnd,
    worker::Drained,
};
use tokio::time::{Instant, sleep};

use crate::support::{
    agent::{AgentBehavior, FakeAgent},
    calls::Action,
    faulty::{Failure, Fault},
    gate::Gate,
    scene::Scene,
    secs,
};

#[tokio::test(start_paused = true)]
async fn nothing_is_received_after_a_stop() {
    let scene = Scene::new().permits(10, 0);
    scene.send("a");
    let worker = scene.start(|_, _| async {
        sleep(secs(60)).await;
        Outcome::Done
    });
    scene.journal.began(1).await;
    worker.stop.drain();
    sleep(secs(1)).await;
    let receives = scene.queue.calls(Action::Receive).len();
    assert_eq!(scene.queue.receives_under_way(), 0);
    scene.send_many(5);
    assert_eq!(worker.ended().await, Drained::All);
    assert_eq!(scene.queue.calls(Action::Receive).len(), receives);
    assert_eq!(scene.described().visible, 5);
}

#[tokio::test(start_paused = true)]
async fn waiting_messages_are_visible_at_once_after_a_stop() {
    let scene = Scene::new().permits(1, 4);
    scene.send_many(5);
    let worker = scene.start(|_, _| async {
        sleep(secs(60)).await;
        Outcome::Done
    });
    scene.journal.began(1).await;
    sleep(secs(1)).await;
    assert_eq!(scene.described().in_flight, 5);
    worker.stop.drain();
    sleep(Duration::from_millis(200)).await;
    assert_eq!((scene.described().visible, scene.described().in_flight), (4, 1));
    assert_eq!(worker.ended().await, Drained::All);
    assert_eq!(scene.journal.runs().len(), 1, "none of the waiting ran");
}

#[tokio::test(start_paused = true)]
async fn running_handlers_finish_within_the_drain_limit_and_their_messages_are_deleted() {
    let scene = Scene::new().visibility(secs(10));
    scene.send_many(12);
    let worker = scene.start(|message, _| async move {
        sleep(secs(5 * message.body.parse::<u64>().unwrap())).await;
        Outcome::Done
    });
    scene.journal.began(12).await;
    let metrics = worker.metrics.clone();
    assert_eq!(worker.drain().await, Drained::All);
    assert!(
        metrics.text().contains("longshore_drain_seconds 55"),
        "the last ran for 55 s: {}",
        metrics.text()
    );
    assert!(metrics.text().contains("longshore_drain_limit_seconds 110\n"));
    assert_eq!(scene.described().in_flight + scene.described().visible, 0);
    assert!(scene.journal.runs().iter().all(|run| run.message.receive_count == 1));
}

#[tokio::test(start_paused = true)]
async fn extensions_go_on_until_the_last_handler_ends_and_then_stop() {
    let scene = Scene::new().visibility(secs(10));
    scene.send_many(2);
    let worker = scene.start(|message, _| async move {
        sleep(secs(if message.body == "0" { 20 } else { 80 })).await;
        Outcome::Done
    });
    scene.journal.began(2).await;
    let start = Instant::now();
    worker.drain().await;
    let last = scene.queue.calls(Action::ChangeVisibility).pop().unwrap();
    assert!(last.at - start > secs(70), "the last extension was {:?} after the stop", last.at - start);
    let calls = scene.queue.call_count();
    sleep(secs(600)).await;
    assert_eq!(scene.queue.call_count(), calls, "a worker that has ended is silent");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_finish_within_the_drain_limit_is_visible_at_once() {
    let scene = Scene::new().drain_limit(secs(30));
    let id = scene.send("a");
    let worker = scene.start(|_, _| pending());
    scene.journal.began(1).await;
    let stopped = Instant::now();
    assert_eq!(worker.drain().await, Drained::All);
    assert!(stopped.elapsed() >= secs(23) && stopped.elapsed() < secs(30), "{:?}", stopped.elapsed());
    assert_eq!(scene.journal.runs()[0].ended.as_ref().unwrap().1, RunEnd::Cut);
    assert_eq!(scene.described().visible, 1);
    assert!(scene.queue.calls(Action::ChangeVisibility).pop().unwrap().frees(&id));
    assert!(scene.queue.calls(Action::Delete).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_handler_is_cancelled_when_the_drain_limit_is_over_and_may_still_finish() {
    let scene = Scene::new().drain_limit(secs(30));
    scene.send("a");
    let worker = scene.start(|_, context| async move {
        context.cancelled().await;
        sleep(Duration::from_millis(500)).await;
        Outcome::Done
    });
    scene.journal.began(1).await;
    assert_eq!(worker.drain().await, Drained::All);
    assert_eq!(scene.queue.calls(Action::Delete).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_delete_that_failed_is_tried_again_before_the_end() {
    let scene = Scene::new();
    scene.queue.once(Action::Delete, Fault::Fails(Failure::Broken));
    let (id, gate) = (scene.send("a"), Gate::default());
    let worker = scene.start_gated(&gate, Outcome::Done);
    scene.journal.began(1).await;
    worker.stop.drain();
    gate.open();
    assert_eq!(worker.ended().await, Drained::All);
    assert_eq!(scene.queue.deletes_of(&id).len(), 2);
    scene.emptied().await;
}

#[tokio::test(start_paused = true)]
async fn answers_that_cannot_be_sent_are_not_waited_for_without_end() {
    let scene = Scene::new();
    scene.queue.always(Action::Delete, Fault::Hangs);
    scene.send("a");
    let worker = scene.start(|_, _| async { Outcome::Done });
    scene.journal.ended(1).await;
    let stopped = Instant::now();
    assert_eq!(worker.drain().await, Drained::Partly { held: 1 });
    assert!(stopped.elapsed() < secs(12), "{:?}", stopped.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_worst_stop_ends_within_the_drain_limit() {
    let scene = Scene::new().drain_limit(secs(110));
    scene.queue.always(Action::Delete, Fault::Hangs);
    scene.send_many(2);
    let worker = scene.start(|message, _| async move {
        match message.body.as_str() {
            "0" => Outcome::Done,
            _ => pending().await,
        }
    });
    scene.journal.ended(1).await;
    let stopped = Instant::now();
    assert_eq!(worker.drain().await, Drained::Partly { held: 1 });
    assert!(stopped.elapsed() > secs(103) && stopped.elapsed() <= secs(110), "{:?}", stopped.elapsed());
}

/// A handler whose calls and close never end by themselves.
struct Endless;

impl Handler for Endless {
    async fn handle(&self, _: Arc<Message>, _: Context) -> Outcome {
        pending().await
    }

    async fn close(&self) {
        pending::<()>().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_keeps_a_limit_of_any_length_and_gives_endless_work_back_in_it() {
    for limit in [Duration::from_millis(200), secs(1), secs(4), secs(20), secs(60)] {
        let scene = Scene::new().drain_limit(limit);
        scene.send("a");
        let worker = scene.start_handler(Endless);
        scene.journal.began(1).await;
        let stopped = Instant::now();
        assert_eq!(worker.drain().await, Drained::All, "{limit:?}");
        assert!(stopped.elapsed() <= limit, "{:?} of {limit:?}", stopped.elapsed());
        assert_eq!(scene.described().visible, 1, "{limit:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_keeps_a_limit_of_any_length_when_nothing_is_answered() {
    for limit in [Duration::ZERO, secs(1), secs(4), secs(20), secs(60)] {
        let agent = Arc::new(FakeAgent::default());
        agent.set_behavior(AgentBehavior::Hangs);
        let scene = Scene::new().drain_limit(limit).permits(1, 20).visibility(secs(300)).on_ecs(&agent);
        scene.send("a");
        let worker = scene.start_handler(Endless);
        scene.journal.began(1).await;
        sleep(secs(20)).await;
        for action in [Action::Receive, Action::ChangeVisibility, Action::Delete] {
            scene.queue.always(action, Fault::Hangs);
        }
        sleep(secs(25)).await;
        assert!(scene.queue.receives_under_way() > 0);
        let stopped = Instant::now();
        assert_eq!(worker.drain().await, Drained::Partly { held: 1 }, "{limit:?}");
        assert!(stopped.elapsed() <= limit, "{:?} of {limit:?}", stopped.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_receives_in_flight_and_gives_back_what_they_bring() {
    let scene = Scene::new().permits(10, 40);
    scene.queue.always(Action::Receive, Fault::AnswersLate(Duration::from_millis(250)));
    let worker = scene.start(|_, _| async {
        sleep(Duration::from_millis(50)).await;
        Outcome::Done
    });
    scene.send_many(4_000);
    scene.journal.ended(300).await;
    while scene.queue.receives_under_way() == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    let stopped = Instant::now();
    assert_eq!(worker.drain().await, Drained::All);
    assert!(stopped.elapsed() < secs(2), "{:?}", stopped.elapsed());
    assert_eq!(scene.described().in_flight, 0, "nothing stays hidden");
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_waits_for_a_receive_that_may_outlive_it_and_gives_back_what_it_brings() {
    for sent in [None, Some(secs(3))] {
        let scene = Scene::new();
        scene.queue.let_receives_outlive_clients();
        let worker = scene.start(|_, _| async { Outcome::Done });
        sleep(secs(30)).await;
        let stopped = Instant::now();
        worker.stop.drain();
        if let Some(after) = sent {
            sleep(after).await;
            scene.send("late");
        }
        assert_eq!(worker.ended().await, Drained::All);
        let longest = sent.map_or(secs(20), |after| after + secs(1));
        assert!(stopped.elapsed() <= longest, "{:?}", stopped.elapsed());
        sleep(secs(20)).await;
        assert_eq!(scene.described().in_flight, 0, "nothing stays hidden");
        assert_eq!(scene.described().visible, u64::from(sent.is_some()));
        assert!(scene.journal.runs().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_a_receive_that_hangs_no_longer_than_its_wait() {
    let scene = Scene::new();
    scene.queue.always(Action::Receive, Fault::Hangs);
    let worker = scene.start(|_, _| async { Outcome::Done });
    sleep(Duration::from_millis(100)).await;
    let stopped = Instant::now();
    assert_eq!(worker.drain().await, Drained::All);
    assert!(stopped.elapsed() <= secs(3), "the first receive does not wait: {:?}", stopped.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_second_stop_cuts_receives_in_flight() {
    let scene = Scene::new();
    scene.queue.let_receives_outlive_clients();
    let worker = scene.start(|_, _| async { Outcome::Done });
    sleep(secs(30)).await;
    worker.stop.drain();
    sleep(secs(1)).await;
    let halted = Instant::now();
    worker.stop.halt();
    assert_eq!(worker.ended().await, Drained::All);
    assert!(halted.elapsed() < Duration::from_millis(100), "{:?}", halted.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_second_stop_ends_the_drain_at_once() {
    let scene = Scene::new();
    scene.send_many(3);
    let worker = scene.start(|_, _| pending());
    scene.journal.began(3).await;
    worker.stop.drain();
    sleep(secs(10)).await;
    let halted = Instant::now();
    worker.stop.halt();
    assert_eq!(worker.ended().await, Drained::Partly { held: 3 });
    assert!(halted.elapsed() < secs(1));
    let back = scene.other_consumer().gets_within(secs(31)).await;
    assert!(back.is_some(), "what was held comes back after its visibility");
}

#[tokio::test(start_paused = true)]
async fn a_second_stop_cancels_the_handlers_whose_leases_end() {
    let scene = Scene::new();
    scene.send("a");
    let worker = scene.start(|_, _| pending());
    scene.journal.began(1).await;
    worker.stop.halt();
    worker.ended().await;
    let halted = Instant::now();
    scene.journal.ended(1).await;
    assert!(halted.elapsed() < secs(2), "the handler went on for {:?}", halted.elapsed());
}

#[tokio::test(start_paused = true)]
async fn nothing_starts_after_a_stop_at_once() {
    for _ in 0..8 {
        let scene = Scene::new().permits(1, 4);
        scene.send_many(5);
        let gate = Gate::default();
        let passed = gate.clone();
        let worker = scene.start(move |_, _| {
            let gate = passed.clone();
            async move {
                gate.passed().await;
                Outcome::Done
            }
        });
        scene.journal.began(1).await;
        sleep(secs(1)).await;
        worker.stop.halt();
        worker.ended().await;
        gate.open();
        sleep(secs(5)).await;
        assert_eq!(scene.journal.runs().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_blocks_its_thread_does_not_hold_up_the_stop() {
    let scene = Scene::new().drain_limit(Duration::ZERO);
    scene.send("a");
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Mutex::new(released);
    let worker = scene.start_apart(handler::from_fn_with(move |_, _| {
        let waited = released.lock().unwrap().recv();
        async move { Outcome::Retry(format!("{waited:?}")) }
    }));
    scene.journal.began(1).await;
    assert_eq!(worker.drain().await, Drained::Partly { held: 1 });
    release.send(()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_whose_cut_receive_hides_nothing_stops_within_300_milliseconds() {
    let scene = Scene::new();
    let worker = scene.start(|_, _| async { Outcome::Done });
    sleep(secs(30)).await;
    let stopped = Instant::now();
    assert_eq!(worker.drain().await, Drained::All);
    assert!(stopped.elapsed() <= Duration::from_millis(300), "{:?}", stopped.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_no_fault_although_the_poller_ends_first() {
    for _ in 0..20 {
        let scene = Scene::new();
        let worker = scene.start(|_, _| async { Outcome::Done });
        // The second long poll ends at the time of the stop, and the loop ends before the fault watch notices the stop.
        sleep(secs(40)).await;
        assert_eq!(worker.drain().await, Drained::All);
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_killed_loses_nothing() {
    let scene = Scene::new().permits(2, 3);
    scene.send_many(5);
    let killed = scene.start(|_, _| pending());
    scene.journal.began(2).await;
    sleep(secs(1)).await;
    // A killed worker extends no lease, gives nothing back and sends nothing.
    scene.queue.always(Action::ChangeVisibility, Fault::Hangs);
    scene.queue.always(Action::Delete, Fault::Hangs);
    killed.stop.halt();
    assert_eq!(killed.ended().await, Drained::Partly { held: 5 });
    scene.queue.heal(Action::ChangeVisibility);
    scene.queue.heal(Action::Delete);
    let (began, next) = (Instant::now(), scene.start(|_, _| async { Outcome::Done }));
    scene.emptied().await;
    assert!(began.elapsed() < secs(31), "all came back after one visibility: {:?}", began.elapsed());
    next.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_obeys_its_cancellation_gives_its_message_back_at_once() {
    let scene = Scene::new().drain_limit(secs(5));
    scene.send("a");
    let worker = scene.start(|_, context| async move {
        context.cancelled().await;
        Outcome::Retry("cancelled".to_owned())
    });
    scene.journal.began(1).await;
    assert_eq!(worker.drain().await, Drained::All);
    assert_eq!(scene.described().visible, 1);
}

#[tokio::test(start_paused = true)]
async fn a_delete_that_waits_for_its_next_try_is_not_forgotten_by_the_drain() {
    let scene = Scene::new();
    scene.queue.always(Action::Delete, Fault::Fails(Failure::Throttled));
    scene.send("a");
    let worker = scene.start(|_, _| async { Outcome::Done });
    sleep(secs(60)).await;
    scene.queue.heal(Action::Delete);
    assert_eq!(worker.drain().await, Drained::All);
    scene.emptied().await;
}

#[tokio::test(start_paused = true)]
async fn a_done_message_that_could_not_be_deleted_during_the_drain_is_reported() {
    let scene = Scene::new().visibility(secs(6)).drain_limit(secs(20));
    scene.send("a");
    let worker = scene.start(|_, _| async {
        sleep(secs(4)).await;
        Outcome::Done
    });
    scene.journal.began(1).await;
    for action in [Action::Delete, Action::ChangeVisibility] {
        scene.queue.always(action, Fault::Fails(Failure::Broken));
    }
    assert_eq!(worker.drain().await, Drained::Partly { held: 1 });
}
