//! Opening a consumer's queue: a proof that it is there, before anything is received.

use std::{future::Future, sync::Arc, time::Duration};

use super::{
    WorkerError,
    consumer::{Consumer, Source},
    from_settings::address,
};
use crate::{
    backoff::Backoff,
    queue::{
        Description, Queue, QueueError, Verdict, limits,
        sqs::{self, Sizes, SqsQueue},
    },
};

/// How often a queue that does not answer is tried before the worker gives up its start.
const TRIES: u32 = 4;

/// A queue that is there, and how many messages each receive may bring.
pub(super) struct Opened {
    pub(super) queue: Arc<dyn Queue>,
    pub(super) batch: usize,
}

/// Opens the queue of a consumer and asks for its attributes.
pub(super) async fn open(consumer: &Consumer) -> Result<Opened, WorkerError> {
    let failed = |source| WorkerError::Queue { queue: consumer.name.to_string(), source };
    let queue = match &consumer.source {
        Source::Open(queue) => queue.clone(),
        Source::Sqs { address, settings } => open_sqs(consumer, address, settings).await?,
    };
    let description = match patiently(|| queue.describe()).await {
        Ok(description) => description,
        Err(error) if is_only_forbidden(&error) => {
            tracing::warn!(
                queue = &*consumer.name,
                "not allowed to ask for the queue's attributes, hint: grant sqs:GetQueueAttributes"
            );
            Description { fifo: consumer.name.ends_with(".fifo"), ..Description::default() }
        }
        Err(error) => return Err(failed(error)),
    };
    advise(consumer, &description);
    Ok(Opened { queue, batch: batch_of(&description) })
}

async fn open_sqs(
    consumer: &Consumer,
    text: &str,
    settings: &sqs::Settings,
) -> Result<Arc<dyn Queue>, WorkerError> {
    let receive = consumer.options.receive;
    let sizes = Sizes { pollers: receive.pollers, longest_wait: receive.wait.0 };
    open_address(&consumer.name, text, settings, sizes).await
}

/// Opens a queue of SQS by its URL or its name, for other purposes than consuming it.
pub async fn open_queue(address: &str, settings: &sqs::Settings) -> Result<Arc<dyn Queue>, WorkerError> {
    open_address(address, address, settings, Sizes::default()).await
}

async fn open_address(
    name: &str,
    text: &str,
    settings: &sqs::Settings,
    sizes: Sizes,
) -> Result<Arc<dyn Queue>, WorkerError> {
    let queue = name.to_owned();
    let address = match address(text) {
        Ok(address) => address,
        Err(source) => return Err(WorkerError::Address { queue, url: text.to_owned(), source }),
    };
    match patiently(|| SqsQueue::open(settings, &address, sizes)).await {
        Ok(open) => Ok(Arc::new(open)),
        Err(source) => Err(WorkerError::Queue { queue, source }),
    }
}

/// Tries again what may pass, a few times.
async fn patiently<T, F>(mut call: impl FnMut() -> F) -> Result<T, QueueError>
where
    F: Future<Output = Result<T, QueueError>>,
{
    let mut attempt = 1;
    loop {
        match call().await {
            Err(error) if error.verdict() == Verdict::Wait && !error.is_hung() && attempt < TRIES => {
                tracing::warn!(%error, attempt, "sqs does not answer yet");
                tokio::time::sleep(Backoff::CALLS.random_delay(attempt)).await;
                attempt += 1;
            }
            answer => return answer,
        }
    }
}

fn is_only_forbidden(error: &QueueError) -> bool {
    error.code().is_some_and(|code| code.ends_with("AccessDenied") || code.ends_with("AccessDeniedException"))
}

/// SQS gives no further message of a FIFO group while one is in flight, so one at a time keeps every group in order.
fn batch_of(description: &Description) -> usize {
    if description.fifo { 1 } else { limits::BATCH_ENTRIES }
}

fn advise(consumer: &Consumer, description: &Description) {
    let queue = &*consumer.name;
    if let Some(redrive) = &description.redrive {
        let (dlq, max_receive_count) = (&redrive.dead_letter_arn, redrive.max_receive_count.get());
        tracing::info!(queue, arn = description.arn, dlq, max_receive_count, "queue opened");
    } else {
        tracing::warn!(
            queue,
            arn = description.arn,
            "queue opened, and it has no redrive policy: failing messages come back until their retention ends"
        );
    }
    if consumer.options.visibility < Duration::from_secs(2) {
        tracing::warn!(queue, "a visibility below 2 s leaves no time to extend it");
    }
}
