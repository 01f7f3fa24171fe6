//! Names the messages that stand still: in a call that runs for unusually long, or without a confirmed settlement.

use std::{cmp::Reverse, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    consumer::lease::Leases,
    consumer::running::{RunningCall, RunningCalls},
    consumer::settle::{Settler, Unsettled},
    telemetry::{MetricScope, events},
};

/// The time between two looks.
const LOOK: Duration = Duration::from_secs(10);
/// The least age of a call that is named.
const LEAST_AGE: Duration = Duration::from_mins(1);
/// The age from which a call is named while no message was done of late, so that nothing is known of the usual time.
const AGE_UNKNOWN: Duration = Duration::from_mins(5);
/// The multiple of the longest call that was done of late from which a call is named.
const UNUSUAL: u32 = 2;
/// The age from which a message is named whose settlement SQS does not confirm.
const UNSETTLED_AGE: Duration = Duration::from_mins(1);

/// Watches one queue's calls and settlements.
pub(super) struct StandstillWatch {
    pub(super) queue: Arc<str>,
    pub(super) running: RunningCalls,
    pub(super) settler: Settler,
    pub(super) leases: Leases,
    pub(super) scope: MetricScope,
}

impl StandstillWatch {
    /// Watches for ever.
    pub(super) async fn run(self) {
        loop {
            sleep(LOOK).await;
            self.look(Instant::now());
        }
    }

    /// Names what stands still, and is twice as old as when it was named before.
    fn look(&self, now: Instant) {
        let limit = limit(self.running.longest_done());
        let mut calls = Vec::new();
        self.running.each(|call| {
            let age = now.saturating_duration_since(call.began);
            if is_due(age, limit, &mut call.report_at) {
                calls.push((age, call.clone()));
            }
        });
        calls.sort_by_key(|(age, _)| Reverse(*age));
        for (age, call) in calls {
            self.name_call(&call, age);
        }
        let mut settlements = Vec::new();
        self.settler.each_unsettled(|message| {
            let age = now.saturating_duration_since(message.since);
            if is_due(age, UNSETTLED_AGE, &mut message.report_at) {
                settlements.push((age, message.clone()));
            }
        });
        settlements.sort_by_key(|(age, _)| Reverse(*age));
        for (age, message) in settlements {
            self.name_settlement(&message, age);
        }
    }

    fn name_call(&self, RunningCall { first, messages, .. }: &RunningCall, age: Duration) {
        let _trace = self.leases.enter_trace_of(&first.id);
        let (queue, messages) = (&*self.queue, *messages);
        events::CallRunsLong {
            queue,
            message_id: &first.id,
            messages,
            seconds: age.as_secs_f64(),
            receive_count: first.receive_count,
        }
        .emit(self.scope.warnings());
    }

    fn name_settlement(&self, Unsettled { id, action, .. }: &Unsettled, age: Duration) {
        let _trace = self.leases.enter_trace_of(id);
        let (queue, action, seconds) = (&*self.queue, *action, age.as_secs_f64());
        events::SettlementWaits { queue, message_id: id, action, seconds }.emit(self.scope.warnings());
    }
}

/// The age from which a call is named.
fn limit(longest_done: Option<Duration>) -> Duration {
    longest_done.map_or(AGE_UNKNOWN, |longest| longest.saturating_mul(UNUSUAL).max(LEAST_AGE))
}

/// True if something of this age is to be named: at the limit first, and then whenever its age has doubled.
fn is_due(age: Duration, limit: Duration, report_at: &mut Option<Duration>) -> bool {
    let is_due = age >= report_at.unwrap_or(limit);
    if is_due {
        *report_at = Some(age.saturating_mul(2));
    }
    is_due
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_named_at_twice_the_longest_time_of_late_and_whenever_its_age_has_doubled() {
        assert_eq!(limit(None), Duration::from_mins(5));
        assert_eq!(limit(Some(Duration::from_millis(2))), Duration::from_mins(1));
        assert_eq!(limit(Some(Duration::from_hours(1))), Duration::from_hours(2));
        let mut report_at = None;
        let ages = (0..=100).map(|look| LOOK * look);
        let named: Vec<_> = ages.filter(|age| is_due(*age, LEAST_AGE, &mut report_at)).collect();
        assert_eq!(named, [60, 120, 240, 480, 960].map(Duration::from_secs));
    }
}
