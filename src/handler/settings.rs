//! Which handler a queue's messages go to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{http, sns};

/// The handler of a queue, by its kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Settings {
    /// A program with an HTTP port: each message is posted to it.
    Http(http::Settings),
    /// SNS: each message is published to a topic, or sent by SMS.
    Sns(sns::Settings),
}
