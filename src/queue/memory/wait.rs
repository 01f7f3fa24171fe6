//! The receive that waits: it takes messages only in the poll that answers.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    account::Account,
    clock::Now,
    content::{Receive, Received},
    fault::Fault,
    line::Alarm,
    store::Store,
};

/// A receive under way; see [`Account::receive`](super::Account::receive).
#[derive(Debug)]
pub struct Receiving {
    account: Account,
    queue: String,
    receive: Receive,
    waiting: Option<Waiting>,
}

/// What a receive has once it found nothing at its first look.
#[derive(Debug)]
struct Waiting {
    place: u64,
    until: Instant,
    alarm: Pin<Box<Sleep>>,
}

/// What one look at the queue came to.
enum Look {
    Answer(Result<Vec<Received>, Fault>),
    Wait { place: u64, until: Instant, wake_at: Instant },
}

impl Receiving {
    pub(super) fn new(account: Account, queue: &str, receive: Receive) -> Self {
        Self { account, queue: queue.to_owned(), receive, waiting: None }
    }

    fn look(&self, store: &mut Store, now: Now, waker: &Waker) -> Look {
        let found = store.receive(&self.queue, &self.receive, now);
        if !matches!(&found, Ok(messages) if messages.is_empty()) {
            return Look::Answer(found);
        }
        let (place, until) = match &self.waiting {
            Some(waiting) => (waiting.place, waiting.until),
            None => (store.next_serial(), now.at + store.wait_of(&self.queue, &self.receive)),
        };
        if now.at >= until {
            return Look::Answer(found);
        }
        match store.stand(&self.queue, place, waker) {
            Ok(Alarm::None) => Look::Wait { place, until, wake_at: until },
            Ok(Alarm::At(due)) => Look::Wait { place, until, wake_at: due.min(until) },
            Err(fault) => Look::Answer(Err(fault)),
        }
    }

    fn leave(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            self.account.with(|store, _| store.leave(&self.queue, waiting.place));
        }
    }

    /// The alarm of this receive, set to the moment.
    fn set_alarm(&mut self, place: u64, until: Instant, wake_at: Instant) -> Pin<&mut Sleep> {
        let new = || Waiting { place, until, alarm: Box::pin(sleep_until(wake_at)) };
        let waiting = self.waiting.get_or_insert_with(new);
        if waiting.alarm.deadline() != wake_at {
            waiting.alarm.as_mut().reset(wake_at);
        }
        waiting.alarm.as_mut()
    }
}

impl Future for Receiving {
    type Output = Result<Vec<Received>, Fault>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let look = self.account.with(|store, now| self.look(store, now, context.waker()));
            match look {
                Look::Answer(answer) => {
                    self.leave();
                    return Poll::Ready(answer);
                }
                Look::Wait { place, until, wake_at } => {
                    if self.set_alarm(place, until, wake_at).poll(context).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        self.leave();
    }
}
