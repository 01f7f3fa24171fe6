//! The context of a handler's call, while a whole worker extends its lease.

use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use longshore::{
    Message,
    backoff::{Backoff, Jitter},
    duration::{Limit, Span},
    handler::{self, Batch, Context, Outcome, batched},
    tasks,
    testing::{RunEnd, TestQueue},
    worker::Drained,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A scene with a lease of ten seconds and one message in the queue.
fn scene() -> TestQueue {
    let scene = TestQueue::new().options(|options| {
        options.visibility = Span(secs(10));
    });
    scene.send("a");
    scene
}

#[tokio::test(start_paused = true)]
async fn the_lease_left_follows_its_extensions() {
    let scene = scene();
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let worker = scene.start(handler::from_fn_with(move |_: Arc<Message>, context: Context| {
        let sender = sender.clone();
        async move {
            for _ in 0..60 {
                sender.send(context.lease_left()).unwrap();
                sleep(secs(1)).await;
            }
        }
    }));
    scene.emptied().await;
    let mut left = Vec::new();
    receiver.recv_many(&mut left, 60).await;
    assert!(left.iter().all(|left| (secs(1)..=secs(10)).contains(left)), "{left:?}");
    let (grew, shrank) = (left.windows(2).filter(|pair| pair[1] > pair[0]).count(), left.is_sorted());
    assert!(grew >= 6 && !shrank, "about one extension in half a lease: {left:?}");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn spawned_work_is_cancelled_when_the_lease_is_lost() {
    let scene = scene();
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let worker = scene.start(handler::from_fn_with(move |_: Arc<Message>, context: Context| {
        let (sender, token, spawned) = (sender.clone(), context.cancellation_token(), context.clone());
        let work = async move {
            token.cancelled().await;
            sender.send((spawned.lease_deadline(), spawned.lease_left())).unwrap();
        };
        tasks::detach("spawned work", work);
        pending::<()>()
    }));
    scene.journal.began(1).await;
    scene.account.purge("orders").unwrap();
    assert_eq!(receiver.recv().await, Some((None, Duration::ZERO)));
    scene.journal.ended(1).await;
    assert_eq!(scene.journal.runs()[0].ended.as_ref().unwrap().1, RunEnd::Cut);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn spawned_work_is_cancelled_at_the_time_limit() {
    let scene = scene().options(|options| options.timeout = Limit::After(secs(60)));
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let worker = scene.start(handler::from_fn_with(move |_: Arc<Message>, context: Context| {
        assert_eq!(context.time_left(), Some(secs(60)));
        let (sender, token) = (sender.clone(), context.cancellation_token());
        let work = async move {
            token.cancelled().await;
            sender.send(context.time_left()).unwrap();
        };
        tasks::detach("spawned work", work);
        pending::<()>()
    }));
    assert_eq!(receiver.recv().await, Some(Some(Duration::ZERO)));
    worker.stop.halt();
    worker.ended().await;
}

#[tokio::test(start_paused = true)]
async fn the_cancellation_fires_when_the_drain_limit_is_near_and_the_lease_is_kept_until_then() {
    let scene = scene().drain_limit(secs(60));
    let cancelled_at = Arc::new(Mutex::new(None));
    let note = cancelled_at.clone();
    let worker = scene.start(handler::from_fn_with(move |_: Arc<Message>, context: Context| {
        let note = note.clone();
        async move {
            context.cancelled().await;
            *note.lock().unwrap() = Some((Instant::now(), context.lease_left()));
        }
    }));
    scene.journal.began(1).await;
    sleep(secs(100)).await;
    let stopped = Instant::now();
    assert_eq!(worker.drain().await, Drained::All);
    let (at, lease_left) = cancelled_at.lock().unwrap().unwrap();
    assert_eq!((at - stopped).as_secs(), 53, "all but the seven seconds for the rest of the stop");
    assert!(lease_left > secs(1), "the lease was still held: {lease_left:?}");
    assert_eq!(scene.journal.outcomes_of("a"), [Outcome::Done]);
    assert_eq!(scene.described().visible, 0);
}

#[tokio::test(start_paused = true)]
async fn cancelling_the_handlers_token_does_not_affect_the_message() {
    let scene = scene();
    let worker = scene.start(handler::from_fn_with(async |_: Arc<Message>, context: Context| {
        context.cancellation_token().cancel();
        sleep(secs(60)).await;
        assert!(!context.is_cancelled());
    }));
    scene.emptied().await;
    assert_eq!(scene.journal.outcomes_of("a"), [Outcome::Done]);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn the_attempt_grows_up_to_the_last_one() {
    let retry = Backoff { initial: secs(1), factor: 2.0, max: secs(60), jitter: Jitter::None };
    let scene = scene().max_receives(4).options(|options| options.retry = retry);
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let worker = scene.start(handler::from_fn_with(move |_: Arc<Message>, context: Context| {
        sender.send((context.attempt, context.is_last_attempt())).unwrap();
        async { Err::<(), _>("always") }
    }));
    scene.emptied().await;
    let mut attempts = Vec::new();
    receiver.recv_many(&mut attempts, 10).await;
    assert_eq!(attempts, [(1, false), (2, false), (3, false), (4, true)]);
    assert_eq!(scene.dead_letters().len(), 1);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn no_attempt_is_the_last_without_a_dead_letter_queue() {
    let scene = scene();
    let worker = scene.start(handler::from_fn_with(async |_: Arc<Message>, context: Context| {
        let answer = if context.attempt > 20 { Ok(()) } else { Err("again") };
        assert!(!context.is_last_attempt());
        answer
    }));
    scene.emptied().await;
    assert_eq!(scene.journal.runs().len(), 21);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn the_context_of_a_batch_is_cancelled_with_its_last_lease_and_each_message_has_its_own() {
    let scene = scene().options(|options| options.batch.size = 2);
    scene.send("b");
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let worker = scene.start(batched(handler::from_batch_fn(move |batch: Batch, context: Context| {
        let sender = sender.clone();
        async move {
            batch[0].context.cancelled().await;
            context.cancelled().await;
            sender.send(batch.iter().all(|item| item.context.is_cancelled())).unwrap();
        }
    })));
    scene.journal.began(2).await;
    scene.account.purge("orders").unwrap();
    assert_eq!(receiver.recv().await, Some(true));
    worker.drain().await;
}
