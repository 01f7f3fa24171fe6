//! Checks one queue: that it exists, and that it is as the settings expect.

use super::{
    Code, Finding, Untried, UntriedPermission, check_handler, check_topics, codes::check_permissions,
    dead_letters, extensions, fifo_topic, once, payload, platform,
};
use crate::{
    config::{QueueSettings, Settings},
    consumer::Groups,
    duration::Span,
    queue::{
        Queue, QueueAttributes, QueueError, limits,
        sqs::{credentials_fault, is_without_region},
    },
    start::Missing,
    worker::{
        WorkerError,
        open::{describe, few_attempts, is_kms, open_queue},
    },
};

/// The findings of one queue, what was not tried on it, and its ARN.
pub(super) struct QueueFindings {
    pub(super) found: Vec<Finding>,
    pub(super) untried: Vec<Untried>,
    /// `None` if it is not known.
    pub(super) arn: Option<String>,
}

impl QueueFindings {
    fn only(finding: Finding) -> Self {
        Self { found: vec![finding], untried: Vec::new(), arn: None }
    }
}

/// Checks one queue and everything that its settings name.
pub(super) async fn check(name: &str, queue: &QueueSettings, settings: &Settings) -> QueueFindings {
    let (mut checked, of_handler, of_topics, of_once, of_payload) = tokio::join!(
        check_queue(name, queue, settings),
        check_handler(name, queue, settings),
        check_topics(name, queue, settings),
        once::check(name, queue, settings),
        payload::check(name, queue, settings),
    );
    let beyond = platform::timeout_beyond_drain(name, queue, settings);
    let of_handler = of_handler.into_iter().chain(extensions(name, queue));
    checked.found.extend(of_handler.chain(of_topics).chain(of_once).chain(of_payload).chain(beyond));
    checked
}

async fn check_queue(name: &str, queue: &QueueSettings, settings: &Settings) -> QueueFindings {
    let opened = match open_queue(&queue.address(), queue.access(&settings.aws)).await {
        Ok(opened) => opened,
        Err(error) => return QueueFindings::only(not_opened(name, queue, &error)),
    };
    let description = match describe(&*opened, &few_attempts(name)).await {
        Ok(description) => description,
        Err(error) => return QueueFindings::only(unreachable(name, queue, &error)),
    };
    let mut found = check_permissions(name, &*opened).await;
    let mut untried = vec![Untried::new(name, UntriedPermission::Receive)];
    untried.extend(queue.payload.fetches().then(|| Untried::new(name, UntriedPermission::Fetch)));
    let Some(description) = description else {
        found.push(Finding::of(name, Code::AttributesForbidden, "sqs:GetQueueAttributes is refused"));
        found.extend(dead_letters::not_copied(name, queue, "the worker does not know maxReceiveCount"));
        return QueueFindings { found, untried, arn: None };
    };
    found.extend(check_attributes(name, queue, &description));
    let source: (&dyn Queue, _) = (&*opened, &description);
    let (of_dlq, unsent) = dead_letters::check(name, queue, settings, source).await;
    found.extend(of_dlq);
    untried.extend(unsent);
    QueueFindings { found, untried, arn: Some(description.arn) }
}

fn not_opened(name: &str, queue: &QueueSettings, error: &WorkerError) -> Finding {
    match error {
        WorkerError::Credentials { source, .. }
        | WorkerError::Queue { source, .. }
        | WorkerError::Region { source, .. } => unreachable(name, queue, source),
        error => Finding::of(name, Code::Configuration, error.to_string()),
    }
}

/// The finding of a failed call to a queue. Credentials that are missing or refused are those of its role, if it has one.
fn unreachable(name: &str, queue: &QueueSettings, error: &QueueError) -> Finding {
    let (is_unsigned, has_role) = (credentials_fault(error).is_some(), queue.role.role_arn.is_some());
    let is_awaited = queue.missing == Missing::Wait;
    let code = match error.plain_code() {
        _ if is_without_region(error) => Code::Region,
        _ if is_unsigned || error.refuses_credentials() => {
            if has_role {
                Code::Role
            } else {
                Code::Credentials
            }
        }
        Some("InvalidAddress") => Code::QueueMissing,
        _ if error.is_missing_queue() && is_awaited => Code::QueueAwaited,
        _ if error.is_missing_queue() => Code::QueueMissing,
        Some("AccessDenied" | "AccessDeniedException") => Code::QueueForbidden,
        _ if is_kms(error) => Code::Kms,
        _ => Code::QueueUnreachable,
    };
    let is_hint_fit = match code {
        Code::QueueAwaited => false,
        // Refused are the role's credentials, and the hint is about the process's own.
        Code::Role => is_unsigned,
        _ => true,
    };
    let fix = error.hint().filter(|_| is_hint_fit).map(str::to_owned);
    Finding { fix, ..Finding::of(name, code, error.to_string()) }
}

/// Compares the queue's attributes with its settings.
fn check_attributes(name: &str, queue: &QueueSettings, description: &QueueAttributes) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut find = |code, message: String| found.push(Finding::of(name, code, message));
    let timeout = queue.consumer.timeout.duration().unwrap_or(limits::VISIBILITY);
    let retention = description.retention;
    if !retention.is_zero() && retention <= timeout {
        let (retention, timeout) = (Span(retention), Span(timeout));
        find(
            Code::QueueRetention,
            format!("messages are kept for {retention}, and a handler may run for {timeout}"),
        );
    }
    if description.visibility < queue.consumer.visibility.0 {
        let (own, used) = (Span(description.visibility), queue.consumer.visibility);
        find(Code::QueueVisibility, format!("the queue's own visibility is {own}, the worker uses {used}"));
    }
    if let Some(key) = &description.kms_key {
        find(Code::KmsUnproven, format!("messages are encrypted with the KMS key {key}"));
    }
    let is_several = queue.consumer.batch.size > 1 && queue.consumer.batch.groups == Groups::Several;
    if description.fifo && is_several {
        find(Code::FifoGroups, "a batch may hold messages of several groups".to_owned());
    }
    if !description.fifo && queue.consumer.batch.groups == Groups::One {
        find(
            Code::GroupsWithoutFifo,
            "batch.groups is \"one\", and the queue is a standard queue".to_owned(),
        );
    }
    found.extend(fifo_topic(name, queue, description));
    found.extend(once::keep_below_retention(name, queue, description));
    found
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_credential_types::provider::error::CredentialsError;

    use super::*;
    use crate::{aws::RoleSettings, queue::RetryClass};

    fn code_of(error: &QueueError) -> Code {
        unreachable("orders", &QueueSettings::default(), error).code
    }

    #[test]
    fn a_failure_has_the_code_of_its_cause() {
        for (code, found) in [
            ("AWS.SimpleQueueService.NonExistentQueue", Code::QueueMissing),
            ("com.amazonaws.sqs#QueueDoesNotExist", Code::QueueMissing),
            ("AccessDenied", Code::QueueForbidden),
            ("KmsAccessDenied", Code::Kms),
            ("KMS.DisabledException", Code::Kms),
            ("InvalidClientTokenId", Code::Credentials),
            ("RequestThrottled", Code::QueueUnreachable),
        ] {
            assert_eq!(code_of(&QueueError::answered(code, "no")), found, "{code}");
        }
        assert_eq!(code_of(&QueueError::new(RetryClass::Transient, "refused")), Code::QueueUnreachable);
        let missing = QueueError::answered("AWS.SimpleQueueService.NonExistentQueue", "no");
        let waits = QueueSettings { missing: Missing::Wait, ..QueueSettings::default() };
        assert_eq!(unreachable("orders", &waits, &missing).code, Code::QueueAwaited);
    }

    #[test]
    fn a_role_has_the_fix_of_what_keeps_it_from_being_assumed() {
        let role_arn = Some("arn:aws:iam::111111111111:role/orders".to_owned());
        let queue = QueueSettings {
            role: RoleSettings { role_arn, ..RoleSettings::default() },
            ..QueueSettings::default()
        };
        let unsigned = QueueError::new(RetryClass::Transient, "no credentials")
            .with_hint("add the host to NO_PROXY")
            .with_source(CredentialsError::provider_error("no answer"));
        let found = unreachable("orders", &queue, &unsigned);
        assert_eq!((found.code, found.fix()), (Code::Role, "add the host to NO_PROXY"));
        let refused = QueueError::answered("ExpiredToken", "no").with_hint("check AWS_PROFILE");
        let found = unreachable("orders", &queue, &refused);
        assert_eq!((found.code, found.fix()), (Code::Role, Code::Role.fix()));
    }

    #[test]
    fn a_queue_is_compared_with_its_settings() {
        let day = Duration::from_hours(24);
        let good = QueueAttributes {
            retention: 4 * day,
            visibility: Duration::from_secs(30),
            ..QueueAttributes::default()
        };
        let mut queue = QueueSettings::default();
        let codes = |queue: &QueueSettings, description: &QueueAttributes| -> Vec<Code> {
            check_attributes("orders", queue, description).into_iter().map(|found| found.code).collect()
        };
        assert_eq!(codes(&queue, &good), []);
        let short = QueueAttributes { retention: Duration::from_hours(12), ..good.clone() };
        assert_eq!(codes(&queue, &short), [Code::QueueRetention]);
        let unreported = QueueAttributes { retention: Duration::ZERO, ..good.clone() };
        assert_eq!(codes(&queue, &unreported), []);
        let short_visibility =
            QueueAttributes { visibility: Duration::ZERO, kms_key: Some("key".to_owned()), ..good.clone() };
        assert_eq!(codes(&queue, &short_visibility), [Code::QueueVisibility, Code::KmsUnproven]);
        queue.consumer.batch.size = 10;
        assert_eq!(codes(&queue, &QueueAttributes { fifo: true, ..good.clone() }), [Code::FifoGroups]);
        queue.consumer.batch.groups = Groups::One;
        assert_eq!(codes(&queue, &good), [Code::GroupsWithoutFifo]);
    }
}
