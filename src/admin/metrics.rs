//! Metrics of the admin server.

use prometheus::IntCounter;

use crate::telemetry::{ConnectionFault, Each, metric_group};

metric_group! {
    /// Metrics of the admin server.
    pub(crate) struct AdminMetrics {
        /// Connections to the admin server that were closed or refused because their client was slow, idle or read nothing, or because all connections were in use.
        pub closed: Each<ConnectionFault, IntCounter> = "longshore_admin_connections_closed_total" ["reason"];
    }
}
