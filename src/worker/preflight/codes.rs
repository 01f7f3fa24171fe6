//! Every kind of finding: its name, how bad it is, and what to do.

use serde::Serialize;

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know: it may be meant so, or cannot be found out without changing something.
    Notice,
    /// The worker works, and not as well as it should.
    Warning,
    /// Something that the worker depends on is not there, or does not let it in.
    Unavailable,
    /// The settings cannot work, or contradict what they name.
    Misconfigured,
}

impl Severity {
    /// The word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Unavailable | Self::Misconfigured => "error",
        }
    }
}

macro_rules! codes {
    ($($variant:ident = $name:literal, $severity:ident, $fix:literal;)*) => {
        /// A kind of finding; `docs/check.md` has a section for each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Code {
            /// Every kind, as the page has them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in reports.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The severity.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// The advice.
            pub const fn fix(self) -> &'static str {
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
    Credentials = "credentials", Unavailable,
        "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the ECS task a task role";
    QueueMissing = "queue-missing", Unavailable,
        "create the queue, or correct its url or name, its region and its account";
    QueueTwins = "queue-twins", Misconfigured,
        "keep one of the two sections and raise its concurrency";
    QueueUnreachable = "queue-unreachable", Unavailable,
        "check the url, the region and the network: a private subnet needs a NAT gateway or a VPC endpoint of SQS";
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
    ReceiveUnproven = "receive-unproven", Notice,
        "see that the task role has sqs:ReceiveMessage on the queue: only a receive proves it";
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
    DlqSendUnproven = "dlq-send-unproven", Notice,
        "see that the task role has sqs:SendMessage on the dlq, and kms:GenerateDataKey where it is encrypted: only a send proves it";
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
    HandlerUnreachable = "handler-unreachable", Unavailable,
        "start the handler, or correct where it is; the worker would wait for it and receive nothing";
    TimeoutBeyondDrain = "timeout-beyond-drain", Notice,
        "nothing if the work may start again; otherwise lower the queue's timeout, or raise drain.limit and the stopTimeout with it";
    DrainLimit = "drain-limit", Misconfigured,
        "leave drain.limit out, or keep it 10 s below the stopTimeout: ECS kills a worker that is still giving messages back";
    StopTimeoutUnknown = "stop-timeout-unknown", Warning,
        "set ecs.stop_timeout to the stopTimeout of the container in the task definition, best 120s; ECS uses 30 s where that says nothing";
    StopTimeoutBeyondFargate = "stop-timeout-beyond-fargate", Warning,
        "set stopTimeout and ecs.stop_timeout to 120s at most, unless the task runs on EC2";
    ProtectionUnavailable = "protection-unavailable", Warning,
        "grant the task role ecs:GetTaskProtection and ecs:UpdateTaskProtection, or set ecs.protect = \"off\"";
    ProtectionPointless = "protection-pointless", Notice,
        "nothing: a task of no service is not scaled in";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unlike_each_other_and_every_fix_says_what_to_do() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        assert!(Code::ALL.iter().all(|code| code.fix().len() > 20 && !code.fix().ends_with('.')));
    }
}
