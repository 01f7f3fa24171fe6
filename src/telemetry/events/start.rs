//! Events of the start: what is opened, what listens, and what seems amiss with it.

use std::{error::Error, io, net::SocketAddr};

use super::events;
use crate::queue::QueueError;

events! {
    START = "The start, and the servers";

    /// SQS does not answer at the start, and is tried again.
    warn StartDelayed<'a>: "sqs does not answer yet" {
        /// The error.
        error: &'a QueueError as %,
        /// The number of attempts that failed.
        attempt: u32,
    }

    /// A queue is open.
    info QueueOpened<'a>: "queue opened" {
        /// The queue's configured name.
        queue: &'a str,
        /// Its ARN.
        arn: &'a str,
        /// The ARN of the DLQ that its redrive policy names.
        dlq: &'a str,
        /// After so many receives a message moves there.
        max_receive_count: u32,
    }

    /// A queue is open, and has no redrive policy, only a DLQ for rejects.
    warn QueueKeepsFailures<'a>: "queue opened, and it has no redrive policy: failing messages come back until their retention ends" {
        /// The queue's configured name.
        queue: &'a str,
        /// Its ARN.
        arn: &'a str,
    }

    /// A queue is open, and has neither a redrive policy nor a DLQ.
    warn QueueKeepsAll<'a>: "queue opened, and it has no redrive policy: failing and rejected messages come back until their retention ends" {
        /// The queue's configured name.
        queue: &'a str,
        /// Its ARN.
        arn: &'a str,
    }

    /// A queue is open, and nothing is known of it.
    warn QueueUndescribed<'a>: "not allowed to ask for the queue's attributes, so that rejected messages are retried unless a dlq is configured, hint: grant sqs:GetQueueAttributes" {
        /// The queue's configured name.
        queue: &'a str,
    }

    /// There is a DLQ for rejects.
    info DlqOpened<'a>: "rejected messages are copied to the dlq" {
        /// The queue's configured name.
        queue: &'a str,
        /// The DLQ's ARN.
        dlq: &'a str,
    }

    /// The redrive policy names no queue.
    warn DlqUnnamed<'a>: "the redrive policy names no queue: rejected messages are retried" {
        /// The queue's configured name.
        queue: &'a str,
        /// The queue or topic that it names.
        dlq: &'a str,
    }

    /// The DLQ cannot be opened.
    warn DlqUnopened<'a>: "the dlq cannot be opened: rejected messages are retried, hint: grant sqs:GetQueueUrl, sqs:GetQueueAttributes and sqs:SendMessage on the dlq" {
        /// The queue's configured name.
        queue: &'a str,
        /// The DLQ's ARN.
        dlq: &'a str,
        /// Why.
        error: &'a QueueError as %,
    }

    /// The admin server can be asked.
    info AdminListens: "admin server listens" {
        /// The address.
        address: SocketAddr as %,
    }

    /// The admin server broke off.
    error AdminFailed<'a>: "admin server failed" {
        /// Why.
        error: &'a io::Error as %,
    }

    /// A server of `longshore dev` broke off.
    error DevServerFailed<'a>: "a server of dev failed" {
        /// Why.
        error: &'a (dyn Error + 'static) as %,
    }

    /// The ingest API could not send a message; its client does not get the details of the error.
    warn SendFailed<'a>: "send through the ingest api failed" {
        /// Why.
        error: &'a QueueError as %,
    }

    /// Nobody reads what the command prints.
    debug LineUnread<'a>: "a line could not be shown" {
        /// Why.
        error: &'a str,
    }
}
