//! Which handler a queue's messages go to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Problem, exec, http, lambda, sns};
use crate::telemetry::HandlerKind;

/// The handler of a queue, by its kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Settings {
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
    /// Finds everything in the values that cannot work; empty when all is well.
    pub fn check(&self) -> Vec<Problem> {
        match self {
            Self::Http(http) => http.check(),
            Self::Lambda(lambda) => lambda.check(),
            Self::Exec(exec) => exec.check(),
            Self::Sns(sns) => sns.check(),
        }
    }

    /// The kind's name, as it stands in the file and in the copies of rejected messages.
    pub fn kind(&self) -> HandlerKind {
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
    fn a_kind_is_called_as_in_the_file() {
        let url = url::Url::parse("http://127.0.0.1:8080/");
        let settings = Settings::Http(http::Settings::new(url.unwrap()));
        for settings in [settings, Settings::Sns(sns::Settings::default())] {
            assert_eq!(serde_json::to_value(&settings).unwrap()["kind"], settings.kind().as_str());
        }
    }
}
