//! The limits of a listener.

use std::time::Duration;

use rustix::process::{Resource, getrlimit};

/// The limits of a listener: the number of connections, and the time of each wait for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerLimits {
    /// The most connections; at most half of the descriptors that the process may open.
    pub connections: usize,
    /// The time for a request's head, which begins with the connection or with the head's first byte.
    pub head: Duration,
    /// The time for a request's body.
    pub body: Duration,
    /// The time for which a response may stay partly unwritten because the client does not read it.
    pub unread: Duration,
    /// The time between two requests of a connection.
    pub idle: Duration,
}

impl Default for ListenerLimits {
    /// Idle connections outlast the minute at which many scrapers ask.
    fn default() -> Self {
        Self {
            connections: 128,
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            unread: Duration::from_secs(15),
            idle: Duration::from_secs(75),
        }
    }
}

impl ListenerLimits {
    /// Sets the most connections.
    #[must_use]
    pub fn connections(self, connections: usize) -> Self {
        Self { connections, ..self }
    }

    /// The most connections under the process's limit of descriptors, of which the rest stays for other work.
    pub(crate) fn affordable_connections(&self) -> usize {
        let descriptors = getrlimit(Resource::Nofile).current;
        let half = descriptors.map_or(usize::MAX, |most| usize::try_from(most / 2).unwrap_or(usize::MAX));
        self.connections.min(half).max(1)
    }
}
