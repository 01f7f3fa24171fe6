//! Messages of one key run once: claims before the start, with the lease, finished before the delete.

use std::{
    io::BufRead as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _, ready};
use longshore::{
    aws::{AwsAccess, ServiceLocation},
    handler::Outcome,
    once::{Claim, ClaimAnswer, ClaimError, ClaimStore, DynamoClaims, MemoryClaims, Once, OnceKey},
    testing::TestQueue,
    worker::Drained,
};
use tokio::time::{Instant, sleep};

use crate::support::{
    calls::Action,
    faulty::{Failure, Fault},
    gate::Gate,
    python::python_path_with,
    scene::{Running, Scene},
    secs,
};

/// A store in memory that fails on request.
#[derive(Clone, Default)]
struct UnsteadyClaims {
    memory: MemoryClaims,
    fails: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
}

impl UnsteadyClaims {
    fn failing() -> Self {
        let store = Self::default();
        store.fail(true);
        store
    }

    fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::Relaxed);
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    fn answer<'a, T: Send + 'a>(
        &self,
        answer: BoxFuture<'a, Result<T, ClaimError>>,
    ) -> BoxFuture<'a, Result<T, ClaimError>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if self.fails.load(Ordering::Relaxed) {
            return ready(Err(ClaimError::new("down on purpose"))).boxed();
        }
        answer
    }
}

impl ClaimStore for UnsteadyClaims {
    fn claim<'a>(
        &'a self,
        claim: &'a Claim,
        lifetime: Duration,
    ) -> BoxFuture<'a, Result<ClaimAnswer, ClaimError>> {
        let memory = async move { self.memory.claim(claim, lifetime).await };
        self.answer(memory.boxed())
    }

    fn extend<'a>(&'a self, claim: &'a Claim, lifetime: Duration) -> BoxFuture<'a, Result<bool, ClaimError>> {
        let memory = async move { self.memory.extend(claim, lifetime).await };
        self.answer(memory.boxed())
    }

    fn finish<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), ClaimError>> {
        let memory = async move { self.memory.finish(claim).await };
        self.answer(memory.boxed())
    }

    fn release<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), ClaimError>> {
        let memory = async move { self.memory.release(claim).await };
        self.answer(memory.boxed())
    }
}

/// Messages whose bodies are the same run once.
fn by_body(store: impl ClaimStore) -> Once {
    Once::new(store).key(OnceKey::json("/id").unwrap())
}

fn body(id: &str) -> String {
    format!(r#"{{"id": "{id}"}}"#)
}

fn working(scene: &Scene) -> Running {
    scene.start(async |_, _| Outcome::Done)
}

/// The ids in the bodies of all runs, in order, with the receive count.
fn runs(scene: &Scene) -> Vec<(String, u32)> {
    let id = |body: &str| body.split('"').nth(3).unwrap().to_owned();
    let runs = scene.journal.runs().into_iter();
    runs.map(|run| (id(&run.message.body), run.message.receive_count)).collect()
}

fn once(id: &str, receive_count: u32) -> (String, u32) {
    (id.to_owned(), receive_count)
}

#[tokio::test(start_paused = true)]
async fn a_second_message_of_a_finished_key_is_deleted_unrun_by_any_worker() {
    let store = MemoryClaims::new();
    let scene = Scene::new().max_receives(3).once(by_body(store.clone()));
    let worker = working(&scene);
    scene.send(body("a"));
    scene.emptied().await;
    assert_eq!(store.finished(), [format!("{}#a", scene.queue().name())]);
    scene.send(body("a"));
    scene.emptied().await;
    assert_eq!(worker.metric("longshore_messages_duplicate_total"), 1);
    assert_eq!(worker.drain().await, Drained::All);
    let other = scene.other_worker();
    let worker = working(&other);
    other.send(body("a"));
    other.emptied().await;
    assert_eq!((runs(&scene), scene.dead()), (vec![once("a", 1)], 0));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_key_is_forgotten_after_its_time() {
    let scene = Scene::new().once(by_body(MemoryClaims::new()).keep(secs(60)));
    let worker = working(&scene);
    for _ in 0..2 {
        scene.send(body("a"));
        scene.emptied().await;
        sleep(secs(61)).await;
    }
    assert_eq!(runs(&scene).len(), 2);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_in_work_at_another_worker_is_left_alone_for_hours_and_reaches_no_dlq() {
    let (gate, store) = (Gate::default(), MemoryClaims::new());
    let scene = Scene::new().max_receives(2).once(by_body(store));
    let holder = scene.start_gated(&gate, Outcome::Done);
    scene.send(body("a"));
    scene.journal.began(1).await;
    let second = scene.send(body("a"));
    let other = scene.other_worker();
    let others = working(&other);
    sleep(secs(3 * 3_600)).await;
    assert_eq!(runs(&scene), [once("a", 1)], "of both");
    gate.open();
    scene.emptied().await;
    let deletes = scene.queue.deletes_of(&second).len() + other.queue.deletes_of(&second).len();
    assert_eq!((runs(&scene).len(), deletes, scene.dead()), (1, 1, 0));
    holder.drain().await;
    others.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_key_another_process_claims_waits_for_the_end_of_the_claim() {
    let store = MemoryClaims::new();
    let scene = Scene::new().max_receives(2).once(by_body(store.clone()));
    let key = format!("{}#a", scene.queue().name());
    let claim = Claim::new(key, "another process", secs(3_600));
    assert_eq!(store.claim(&claim, secs(600)).await.unwrap(), ClaimAnswer::Granted);
    let worker = working(&scene);
    scene.send(body("a"));
    sleep(secs(590)).await;
    assert_eq!(runs(&scene), []);
    scene.emptied().await;
    assert_eq!((runs(&scene).len(), scene.dead()), (1, 0));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_failed_or_was_rejected_is_not_finished() {
    let store = MemoryClaims::new();
    let scene = Scene::new().max_receives(3).once(by_body(store.clone()));
    let worker = scene.start(async |message, _| match message.receive_count {
        1 => Outcome::RetryIn(secs(1), "on purpose".to_owned()),
        _ => Outcome::Reject("on purpose".to_owned()),
    });
    let began = Instant::now();
    scene.send(body("a"));
    scene.emptied().await;
    assert!(began.elapsed() < secs(20), "the claim was in the way: {:?}", began.elapsed());
    assert_eq!((runs(&scene), scene.dead()), (vec![once("a", 1), once("a", 2)], 1));
    worker.drain().await;
    assert_eq!(store.finished(), Vec::<String>::new());
    // As after a redrive from the DLQ.
    let worker = working(&scene);
    scene.send(body("a"));
    scene.emptied().await;
    assert_eq!(runs(&scene).len(), 3);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn while_the_store_fails_messages_wait_and_no_receive_is_spent() {
    let store = UnsteadyClaims::failing();
    let scene = Scene::new().permits(2, 2).once(by_body(store.clone()));
    let worker = working(&scene);
    for number in 0..10 {
        scene.send(body(&number.to_string()));
    }
    sleep(secs(3_600)).await;
    assert!(runs(&scene).is_empty());
    let reason = worker.health.unready()["orders claims"].clone();
    assert!(reason.contains("down on purpose"), "{reason}");
    assert!(store.calls() < 1_000, "4 messages an hour: {}", store.calls());
    store.fail(false);
    scene.emptied().await;
    assert!(runs(&scene).iter().all(|(_, receive_count)| *receive_count == 1), "{:?}", runs(&scene));
    assert_eq!((runs(&scene).len(), worker.health.unready().len()), (10, 0));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_is_deleted_only_after_its_key_is_finished() {
    let (gate, store) = (Gate::default(), UnsteadyClaims::default());
    let scene = Scene::new().visibility(secs(10)).once(by_body(store.clone()));
    let worker = scene.start_gated(&gate, Outcome::Done);
    let id = scene.send(body("a"));
    scene.journal.began(1).await;
    store.fail(true);
    gate.open();
    sleep(secs(600)).await;
    assert_eq!((scene.queue.deletes_of(&id).len(), scene.in_flight()), (0, 1), "its lease is kept");
    store.fail(false);
    scene.emptied().await;
    assert_eq!((runs(&scene), store.memory.finished().len()), (vec![once("a", 1)], 1));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_gives_waiting_messages_back_and_their_claims_too() {
    let (gate, store) = (Gate::default(), MemoryClaims::new());
    let scene = Scene::new().permits(1, 1).once(by_body(store));
    let worker = scene.start_gated(&gate, Outcome::Done);
    for id in ["a", "b"] {
        scene.send(body(id));
    }
    scene.journal.began(1).await;
    sleep(secs(1)).await;
    gate.open();
    assert_eq!(worker.drain().await, Drained::All);
    let (began, worker) = (Instant::now(), working(&scene));
    scene.emptied().await;
    assert!(began.elapsed() < secs(2), "the claim was in the way: {:?}", began.elapsed());
    assert_eq!(runs(&scene).len(), 2);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn the_message_of_a_killed_worker_runs_from_the_first_receive_after_its_lease() {
    let store = MemoryClaims::new();
    let scene = Scene::new().visibility(secs(10)).once(by_body(store.clone()));
    let claim = Claim::new(format!("{}#a", scene.queue().name()), "killed", secs(60));
    // As the killed worker left it: two seconds longer than the lease.
    assert_eq!(store.claim(&claim, secs(2)).await.unwrap(), ClaimAnswer::Granted);
    let (began, worker) = (Instant::now(), working(&scene));
    scene.send(body("a"));
    scene.emptied().await;
    assert_eq!(runs(&scene), [once("a", 1)]);
    assert!((secs(2)..secs(4)).contains(&began.elapsed()), "{:?}", began.elapsed());
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_done_after_its_lease_was_lost_is_finished() {
    let store = MemoryClaims::new();
    let scene = Scene::new().visibility(secs(10)).once(by_body(store.clone()));
    scene.queue.always(Action::ChangeVisibility, Fault::Fails(Failure::Throttled));
    let worker = scene.start(async |_, context| {
        context.cancelled().await;
        sleep(Duration::from_millis(500)).await;
        Outcome::Done
    });
    let other = scene.other_worker();
    scene.send(body("a"));
    scene.journal.began(1).await;
    // The other worker is the first to receive it again.
    scene.queue.always(Action::Receive, Fault::Empty);
    let others = working(&other);
    scene.emptied().await;
    assert_eq!((runs(&scene).len(), store.finished().len()), (1, 1));
    assert_eq!(others.metric("longshore_messages_duplicate_total"), 1);
    worker.drain().await;
    others.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_group_goes_on_in_order_past_a_second_message_of_a_key() {
    let scene = Scene::fifo().max_receives(3).once(by_body(MemoryClaims::new()));
    for (number, id) in ["a", "b", "a", "c"].into_iter().enumerate() {
        scene.send_to("group", format!(r#"{{"id": "{id}", "number": {number}}}"#));
    }
    let began = Instant::now();
    let worker = scene.start(async |_, _| {
        sleep(secs(7)).await;
        Outcome::Done
    });
    scene.emptied().await;
    assert_eq!(runs(&scene), [once("a", 1), once("b", 1), once("c", 1)]);
    assert!(began.elapsed() < secs(25), "it waited for nothing else: {:?}", began.elapsed());
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_without_the_key_is_rejected_with_the_reason() {
    let scene = Scene::new().max_receives(3).once(by_body(MemoryClaims::new()));
    let worker = working(&scene);
    scene.send("{}");
    scene.emptied().await;
    let dead = TestQueue::dead_letters(&scene);
    let reason = dead[0].attributes["longshore.reject.reason"].text().unwrap().to_owned();
    assert_eq!((dead.len(), reason.as_str()), (1, "the body has no /id, which is its key for once"));
    worker.drain().await;
}

/// A store of claims by each implementation; that in DynamoDB is left out if Python is.
async fn every_store(kept: impl AsyncFn(&dyn ClaimStore)) {
    kept(&MemoryClaims::new()).await;
    let Some(python) = python_path_with("moto.server") else { return };
    let script = "import boto3, moto.server, sys, threading, time\n\
        server = moto.server.ThreadedMotoServer('127.0.0.1', 0, verbose=False)\n\
        server.start()\n\
        endpoint = 'http://%s:%d' % server.get_host_and_port()\n\
        client = boto3.client('dynamodb', endpoint_url=endpoint, region_name='us-east-1', \
            aws_access_key_id='a', aws_secret_access_key='b')\n\
        key = dict(AttributeName='id', KeyType='HASH'), dict(AttributeName='id', AttributeType='S')\n\
        client.create_table(TableName='once', KeySchema=[key[0]], AttributeDefinitions=[key[1]], \
            BillingMode='PAY_PER_REQUEST')\n\
        print(endpoint, flush=True)\n\
        sys.stdin.read()\n";
    let mut server = std::process::Command::new(python)
        .args(["-c", script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut endpoint = String::new();
    std::io::BufReader::new(server.stdout.take().unwrap()).read_line(&mut endpoint).unwrap();
    let location =
        ServiceLocation { endpoint: Some(endpoint.trim().to_owned()), ..ServiceLocation::default() };
    kept(&DynamoClaims::new("once", AwsAccess::default(), location)).await;
    drop(server.stdin.take());
    server.wait().unwrap();
}

#[tokio::test]
async fn every_store_of_claims_keeps_the_contract() {
    every_store(async |store| {
        let keep = secs(3_600);
        let (first, second) = (Claim::new("q#a", "first", keep), Claim::new("q#a", "second", keep));
        let minute = secs(60);
        assert_eq!(store.claim(&first, minute).await.unwrap(), ClaimAnswer::Granted);
        assert_eq!(store.claim(&first, minute).await.unwrap(), ClaimAnswer::Granted, "it may be repeated");
        let ClaimAnswer::Held { left } = store.claim(&second, minute).await.unwrap() else {
            panic!("granted to both")
        };
        assert!((secs(30)..=minute).contains(&left), "{left:?}");
        assert!(
            store.claim(&Claim::new("q#b", "second", keep), minute).await.unwrap() == ClaimAnswer::Granted
        );
        // Only its holder extends or releases a claim.
        assert!(!store.extend(&second, minute).await.unwrap());
        store.release(&second).await.unwrap();
        assert!(store.extend(&first, secs(600)).await.unwrap());
        let ClaimAnswer::Held { left } = store.claim(&second, minute).await.unwrap() else {
            panic!("granted to both")
        };
        assert!(left > minute, "{left:?}");
        store.release(&first).await.unwrap();
        store.release(&first).await.unwrap();
        assert_eq!(store.claim(&second, Duration::ZERO).await.unwrap(), ClaimAnswer::Granted);
        // A claim whose time is over is another's.
        while store.claim(&first, minute).await.unwrap() != ClaimAnswer::Granted {}
        assert!(!store.extend(&second, minute).await.unwrap());
        for _ in 0..2 {
            store.finish(&first).await.unwrap();
            for holder in [&first, &second] {
                assert!(!store.extend(holder, minute).await.unwrap());
                store.release(holder).await.unwrap();
                assert_eq!(store.claim(holder, minute).await.unwrap(), ClaimAnswer::Finished);
            }
        }
    })
    .await;
}
