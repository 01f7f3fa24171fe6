//! One message's way through its handler.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::{Pump, gate::DOWN_DELAY};
use crate::{
    handler::{Context, Outcome, Placement},
    lease::{Holding, Lease, Reservation, Standing},
    message::Message,
    settle::Rejection,
    tasks,
    telemetry::{Ending, events},
};

/// How long a handler that was told to stop may still take to tidy up.
const GRACE: Duration = Duration::from_secs(1);

/// A message that is held and waits for its turn.
pub(super) struct Waiting {
    message: Arc<Message>,
    lease: Lease,
}

impl Waiting {
    /// Whether its lease was lost while it waited.
    pub(super) fn is_lost(&self) -> bool {
        !self.lease.is_held()
    }
}

/// How a call ended, with the handler's words.
struct Ended {
    ending: Ending,
    reason: String,
    next: Next,
}

/// What becomes of the message.
#[derive(Clone, Copy)]
enum Next {
    Delete,
    /// Visible again by the retry rule.
    Retry,
    GiveBack(Duration),
    /// Copied to the DLQ and deleted, or visible again by the retry rule where that cannot be.
    Reject,
    /// Nothing can be done: the lease is gone.
    Leave,
}

impl Pump {
    /// Takes over the messages of a receive that was sent at `sent`, and starts what may start.
    pub(super) fn admit(&self, messages: Vec<Message>, mut reservation: Reservation, sent: Instant) {
        self.0.metrics.received.inc_by(messages.len() as u64);
        for message in messages {
            let Some(place) = reservation.take() else {
                events::ExcessReceived { queue: &self.0.name, id: &message.id }.emit();
                continue;
            };
            match self.0.leases.hold(&message, place, sent) {
                Holding::Fresh(lease) => self.slots().wait(Waiting { message: Arc::new(message), lease }),
                Holding::Finished(lease) => self.0.settle.delete(lease),
                Holding::Duplicate => {}
            }
        }
        if self.0.stop.is_draining() || !self.0.gate.is_open() {
            let delay = if self.0.stop.is_draining() { Duration::ZERO } else { DOWN_DELAY.random_delay(1) };
            self.give_back_waiting(delay);
        }
        self.start_waiting();
    }

    /// Starts as many waiting messages as there are free slots.
    fn start_waiting(&self) {
        let starting = self.slots().start();
        // Every slot has its guard before the first future is handed over, which might never be polled.
        let starting: Vec<_> =
            starting.into_iter().map(|waiting| (Slot { pump: self.clone() }, waiting)).collect();
        for (slot, waiting) in starting {
            let work = slot.work(waiting);
            match self.0.handler.placement() {
                Placement::Caller => tasks::detach_on(&self.0.caller, "work", work),
                Placement::Pump => tasks::detach_on(&self.0.runtime, "work", work),
            };
        }
    }

    /// Gives back everything that waits, visible again after `delay`.
    pub(super) fn give_back_waiting(&self, delay: Duration) {
        let waiting = self.slots().take_waiting();
        if waiting.is_empty() {
            return;
        }
        self.0.metrics.given_back.inc_by(waiting.len() as u64);
        for Waiting { lease, .. } in waiting {
            self.0.settle.give_back(lease, delay);
        }
        self.0.settle.rush();
    }

    fn note_start(&self, message: &Message) {
        let metrics = &self.0.metrics;
        metrics.started.inc();
        metrics.running.inc();
        if let Some(wait) = message.sent_at.and_then(|sent| sent.elapsed().ok()) {
            metrics.queue_wait.observe(wait.as_secs_f64());
        }
    }

    fn note_end(&self, message: &Message, ended: &Ended, took: Duration) {
        self.0.metrics.running.dec();
        self.flow().ended(took, Instant::now());
        self.report_end(message, ended, took);
        if ended.ending == Ending::Down {
            self.handler_is_down(&ended.reason);
        } else {
            self.0.gate.handler_answered();
        }
    }

    fn report_end(&self, message: &Message, ended: &Ended, took: Duration) {
        let Ended { ending, reason, .. } = ended;
        let (queue, id, receive_count) = (&*self.0.name, &message.id, message.receive_count);
        events::MessageEnded { queue, id, ending: *ending, reason, took, receive_count }
            .emit(&self.0.metrics);
    }

    fn settle(&self, lease: Lease, message: Arc<Message>, Ended { next, reason, .. }: Ended) {
        let receive_count = message.receive_count;
        let retry_in = || self.0.options.retry.random_delay(receive_count);
        match next {
            Next::Delete => self.0.settle.delete(lease),
            Next::Retry => self.0.settle.give_back(lease, retry_in()),
            Next::GiveBack(delay) => self.0.settle.give_back(lease, delay),
            Next::Reject => {
                self.0.settle.reject(lease, message, Rejection { reason, retry_in: retry_in() });
            }
            Next::Leave => drop(lease),
        }
    }

    /// Calls the handler, and ends the call when its time is over or its lease is.
    async fn call(&self, message: &Arc<Message>, lease: &Lease, lease_deadline: Instant) -> Ended {
        let limit = self.0.options.timeout;
        let context = Context::new(self.0.name.clone(), lease_deadline, lease.cancellation().clone())
            .with_deadline(limit.and_then(|limit| Instant::now().checked_add(limit)));
        let handler = &self.0.handler;
        let call = async { handler.handle_boxed(message.clone(), context).await };
        let call = AssertUnwindSafe(call).catch_unwind();
        tokio::pin!(call);
        tokio::select! {
            answer = &mut call => Ended::by_handler(answer, lease),
            () = passed(limit) => {
                // What the handler has spawned hears of it, too.
                lease.cancellation().cancel();
                Ended::timed_out(limit)
            }
            () = lease.cancellation().cancelled() => match tokio::time::timeout(GRACE, &mut call).await {
                Ok(answer) => Ended::by_handler(answer, lease),
                Err(_) => Ended::cancelled(lease),
            },
        }
    }
}

/// Waits until a time limit passes; for ever without one.
async fn passed(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}

impl Ended {
    fn new(ending: Ending, reason: impl Into<String>, next: Next) -> Self {
        Self { ending, reason: reason.into(), next }
    }

    /// Whatever the handler says, its word counts only while the message is held.
    fn by_handler(answer: Result<Outcome, Box<dyn Any + Send>>, lease: &Lease) -> Self {
        if !lease.is_held() {
            return Self::lease_lost();
        }
        match answer {
            Ok(outcome) => Self::by_outcome(outcome),
            Err(panic) => Self::new(Ending::Panicked, panic_words(&*panic), Next::Retry),
        }
    }

    fn by_outcome(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::new(Ending::Done, "", Next::Delete),
            Outcome::Retry(reason) => Self::new(Ending::Retry, reason, Next::Retry),
            Outcome::RetryIn(delay, reason) => Self::new(Ending::Retry, reason, Next::GiveBack(delay)),
            Outcome::Reject(reason) => Self::new(Ending::Reject, reason, Next::Reject),
            Outcome::Down(reason) => Self::new(Ending::Down, reason, Next::Retry),
        }
    }

    /// A handler that stops because it was told to is not to blame: its message is visible at once.
    fn at_drain(self, lease: &Lease) -> Self {
        let was_told = lease.cancellation().is_cancelled() && lease.is_held();
        match self.ending {
            Ending::Retry | Ending::Down if was_told => {
                Self { ending: Ending::Drained, next: Next::GiveBack(Duration::ZERO), ..self }
            }
            _ => self,
        }
    }

    fn timed_out(limit: Option<Duration>) -> Self {
        let limit = limit.unwrap_or_default();
        Self::new(Ending::TimedOut, format!("the time limit of {limit:?} passed"), Next::Retry)
    }

    fn lease_lost() -> Self {
        Self::new(Ending::LeaseLost, "the lease was lost", Next::Leave)
    }

    /// Told to stop, and not stopped in time: either the lease was lost or the drain limit is over.
    fn cancelled(lease: &Lease) -> Self {
        match lease.standing() {
            None => Self::lease_lost(),
            Some(_) => Self::new(Ending::Drained, "the drain limit passed", Next::GiveBack(Duration::ZERO)),
        }
    }
}

/// What a panic said, where it said it in words.
fn panic_words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words")
}

/// A running message's slot, free again at its drop, even if that drop is a panic's.
struct Slot {
    pump: Pump,
}

impl Slot {
    /// Takes a message through its handler.
    async fn work(self, Waiting { message, lease }: Waiting) {
        let pump = &self.pump;
        let Some(Standing { deadline, .. }) = lease.standing() else {
            pump.report_end(&message, &Ended::lease_lost(), Duration::ZERO);
            return;
        };
        let began = Instant::now();
        pump.note_start(&message);
        let span = tracing::info_span!("process", queue = &*pump.0.name, message_id = %message.id);
        let ended = pump.call(&message, &lease, deadline).instrument(span).await.at_drain(&lease);
        pump.note_end(&message, &ended, began.elapsed());
        pump.settle(lease, message, ended);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let is_idle = {
            let mut slots = self.pump.slots();
            slots.ended();
            slots.is_idle()
        };
        self.pump.start_waiting();
        if is_idle {
            // Nothing else is running that could fill up the batch.
            self.pump.0.settle.rush();
            self.pump.0.idle.notify_waiters();
        }
    }
}
