//! The values of metric labels: closed sets, so that no message can add one.

use crate::queue::{QueueError, RetryClass};
#[cfg(feature = "sns")]
use crate::sns::{PublishRetryClass, TopicError};

/// A closed set of label values.
pub trait Label: Copy + Send + Sync + 'static {
    /// Every value.
    const ALL: &'static [Self];

    /// The value as the metrics show it.
    fn as_str(self) -> &'static str;

    /// The index of the value in [`Label::ALL`].
    fn index(self) -> usize;

    /// The value of the label of this name; nothing for labels of other names.
    fn value_of(self, label: &str) -> Option<&'static str>;
}

/// Makes an enum of a label's values, each with its text.
///
/// `also` names further labels that have their value from it.
macro_rules! label {
    (
        $(#[$doc:meta])*
        $vis:vis enum $name:ident = $label:literal $(also $($other:literal => $value:path),+)? {
            $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name { $($(#[$variant_doc])* $variant,)* }

        impl Label for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            fn index(self) -> usize {
                self as usize
            }

            fn value_of(self, label: &str) -> Option<&'static str> {
                match label {
                    $label => Some(self.as_str()),
                    $($($other => Some($value(self)),)+)?
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    };
}

label! {
    /// The ending of a message's call, the worker's own endings included.
    pub enum Ending = "ending" also "error_type" => Ending::error_type {
        /// The handler said done.
        Done = "done",
        /// The handler asked for a retry.
        Retry = "retry",
        /// The handler rejected the message.
        Reject = "reject",
        /// The handler could not be reached.
        Down = "handler_down",
        /// The time limit passed.
        TimedOut = "timeout",
        /// The handler panicked.
        Panicked = "panic",
        /// The lease was lost while the handler ran.
        LeaseLost = "lease_lost",
        /// The drain limit passed while the handler ran.
        Drained = "drained",
    }
}

label! {
    /// The occasion of a notification.
    pub enum Occasion = "occasion" {
        /// The handler said done.
        Done = "done",
        /// A try failed.
        Failure = "failure",
        /// The handler rejected the message.
        Reject = "reject",
    }
}

label! {
    /// The result of a notification.
    pub enum Notified = "fate" {
        /// SNS has taken it.
        Sent = "sent",
        /// It was given up: its time was over, or SNS refused it.
        Failed = "failed",
        /// It was never sent: too many waited, or the worker stopped.
        Dropped = "dropped",
    }
}

impl Ending {
    /// OpenTelemetry's `error.type`: empty where there was no error.
    pub(in crate::telemetry) fn error_type(self) -> &'static str {
        match self {
            Self::Done => "",
            _ => self.as_str(),
        }
    }
}

label! {
    /// A call to SQS, by what it is made for.
    pub enum Action = "action" also "messaging_operation_name" => Action::as_str, "messaging_operation_type" => Action::operation_type {
        /// `ReceiveMessage`.
        Receive = "receive",
        /// `DeleteMessageBatch`.
        Delete = "delete",
        /// `ChangeMessageVisibilityBatch` that extends leases.
        Extend = "extend",
        /// `ChangeMessageVisibilityBatch` that gives messages back.
        GiveBack = "give_back",
        /// `SendMessageBatch` that copies rejected messages to the DLQ.
        Copy = "copy",
        /// `GetQueueAttributes` that asks how many messages there are, of the queue and of its DLQ.
        Attributes = "attributes",
    }
}

label! {
    /// The result of a call to SQS or SNS.
    pub enum CallResult = "result" also "error_type" => CallResult::error_type {
        /// It was answered; for a batch, each entry has its own result.
        Ok = "ok",
        /// It failed, and trying again may help.
        Retryable = "retryable",
        /// It was refused, and trying again cannot help.
        Refused = "refused",
        /// It was dropped without an answer.
        Hung = "hung",
    }
}

impl CallResult {
    /// The result of a call with this answer.
    pub fn of<T>(answer: &Result<T, QueueError>) -> Self {
        match answer {
            Ok(_) => Self::Ok,
            Err(error) if error.is_timeout() => Self::Hung,
            Err(error) if error.retry_class() == RetryClass::Transient => Self::Retryable,
            Err(_) => Self::Refused,
        }
    }

    /// The result of a call to SNS with this answer; one that was never answered counts as retryable.
    #[cfg(feature = "sns")]
    pub fn of_publish<T>(answer: &Result<T, TopicError>) -> Self {
        match answer.as_ref().map_err(TopicError::retry_class) {
            Ok(_) => Self::Ok,
            Err(PublishRetryClass::Transient | PublishRetryClass::NotSent) => Self::Retryable,
            Err(PublishRetryClass::Refused | PublishRetryClass::BadMessage) => Self::Refused,
        }
    }

    /// OpenTelemetry's `error.type`: empty where there was no error.
    pub(in crate::telemetry) fn error_type(self) -> &'static str {
        match self {
            Self::Ok => "",
            Self::Retryable | Self::Refused | Self::Hung => self.as_str(),
        }
    }
}

impl Action {
    /// `messaging.operation.type` of OpenTelemetry; empty for what it has no type for.
    pub(in crate::telemetry) fn operation_type(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Delete | Self::GiveBack => "settle",
            Self::Copy => "send",
            Self::Extend | Self::Attributes => "",
        }
    }
}

label! {
    /// The state in which SQS counts messages.
    pub(crate) enum MessageState = "state" {
        /// A receive may hand them over.
        Visible = "visible",
        /// Somebody holds them.
        InFlight = "in_flight",
        /// They were sent with a delay that is not over.
        Delayed = "delayed",
    }
}

label! {
    /// A kind of handler.
    pub enum HandlerKind = "kind" {
        /// Code of the program that the worker is part of.
        Rust = "rust",
        /// A program with an HTTP port.
        Http = "http",
        /// A Lambda function.
        Lambda = "lambda",
        /// A program for each message.
        Exec = "exec",
        /// SNS.
        Sns = "sns",
    }
}

label! {
    /// The cause of a failed call of the handler.
    pub enum FailureCause = "cause" {
        /// The time limit passed; any kind.
        TimedOut = "timeout",
        /// It panicked; `rust` alone, elsewhere a fault of ours.
        Panicked = "panic",
        /// It asked for a retry or rejected the message; `rust`, and `http` by naming it among a batch's failures.
        Error = "error",
        /// It could not be reached, or hung up; `http`, `sns`, `lambda` through the emulator, and `rust` that says so.
        Connection = "connection",
        /// A status from 400 to 499; `http`.
        Status4xx = "status_4xx",
        /// A status from 500 to 599; `http`.
        Status5xx = "status_5xx",
        /// An answer that means nothing; `http`, `lambda`.
        BadAnswer = "bad_answer",
        /// The function answered with an error, or named messages that failed; `lambda`.
        FunctionError = "function_error",
        /// No runtime could be started; `lambda`.
        InitError = "init_error",
        /// The runtime process ended in the middle of the call; `lambda`.
        Crash = "crash",
        /// An exit code that is not that of done; `exec`.
        ExitCode = "exit_code",
        /// Ended by a signal; `exec`.
        Signal = "signal",
        /// The program, or the files that it needs, could not be had; `exec`.
        Spawn = "spawn",
        /// Refused: the topic, the permission, the key or the message; `sns`.
        Refused = "refused",
    }
}

label! {
    /// The activity of a handler's process.
    pub enum ProcessState = "state" {
        /// It was started, and has not asked for work yet; `lambda`.
        Starting = "starting",
        /// It waits for work; `lambda`.
        Idle = "idle",
        /// It works on a call.
        Busy = "busy",
        /// It failed, and another one is started after a pause; `lambda`.
        Waiting = "waiting",
    }
}

label! {
    /// Why a process of a handler ended.
    pub enum ProcessExit = "cause" {
        /// It was meant to: its work or the worker's is over.
        Expected = "expected",
        /// It ended by itself when it must not; a program that was started for one message, by a signal.
        Crashed = "crashed",
        /// It was ended: its time was over, or what it said made no sense.
        Killed = "killed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_indexed<L: Label>() {
        for (index, label) in L::ALL.iter().enumerate() {
            assert_eq!(label.index(), index, "{}", label.as_str());
        }
    }

    #[test]
    fn every_label_knows_its_place() {
        assert_indexed::<Ending>();
        assert_indexed::<Action>();
        assert_indexed::<CallResult>();
        assert_indexed::<Occasion>();
        assert_indexed::<Notified>();
        assert_indexed::<MessageState>();
        assert_indexed::<HandlerKind>();
        assert_indexed::<FailureCause>();
        assert_indexed::<ProcessState>();
        assert_indexed::<ProcessExit>();
    }
}
