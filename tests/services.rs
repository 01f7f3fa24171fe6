//! `tower` services as handlers, and handlers behind `tower` layers, in a whole worker.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use longshore::{
    Message,
    handler::{
        self, Batch, BatchCall, Call, Context, Handler, Outcome, Outcomes, batched, from_batch_service,
        from_service, into_service, layered, layered_batches,
    },
    testing::{self, RunEnd, TestQueue},
};
use tokio::time::sleep;
use tower::{Service, ServiceBuilder, service_fn, util::BoxCloneService};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A handler whose calls take this time.
fn takes(time: Duration) -> impl Handler {
    handler::from_fn(move |_: Arc<Message>| sleep(time))
}

/// A service whose readiness the test switches.
#[derive(Clone, Default)]
struct Switched {
    is_broken: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
}

impl Service<Call> for Switched {
    type Response = ();
    type Error = &'static str;
    type Future = std::future::Ready<Result<(), &'static str>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), &'static str>> {
        let is_broken = self.is_broken.load(Ordering::SeqCst);
        Poll::Ready(if is_broken { Err("out of order") } else { Ok(()) })
    }

    fn call(&mut self, _: Call) -> Self::Future {
        self.calls.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Ok(()))
    }
}

#[tokio::test]
async fn the_response_of_a_service_is_the_outcome() {
    let service = service_fn(async |call: Call| match call.message.body.as_str() {
        "done" => Ok(Outcome::Done),
        "reject" => Ok(Outcome::Reject("never".to_owned())),
        _ => Err(format!("attempt {}", call.context.attempt)),
    });
    let handler = from_service(service);
    assert_eq!(testing::outcome_of(&handler, testing::message("done")).await, Outcome::Done);
    let rejected = testing::outcome_of(&handler, testing::message("reject")).await;
    assert_eq!(rejected, Outcome::Reject("never".to_owned()));
    let failed = testing::outcome_of(&handler, testing::message("x").attempt(4)).await;
    assert_eq!(failed, Outcome::Retry("attempt 4".to_owned()));
}

#[tokio::test]
async fn a_service_that_cannot_be_shared_between_threads_is_a_handler_too() {
    let service = BoxCloneService::new(service_fn(async |_: Call| Ok::<_, Infallible>(())));
    assert_eq!(testing::outcome_of(&from_service(service), testing::message("x")).await, Outcome::Done);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_cannot_become_ready_is_down_and_its_messages_wait_in_the_queue() {
    let (scene, service) = (TestQueue::new().max_receives(3), Switched::default());
    let worker = scene.start(from_service(service.clone()));
    scene.send("first");
    scene.journal.done(1).await;
    service.is_broken.store(true, Ordering::SeqCst);
    for number in 0..10 {
        scene.send(number.to_string());
    }
    sleep(secs(600)).await;
    assert_eq!(service.calls.load(Ordering::SeqCst), 1);
    let down = Outcome::Down("the service does not become ready: out of order".to_owned());
    assert!(scene.journal.outcomes_of("0").iter().all(|outcome| *outcome == down));
    assert!(scene.dead_letters().is_empty(), "no message used up its receives");
    service.is_broken.store(false, Ordering::SeqCst);
    scene.emptied().await;
    assert_eq!(service.calls.load(Ordering::SeqCst), 11);
    assert!(scene.dead_letters().is_empty());
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_service_is_not_ready_waits_with_its_lease_kept() {
    let scene = TestQueue::new().options(|options| options.concurrency = 8);
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count, peak) = (running.clone(), most.clone());
    let service = service_fn(move |_: Call| {
        let (count, peak) = (count.clone(), peak.clone());
        async move {
            peak.fetch_max(count.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            sleep(secs(40)).await;
            count.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, Infallible>(())
        }
    });
    (0..8).for_each(|number| drop(scene.send(number.to_string())));
    let limited = ServiceBuilder::new().concurrency_limit(2).service(service);
    let worker = scene.start(from_service(limited));
    scene.emptied().await;
    assert_eq!(most.load(Ordering::SeqCst), 2, "the clones share one limit");
    assert_eq!(scene.journal.runs().len(), 8, "none came twice");
    assert_eq!(worker.metric("longshore_leases_lost_total"), 0);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_behind_a_buffer_holds_for_all_calls_together() {
    let scene = TestQueue::new();
    (0..9).for_each(|number| drop(scene.send(number.to_string())));
    let began = Arc::new(Mutex::new(Vec::new()));
    let noted = began.clone();
    let print = handler::from_fn(move |_: Arc<Message>| {
        noted.lock().unwrap().push(tokio::time::Instant::now());
        async {}
    });
    let layers = ServiceBuilder::new().buffer(16).rate_limit(3, secs(60));
    let worker = scene.start(layered(print, layers));
    scene.emptied().await;
    let began = began.lock().unwrap().clone();
    assert!(began[2] - began[0] < secs(1) && began[3] - began[0] >= secs(59), "{began:?}");
    assert!(began[8] - began[0] >= secs(119), "{began:?}");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_timeout_layer_ends_a_call_and_the_message_is_tried_again() {
    let scene = TestQueue::new().max_receives(2);
    scene.send("slow");
    let layers = ServiceBuilder::new().timeout(secs(5));
    let worker = scene.start(layered(takes(secs(60)), layers));
    scene.emptied().await;
    let retry = Outcome::Retry("request timed out".to_owned());
    assert_eq!(scene.journal.outcomes_of("slow"), [retry.clone(), retry]);
    assert_eq!(scene.dead_letters()[0].body, "slow");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_load_shedding_layer_tries_a_message_again_instead_of_letting_it_wait() {
    let scene = TestQueue::new();
    scene.send("a");
    scene.send("b");
    let layers = ServiceBuilder::new().load_shed().concurrency_limit(1);
    let worker = scene.start(layered(takes(secs(1)), layers));
    scene.journal.ended(2).await;
    let outcomes = [scene.journal.outcomes_of("a"), scene.journal.outcomes_of("b")].concat();
    assert!(outcomes.contains(&Outcome::Done), "{outcomes:?}");
    assert!(outcomes.contains(&Outcome::Retry("service overloaded".to_owned())), "{outcomes:?}");
    scene.emptied().await;
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_drops_the_call_through_all_layers() {
    let scene = TestQueue::new();
    scene.send("a");
    let layers = ServiceBuilder::new().concurrency_limit(1).timeout(Duration::from_hours(1));
    let worker =
        scene.start(layered(handler::from_fn(|_: Arc<Message>| std::future::pending::<()>()), layers));
    scene.journal.began(1).await;
    scene.account.purge("orders").unwrap();
    scene.journal.ended(1).await;
    assert_eq!(scene.journal.runs()[0].ended.as_ref().unwrap().1, RunEnd::Cut);
    scene.send("b");
    scene.journal.began(2).await;
    worker.stop.halt();
    worker.ended().await;
}

/// A handler with a probe and a close.
#[derive(Clone, Default)]
struct Whole {
    closed: Arc<AtomicBool>,
}

impl Handler for Whole {
    async fn handle(&self, _: Arc<Message>, _: Context) -> Outcome {
        Outcome::Down("the inner handler is down".to_owned())
    }

    async fn probe(&self) -> Result<(), String> {
        Err("still down".to_owned())
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_leaves_probe_and_close_of_its_handler_alone() {
    let (scene, whole) = (TestQueue::new(), Whole::default());
    let handler = layered(whole.clone(), ServiceBuilder::new().timeout(secs(1)));
    assert_eq!(handler.probe().await, Err("still down".to_owned()));
    let down = Outcome::Down("the inner handler is down".to_owned());
    let context = testing::context().build();
    assert_eq!(handler.handle(testing::message("x").into(), context).await, down);
    let worker = scene.start(handler);
    // On the paused clock this ends when the worker only waits for its next probe.
    sleep(secs(1)).await;
    worker.drain().await;
    assert!(whole.closed.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_probe_checks_the_layers_too() {
    let switched = Switched::default();
    let handler = from_service(switched.clone());
    assert_eq!(handler.probe().await, Ok(()));
    switched.is_broken.store(true, Ordering::SeqCst);
    assert_eq!(handler.probe().await, Err("the service does not become ready: out of order".to_owned()));
}

#[tokio::test]
async fn a_handler_is_a_service_that_never_fails() {
    let mut service =
        into_service(handler::from_fn(async |message: Arc<Message>| match message.body.as_str() {
            "bad" => Err("bad"),
            _ => Ok(()),
        }));
    let call = |body: &str| Call::new(testing::message(body), testing::context().build());
    assert_eq!(service.call(call("good")).await, Ok(Outcome::Done));
    assert_eq!(service.call(call("bad")).await, Ok(Outcome::Retry("bad".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn batches_go_through_services_and_layers_whole() {
    let scene = TestQueue::new().options(|options| options.batch.size = 10);
    (0..10).for_each(|number| drop(scene.send(number.to_string())));
    let service = service_fn(async |call: BatchCall| {
        let odd = |message: &Arc<Message>| message.body.parse::<u32>().unwrap() % 2 == 1;
        let is_first = call.context.attempt == 1;
        let each = call.batch.messages().map(|message| {
            if is_first && odd(message) { Outcome::Retry("odd".to_owned()) } else { Outcome::Done }
        });
        Ok::<_, Infallible>(Outcomes::Each(each.collect()))
    });
    let handler =
        layered_batches(batched(from_batch_service(service)), ServiceBuilder::new().timeout(secs(5)));
    let worker = scene.start(handler);
    scene.emptied().await;
    for number in 0..10 {
        assert_eq!(scene.journal.runs_of(&number.to_string()).len(), 1 + number % 2, "runs of {number}");
    }
    assert!(scene.journal.runs().iter().take(10).all(|run| run.call == 0), "one call took them all");
    worker.drain().await;
}

#[tokio::test]
async fn an_error_of_a_batch_is_a_retry_of_all_of_it() {
    let handler =
        handler::from_batch_fn(async |_: Batch, _: Context| Err::<Outcomes, _>("the store is full"));
    let outcomes = testing::outcomes_of(&handler, ["a", "b"].map(testing::message)).await;
    assert_eq!(outcomes, vec![Outcome::Retry("the store is full".to_owned()); 2]);
}
