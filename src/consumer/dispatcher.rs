//! The dispatcher: starts calls of the handler as slots and FIFO groups allow, and concludes their messages.

use std::{
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{runtime::Handle, sync::Notify, time::Instant};
use tracing::{Instrument as _, Span, field::display};

use super::{
    availability::{Availability, KeptForLong, PAUSE_DELAY},
    breaker::{BreakerInput, HandlerResponse, KeptFailures, KeptMessage},
    buffer::Group,
    call::{CallGuard, CallObserver, HandlerCaller},
    dispatcher_state::{CallAllowance, Demand, DispatcherLoad, DispatcherState},
    disposition::{CallEnd, Conclusion, DispositionRules, KeptFor},
    ends::{ConcludedCall, EndReporter},
    fifo::{GroupTurn, OrderedSettler},
    prepare::HeldMessage,
    slot::Slot,
};
use crate::{
    consumer::lease::{Lease, MessageStage},
    consumer::metrics::ConsumerMetrics,
    consumer::running::{CallInProgress, RunningCall, RunningCalls},
    handler::{FailureCounter, Outcome, Placement, with_cause},
    stop::Stop,
    tasks,
    telemetry::{
        Ending, FailureCause, GiveBackCause,
        spans::{CallOutcome, ProcessSpan, QueueTraces},
    },
};

/// Starts and concludes the calls of one queue; clones share one state.
#[derive(Clone)]
pub(super) struct Dispatcher(Arc<Inner>);

struct Inner {
    parts: DispatcherParts,
    state: Mutex<DispatcherState>,
    /// Notified when the last running call has ended.
    no_call: Notify,
    /// Notified when a slot becomes free and no message can take it.
    slot_idle: Arc<Notify>,
}

/// The parts of a [`Dispatcher`].
pub(super) struct DispatcherParts {
    pub(super) queue: Arc<str>,
    pub(super) caller: HandlerCaller,
    pub(super) availability: Availability,
    pub(super) settler: OrderedSettler,
    pub(super) observers: Arc<[Arc<dyn CallObserver>]>,
    pub(super) metrics: Arc<ConsumerMetrics>,
    pub(super) reporter: EndReporter,
    pub(super) failures: FailureCounter,
    pub(super) running: RunningCalls,
    pub(super) traces: Option<QueueTraces>,
    pub(super) stop: Stop,
    /// The runtime for handlers that might block.
    pub(super) callers_runtime: Handle,
    /// The runtime for everything else.
    pub(super) engine_runtime: Handle,
}

impl Dispatcher {
    pub(super) fn new(parts: DispatcherParts, state: DispatcherState, slot_idle: Arc<Notify>) -> Self {
        Self(Arc::new(Inner { parts, state: Mutex::new(state), no_call: Notify::new(), slot_idle }))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, DispatcherState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn availability(&self) -> &Availability {
        &self.0.parts.availability
    }

    /// Adds messages to the buffer, and starts the calls that may start.
    pub(super) fn dispatch(&self, messages: Vec<HeldMessage>) {
        let parts = &self.0.parts;
        // The handler's own code runs outside of the lock.
        let weighed: Vec<_> =
            messages.into_iter().map(|held| (parts.caller.weigh(&held.message), held)).collect();
        let now = Instant::now();
        let out_of_turn = self.state().push(weighed, now);
        for (held, delay) in out_of_turn {
            parts.settler.give_back(vec![held], delay, GiveBackCause::OutOfTurn);
        }
        self.give_back_if_none_starts();
        self.start_waiting(now);
    }

    /// Gives back the waiting messages at a stop, while the handler is down, while an operator has paused the queue, and once
    /// the worker is cordoned.
    pub(super) fn give_back_if_none_starts(&self) {
        let DispatcherParts { stop, availability, .. } = &self.0.parts;
        if stop.is_draining() {
            return self.give_back_waiting(Duration::ZERO, GiveBackCause::Stop);
        }
        let causes = [
            (availability.is_handler_down(), GiveBackCause::HandlerDown),
            (availability.is_paused_by_operator(), GiveBackCause::Paused),
            (availability.is_cordoned(), GiveBackCause::Cordoned),
        ];
        if let Some((_, cause)) = causes.into_iter().find(|(is_so, _)| *is_so) {
            // Not those that SQS would move to the dead-letter queue: they run here, or wait for the end of the pause.
            self.give_back_kept(KeptForLong::All, cause);
        }
    }

    /// Changes the most calls that run at once: further ones start at once, those that run beyond it go on.
    pub(super) fn set_concurrency(&self, concurrency: usize) {
        self.state().buffer.set_concurrency(concurrency);
        self.start_waiting(Instant::now());
        // The poller adapts the permits.
        self.0.slot_idle.notify_one();
    }

    /// Lets a message wait for its preparation; returns true if its group needs a task that prepares it.
    pub(super) fn line_up(&self, held: HeldMessage, group: Group) -> bool {
        self.state().unprepared.push(held, group)
    }

    /// Takes the next message of a group to prepare, with its turn; `None` ends the group's task.
    pub(super) fn next_unprepared(&self, group: &Group) -> Option<HeldMessage> {
        let (held, turn) = self.state().unprepared.next(group)?;
        Some(HeldMessage { turn: Some(turn), ..held })
    }

    /// Starts calls until no slot or no startable message is left.
    pub(super) fn start_waiting(&self, now: Instant) {
        if let Some(kept) = self.0.parts.availability.kept_for_long(now) {
            self.give_back_kept(kept, GiveBackCause::KeptForLong);
        }
        while let Some(batch) = self.start_next(now) {
            // The slot has its guard before the future is spawned, because the future might never be polled.
            let calls = Slot::taken(self.clone()).run(batch);
            let parts = &self.0.parts;
            let runtime = match parts.caller.placement() {
                Placement::CallerRuntime => &parts.callers_runtime,
                Placement::EngineThread => &parts.engine_runtime,
            };
            tasks::detach_on(runtime, "calls", calls);
        }
    }

    fn start_next(&self, now: Instant) -> Option<Vec<HeldMessage>> {
        let batch = self.state().take_startable(&self.0.parts.availability, now)?;
        Some(self.with_turns(batch))
    }

    /// Lets the later messages of each group wait until those of the batch are settled.
    pub(super) fn with_turns(&self, mut batch: Vec<HeldMessage>) -> Vec<HeldMessage> {
        for HeldMessage { lease, group, .. } in &mut batch {
            if let Some(group) = group {
                lease.add_dependent(Box::new(GroupTurn::new(self.clone(), group.clone())));
            }
        }
        batch
    }

    /// Returns the numbers on which the next receive depends.
    pub(super) fn demand(&self, now: Instant) -> Demand {
        self.state().demand(&self.0.parts.availability, now)
    }

    /// The number of messages that are being settled.
    pub(super) fn settling(&self) -> usize {
        self.0.parts.settler.pending()
    }

    /// The numbers of running calls and waiting messages.
    pub(super) fn load(&self) -> DispatcherLoad {
        self.state().load()
    }

    /// The calls that the limits allow now.
    pub(super) fn allowance(&self, now: Instant) -> CallAllowance {
        self.state().allowance(now)
    }

    /// Notes that a slot is free, for which no message waits or may start.
    pub(super) fn slot_freed(&self, DispatcherLoad { running, waiting, .. }: DispatcherLoad) {
        self.0.slot_idle.notify_one();
        if running > 0 {
            return;
        }
        if waiting == 0 {
            // No running call can add to the next batch of deletes.
            self.0.parts.settler.flush_now();
        }
        self.0.no_call.notify_waiters();
    }

    /// Waits until a slot is free for which no message waits; returns at once if that was so since the last wait.
    ///
    /// Only the poller may wait: its next receive may be due, although the messages that have ended still hold permits.
    pub(super) async fn slot_idle(&self) {
        self.0.slot_idle.notified().await;
    }

    /// Frees a slot whose call did not end normally.
    pub(super) fn free_slot(&self) {
        let load = {
            let mut state = self.state();
            state.call_ended();
            state.load()
        };
        self.slot_freed(load);
        self.start_waiting(Instant::now());
    }

    /// Stops starting calls.
    pub(super) fn close(&self) {
        self.state().close();
    }

    /// Waits until all running calls have ended.
    pub(super) async fn calls_ended(&self) {
        loop {
            let no_call = self.0.no_call.notified();
            tokio::pin!(no_call);
            no_call.as_mut().enable();
            if self.load().running == 0 {
                return;
            }
            no_call.await;
        }
    }

    /// Gives back all waiting messages, visible again after `delay`.
    pub(super) fn give_back_waiting(&self, delay: Duration, cause: GiveBackCause) {
        let waiting = self.state().take_waiting(delay);
        self.0.parts.settler.give_back(waiting, delay, cause);
    }

    /// Gives back the messages that were kept for long, except those that SQS would then move to the dead-letter queue.
    fn give_back_kept(&self, kept: KeptForLong, cause: GiveBackCause) {
        let rules = self.0.parts.settler.rules();
        let may_go = |held: &HeldMessage| match kept {
            _ if rules.is_last_attempt(held.message.receive_count) => false,
            KeptForLong::All => true,
            KeptForLong::Since(latest) => held.kept.as_ref().is_some_and(|kept| kept.is_kept_since(latest)),
        };
        let delay = PAUSE_DELAY.random_delay(1);
        let waiting = self.state().take_waiting_if(may_go, delay);
        self.0.parts.settler.give_back(waiting, delay, cause);
    }

    /// Puts back messages whose call did not get the worker's resources, or found the handler unavailable.
    fn put_back(&self, kept: Vec<(HeldMessage, Conclusion)>) {
        let (now, mut turns) = (Instant::now(), Vec::new());
        let mut weighed = Vec::with_capacity(kept.len());
        for (mut held, conclusion) in kept {
            if let Some(kept_for @ (KeptFor::Handler | KeptFor::HandlerDown)) = conclusion.kept_for() {
                held.kept = Some(Box::new(KeptMessage::again(held.kept.as_deref(), kept_for, now)));
            }
            held.waiting = Some(self.0.parts.running.wait(held.received));
            turns.append(&mut held.lease.take_dependents());
            weighed.push((self.0.parts.caller.weigh(&held.message), held));
        }
        self.state().put_back(weighed, now);
        // Only now may the group's next message start, which is the one that was put back.
        for turn in turns {
            turn.proceed();
        }
        self.give_back_if_none_starts();
    }

    /// Drops the messages whose lease was lost while they waited, which frees their permits.
    ///
    /// The messages behind them in their groups must not overtake them, and are given back.
    pub(super) fn drop_lost(&self) {
        let taken = self.state().take_lost();
        self.0.parts.settler.give_back(taken.behind, Duration::ZERO, GiveBackCause::BehindLostLease);
        drop(taken.lost);
    }

    /// Lets the later messages of a group wait until a message that does not run is settled.
    pub(super) fn occupy_group(&self, lease: &mut Lease, group: Group) {
        self.state().buffer.occupy(&group);
        lease.add_dependent(Box::new(GroupTurn::new(self.clone(), group)));
    }

    /// Gives back the messages behind a failed one of their group, which is visible again after `delay`.
    ///
    /// They become visible no sooner, because a server that does not keep groups in order would return them first.
    pub(super) fn group_failed(&self, group: &Group, delay: Duration) {
        let behind = {
            let mut state = self.state();
            state.failed_groups.expect(group, Instant::now() + delay);
            state.take_behind(group, delay)
        };
        self.0.parts.settler.give_back(behind, delay, GiveBackCause::BehindFailure);
    }

    /// Gives back the messages behind one whose preparation failed, and that is visible again after `delay`.
    ///
    /// The messages before it are prepared already, and still run.
    pub(super) fn preparation_failed(&self, group: &Group, delay: Duration) {
        let behind = {
            let mut state = self.state();
            state.failed_groups.expect(group, Instant::now() + delay);
            state.unprepared.fail(group, delay)
        };
        self.0.parts.settler.give_back(behind, delay, GiveBackCause::BehindFailure);
    }

    /// Ends the turn of a started message: the next messages of its group start, or are given back behind it.
    pub(super) fn turn_ended(&self, group: &Group, may_proceed: bool) {
        let now = Instant::now();
        let behind = {
            let mut state = self.state();
            let behind = if may_proceed {
                state.failed_groups.resolved(group);
                Vec::new()
            } else {
                state.take_behind(group, Duration::ZERO)
            };
            state.buffer.release(group, now);
            behind
        };
        self.0.parts.settler.give_back(behind, Duration::ZERO, GiveBackCause::BehindFailure);
        self.start_waiting(now);
    }

    /// Calls the handler for a batch, and takes and concludes its messages; `None` if no lease of the batch was still held.
    ///
    /// No `async fn`: its future has room for its arguments twice.
    pub(super) fn handle<'a>(
        &'a self,
        batch: &'a mut Vec<HeldMessage>,
    ) -> impl Future<Output = Option<EndedCall>> + Send + 'a {
        *batch = self.without_lost(std::mem::take(batch));
        async move {
            if batch.is_empty() {
                return None;
            }
            let parts = &self.0.parts;
            let began = Instant::now();
            let _guards: Box<[CallGuard]> =
                parts.observers.iter().filter_map(|observer| observer.call_started()).collect();
            let running = self.note_start(batch, began);
            let (span, process) = self.span_of(batch);
            if let Some(process) = &process {
                for held in &mut *batch {
                    held.lease.set_trace(process.trace().clone());
                }
            }
            let (end, cause) = {
                let trace = process.as_ref().map(|process| process.trace().clone());
                let call = pin!(parts.caller.call(batch, began, trace).instrument(span));
                with_cause(call).await
            };
            drop(running);
            // What was cut off has its cause by its end.
            let cause = cause.filter(|_| matches!(end, CallEnd::Answered(_)));
            let ended_at = Instant::now();
            let ended = EndedCall { took: ended_at - began, messages: batch.len(), at: ended_at, cause };
            self.note_response(&end, batch, &ended);
            let conclusion = self.conclude(std::mem::take(batch), end, &ended, process.as_deref());
            (conclusion == CallConclusion::Ran).then_some(ended)
        }
    }

    /// Lets the breaker know how a call ended.
    fn note_response(&self, end: &CallEnd, batch: &[HeldMessage], ended: &EndedCall) {
        let (response, reason) = HandlerResponse::of(end);
        if !self.0.parts.availability.watches(response) {
            return;
        }
        let message = batch.first().filter(|_| batch.len() == 1).map(|held| &held.message.id);
        let (began, running) = (ended.at - ended.took, self.load().running.saturating_sub(1));
        let call = BreakerInput { response, reason: &reason, message, began, ended: ended.at, running };
        self.0.parts.availability.call_ended(&call);
    }

    /// Removes the messages whose lease has been lost, and gives back those that must not overtake them.
    fn without_lost(&self, batch: Vec<HeldMessage>) -> Vec<HeldMessage> {
        if batch.iter().all(|held| held.lease.is_held()) {
            return batch;
        }
        let mut kept = Vec::with_capacity(batch.len());
        let (mut lost_groups, mut behind) = (Vec::new(), Vec::new());
        for held in batch {
            if !held.lease.is_held() {
                let (lost, rules) = (Conclusion::lease_lost(), self.0.parts.settler.rules());
                let end = ConcludedCall { conclusion: &lost, rules, took: Duration::ZERO, cause: None };
                self.0.parts.reporter.log(&held, &end);
                lost_groups.extend(held.group.clone());
            } else if held.group.as_ref().is_some_and(|group| lost_groups.contains(group)) {
                behind.push(held);
            } else {
                kept.push(held);
            }
        }
        self.0.parts.settler.give_back(behind, Duration::ZERO, GiveBackCause::BehindLostLease);
        kept
    }

    fn note_start(&self, batch: &mut [HeldMessage], began: Instant) -> Option<CallInProgress> {
        let DispatcherParts { metrics, running, .. } = &self.0.parts;
        metrics.started.inc_by(batch.len() as u64);
        metrics.running.add(signed(batch.len()));
        metrics.calls_running.inc();
        for held in &mut *batch {
            held.waiting = None;
            held.lease.note_at(MessageStage::Started, began);
            if let Some(age) = held.message.age() {
                metrics.queue_wait.observe(age.as_secs_f64());
            }
        }
        let (messages, first) = (batch.len(), batch.first()?.message.clone());
        Some(running.begin(RunningCall { began, messages, first, report_at: None }))
    }

    /// The span of a call, and its trace while traces are on.
    fn span_of(&self, batch: &[HeldMessage]) -> (Span, Option<Box<ProcessSpan>>) {
        let queue = &*self.0.parts.queue;
        if let Some(traces) = &self.0.parts.traces {
            let max_receive_count = self.0.parts.settler.rules().max_receive_count;
            return traces.process(queue, max_receive_count, batch.iter().map(|held| &*held.message));
        }
        let message_id = batch.first().map(|first| display(&first.message.id));
        let span = match batch.len() {
            // Every field of a span costs its formatting.
            1 => tracing::info_span!("process", queue, message_id),
            messages => tracing::info_span!("process", queue, message_id, messages),
        };
        (span, None)
    }

    /// Decides the dispositions of an ended call's messages, reports them, and settles them.
    fn conclude(
        &self,
        batch: Vec<HeldMessage>,
        end: CallEnd,
        ended: &EndedCall,
        process: Option<&ProcessSpan>,
    ) -> CallConclusion {
        let settler = &self.0.parts.settler;
        let availability = &self.0.parts.availability;
        let facts = batch.iter().map(|held| {
            held.facts(availability.kept_failures(&held.message.id, held.kept.as_deref().copied(), ended.at))
        });
        let rules = settler.rules();
        let (conclusions, failed_groups) = rules.conclude(end, facts);
        for (group, delay) in failed_groups {
            self.group_failed(&group, delay);
        }
        let endings = conclusions.iter().filter_map(|conclusion| conclusion.ending);
        let cause = self.0.parts.failures.call_ended(endings).or(ended.cause);
        let ended = &EndedCall { cause, ..*ended };
        let _trace = process.map(|process| process.trace().context().enter());
        if let Some(process) = process {
            process.ended(batch.iter().zip(&conclusions).map(|(held, conclusion)| CallOutcome {
                message_id: &held.message.id,
                ending: conclusion.ending,
                cause,
                reason: &conclusion.reason,
                retry_in: rules.retry_in(conclusion, held.message.receive_count),
            }));
        }
        self.note_end(&batch, &conclusions, rules, ended);
        let is_kept = |conclusion: &Conclusion| conclusion.kept_for().is_some();
        if !conclusions.iter().any(is_kept) {
            let is_awaited = self.is_awaited(&batch);
            settler.settle_call(batch.into_iter().zip(conclusions));
            if is_awaited {
                settler.flush_now();
            }
            return CallConclusion::Ran;
        }
        let concluded = batch.into_iter().zip(conclusions);
        let (kept, others): (Vec<_>, Vec<_>) = concluded.partition(|(_, conclusion)| is_kept(conclusion));
        self.put_back(kept);
        settler.settle_call(others.into_iter());
        CallConclusion::FellShort
    }

    /// True if the next message of a group waits until one of the batch is settled.
    fn is_awaited(&self, batch: &[HeldMessage]) -> bool {
        let mut groups = batch.iter().filter_map(|held| held.group.as_ref());
        groups.any(|group| self.state().buffer.has_blocked(group))
    }

    fn note_end(
        &self,
        batch: &[HeldMessage],
        conclusions: &[Conclusion],
        rules: DispositionRules,
        ended: &EndedCall,
    ) {
        let EndedCall { took, at, cause, .. } = *ended;
        let DispatcherParts { metrics, availability, running, reporter, .. } = &self.0.parts;
        metrics.running.sub(signed(batch.len()));
        metrics.calls_running.dec();
        for (held, conclusion) in batch.iter().zip(conclusions) {
            held.note_end(conclusion, &rules, at);
            reporter.report(held, &ConcludedCall { conclusion, rules, took, cause });
        }
        let first = |ending| conclusions.iter().find(move |conclusion| conclusion.ending == ending);
        let kept = first(None);
        if let Some(short) = kept.filter(|kept| kept.kept_for() == Some(KeptFor::Resources)) {
            let others_running = self.load().running.saturating_sub(1);
            return availability.short_of_resources(&short.reason, others_running, at);
        }
        availability.had_resources(at - took, at);
        let is_down = |conclusion: &&Conclusion| {
            conclusion.ending == Some(Ending::Down) || conclusion.kept_for() == Some(KeptFor::HandlerDown)
        };
        if let Some(down) = conclusions.iter().find(is_down) {
            self.handler_is_down(&down.reason);
        } else if kept.is_none() {
            match first(Some(Ending::Done)) {
                Some(_) => running.done(took, at),
                None => running.worked(took, at),
            }
            availability.handler_answered();
        }
    }

    /// Pauses polling because the handler could not be reached, and gives back the waiting messages.
    fn handler_is_down(&self, reason: &str) {
        self.0.parts.availability.handler_is_down(reason);
        self.give_back_if_none_starts();
    }

    /// Concludes a message whose preparation failed, and keeps the order of its group.
    pub(super) fn conclude_unrun(&self, mut held: HeldMessage, outcome: Outcome, took: Duration) {
        let DispatcherParts { settler, reporter, .. } = &self.0.parts;
        let rules = settler.rules();
        let conclusion = rules.conclude_preparation(outcome, &held.facts(KeptFailures::None));
        held.note_end(&conclusion, &rules, Instant::now());
        reporter.report(&held, &ConcludedCall { conclusion: &conclusion, rules, took, cause: None });
        if conclusion.ending == Some(Ending::Down) {
            self.handler_is_down(&conclusion.reason);
        }
        let retried_in = rules.retried_in(conclusion.disposition, held.message.receive_count);
        let group = held.group.clone();
        if retried_in.is_none()
            && let Some(group) = group.clone()
        {
            self.occupy_group(&mut held.lease, group);
        }
        settler.settle_call(std::iter::once((held, conclusion)));
        if let (Some(group), Some(delay)) = (group, retried_in) {
            self.preparation_failed(&group, delay);
        }
    }
}

/// The result of a call for the rate of messages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CallConclusion {
    Ran,
    /// It had not the resources to start, or found the handler unavailable.
    FellShort,
}

/// A call that has ended.
#[derive(Clone, Copy)]
pub(super) struct EndedCall {
    pub(super) took: Duration,
    pub(super) messages: usize,
    pub(super) at: Instant,
    /// The cause of its failure, if it failed.
    pub(super) cause: Option<FailureCause>,
}

/// Converts a count for a gauge; no batch comes near the largest `i64`.
fn signed(messages: usize) -> i64 {
    i64::try_from(messages).unwrap_or(i64::MAX)
}
