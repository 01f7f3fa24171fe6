//! A handler with state that decides for itself: `cargo run --example custom_handler -- <queue-url>`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use longshore::{
    Consumer, Message, Worker,
    handler::{Context, Handler, Outcome},
};

/// Counts the words of messages. One value serves all calls, several at once.
#[derive(Default)]
struct WordCount {
    words: AtomicU64,
}

impl Handler for WordCount {
    async fn handle(&self, message: Arc<Message>, context: Context) -> Outcome {
        if message.attributes.contains_key("not-yet") && message.receive_count == 1 {
            // Comes again after this delay; `Outcome::Retry` would leave the delay to the queue's retry rule.
            return Outcome::RetryIn(Duration::from_secs(1), "asked to wait".to_owned());
        }
        // Long work should end early when the worker is stopped, or when the message was lost to another one.
        tokio::select! {
            words = count(&message.body) => {
                let all = self.words.fetch_add(words, Ordering::Relaxed) + words;
                println!("{words} words in {}, {all} in all", message.id);
                Outcome::Done
            }
            () = context.cancelled() => Outcome::Retry("stopped".to_owned()),
        }
    }
}

/// Stands for work that takes its time.
async fn count(text: &str) -> u64 {
    let mut words = 0;
    for _word in text.split_whitespace() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        words += 1;
    }
    words
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let queue = std::env::args().nth(1).ok_or("give the queue's URL")?;
    let worker = Worker::new()
        .consumer(Consumer::new(queue, WordCount::default()))
        // Answers /livez, /readyz, /metrics and /status.
        .admin(([127, 0, 0, 1], 0).into());
    // Says whether every message was settled or given back when it stopped.
    let drained = worker.run().await?;
    println!("{drained:?}");
    Ok(())
}
