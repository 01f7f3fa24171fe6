//! Metrics of receives and of the calls of the handler.

use crate::telemetry::{
    ByLabel, Each, Ending, Histogram, IntCounter, IntGauge, Label as _, Lazily, PauseCause, SecondsSince,
    metric_group,
};

/// From a few milliseconds to the twelve hours that a message may be held.
///
/// From 10 s on each bound is at most 1.5 times the one before, from 30 s on at most 1.43 times, so that the quantile of
/// equal jobs is less than 22 % off; the steps below are larger, since each kind of ending has all of them.
const PROCESS_SECONDS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 21.0, 30.0, 42.0, 60.0, 84.0, 120.0,
    160.0, 220.0, 300.0, 420.0, 540.0, 720.0, 900.0, 1_260.0, 1_800.0, 2_520.0, 3_600.0, 5_040.0, 7_200.0,
    10_080.0, 14_400.0, 20_160.0, 28_800.0, 36_000.0, 43_200.0,
];
/// From a few milliseconds to the days that a message may wait.
const WAIT_SECONDS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0];

metric_group! {
    /// Metrics of one queue's receives and of the calls of its handler.
    pub struct ConsumerMetrics {
        /// Messages received, every receive of a message counted.
        pub consumed: IntCounter = "messaging_client_consumed_messages_total"
            ["queue", "messaging_system", "messaging_operation_name" = "receive", "messaging_destination_name"];
        /// Messages whose handler was started, or was to be started and was not for want of resources.
        pub started: IntCounter = "longshore_messages_started_total" ["queue"];
        /// Messages whose handler ended, by ending.
        pub ended: Each<Ending, IntCounter> = "longshore_messages_ended_total" ["queue", "ending"];
        /// Messages kept to run here again, because the worker was short of descriptors, processes or memory, or the handler not available; each time counts.
        pub kept: IntCounter = "longshore_messages_kept_total" ["queue"];
        /// Messages given back before their handler started: at a stop, when an operator pauses the queue, when the worker is cordoned, while the handler is down, or not available for long, or the worker short of resources for long, or because an earlier message of their FIFO group must be retried first.
        pub given_back: IntCounter = "longshore_messages_given_back_total" ["queue"];
        /// Duration of the call of the handler, by its ending for the message; a batch counts once for each of its messages.
        pub process_time: ByLabel<Ending, Histogram> = "messaging_process_duration_seconds"
            ["queue", "messaging_system", "messaging_operation_name" = "process", "messaging_destination_name", "error_type"]
            buckets PROCESS_SECONDS;
        /// Time from the sending of a message to the start of its handler, by the clocks of SQS and of the worker.
        pub queue_wait: Lazily<Histogram> = "longshore_queue_wait_seconds" ["queue"] buckets WAIT_SECONDS;
        /// Messages in a call of the handler now.
        pub running: IntGauge = "longshore_messages_running" ["queue"];
        /// Calls of the handler running now; a batch is one.
        pub calls_running: IntGauge = "longshore_handler_calls_running" ["queue"];
        /// The most calls of the handler that may run at once.
        pub concurrency: IntGauge = "longshore_concurrency" ["queue"];
        /// Permits for held messages, beyond which no more are received: the concurrency and the prefetch. More are held for a while after the automatic prefetch shrank.
        pub permits: IntGauge = "longshore_permits" ["queue"];
        /// Receives in progress now.
        pub pollers: IntGauge = "longshore_pollers" ["queue"];
        /// Seconds since a receive was last answered, empty or not; also grows while no permit is free.
        pub poll_age: SecondsSince = "longshore_seconds_since_successful_receive" ["queue"];
        /// 1 while polling is paused for this reason, else 0: the handler is down, its calls fail in a row or too often, the worker is short of descriptors, processes or memory, it is cordoned and leaves, or an operator has paused the queue.
        pub(crate) paused: Each<PauseCause, IntGauge> = "longshore_polling_paused" ["queue", "reason"];
    }
}

impl ConsumerMetrics {
    /// The messages that have ended since the start; calls that did not reach the handler do not count.
    pub fn messages_worked(&self) -> u64 {
        let endings = Ending::ALL.iter().filter(|ending| **ending != Ending::Down);
        endings.map(|ending| self.ended.of(*ending).get()).sum()
    }
}
