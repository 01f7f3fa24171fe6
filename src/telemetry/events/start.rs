//! Events of the start, the servers, the stop and the traces.

use std::{error::Error, net::SocketAddr};

use tokio::task::JoinError;

use super::events;
use crate::{
    queue::QueueError,
    telemetry::{ConnectionFault, Each, IntCounter, Label as _},
};

events! {
    START = "The start, and the servers";

    /// The worker starts.
    info Starting<'a>: "longshore starts" {
        /// Its version.
        version: &'a str,
        /// The configuration file, or `none`.
        configuration: &'a str,
        /// The configured names of its queues.
        queues: &'a str,
    }

    /// A flag gives a setting another value than the file or the environment.
    info SettingOverridden<'a>: "a flag overrides a setting" {
        /// The sentence that names the flag, the setting and its origin.
        details: &'a str,
    }

    /// A queue cannot be opened for a reason that may pass, and the call is repeated; logged once for each reason, whatever the number of queues and attempts.
    warn StartDelayed<'a>: "sqs does not answer yet" {
        /// The configured name of the first queue with this reason.
        queue: &'a str,
        /// The error.
        error: &'a QueueError as %,
        /// The fix, where it is known.
        hint: Option<&'a str>,
    }

    /// A queue does not exist yet, and its section has `missing = "wait"`.
    warn QueueMissing<'a>: "the queue does not exist yet and is consumed once it does" {
        /// The queue's configured name.
        queue: &'a str,
        /// The error.
        error: &'a (dyn Error + 'static) as %,
    }

    /// A queue that was missing at the start cannot be opened for another reason; logged once for each reason.
    error QueueNotOpened<'a>: "the queue cannot be opened, and is tried again" {
        /// The queue's configured name.
        queue: &'a str,
        /// The error.
        error: &'a (dyn Error + 'static) as %,
    }

    /// A queue that was missing at the start is one that another consumer has; it is not consumed twice.
    error QueueDuplicate<'a>: "the queue has a consumer already" {
        /// The queue's configured name.
        queue: &'a str,
        /// The error.
        error: &'a (dyn Error + 'static) as %,
    }

    /// A queue is open.
    info QueueOpened<'a>: "queue opened" {
        /// The queue's configured name.
        queue: &'a str,
        /// Its ARN.
        arn: &'a str,
        /// The ARN of the DLQ that its redrive policy names.
        dlq: &'a str,
        /// The number of receives after which a message moves there.
        max_receive_count: u32,
    }

    /// A queue is open that has no redrive policy, only a DLQ for rejected messages.
    warn QueueKeepsFailures<'a>: "queue opened, and it has no redrive policy: failing messages come back until their retention ends" {
        /// The queue's configured name.
        queue: &'a str,
        /// Its ARN.
        arn: &'a str,
    }

    /// A queue is open that has neither a redrive policy nor a DLQ.
    warn QueueKeepsAll<'a>: "queue opened, and it has no redrive policy: failing and rejected messages come back until their retention ends" {
        /// The queue's configured name.
        queue: &'a str,
        /// Its ARN.
        arn: &'a str,
    }

    /// A queue is open whose attributes the worker may not read.
    warn QueueUndescribed<'a>: "not allowed to ask for the queue's attributes, so that rejected messages are retried unless a dlq is configured, hint: grant sqs:GetQueueAttributes" {
        /// The queue's configured name.
        queue: &'a str,
    }

    /// Rejected messages are copied to this DLQ.
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
        /// The error.
        error: &'a QueueError as %,
    }

    /// The redrive policy has changed while the queue is consumed; the new one applies.
    info RedriveChanged<'a>: "the redrive policy has changed" {
        /// The queue's configured name.
        queue: &'a str,
        /// The ARN of the DLQ that it names.
        dlq: &'a str,
        /// The number of receives after which a message moves there.
        max_receive_count: u32,
    }

    /// The queue has lost its redrive policy while it is consumed.
    warn RedriveRemoved<'a>: "the queue has no redrive policy any more: failing messages come back until their retention ends" {
        /// The queue's configured name.
        queue: &'a str,
    }

    /// The DLQ of a new redrive policy cannot be used.
    warn RedriveUnusable<'a>: "the dlq of the new redrive policy cannot be used: rejected messages are retried" {
        /// The queue's configured name.
        queue: &'a str,
        /// The error.
        error: &'a (dyn Error + 'static) as %,
    }

    /// A queue has got a DLQ while a handler of bodies alone consumes it: the messages lack the attributes that copies need.
    warn DlqAtNextStart<'a>: "the queue has a dlq now: rejected messages are retried until the next start, and then copied to it" {
        /// The queue's configured name.
        queue: &'a str,
    }

    /// In a pod the settings lack the time that Kubernetes waits before it kills the container.
    warn GracePeriodUnknown: "kubernetes.termination_grace_period is not set, and kubernetes does not pass it to containers, hint: set it to the pod's terminationGracePeriodSeconds" {
        /// The drain limit, which fits 30 s unless it is set.
        limit_seconds: f64,
    }

    /// In a pod the admin server listens on loopback, where neither the kubelet's HTTP probes nor scrapers reach it.
    warn AdminOnLoopback: "the admin server listens on loopback in a pod, where probes over http cannot reach it, hint: set admin.listen to 0.0.0.0:9090, or probe with longshore healthcheck" {
        /// The address.
        address: SocketAddr as %,
    }

    /// The admin server accepts connections.
    info AdminListens: "admin server listens" {
        /// The address.
        address: SocketAddr as %,
    }

    /// Sampled warnings were left out: their number in the last minute, or up to the stop, by queue, message and reason. The
    /// lines themselves are at the level `debug`.
    warn WarningsLeftOut<'a>: "more like this in the last minute" {
        /// The queue's configured name; absent for warnings about no queue.
        queue: Option<&'a str>,
        /// The number of warnings.
        count: u64,
        /// The message of the warnings.
        like: &'a str,
        /// Their reason; empty if they have none.
        reason: &'a str,
    }

    /// The admin server closed or refused a connection that a slow, idle or greedy client kept from others.
    sampled AdminConnectionClosed: "admin connection closed" {
        /// The reason.
        reason: ConnectionFault as %,
    }
    counts "longshore_admin_connections_closed_total" |event, closed: Each<ConnectionFault, IntCounter>| closed.of(event.reason).inc();
    sampled by |event| event.reason.as_str();

    /// The ingest API closed or refused a connection that a slow, idle or greedy client kept from others.
    debug IngestConnectionClosed: "ingest connection closed" {
        /// The reason.
        reason: ConnectionFault as %,
    }

    /// A server of `longshore dev` failed.
    error DevServerFailed<'a>: "a server of dev failed" {
        /// The error.
        error: &'a (dyn Error + 'static) as %,
    }

    /// The ingest API could not send a message; its client does not get the details of the error.
    warn SendFailed<'a>: "send through the ingest api failed" {
        /// The error.
        error: &'a (dyn Error + 'static) as %,
    }

    /// The configuration was read again after a SIGHUP.
    info ConfigurationReloaded: "configuration reloaded" {
        /// The changed settings that were applied.
        applied: usize,
        /// The changed settings that need a restart, each named by a line before this one.
        needs_restart: usize,
    }

    /// A setting has changed that cannot be applied while the worker runs.
    warn ChangeNeedsRestart<'a>: "a changed setting needs a restart" {
        /// The setting, or the section where all of it is new or gone.
        setting: &'a str,
    }

    /// A changed concurrency or pause of the reloaded configuration was refused.
    error ChangeNotApplied<'a>: "a changed setting could not be applied" {
        /// The queue's configured name.
        queue: &'a str,
        /// The error.
        error: &'a (dyn Error + 'static) as %,
    }

    /// The configuration cannot be read again, or is invalid; the settings in force stay.
    error ReloadRefused<'a>: "configuration not reloaded, the settings in force stay" {
        /// The problems.
        error: &'a str,
    }

    /// A request to pause, resume or scale a queue was refused for lack of permission.
    debug ControlRefused<'a>: "a request to control a queue was refused" {
        /// The path of the request.
        path: &'a str,
        /// The address that it came from.
        peer: &'a str,
        /// The reason.
        reason: &'a str,
    }

    /// Messages of a DLQ were sent back by a request to the admin server.
    info DlqRedriven<'a>: "messages of the dlq were redriven through the admin server" {
        /// The queue's configured name.
        queue: &'a str,
        /// The name of the DLQ.
        dlq: &'a str,
        /// Finished, came back, interrupted or failed.
        state: &'a str,
        /// The messages that were sent back.
        done: usize,
        /// Those that should be and were not, or not for certain.
        not_done: usize,
        /// Those that failed again.
        came_back: usize,
    }

    /// Messages of a DLQ were deleted by a request to the admin server.
    info DlqDeleted<'a>: "messages of the dlq were deleted through the admin server" {
        /// The queue's configured name.
        queue: &'a str,
        /// The name of the DLQ.
        dlq: &'a str,
        /// Finished, interrupted or failed.
        state: &'a str,
        /// The messages that were deleted.
        done: usize,
        /// Those that should be and were not.
        not_done: usize,
    }

    /// Standard output is closed.
    debug LineUnread<'a>: "a line could not be shown" {
        /// The error.
        error: &'a str,
    }
}

events! {
    STOP = "The stop";

    /// A signal requested the orderly stop.
    info DrainSignalled<'a>: "draining, a second signal stops at once" {
        /// The signal's name.
        signal: &'a str,
    }

    /// A second signal came.
    warn HaltSignalled<'a>: "stopping at once, held messages come back after their visibility timeout" {
        /// The signal's name.
        signal: &'a str,
    }

    /// A task of the worker ended unexpectedly; held messages are drained.
    error TaskEnded<'a>: "a task ended unexpectedly, draining" {
        /// The name of the task.
        task: &'a str,
    }

    /// A task that extends leases or settles messages ended unexpectedly.
    error FatalTaskEnded<'a>: "a task ended unexpectedly, stopping at once" {
        /// The name of the task.
        task: &'a str,
    }

    /// The receive loop panicked.
    error ReceiveLoopBroken<'a>: "receive loop panicked" {
        /// The queue's configured name.
        queue: &'a str,
        /// The panic.
        error: &'a JoinError as %,
    }

    /// A stop did not wait longer for receives in flight. Messages that they took are hidden for their visibility timeout.
    warn ReceivesCut<'a>: "receives were cut off, messages that they took come back after their visibility timeout" {
        /// The queue's configured name.
        queue: &'a str,
        /// The receives in flight.
        receives: usize,
    }

    /// The handlers' part of the drain limit is over.
    warn HandlersCancelled: "the drain limit is all but over, running handlers are cancelled" {
        /// The drain limit.
        limit_seconds: f64,
    }

    /// A cancelled handler does not yield.
    error HandlerBlocks: "a handler blocks its thread and cannot be stopped, hint: never block in async code" {}

    /// Some outcomes were not settled in time; their messages come back after their visibility timeout.
    error AnswersLeft: "not every outcome could be settled" {
        /// The time limit.
        limit_seconds: f64,
    }

    /// A handler did not close in time.
    error HandlerNotClosed: "a handler did not close in time" {
        /// The time limit.
        limit_seconds: f64,
    }

    /// A cordoned worker has finished what it ran, and stops by itself.
    info CordonedWorkerLeaves: "the cordoned worker runs nothing any more and leaves" {}

    /// The worker has ended.
    info WorkerDrained: "drained" {
        /// The messages still held, or done and not deleted; they come back after their visibility timeout.
        held: usize,
    }

    /// The engine thread outlived the future that awaits it.
    debug EngineThreadUnawaited: "the engine thread ended and nothing waited for it" {}
}

events! {
    TRACES = "Traces and metrics over OTLP";

    /// Spans did not reach the collector, or too many waited; logged once a minute at most.
    warn SpansLost<'a>: "traces are lost on their way to the collector, hint: check OTEL_EXPORTER_OTLP_ENDPOINT and the collector" {
        /// The number since the last such line.
        spans: u64,
        /// The reason.
        reason: &'a str,
    }

    /// Spans reach the collector again.
    info CollectorBack: "traces reach the collector again" {}

    /// The last spans were not sent in time at the stop.
    warn SpansLeft: "the collector took too long at the stop, and traces are lost" {
        /// The number of spans.
        spans: usize,
        /// The time limit.
        limit_seconds: f64,
    }

    /// A flush at the stop ended after its time limit.
    debug FlushUnawaited: "traces were flushed after the time limit of the stop" {}

    /// The metrics do not reach the collector over OTLP; logged once, until they do again. They are served at `/metrics` in any case.
    warn MetricsNotExported<'a>: "metrics do not reach the collector, hint: check OTEL_EXPORTER_OTLP_ENDPOINT and the collector, or set OTEL_METRICS_EXPORTER=none" {
        /// The reason.
        reason: &'a str,
    }

    /// Metrics reach the collector again, with the totals of the time between.
    info MetricsExportedAgain: "metrics reach the collector again" {}

    /// The last metrics were not sent in time at the stop.
    warn MetricsLeft: "the collector took too long at the stop, and the last metrics are lost" {
        /// The time limit.
        limit_seconds: f64,
    }

    /// The metadata of the task could not be read.
    warn TraceOriginUnknown<'a>: "the task is not known, the traces and metrics do not name it" {
        /// The error.
        error: &'a (dyn Error + 'static) as %,
    }
}
