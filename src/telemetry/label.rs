//! The values of metric labels: closed sets, so that no message can add one.

use crate::queue::{QueueError, Verdict};

/// A closed set of label values.
pub trait Label: Copy + 'static {
    /// Every value.
    const ALL: &'static [Self];

    /// The value as it stands in the metrics.
    fn as_str(self) -> &'static str;

    /// The value's place in [`Label::ALL`].
    fn index(self) -> usize;
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl Label for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

label! {
    /// How the handling of a message ended, the worker's own endings included.
    Ending {
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
    /// A call to SQS, by what it is made for.
    Action {
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
    }
}

label! {
    /// What a notification is about.
    Occasion {
        /// The handler said done.
        Done = "done",
        /// A try failed.
        Failure = "failure",
        /// The handler rejected the message.
        Reject = "reject",
    }
}

label! {
    /// What became of a notification.
    Notified {
        /// SNS has taken it.
        Sent = "sent",
        /// It was given up: its time was over, or SNS refused it.
        Failed = "failed",
        /// It was never sent: too many waited, or the worker stopped.
        Dropped = "dropped",
    }
}

label! {
    /// How a call to SQS ended.
    CallResult {
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
    /// How a call with this answer ended.
    pub fn of<T>(answer: &Result<T, QueueError>) -> Self {
        match answer {
            Ok(_) => Self::Ok,
            Err(error) if error.is_hung() => Self::Hung,
            Err(error) if error.verdict() == Verdict::Wait => Self::Retryable,
            Err(_) => Self::Refused,
        }
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
    }
}
