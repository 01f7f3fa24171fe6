//! Queues and topics that a file declares, created at the start.
//!
//! [`file`] has the form of the file, [`apply`] creates what it declares. Errors name the file, the line and what to do.

mod apply;
mod file;

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use self::file::Declarations;
use crate::sns::SnsAccount;

/// The error of a file that declares queues and topics.
#[derive(Debug, thiserror::Error)]
pub enum DeclarationError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}, hint: give the path of a TOML file that can be read", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A line cannot be used.
    #[error("{}:{line}: {message}, hint: {hint}", file.display())]
    Invalid {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The mistake.
        message: String,
        /// The advice.
        hint: String,
    },
}

/// Creates the queues and topics that a file declares.
///
/// A queue or topic that exists already, because the account was restored, gets the declared attributes.
pub(crate) fn apply_file(path: &Path, sns: &SnsAccount) -> Result<(), DeclarationError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| DeclarationError::Unreadable { file: path.to_owned(), source })?;
    let applied = Declarations::parse(&text).and_then(|declared| apply::apply(&declared, sns));
    applied.map_err(|mistake| DeclarationError::Invalid {
        file: path.to_owned(),
        line: mistake.line(&text),
        message: mistake.message,
        hint: mistake.hint,
    })
}

/// A mistake at a position of the file.
#[derive(Debug)]
struct Mistake {
    offset: usize,
    message: String,
    hint: String,
}

impl Mistake {
    fn new(offset: usize, message: impl fmt::Display, hint: impl Into<String>) -> Self {
        Self { offset, message: message.to_string(), hint: hint.into() }
    }

    fn line(&self, text: &str) -> usize {
        1 + text.bytes().take(self.offset).filter(|byte| *byte == b'\n').count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{message::StringMap, sqs::SqsAccount};

    const FILE: &str = r#"
[queues.orders]
attributes = { VisibilityTimeout = 60 }
tags = { team = "shop" }
dead_letter_queue = "orders-dlq"
max_receives = 4

[queues.orders-dlq]

[queues."orders.fifo".attributes]
DeduplicationScope = "messageGroup"

[topics.events]
attributes = { DisplayName = "Events" }

[[topics.events.subscriptions]]
queue = "orders"
attributes = { RawMessageDelivery = true, FilterPolicy = { kind = ["created"] } }
"#;

    fn apply(text: &str) -> Result<SnsAccount, DeclarationError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let sns = SnsAccount::new(SqsAccount::default());
        apply_file(file.path(), &sns).map(|()| sns)
    }

    #[test]
    fn queues_and_topics_are_created_as_declared() {
        let sns = apply(FILE).unwrap();
        let all = |name| sns.sqs().attributes(name, &["All".to_owned()]).unwrap();
        let orders = sns.sqs().snapshot("orders").unwrap();
        assert_eq!(orders.visibility.as_secs(), 60);
        let redrive = orders.redrive.unwrap();
        assert_eq!(
            (redrive.dead_letter_arn.as_str(), redrive.max_receive_count.get()),
            ("arn:aws:sqs:us-east-1:000000000000:orders-dlq", 4)
        );
        assert_eq!(sns.sqs().tags("orders").unwrap()["team"], "shop");
        assert_eq!(all("orders.fifo")["DeduplicationScope"], "messageGroup");
        assert_eq!(all("orders.fifo")["ContentBasedDeduplication"], "true");
        let topic = sns.arn("events").unwrap();
        assert_eq!(sns.topic_attributes(topic.as_str()).unwrap()["DisplayName"], "Events");
        let subscriptions = sns.subscriptions(Some(topic.as_str())).unwrap();
        let subscription = sns.subscription_attributes(&subscriptions[0].arn).unwrap();
        assert_eq!(subscription["FilterPolicy"], r#"{"kind":["created"]}"#);
        assert_eq!(subscription["RawMessageDelivery"], "true");
    }

    #[test]
    fn a_file_is_applied_twice_without_a_difference() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), FILE).unwrap();
        let sns = SnsAccount::new(SqsAccount::default());
        sns.sqs().create_queue("orders", &StringMap::new(), &StringMap::new()).unwrap();
        for _ in 0..2 {
            apply_file(file.path(), &sns).unwrap();
        }
        assert_eq!(sns.sqs().snapshot("orders").unwrap().visibility.as_secs(), 60);
        assert_eq!(sns.subscriptions(None).unwrap().len(), 1);
    }

    #[test]
    fn a_mistake_is_named_with_its_line_and_what_to_do() {
        for (text, line, message, hint) in [
            ("\n[queue.orders]\n", 2, "unknown field `queue`", "[queues.NAME]"),
            ("[queues.orders]\nretention = 1\n", 2, "unknown field `retention`", "[queues.NAME]"),
            ("[queues.orders]\n[queues.orders]\n", 2, "duplicate", "TOML"),
            (
                "[queues.orders.attributes]\nDelaySeconds = 1\nVisibilityTimeout = 90000\n",
                3,
                "VisibilityTimeout",
                "CreateQueue",
            ),
            (
                "[queues.orders.attributes]\nVisibility = 9\n",
                2,
                "Unknown Attribute Visibility",
                "CreateQueue",
            ),
            ("[queues.'or ders']\n", 1, "queue or ders", "name"),
            (
                "[queues.a]\ndead_letter_queue = 'b'\nmax_receives = 1\n",
                2,
                "queue b does not exist",
                "[queues.\"b\"]",
            ),
            ("[queues.a]\n\n[queues.b]\nmax_receives = 1\n", 4, "max_receives", "dead_letter_queue"),
            ("[queues.a]\ndead_letter_queue = 'a'\n", 2, "dead_letter_queue", "max_receives"),
            (
                "[topics.t]\n[[topics.t.subscriptions]]\nqueue = 'a'\n",
                3,
                "queue a does not exist",
                "[queues.\"a\"]",
            ),
            ("[topics.t.attributes]\nDisplay = 'a'\n", 2, "Display", "CreateTopic"),
            (
                "[queues.a]\n[topics.t]\n[[topics.t.subscriptions]]\nqueue = 'a'\n[topics.t.subscriptions.attributes]\nFilterPolicy = 3\n",
                6,
                "FilterPolicy",
                "Subscribe",
            ),
            ("[queues.a]\nattributes = { VisibilityTimeout = 1.5 }\n", 2, "VisibilityTimeout", "CreateQueue"),
        ] {
            let error = apply(text).expect_err(text);
            let DeclarationError::Invalid { line: found, message: says, hint: advice, .. } = &error else {
                panic!("{error}")
            };
            assert_eq!(*found, line, "{text}: {error}");
            assert!(says.contains(message) && advice.contains(hint), "{text}: {error}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let sns = SnsAccount::new(SqsAccount::default());
        let error = apply_file(Path::new("/nowhere/emulator.toml"), &sns).unwrap_err();
        assert!(error.to_string().starts_with("cannot read /nowhere/emulator.toml: "), "{error}");
    }
}
