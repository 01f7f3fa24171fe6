//! What the demo handler did with each message.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    dev::demo_handler::{Action, Step},
    message::MessageId,
};

/// What the demo handler did, message by message; clones share the record.
#[derive(Clone, Debug, Default)]
pub struct Record(Arc<Mutex<HashMap<MessageId, Runs>>>);

/// The runs of one message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Runs {
    pub(super) done: u32,
    pub(super) failed: u32,
    pub(super) longest: Duration,
    began: Option<Instant>,
}

impl Record {
    fn runs(&self) -> MutexGuard<'_, HashMap<MessageId, Runs>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a step of the handler.
    pub fn note(&self, step: &Step) {
        let mut all = self.runs();
        let runs = all.entry(step.message.clone()).or_default();
        match step.action {
            Action::Sleep(_) => runs.began = Some(Instant::now()),
            Action::Done => runs.done += 1,
            Action::Fail | Action::Panic | Action::Stop => runs.failed += 1,
        }
        if !matches!(step.action, Action::Sleep(_))
            && let Some(began) = runs.began.take()
        {
            runs.longest = runs.longest.max(began.elapsed());
        }
    }

    /// The runs of a message.
    pub(super) fn of(&self, id: &MessageId) -> Runs {
        self.runs().get(id).copied().unwrap_or_default()
    }

    /// How many messages are done.
    pub(super) fn done(&self) -> usize {
        self.runs().values().filter(|runs| runs.done > 0).count()
    }

    /// How many runs ended well after the first that did.
    pub(super) fn done_again(&self) -> u32 {
        self.runs().values().map(|runs| runs.done.saturating_sub(1)).sum()
    }

    /// The longest run.
    pub(super) fn longest(&self) -> Duration {
        self.runs().values().map(|runs| runs.longest).max().unwrap_or_default()
    }
}
