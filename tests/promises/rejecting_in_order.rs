//! Promise 1, for rejects on FIFO queues: a group waits for the copy, and nothing overtakes.

use longshore::queue::EmulatorQueue;
use longshore_emulator::{SqsAccount, StringMap};
use std::sync::Arc;

use longshore::{
    Consumer, Message, Worker,
    consumer::BatchSettings,
    handler::{self, AnyHandler, Batch, BatchHandler, Context, Outcome, Outcomes},
    message::{MessageId, OutgoingMessage},
    stop::Stop,
    tasks,
    testing::Journal,
    worker::{DeadLetters, Drained, WorkerError},
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::support::{
    calls::Action,
    faulty::{Failure, Fault, FaultyQueue},
    onlooker::OtherConsumer,
    secs,
};

/// A FIFO queue with its DLQ, and a worker whose handler rejects the body `bad`.
struct Ordered {
    account: SqsAccount,
    dlq: Arc<FaultyQueue>,
    journal: Journal,
    stop: Stop,
}

impl Ordered {
    fn new() -> Self {
        let account = SqsAccount::default();
        let fifo = StringMap::from([("FifoQueue".to_owned(), "true".to_owned())]);
        for name in ["orders.fifo", "orders-dlq.fifo"] {
            account.create_queue(name, &fifo, &StringMap::new()).unwrap();
        }
        let dlq = Arc::new(FaultyQueue::new(EmulatorQueue::new(&account, "orders-dlq.fifo")));
        Self { account, dlq, journal: Journal::default(), stop: Stop::new() }
    }

    fn send(&self, group: &str, body: &str) -> MessageId {
        let message = OutgoingMessage {
            group_id: Some(group.to_owned()),
            deduplication_id: Some(format!("{group}-{body}")),
            ..OutgoingMessage::new(body)
        };
        MessageId::new(self.account.send("orders.fifo", message).unwrap().id)
    }

    fn start(&self, dead_letters: DeadLetters) -> JoinHandle<Result<Drained, WorkerError>> {
        let handler = handler::from_fn(|message: Arc<Message>| async move { outcome_of(&message) });
        let handler = self.journal.recording(handler);
        self.start_handler(handler, 1, dead_letters)
    }

    fn start_handler(
        &self,
        handler: impl Into<AnyHandler>,
        batch: usize,
        dead_letters: DeadLetters,
    ) -> JoinHandle<Result<Drained, WorkerError>> {
        let queue = Arc::new(EmulatorQueue::new(&self.account, "orders.fifo"));
        let batch = BatchSettings { size: batch, ..BatchSettings::default() };
        let consumer = Consumer::of("orders", queue, handler).dead_letters(dead_letters).batch(batch);
        tasks::detach("worker", Worker::new().consumer(consumer).run_here(self.stop.clone()))
    }

    async fn emptied(&self) {
        let left = || self.account.snapshot("orders.fifo").unwrap();
        while left().visible + left().in_flight > 0 {
            sleep(secs(1)).await;
        }
    }

    fn bodies(&self) -> Vec<String> {
        self.journal.runs().into_iter().map(|run| run.message.body.clone()).collect()
    }
}

fn outcome_of(message: &Message) -> Outcome {
    if message.body == "bad" { Outcome::Reject("never".to_owned()) } else { Outcome::Done }
}

/// Takes batches, and rejects the same.
struct InBatches;

impl BatchHandler for InBatches {
    async fn handle_batch(&self, batch: Batch, _context: Context) -> Outcomes {
        Outcomes::Each(batch.iter().map(|item| outcome_of(&item.message)).collect())
    }
}

#[tokio::test(start_paused = true)]
async fn behind_a_reject_that_is_a_retry_nothing_of_its_group_counts_as_done() {
    let ordered = Ordered::new();
    for body in ["bad", "next"] {
        ordered.send("g", body);
    }
    let worker = ordered.start_handler(handler::batched(InBatches), 2, DeadLetters::Nowhere);
    sleep(secs(600)).await;
    ordered.stop.drain();
    worker.await.unwrap().unwrap();
    let left = ordered.account.snapshot("orders.fifo").unwrap();
    assert_eq!(left.visible + left.in_flight, 2, "neither is deleted");
}

#[tokio::test(start_paused = true)]
async fn a_group_goes_on_when_the_copy_of_its_rejected_message_was_taken() {
    let ordered = Ordered::new();
    ordered.dlq.once(Action::Send, Fault::AnswersLate(secs(10)));
    for body in ["bad", "next"] {
        ordered.send("g", body);
    }
    let worker = ordered.start(DeadLetters::Open(ordered.dlq.clone()));
    ordered.journal.ended(1).await;
    let rejected = Instant::now();
    ordered.journal.began(2).await;
    assert!(rejected.elapsed() >= secs(10), "not before: {:?}", rejected.elapsed());
    ordered.emptied().await;
    assert_eq!(ordered.bodies(), ["bad", "next"]);
    ordered.stop.drain();
    worker.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_overtakes_a_rejected_message_of_its_group_that_the_dlq_refuses() {
    let ordered = Ordered::new();
    ordered.dlq.script(Action::Send, |number| match number {
        1 | 2 => Fault::Fails(Failure::Refused),
        _ => Fault::None,
    });
    for body in ["bad", "next"] {
        ordered.send("g", body);
    }
    let worker = ordered.start(DeadLetters::Open(ordered.dlq.clone()));
    ordered.emptied().await;
    assert_eq!(ordered.bodies(), ["bad", "bad", "bad", "next"]);
    ordered.stop.drain();
    worker.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_overtakes_a_rejected_message_of_its_group_that_is_retried() {
    let ordered = Ordered::new();
    for body in ["bad", "next"] {
        ordered.send("g", body);
    }
    let worker = ordered.start(DeadLetters::Nowhere);
    ordered.journal.ended(4).await;
    assert_eq!(ordered.bodies(), ["bad"; 4]);
    ordered.stop.drain();
    worker.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_fifo_dlq_keeps_the_group_and_takes_a_repeated_copy_once() {
    let ordered = Ordered::new();
    ordered.dlq.once(Action::Send, Fault::AnswerLost);
    let ids = ["g1", "g2"].map(|group| ordered.send(group, "bad"));
    let worker = ordered.start(DeadLetters::Open(ordered.dlq.clone()));
    let receiver = OtherConsumer::new(&ordered.account, "orders-dlq.fifo");
    let mut received_copies = Vec::new();
    while let Some(received) = receiver.gets_within(secs(1)).await {
        received_copies.push(received);
    }
    received_copies.sort_by_key(|copy| copy.system.group_id.clone());
    let identities = received_copies
        .iter()
        .map(|copy| (copy.system.group_id.as_deref(), copy.system.deduplication_id.as_deref()));
    let expected = [(Some("g1"), Some(ids[0].as_str())), (Some("g2"), Some(ids[1].as_str()))];
    assert_eq!(identities.collect::<Vec<_>>(), expected);
    ordered.emptied().await;
    let copies: usize = ordered.dlq.calls(Action::Send).iter().map(|call| call.bodies.len()).sum();
    assert!(copies > 2, "what was not answered was sent again");
    assert_eq!(ordered.account.snapshot("orders-dlq.fifo").unwrap().visible, 0, "and taken once");
    ordered.stop.drain();
    worker.await.unwrap().unwrap();
}
