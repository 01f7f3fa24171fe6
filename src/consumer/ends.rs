//! Reports how messages ended: to the log, the metrics and the observers of calls.

use std::{sync::Arc, time::Duration};

use tracing::{Level, enabled};

use super::{
    call::{CallObserver, MessageEnd},
    disposition::{Conclusion, Disposition, DispositionRules},
    prepare::HeldMessage,
};
use crate::{
    consumer::metrics::ConsumerMetrics,
    telemetry::{Ending, FailureCause, Label as _, MetricScope, events},
};

/// Reports the ends of one queue's messages.
pub(super) struct EndReporter {
    pub(super) queue: Arc<str>,
    pub(super) scope: MetricScope,
    pub(super) metrics: Arc<ConsumerMetrics>,
    pub(super) observers: Arc<[Arc<dyn CallObserver>]>,
}

/// The conclusion of a message's call, and what a report says beside it.
#[derive(Clone, Copy)]
pub(super) struct ConcludedCall<'a> {
    pub(super) conclusion: &'a Conclusion,
    pub(super) rules: DispositionRules,
    pub(super) took: Duration,
    /// The cause of the call's failure, if it failed.
    pub(super) cause: Option<FailureCause>,
}

impl EndReporter {
    /// Reports the end of a message's call.
    pub(super) fn report(&self, held: &HeldMessage, end: &ConcludedCall<'_>) {
        self.log(held, end);
        self.observe(held, end);
    }

    /// Logs and counts the end of a message's call.
    pub(super) fn log(&self, HeldMessage { message, lease, .. }: &HeldMessage, end: &ConcludedCall<'_>) {
        let ConcludedCall { conclusion, rules, took, cause } = *end;
        let Conclusion { ending, reason, .. } = conclusion;
        // The trace is looked up only for a line that will be logged.
        let is_logged = *ending != Some(Ending::Done) || enabled!(Level::DEBUG);
        let _trace = is_logged.then(|| lease.enter_trace()).flatten();
        let (queue, message_id, receive_count) = (&*self.queue, &message.id, message.receive_count);
        let Some(ending) = *ending else {
            let cause = cause.map(FailureCause::as_str);
            return events::MessageKept { queue, message_id, cause, reason, receive_count }
                .emit(&self.metrics.kept, self.scope.warnings());
        };
        let trace = lease.trace().map(|trace| trace.context());
        self.metrics.process_time.of(ending).observe_in(trace, took.as_secs_f64());
        let end = events::MessageEnded {
            queue,
            message_id,
            ending,
            cause: cause.filter(|_| ending.is_failure()),
            reason,
            took,
            attempt: events::Attempt { receive_count, max_receive_count: rules.max_receive_count },
            sent_at: message.sent_at.filter(|_| is_logged),
            retry_in: rules.retry_in(conclusion, receive_count),
        };
        end.emit(&self.metrics.ended, self.scope.warnings());
    }

    fn observe(&self, HeldMessage { message, lease, .. }: &HeldMessage, end: &ConcludedCall<'_>) {
        let ConcludedCall { conclusion, rules, took, .. } = *end;
        let Conclusion { ending: Some(ending), reason, disposition } = conclusion else { return };
        let is_exhausted =
            *disposition != Disposition::Delete && rules.is_exhausted(conclusion, message.receive_count);
        let end = MessageEnd { message, ending: *ending, reason, took, trace: lease.trace() };
        for observer in &*self.observers {
            observer.message_ended(&end);
            if is_exhausted {
                observer.message_exhausted(&end);
            }
        }
    }
}
