//! The state of one connection: the party that it waits for, and since when.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::ListenerLimits;

/// The reason for which a listener closed or refused a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// No further request came in time, which is no fault.
    Idle,
    /// The head of a request did not come in time.
    SlowHead,
    /// The body of a request did not come in time.
    SlowBody,
    /// The client did not read a response in time.
    Unread,
    /// A new connection needed its place.
    Replaced,
    /// All connections were in use by requests; the client got a 503, or no answer if many were refused at once.
    Refused,
}

/// The stage of a connection's current request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Between two requests.
    Idle,
    /// The head is read.
    Head,
    /// The request is handled, and its body is read.
    Body,
    /// The request is handled, and its body has been read.
    Handling,
    /// The whole response has been handed over to be written.
    Handed,
}

/// A wait for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientWait {
    Request,
    Head,
    Body,
    Reading,
}

impl ClientWait {
    fn limit(self, limits: &ListenerLimits) -> Duration {
        match self {
            Self::Request => limits.idle,
            Self::Head => limits.head,
            Self::Body => limits.body,
            Self::Reading => limits.unread,
        }
    }

    fn reason(self) -> CloseReason {
        match self {
            Self::Request => CloseReason::Idle,
            Self::Head => CloseReason::SlowHead,
            Self::Body => CloseReason::SlowBody,
            Self::Reading => CloseReason::Unread,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Progress {
    stage: Stage,
    /// The begin of the stage.
    since: Instant,
    /// The time since which written bytes have been waiting for the client to read.
    unread_since: Option<Instant>,
}

impl Progress {
    fn enter(&mut self, stage: Stage, now: Instant) {
        (self.stage, self.since) = (stage, now);
    }

    fn client_wait(&self) -> Option<(ClientWait, Instant)> {
        if let Some(since) = self.unread_since {
            return Some((ClientWait::Reading, since));
        }
        match self.stage {
            Stage::Idle => Some((ClientWait::Request, self.since)),
            Stage::Head => Some((ClientWait::Head, self.since)),
            Stage::Body => Some((ClientWait::Body, self.since)),
            Stage::Handling | Stage::Handed => None,
        }
    }
}

/// The state of a connection, which its stream, its requests and the listener share.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionState(Arc<Mutex<Progress>>);

impl ConnectionState {
    /// The state of a connection that was opened now, whose client owes its first request.
    pub(crate) fn opened(now: Instant) -> Self {
        Self(Arc::new(Mutex::new(Progress { stage: Stage::Head, since: now, unread_since: None })))
    }

    /// Bytes of the client were read.
    pub(crate) fn received(&self, now: Instant) {
        let mut progress = self.progress();
        if progress.stage == Stage::Idle {
            progress.enter(Stage::Head, now);
        }
    }

    /// A request begins, with or without a body to read.
    pub(crate) fn request_began(&self, has_body: bool, now: Instant) {
        self.progress().enter(if has_body { Stage::Body } else { Stage::Handling }, now);
    }

    /// The body was read, or is not wanted.
    pub(crate) fn body_ended(&self, now: Instant) {
        let mut progress = self.progress();
        if progress.stage == Stage::Body {
            progress.enter(Stage::Handling, now);
        }
    }

    /// The whole response was handed over to be written.
    pub(crate) fn response_handed(&self, now: Instant) {
        self.progress().enter(Stage::Handed, now);
    }

    /// Some bytes are to be written.
    pub(crate) fn writing(&self, now: Instant) {
        self.progress().unread_since.get_or_insert(now);
    }

    /// The system has taken all bytes that were to be written.
    pub(crate) fn written(&self, now: Instant) {
        let mut progress = self.progress();
        progress.unread_since = None;
        if progress.stage == Stage::Handed {
            progress.enter(Stage::Idle, now);
        }
    }

    /// True while some bytes wait to be written.
    pub(crate) fn is_writing(&self) -> bool {
        self.progress().unread_since.is_some()
    }

    /// The wait for the client that has taken too long, if there is one.
    pub(crate) fn overdue(&self, limits: &ListenerLimits, now: Instant) -> Option<CloseReason> {
        let (wait, since) = self.progress().client_wait()?;
        (now.saturating_duration_since(since) >= wait.limit(limits)).then(|| wait.reason())
    }

    /// The order in which connections give way to new ones: the smallest first, `None` never.
    ///
    /// Those whose client reads a response come after those whose client sends nothing.
    pub(crate) fn precedence(&self) -> Option<(bool, Instant)> {
        let (wait, since) = self.progress().client_wait()?;
        Some((wait == ClientWait::Reading, since))
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    const LIMITS: ListenerLimits = ListenerLimits {
        connections: 1,
        one_descriptor_of: NonZeroU64::MIN,
        head: Duration::from_secs(10),
        body: Duration::from_secs(30),
        unread: Duration::from_secs(15),
        idle: Duration::from_secs(75),
    };

    /// The seconds after which the state is overdue, and the reason.
    fn overdue_after(state: &ConnectionState, now: Instant) -> Option<(u64, CloseReason)> {
        (0..100).find_map(|seconds| {
            let reason = state.overdue(&LIMITS, now + Duration::from_secs(seconds))?;
            Some((seconds, reason))
        })
    }

    #[test]
    fn each_wait_for_the_client_has_its_limit() {
        let now = Instant::now();
        let state = ConnectionState::opened(now);
        assert_eq!(overdue_after(&state, now), Some((10, CloseReason::SlowHead)), "no request");
        state.received(now + Duration::from_secs(5));
        assert_eq!(overdue_after(&state, now), Some((10, CloseReason::SlowHead)), "a byte is no head");
        state.request_began(true, now);
        assert_eq!(overdue_after(&state, now), Some((30, CloseReason::SlowBody)));
        state.body_ended(now);
        assert_eq!(overdue_after(&state, now), None, "the server's turn");
        state.writing(now);
        assert_eq!(overdue_after(&state, now), Some((15, CloseReason::Unread)));
        state.writing(now + Duration::from_secs(5));
        assert_eq!(overdue_after(&state, now), Some((15, CloseReason::Unread)), "the first byte counts");
        state.response_handed(now);
        assert_eq!(overdue_after(&state, now), Some((15, CloseReason::Unread)));
        state.written(now);
        assert_eq!(
            overdue_after(&state, now),
            Some((75, CloseReason::Idle)),
            "an idle connection is no fault"
        );
        state.received(now);
        assert_eq!(overdue_after(&state, now), Some((10, CloseReason::SlowHead)));
    }

    #[test]
    fn a_response_that_is_streamed_is_not_idle_between_its_pieces() {
        let now = Instant::now();
        let state = ConnectionState::opened(now);
        state.request_began(false, now);
        state.writing(now);
        state.written(now);
        assert_eq!(overdue_after(&state, now), None);
    }

    #[test]
    fn a_connection_gives_way_while_it_waits_for_its_client_alone() {
        let now = Instant::now();
        let [idle, reading, handling] = [(); 3].map(|()| ConnectionState::opened(now));
        reading.writing(now - Duration::from_mins(1));
        handling.request_began(false, now);
        assert!(idle.precedence() < reading.precedence());
        assert_eq!(handling.precedence(), None);
    }
}
