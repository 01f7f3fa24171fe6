//! Messages on their way through the handler: started, noted, and handed on to be settled.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{Instrument as _, Level, Span, enabled, field::display};

use super::{
    Engine,
    buffer::Group,
    disposition::{Called, Ended, Next, Verdict, in_group_order},
    fifo::Successor,
    prepare::HeldMessage,
};
use crate::{
    consumer::settle::Rejection,
    ecs::CallsInFlight,
    handler::Placement,
    message::Message,
    sns::notifications::Notice,
    tasks,
    telemetry::{Ending, events, traces::Process},
};

impl Engine {
    /// Starts as many calls as there are free slots and messages for.
    pub(super) fn start_waiting(&self) {
        while let Some(batch) = self.start_next() {
            // The slot has its guard before the future is handed over, which might never be polled.
            let work = Slot { engine: self.clone() }.work(batch);
            match self.0.handler.placement() {
                Placement::CallerRuntime => tasks::detach_on(&self.0.caller, "work", work),
                Placement::EngineThread => tasks::detach_on(&self.0.runtime, "work", work),
            };
        }
    }

    fn start_next(&self) -> Option<Vec<HeldMessage>> {
        let mut batch = self.slots().start(Instant::now())?;
        for HeldMessage { lease, group, .. } in &mut batch {
            if let Some(group) = group {
                lease.add_dependent(Box::new(Successor::new(self.clone(), group.clone())));
            }
        }
        Some(batch)
    }

    fn note_start(&self, batch: &[HeldMessage]) {
        let metrics = &self.0.metrics;
        metrics.started.inc_by(batch.len() as u64);
        metrics.running.add(signed(batch.len()));
        metrics.calls_running.inc();
        for HeldMessage { message, .. } in batch {
            if let Some(age) = message.age() {
                metrics.queue_wait.observe(age.as_secs_f64());
            }
        }
    }

    fn note_end(&self, batch: &[HeldMessage], ended: &[Ended], took: Duration) {
        self.0.metrics.running.sub(signed(batch.len()));
        self.0.metrics.calls_running.dec();
        self.flow().ended(took, batch.len(), Instant::now());
        self.0.metrics.call_ended(ended.iter().map(|ended| ended.ending));
        for (waiting, ended) in batch.iter().zip(ended) {
            self.report_end(waiting, ended, took);
            self.notify(waiting, ended, took);
        }
        if let Some(down) = ended.iter().find(|ended| ended.ending == Ending::Down) {
            self.handler_is_down(&down.reason);
        } else {
            self.0.metrics.work_seconds.inc_by(took.as_secs_f64());
            self.0.availability.handler_answered();
        }
    }

    /// The span of a call, and how it is told of as part of a trace if it is.
    fn process(&self, batch: &[HeldMessage]) -> (Span, Option<Process>) {
        let queue = &*self.0.name;
        if let Some(traces) = &self.0.traces {
            return traces.process(queue, batch.iter().map(|waiting| &*waiting.message));
        }
        let message_id = batch.first().map(|first| display(&first.message.id));
        let span = match batch.len() {
            // Every field of a span costs its formatting.
            1 => tracing::info_span!("process", queue, message_id),
            messages => tracing::info_span!("process", queue, message_id, messages),
        };
        (span, None)
    }

    /// Decides what becomes of messages whose call has ended, tells of it, and hands them on.
    fn conclude(&self, batch: Vec<HeldMessage>, called: Called, took: Duration, process: Option<&Process>) {
        let mut ended = called.each(batch.iter().map(|waiting| &waiting.lease));
        self.decide(&batch, &mut ended);
        let _lines = process.map(|process| process.trace().context().enter());
        if let Some(process) = process {
            process.ended(ended.iter().map(|ended| (ended.ending, ended.reason.as_str())));
        }
        self.note_end(&batch, &ended, took);
        self.settle_in_order(batch.into_iter().zip(ended));
    }

    fn report_end(&self, HeldMessage { message, lease, .. }: &HeldMessage, ended: &Ended, took: Duration) {
        let Ended { ending, reason, .. } = ended;
        // Nobody looks for the trace of a line that is not written.
        let is_told = *ending != Ending::Done || enabled!(Level::DEBUG);
        let _lines = is_told.then(|| lease.enter_trace()).flatten();
        let (queue, message_id, receive_count) = (&*self.0.name, &message.id, message.receive_count);
        events::MessageEnded { queue, message_id, ending: *ending, reason, took, receive_count }
            .emit(&self.0.metrics);
    }

    fn notify(&self, HeldMessage { message, lease, .. }: &HeldMessage, ended: &Ended, took: Duration) {
        let trace = lease.trace();
        if let Some(notifier) = &self.0.notifier {
            let Ended { ending, reason, .. } = ended;
            notifier.ended(&Notice { message, ending: *ending, reason, took, trace });
        }
    }

    /// Decides when messages come again that do, and keeps every group in its order.
    fn decide(&self, batch: &[HeldMessage], ended: &mut [Ended]) {
        for (HeldMessage { message, group, .. }, ended) in batch.iter().zip(ended.iter_mut()) {
            let is_retry = match ended.next {
                Next::Retry => true,
                Next::Reject => !self.0.settler.copies_rejects(),
                Next::Delete | Next::GiveBack(_) | Next::Leave => false,
            };
            if is_retry {
                ended.next = Next::GiveBack(self.retry_delay(message, group.as_ref()));
            }
        }
        let verdicts = batch.iter().zip(ended).map(|(HeldMessage { message, group, .. }, ended)| Verdict {
            group: group.as_ref(),
            is_last_try: self.is_last_try(message),
            ended,
        });
        for (group, delay) in in_group_order(verdicts) {
            self.fail_group_for(&group, delay);
        }
    }

    fn retry_delay(&self, message: &Message, group: Option<&Group>) -> Duration {
        // SQS moves it to the dead-letter queue, and until then its group cannot be received.
        let is_moved = group.is_some() && self.is_last_try(message);
        if is_moved { Duration::ZERO } else { self.0.options.retry.random_delay(message.receive_count) }
    }

    pub(super) fn settle(
        &self,
        HeldMessage { message, mut lease, group, .. }: HeldMessage,
        Ended { next, reason, .. }: Ended,
    ) {
        match next {
            Next::Delete => self.0.settler.delete(lease),
            Next::GiveBack(delay) => {
                if self.is_last_try(&message) {
                    lease.release_dependents();
                }
                self.0.settler.change_visibility(lease, delay);
            }
            Next::Reject => {
                // Copied or not, it will not run again.
                if self.is_last_try(&message) {
                    lease.release_dependents();
                }
                let retry_in = self.retry_delay(&message, group.as_ref());
                self.0.settler.reject(lease, message, Rejection { reason, retry_in });
            }
            Next::Retry => self.0.settler.change_visibility(lease, Duration::ZERO),
            Next::Leave => drop(lease),
        }
    }

    /// Takes out what was lost at the last moment, and what must not overtake it.
    fn still_held(&self, batch: Vec<HeldMessage>) -> Vec<HeldMessage> {
        if batch.iter().all(|waiting| waiting.lease.is_held()) {
            return batch;
        }
        let mut held = Vec::with_capacity(batch.len());
        let (mut lost_groups, mut behind) = (Vec::new(), Vec::new());
        for waiting in batch {
            if !waiting.lease.is_held() {
                self.report_end(&waiting, &Ended::lease_lost(), Duration::ZERO);
                lost_groups.extend(waiting.group.clone());
            } else if waiting.group.as_ref().is_some_and(|group| lost_groups.contains(group)) {
                behind.push(waiting);
            } else {
                held.push(waiting);
            }
        }
        self.give_back_unrun(behind, Duration::ZERO);
        held
    }
}

/// Gauges count in signed numbers; no batch is near the limit of theirs.
fn signed(messages: usize) -> i64 {
    i64::try_from(messages).unwrap_or(i64::MAX)
}

/// A running call's slot, free again at its drop, even if that drop is a panic's.
struct Slot {
    engine: Engine,
}

impl Slot {
    /// Takes messages through their handler.
    async fn work(self, batch: Vec<HeldMessage>) {
        let engine = &self.engine;
        let mut batch = engine.still_held(batch);
        if batch.is_empty() {
            return;
        }
        let began = Instant::now();
        let _working = engine.0.busy.as_ref().map(CallsInFlight::begin);
        engine.note_start(&batch);
        let (span, process) = engine.process(&batch);
        let trace = process.as_ref().map(|process| process.trace().clone());
        if let Some(trace) = &trace {
            for waiting in &mut batch {
                waiting.lease.set_trace(trace.clone());
            }
        }
        let called = engine.call(&batch, trace).instrument(span).await;
        engine.conclude(batch, called, began.elapsed(), process.as_ref());
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let is_idle = {
            let mut slots = self.engine.slots();
            slots.ended();
            slots.is_idle()
        };
        self.engine.start_waiting();
        if is_idle {
            // Nothing else is running that could fill up the batch.
            self.engine.0.settler.flush_now();
            self.engine.0.idle.notify_waiters();
        }
    }
}
