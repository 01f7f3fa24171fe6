//! The invocation state of one runtime process: requests, answers, and the invocation that is open.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use super::QueuedInvocation;
use crate::{
    handler::lambda::invocation::{Answered, FunctionError, Invocation, InvocationFailure},
    telemetry::events,
};

/// A conversation: the requests of the process on one side, its keeper on the other.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    state: Mutex<InvocationPhase>,
    /// Wakes the keeper, who alone waits here.
    changed: Notify,
}

#[derive(Debug, Default)]
struct InvocationPhase {
    /// The request for work that waits.
    asking: Option<oneshot::Sender<Arc<Invocation>>>,
    /// The invocation that the process has and has not answered.
    owed: Option<Owed>,
    init_error: Option<FunctionError>,
    has_asked: bool,
    has_answered: bool,
    is_broken: bool,
}

#[derive(Debug)]
struct Owed {
    id: String,
    answer: oneshot::Sender<Answered>,
}

/// The process said something out of its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutOfTurn {
    /// An answer for an invocation that it does not owe one for.
    NotOwed,
    /// It cannot be said any more, or not now.
    NotNow,
}

/// The next event of a process that is to ask for work.
#[derive(Debug)]
pub(super) enum Asked {
    /// It has asked.
    ForWork,
    /// It has reported that it cannot.
    InitError(FunctionError),
}

impl Conversation {
    /// Hears the process ask for work; the invocation comes when there is one.
    ///
    /// Asking while an answer is owed fails what is owed, and breaks the conversation: whoever keeps a process that
    /// only asks would burn a message's receives at every turn.
    pub(super) fn ask(&self) -> Result<oneshot::Receiver<Arc<Invocation>>, OutOfTurn> {
        let mut state = self.state();
        if let Some(owed) = state.owed.take() {
            state.is_broken = true;
            give(owed, Err(InvocationFailure::Unanswered));
            drop(state);
            self.changed.notify_one();
            return Err(OutOfTurn::NotNow);
        }
        let (asking, given) = oneshot::channel();
        state.asking = Some(asking);
        state.has_asked = true;
        drop(state);
        self.changed.notify_one();
        Ok(given)
    }

    /// True while the process owes an answer for this invocation.
    pub(super) fn owes(&self, id: &str) -> bool {
        self.state().owed.as_ref().is_some_and(|owed| owed.id == id)
    }

    /// Hears an answer.
    pub(super) fn answer(&self, id: &str, answered: Answered) -> Result<(), OutOfTurn> {
        let mut state = self.state();
        let owed = state.owed.take_if(|owed| owed.id == id).ok_or(OutOfTurn::NotOwed)?;
        state.has_answered |= matches!(answered, Ok(_) | Err(InvocationFailure::Function(_)));
        give(owed, answered);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Hears that the process cannot start.
    pub(super) fn init_error(&self, error: FunctionError) -> Result<(), OutOfTurn> {
        let mut state = self.state();
        if state.has_asked {
            return Err(OutOfTurn::NotNow);
        }
        state.init_error = Some(error);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits until the process asks for work, or reports that it never will.
    pub(super) async fn asked(&self) -> Asked {
        loop {
            {
                let mut state = self.state();
                if let Some(error) = state.init_error.take() {
                    return Asked::InitError(error);
                }
                // A request whose connection is gone asks for nothing.
                if state.asking.as_ref().is_some_and(|asking| !asking.is_closed()) {
                    return Asked::ForWork;
                }
            }
            self.changed.notified().await;
        }
    }

    /// Hands an order to the process, if it asks for one.
    pub(super) fn hand(&self, order: QueuedInvocation) -> Result<(), QueuedInvocation> {
        let mut state = self.state();
        let Some(asking) = state.asking.take() else { return Err(order) };
        let id = order.invocation.id.clone();
        if let Err(invocation) = asking.send(order.invocation) {
            return Err(QueuedInvocation { invocation, ..order });
        }
        state.owed = Some(Owed { id, answer: order.answer });
        Ok(())
    }

    /// Waits until nothing is owed.
    pub(super) async fn settled(&self) {
        while self.state().owed.is_some() {
            self.changed.notified().await;
        }
    }

    /// Fails what is owed.
    pub(super) fn fail(&self, failure: InvocationFailure) {
        if let Some(owed) = self.state().owed.take() {
            give(owed, Err(failure));
        }
    }

    /// True if the process has broken the protocol in a way that ends it.
    pub(super) fn is_broken(&self) -> bool {
        self.state().is_broken
    }

    /// True if the process has ever answered.
    pub(super) fn has_answered(&self) -> bool {
        self.state().has_answered
    }

    fn state(&self) -> MutexGuard<'_, InvocationPhase> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives an answer to its call, which may have been given up.
fn give(owed: Owed, answered: Answered) {
    if owed.answer.send(answered).is_err() {
        events::AnswerUnwanted { request_id: &owed.id }.emit();
    }
}
