//! The invocation state of one runtime process: its request for work and its open invocation.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, oneshot};

use super::QueuedInvocation;
use crate::{
    handler::lambda::invocation::{Answered, FunctionError, Invocation, InvocationFailure},
    telemetry::events,
};

/// The state that the Runtime API and the supervisor of a process share.
#[derive(Debug, Default)]
pub(super) struct InvocationState {
    phase: Mutex<InvocationPhase>,
    /// Wakes the supervisor, which alone waits here.
    changed: Notify,
}

#[derive(Debug, Default)]
struct InvocationPhase {
    /// The pending request for the next invocation.
    request: Option<PendingRequest>,
    /// The invocation that the process has received and not answered.
    open: Option<OpenInvocation>,
    init_error: Option<FunctionError>,
    has_requested: bool,
    has_answered: bool,
    is_broken: bool,
}

#[derive(Debug)]
struct PendingRequest {
    /// The other end of its connection.
    peer: SocketAddr,
    next: oneshot::Sender<Arc<Invocation>>,
}

impl PendingRequest {
    /// True while its connection is served.
    fn is_live(&self) -> bool {
        !self.next.is_closed()
    }
}

#[derive(Debug)]
struct OpenInvocation {
    id: String,
    answer: oneshot::Sender<Answered>,
}

/// A request that the protocol does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProtocolError {
    /// An answer to an invocation that is not open in this process.
    UnknownInvocation,
    /// A request that the present state does not allow.
    InvalidTransition,
}

/// The result of waiting for a process to request an invocation.
#[derive(Debug)]
pub(super) enum Readiness {
    /// It has requested one.
    Ready,
    /// It has reported that it cannot start.
    InitError(FunctionError),
}

impl InvocationState {
    /// Records the request for the next invocation, which the receiver returns.
    ///
    /// A pending request keeps its claim unless it is that of `closed`, a connection whose other end is closed.
    ///
    /// A request while an invocation is open fails that invocation and makes the process one to replace: a process that
    /// requests without answering would use up a receive of a message each time.
    pub(super) fn request_next(
        &self,
        peer: SocketAddr,
        closed: Option<SocketAddr>,
    ) -> Result<oneshot::Receiver<Arc<Invocation>>, ProtocolError> {
        let mut phase = self.lock();
        if let Some(open) = phase.open.take() {
            phase.is_broken = true;
            send_answer(open, Err(InvocationFailure::Unanswered));
            drop(phase);
            self.changed.notify_one();
            return Err(ProtocolError::InvalidTransition);
        }
        if phase.request.as_ref().is_some_and(|first| first.is_live() && Some(first.peer) != closed) {
            return Err(ProtocolError::InvalidTransition);
        }
        let (sender, next) = oneshot::channel();
        phase.request = Some(PendingRequest { peer, next: sender });
        phase.has_requested = true;
        drop(phase);
        self.changed.notify_one();
        Ok(next)
    }

    /// The other end of the connection with the pending request, if there is one.
    pub(super) fn requester(&self) -> Option<SocketAddr> {
        self.lock().request.as_ref().filter(|request| request.is_live()).map(|request| request.peer)
    }

    /// True while the process has not answered this invocation.
    pub(super) fn is_open(&self, id: &str) -> bool {
        self.lock().open.as_ref().is_some_and(|open| open.id == id)
    }

    /// Records the answer to an invocation.
    pub(super) fn answer(&self, id: &str, answered: Answered) -> Result<(), ProtocolError> {
        let mut phase = self.lock();
        let open = phase.open.take_if(|open| open.id == id).ok_or(ProtocolError::UnknownInvocation)?;
        phase.has_answered |= matches!(answered, Ok(_) | Err(InvocationFailure::Function(_)));
        send_answer(open, answered);
        drop(phase);
        self.changed.notify_one();
        Ok(())
    }

    /// Records that the process cannot start.
    pub(super) fn init_error(&self, error: FunctionError) -> Result<(), ProtocolError> {
        let mut phase = self.lock();
        if phase.has_requested {
            return Err(ProtocolError::InvalidTransition);
        }
        phase.init_error = Some(error);
        drop(phase);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits until the process requests an invocation, or reports an init error.
    pub(super) async fn ready(&self) -> Readiness {
        loop {
            {
                let mut phase = self.lock();
                if let Some(error) = phase.init_error.take() {
                    return Readiness::InitError(error);
                }
                // A request whose connection is closed does not count.
                if phase.request.as_ref().is_some_and(PendingRequest::is_live) {
                    return Readiness::Ready;
                }
            }
            self.changed.notified().await;
        }
    }

    /// Delivers an invocation to the process, if it has a pending request.
    pub(super) fn deliver(&self, queued: QueuedInvocation) -> Result<(), QueuedInvocation> {
        let mut phase = self.lock();
        let Some(request) = phase.request.take() else { return Err(queued) };
        let id = queued.invocation.id.clone();
        queued.invocation.start();
        if let Err(invocation) = request.next.send(queued.invocation) {
            return Err(QueuedInvocation { invocation, ..queued });
        }
        phase.open = Some(OpenInvocation { id, answer: queued.answer });
        Ok(())
    }

    /// Waits until no invocation is open.
    pub(super) async fn answered(&self) {
        while self.lock().open.is_some() {
            self.changed.notified().await;
        }
    }

    /// Fails the open invocation, if there is one.
    pub(super) fn fail(&self, failure: InvocationFailure) {
        if let Some(open) = self.lock().open.take() {
            send_answer(open, Err(failure));
        }
    }

    /// True if the process broke the protocol so that it must be replaced.
    pub(super) fn is_broken(&self) -> bool {
        self.lock().is_broken
    }

    /// True if the process has ever answered.
    pub(super) fn has_answered(&self) -> bool {
        self.lock().has_answered
    }

    fn lock(&self) -> MutexGuard<'_, InvocationPhase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends an answer to its call, which may have been given up.
fn send_answer(open: OpenInvocation, answered: Answered) {
    if open.answer.send(answered).is_err() {
        events::AnswerUnwanted { request_id: &open.id }.emit();
    }
}
