//! The harness of queues in memory.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use futures_util::future::{BoxFuture, FutureExt as _};

use super::{Clock, Fixture, Harness, Kind, Shape};
use crate::queue::{
    Queue,
    memory::{Account, Names},
};

/// Makes queues in an account in memory; meant for a paused clock.
#[derive(Debug)]
pub struct MemoryHarness {
    account: Account,
    clock: Clock,
    made: AtomicU32,
}

impl MemoryHarness {
    /// A harness of this account, on a paused clock.
    pub fn new(account: Account) -> Self {
        Self { account, clock: Clock::Paused, made: AtomicU32::new(0) }
    }

    /// The same on the wall clock.
    #[must_use]
    pub fn on_real_clock(self) -> Self {
        Self { clock: Clock::Real, ..self }
    }

    fn create(&self, name: &str, attributes: &Names) -> Arc<dyn Queue> {
        if let Err(fault) = self.account.create_queue(name, attributes, &Names::new()) {
            panic!("cannot create the queue {name}: {fault}");
        }
        Arc::new(self.account.queue(name))
    }

    fn make(&self, shape: Shape) -> Fixture {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let suffix = if shape.kind == Kind::Standard { "" } else { ".fifo" };
        let dead_letters_name = format!("contract-{number}-dead{suffix}");
        let with_dead_letters = shape.max_receive_count.map(|count| (count, dead_letters_name.as_str()));
        let dead_letters = with_dead_letters.map(|(_, name)| self.create(name, &of_kind(shape.kind)));
        let mut attributes = of_kind(shape.kind);
        attributes.insert("DelaySeconds".to_owned(), shape.delay.as_secs().to_string());
        if let Some((count, name)) = with_dead_letters {
            attributes.insert("RedrivePolicy".to_owned(), self.redrive_policy(name, count));
        }
        let queue = self.create(&format!("contract-{number}{suffix}"), &attributes);
        Fixture { queue, dead_letters }
    }

    fn redrive_policy(&self, dead_letters: &str, max_receive_count: NonZeroU32) -> String {
        match self.account.arn(dead_letters) {
            Ok(arn) => {
                serde_json::json!({ "deadLetterTargetArn": arn, "maxReceiveCount": max_receive_count })
                    .to_string()
            }
            Err(fault) => panic!("no dead-letter queue {dead_letters}: {fault}"),
        }
    }
}

fn of_kind(kind: Kind) -> Names {
    let attributes: &[&str] = match kind {
        Kind::Standard => &[],
        Kind::Fifo => &["FifoQueue"],
        Kind::FifoByContent => &["FifoQueue", "ContentBasedDeduplication"],
    };
    attributes.iter().map(|name| ((*name).to_owned(), "true".to_owned())).collect()
}

impl Harness for MemoryHarness {
    fn fresh(&self, shape: Shape) -> BoxFuture<'_, Fixture> {
        async move { self.make(shape) }.boxed()
    }

    fn missing(&self) -> BoxFuture<'_, Arc<dyn Queue>> {
        async move { Arc::new(self.account.queue("missing")) as Arc<dyn Queue> }.boxed()
    }

    fn clock(&self) -> Clock {
        self.clock
    }
}
