//! Opens the DLQ for rejected messages, and checks that it fits its source queue.

use std::sync::Arc;

use super::{
    WorkerError,
    attempts::Attempts,
    consumer::{Consumer, ConsumerSource, DeadLetters},
    open::{describe, open_at},
};
use crate::{
    consumer::settle::DeadLetterQueue,
    queue::{
        Queue, QueueAttributes, QueueError, QueueName, RetryClass,
        sqs::{QueueAddress, SqsAccess},
    },
    telemetry::{HandlerKind, Label as _, events},
};

/// Opens the DLQ of a consumer; `None` means that rejected messages are retried, which is logged unless configured.
pub(super) async fn open(
    consumer: &Consumer,
    source: &dyn Queue,
    of_source: &QueueAttributes,
    attempts: &Attempts<'_>,
) -> Result<Option<DeadLetterQueue>, WorkerError> {
    let found = match &consumer.dead_letters {
        DeadLetters::Nowhere => None,
        DeadLetters::ByPolicy => by_policy(&consumer.name, source, of_source, attempts).await?,
        DeadLetters::At(address) => Some(configured(consumer, source, address, attempts).await?),
        DeadLetters::Open(queue) => {
            let described = described(queue.clone(), attempts).await;
            Some(described.map_err(|error| failed(&consumer.name, "given open", error))?)
        }
    };
    found.map(|found| fitted(&consumer.name, consumer.kind, of_source, found)).transpose()
}

/// Opens the DLQ that the redrive policy of a queue names now.
pub(super) async fn of_policy(
    (name, kind): (&str, HandlerKind),
    source: &dyn Queue,
    of_source: &QueueAttributes,
    attempts: &Attempts<'_>,
) -> Result<Option<DeadLetterQueue>, WorkerError> {
    let found = by_policy(name, source, of_source, attempts).await?;
    found.map(|found| fitted(name, kind, of_source, found)).transpose()
}

/// The DLQ, if it fits its source queue.
fn fitted(
    name: &str,
    kind: HandlerKind,
    of_source: &QueueAttributes,
    (queue, description): Found,
) -> Result<DeadLetterQueue, WorkerError> {
    // The worker may not read it, but SQS accepts only a DLQ of the source queue's type.
    let description =
        description.unwrap_or_else(|| QueueAttributes { fifo: of_source.fifo, ..QueueAttributes::default() });
    if let Some(problem) = incompatibility(of_source, &description) {
        return Err(WorkerError::UnfitDlq { queue: name.to_owned(), problem });
    }
    events::DlqOpened { queue: name, dlq: &description.arn }.emit();
    Ok(DeadLetterQueue { queue, description, kind: kind.as_str() })
}

/// An open queue, with its attributes if the worker may read them.
type Found = (Arc<dyn Queue>, Option<QueueAttributes>);

async fn described(queue: Arc<dyn Queue>, attempts: &Attempts<'_>) -> Result<Found, QueueError> {
    let description = describe(&*queue, attempts).await?;
    Ok((queue, description))
}

/// The DLQ that the redrive policy names; without access to it rejects are retried, and the policy moves them.
async fn by_policy(
    queue: &str,
    source: &dyn Queue,
    of_source: &QueueAttributes,
    attempts: &Attempts<'_>,
) -> Result<Option<Found>, WorkerError> {
    let Some(policy) = &of_source.redrive else { return Ok(None) };
    let dlq = policy.dead_letter_arn.as_str();
    let Some(name) = QueueName::of_arn(dlq) else {
        events::DlqUnnamed { queue, dlq }.emit();
        return Ok(None);
    };
    match named(source, &name.seen_from(&of_source.arn), attempts).await {
        Ok((dead_letters, description)) => {
            let known = || QueueAttributes {
                arn: dlq.to_owned(),
                fifo: of_source.fifo,
                ..QueueAttributes::default()
            };
            Ok(Some((dead_letters, Some(description.unwrap_or_else(known)))))
        }
        Err(error) if error.retry_class() == RetryClass::Refused => {
            events::DlqUnopened { queue, dlq, error: &error }.emit();
            Ok(None)
        }
        Err(error) => Err(failed(queue, dlq, error)),
    }
}

async fn configured(
    consumer: &Consumer,
    source: &dyn Queue,
    address: &str,
    attempts: &Attempts<'_>,
) -> Result<Found, WorkerError> {
    if let Ok(QueueAddress::Name(name)) = QueueAddress::parse(address) {
        let found = named(source, &name, attempts).await;
        return found.map_err(|error| failed(&consumer.name, address, error));
    }
    let own = SqsAccess::default();
    let access = match &consumer.source {
        ConsumerSource::Sqs { access, .. } => access,
        ConsumerSource::Open(_) => &own,
    };
    let queue = open_at(address, address, access, attempts).await?;
    described(queue, attempts).await.map_err(|error| failed(&consumer.name, address, error))
}

/// A queue by its name, over the connection of the consumed queue.
async fn named(source: &dyn Queue, name: &QueueName, attempts: &Attempts<'_>) -> Result<Found, QueueError> {
    described(attempts.repeat(|| source.open_other(name)).await?, attempts).await
}

fn failed(queue: &str, dlq: &str, source: QueueError) -> WorkerError {
    WorkerError::Dlq { queue: queue.to_owned(), dlq: dlq.to_owned(), source }
}

/// The reason why messages of a queue cannot be copied to this DLQ, if there is one.
pub(super) fn incompatibility(source: &QueueAttributes, dlq: &QueueAttributes) -> Option<&'static str> {
    if !dlq.arn.is_empty() && dlq.arn == source.arn {
        return Some("its dlq is the queue itself, so a rejected message would come back for ever");
    }
    match (source.fifo, dlq.fifo) {
        (true, false) => Some("its dlq is a standard queue, and a fifo queue needs a fifo dlq"),
        (false, true) => Some("its dlq is a fifo queue, and a standard queue needs a standard dlq"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler;
    use crate::queue::EmulatorQueue;
    use crate::worker::open::few_attempts;
    use longshore_emulator::{SqsAccount, StringMap};

    /// An account of a queue whose policy names a DLQ, and of another DLQ of each kind.
    fn account() -> SqsAccount {
        let account = SqsAccount::default();
        let create = |name: &str, attributes: &[(&str, String)]| {
            let owned = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
            account.create_queue(name, &owned.collect(), &StringMap::new()).unwrap();
        };
        create("dlq", &[]);
        create("other-dlq", &[]);
        create("dlq.fifo", &[("FifoQueue", "true".to_owned())]);
        let arn = account.arn("dlq").unwrap();
        let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":3}}"#);
        create("orders", &[("RedrivePolicy", policy)]);
        account
    }

    /// The ARN of the DLQ that is opened in this account for a consumer of `orders`.
    async fn opened(account: &SqsAccount, dead_letters: DeadLetters) -> Result<Option<String>, WorkerError> {
        let queue = Arc::new(EmulatorQueue::new(account, "orders"));
        let handler = handler::from_fn(async |_| ());
        let consumer = Consumer::of("orders", queue.clone(), handler).dead_letters(dead_letters);
        let of_source = queue.describe().await.unwrap();
        let dlq = Box::pin(open(&consumer, &*queue, &of_source, &few_attempts("orders"))).await?;
        Ok(dlq.map(|dlq| dlq.description.arn))
    }

    #[tokio::test]
    async fn the_dlq_is_that_of_the_policy_unless_another_one_is_configured() {
        let account = account();
        let arn = |name: &str| account.arn(name).unwrap();
        for (dead_letters, dlq) in [
            (DeadLetters::ByPolicy, Some(arn("dlq"))),
            (DeadLetters::At("other-dlq".to_owned()), Some(arn("other-dlq"))),
            (DeadLetters::Open(Arc::new(EmulatorQueue::new(&account, "other-dlq"))), Some(arn("other-dlq"))),
            (DeadLetters::Nowhere, None),
        ] {
            assert_eq!(opened(&account, dead_letters).await.unwrap(), dlq);
        }
    }

    #[tokio::test]
    async fn a_dlq_of_the_policy_that_cannot_be_opened_is_not_used() {
        let account = account();
        account.delete_queue("dlq").unwrap();
        assert_eq!(opened(&account, DeadLetters::ByPolicy).await.unwrap(), None);
        account
            .set_attributes("orders", &StringMap::from([("RedrivePolicy".to_owned(), String::new())]))
            .unwrap();
        assert_eq!(opened(&account, DeadLetters::ByPolicy).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_configured_dlq_must_exist_and_fit() {
        let account = account();
        let failure =
            async |name: &str| opened(&account, DeadLetters::At(name.to_owned())).await.unwrap_err();
        let missing = failure("nowhere").await;
        assert!(matches!(&missing, WorkerError::Dlq { dlq, .. } if dlq == "nowhere"), "{missing}");
        for (name, reason) in [("orders", "the queue itself"), ("dlq.fifo", "needs a standard dlq")] {
            let unfit = failure(name).await;
            assert!(
                matches!(unfit, WorkerError::UnfitDlq { .. }) && unfit.to_string().contains(reason),
                "{unfit}"
            );
        }
    }

    #[test]
    fn a_dlq_is_another_queue_of_the_same_type() {
        let queue =
            |arn: &str, fifo| QueueAttributes { arn: arn.to_owned(), fifo, ..QueueAttributes::default() };
        let problem =
            |dlq: QueueAttributes| incompatibility(&queue("arn:orders", false), &dlq).unwrap_or_default();
        assert_eq!(problem(queue("arn:dlq", false)), "");
        assert!(problem(queue("arn:orders", false)).contains("the queue itself"));
        assert!(problem(queue("arn:dlq", true)).contains("needs a standard dlq"));
        let of_fifo = incompatibility(&queue("", true), &queue("", false));
        assert!(of_fifo.is_some_and(|problem| problem.contains("needs a fifo dlq")));
        assert_eq!(
            incompatibility(&queue("", true), &queue("", true)),
            None,
            "two queues whose attributes are not known"
        );
    }
}
