//! The codes of findings, each with a name, a severity and a fix, and the check of permissions.

use std::time::Duration;

use serde::Serialize;

use super::Finding;
use crate::{
    aws::{NO_CREDENTIALS, ROLE_NOT_ASSUMED},
    message::Receipt,
    queue::{BatchResult, EntryError, Queue, QueueError, VisibilityChange},
};

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// For information: it may be intended, or cannot be checked without changing something.
    Notice,
    /// The worker works, but not as well as it should.
    Warning,
    /// Something that the worker depends on is missing or refuses access.
    Unavailable,
    /// The settings cannot work, or contradict the resources that they name.
    Misconfigured,
}

impl Severity {
    /// The name in the text of reports.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Unavailable | Self::Misconfigured => "error",
        }
    }
}

macro_rules! codes {
    ($($variant:ident = $name:literal, $severity:ident, $fix:expr;)*) => {
/// The code of a finding; `docs/check-queues.md` and `docs/check-workers.md` have a section for each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Code {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Code {
/// Every code, in the order of those pages.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in reports.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The severity.
            pub(crate) const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

/// The fix.
            pub(crate) const fn fix(self) -> &'static str {
                match self { $(Self::$variant => $fix,)* }
            }
        }
    };
}

codes! {
    Configuration = "configuration", Misconfigured,
        "change the setting to what is allowed; docs/configuration.md lists them all";
    HandlerSettings = "handler-settings", Misconfigured,
        "change the handler's settings";
    Region = "region", Misconfigured,
        "give the queue's url or arn, which name the region, or set aws.region, --region or AWS_REGION";
    Credentials = "credentials", Unavailable, NO_CREDENTIALS;
    Role = "role", Unavailable, ROLE_NOT_ASSUMED;
    QueueMissing = "queue-missing", Unavailable,
        "create the queue, or correct its url or name, its region and its account";
    QueueAwaited = "queue-awaited", Warning,
        "nothing if the queue is yet to be created; otherwise correct its url or name, its region and its account";
    DuplicateQueue = "duplicate-queue", Misconfigured,
        "keep one of the two sections and raise its concurrency";
    QueueUnreachable = "queue-unreachable", Unavailable,
        "check the url, the region and the network: a private subnet needs a NAT gateway or a VPC endpoint of SQS";
    Proxy = "proxy", Notice,
        "nothing if AWS is meant to be called so; otherwise unset the variable, or add the hosts of the endpoints to NO_PROXY";
    NoProxy = "no-proxy", Warning,
        "write host names, suffixes such as .example.com, addresses or networks such as 10.0.0.0/8, with commas between them";
    QueueForbidden = "queue-forbidden", Unavailable,
        "grant the task role sqs:GetQueueUrl on the queue, or give the queue's url";
    Kms = "kms", Unavailable,
        "let the task role use the queue's KMS key, in the role's policy and the key's: kms:Decrypt, and kms:GenerateDataKey to send; and see that the key is enabled";
    AttributesForbidden = "attributes-forbidden", Warning,
        "grant the task role sqs:GetQueueAttributes on the queue; without it rejected messages are retried unless a dlq is configured";
    DeleteForbidden = "delete-forbidden", Unavailable,
        "grant the task role sqs:DeleteMessage on the queue; without it every message runs again and again";
    ExtendForbidden = "extend-forbidden", Unavailable,
        "grant the task role sqs:ChangeMessageVisibility on the queue; without it long work runs twice";
    PermissionUnproven = "permission-unproven", Notice,
        "see what the call was answered with; it may pass";
    KmsUnproven = "kms-unproven", Notice,
        "see that the task role and the key's policy allow kms:Decrypt on the key: only a receive proves it";
    QueueRetention = "queue-retention", Warning,
        "raise the queue's MessageRetentionPeriod above the queue's timeout: SQS drops messages of that age even while they run";
    QueueVisibility = "queue-visibility", Notice,
        "nothing for this worker, which names its own; raise the queue's VisibilityTimeout if others receive from it too";
    NoRedrivePolicy = "no-redrive-policy", Warning,
        "give the queue a RedrivePolicy with a DLQ and a maxReceiveCount of 3 or more";
    MaxReceiveCount = "max-receive-count", Warning,
        "raise maxReceiveCount in the queue's RedrivePolicy to 3 or more: a crash or a deployment costs a receive";
    DlqMissing = "dlq-missing", Unavailable,
        "create the dlq, or correct the RedrivePolicy or the queue's dlq settings";
    DlqAwaited = "dlq-awaited", Warning,
        "nothing if the dlq is yet to be created; otherwise correct the queue's dlq settings";
    DlqForbidden = "dlq-forbidden", Warning,
        "grant the task role sqs:GetQueueUrl, sqs:GetQueueAttributes and sqs:SendMessage on the dlq, or set dlq.copy_rejects = false";
    DlqUnreachable = "dlq-unreachable", Unavailable,
        "check the dlq's url or name, its region and the network";
    DlqUnfit = "dlq-unfit", Misconfigured,
        "name another queue as the dlq, one of the queue's own kind";
    DlqRetention = "dlq-retention", Warning,
        "raise the dlq's MessageRetentionPeriod above the queue's, best to 14 days: on a standard queue the age of a dead letter counts from when it was first sent";
    DlqNotEmpty = "dlq-not-empty", Notice,
        "look at what is there, and move it back or delete it";
    ExhaustedNotCopied = "exhausted-not-copied", Warning,
        "give the queue a RedrivePolicy, and grant the task role sqs:GetQueueAttributes on the queue and sqs:GetQueueUrl, sqs:GetQueueAttributes and sqs:SendMessage on the dlq; or leave on_exhausted out";
    FifoGroups = "fifo-groups", Notice,
        "set batch.groups = \"one\" if a batch that fails as a whole is to hold up one group alone";
    GroupsWithoutFifo = "groups-without-fifo", Warning,
        "leave batch.groups out, or make the queue a FIFO queue";
    TopicFifo = "topic-fifo", Warning,
        "publish to a standard topic, or make the queue a FIFO queue: a FIFO topic takes no message without a group id";
    TopicMissing = "topic-missing", Unavailable,
        "create the topic, or correct its arn; and see that the task role has sns:Publish on it";
    TopicUnreachable = "topic-unreachable", Unavailable,
        "check the topic's region and the network: a private subnet needs a NAT gateway or a VPC endpoint of SNS";
    OnceTableMissing = "once-table-missing", Unavailable,
        "create the table, as docs/once.md shows, or correct once.table, once.region and the account";
    OnceForbidden = "once-forbidden", Unavailable,
        "grant the task role dynamodb:UpdateItem and dynamodb:DeleteItem on the table; without them no message runs";
    OnceKeySchema = "once-key-schema", Misconfigured,
        "name a table whose only key is the partition key id, a string";
    OnceUnreachable = "once-unreachable", Unavailable,
        "check the table's region and the network: a private subnet needs a NAT gateway or a VPC endpoint of DynamoDB";
    OnceTtl = "once-ttl", Warning,
        "turn on the table's time to live for the attribute expires_at";
    OnceTtlUnproven = "once-ttl-unproven", Notice,
        "see that the table's time to live is on for expires_at; or grant the role that checks dynamodb:DescribeTimeToLive";
    OnceKeep = "once-keep", Warning,
        "raise once.keep to the queue's MessageRetentionPeriod or more, or leave it out";
    PayloadBucket = "payload-bucket", Unavailable,
        "create the bucket, or correct payload.bucket and payload.region; and see that the task role may use it";
    PayloadUnreachable = "payload-unreachable", Unavailable,
        "check the bucket's region and the network: a private subnet needs a NAT gateway or a VPC endpoint of S3";
    HandlerUnreachable = "handler-unreachable", Unavailable,
        "start the handler, or correct where it is; the worker would wait for it and receive nothing";
    HandlerAnswer = "handler-answer", Warning,
        "nothing if the handler takes posts alone; otherwise correct the path and query of its url, or its credential";
    ExtensionsOff = "extensions-off", Warning,
        "set the handler's extensions to on, or take the extensions out of the image";
    NoExtensions = "no-extensions", Warning,
        "correct the handler's extensions_dir, put the extensions there, or set extensions to off";
    WebAdapter = "web-adapter", Warning,
        "use the http kind with the url of the web server, or set the handler's extensions to on";
    WebAdapterPort = "web-adapter-port", Warning,
        "set the handler's processes to 1, or leave it out; more tasks or pods run more web servers";
    TimeoutBeyondDrain = "timeout-beyond-drain", Notice,
        "nothing if the work may start again; otherwise lower the queue's timeout, or raise drain.limit, and with it the stopTimeout (ECS) or the terminationGracePeriodSeconds (Kubernetes)";
    DrainLimit = "drain-limit", Misconfigured,
        "leave drain.limit out, or keep it 10 s below the stopTimeout (ECS) or the terminationGracePeriodSeconds (Kubernetes): a worker that is still giving messages back is killed then";
    StopTimeoutUnknown = "stop-timeout-unknown", Warning,
        "set ecs.stop_timeout to the stopTimeout of the container in the task definition, best 120s; ECS uses 30 s where that says nothing";
    StopTimeoutBeyondFargate = "stop-timeout-beyond-fargate", Warning,
        "set stopTimeout and ecs.stop_timeout to 120s at most, unless the task runs on EC2";
    GracePeriodUnknown = "grace-period-unknown", Warning,
        "set kubernetes.termination_grace_period to the pod's terminationGracePeriodSeconds; Kubernetes uses 30 s where the pod does not set it";
    AdminOnLoopback = "admin-on-loopback", Warning,
        "set admin.listen to 0.0.0.0:9090, or [::]:9090 where pods have IPv6 alone; or leave it, with an exec probe of longshore healthcheck";
    ProtectionUnavailable = "protection-unavailable", Warning,
        "grant the task role ecs:GetTaskProtection and ecs:UpdateTaskProtection, or set ecs.protect = \"off\"";
    DeploymentsUnknown = "deployments-unknown", Notice,
        "grant the task role ecs:DescribeTasks and ecs:DescribeServices, and in a private network add the endpoint ecs; or set ecs.when_blocked = \"stay\"";
    ScaleOutUnavailable = "scale-out-unavailable", Warning,
        "grant the task role ecs:DescribeTasks and ecs:DescribeServices, and ecs:UpdateService, which is not tried; in a private network add the endpoint ecs; or remove ecs.scale_out_to";
    ProtectionPointless = "protection-pointless", Notice,
        "nothing: a task of no service is not scaled in";
}

/// True for a code by which AWS says that it does not know the credentials, or no longer accepts them.
pub(super) fn is_credentials_code(code: Option<&str>) -> bool {
    matches!(
        code,
        Some(
            "ExpiredToken"
                | "ExpiredTokenException"
                | "InvalidClientTokenId"
                | "InvalidSecurity"
                | "SignatureDoesNotMatch"
                | "UnrecognizedClientException"
                | "MissingAuthenticationToken"
        )
    )
}

/// An invalid receipt, which belongs to no queue.
const NO_RECEIPT: &str = "longshore-check-this-is-no-receipt-handle";

/// Finds the calls that a queue does not permit.
pub(super) async fn check_permissions(name: &str, queue: &dyn Queue) -> Vec<Finding> {
    let receipt = Receipt::new(NO_RECEIPT);
    let change = [VisibilityChange { receipt: receipt.clone(), visibility: Duration::ZERO }];
    let receipts = [receipt];
    let (deleted, changed) = tokio::join!(queue.delete(&receipts), queue.change_visibility(&change));
    let undeleted = denial_finding(name, "DeleteMessage", Code::DeleteForbidden, deleted);
    let unextended = denial_finding(name, "ChangeMessageVisibility", Code::ExtendForbidden, changed);
    undeleted.into_iter().chain(unextended).collect()
}

fn denial_finding(name: &str, action: &str, forbidden: Code, answer: BatchResult<()>) -> Option<Finding> {
    let entry = match answer {
        Ok(entries) => entries.into_iter().next()?.err()?,
        Err(error) => return call_finding(name, action, forbidden, &error),
    };
    let is_forbidden = is_denial(&entry);
    is_forbidden.then(|| Finding::of(name, forbidden, format!("sqs:{action} is refused: {entry}")))
}

fn call_finding(name: &str, action: &str, forbidden: Code, error: &QueueError) -> Option<Finding> {
    if error.plain_code() == Some("ReceiptHandleIsInvalid") {
        return None;
    }
    let code = if error.is_forbidden() { forbidden } else { Code::PermissionUnproven };
    Some(Finding::of(name, code, format!("sqs:{action}: {error}")))
}

fn is_denial(entry: &EntryError) -> bool {
    QueueError::answered(&entry.code, &entry.message).is_forbidden()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use longshore_emulator::{SqsAccount, StringMap};

    use super::*;
    use crate::queue::EmulatorQueue;

    #[test]
    fn names_are_unique_and_every_code_has_a_fix() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        assert!(Code::ALL.iter().all(|code| code.fix().len() > 20 && !code.fix().ends_with('.')));
    }

    #[tokio::test]
    async fn an_invalid_receipt_is_no_denial_and_changes_nothing() {
        let account = SqsAccount::default();
        account.create_queue("orders", &StringMap::new(), &StringMap::new()).unwrap();
        account.send("orders", "a").unwrap();
        let codes: Vec<_> = check_permissions("orders", &EmulatorQueue::new(&account, "orders"))
            .await
            .into_iter()
            .map(|found| found.code)
            .collect();
        assert_eq!(codes, []);
        assert_eq!(account.snapshot("orders").unwrap().visible, 1);
    }

    #[test]
    fn a_denial_of_the_call_or_of_its_entry_is_found() {
        let code_of = |answer| {
            denial_finding("orders", "DeleteMessage", Code::DeleteForbidden, answer).map(|found| found.code)
        };
        assert_eq!(code_of(Err(QueueError::answered("AccessDenied", "no"))), Some(Code::DeleteForbidden));
        let entry = EntryError::new("AccessDenied", "no", true);
        assert_eq!(code_of(Ok(vec![Err(entry)])), Some(Code::DeleteForbidden));
        assert_eq!(
            code_of(Err(QueueError::answered("RequestThrottled", ""))),
            Some(Code::PermissionUnproven)
        );
        assert_eq!(code_of(Err(QueueError::answered("ReceiptHandleIsInvalid", ""))), None);
    }
}
