//! The list of all metrics, from which their families and their reference page are made.

use prometheus::{CounterVec, GaugeVec, HistogramVec, IntCounterVec, IntGaugeVec, Registry};

use super::{
    Definition,
    Kind::{self, Counter, Gauge},
    family::registered,
};

/// From a few milliseconds to the twelve hours that a message may be held.
const PROCESS_SECONDS: Kind = Kind::Histogram(&[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0,
    43200.0,
]);
/// From a few milliseconds to the days that a message may wait.
const WAIT_SECONDS: Kind = Kind::Histogram(&[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0,
]);
/// From a call inside the region to the end of a long poll; few, because a queue has these for each kind of call.
const OPERATION_SECONDS: Kind = Kind::Histogram(&[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 20.0]);

macro_rules! metrics {
    ($($field:ident: $family:ty = $name:literal, $kind:expr, [$($label:literal),*], $help:literal;)*) => {
        /// Every metric, in the order of the reference page.
        pub const CATALOG: &[Definition] = &[$(
            Definition { name: $name, kind: $kind, labels: &[$($label),*], help: $help },
        )*];

        /// The families of all metrics, on one registry.
        pub(in crate::telemetry) struct Families {
            $(pub(in crate::telemetry) $field: $family,)*
        }

        impl Families {
            /// Registers them all; none has a series yet.
            pub(in crate::telemetry) fn new(registry: &Registry) -> Self {
                Self {
                    $($field: registered(registry, &Definition {
                        name: $name, kind: $kind, labels: &[$($label),*], help: $help,
                    }),)*
                }
            }
        }
    };
}

metrics! {
    consumed: IntCounterVec = "messaging_client_consumed_messages_total", Counter,
        ["queue", "messaging_system", "messaging_operation_name", "messaging_destination_name"],
        "Messages received, every receive of a message counted.";
    started: IntCounterVec = "longshore_messages_started_total", Counter, ["queue"],
        "Messages whose handler was started.";
    ended: IntCounterVec = "longshore_messages_ended_total", Counter, ["queue", "ending"],
        "Messages whose handler ended, by how.";
    given_back: IntCounterVec = "longshore_messages_given_back_total", Counter, ["queue"],
        "Messages given back before their handler started: at a stop, while the handler is down, or because an earlier message of their FIFO group is to come again first.";
    duplicates: IntCounterVec = "longshore_messages_duplicate_total", Counter, ["queue"],
        "Messages received again while this worker still ran them or after it was done with them; none was run again.";
    process_time: HistogramVec = "messaging_process_duration_seconds", PROCESS_SECONDS,
        ["queue", "messaging_system", "messaging_operation_name", "messaging_destination_name", "error_type"],
        "How long messages were in their call of the handler, by how it ended for them; a batch counts once for each of its messages.";
    work_seconds: CounterVec = "longshore_work_seconds_total", Counter, ["queue"],
        "Seconds that calls of the handler took, each call counted once however many messages it had; divided by the messages ended, the seconds of a slot that a message takes.";
    queue_wait: HistogramVec = "longshore_queue_wait_seconds", WAIT_SECONDS, ["queue"],
        "From the sending of a message to the start of its handler, by SQS's clock and ours.";
    running: IntGaugeVec = "longshore_messages_running", Gauge, ["queue"],
        "Messages in a call of the handler now.";
    calls_running: IntGaugeVec = "longshore_handler_calls_running", Gauge, ["queue"],
        "Calls of the handler running now; a batch is one.";
    concurrency: IntGaugeVec = "longshore_concurrency", Gauge, ["queue"],
        "The most calls of the handler that may run at once.";
    held: IntGaugeVec = "longshore_messages_held", Gauge, ["queue"],
        "Messages held now: waiting, running or being settled.";
    room: IntGaugeVec = "longshore_room", Gauge, ["queue"],
        "How many messages may be held before no more are asked for: the concurrency and the prefetch. More are held for a while after the automatic prefetch shrank.";
    groups_held: IntGaugeVec = "longshore_groups_held", Gauge, ["queue"],
        "Different message groups among the messages held now: the tenants of a fair queue, the groups of a FIFO queue.";
    group_held_max: IntGaugeVec = "longshore_group_messages_held_max", Gauge, ["queue"],
        "Messages held now of the message group that has most of them.";
    extensions: IntCounterVec = "longshore_lease_extensions_total", Counter, ["queue"],
        "Leases extended.";
    lost: IntCounterVec = "longshore_leases_lost_total", Counter, ["queue"],
        "Leases lost before their message was settled.";
    settled: IntCounterVec = "longshore_messages_settled_total", Counter, ["queue", "action"],
        "Messages copied to the DLQ, deleted or given back, as answered by SQS; a rejected message that was copied counts twice, as a copy and as a delete.";
    settle_retries: IntCounterVec = "longshore_settle_retries_total", Counter, ["queue", "action"],
        "Entries of copy, delete and give-back batches that failed and were tried again.";
    settle_failures: IntCounterVec = "longshore_settle_failures_total", Counter, ["queue", "action"],
        "Copies, deletes and give-backs that were given up: because the lease was lost first, or because the DLQ refused the copy.";
    notifications: IntCounterVec = "longshore_notifications_total", Counter, ["queue", "occasion", "fate"],
        "Notifications over SNS, by what they are about and what became of them.";
    calls: IntCounterVec = "longshore_api_calls_total", Counter, ["queue", "action", "result"],
        "Calls to SQS, by what they are for and how they ended.";
    sns_calls: IntCounterVec = "longshore_sns_calls_total", Counter, ["queue", "result"],
        "Publish calls to SNS, of the `sns` handler and of notifications, by how they ended.";
    operation_time: HistogramVec = "messaging_client_operation_duration_seconds", OPERATION_SECONDS,
        ["queue", "messaging_system", "messaging_operation_name", "messaging_operation_type", "messaging_destination_name", "error_type"],
        "How long calls to SQS and SNS took, by what they are for and how they failed; a receive includes its wait.";
    pollers: IntGaugeVec = "longshore_pollers", Gauge, ["queue"],
        "Receives under way now.";
    poll_age: IntGaugeVec = "longshore_seconds_since_successful_receive", Gauge, ["queue"],
        "Seconds since a receive was last answered, empty or not; grows while there is no room, too.";
    paused: IntGaugeVec = "longshore_polling_paused", Gauge, ["queue"],
        "1 while polling is paused because the handler is down, else 0.";
    queue_messages: IntGaugeVec = "longshore_queue_messages", Gauge, ["queue", "state"],
        "Messages in the queue as SQS counts them, of all workers, by state.";
    dlq_messages: IntGaugeVec = "longshore_dlq_messages", Gauge, ["queue"],
        "Messages visible in the queue's DLQ.";
    oldest_age: GaugeVec = "longshore_queue_oldest_message_age_seconds", Gauge, ["queue"],
        "Estimated age of the oldest message that waits in the queue.";
    backlog_seconds: GaugeVec = "longshore_backlog_seconds", Gauge, ["queue"],
        "How long this worker alone would need for what is visible and in flight.";
    depth_age: GaugeVec = "longshore_queue_depth_age_seconds", Gauge, ["queue"],
        "Seconds since SQS last told how many messages the queue has; since the start when it never did.";
    handler_info: IntGaugeVec = "longshore_handler_info", Gauge, ["queue", "kind"],
        "Always 1; the label tells the handler's kind.";
    handler_failures: IntCounterVec = "longshore_handler_failures_total", Counter, ["queue", "cause"],
        "Calls of the handler that failed, by what went wrong; a handler's own wish to retry or to reject counts where the kind tells it by a failure.";
    processes: IntGaugeVec = "longshore_handler_processes", Gauge, ["queue", "state"],
        "Processes of the handler now, by what they do.";
    process_starts: IntCounterVec = "longshore_handler_process_starts_total", Counter, ["queue"],
        "Processes of the handler that were started.";
    process_exits: IntCounterVec = "longshore_handler_process_exits_total", Counter, ["queue", "cause"],
        "Processes of the handler that ended, by why.";
    drain_seconds: GaugeVec = "longshore_drain_seconds", Gauge, [],
        "Seconds since the stop was asked for; 0 before.";
    drain_limit: GaugeVec = "longshore_drain_limit_seconds", Gauge, [],
        "How long a stop may take.";
    task_protected: IntGaugeVec = "longshore_task_protected", Gauge, [],
        "1 while ECS protects the task from scale-in, else 0; absent where nothing protects it.";
    cpu: CounterVec = "process_cpu_seconds_total", Counter, [],
        "Seconds of CPU that this process has used, in user and system mode.";
    resident: IntGaugeVec = "process_resident_memory_bytes", Gauge, [],
        "Bytes of memory that this process has resident.";
    open_files: IntGaugeVec = "process_open_fds", Gauge, [],
        "File descriptors that this process has open.";
    most_files: IntGaugeVec = "process_max_fds", Gauge, [],
        "The most file descriptors that this process may have open; absent where there is no limit.";
    threads: IntGaugeVec = "process_threads", Gauge, [],
        "Threads of this process.";
    start_time: GaugeVec = "process_start_time_seconds", Gauge, [],
        "When this process started, in seconds since 1970.";
    info: IntGaugeVec = "longshore_build_info", Gauge, ["version"],
        "Always 1; the label tells the version.";
}
