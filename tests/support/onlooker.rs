//! Another consumer of the same queue, which must not get what a worker holds.

use std::time::Duration;

use longshore::Message;
use longshore_emulator::{ReceiveOptions, SqsAccount};
use tokio::time::{Instant, timeout};

use super::secs;

/// Another consumer, which asks all the time.
#[derive(Clone, Debug)]
pub(crate) struct Onlooker {
    account: SqsAccount,
    queue: String,
}

impl Onlooker {
    pub(crate) fn new(account: &SqsAccount, queue: &str) -> Self {
        Self { account: account.clone(), queue: queue.to_owned() }
    }

    /// Asks for this long, and panics if anything comes.
    pub(crate) async fn gets_nothing_for(&self, time: Duration) {
        if let Some(received) = self.gets_within(time).await {
            panic!("not hidden: {:?} came at receive {}", received.body, received.receive_count);
        }
    }

    /// Asks for this long at most, and answers the first message that comes; it stays hidden for an hour.
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
