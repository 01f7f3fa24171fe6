//! How the runtime processes of a queue stand, each by its number.

use std::{num::NonZeroUsize, sync::Arc};

use tokio::sync::watch;

/// How each of the processes stands.
#[derive(Debug)]
pub(super) struct Standing(watch::Sender<Vec<State>>);

/// How one process stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is on its way: it starts, or is about to.
    Starting,
    /// It has asked for work, and may be at it.
    Ready,
    /// It could not be started, for this reason, and will be tried again.
    Failed(Arc<str>),
}

impl Standing {
    /// So many processes, none of them ready.
    pub(super) fn of(processes: NonZeroUsize) -> Self {
        Self(watch::Sender::new(vec![State::Starting; processes.get()]))
    }

    /// Notes how a process stands.
    pub(super) fn note(&self, number: usize, state: State) {
        self.0.send_if_modified(|states| match states.get_mut(number) {
            Some(known) if *known != state => {
                *known = state;
                true
            }
            _ => false,
        });
    }

    /// Waits until one is ready, or until it is known that none can be.
    pub(super) async fn known(&self) -> Result<(), String> {
        let is_known = |states: &Vec<State>| states.contains(&State::Ready) || failure(states).is_some();
        match self.0.subscribe().wait_for(is_known).await {
            Ok(states) => failure(&states).map_or(Ok(()), Err),
            // The sender lives as long as this does.
            Err(_) => Ok(()),
        }
    }

    /// Waits until none can be started, and says why.
    pub(super) async fn down(&self) -> String {
        let mut states = self.0.subscribe();
        if let Ok(states) = states.wait_for(|states| failure(states).is_some()).await {
            return failure(&states).unwrap_or_default();
        }
        std::future::pending().await
    }
}

/// Why none can be started, if none can.
fn failure(states: &[State]) -> Option<String> {
    let mut reason = None;
    for state in states {
        match state {
            State::Failed(words) => reason = Some(words),
            State::Starting | State::Ready => return None,
        }
    }
    reason.map(ToString::to_string)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn standing() -> Standing {
        Standing::of(NonZeroUsize::new(2).unwrap())
    }

    #[test]
    fn one_that_is_ready_is_enough() {
        let standing = standing();
        assert_eq!(standing.known().now_or_never(), None);
        standing.note(0, State::Failed("no such program".into()));
        assert_eq!(standing.known().now_or_never(), None, "the other one may yet start");
        standing.note(1, State::Ready);
        assert_eq!(standing.known().now_or_never(), Some(Ok(())));
        assert_eq!(standing.down().now_or_never(), None);
    }

    #[test]
    fn when_all_have_failed_the_last_reason_is_told() {
        let standing = standing();
        standing.note(0, State::Failed("one".into()));
        standing.note(1, State::Failed("two".into()));
        assert_eq!(standing.known().now_or_never(), Some(Err("two".to_owned())));
        assert_eq!(standing.down().now_or_never(), Some("two".to_owned()));
        standing.note(0, State::Starting);
        assert_eq!(standing.down().now_or_never(), None);
    }
}
