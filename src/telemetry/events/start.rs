//! Events of the start: what is opened, what listens, and what seems amiss with it.

use std::{error::Error, io, net::SocketAddr};

use tokio::task::JoinError;

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

events! {
    STOP = "The stop";

    /// A signal asked for the orderly stop.
    info DrainSignalled<'a>: "draining, a second signal stops at once" {
        /// Its name.
        signal: &'a str,
    }

    /// A second signal came.
    warn HaltSignalled<'a>: "stopping at once, what is held comes back after its visibility" {
        /// Its name.
        signal: &'a str,
    }

    /// A part of the worker ended by itself; what is held is drained.
    error TaskEnded<'a>: "a task ended that must not, draining" {
        /// The name of the task.
        task: &'a str,
    }

    /// A part without which no lease is kept or no answer sent ended by itself.
    error FatalTaskEnded<'a>: "a task ended that must not, stopping at once" {
        /// The name of the task.
        task: &'a str,
    }

    /// The receive loop panicked.
    error ReceiveLoopBroken<'a>: "receive loop ended badly" {
        /// The queue's configured name.
        queue: &'a str,
        /// The panic.
        error: &'a JoinError as %,
    }

    /// The handlers' part of the drain limit is over.
    warn HandlersCancelled: "the drain limit is all but over, running handlers are cancelled" {
        /// The drain limit.
        limit_seconds: f64,
    }

    /// A cancelled handler does not yield.
    error HandlerBlocks: "a handler blocks its thread and cannot be stopped, hint: never block in async code" {}

    /// Answers were left over; what they were about comes back after its visibility.
    error AnswersLeft: "not every outcome could be settled" {
        /// The time limit.
        limit_seconds: f64,
    }

    /// A handler's own processes outlast the stop.
    error HandlerNotClosed: "a handler did not end what it has running" {
        /// The time limit.
        limit_seconds: f64,
    }

    /// The worker has ended.
    info WorkerDrained: "drained" {
        /// The messages still held, or done and not deleted; they come back after their visibility timeout.
        held: usize,
    }

    /// The engine thread outlived the future that awaits it.
    debug EngineThreadUnawaited: "the engine thread ended and nothing waited for it" {}
}

events! {
    TRACES = "Traces";

    /// Spans did not reach the collector, or more ended than can wait; logged once a minute at most.
    warn SpansLost<'a>: "traces are lost on their way to the collector, hint: check OTEL_EXPORTER_OTLP_ENDPOINT and the collector" {
        /// The number since the last such line.
        spans: u64,
        /// Why.
        reason: &'a str,
    }

    /// Spans reach the collector that did not for a while.
    info CollectorBack: "traces reach the collector again" {}

    /// The stop did not wait for the last spans.
    warn SpansLeft: "the collector took too long at the stop, and traces are lost" {
        /// The number of spans.
        spans: usize,
        /// The time limit.
        limit_seconds: f64,
    }

    /// Nobody waits any more for what was sent at once for the sake of a stop.
    debug FlushUnawaited: "traces were flushed with nobody waiting any more" {}

    /// ECS does not say which task this is.
    warn TraceOriginUnknown<'a>: "the task is not known, the traces do not name it" {
        /// Why.
        error: &'a (dyn Error + 'static) as %,
    }
}
