//! Opens a consumer's queue, its DLQ and its attributes, before anything is received.

use std::sync::Arc;

use super::{
    WorkerError,
    attempts::{AttemptLimit, Attempts},
    consumer::{Consumer, ConsumerSource, DeadLetters},
    dead_letters,
};
use crate::{
    consumer::Order,
    consumer::depth::Dlq,
    consumer::settle::DeadLetterQueue,
    queue::{
        Queue, QueueAttributes, QueueError, RedrivePolicy, is_fifo,
        sqs::{AwsAccess, QueueAddress, SqsAccess, SqsQueue},
    },
    telemetry::events,
};

/// An open queue, with the attributes that the engine needs.
pub(super) struct Opened {
    pub(super) queue: Arc<dyn Queue>,
    /// The queue for rejected messages.
    pub(super) dead_letters: Option<DeadLetterQueue>,
    /// The DLQ whose messages are counted.
    pub(super) dlq: Dlq,
    pub(super) order: Order,
    pub(super) redrive: Option<RedrivePolicy>,
    /// Empty if the worker may not read it.
    pub(super) arn: String,
}

impl Opened {
    /// The attributes of the queue that do not change, as far as they are known.
    pub(super) fn description(&self) -> QueueAttributes {
        let (arn, fifo) = (self.arn.clone(), self.order == Order::Groups);
        QueueAttributes { arn, fifo, ..QueueAttributes::default() }
    }
}

/// Opens the queue of a consumer, and reads its attributes.
pub(super) async fn open(consumer: &Consumer, attempts: &Attempts<'_>) -> Result<Opened, WorkerError> {
    let queue = match &consumer.source {
        ConsumerSource::Open(queue) => queue.clone(),
        ConsumerSource::Sqs { address, access } => open_at(&consumer.name, address, access, attempts).await?,
    };
    let description = match describe(&*queue, attempts).await {
        Ok(Some(description)) => {
            log_redrive_policy(consumer, &description);
            description
        }
        Ok(None) => {
            events::QueueUndescribed { queue: &consumer.name }.emit();
            QueueAttributes { fifo: is_fifo_by_name(consumer), ..QueueAttributes::default() }
        }
        Err(error) => return Err(WorkerError::not_opened(&consumer.name, error)),
    };
    let dead_letters = dead_letters::open(consumer, &*queue, &description, attempts).await?;
    let dlq = dlq(consumer, dead_letters.as_ref(), &description);
    Ok(Opened {
        queue,
        dead_letters,
        dlq,
        order: (&description).into(),
        redrive: description.redrive,
        arn: description.arn,
    })
}

/// The DLQ whose messages are counted: the configured one, or else that of the redrive policy.
fn dlq(consumer: &Consumer, dead_letters: Option<&DeadLetterQueue>, of_source: &QueueAttributes) -> Dlq {
    match (&consumer.dead_letters, dead_letters) {
        (DeadLetters::ByPolicy, Some(of_policy)) => Dlq::Open(of_policy.queue.clone()),
        (_, Some(configured)) => Dlq::Configured(configured.queue.clone()),
        (_, None) => Dlq::of_policy(of_source.redrive.as_ref(), &of_source.arn),
    }
}

/// The attributes of a queue; `None` if it exists but the worker may not read them.
pub(super) async fn describe(
    queue: &dyn Queue,
    attempts: &Attempts<'_>,
) -> Result<Option<QueueAttributes>, QueueError> {
    match attempts.repeat(|| queue.describe()).await {
        Err(error) if error.is_forbidden() => Ok(None),
        answer => answer.map(Some),
    }
}

/// Opens a queue of SQS by its URL, its ARN or its name, to send to it or to describe it.
pub async fn open_queue(address: &str, access: impl Into<AwsAccess>) -> Result<Arc<dyn Queue>, WorkerError> {
    let access = SqsAccess::Aws(access.into());
    open_at(address, address, &access, &few_attempts(address)).await
}

/// Opens a queue of SQS, which errors call by its name.
pub(super) async fn open_at(
    name: &str,
    text: &str,
    access: &SqsAccess,
    attempts: &Attempts<'_>,
) -> Result<Arc<dyn Queue>, WorkerError> {
    let address = QueueAddress::parse(text).map_err(|source| WorkerError::Address {
        queue: name.to_owned(),
        url: text.to_owned(),
        source: source.into(),
    })?;
    match attempts.repeat(|| SqsQueue::open(access, &address)).await {
        Ok(open) => Ok(Arc::new(open)),
        Err(error) => Err(WorkerError::not_opened(name, error)),
    }
}

/// The attempts of a command for which a person waits.
pub(super) fn few_attempts(queue: &str) -> Attempts<'_> {
    Attempts::new(queue, AttemptLimit::Few, &|queue, error| {
        events::StartDelayed { queue, error, hint: error.hint() }.emit();
    })
}

/// True if the queue's KMS key caused the failure.
pub(super) fn is_kms(error: &QueueError) -> bool {
    error.code().is_some_and(|code| code.contains("Kms") || code.contains("KMS"))
}

/// True if the queue's name in SQS, not its configured name, is that of a FIFO queue.
fn is_fifo_by_name(consumer: &Consumer) -> bool {
    let name = match &consumer.source {
        ConsumerSource::Sqs { address, .. } => address,
        ConsumerSource::Open(_) => &*consumer.name,
    };
    is_fifo(name)
}

fn log_redrive_policy(consumer: &Consumer, description: &QueueAttributes) {
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
    fn a_fifo_queue_is_recognised_by_its_name_in_sqs() {
        let handler = || crate::handler::from_fn(async |_| ());
        let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders.fifo";
        assert!(is_fifo_by_name(&Consumer::new(url, handler()).named("orders")));
        assert!(!is_fifo_by_name(&Consumer::new("orders", handler()).named("orders.fifo")));
    }
}
