//! Errors of a worker's start, and of tasks that ended in a fault.

use std::{borrow::Cow, error::Error, fmt, io, net::SocketAddr, time::Duration};

use crate::{
    aws::NO_CREDENTIALS,
    duration::Span,
    queue::{
        QueueError, RetryClass,
        sqs::{credentials_fault, is_without_region},
    },
    settings::Problems,
    start::{Missing, Patience},
};

/// The error of a worker that could not start, or that had a task end in a fault.
///
/// [`hint`](Self::hint) returns the fix.
/// Its `Debug` form is the sentence with the hint, because `main() -> Result` prints that one.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The worker has no consumer.
    #[error("no queue to consume")]
    NoQueue,
    /// Two consumers have the same name or the same queue; each would receive messages that the other holds.
    #[error("queue {queue}: another consumer has this name or this queue")]
    Duplicate {
        /// The name of the second.
        queue: String,
    },
    /// A consumer's settings cannot work.
    #[error("queue {queue}: the settings have {problems}")]
    Settings {
        /// The queue's configured name.
        queue: String,
        /// Every problem, each with its key, its value and what is allowed.
        problems: Problems,
    },
    /// The queue's address is neither a URL nor a name.
    #[error("queue {queue}: not a queue's url: {url}: {source}")]
    Address {
        /// The queue's configured name.
        queue: String,
        /// The address as given.
        url: String,
        /// The reason.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The handler could not be created.
    #[error("queue {queue}: {source}")]
    Handler {
        /// The queue's configured name.
        queue: String,
        /// The reason.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The queue could not be opened.
    #[error("queue {queue}: {source}")]
    Queue {
        /// The queue's configured name.
        queue: String,
        /// The failed call.
        source: QueueError,
    },
    /// The queue could not be opened in the time that the start has.
    #[error("queue {queue}: not opened within start.patience, which is {}: {source}", Span(*patience))]
    Unanswered {
        /// The queue's configured name.
        queue: String,
        /// The time.
        patience: Duration,
        /// The last failed call.
        source: QueueError,
    },
    /// The queue could not be opened without credentials.
    #[error("queue {queue}: {source}")]
    Credentials {
        /// The queue's configured name.
        queue: String,
        /// The failed call.
        source: QueueError,
    },
    /// Nothing names the queue's region.
    #[error("queue {queue}: {source}")]
    Region {
        /// The queue's configured name.
        queue: String,
        /// The failure.
        source: QueueError,
    },
    /// The DLQ for rejected messages could not be opened.
    #[error("queue {queue}: dlq {dlq}: {source}")]
    Dlq {
        /// The queue's configured name.
        queue: String,
        /// The DLQ as given.
        dlq: String,
        /// The failed call.
        source: QueueError,
    },
    /// The DLQ for rejected messages does not fit its queue.
    #[error("queue {queue}: {problem}")]
    UnfitDlq {
        /// The queue's configured name.
        queue: String,
        /// The reason.
        problem: &'static str,
    },
    /// The admin server could not listen.
    #[error("cannot listen on {address}: {source}")]
    Admin {
        /// The address.
        address: SocketAddr,
        /// The reason.
        source: io::Error,
    },
    /// A thread or a signal handler could not be created.
    #[error("cannot create a thread or a signal handler: {0}")]
    System(#[from] io::Error),
    /// A task ended that must not end; the worker was drained if its leases could be extended.
    #[error("internal error: the {0} task ended")]
    Fault(String),
}

impl fmt::Debug for WorkerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")?;
        match self.hint() {
            Some(hint) => write!(formatter, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl WorkerError {
    /// The likely cause and the fix, if there is one.
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        let of_queue = match self {
            Self::Queue { source, .. } | Self::Credentials { source, .. } => source.hint().map(str::to_owned),
            Self::Unanswered { source, .. } => {
                source.hint().map(|hint| format!("{hint}; start.patience is the time that the start waits"))
            }
            _ => None,
        };
        of_queue.map(Cow::Owned).or_else(|| self.general_hint().map(Cow::Borrowed))
    }

    /// The fix of every error of this variant.
    fn general_hint(&self) -> Option<&'static str> {
        match self {
            Self::NoQueue => Some("add a consumer"),
            Self::Duplicate { .. } => Some("keep one of the two, or name one with Consumer::named"),
            Self::Queue { .. } => Some("check the url, the region, the credentials and the network"),
            Self::Unanswered { .. } => {
                Some("check the url, the region, the credentials and the network, or raise start.patience")
            }
            Self::Credentials { .. } => Some(NO_CREDENTIALS),
            Self::Region { .. } => Some(
                "give the queue's url or arn, which name the region, or set region in its section, aws.region, --region or AWS_REGION",
            ),
            Self::Dlq { .. } => Some(
                "check the dlq's url or name, and that the worker may call sqs:GetQueueUrl and sqs:GetQueueAttributes on it",
            ),
            Self::UnfitDlq { .. } => Some("name another queue as its dlq"),
            Self::Admin { .. } => Some("choose another address with --admin-listen or admin.listen"),
            Self::Fault(_) => Some("please report this with the log"),
            Self::Settings { .. } | Self::Address { .. } | Self::Handler { .. } | Self::System(_) => None,
        }
    }

    /// The failure of a start with this patience.
    pub(super) fn after(self, patience: Patience) -> Self {
        match (self, patience) {
            (Self::Queue { queue, source }, Patience::For(patience))
                if source.retry_class() == RetryClass::Transient && !source.is_by_clock() =>
            {
                Self::Unanswered { queue, patience, source }
            }
            (error, _) => error,
        }
    }

    /// True if a queue, or its configured DLQ, does not exist, and its consumer waits for it.
    pub(super) fn is_waited_for(&self, missing: Missing) -> bool {
        let is_missing = match self {
            Self::Queue { source, .. } | Self::Dlq { source, .. } => source.is_missing_queue(),
            _ => false,
        };
        is_missing && missing == Missing::Wait
    }

    /// The failure to open a queue.
    pub(super) fn not_opened(queue: &str, source: QueueError) -> Self {
        let queue = queue.to_owned();
        match credentials_fault(&source) {
            Some(_) => Self::Credentials { queue, source },
            None if is_without_region(&source) => Self::Region { queue, source },
            None => Self::Queue { queue, source },
        }
    }
}
