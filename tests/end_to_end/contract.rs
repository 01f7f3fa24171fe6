//! The contract of every queue, over the embedded server and the real SDK.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use aws_sdk_sqs::types::QueueAttributeName;
use futures_util::future::{BoxFuture, FutureExt as _};
use longshore::{
    dev::sqs_server,
    queue::{
        Queue,
        contract::{Clock, Fixture, Harness, Kind, Shape},
        memory::Account,
        sqs::{Address, Settings, Sizes, SqsQueue},
    },
    stop::Stop,
    tasks,
};
use tokio::net::TcpListener;

use super::support::Sqs;

longshore::queue_contract! { #[tokio::test] SqsHarness::start().await }

/// Makes queues on an embedded server, and opens them as the worker does.
struct SqsHarness {
    sqs: Sqs,
    endpoint: String,
    made: AtomicU32,
    stop: Stop,
}

impl SqsHarness {
    async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let stop = Stop::new();
        tasks::detach(sqs_server::serve(listener, Account::default(), stop.clone()));
        Self { sqs: Sqs::at(&endpoint), endpoint, made: AtomicU32::new(0), stop }
    }

    async fn open(&self, url: &str) -> Arc<dyn Queue> {
        let address = Address::Url(url.parse().unwrap());
        let sizes = Sizes { pollers: 3, ..Sizes::default() };
        Arc::new(SqsQueue::open(&Settings::default(), &address, sizes).await.unwrap())
    }

    async fn make(&self, shape: Shape) -> Fixture {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let suffix = if shape.kind == Kind::Standard { "" } else { ".fifo" };
        let mut attributes = of_kind(shape.kind);
        let mut dead_letters = None;
        if let Some(count) = shape.max_receive_count {
            let url = self.sqs.queue(&format!("contract-{number}-dead{suffix}"), &attributes).await;
            let arn = self.sqs.attribute(&url, QueueAttributeName::QueueArn).await;
            let policy = serde_json::json!({ "deadLetterTargetArn": arn, "maxReceiveCount": count });
            attributes.push((QueueAttributeName::RedrivePolicy, policy.to_string()));
            dead_letters = Some(self.open(&url).await);
        }
        attributes.push((QueueAttributeName::DelaySeconds, shape.delay.as_secs().to_string()));
        let url = self.sqs.queue(&format!("contract-{number}{suffix}"), &attributes).await;
        Fixture { queue: self.open(&url).await, dead_letters }
    }
}

fn of_kind(kind: Kind) -> Vec<(QueueAttributeName, String)> {
    let names: &[_] = match kind {
        Kind::Standard => &[],
        Kind::Fifo => &[QueueAttributeName::FifoQueue],
        Kind::FifoByContent => {
            &[QueueAttributeName::FifoQueue, QueueAttributeName::ContentBasedDeduplication]
        }
    };
    names.iter().map(|name| (name.clone(), "true".to_owned())).collect()
}

impl Harness for SqsHarness {
    fn fresh(&self, shape: Shape) -> BoxFuture<'_, Fixture> {
        self.make(shape).boxed()
    }

    fn missing(&self) -> BoxFuture<'_, Arc<dyn Queue>> {
        async move { self.open(&format!("{}/000000000000/missing", self.endpoint)).await }.boxed()
    }

    fn clock(&self) -> Clock {
        Clock::Real
    }
}

impl Drop for SqsHarness {
    fn drop(&mut self) {
        self.stop.halt();
    }
}
