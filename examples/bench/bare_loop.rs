//! The yardstick of `bench_drain`: loops of receive ten, delete ten, with the SDK's default settings and no handler.
//!
//! Usage: `bench_bare_loop QUEUE_URL MESSAGES POLLERS [tuned]` drains so many messages; `bench_bare_loop QUEUE_URL 0 POLLERS
//! idle SECONDS` polls an empty queue. Prints one line of JSON. The allocator is the system's.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod usage;

use std::{
    error::Error,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_sqs::{
    Client,
    config::{Builder, Credentials, StalledStreamProtectionConfig, retry::RetryConfig},
    types::DeleteMessageBatchRequestEntry,
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use futures_util::future::try_join_all;
use tokio::time::Instant;

use self::usage::Usage;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().collect();
    let [_, url, messages, pollers, mode @ ..] = arguments.as_slice() else {
        return Err("usage: bench_bare_loop QUEUE_URL MESSAGES POLLERS [tuned | idle SECONDS]".into());
    };
    let client = client(url, mode.first().is_some_and(|mode| mode == "tuned")).await;
    let (messages, pollers): (usize, usize) = (messages.parse()?, pollers.parse()?);
    let (began, done, calls) = (Instant::now(), AtomicUsize::new(0), AtomicU64::new(0));
    if let [_, seconds] = mode {
        let polls = try_join_all((0..pollers).map(|_| poll(&client, url, usize::MAX, 20, (&done, &calls))));
        if let Ok(ended) = tokio::time::timeout(Duration::from_secs(seconds.parse()?), polls).await {
            ended?;
        }
    } else {
        // A poller that drains must soon notice that the others have taken the last message.
        try_join_all((0..pollers).map(|_| poll(&client, url, messages, 1, (&done, &calls)))).await?;
    }
    println!("{}", Usage::of_this_process(messages, calls.into_inner(), began.elapsed()));
    Ok(())
}

/// One poller, until all messages are deleted; it counts its calls.
async fn poll(
    client: &Client,
    url: &str,
    messages: usize,
    wait: i32,
    (done, calls): (&AtomicUsize, &AtomicU64),
) -> Result<(), Box<dyn Error>> {
    while done.load(Ordering::Relaxed) < messages {
        let received = receive_and_delete(client, url, wait).await?;
        done.fetch_add(received, Ordering::Relaxed);
        calls.fetch_add(if received > 0 { 2 } else { 1 }, Ordering::Relaxed);
    }
    Ok(())
}

async fn client(url: &str, is_tuned: bool) -> Client {
    let http =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let origin = url.split("/000000000000/").next().unwrap_or(url);
    let shared = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .endpoint_url(origin)
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("bench", "bench", None, None, "bench"))
        .load()
        .await;
    if is_tuned {
        let tuned = Builder::from(&shared)
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        return Client::from_conf(tuned.build());
    }
    Client::new(&shared)
}

async fn receive_and_delete(client: &Client, url: &str, wait: i32) -> Result<usize, Box<dyn Error>> {
    let receive = client.receive_message().queue_url(url).max_number_of_messages(10).wait_time_seconds(wait);
    let messages = receive.send().await?.messages.unwrap_or_default();
    let entries: Result<Vec<_>, _> = messages
        .iter()
        .enumerate()
        .map(|(position, message)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(position.to_string())
                .receipt_handle(message.receipt_handle().unwrap_or_default())
                .build()
        })
        .collect();
    if messages.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        return Ok(0);
    }
    let answer = client.delete_message_batch().queue_url(url).set_entries(Some(entries?)).send().await?;
    Ok(answer.successful.len())
}
