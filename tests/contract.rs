//! The embedded server keeps the contract of queues, asked over a socket through the SDK.
#![expect(clippy::unwrap_used, reason = "a harness that cannot be made fails its test")]

use std::{net::Ipv4Addr, sync::Arc};

use futures_util::future::FutureExt as _;
use longshore::{
    dev::sqs_server,
    queue::{
        Queue,
        contract::MemoryHarness,
        memory::Account,
        sqs::{Address, AwsAccess, Sizes, SqsQueue},
    },
    stop::Stop,
    tasks,
};
use tokio::net::TcpListener;

longshore::queue_contract! { #[tokio::test] served().await }

/// A server on a free port, and a harness whose queues are opened through it.
async fn served() -> MemoryHarness {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let account = Account::default();
    tasks::detach("sqs server", sqs_server::serve(listener, account.clone(), Stop::new()));
    MemoryHarness::new(account).opened_by(move |name| open(format!("{endpoint}/000000000000/{name}")).boxed())
}

async fn open(url: String) -> Arc<dyn Queue> {
    // Several receives of a case wait at once.
    let sizes = Sizes { pollers: 4, ..Sizes::default() };
    let address = Address::Url(url.parse().unwrap());
    Arc::new(SqsQueue::open(&AwsAccess::default(), &address, sizes).await.unwrap())
}
