//! Promise 9: a panic, a time-out or an error of one handler touches no other message.

use std::future::pending;

use longshore::{duration::Limit, handler::Outcome, tasks, testing::RunEnd};
use tokio::time::{Instant, sleep};

use crate::support::{
    calls::{Action, Call},
    scene::Scene,
    secs,
};

#[tokio::test(start_paused = true)]
async fn a_panic_touches_no_other_message_of_its_receive() {
    assert_touches_no_other(|| async { panic!("on purpose") }).await;
}

#[tokio::test(start_paused = true)]
async fn a_time_out_touches_no_other_message_of_its_receive() {
    assert_touches_no_other(pending).await;
}

#[tokio::test(start_paused = true)]
async fn an_error_touches_no_other_message_of_its_receive() {
    assert_touches_no_other(|| async { Outcome::Retry("on purpose".to_owned()) }).await;
}

async fn assert_touches_no_other<A>(fail: fn() -> A)
where
    A: Future<Output = Outcome> + Send + 'static,
{
    let scene = Scene::new().visibility(secs(10)).options(|options| options.timeout = Limit::After(secs(30)));
    scene.send_many(9);
    scene.send("bad");
    let worker = scene.start(move |message, _| async move {
        if message.body == "bad" && message.receive_count == 1 {
            return fail().await;
        }
        sleep(secs(25)).await;
        Outcome::Done
    });
    scene.emptied().await;
    assert_eq!(scene.journal.runs().len(), 11, "the bad one ran twice, the others once");
    let others = scene.journal.runs().into_iter().filter(|run| run.message.body != "bad");
    for run in others {
        assert_eq!((run.message.receive_count, run.ended.unwrap().1), (1, RunEnd::Answered(Outcome::Done)));
    }
    let entries = |call: Call| call.entries.len();
    assert_eq!(scene.queue.calls(Action::Delete).into_iter().map(entries).sum::<usize>(), 10);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn tasks_that_a_handler_spawned_are_cancelled_at_its_time_out() {
    let scene = Scene::new().options(|options| options.timeout = Limit::After(secs(40)));
    scene.send("a");
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let worker = scene.start(move |_, context| {
        let sender = sender.clone();
        tasks::detach("spawned by the handler", async move {
            context.cancelled().await;
            sender.send(Instant::now()).unwrap();
        });
        pending()
    });
    let cancelled_at = receiver.recv().await.unwrap();
    assert_eq!(cancelled_at - scene.journal.runs()[0].began, secs(40));
    worker.stop.halt();
    worker.ended().await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_too_long_is_dropped_before_its_message_is_given_back() {
    let scene = Scene::new().options(|options| options.timeout = Limit::After(secs(40)));
    let id = scene.send("a");
    let worker = scene.start(|_, _| pending());
    scene.journal.ended(1).await;
    let run = scene.journal.runs().remove(0);
    let (ended, end) = run.ended.unwrap();
    assert_eq!((ended - run.began, end), (secs(40), RunEnd::Cut));
    scene.journal.began(2).await;
    let changes = scene.queue.calls(Action::ChangeVisibility);
    let mut given_back = changes.iter().filter(|call| call.entries[0].visibility != Some(secs(30)));
    assert!(given_back.all(|call| call.names(&id) && call.at >= ended));
    assert!(scene.journal.doubled().is_empty());
    worker.stop.halt();
    worker.ended().await;
}
