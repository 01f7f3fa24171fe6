//! Why a worker could not start, or did not end as it should.

use std::{error::Error, io, net::SocketAddr};

use crate::{
    queue::{QueueError, sqs::credentials_fault},
    settings::Problems,
};

/// Why a worker could not start, or did not end as it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// There is nothing to consume.
    #[error("no queue to work on, hint: add a consumer")]
    NoQueue,
    /// Two consumers have one name, or work on one queue, whose messages each would take for new ones.
    #[error(
        "queue {queue}: another consumer has this name or works on this queue, hint: keep one of the two, or name one with Consumer::named"
    )]
    Twins {
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
        /// What was given.
        url: String,
        /// What is wrong with it.
        source: url::ParseError,
    },
    /// The handler could not be made.
    #[error("queue {queue}: {source}")]
    Handler {
        /// The queue's configured name.
        queue: String,
        /// What is wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The queue could not be opened.
    #[error("queue {queue}: {source}, hint: check the url, the region, the credentials and the network")]
    Queue {
        /// The queue's configured name.
        queue: String,
        /// What SQS or the network said.
        source: QueueError,
    },
    /// The queue could not be opened for want of credentials.
    #[error(
        "queue {queue}: {source}, hint: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the ECS task a task role"
    )]
    Credentials {
        /// The queue's configured name.
        queue: String,
        /// Where they were looked for.
        source: QueueError,
    },
    /// The DLQ that rejected messages were to be copied to could not be opened.
    #[error(
        "queue {queue}: dlq {dlq}: {source}, hint: check the dlq's url or name, and that the worker may call sqs:GetQueueUrl and sqs:GetQueueAttributes on it"
    )]
    Dlq {
        /// The queue's configured name.
        queue: String,
        /// The DLQ as it was given.
        dlq: String,
        /// What SQS or the network said.
        source: QueueError,
    },
    /// Rejected messages cannot go to the queue that they were to go to.
    #[error("queue {queue}: {problem}, hint: name another queue as its dlq")]
    UnfitDlq {
        /// The queue's configured name.
        queue: String,
        /// Why not.
        problem: &'static str,
    },
    /// The admin server could not listen.
    #[error(
        "cannot listen on {address}: {source}, hint: choose another address with --admin-listen or admin.listen"
    )]
    Admin {
        /// Where it was to listen.
        address: SocketAddr,
        /// Why it could not.
        source: io::Error,
    },
    /// A runtime or a signal handler could not be had from the system.
    #[error("the system refuses what the worker needs: {0}")]
    System(#[from] io::Error),
    /// A part of the worker ended that must not; what ran was drained first, if its leases could still be kept.
    #[error("internal error: the {0} task ended, hint: please report this with the log")]
    Fault(String),
}

impl WorkerError {
    /// The failure to open a queue.
    pub(super) fn not_opened(queue: &str, source: QueueError) -> Self {
        let queue = queue.to_owned();
        match credentials_fault(&source) {
            Some(_) => Self::Credentials { queue, source },
            None => Self::Queue { queue, source },
        }
    }
}
