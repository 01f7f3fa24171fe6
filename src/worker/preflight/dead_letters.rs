//! Checks the dead-letter queue: that it exists, fits its queue and keeps messages long enough.

use std::sync::Arc;

use super::{Code, Finding, Untried, UntriedPermission};
use crate::{
    config::{QueueSettings, Settings},
    consumer::OnExhausted,
    duration::Span,
    queue::{Queue, QueueAttributes, QueueError, QueueName, RedrivePolicy, RetryClass, sqs::QueueAddress},
    start::Missing,
    worker::{
        WorkerError,
        dead_letters::incompatibility,
        open::{describe, few_attempts, open_queue},
    },
};

/// The fewest receives that allow for a crash and a transient failure.
const FEW_RECEIVES: u32 = 3;

/// Checks the redrive policy and the DLQ of a queue; returns the permission on the DLQ that it did not try, too.
pub(super) async fn check(
    name: &str,
    settings: &QueueSettings,
    process: &Settings,
    (queue, description): (&dyn Queue, &QueueAttributes),
) -> (Vec<Finding>, Option<Untried>) {
    let mut found = check_policy(name, description.redrive.as_ref());
    if description.redrive.is_none() {
        found.extend(not_copied(name, settings, "without a redrive policy no receive is the last one"));
    }
    let configured = settings.dlq.address().filter(|_| settings.dlq.copy_rejects);
    let (shown, dlq) = match (configured, &description.redrive) {
        (Some(address), _) => (address, open_configured(address, settings, process, queue).await),
        (None, Some(policy)) => (&*policy.dead_letter_arn, open_by_arn(policy, description, queue).await),
        (None, None) => return (found, None),
    };
    let is_sent_to = settings.dlq.copy_rejects && dlq.is_ok();
    match dlq {
        Ok(dlq) => found.extend(check_dlq(name, description, &dlq)),
        Err(error) => {
            let is_awaited = configured.is_some() && settings.missing == Missing::Wait;
            let code = match code_of(&error) {
                Code::DlqMissing if is_awaited => Code::DlqAwaited,
                code => code,
            };
            found.push(Finding::of(name, code, format!("dlq {shown}: {error}")).or_of_proxy());
            found.extend(not_copied(name, settings, "the dlq cannot be opened"));
        }
    }
    (found, is_sent_to.then(|| Untried::new(name, UntriedPermission::Send)))
}

/// The finding that messages which use up their receives are not copied to the DLQ, if they are to be.
pub(super) fn not_copied(name: &str, settings: &QueueSettings, reason: &str) -> Option<Finding> {
    let is_wanted = settings.consumer.on_exhausted == OnExhausted::Copy;
    let finding =
        || Finding::of(name, Code::ExhaustedNotCopied, format!("on_exhausted is \"copy\", and {reason}"));
    is_wanted.then(finding)
}

fn check_policy(name: &str, policy: Option<&RedrivePolicy>) -> Vec<Finding> {
    let Some(policy) = policy else {
        let message = "failing messages come back until their retention ends";
        return vec![Finding::of(name, Code::NoRedrivePolicy, message)];
    };
    let count = policy.max_receive_count.get();
    let few = || Finding::of(name, Code::MaxReceiveCount, format!("maxReceiveCount is {count}"));
    (count < FEW_RECEIVES).then(few).into_iter().collect()
}

async fn open_configured(
    address: &str,
    settings: &QueueSettings,
    process: &Settings,
    queue: &dyn Queue,
) -> Result<QueueAttributes, QueueError> {
    let opened = match QueueAddress::parse(address) {
        Ok(QueueAddress::Name(name)) => few_attempts("the dlq").repeat(|| queue.open_other(&name)).await?,
        _ => open_queue(address, settings.access(&process.aws)).await.map_err(cause)?,
    };
    described(&opened).await
}

async fn open_by_arn(
    policy: &RedrivePolicy,
    of_source: &QueueAttributes,
    queue: &dyn Queue,
) -> Result<QueueAttributes, QueueError> {
    let Some(name) = QueueName::of_arn(&policy.dead_letter_arn) else {
        return Err(QueueError::new(RetryClass::Refused, "the redrive policy names no queue"));
    };
    let name = name.seen_from(&of_source.arn);
    described(&few_attempts("the dlq").repeat(|| queue.open_other(&name)).await?).await
}

async fn described(queue: &Arc<dyn Queue>) -> Result<QueueAttributes, QueueError> {
    let denied = || QueueError::answered("AccessDenied", "sqs:GetQueueAttributes is refused");
    describe(&**queue, &few_attempts("the dlq")).await?.ok_or_else(denied)
}

fn cause(error: WorkerError) -> QueueError {
    match error {
        WorkerError::Queue { source, .. } | WorkerError::Credentials { source, .. } => source,
        error => QueueError::new(RetryClass::Refused, error.to_string()),
    }
}

fn code_of(error: &QueueError) -> Code {
    match error.plain_code() {
        _ if error.is_missing_queue() => Code::DlqMissing,
        _ if error.is_forbidden() => Code::DlqForbidden,
        _ => Code::DlqUnreachable,
    }
}

fn check_dlq(name: &str, queue: &QueueAttributes, dlq: &QueueAttributes) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut find = |code, message: String| found.push(Finding::of(name, code, message));
    if let Some(problem) = incompatibility(queue, dlq) {
        find(Code::DlqUnfit, problem.to_owned());
    }
    // Zero means that the queue does not report it.
    if !dlq.retention.is_zero() && dlq.retention <= queue.retention {
        let (of_dlq, of_queue) = (Span(dlq.retention), Span(queue.retention));
        find(Code::DlqRetention, format!("the dlq keeps messages for {of_dlq}, the queue for {of_queue}"));
    }
    if dlq.visible > 0 {
        find(Code::DlqNotEmpty, format!("about {} messages are in the dlq", dlq.visible));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU32, time::Duration};

    use super::*;

    fn codes(found: &[Finding]) -> Vec<Code> {
        found.iter().map(|found| found.code).collect()
    }

    #[test]
    fn a_max_receive_count_below_three_is_reported() {
        let policy = |count| RedrivePolicy {
            dead_letter_arn: "arn".to_owned(),
            max_receive_count: NonZeroU32::new(count).unwrap(),
        };
        assert_eq!(codes(&check_policy("orders", None)), [Code::NoRedrivePolicy]);
        assert_eq!(codes(&check_policy("orders", Some(&policy(2)))), [Code::MaxReceiveCount]);
        assert_eq!(codes(&check_policy("orders", Some(&policy(3)))), []);
    }

    #[test]
    fn exhausted_messages_that_are_to_be_copied_and_are_not_are_reported() {
        let mut settings = QueueSettings::default();
        assert_eq!(not_copied("orders", &settings, "so it is"), None);
        settings.consumer.on_exhausted = OnExhausted::Copy;
        let found = not_copied("orders", &settings, "so it is").unwrap();
        assert_eq!(
            (found.code, &*found.message),
            (Code::ExhaustedNotCopied, "on_exhausted is \"copy\", and so it is")
        );
    }

    #[test]
    fn a_dlq_keeps_its_messages_longer_than_the_queue() {
        let days = |days: u64| QueueAttributes {
            arn: format!("arn:{days}"),
            retention: Duration::from_hours(24 * days),
            ..QueueAttributes::default()
        };
        let found = |dlq: &QueueAttributes| codes(&check_dlq("orders", &days(4), dlq));
        assert_eq!(found(&days(14)), []);
        assert_eq!(found(&QueueAttributes { arn: String::new(), ..days(4) }), [Code::DlqRetention]);
        assert_eq!(found(&QueueAttributes { visible: 1, ..days(14) }), [Code::DlqNotEmpty]);
        assert_eq!(found(&QueueAttributes { fifo: true, ..days(14) }), [Code::DlqUnfit]);
        assert_eq!(found(&days(0)), [], "a retention that is not known");
    }

    #[test]
    fn each_failure_to_open_a_dlq_has_its_own_code() {
        for (code, found) in [
            ("AWS.SimpleQueueService.NonExistentQueue", Code::DlqMissing),
            ("AccessDenied", Code::DlqForbidden),
            ("RequestThrottled", Code::DlqUnreachable),
        ] {
            assert_eq!(code_of(&QueueError::answered(code, "no")), found);
        }
    }
}
