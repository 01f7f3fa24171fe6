//! Brings the metrics of a queue to the states whose series and bytes docs/metrics.md names.

use std::time::Duration;

use longshore::{
    Metrics,
    internals::{
        Action, CallMetrics, CallResult, ConsumerMetrics, Counts, Ending, FailureCause, GroupTally,
        HandlerKind, HandlerMetrics, InProgress, Label as _, LeaseMetrics, MetricScope, NotificationMetrics,
        Notified, Occasion, ProcessMetrics, ProcessState, PublishMetrics, QueueDepth, RunningCalls,
        SettleMetrics,
    },
};
use tokio::time::Instant;

/// How much of its metrics a queue has used.
#[derive(Clone, Copy, Debug)]
pub(crate) enum QueueUse {
    Open,
    Working,
    SeenAll,
}

/// Brings so many queues to a state, which they reach from the ones before it.
pub(crate) fn reach_all(metrics: &Metrics, queues: usize, state: QueueUse) {
    for number in 0..queues {
        let kind = HandlerKind::ALL[number % HandlerKind::ALL.len()];
        reach(&metrics.queue(&format!("queue-{number:04}"), "shop-production-queue"), kind, state);
    }
}

/// The number of series in a scrape.
pub(crate) fn series(text: &str) -> usize {
    text.lines().filter(|line| !line.starts_with('#')).count()
}

fn reach(queue: &MetricScope, kind: HandlerKind, state: QueueUse) {
    match state {
        QueueUse::Open => {
            queue.group::<HandlerMetrics>().info.of(kind).set(1);
            queue.group::<ConsumerMetrics>();
            queue.group::<CallMetrics>();
            queue.group::<LeaseMetrics>();
            queue.group::<SettleMetrics>().show(&InProgress::default());
            depth(queue).polled(Counts::default());
        }
        QueueUse::Working => {
            let metrics = queue.group::<ConsumerMetrics>();
            metrics.queue_wait.observe(0.3);
            metrics.process_time.of(Ending::Done).observe(0.2);
            metrics.process_time.of(Ending::Retry).observe(0.2);
            for action in [Action::Receive, Action::Delete, Action::GiveBack, Action::Attributes] {
                queue.group::<CallMetrics>().called(action, CallResult::Ok, Instant::now());
            }
        }
        QueueUse::SeenAll => see_all(queue),
    }
}

fn depth(queue: &MetricScope) -> QueueDepth {
    let depth = QueueDepth::in_scope(queue, 10, RunningCalls::in_scope(queue));
    depth.polls_every(Duration::from_secs(30));
    depth.kept_for(Duration::from_hours(96));
    depth
}

fn see_all(queue: &MetricScope) {
    drop(GroupTally::in_scope(queue).hold("tenant"));
    let depth = depth(queue);
    depth.polled(Counts::default());
    depth.dlq_polled(1);
    depth.worked(Some(1.0));
    for ending in Ending::ALL {
        queue.group::<ConsumerMetrics>().process_time.of(*ending).observe(1.0);
    }
    queue.group::<HandlerMetrics>().failures.begin(FailureCause::ALL);
    for occasion in Occasion::ALL {
        queue.group::<NotificationMetrics>().notifications.of(*occasion).of(Notified::Sent).inc();
    }
    queue.group::<ProcessMetrics>().processes.begin(ProcessState::ALL);
    for result in CallResult::ALL {
        queue.group::<PublishMetrics>().published(*result, Instant::now());
        for action in Action::ALL {
            queue.group::<CallMetrics>().called(*action, *result, Instant::now());
        }
    }
}
