//! What handlers were called with, when, and how each call ended.

use std::{
    collections::HashSet,
    future::Future,
    sync::{Arc, Mutex},
};

use longshore::{
    handler::{Batch, BatchHandler, Context, Handler, Outcome, Outcomes},
    message::{Message, MessageId, Receipt},
};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use super::secs;

/// One call of the handler.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) id: MessageId,
    pub(crate) receipt: Receipt,
    pub(crate) body: String,
    pub(crate) receive_count: u32,
    pub(crate) began: Instant,
    /// When and how the call ended, if it did.
    pub(crate) ended: Option<(Instant, End)>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Answered(Outcome),
    /// The future was dropped before its end, or panicked.
    Cut,
}

/// All the calls of a handler, in the order of their beginning.
#[derive(Clone, Debug)]
pub(crate) struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    runs: Mutex<Runs>,
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Runs {
    all: Vec<Run>,
    running: HashSet<MessageId>,
    most_running: usize,
    /// Messages that ran twice at once.
    doubled: Vec<MessageId>,
}

impl Default for Journal {
    fn default() -> Self {
        Self(Arc::new(Inner { runs: Mutex::default(), changes: watch::Sender::new(()) }))
    }
}

impl Journal {
    /// A handler that notes each call of the closure here.
    pub(crate) fn noting<F, A>(&self, function: F) -> Noted<F>
    where
        F: Fn(Arc<Message>, Context) -> A + Send + Sync + 'static,
        A: Future<Output = Outcome> + Send,
    {
        Noted { journal: self.clone(), function }
    }

    /// A batch handler that notes each message of each call of the closure here.
    pub(crate) fn noting_batches<F, A>(&self, function: F) -> Noted<F>
    where
        F: Fn(Batch, Context) -> A + Send + Sync + 'static,
        A: Future<Output = Outcomes> + Send,
    {
        Noted { journal: self.clone(), function }
    }

    /// The bodies of the messages that were done, in the order in which they ended.
    pub(crate) fn done(&self) -> Vec<String> {
        let done = |run: Run| match run.ended {
            Some((at, End::Answered(Outcome::Done))) => Some((at, run.body)),
            _ => None,
        };
        let mut done: Vec<_> = self.runs().into_iter().filter_map(done).collect();
        done.sort_by_key(|(at, _)| *at);
        done.into_iter().map(|(_, body)| body).collect()
    }

    /// Every call so far.
    pub(crate) fn runs(&self) -> Vec<Run> {
        self.0.runs.lock().unwrap().all.clone()
    }

    /// Every call so far for a message of this body.
    pub(crate) fn runs_of(&self, body: &str) -> Vec<Run> {
        self.runs().into_iter().filter(|run| run.body == body).collect()
    }

    /// The most calls that were ever under way at once.
    pub(crate) fn most_running(&self) -> usize {
        self.0.runs.lock().unwrap().most_running
    }

    /// The messages that ran twice at once.
    pub(crate) fn doubled(&self) -> Vec<MessageId> {
        self.0.runs.lock().unwrap().doubled.clone()
    }

    /// Waits until so many calls have begun.
    pub(crate) async fn began(&self, count: usize) {
        self.until(count, "begun", |_| true).await;
    }

    /// Waits until so many calls have ended.
    pub(crate) async fn ended(&self, count: usize) {
        self.until(count, "ended", |run| run.ended.is_some()).await;
    }

    async fn until(&self, count: usize, what: &str, counts: impl Fn(&Run) -> bool) {
        let mut changes = self.0.changes.subscribe();
        let enough = changes.wait_for(|()| self.runs().iter().filter(|run| counts(run)).count() >= count);
        let arrived = timeout(secs(86_400), enough).await.is_ok();
        assert!(arrived, "{count} calls should have {what} within a day: {:?}", self.runs());
    }

    fn begin(&self, message: &Message) -> Noting {
        let mut runs = self.0.runs.lock().unwrap();
        if !runs.running.insert(message.id.clone()) {
            runs.doubled.push(message.id.clone());
        }
        runs.most_running = runs.most_running.max(runs.running.len());
        let number = runs.all.len();
        runs.all.push(Run {
            id: message.id.clone(),
            receipt: message.receipt.clone(),
            body: message.body.clone(),
            receive_count: message.receive_count,
            began: Instant::now(),
            ended: None,
        });
        drop(runs);
        self.0.changes.send_replace(());
        Noting { journal: self.clone(), number, end: End::Cut }
    }
}

/// A call under way; its drop is its end.
struct Noting {
    journal: Journal,
    number: usize,
    end: End,
}

impl Drop for Noting {
    fn drop(&mut self) {
        let mut runs = self.journal.0.runs.lock().unwrap();
        let run = &mut runs.all[self.number];
        run.ended = Some((Instant::now(), self.end.clone()));
        let id = run.id.clone();
        runs.running.remove(&id);
        drop(runs);
        self.journal.0.changes.send_replace(());
    }
}

/// A handler made by [`Journal::noting`].
pub(crate) struct Noted<F> {
    journal: Journal,
    function: F,
}

impl<F, A> Handler for Noted<F>
where
    F: Fn(Arc<Message>, Context) -> A + Send + Sync + 'static,
    A: Future<Output = Outcome> + Send,
{
    async fn handle(&self, message: Arc<Message>, context: Context) -> Outcome {
        let mut noting = self.journal.begin(&message);
        let outcome = (self.function)(message, context).await;
        noting.end = End::Answered(outcome.clone());
        outcome
    }
}

impl<F, A> BatchHandler for Noted<F>
where
    F: Fn(Batch, Context) -> A + Send + Sync + 'static,
    A: Future<Output = Outcomes> + Send,
{
    async fn handle_batch(&self, batch: Batch, context: Context) -> Outcomes {
        let mut notings: Vec<_> = batch.messages().map(|message| self.journal.begin(message)).collect();
        let outcomes = (self.function)(batch, context).await;
        let each = outcomes.clone().spread(notings.len());
        for (noting, outcome) in notings.iter_mut().zip(each) {
            noting.end = End::Answered(outcome);
        }
        outcomes
    }
}
