//! Decides which connections may use the Runtime API of a process.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::sleep;

use crate::{
    process::{PeerHolder, peer_holder},
    tasks,
    telemetry::events,
};

/// The checks of a connection that is not found to be of the process group.
///
/// A process that ends has no descriptors any more for an instant before its connections are nobody's.
const CHECKS: usize = 3;
/// The pause between them.
const CHECK_PAUSE: Duration = Duration::from_millis(5);

/// The use that a connection may make of the Runtime API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ApiAccess {
    /// It is of the runtime's process group, and may do everything.
    Full {
        /// The address of its other end.
        peer: SocketAddr,
    },
    /// Its other end is closed already, so it can get nothing; an answer counts by the invocation's id.
    AnswersOnly,
    /// It is of another process.
    Refused,
}

/// The connections to one process's Runtime API, each of which is checked once.
#[derive(Clone, Debug)]
pub(super) struct RuntimePeers {
    own: SocketAddr,
    /// The runtime's process, or an extension's, and its group.
    process: u32,
    /// The queue's configured name, for the log.
    queue: Arc<str>,
    refused: Arc<AtomicUsize>,
}

impl RuntimePeers {
    /// Lets the group of this process use the Runtime API at `own`.
    pub(super) fn new(own: SocketAddr, process: u32, queue: Arc<str>) -> Self {
        Self { own, process, queue, refused: Arc::default() }
    }

    /// Checks a connection from this address.
    pub(super) async fn access(&self, peer: SocketAddr) -> ApiAccess {
        match self.holder(peer).await {
            PeerHolder::Group => ApiAccess::Full { peer },
            PeerHolder::Nobody => ApiAccess::AnswersOnly,
            PeerHolder::Other => {
                if self.refused.fetch_add(1, Ordering::Relaxed) == 0 {
                    events::RuntimePeerRefused { queue: &self.queue, process: self.process }.emit();
                }
                ApiAccess::Refused
            }
        }
    }

    /// True if the other end of a connection is closed.
    pub(super) async fn is_closed(&self, peer: SocketAddr) -> bool {
        self.holder(peer).await == PeerHolder::Nobody
    }

    /// The number of connections that were refused.
    pub(super) fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    async fn holder(&self, peer: SocketAddr) -> PeerHolder {
        let (own, group) = (self.own, self.process);
        let mut holder = PeerHolder::Other;
        for check in 0..CHECKS {
            if check > 0 {
                sleep(CHECK_PAUSE).await;
            }
            let read = tasks::aside(move || peer_holder(peer, own, group)).await;
            holder = read.unwrap_or(PeerHolder::Other);
            if holder == PeerHolder::Group {
                break;
            }
        }
        holder
    }
}
