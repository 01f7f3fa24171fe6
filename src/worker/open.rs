//! Opening a consumer's queue: a proof that it is there, before anything is received.

use std::{collections::HashSet, future::Future, sync::Arc};

use super::{
    WorkerError,
    consumer::{Consumer, DeadLetters, Source},
    dead_letters,
    from_settings::address,
};
use crate::{
    backoff::Backoff,
    consumer::QueueTraits,
    consumer::depth::Dlq,
    consumer::settle::DeadLetterQueue,
    queue::{
        Description, Queue, QueueError, QueueName, RetryClass, is_fifo,
        sqs::{self, CredentialsFault, Sizes, SqsQueue, credentials_fault},
    },
    telemetry::events,
};

/// How often a queue that does not answer is tried before the worker gives up its start.
const TRIES: u32 = 4;

/// A queue that is there, and what the engine must know of it.
pub(super) struct Opened {
    pub(super) queue: Arc<dyn Queue>,
    /// Where rejected messages are copied to.
    pub(super) dead_letters: Option<DeadLetterQueue>,
    /// Whose messages are counted as dead letters.
    pub(super) dlq: Dlq,
    pub(super) traits: QueueTraits,
    /// Empty where the worker may not ask for it.
    pub(super) arn: String,
}

/// Refuses two consumers of one queue: each would take the other's messages for new ones.
pub(super) fn refuse_twins(consumers: &[Consumer], opened: &[Opened]) -> Result<(), WorkerError> {
    let mut arns = HashSet::new();
    for (consumer, opened) in consumers.iter().zip(opened) {
        if !opened.arn.is_empty() && !arns.insert(&opened.arn) {
            return Err(WorkerError::Twins { queue: consumer.name.to_string() });
        }
    }
    Ok(())
}

/// Opens the queue of a consumer and asks for its attributes.
pub(super) async fn open(consumer: &Consumer) -> Result<Opened, WorkerError> {
    let queue = match &consumer.source {
        Source::Open(queue) => queue.clone(),
        Source::Sqs { address, settings } => open_sqs(consumer, address, settings).await?,
    };
    let description = match describe(&*queue).await {
        Ok(Some(description)) => {
            advise(consumer, &description);
            description
        }
        Ok(None) => {
            events::QueueUndescribed { queue: &consumer.name }.emit();
            Description { fifo: is_fifo_by_name(consumer), ..Description::default() }
        }
        Err(error) => return Err(WorkerError::not_opened(&consumer.name, error)),
    };
    let dead_letters = dead_letters::open(consumer, &*queue, &description).await?;
    let dlq = dlq(dead_letters.as_ref(), &description);
    Ok(Opened { queue, dead_letters, dlq, traits: (&description).into(), arn: description.arn })
}

/// Where rejected messages are copied to, or else what the redrive policy names.
fn dlq(dead_letters: Option<&DeadLetterQueue>, of_source: &Description) -> Dlq {
    if let Some(dead_letters) = dead_letters {
        return Dlq::Open(dead_letters.queue.clone());
    }
    let policy = of_source.redrive.as_ref();
    let name = policy.and_then(|policy| QueueName::of_arn(&policy.dead_letter_arn));
    name.map_or(Dlq::None, |name| Dlq::Named(name.seen_from(&of_source.arn)))
}

/// What a queue says of itself; `None` when it is there and the worker may not ask.
pub(super) async fn describe(queue: &dyn Queue) -> Result<Option<Description>, QueueError> {
    match patiently(|| queue.describe()).await {
        Err(error) if is_only_forbidden(&error) => Ok(None),
        answer => answer.map(Some),
    }
}

async fn open_sqs(
    consumer: &Consumer,
    text: &str,
    settings: &sqs::Settings,
) -> Result<Arc<dyn Queue>, WorkerError> {
    let receive = consumer.settings.receive;
    let sizes = Sizes { pollers: receive.pollers, longest_wait: receive.wait.0 };
    open_at(&consumer.name, text, settings, sizes).await
}

/// Opens a queue of SQS by its URL or its name, for other purposes than consuming it.
pub async fn open_queue(address: &str, settings: &sqs::Settings) -> Result<Arc<dyn Queue>, WorkerError> {
    open_at(address, address, settings, Sizes::default()).await
}

async fn open_at(
    name: &str,
    text: &str,
    settings: &sqs::Settings,
    sizes: Sizes,
) -> Result<Arc<dyn Queue>, WorkerError> {
    let address = match address(text) {
        Ok(address) => address,
        Err(source) => {
            return Err(WorkerError::Address { queue: name.to_owned(), url: text.to_owned(), source });
        }
    };
    match patiently(|| SqsQueue::open(settings, &address, sizes)).await {
        Ok(open) => Ok(Arc::new(open)),
        Err(error) => Err(WorkerError::not_opened(name, error)),
    }
}

/// Tries again what may pass, a few times.
pub(super) async fn patiently<T, F>(mut call: impl FnMut() -> F) -> Result<T, QueueError>
where
    F: Future<Output = Result<T, QueueError>>,
{
    let mut attempt = 1;
    loop {
        match call().await {
            Err(error) if may_pass(&error) && attempt < TRIES => {
                events::StartDelayed { error: &error, attempt }.emit();
                tokio::time::sleep(Backoff::CALLS.random_delay(attempt)).await;
                attempt += 1;
            }
            answer => return answer,
        }
    }
}

fn may_pass(error: &QueueError) -> bool {
    let has_no_credentials = credentials_fault(error) == Some(CredentialsFault::Missing);
    error.retry_class() == RetryClass::Transient && !error.is_hung() && !has_no_credentials
}

/// Whether the attributes alone are out of reach; a KMS key out of reach is more than that.
pub(super) fn is_only_forbidden(error: &QueueError) -> bool {
    matches!(error.plain_code(), Some("AccessDenied" | "AccessDeniedException"))
}

/// Whether the queue's KMS key keeps the call from being answered.
pub(super) fn is_kms(error: &QueueError) -> bool {
    error.code().is_some_and(|code| code.contains("Kms") || code.contains("KMS"))
}

/// The name in SQS tells, not the one in the configuration.
fn is_fifo_by_name(consumer: &Consumer) -> bool {
    let name = match &consumer.source {
        Source::Sqs { address, .. } => address,
        Source::Open(_) => &*consumer.name,
    };
    is_fifo(name)
}

fn advise(consumer: &Consumer, description: &Description) {
    let (queue, arn) = (&*consumer.name, &*description.arn);
    if let Some(redrive) = &description.redrive {
        let (dlq, max_receive_count) = (&*redrive.dead_letter_arn, redrive.max_receive_count.get());
        events::QueueOpened { queue, arn, dlq, max_receive_count }.emit();
    } else if matches!(consumer.dead_letters, DeadLetters::At(_) | DeadLetters::Open(_)) {
        events::QueueKeepsFailures { queue, arn }.emit();
    } else {
        events::QueueKeepsAll { queue, arn }.emit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifo_queue_is_known_by_its_name_in_sqs_whatever_it_is_called_here() {
        let handler = || crate::handler::from_fn(async |_| ());
        let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders.fifo";
        assert!(is_fifo_by_name(&Consumer::new(url, handler()).named("orders")));
        assert!(!is_fifo_by_name(&Consumer::new("orders", handler()).named("orders.fifo")));
    }

    #[test]
    fn only_the_refusal_of_the_call_itself_is_gone_without() {
        for (code, is_forbidden) in [
            ("AccessDenied", true),
            ("com.amazonaws.sqs#AccessDeniedException", true),
            ("AWS.SimpleQueueService.AccessDenied", true),
            ("KmsAccessDenied", false),
        ] {
            assert_eq!(is_only_forbidden(&QueueError::answered(code, "no")), is_forbidden, "{code}");
        }
    }
}
