//! Tests of a handler and of the worker around it: `cargo test --example testing_a_worker`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use longshore::{
    Consumer, Worker,
    handler::{self, Batch, Context, Handler, Outcome, Outcomes},
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Order {
    id: u64,
    minutes: u64,
}

/// The handler under test: orders take their time, and order 0 cannot be shipped.
fn shipping() -> impl Handler {
    handler::from_json_with(async |order: Order, _, context: Context| {
        if order.id == 0 {
            return Outcome::Retry("order 0 does not exist".to_owned());
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_mins(order.minutes)) => Outcome::Done,
            () = context.cancelled() => Outcome::Retry("the ship was called back".to_owned()),
        }
    })
}

/// Its sibling, which counts whole batches of bodies.
async fn count(batch: Batch, _: Context) -> Outcomes {
    println!("{} messages", batch.len());
    Outcomes::All(Outcome::Done)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let orders = std::env::args().nth(1).ok_or("give the URL of the queue of orders")?;
    let worker = Worker::new().consumer(Consumer::new(orders, shipping()));
    let worker = match std::env::args().nth(2) {
        Some(counts) => {
            worker.consumer(Consumer::new(counts, handler::batched(handler::from_batch_fn(count))))
        }
        None => worker,
    };
    worker.run().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use longshore::{
        Drained,
        handler::{batched, from_batch_fn},
        testing::{self, TestQueue},
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_order_is_shipped() {
        let message = testing::message(r#"{"id": 7, "minutes": 90}"#);
        assert_eq!(testing::outcome_of(&shipping(), message).await, Outcome::Done);
    }

    #[tokio::test(start_paused = true)]
    async fn an_order_is_called_back_when_the_worker_says_so() {
        let message = testing::message(r#"{"id": 7, "minutes": 90}"#).build();
        let outcome = shipping().handle(message.into(), testing::context().cancelled().build()).await;
        assert_eq!(outcome, Outcome::Retry("the ship was called back".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn order_0_is_a_dead_letter_after_four_tries_and_long_orders_are_shipped_once() {
        let queue = TestQueue::new().max_receives(4);
        let (bad, long) = (r#"{"id": 0, "minutes": 1}"#, r#"{"id": 1, "minutes": 600}"#);
        queue.send(bad);
        queue.send(long);
        let worker = queue.start(shipping());
        queue.emptied().await;
        assert_eq!(queue.journal.runs_of(bad).len(), 4);
        assert_eq!(queue.dead_letters()[0].body, bad);
        assert_eq!(queue.journal.outcomes_of(long), [Outcome::Done]);
        assert_eq!(worker.drain().await, Drained::All);
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_is_shipped_in_order_even_if_its_first_order_fails_at_first() {
        let queue = TestQueue::fifo();
        for body in ["1", "2", "3"] {
            queue.send(testing::message(body).group("customer-7"));
        }
        let worker = queue.start(handler::from_json_with(async |number: u64, _, context: Context| {
            if number == 1 && context.attempt < 3 { Err("not yet") } else { Ok(()) }
        }));
        queue.emptied().await;
        assert_eq!(queue.journal.done_bodies(), ["1", "2", "3"]);
        worker.drain().await;
    }

    #[tokio::test(start_paused = true)]
    async fn ten_messages_are_counted_in_one_call() {
        let queue = TestQueue::new().consumer(|consumer| consumer.batch_size(10));
        for number in 0..10 {
            queue.send(number.to_string());
        }
        let worker = queue.start(batched(from_batch_fn(count)));
        queue.journal.done(10).await;
        assert!(queue.journal.runs().iter().all(|run| run.call == 0));
        worker.drain().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_gives_back_what_cannot_be_shipped_in_time() {
        let queue = TestQueue::new().drain_limit(Duration::from_mins(2));
        let long = r#"{"id": 1, "minutes": 600}"#;
        queue.send(long);
        let worker = queue.start(shipping());
        queue.journal.began(1).await;
        assert_eq!(worker.drain().await, Drained::All);
        let called_back = Outcome::Retry("the ship was called back".to_owned());
        assert_eq!(queue.journal.outcomes_of(long), [called_back]);
        assert_eq!(queue.visible(), 1, "another worker may take it at once");
    }
}
