//! The admin server's settings.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// The admin server's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The address and port of `/livez`, `/readyz`, `/metrics` and `/status`; in a container that is scraped from outside `0.0.0.0:9090`.
    #[cfg_attr(feature = "cli", schemars(example = "0.0.0.0:9090"))]
    pub listen: SocketAddr,
}

impl Default for Settings {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9090)) }
    }
}
