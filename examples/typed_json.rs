//! Bodies read as JSON into a type of your own: `cargo run --example typed_json -- <queue-url>`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use longshore::{Consumer, Worker, handler};
use serde::Deserialize;

#[derive(Deserialize)]
struct Order {
    id: u64,
    items: Vec<String>,
}

/// The error's words are logged, and the message comes again after a growing delay.
async fn ship(order: Order) -> Result<(), String> {
    if order.items.is_empty() {
        return Err(format!("order {} is empty", order.id));
    }
    println!("shipped order {}: {}", order.id, order.items.join(", "));
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The worker logs by `tracing`; the program chooses the subscriber.
    tracing_subscriber::fmt().init();
    let queue = std::env::args().nth(1).ok_or("give the queue's URL")?;
    // A body that is no `Order` is retried like any failure, until the queue's redrive policy moves it to the DLQ.
    let orders = Consumer::new(queue, handler::from_json(ship))
        .concurrency(4)
        // How long a message stays hidden if this process dies. While it lives, the lease is extended for as
        // long as the handler runs.
        .visibility(Duration::from_secs(30))
        .timeout(Some(Duration::from_mins(5)));
    Worker::new().consumer(orders).run().await?;
    Ok(())
}
