//! The states of a function's instances, processes or emulators, each by its number.

use std::sync::Arc;

use tokio::sync::watch;

/// The state of each instance.
#[derive(Debug)]
pub(super) struct Standing(watch::Sender<Vec<InstanceState>>);

/// The state of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum InstanceState {
    /// Nothing is known of it yet: a process starts, or is about to.
    Starting,
    /// It takes work, and may be at it.
    Ready,
    /// Nothing can be run in it, for this reason, and that will be tried again.
    Failed(Arc<str>),
}

impl Standing {
    /// So many places, none of them ready.
    pub(super) fn of(count: usize) -> Self {
        Self(watch::Sender::new(vec![InstanceState::Starting; count]))
    }

    /// Notes how a place stands.
    pub(super) fn note(&self, number: usize, state: InstanceState) {
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
        let is_known =
            |states: &Vec<InstanceState>| states.contains(&InstanceState::Ready) || failure(states).is_some();
        match self.0.subscribe().wait_for(is_known).await {
            Ok(states) => failure(&states).map_or(Ok(()), Err),
            // The sender lives as long as this does.
            Err(_) => Ok(()),
        }
    }

    /// Why nothing can be run anywhere, if that is so.
    pub(super) fn failure(&self) -> Option<String> {
        failure(&self.0.borrow())
    }

    /// Waits until nothing can be run anywhere, and says why.
    pub(super) async fn down(&self) -> String {
        let mut states = self.0.subscribe();
        if let Ok(states) = states.wait_for(|states| failure(states).is_some()).await {
            return failure(&states).unwrap_or_default();
        }
        std::future::pending().await
    }
}

/// Why nothing can be run anywhere, if that is so.
fn failure(states: &[InstanceState]) -> Option<String> {
    let mut reason = None;
    for state in states {
        match state {
            InstanceState::Failed(words) => reason = Some(words),
            InstanceState::Starting | InstanceState::Ready => return None,
        }
    }
    reason.map(ToString::to_string)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn standing() -> Standing {
        Standing::of(2)
    }

    #[test]
    fn one_that_is_ready_is_enough() {
        let standing = standing();
        assert_eq!(standing.known().now_or_never(), None);
        standing.note(0, InstanceState::Failed("no such program".into()));
        assert_eq!(standing.known().now_or_never(), None, "the other one may yet start");
        standing.note(1, InstanceState::Ready);
        assert_eq!(standing.known().now_or_never(), Some(Ok(())));
        assert_eq!(standing.down().now_or_never(), None);
    }

    #[test]
    fn when_all_have_failed_the_last_reason_is_told() {
        let standing = standing();
        standing.note(0, InstanceState::Failed("one".into()));
        standing.note(1, InstanceState::Failed("two".into()));
        assert_eq!(standing.known().now_or_never(), Some(Err("two".to_owned())));
        assert_eq!(standing.down().now_or_never(), Some("two".to_owned()));
        standing.note(0, InstanceState::Starting);
        assert_eq!(standing.down().now_or_never(), None);
    }
}
