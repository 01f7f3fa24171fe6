//! The values of metric labels: closed sets, so that no message can add one.

#[cfg(feature = "admin")]
use longshore_listener::CloseReason;

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

    /// Returns the value for the label of this name; `None` for other labels.
    fn value_of(self, label: &str) -> Option<&'static str>;
}

/// Declares an enum of a label's values, each with its text.
///
/// `also` names further labels whose values are derived from it.
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
    /// The reason for which a connection to the admin server was closed or refused.
    pub(crate) enum ConnectionFault = "reason" {
        /// The head of a request did not come in time.
        SlowHead = "slow_head",
        /// The body of a request did not come in time.
        SlowBody = "slow_body",
        /// The client did not read a response in time.
        Unread = "unread",
        /// All connections were in use, and a new one took the place of this one, which waited for its client.
        Replaced = "replaced",
        /// All connections were in use by requests.
        Refused = "refused",
    }
}

#[cfg(feature = "admin")]
impl ConnectionFault {
    /// The fault for which a listener closed a connection; `None` for one that was idle.
    pub(crate) fn of(reason: CloseReason) -> Option<Self> {
        match reason {
            CloseReason::Idle => None,
            CloseReason::SlowHead => Some(Self::SlowHead),
            CloseReason::SlowBody => Some(Self::SlowBody),
            CloseReason::Unread => Some(Self::Unread),
            CloseReason::Replaced => Some(Self::Replaced),
            CloseReason::Refused => Some(Self::Refused),
        }
    }
}

label! {
    /// The ending of a message's call, the worker's own endings included.
    pub enum Ending = "ending" also "error_type" => Ending::error_type {
        /// The handler answered done.
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

impl Ending {
    /// True if the message was to be done and was not, for a cause of its handler's or its own.
    pub(crate) fn is_failure(self) -> bool {
        matches!(self, Self::Retry | Self::Reject | Self::Down | Self::TimedOut | Self::Panicked)
    }
}

label! {
    /// The cause of a pause of polling.
    pub(crate) enum PauseCause = "reason" {
        /// The handler cannot be reached.
        HandlerDown = "handler_down",
        /// Calls of the handler fail in a row, or too often.
        BreakerOpen = "breaker_open",
        /// The worker is short of descriptors, processes or memory.
        ShortOfResources = "short_of_resources",
        /// The worker is cordoned: it finishes what it holds, and leaves.
        Cordoned = "cordoned",
        /// An operator has paused the queue.
        Operator = "operator",
    }
}

label! {
    /// The cause for which a message is given back before its handler started.
    pub(crate) enum GiveBackCause = "cause" {
        /// The worker stops.
        Stop = "stop",
        /// The handler cannot be reached.
        HandlerDown = "handler_down",
        /// An operator has paused the queue.
        Paused = "paused",
        /// The worker is cordoned.
        Cordoned = "cordoned",
        /// The handler is not available for long, or the worker short of resources.
        KeptForLong = "kept_for_long",
        /// An earlier message of its FIFO group is to come again first.
        BehindFailure = "behind_failure",
        /// An earlier message of its FIFO group has lost its lease.
        BehindLostLease = "behind_lost_lease",
        /// It was received before an earlier message of its FIFO group that is to come first.
        OutOfTurn = "out_of_turn",
        /// Its preparation has to wait, such as for another delivery of its key.
        NotReady = "not_ready",
    }
}

label! {
    /// The occasion of a notification.
    pub enum Occasion = "occasion" {
        /// The handler answered done.
        Done = "done",
        /// An attempt failed.
        Failure = "failure",
        /// The handler rejected the message.
        Reject = "reject",
        /// A message has used up its receives.
        Exhausted = "exhausted",
    }
}

label! {
    /// The result of a notification.
    pub enum Notified = "result" {
        /// SNS accepted it.
        Sent = "sent",
        /// It was given up: its time limit passed, or SNS refused it.
        Failed = "failed",
        /// It was never sent: too many waited, or the worker stopped.
        Dropped = "dropped",
    }
}

impl Ending {
    /// OpenTelemetry's `error.type`; empty without an error.
    pub(in crate::telemetry) fn error_type(self) -> &'static str {
        match self {
            Self::Done => "",
            _ => self.as_str(),
        }
    }
}

label! {
    /// A call to SQS, by its purpose.
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
        /// `GetQueueAttributes` for the number of messages in the queue or its DLQ.
        Attributes = "attributes",
    }
}

label! {
    /// The result of a call to SQS or SNS.
    pub enum CallResult = "result" also "error_type" => CallResult::error_type {
        /// It was answered; each entry of a batch has its own result.
        Ok = "ok",
        /// It failed, and a retry may succeed.
        Retryable = "retryable",
        /// It was refused, and a retry cannot succeed until someone acts.
        Refused = "refused",
        /// It was given up without an answer.
        Hung = "hung",
    }
}

impl CallResult {
    /// The result of a call to SQS with this answer.
    pub fn of<T>(answer: &Result<T, QueueError>) -> Self {
        match answer {
            Ok(_) => Self::Ok,
            Err(error) if error.is_timeout() => Self::Hung,
            Err(error) if error.retry_class() == RetryClass::Transient => Self::Retryable,
            Err(_) => Self::Refused,
        }
    }

    /// The result of a call to SNS with this answer; a call without an answer counts as retryable.
    #[cfg(feature = "sns")]
    pub fn of_publish<T>(answer: &Result<T, TopicError>) -> Self {
        match answer.as_ref().map_err(TopicError::retry_class) {
            Ok(_) => Self::Ok,
            Err(PublishRetryClass::Transient | PublishRetryClass::NotSent) => Self::Retryable,
            Err(PublishRetryClass::Refused | PublishRetryClass::BadMessage) => Self::Refused,
        }
    }

    /// OpenTelemetry's `error.type`; empty without an error.
    pub(in crate::telemetry) fn error_type(self) -> &'static str {
        match self {
            Self::Ok => "",
            Self::Retryable | Self::Refused | Self::Hung => self.as_str(),
        }
    }
}

impl Action {
    /// OpenTelemetry's `messaging.operation.type`; empty for calls for which it has none.
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
    /// A state by which SQS counts messages.
    pub(crate) enum MessageState = "state" {
        /// A receive may return them.
        Visible = "visible",
        /// A consumer holds them.
        InFlight = "in_flight",
        /// They were sent with a delay that has not passed.
        Delayed = "delayed",
    }
}

label! {
    /// A kind of handler.
    pub enum HandlerKind = "kind" {
        /// Rust code in the worker's own program.
        Rust = "rust",
        /// An HTTP server.
        Http = "http",
        /// A Lambda function.
        Lambda = "lambda",
        /// A program that is started for each message.
        Exec = "exec",
        /// An SNS topic or a phone.
        Sns = "sns",
    }
}

label! {
    /// The cause of a failed call of the handler.
    pub enum FailureCause = "cause" {
        /// The time limit passed; any kind.
        TimedOut = "timeout",
        /// It panicked; `rust`, in other kinds a bug of Longshore.
        Panicked = "panic",
        /// It asked for a retry or rejected the message; `rust`, and `http` for messages it reports as failed in a batch.
        Error = "error",
        /// It could not be reached, or closed the connection; `http`, `sns`, `lambda` through the emulator, `rust` that answers down.
        Connection = "connection",
        /// A status from 400 to 499; `http`.
        Status4xx = "status_4xx",
        /// A status from 500 to 599; `http`.
        Status5xx = "status_5xx",
        /// An invalid answer; `http`, `lambda`.
        BadAnswer = "bad_answer",
        /// The function answered with an error, or reported failed messages; `lambda`.
        FunctionError = "function_error",
        /// No runtime process could be started; `lambda`.
        InitError = "init_error",
        /// The runtime process ended during the call; `lambda`.
        Crash = "crash",
        /// An exit code other than that of done; `exec`.
        ExitCode = "exit_code",
        /// Ended by a signal; `exec`.
        Signal = "signal",
        /// The program could not be started, or its files could not be created; `exec`.
        Spawn = "spawn",
        /// Refused: the topic, the permission, the key or the message; `sns`.
        Refused = "refused",
    }
}

label! {
    /// The activity of a handler's process.
    pub enum ProcessState = "state" {
        /// It was started, and has not asked for an invocation yet; `lambda`.
        Starting = "starting",
        /// It waits for an invocation; `lambda`.
        Idle = "idle",
        /// It runs a call.
        Busy = "busy",
        /// It failed, and its replacement is started after a pause; `lambda`.
        Waiting = "waiting",
    }
}

label! {
    /// The cause of the end of a handler's process.
    pub enum ProcessExit = "cause" {
        /// Its work was done, or the worker stopped.
        Expected = "expected",
        /// It ended by itself unexpectedly; a program that was started for one message, by a signal.
        Crashed = "crashed",
        /// The worker ended it: a time limit passed, or it violated the protocol.
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
    fn every_label_has_its_index_in_all() {
        assert_indexed::<Ending>();
        assert_indexed::<PauseCause>();
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
