//! The harness of queues in an account in memory.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use futures_util::future::{BoxFuture, FutureExt as _, ready};

use super::{Clock, Fixture, Harness, Kind, Shape};
use crate::queue::{
    Queue,
    memory::{Account, Names},
};

/// Makes queues in an account in memory, and opens them there or by another way in.
pub struct MemoryHarness {
    account: Account,
    open: Box<Open>,
    clock: Clock,
    made: AtomicU32,
}

/// Opens a queue of the account by its name.
type Open = dyn Fn(String) -> BoxFuture<'static, Arc<dyn Queue>> + Send + Sync;

impl MemoryHarness {
    /// Opens the queues in memory; meant for a paused clock.
    pub fn new(account: Account) -> Self {
        let inside = account.clone();
        let open = move |name: String| {
            let queue: Arc<dyn Queue> = Arc::new(inside.queue(&name));
            ready(queue).boxed()
        };
        Self { account, open: Box::new(open), clock: Clock::Paused, made: AtomicU32::new(0) }
    }

    /// Opens the queues by another way in, such as the socket of a server of this account; the wall clock runs.
    #[must_use]
    pub fn opened_by(
        self,
        open: impl Fn(String) -> BoxFuture<'static, Arc<dyn Queue>> + Send + Sync + 'static,
    ) -> Self {
        Self { open: Box::new(open), clock: Clock::Real, ..self }
    }

    async fn create(&self, name: &str, attributes: &Names) -> Arc<dyn Queue> {
        if let Err(fault) = self.account.create_queue(name, attributes, &Names::new()) {
            panic!("cannot create the queue {name}: {fault}");
        }
        (self.open)(name.to_owned()).await
    }

    async fn make(&self, shape: Shape) -> Fixture {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let suffix = if shape.kind == Kind::Standard { "" } else { ".fifo" };
        let mut attributes = of_kind(shape.kind);
        let mut dead_letters = None;
        if let Some(count) = shape.max_receive_count {
            let name = format!("contract-{number}-dead{suffix}");
            dead_letters = Some(self.create(&name, &attributes).await);
            attributes.insert("RedrivePolicy".to_owned(), self.redrive_policy(&name, count));
        }
        attributes.insert("DelaySeconds".to_owned(), shape.delay.as_secs().to_string());
        let queue = self.create(&format!("contract-{number}{suffix}"), &attributes).await;
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
        self.make(shape).boxed()
    }

    fn missing(&self) -> BoxFuture<'_, Arc<dyn Queue>> {
        (self.open)("missing".to_owned())
    }

    fn clock(&self) -> Clock {
        self.clock
    }
}
