//! Queues of the emulator's store, opened directly or through its server.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use futures_util::future::{BoxFuture, FutureExt as _, ready};

use longshore::queue::{EmulatorQueue, Queue};
use longshore_emulator::{SqsAccount, StringMap};

use super::{Clock, Fixture, Harness, Kind, Shape};

/// Creates queues in an account of the emulator and opens them.
pub(crate) struct EmulatorHarness {
    account: SqsAccount,
    open: Box<Open>,
    clock: Clock,
    made: AtomicU32,
}

/// Opens a queue of the account by its name.
type Open = dyn Fn(String) -> BoxFuture<'static, Arc<dyn Queue>> + Send + Sync;

impl EmulatorHarness {
    /// Opens the queues directly, for a paused clock.
    pub(crate) fn new(account: SqsAccount) -> Self {
        let inside = account.clone();
        let open = move |name: String| {
            let queue: Arc<dyn Queue> = Arc::new(EmulatorQueue::new(&inside, &name));
            ready(queue).boxed()
        };
        Self { account, open: Box::new(open), clock: Clock::Paused, made: AtomicU32::new(0) }
    }

    /// Opens the queues by a function, such as through the server of the account, on the wall clock.
    #[must_use]
    pub(crate) fn opened_by(
        self,
        open: impl Fn(String) -> BoxFuture<'static, Arc<dyn Queue>> + Send + Sync + 'static,
    ) -> Self {
        Self { open: Box::new(open), clock: Clock::Real, ..self }
    }

    async fn create(&self, name: &str, attributes: &StringMap) -> Arc<dyn Queue> {
        if let Err(error) = self.account.create_queue(name, attributes, &StringMap::new()) {
            panic!("cannot create the queue {name}: {error}");
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
            Err(error) => panic!("no dead-letter queue {dead_letters}: {error}"),
        }
    }
}

fn of_kind(kind: Kind) -> StringMap {
    let attributes: &[&str] = match kind {
        Kind::Standard => &[],
        Kind::Fifo => &["FifoQueue"],
        Kind::FifoByContent => &["FifoQueue", "ContentBasedDeduplication"],
    };
    attributes.iter().map(|name| ((*name).to_owned(), "true".to_owned())).collect()
}

impl Harness for EmulatorHarness {
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
