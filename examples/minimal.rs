//! The smallest worker: `cargo run --example minimal -- <queue-url>`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;

use longshore::{Consumer, Message, Worker, handler};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let queue = std::env::args().nth(1).ok_or("give the queue's URL")?;
    // Runs for each message, up to 16 at once. When it returns, the message is deleted; if it panicked, or
    // returned an `Err`, the message would come again.
    let print = handler::from_fn(async |message: Arc<Message>| println!("{}", message.body));
    // Works until SIGTERM or Ctrl-C, then lets running handlers finish.
    Worker::new().consumer(Consumer::new(queue, print)).run().await?;
    Ok(())
}
