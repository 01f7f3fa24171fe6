//! The receive loop: reserves room, asks for at most that much, hands over what comes.

use std::{sync::PoisonError, time::Duration};

use futures_util::{
    future::{BoxFuture, FutureExt as _},
    stream::{FuturesUnordered, StreamExt as _},
};
use tokio::time::Instant;

use super::{
    Engine,
    attempts::{Attempt, Attempts},
    availability::Changes,
    fifo::Order,
    receive_mode::ReceiveMode,
    schedule::{NextReceive, Schedule, ScheduleInput},
};
use crate::{
    consumer::lease::Reservation,
    health::{Condition, Pulse},
    message::{Message, Wanted},
    queue::{QueueError, ReceiveAttemptId, ReceiveRequest, RetryClass, limits::BATCH_ENTRIES, within},
    telemetry::{Action, CallResult, events},
};

/// How much longer than its wait a receive may take before the loop replaces it, whatever the queue promises.
const WATCHDOG: Duration = Duration::from_secs(15);
/// An empty answer that came sooner is followed by a pause of this length: not every server waits as it is asked to.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// How often the loop looks up when nothing happens.
const TICK: Duration = Duration::from_secs(5);
/// How long receives under way at a stop may still bring their answer.
const LAST_CALL: Duration = Duration::from_millis(100);
/// Failures in a row after which the queue counts as not ready.
const FAILURES_TO_UNREADY: u32 = 3;

/// The answer to one receive.
struct Answer {
    asked: usize,
    attempt_id: Option<ReceiveAttemptId>,
    reservation: Reservation,
    sent: Instant,
    result: Result<Vec<Message>, QueueError>,
}

type Polls = FuturesUnordered<BoxFuture<'static, Answer>>;

/// The loop with what it alone knows.
pub(super) struct Poller {
    engine: Engine,
    availability: Changes,
    schedule: Schedule,
    attempts: Attempts,
    polls: Polls,
    /// Whether a receive has brought an answer yet.
    has_begun: bool,
    failures: u32,
    failed_at: Option<Instant>,
    /// Leases lost at the last look.
    losses: u64,
    pulse: Pulse,
    ready: Condition,
}

impl Poller {
    pub(super) fn new(engine: Engine, ready: Condition) -> Self {
        let receive = engine.0.options.receive;
        let allowed = (receive.wait.0 + WATCHDOG + TICK) * 2;
        let pulse = engine.0.health.pulse(format!("{} receive", engine.0.name), allowed);
        let schedule = Schedule::new(receive.pollers, receive.pace.0);
        let (availability, polls) = (engine.0.availability.changes(), Polls::new());
        Self {
            engine,
            availability,
            schedule,
            attempts: Attempts::default(),
            polls,
            has_begun: false,
            failures: 0,
            failed_at: None,
            losses: 0,
            pulse,
            ready,
        }
    }

    /// Receives until the stop.
    pub(super) async fn run(mut self) {
        let stop = self.engine.0.stop.clone();
        while !stop.is_draining() {
            // What has waited for its batch to fill up may have waited long enough.
            self.engine.start_waiting();
            let look_again = self.ask();
            let look_again =
                self.engine.slots().next_start().map_or(look_again, |moment| moment.min(look_again));
            tokio::select! {
                Some(answer) = self.polls.next() => self.note(answer),
                () = something_changes(&self.engine, &mut self.availability, look_again) => {}
                () = stop.draining() => {}
            }
        }
        self.let_go().await;
    }

    /// Sends every receive that the schedule allows now, and answers when to look again.
    fn ask(&mut self) -> Instant {
        let latest = Instant::now() + TICK;
        if self.polls.is_empty() {
            self.pulse.beat();
        }
        if !self.engine.0.availability.is_open() {
            return latest;
        }
        // A receive that is made again brings what the first one has taken.
        let least = self.attempts.least();
        self.engine.resize_room(least);
        self.forget_lost();
        let (most, wait) = self.measure();
        let most = most.max(least);
        loop {
            match self.schedule.step(self.sight(most)) {
                NextReceive::Later(moment) => return moment.map_or(latest, |moment| moment.min(latest)),
                NextReceive::Now(places) => {
                    // The loop alone reserves, so what was free a moment ago still is.
                    let Some(reservation) = self.engine.0.permits.reserve(places) else { return latest };
                    let attempt_id = self.next_attempt(places);
                    self.polls.push(self.engine.clone().poll(reservation, wait, attempt_id).boxed());
                    self.engine.0.metrics.pollers.inc();
                }
            }
        }
    }

    /// How many messages a receive may bring now, and how long it may wait for them.
    fn measure(&self) -> (usize, Duration) {
        let wait = self.engine.0.options.wait();
        // The first receive waits a second only: it is what says that the worker is ready.
        let wait = if self.has_begun { wait } else { wait.min(SHORTEST_WAIT) };
        match self.engine.failed_groups().mode(Instant::now()) {
            ReceiveMode::Normal => (BATCH_ENTRIES, wait),
            ReceiveMode::ShortWait(time) => (BATCH_ENTRIES, wait.min(time)),
            ReceiveMode::OneAtATime => (1, wait),
        }
    }

    /// What a receive is called on a FIFO queue, so that it can be made again should its answer be lost.
    fn next_attempt(&mut self, places: usize) -> Option<ReceiveAttemptId> {
        let visibility = self.engine.0.options.visibility.0;
        let next = || self.attempts.next(places, visibility, Instant::now());
        (self.engine.0.traits.order == Order::Groups).then(next)
    }

    fn forget_lost(&mut self) {
        let losses = self.engine.0.leases.losses();
        if losses != self.losses {
            self.losses = losses;
            self.engine.forget_lost();
        }
    }

    fn sight(&self, most: usize) -> ScheduleInput {
        let permits = &self.engine.0.permits;
        let ready_to_start = self.engine.slots().ready_to_start();
        let (flow, now) = (self.engine.flow(), Instant::now());
        ScheduleInput {
            now,
            free: permits.available(),
            capacity: permits.capacity(),
            most,
            under_way: self.polls.len(),
            is_running_dry: ready_to_start <= flow.low_water(now),
            patience: flow.patience(),
        }
    }

    fn note(&mut self, answer: Answer) {
        self.pulse.beat();
        let metrics = &self.engine.0.metrics;
        metrics.pollers.dec();
        metrics.called(Action::Receive, CallResult::of(&answer.result), answer.sent);
        if let Some(traces) = &self.engine.0.traces {
            traces.received(answer.sent, &answer.result);
        }
        match answer.result {
            Ok(messages) => {
                let received = messages.len();
                if received == answer.asked {
                    self.engine.flow().full_receive(answer.sent.elapsed());
                }
                self.engine.sight(&messages, answer.sent);
                self.engine.admit(messages, answer.reservation, answer.sent);
                self.succeeded(answer.asked, received, answer.sent);
            }
            Err(error) => {
                if let Some(id) = answer.attempt_id {
                    self.attempts.failed(Attempt { id, asked: answer.asked, failed_at: Instant::now() });
                }
                self.failed(&error, answer.sent);
            }
        }
    }

    fn succeeded(&mut self, asked: usize, received: usize, sent: Instant) {
        self.has_begun = true;
        self.failures = 0;
        self.ready.ready();
        *self.engine.0.last_error.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.schedule.answered(asked, received, self.engine.0.permits.available(), Instant::now());
        if received == 0 && sent.elapsed() < SHORTEST_WAIT {
            self.schedule.pause_until(Instant::now() + SHORTEST_WAIT);
        }
    }

    fn failed(&mut self, error: &QueueError, sent: Instant) {
        // Receives that were under way together fail together, and count as one failure.
        if self.failed_at.is_none_or(|before| sent >= before) {
            self.failures += 1;
        }
        self.failed_at = Some(Instant::now());
        let (queue, action) = (&*self.engine.0.name, Action::Receive);
        let attempt = self.failures;
        let retry_in = error.retry_class().pauses().random_delay(attempt);
        events::CallFailed { queue, action, error, attempt, retry_in }.emit();
        if error.retry_class() == RetryClass::Refused || self.failures >= FAILURES_TO_UNREADY {
            self.ready.unready(error.to_string());
        }
        *self.engine.0.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
        self.schedule.failed(Instant::now() + retry_in);
    }

    /// Lets the receives under way end if they can; what they bring is given back.
    ///
    /// One that is cut off may still hide messages, which then come back after their visibility.
    async fn let_go(mut self) {
        let end = Instant::now() + LAST_CALL;
        while let Ok(Some(answer)) = tokio::time::timeout_at(end, self.polls.next()).await {
            self.note(answer);
        }
        self.engine.0.metrics.pollers.set(0);
    }
}

impl Engine {
    /// What the handler asks for, on a FIFO queue the groups, too, and all there is where rejects are copied, or where
    /// the producers' traces are looked for.
    fn wanted(&self) -> Wanted {
        match self.0.traits.order {
            Order::None if self.0.traces.is_some() => Wanted::Everything,
            Order::None => self.0.settler.wanted(self.0.handler.wanted()),
            Order::Groups => Wanted::Everything,
        }
    }

    /// One receive; the watchdog ends it if the queue does not.
    async fn poll(
        self,
        reservation: Reservation,
        wait: Duration,
        attempt_id: Option<ReceiveAttemptId>,
    ) -> Answer {
        let (sent, asked) = (Instant::now(), reservation.permits());
        let options = &self.0.options;
        let request = ReceiveRequest {
            max: asked,
            wait,
            visibility: options.visibility.0,
            wanted: self.wanted(),
            attempt_id: attempt_id.clone(),
        };
        let limit = wait + WATCHDOG;
        let result = within(limit, "a receive", self.0.queue.receive(request)).await;
        Answer { asked, attempt_id, reservation, sent, result }
    }
}

async fn something_changes(engine: &Engine, availability: &mut Changes, look_again: Instant) {
    tokio::select! {
        () = engine.0.permits.freed() => {}
        () = availability.next() => {}
        () = tokio::time::sleep_until(look_again) => {}
    }
}
