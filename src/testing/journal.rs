//! What a handler was called with, when, and how each call ended.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::future::BoxFuture;
use tokio::{sync::watch, time::Instant};

use super::patience::patiently;
use crate::{
    handler::{AnyHandler, Batch, CallWrapper, Context, Outcome, Outcomes},
    message::{Message, MessageId},
};

/// One message in one call of the handler.
#[derive(Clone, Debug)]
pub struct Run {
    /// The message.
    pub message: Arc<Message>,
    /// The number of the call, the first being 0; the messages of one batch have the same.
    pub call: usize,
    /// When the call began.
    pub began: Instant,
    /// When and how the call ended, if it did.
    pub ended: Option<(Instant, End)>,
}

/// How a message's part in a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The handler said this of it.
    Answered(Outcome),
    /// The call panicked, or was dropped at its time limit or after it was told to stop.
    Cut,
}

/// All the runs of a handler, in the order of their beginning; clones are one journal.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    runs: Mutex<Runs>,
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Runs {
    all: Vec<Run>,
    calls: usize,
    running: HashSet<MessageId>,
    most_running: usize,
    doubled: Vec<MessageId>,
}

impl Default for Journal {
    fn default() -> Self {
        Self(Arc::new(Inner { runs: Mutex::default(), changes: watch::Sender::new(()) }))
    }
}

impl Journal {
    /// The same handler, with each of its calls noted here.
    pub fn noting(&self, handler: impl Into<AnyHandler>) -> AnyHandler {
        let handler = handler.into();
        handler.clone().wrapped(handler.takes(), |handler| Noted { journal: self.clone(), handler })
    }

    /// Every run so far.
    pub fn runs(&self) -> Vec<Run> {
        self.lock().all.clone()
    }

    /// Every run so far of messages with this body.
    pub fn runs_of(&self, body: &str) -> Vec<Run> {
        self.runs().into_iter().filter(|run| run.message.body == body).collect()
    }

    /// What was said so far of messages with this body, run by run; a run that was cut is left out.
    pub fn outcomes_of(&self, body: &str) -> Vec<Outcome> {
        let outcome = |run: Run| match run.ended {
            Some((_, End::Answered(outcome))) => Some(outcome),
            _ => None,
        };
        self.runs_of(body).into_iter().filter_map(outcome).collect()
    }

    /// The bodies of the messages that were done, in the order in which they ended.
    pub fn done_bodies(&self) -> Vec<String> {
        let done = |run: Run| match run.ended {
            Some((at, End::Answered(Outcome::Done))) => Some((at, run.message.body.clone())),
            _ => None,
        };
        let mut done: Vec<_> = self.runs().into_iter().filter_map(done).collect();
        done.sort_by_key(|(at, _)| *at);
        done.into_iter().map(|(_, body)| body).collect()
    }

    /// The most messages that were ever running at once.
    pub fn most_running(&self) -> usize {
        self.lock().most_running
    }

    /// The messages that ran twice at once, which must not be.
    pub fn doubled(&self) -> Vec<MessageId> {
        self.lock().doubled.clone()
    }

    /// Waits until so many runs have begun.
    pub async fn began(&self, count: usize) {
        self.until(count, "begun", |_| true).await;
    }

    /// Waits until so many runs have ended, however they did.
    pub async fn ended(&self, count: usize) {
        self.until(count, "ended", |run| run.ended.is_some()).await;
    }

    /// Waits until so many runs have ended well.
    pub async fn done(&self, count: usize) {
        let is_done = |run: &Run| matches!(run.ended, Some((_, End::Answered(Outcome::Done))));
        self.until(count, "been done", is_done).await;
    }

    async fn until(&self, count: usize, what: &str, counts: impl Fn(&Run) -> bool) {
        let mut changes = self.0.changes.subscribe();
        let enough = changes.wait_for(|()| self.lock().all.iter().filter(|run| counts(run)).count() >= count);
        let arrived = patiently(enough).await.is_some();
        assert!(arrived, "{count} runs should have {what}: {:?}", self.runs());
    }

    fn begin(&self, batch: &Batch) -> Noting {
        let mut runs = self.lock();
        let (call, first) = (runs.calls, runs.all.len());
        runs.calls += 1;
        for message in batch.messages() {
            if !runs.running.insert(message.id.clone()) {
                runs.doubled.push(message.id.clone());
            }
            runs.most_running = runs.most_running.max(runs.running.len());
            runs.all.push(Run { message: message.clone(), call, began: Instant::now(), ended: None });
        }
        drop(runs);
        self.0.changes.send_replace(());
        Noting { journal: self.clone(), first, ends: vec![End::Cut; batch.len()] }
    }

    fn lock(&self) -> MutexGuard<'_, Runs> {
        self.0.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call under way; its drop is its end.
struct Noting {
    journal: Journal,
    first: usize,
    ends: Vec<End>,
}

impl Drop for Noting {
    fn drop(&mut self) {
        let mut runs = self.journal.lock();
        for (position, end) in self.ends.drain(..).enumerate() {
            let run = &mut runs.all[self.first + position];
            run.ended = Some((Instant::now(), end));
            let id = run.message.id.clone();
            runs.running.remove(&id);
        }
        drop(runs);
        self.journal.0.changes.send_replace(());
    }
}

/// A handler whose calls are noted.
struct Noted {
    journal: Journal,
    handler: AnyHandler,
}

impl CallWrapper for Noted {
    fn call(&self, batch: Batch, context: Context) -> BoxFuture<'_, Outcomes> {
        Box::pin(async move {
            let mut noting = self.journal.begin(&batch);
            let count = batch.len();
            let outcomes = self.handler.call(batch, context).await.spread(count);
            noting.ends = outcomes.iter().cloned().map(End::Answered).collect();
            Outcomes::Each(outcomes)
        })
    }
}
