//! Settings of a queue's handler.

use serde::{Deserialize, Serialize};

use super::{CallSize, exec, http, lambda, sns};
use crate::{settings::Problem, telemetry::HandlerKind};

/// The handler of a queue, by its kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Settings {
    /// A program with an HTTP port: each message is posted to it.
    Http(http::Settings),
    /// A Lambda function: each batch is an event for it. Longshore runs it, or calls it through AWS's emulator.
    Lambda(lambda::Settings),
    /// A program that is started for each message, which it reads on its standard input.
    Exec(exec::Settings),
    /// SNS: each message is published to a topic, or sent by SMS.
    Sns(sns::Settings),
}

impl Settings {
    /// Finds every value that cannot work.
    pub(crate) fn validate(&self) -> Vec<Problem> {
        match self {
            Self::Http(http) => http.validate(),
            Self::Lambda(lambda) => lambda.validate(),
            Self::Exec(exec) => exec.validate(),
            Self::Sns(sns) => sns.validate(),
        }
    }

    /// The number of messages that a call of this handler takes.
    pub(crate) fn takes(&self) -> CallSize {
        match self {
            Self::Http(_) | Self::Lambda(_) => CallSize::Batch,
            Self::Exec(_) | Self::Sns(_) => CallSize::One,
        }
    }

    /// True if it is a Lambda function whose program the worker starts.
    pub(crate) fn hosts_function(&self) -> bool {
        matches!(self, Self::Lambda(settings) if !settings.command.is_empty())
    }

    /// The kind, whose name is in the configuration file and in the copies of rejected messages.
    pub(crate) fn kind(&self) -> HandlerKind {
        match self {
            Self::Http(_) => HandlerKind::Http,
            Self::Lambda(_) => HandlerKind::Lambda,
            Self::Exec(_) => HandlerKind::Exec,
            Self::Sns(_) => HandlerKind::Sns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Label as _;

    #[test]
    fn a_kind_has_its_name_in_the_configuration() {
        let settings = Settings::Http(http::Settings::new("http://127.0.0.1:8080/").unwrap());
        for settings in [settings, Settings::Sns(sns::Settings::default())] {
            assert_eq!(serde_json::to_value(&settings).unwrap()["kind"], settings.kind().as_str());
        }
    }
}
