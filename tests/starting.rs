//! The start of a worker: its patience with an SQS that fails, and with queues that do not exist yet.

use std::{sync::Arc, time::Duration};

use longshore::{
    Consumer, DeadLetters, Drained, Health, Stop, Worker, WorkerError, handler, queue::EmulatorQueue, tasks,
    worker::WorkerStatus,
};
use longshore_emulator::{SqsAccount, StringMap};
use serde_json::{Value, json};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::support::{
    calls::Action,
    faulty::{Failure, Fault, FaultyQueue},
    logged::Log,
    secs,
};

fn create(account: &SqsAccount, name: &str) {
    account.create_queue(name, &StringMap::new(), &StringMap::new()).unwrap();
}

/// A queue in memory that fails on request, and which need not exist.
fn queue(account: &SqsAccount, name: &str) -> Arc<FaultyQueue> {
    Arc::new(FaultyQueue::new(EmulatorQueue::new(account, name)))
}

fn consumer(name: &str, queue: &Arc<FaultyQueue>) -> Consumer {
    Consumer::of(name, queue.clone(), handler::from_fn(async |_| ())).dead_letters(DeadLetters::Nowhere)
}

/// A worker that starts or runs.
struct Started {
    stop: Stop,
    health: Health,
    status: WorkerStatus,
    metrics: longshore::Metrics,
    ended: JoinHandle<Result<Drained, WorkerError>>,
}

impl Started {
    fn of(worker: Worker) -> Self {
        let stop = Stop::new();
        let (health, status, metrics) = (worker.health(), worker.status(), worker.metrics());
        let ended = tasks::detach("worker", worker.run_here(stop.clone()));
        Self { stop, health, status, metrics, ended }
    }

    fn status(&self, list: &str) -> Value {
        let status: Value = serde_json::from_str(&self.status.json()).unwrap();
        status[list].clone()
    }

    fn names_of_open(&self) -> Vec<String> {
        let open = self.status("queues");
        open.as_array().unwrap().iter().map(|queue| queue["queue"].as_str().unwrap().to_owned()).collect()
    }

    fn unopened(&self) -> bool {
        !self.metrics.text().contains("longshore_queues_unopened 0\n")
    }

    async fn becomes_ready(&self) {
        let has_begun = || {
            let opening = self.status("opening");
            let was_tried = |queue: &Value| !queue["lastError"].is_null();
            self.status("queues") != json!([]) || opening.as_array().unwrap().iter().any(was_tried)
        };
        let ready = async {
            while !has_begun() {
                sleep(Duration::from_millis(10)).await;
            }
            while !self.health.unready().is_empty() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(secs(600), ready).await.unwrap_or_else(|_| panic!("{:?}", self.health.unready()));
    }

    async fn drained(self) {
        self.stop.drain();
        assert_eq!(self.ended.await.unwrap().unwrap(), Drained::All);
    }
}

fn logged(log: &Log, message: &str) -> usize {
    log.lines().iter().filter(|line| line["message"] == message).count()
}

#[tokio::test(start_paused = true)]
async fn a_start_repeats_calls_that_fail_or_hang_and_is_unready_meanwhile() {
    let account = SqsAccount::default();
    create(&account, "orders");
    let orders = queue(&account, "orders");
    orders.script(Action::Describe, |number| match number {
        1..=6 => Fault::Fails(Failure::Throttled),
        _ => Fault::None,
    });
    let worker = Started::of(Worker::new().consumer(consumer("orders", &orders)));
    sleep(secs(3)).await;
    let why = &worker.health.unready()["worker"];
    assert!(why.contains("not open yet, queue orders: RequestThrottled"), "{why}");
    let error = "RequestThrottled: on request";
    assert_eq!(worker.status("opening"), json!([{ "queue": "orders", "lastError": error }]));
    assert!(worker.unopened());
    worker.becomes_ready().await;
    assert_eq!((worker.status("opening"), worker.names_of_open()), (json!([]), vec!["orders".to_owned()]));
    assert!(!worker.unopened());
    worker.drained().await;
}

#[tokio::test(start_paused = true)]
async fn a_start_whose_patience_is_over_fails_and_names_it() {
    let account = SqsAccount::default();
    create(&account, "orders");
    let orders = queue(&account, "orders");
    orders.always(Action::Describe, Fault::Fails(Failure::Broken));
    let began = Instant::now();
    let worker = Started::of(Worker::new().consumer(consumer("orders", &orders)));
    let error = worker.ended.await.unwrap().unwrap_err();
    assert_eq!(began.elapsed(), secs(60));
    assert!(matches!(&error, WorkerError::Unanswered { patience, .. } if *patience == secs(60)), "{error}");
    assert!(error.hint().unwrap().contains("start.patience"));
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_patient_for_ever_ends_by_a_stop_alone() {
    let account = SqsAccount::default();
    create(&account, "orders");
    let orders = queue(&account, "orders");
    orders.always(Action::Describe, Fault::Fails(Failure::Broken));
    let (log, _logging) = Log::start();
    let worker = Started::of(Worker::new().start_patience(None).consumer(consumer("orders", &orders)));
    sleep(secs(3600)).await;
    assert!(!worker.ended.is_finished());
    let calls = orders.calls(Action::Describe).len();
    assert!((180..=400).contains(&calls), "a call in 10 to 20 s: {calls}");
    assert_eq!(logged(&log, "sqs does not answer yet"), 12, "one in five minutes");
    let began = Instant::now();
    worker.drained().await;
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn one_throttled_call_of_a_thousand_queues_does_not_end_the_start() {
    let (account, (log, _logging)) = (SqsAccount::default(), Log::start());
    let mut worker = Worker::new();
    for number in 0..1_000 {
        let name = format!("orders-{number}");
        create(&account, &name);
        let queue = queue(&account, &name);
        let throttled = number % 3;
        queue.script(Action::Describe, move |call| match call {
            call if call <= throttled => Fault::Fails(Failure::Throttled),
            _ => Fault::None,
        });
        worker = worker.consumer(consumer(&name, &queue));
    }
    let worker = Started::of(worker);
    worker.becomes_ready().await;
    assert_eq!(worker.names_of_open().len(), 1_000);
    assert_eq!(logged(&log, "sqs does not answer yet"), 1, "one line for one cause");
    worker.drained().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_pass_ends_the_start_at_once() {
    let account = SqsAccount::default();
    create(&account, "orders");
    let forbidden = queue(&account, "orders");
    let missing = queue(&account, "nowhere");
    let began = Instant::now();
    let worker =
        Worker::new().consumer(consumer("orders", &forbidden)).consumer(consumer("nowhere", &missing));
    let error = Started::of(worker).ended.await.unwrap().unwrap_err();
    assert!(matches!(&error, WorkerError::Queue { queue, .. } if queue == "nowhere"), "{error}");
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_waited_for_is_consumed_once_it_exists_while_the_others_are() {
    let (account, (log, _logging)) = (SqsAccount::default(), Log::start());
    create(&account, "orders");
    let (orders, late) = (queue(&account, "orders"), queue(&account, "late"));
    let worker = Worker::new().consumer(consumer("orders", &orders));
    let worker = Started::of(worker.consumer(consumer("late", &late).wait_if_missing()));
    account.send("orders", "1").unwrap();
    worker.becomes_ready().await;
    sleep(secs(60)).await;
    assert_eq!(account.snapshot("orders").unwrap().visible, 0, "the others run");
    assert!(worker.health.unready().is_empty(), "a fleet may be deployed before a queue of it");
    assert_eq!(worker.names_of_open(), ["orders"]);
    assert_eq!(worker.status("opening")[0]["queue"], "late");
    let error = worker.status("opening")[0]["lastError"].to_string();
    assert!(error.contains("does not exist"), "{error}");
    assert!(worker.unopened());

    create(&account, "late");
    account.send("late", "1").unwrap();
    sleep(secs(20)).await;
    assert_eq!(account.snapshot("late").unwrap().visible, 0);
    assert_eq!(worker.names_of_open(), ["orders", "late"]);
    assert!(worker.health.unready().is_empty() && !worker.unopened());
    assert_eq!(logged(&log, "the queue does not exist yet and is consumed once it does"), 1);
    worker.drained().await;
    let counts = account.snapshot("late").unwrap();
    assert_eq!((counts.visible, counts.in_flight), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_late_queue_that_cannot_be_opened_makes_the_worker_unready() {
    let account = SqsAccount::default();
    create(&account, "orders");
    let (orders, late) = (queue(&account, "orders"), queue(&account, "late"));
    let worker = Worker::new().consumer(consumer("orders", &orders));
    let worker = Started::of(worker.consumer(consumer("late", &late).wait_if_missing()));
    worker.becomes_ready().await;
    late.always(Action::Describe, Fault::Fails(Failure::Throttled));
    sleep(secs(30)).await;
    assert!(worker.health.unready()["late open"].contains("RequestThrottled"));
    late.heal(Action::Describe);
    create(&account, "late");
    worker.becomes_ready().await;
    sleep(secs(20)).await;
    assert_eq!(worker.names_of_open(), ["orders", "late"]);
    worker.drained().await;
}

#[tokio::test(start_paused = true)]
async fn a_late_queue_that_another_consumer_has_is_not_consumed_twice() {
    let (account, (log, _logging)) = (SqsAccount::default(), Log::start());
    let (one, other) = (queue(&account, "orders"), queue(&account, "orders"));
    let worker = Worker::new().consumer(consumer("one", &one).wait_if_missing());
    let worker = Started::of(worker.consumer(consumer("other", &other).wait_if_missing()));
    worker.becomes_ready().await;
    create(&account, "orders");
    sleep(secs(60)).await;
    assert_eq!(worker.names_of_open().len(), 1);
    assert!(worker.status("opening")[0]["lastError"].to_string().contains("another consumer"));
    assert_eq!(logged(&log, "the queue has a consumer already"), 1);
    worker.drained().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_wait_for_a_queue() {
    let account = SqsAccount::default();
    let worker = Worker::new().consumer(consumer("late", &queue(&account, "late")).wait_if_missing());
    let worker = Started::of(worker);
    worker.becomes_ready().await;
    worker.drained().await;
}
