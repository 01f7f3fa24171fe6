//! Receives that wait for a message: the future of one receive, and the queue of those that wait.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    DeliveredMessage, ReceiveOptions, SqsAccount, SqsApiError,
    store::{Now, SqsStore},
};

/// A receive in progress; see [`SqsAccount::receive`].
#[derive(Debug)]
pub struct ReceiveFuture {
    account: SqsAccount,
    queue: String,
    options: ReceiveOptions,
    pending: Option<PendingReceive>,
}

/// The state of a receive that has found nothing yet.
#[derive(Debug)]
struct PendingReceive {
    position: u64,
    until: Instant,
    timer: Pin<Box<Sleep>>,
}

/// The result of one attempt to receive.
enum ReceiveAttempt {
    Complete(Result<Vec<DeliveredMessage>, SqsApiError>),
    Wait { position: u64, until: Instant, wake_at: Instant },
}

impl ReceiveFuture {
    pub(super) fn new(account: SqsAccount, queue: &str, options: ReceiveOptions) -> Self {
        Self { account, queue: queue.to_owned(), options, pending: None }
    }

    fn attempt(&self, store: &mut SqsStore, now: Now, waker: &Waker) -> ReceiveAttempt {
        let received = store.receive(&self.queue, &self.options, now);
        if !matches!(&received, Ok(messages) if messages.is_empty()) {
            return ReceiveAttempt::Complete(received);
        }
        let (position, until) = match &self.pending {
            Some(pending) => (pending.position, pending.until),
            None => (store.next_serial(), now.at + store.wait_of(&self.queue, &self.options)),
        };
        if now.at >= until {
            return ReceiveAttempt::Complete(received);
        }
        match store.register_receive(&self.queue, position, waker) {
            Ok(WakeUp::Never) => ReceiveAttempt::Wait { position, until, wake_at: until },
            Ok(WakeUp::At(due)) => ReceiveAttempt::Wait { position, until, wake_at: due.min(until) },
            Err(error) => ReceiveAttempt::Complete(Err(error)),
        }
    }

    fn unregister(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.account.with(|store, _| store.unregister_receive(&self.queue, pending.position));
        }
    }

    /// The timer of this receive, set to a time.
    fn set_timer(&mut self, position: u64, until: Instant, wake_at: Instant) -> Pin<&mut Sleep> {
        let new = || PendingReceive { position, until, timer: Box::pin(sleep_until(wake_at)) };
        let pending = self.pending.get_or_insert_with(new);
        if pending.timer.deadline() != wake_at {
            pending.timer.as_mut().reset(wake_at);
        }
        pending.timer.as_mut()
    }
}

impl Future for ReceiveFuture {
    type Output = Result<Vec<DeliveredMessage>, SqsApiError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let attempt = self.account.with(|store, now| self.attempt(store, now, context.waker()));
            match attempt {
                ReceiveAttempt::Complete(result) => {
                    self.unregister();
                    return Poll::Ready(result);
                }
                ReceiveAttempt::Wait { position, until, wake_at } => {
                    if self.set_timer(position, until, wake_at).poll(context).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

impl Drop for ReceiveFuture {
    fn drop(&mut self) {
        self.unregister();
    }
}

/// The receives that wait at a queue, in the order of their arrival.
///
/// An event wakes the first, and its end wakes the next, so that each message wakes one receive, and receives are
/// served in order. Wakers are called under the lock of the account: those of the runtime only schedule.
#[derive(Debug, Default)]
pub(super) struct WaitingReceives {
    wakers: BTreeMap<u64, Waker>,
    /// The time at which the first wakes by its own timer.
    timer: Option<Instant>,
}

/// The time, besides the end of its wait, at which a receive should try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WakeUp {
    /// None: another receive is first.
    Never,
    /// The time at which a message may become visible.
    At(Instant),
}

impl WaitingReceives {
    /// Adds a receive or renews its waker; `next_due` is the time at which a message may become visible.
    pub(super) fn register(&mut self, position: u64, waker: &Waker, next_due: Option<Instant>) -> WakeUp {
        match self.wakers.get_mut(&position) {
            Some(known) => known.clone_from(waker),
            None => drop(self.wakers.insert(position, waker.clone())),
        }
        if self.wakers.first_key_value().is_none_or(|(first, _)| *first != position) {
            return WakeUp::Never;
        }
        self.timer = next_due;
        next_due.map_or(WakeUp::Never, WakeUp::At)
    }

    /// Removes a receive; the first of the others tries again.
    pub(super) fn unregister(&mut self, position: u64) {
        if self.wakers.remove(&position).is_some() {
            self.wake_first();
        }
    }

    /// The number of waiting receives.
    pub(super) fn len(&self) -> usize {
        self.wakers.len()
    }

    /// Wakes the first receive if its timer would end after this time.
    pub(super) fn wake_first_before(&self, next_due: Option<Instant>) {
        let is_sooner = next_due.is_some_and(|due| self.timer.is_none_or(|timer| due < timer));
        if is_sooner {
            self.wake_first();
        }
    }

    /// Wakes the first receive.
    pub(super) fn wake_first(&self) {
        if let Some((_, waker)) = self.wakers.first_key_value() {
            waker.wake_by_ref();
        }
    }

    /// Wakes all receives, because the queue is gone.
    pub(super) fn wake_all(&self) {
        self.wakers.values().for_each(Waker::wake_by_ref);
    }
}
