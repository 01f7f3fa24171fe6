//! The labels of messages and of what is told of them.

use super::{Label, label};

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

impl Ending {
    /// What OpenTelemetry calls the kind of error: empty where there was none.
    pub(in crate::telemetry) fn error_type(self) -> &'static str {
        match self {
            Self::Done => "",
            _ => self.as_str(),
        }
    }
}
