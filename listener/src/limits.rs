//! The limits of a listener.

use std::{num::NonZeroU64, time::Duration};

use rustix::process::{Resource, getrlimit};

/// The rest of the descriptors stays for other work, and for other listeners of the process.
const EIGHT: NonZeroU64 = NonZeroU64::new(8).unwrap();

/// The limits of a listener: the number of connections, and the time of each wait for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerLimits {
    /// The most connections.
    pub connections: usize,
    /// The part of the process's descriptors that connections may use: one of so many.
    pub one_descriptor_of: NonZeroU64,
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
            one_descriptor_of: EIGHT,
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

    /// Sets the part of the process's descriptors that connections may use: one of so many.
    #[must_use]
    pub fn one_descriptor_of(self, one_descriptor_of: NonZeroU64) -> Self {
        Self { one_descriptor_of, ..self }
    }

    /// The most connections under the process's limit of descriptors.
    pub(crate) fn affordable_connections(&self) -> usize {
        let descriptors = getrlimit(Resource::Nofile).current;
        let most =
            descriptors.map(|most| usize::try_from(most / self.one_descriptor_of).unwrap_or(usize::MAX));
        self.connections.min(most.unwrap_or(usize::MAX)).max(1)
    }
}
