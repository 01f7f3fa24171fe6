//! The journal of a handler's calls: their messages, times and ends.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::future::BoxFuture;
use tokio::{sync::watch, time::Instant};

use super::worker::patiently;
use crate::{
    handler::{AnyHandler, Batch, CallWrapper, Context, Outcome, Outcomes},
    message::{Message, MessageId},
};

/// One message in one call of the handler.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HandlerRun {
    /// The message.
    pub message: Arc<Message>,
    /// The number of the call, from 0; the messages of one batch have the same.
    pub call: usize,
    /// The time at which the call began.
    pub began: Instant,
    /// The time and the kind of the end; `None` while it runs.
    pub ended: Option<(Instant, RunEnd)>,
}

/// The end of a message's run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunEnd {
    /// The handler returned this outcome.
    Answered(Outcome),
    /// The call panicked, or was dropped at its time limit or after its cancellation.
    Cut,
}

/// The runs of handlers in the order of their beginnings; clones share one journal.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    runs: Mutex<JournalEntries>,
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct JournalEntries {
    all: Vec<HandlerRun>,
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
    /// Wraps a handler so that this journal records each of its calls.
    pub fn recording(&self, handler: impl Into<AnyHandler>) -> AnyHandler {
        let handler = handler.into();
        handler
            .clone()
            .wrapped(handler.takes(), |handler| RecordingHandler { journal: self.clone(), handler })
    }

    /// All runs so far.
    pub fn runs(&self) -> Vec<HandlerRun> {
        self.lock().all.clone()
    }

    /// All runs so far of messages with this body.
    pub fn runs_of(&self, body: &str) -> Vec<HandlerRun> {
        self.runs().into_iter().filter(|run| run.message.body == body).collect()
    }

    /// The outcomes so far of messages with this body, run by run, without runs that were cut.
    pub fn outcomes_of(&self, body: &str) -> Vec<Outcome> {
        let outcome = |run: HandlerRun| match run.ended {
            Some((_, RunEnd::Answered(outcome))) => Some(outcome),
            _ => None,
        };
        self.runs_of(body).into_iter().filter_map(outcome).collect()
    }

    /// The bodies of messages that are done, in the order of their ends.
    pub fn done_bodies(&self) -> Vec<String> {
        let done = |run: HandlerRun| match run.ended {
            Some((at, RunEnd::Answered(Outcome::Done))) => Some((at, run.message.body.clone())),
            _ => None,
        };
        let mut done: Vec<_> = self.runs().into_iter().filter_map(done).collect();
        done.sort_by_key(|(at, _)| *at);
        done.into_iter().map(|(_, body)| body).collect()
    }

    /// The highest number of messages that were running at once.
    pub fn most_running(&self) -> usize {
        self.lock().most_running
    }

    /// The messages that ran twice at once, which a worker must prevent.
    pub fn doubled(&self) -> Vec<MessageId> {
        self.lock().doubled.clone()
    }

    /// Waits until so many runs have begun.
    pub async fn began(&self, count: usize) {
        self.until(count, "begun", |_| true).await;
    }

    /// Waits until so many runs have ended, whatever their ends.
    pub async fn ended(&self, count: usize) {
        self.until(count, "ended", |run| run.ended.is_some()).await;
    }

    /// Waits until so many runs have ended with `Done`.
    pub async fn done(&self, count: usize) {
        let is_done = |run: &HandlerRun| matches!(run.ended, Some((_, RunEnd::Answered(Outcome::Done))));
        self.until(count, "been done", is_done).await;
    }

    async fn until(&self, count: usize, state: &str, counts: impl Fn(&HandlerRun) -> bool) {
        let mut changes = self.0.changes.subscribe();
        let enough = changes.wait_for(|()| self.lock().all.iter().filter(|run| counts(run)).count() >= count);
        let arrived = patiently(enough).await.is_some();
        assert!(arrived, "{count} runs should have {state}: {:?}", self.runs());
    }

    fn begin(&self, batch: &Batch) -> RecordedCall {
        let mut runs = self.lock();
        let (call, first) = (runs.calls, runs.all.len());
        runs.calls += 1;
        for message in batch.messages() {
            if !runs.running.insert(message.id.clone()) {
                runs.doubled.push(message.id.clone());
            }
            runs.most_running = runs.most_running.max(runs.running.len());
            runs.all.push(HandlerRun { message: message.clone(), call, began: Instant::now(), ended: None });
        }
        drop(runs);
        self.0.changes.send_replace(());
        RecordedCall { journal: self.clone(), first, ends: vec![RunEnd::Cut; batch.len()] }
    }

    fn lock(&self) -> MutexGuard<'_, JournalEntries> {
        self.0.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running call; dropped, it records the end.
struct RecordedCall {
    journal: Journal,
    first: usize,
    ends: Vec<RunEnd>,
}

impl Drop for RecordedCall {
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

/// A handler whose calls are recorded.
struct RecordingHandler {
    journal: Journal,
    handler: AnyHandler,
}

impl CallWrapper for RecordingHandler {
    fn call(&self, batch: Batch, context: Context) -> BoxFuture<'_, Outcomes> {
        Box::pin(async move {
            let mut call = self.journal.begin(&batch);
            let count = batch.len();
            let outcomes = self.handler.call(batch, context).await.spread(count);
            call.ends = outcomes.iter().cloned().map(RunEnd::Answered).collect();
            Outcomes::Each(outcomes)
        })
    }
}
