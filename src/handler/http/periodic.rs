//! Elastic Beanstalk's periodic tasks, which arrive as messages: pure.

use url::Url;

use crate::message::Message;

/// The body that marks a periodic task (protocols.md §4).
const BODY: &str = "elasticbeanstalk scheduled job";

/// What a periodic task's message says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PeriodicTask<'a> {
    /// `beanstalk.sqsd.path`: where on the handler it is posted to.
    pub(super) path: &'a str,
    /// `beanstalk.sqsd.task_name`.
    pub(super) name: Option<&'a str>,
    /// `beanstalk.sqsd.scheduled_time`.
    pub(super) scheduled_at: Option<&'a str>,
}

impl<'a> PeriodicTask<'a> {
    /// Reads the message as a periodic task, if it is one.
    pub(super) fn of(message: &'a Message) -> Option<Self> {
        let text = |name: &str| message.attributes.get(name).and_then(|value| value.text());
        let path = text("beanstalk.sqsd.path").filter(|_| message.body == BODY)?;
        let (name, scheduled_at) = (text("beanstalk.sqsd.task_name"), text("beanstalk.sqsd.scheduled_time"));
        Some(Self { path, name, scheduled_at })
    }

    /// The task's path on the handler's own server: a message can name a path, never another server.
    pub(super) fn url(&self, handler: &Url) -> Url {
        let (path, query) =
            self.path.split_once('?').map_or((self.path, None), |(path, query)| (path, Some(query)));
        let mut url = handler.clone();
        url.set_path(path);
        url.set_query(query);
        url
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::message::{AttributeValue, MessageId, Receipt, SystemAttributes};

    fn message(body: &str, path: &str) -> Message {
        Message {
            id: MessageId::new("1"),
            receipt: Receipt::new("r"),
            body: body.to_owned(),
            receive_count: 1,
            sent_at: None,
            attributes: BTreeMap::from([("beanstalk.sqsd.path".to_owned(), AttributeValue::string(path))]),
            system: SystemAttributes::default(),
        }
    }

    fn url_of(path: &str) -> String {
        let message = message(BODY, path);
        let handler = "https://worker.example:8443/jobs?key=1".parse().unwrap();
        PeriodicTask::of(&message).unwrap().url(&handler).to_string()
    }

    #[test]
    fn a_task_goes_to_its_own_path() {
        assert_eq!(url_of("/cron/nightly"), "https://worker.example:8443/cron/nightly");
        assert_eq!(url_of("cron?full=1"), "https://worker.example:8443/cron?full=1");
    }

    #[test]
    fn a_task_cannot_name_another_server() {
        for path in [
            "//evil.example/x",
            "http://evil.example/",
            "/\\evil.example",
            "/a\r\nHost: evil.example",
            "@evil",
        ] {
            let url = url_of(path);
            assert!(url.starts_with("https://worker.example:8443/"), "{url}");
            assert!(!url.contains(['\r', '\n', ' ']), "{url}");
        }
    }

    #[test]
    fn a_message_with_another_body_is_no_task() {
        assert_eq!(PeriodicTask::of(&message("{}", "/cron")), None);
    }
}
