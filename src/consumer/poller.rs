//! The poller: reserves permits, receives up to that many messages, and hands them to the intake.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::{
    future::{BoxFuture, FutureExt as _},
    stream::{FuturesUnordered, StreamExt as _},
};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Prefetch,
    availability::Availability,
    depth::{QueueAgeSample, QueueDepth},
    dispatcher::Dispatcher,
    dispatcher_state::Demand,
    fifo::Order,
    lease::{Permits, ReceiveTimes, Reservation},
    metrics::ConsumerMetrics,
    pause_reasons::AvailabilityChanges,
    prepare::Intake,
    receive_mode::{FailedReceive, FailedReceives, ReceiveMode},
    schedule::{NextReceive, Schedule, ScheduleInput},
    why::ReceiveProgress,
};
use crate::{
    health::{Condition, Pulse},
    message::{Message, Wanted},
    queue::{
        Queue, QueueError, ReceiveAttemptId, ReceiveRequest,
        limits::{self, BATCH_ENTRIES},
        metrics::CallMetrics,
        within,
    },
    stop::Stop,
    telemetry::{Action, CallResult, WarningSampler, context::TraceContext, events, spans::QueueTraces},
};

/// The time beyond its wait after which a receive is replaced.
pub(super) const WATCHDOG: Duration = Duration::from_secs(15);
/// The longest time between two rounds of the loop.
pub(super) const TICK: Duration = Duration::from_secs(5);
/// An empty answer that comes sooner is followed by a pause of this length, because not every server waits as requested.
/// Such an answer does not prove that the queue is empty: SQS may have asked only some of its servers.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// The time beyond its wait for which a stop waits for a receive, because answers may be late.
const LATE_ANSWER: Duration = Duration::from_secs(2);
/// The most receives of a message whose age is sampled: one received more often has waited because it failed, so its
/// age does not show how long the others wait. CloudWatch leaves such messages out, too.
const MOST_RECEIVES_OF_SAMPLE: u32 = 3;
/// The part of its retention from which a message is named that was not done yet.
const NEARLY_OVER: f64 = 0.8;

/// The answer to one receive.
struct ReceiveAnswer {
    asked: usize,
    attempt_id: Option<ReceiveAttemptId>,
    reservation: Reservation,
    sent: Instant,
    result: Result<Vec<Message>, QueueError>,
}

/// The parts of a [`Poller`].
pub(super) struct PollerParts {
    pub(super) name: Arc<str>,
    pub(super) queue: Arc<dyn Queue>,
    pub(super) order: Order,
    /// The parts of messages that are received.
    pub(super) wanted: Wanted,
    pub(super) visibility: Duration,
    /// The longest that a receive waits for a message.
    pub(super) wait: Duration,
    pub(super) prefetch: Prefetch,
    pub(super) permits: Permits,
    pub(super) availability: Availability,
    pub(super) intake: Intake,
    pub(super) dispatcher: Dispatcher,
    pub(super) metrics: Arc<ConsumerMetrics>,
    pub(super) calls: Arc<CallMetrics>,
    pub(super) depth: QueueDepth,
    pub(super) warnings: Arc<WarningSampler>,
    pub(super) traces: Option<QueueTraces>,
    pub(super) stop: Stop,
    /// Cancelled when a stop waits for receives in flight no longer.
    pub(super) end_of_receives: CancellationToken,
    pub(super) pulse: Pulse,
    pub(super) ready: Condition,
    /// The failure of the last receive, and the time at which answers are due, for the status.
    pub(super) progress: watch::Sender<ReceiveProgress>,
}

/// Receives from one queue. Only the poller reserves permits.
pub(super) struct Poller {
    parts: PollerParts,
    availability: AvailabilityChanges,
    schedule: Schedule,
    failed_receives: FailedReceives,
    receives: FuturesUnordered<BoxFuture<'static, ReceiveAnswer>>,
    /// The time at which all receives in flight should be answered.
    answers_due: Instant,
    /// True once a receive was answered.
    has_begun: bool,
    failures: u32,
    failed_at: Option<Instant>,
    /// The number of lost leases when waiting messages without a lease were last dropped.
    losses: u64,
}

impl Poller {
    pub(super) fn new(parts: PollerParts, schedule: Schedule) -> Self {
        Self {
            availability: parts.availability.changes(),
            parts,
            schedule,
            failed_receives: FailedReceives::default(),
            receives: FuturesUnordered::new(),
            answers_due: Instant::now(),
            has_begun: false,
            failures: 0,
            failed_at: None,
            losses: 0,
        }
    }

    /// Receives messages until the stop.
    pub(super) async fn run(mut self) {
        let (stop, permits) = (self.parts.stop.clone(), self.parts.permits.clone());
        let dispatcher = self.parts.dispatcher.clone();
        while !stop.is_draining() {
            let next_round = self.send_receives();
            tokio::select! {
                biased;
                Some(answer) = self.receives.next() => self.handle_answer(answer),
                () = changed(&permits, &dispatcher, &mut self.availability, next_round) => {}
                () = stop.draining() => {}
            }
        }
        self.take_last_answers().await;
    }

    /// Sends every receive that the schedule allows now; returns the time of the next round.
    fn send_receives(&mut self) -> Instant {
        let now = Instant::now();
        if self.receives.is_empty() {
            self.parts.pulse.beat();
        }
        // The window of a batch that is not full may be over.
        self.parts.dispatcher.start_waiting(now);
        self.parts.intake.drop_lost_since(&mut self.losses);
        let demand = self.parts.dispatcher.demand(now);
        // What is due already did not start: a change will start it, and another look at the same time would not.
        let next_start = demand.next_start.filter(|next_start| *next_start > now);
        let latest = next_start.map_or(now + TICK, |next_start| next_start.min(now + TICK));
        // A repeated receive returns all messages that the failed one has hidden, so it needs permits for all.
        let least = self.failed_receives.least();
        self.resize_permits(&demand, least);
        let is_open = self.parts.availability.is_open();
        if !(is_open || demand.needs_one_to_try && self.receives.is_empty()) {
            let availability = &self.parts.availability;
            if availability.is_paused_by_operator() || availability.is_cordoned() {
                // The state that was asked for: no receive is due that could succeed or fail.
                self.parts.ready.ready();
            }
            return latest;
        }
        let (most, wait) = self.receive_size_and_wait(demand.receive_mode);
        let of_rate = demand.most_to_receive.map(|messages| messages.saturating_sub(self.asked_in_flight()));
        let most = most.min(of_rate.unwrap_or(most));
        if most == 0 {
            return latest;
        }
        let most = if is_open { most } else { 1 }.max(least);
        loop {
            match self.schedule.next(self.input(&demand, most, now)) {
                NextReceive::Later(time) => return time.map_or(latest, |time| time.min(latest)),
                NextReceive::Now(messages) => {
                    // Only the poller reserves permits, so they are still available.
                    let Some(reservation) = self.parts.permits.reserve(messages) else { return latest };
                    self.send_receive(reservation, wait, now);
                    if !is_open {
                        return latest;
                    }
                }
            }
        }
    }

    /// The most messages that receives in flight may bring.
    fn asked_in_flight(&self) -> usize {
        self.receives.len() * BATCH_ENTRIES
    }

    /// Sets the number of permits by the prefetch; `hidden` messages of failed receives are to be received again.
    fn resize_permits(&self, demand: &Demand, hidden: usize) {
        let prefetch = match self.parts.prefetch {
            // A message that waits behind its group could not start elsewhere, and takes no slot here.
            // Neither does one that is being settled, of which a batch may linger.
            Prefetch::Auto => {
                let idle = demand.blocked + hidden + self.parts.dispatcher.settling().min(BATCH_ENTRIES);
                self.schedule.prefetch(demand.messages_per_second) + idle
            }
            Prefetch::Fixed(messages) => messages,
        };
        let capacity = (demand.most_running + prefetch).min(limits::IN_FLIGHT);
        self.parts.metrics.permits.set(i64::try_from(capacity).unwrap_or(i64::MAX));
        if capacity != self.parts.permits.capacity() {
            self.parts.permits.resize(capacity);
        }
    }

    /// The most messages of the next receives, and their wait.
    fn receive_size_and_wait(&self, mode: ReceiveMode) -> (usize, Duration) {
        let wait = self.parts.wait;
        // The first receive does not wait, because its answer makes the worker ready.
        let wait = if self.has_begun { wait } else { Duration::ZERO };
        match mode {
            ReceiveMode::Normal => (BATCH_ENTRIES, wait),
            ReceiveMode::ShortWait(longest) => (BATCH_ENTRIES, wait.min(longest)),
            ReceiveMode::OneAtATime => (1, wait),
        }
    }

    fn input(&self, demand: &Demand, most: usize, now: Instant) -> ScheduleInput {
        let permits = &self.parts.permits;
        ScheduleInput {
            now,
            available: permits.available(),
            capacity: permits.capacity(),
            most,
            in_flight: self.receives.len(),
            is_running_dry: demand.ready_to_start <= self.schedule.low_water(demand.messages_per_second),
            patience: demand.patience,
        }
    }

    fn send_receive(&mut self, reservation: Reservation, wait: Duration, now: Instant) {
        let PollerParts { order, visibility, wanted, .. } = self.parts;
        let max = reservation.permits();
        // On a FIFO queue a receive has an id, so that it can be repeated if its answer is lost.
        let attempt_id = (order == Order::Groups).then(|| self.failed_receives.next_id(max, visibility, now));
        let request = ReceiveRequest { max, wait, visibility, wanted, attempt_id };
        self.answers_due = self.answers_due.max(now + wait);
        let due = Some(self.answers_due);
        self.parts.progress.send_modify(|progress| progress.answers_due = due);
        self.receives.push(receive(self.parts.queue.clone(), request, reservation).boxed());
        self.parts.metrics.pollers.inc();
    }

    fn handle_answer(&mut self, answer: ReceiveAnswer) {
        let now = Instant::now();
        let ReceiveAnswer { asked, attempt_id, reservation, sent, result } = answer;
        self.parts.pulse.beat();
        let metrics = &self.parts.metrics;
        metrics.pollers.dec();
        self.parts.calls.called(Action::Receive, CallResult::of(&result), sent);
        if result.is_ok() {
            metrics.poll_age.reset();
        }
        if let Some(traces) = &self.parts.traces {
            traces.received(sent, &result);
        }
        match result {
            Ok(messages) => {
                let received = messages.len();
                if received == asked {
                    self.schedule.full_receive(now - sent);
                }
                self.report_expiring(&messages);
                self.parts.depth.received(queue_age_sample(&messages, self.parts.order, now - sent));
                self.parts.intake.admit(messages, reservation, ReceiveTimes { sent, answered: now });
                self.succeeded(asked, received, now - sent);
            }
            Err(error) => {
                if let Some(id) = attempt_id {
                    self.failed_receives.push(FailedReceive { id, asked, failed_at: now });
                }
                self.failed(&error, sent, now);
            }
        }
    }

    /// Names the messages that SQS soon deletes unhandled, because their retention is nearly over.
    fn report_expiring(&self, messages: &[Message]) {
        let (queue, Some(retention)) = (&*self.parts.name, self.parts.depth.retention()) else { return };
        let now = SystemTime::now();
        let latest = now.checked_sub(retention.mul_f64(NEARLY_OVER));
        let is_old = |message: &&Message| message.sent_at.is_some_and(|sent_at| Some(sent_at) <= latest);
        for message in messages.iter().filter(is_old) {
            let (message_id, receive_count) = (&message.id, message.receive_count);
            let age_seconds = message.age().unwrap_or_default().as_secs();
            let retention_seconds = retention.as_secs();
            let producer = TraceContext::of_message(message);
            let _trace = producer.as_ref().map(TraceContext::enter);
            events::MessageExpires { queue, message_id, age_seconds, retention_seconds, receive_count }
                .emit(&self.parts.warnings);
        }
    }

    fn succeeded(&mut self, asked: usize, received: usize, took: Duration) {
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        self.failures = 0;
        self.parts.ready.ready();
        self.parts.progress.send_if_modified(|progress| progress.failure.take().is_some());
        let now = Instant::now();
        self.schedule.answered(asked, received, self.parts.permits.available(), now);
        if received == 0 {
            self.parts.availability.nothing_received(now);
        }
        if received == 0 && took < SHORTEST_WAIT && !is_first {
            self.schedule.pause_until(now + SHORTEST_WAIT);
        }
    }

    fn failed(&mut self, error: &QueueError, sent: Instant, now: Instant) {
        // Receives that were in flight together often fail together, and count as one failure.
        if self.failed_at.is_none_or(|before| sent >= before) {
            self.failures += 1;
        }
        self.failed_at = Some(now);
        let (queue, action, attempt) = (&*self.parts.name, Action::Receive, self.failures);
        let retry_in = error.retry_class().pauses().random_delay(attempt);
        events::CallFailed { queue, action, error, attempt, retry_in }.emit();
        if error.retry_class().is_outage_after(self.failures) {
            self.parts.ready.unready(error.to_string());
        }
        self.parts.progress.send_modify(|progress| progress.failure = Some(error.into()));
        self.schedule.failed(now + retry_in);
    }

    /// Waits for the receives in flight, unless a cut receive hides nothing; their messages are given back.
    ///
    /// A receive that is cut off may hide messages, which come back after their visibility.
    async fn take_last_answers(mut self) {
        if self.parts.queue.cut_receives_hide_nothing() {
            self.receives.clear();
        }
        let (stop, end_of_receives) = (self.parts.stop.clone(), self.parts.end_of_receives.clone());
        let latest = self.answers_due + LATE_ANSWER;
        while !self.receives.is_empty() {
            tokio::select! {
                biased;
                Some(answer) = self.receives.next() => self.handle_answer(answer),
                () = tokio::time::sleep_until(latest) => break,
                () = end_of_receives.cancelled() => break,
                () = stop.halted() => break,
            }
        }
        if !self.receives.is_empty() {
            events::ReceivesCut { queue: &self.parts.name, receives: self.receives.len() }.emit();
        }
        self.parts.metrics.pollers.set(0);
    }
}

/// Sends one receive; the watchdog ends it if the queue does not.
async fn receive(queue: Arc<dyn Queue>, request: ReceiveRequest, reservation: Reservation) -> ReceiveAnswer {
    let (sent, asked, attempt_id) = (Instant::now(), request.max, request.attempt_id.clone());
    let limit = request.wait + WATCHDOG;
    let result = within(limit, "a receive", queue.receive(request)).await;
    ReceiveAnswer { asked, attempt_id, reservation, sent, result }
}

/// Waits until permits are freed, a slot is idle, the availability changes, or the next round is due.
async fn changed(
    permits: &Permits,
    dispatcher: &Dispatcher,
    availability: &mut AvailabilityChanges,
    next_round: Instant,
) {
    tokio::select! {
        biased;
        () = permits.freed() => {}
        () = dispatcher.slot_idle() => {}
        () = availability.next() => {}
        () = tokio::time::sleep_until(next_round) => {}
    }
}

/// The queue-age sample of a receive that took this long.
fn queue_age_sample(messages: &[Message], order: Order, waited: Duration) -> QueueAgeSample {
    if messages.is_empty() {
        let is_proof = order == Order::None && waited >= SHORTEST_WAIT;
        return if is_proof { QueueAgeSample::Empty } else { QueueAgeSample::Unclear };
    }
    let fresh = messages.iter().filter(|message| message.receive_count <= MOST_RECEIVES_OF_SAMPLE);
    QueueAgeSample::Messages(fresh.filter_map(Message::age).max())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn aged(seconds: u64, receive_count: u32) -> Message {
        let sent_at = Some(SystemTime::now() - Duration::from_secs(seconds));
        Message { receive_count, sent_at, ..Message::new("m", "") }
    }

    #[test]
    fn only_a_long_poll_of_a_standard_queue_proves_it_empty() {
        assert_eq!(queue_age_sample(&[], Order::None, LONG), QueueAgeSample::Empty);
        assert_eq!(queue_age_sample(&[], Order::None, Duration::ZERO), QueueAgeSample::Unclear);
        assert_eq!(
            queue_age_sample(&[], Order::Groups, LONG),
            QueueAgeSample::Unclear,
            "a group may be held up"
        );
    }

    #[test]
    fn the_sample_is_the_oldest_message_that_was_not_received_too_often() {
        let messages = [aged(10, 1), aged(70, 3), aged(5000, 4)];
        let QueueAgeSample::Messages(Some(age)) = queue_age_sample(&messages, Order::None, LONG) else {
            panic!("none")
        };
        assert!((70..100).contains(&age.as_secs()), "{age:?}");
        assert_eq!(queue_age_sample(&[aged(9, 9)], Order::None, LONG), QueueAgeSample::Messages(None));
    }

    #[test]
    fn a_message_sent_in_the_future_counts_as_new() {
        let sent_at = Some(SystemTime::now() + Duration::from_mins(2));
        let message = Message { sent_at, ..Message::new("m", "") };
        assert_eq!(
            queue_age_sample(&[message], Order::None, LONG),
            QueueAgeSample::Messages(Some(Duration::ZERO))
        );
    }
}
