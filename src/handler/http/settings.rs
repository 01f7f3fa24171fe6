//! How messages are posted to an HTTP handler.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::duration::Span;

/// How messages are posted to an HTTP handler.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where messages are posted to; `http` or `https`.
    #[schemars(with = "String")]
    pub url: Url,
    /// The `Content-Type` of the requests.
    #[serde(default = "content_type")]
    pub content_type: String,
    /// How long a connection may take.
    #[serde(default = "connect_timeout")]
    pub connect_timeout: Span,
    /// How long one call may take from its first byte to its last; absent, the queue's `timeout` alone limits it.
    #[serde(default)]
    pub timeout: Option<Span>,
    /// Further statuses that mean done; every 2xx does already.
    #[serde(default)]
    pub success: Vec<u16>,
    /// Statuses that mean reject.
    #[serde(default)]
    pub reject: Vec<u16>,
}

fn content_type() -> String {
    "application/json".to_owned()
}

fn connect_timeout() -> Span {
    Span::secs(5)
}

impl Settings {
    /// The defaults for this address.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            content_type: content_type(),
            connect_timeout: connect_timeout(),
            timeout: None,
            success: Vec::new(),
            reject: Vec::new(),
        }
    }
}
