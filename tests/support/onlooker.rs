//! Another consumer of the same queue, which must not get the messages that a worker holds.

use std::time::Duration;

use longshore::Message;
use longshore_emulator::{ReceiveOptions, SqsAccount};
use tokio::time::{Instant, timeout};

use super::secs;

/// Another consumer, which receives all the time.
#[derive(Clone, Debug)]
pub(crate) struct OtherConsumer {
    account: SqsAccount,
    queue: String,
}

impl OtherConsumer {
    pub(crate) fn new(account: &SqsAccount, queue: &str) -> Self {
        Self { account: account.clone(), queue: queue.to_owned() }
    }

    /// Receives for this long, and panics if it gets a message.
    pub(crate) async fn gets_nothing_for(&self, time: Duration) {
        if let Some(received) = self.gets_within(time).await {
            panic!("not hidden: {:?} came at receive {}", received.body, received.receive_count);
        }
    }

    /// Receives for at most this long; returns the first message, which stays hidden for an hour.
    pub(crate) async fn gets_within(&self, time: Duration) -> Option<Message> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            let left = end - Instant::now();
            let receive = ReceiveOptions {
                wait: Some(secs(20)),
                visibility: Some(secs(3_600)),
                ..ReceiveOptions::default()
            };
            let Ok(answer) = timeout(left, self.account.receive(&self.queue, receive)).await else { break };
            if let Some(received) = answer.unwrap().pop() {
                return Some(received.into());
            }
        }
        None
    }
}
