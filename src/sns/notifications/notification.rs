//! A notification: the outcome of a message, and the publication made of it; pure.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::Serialize;

use crate::{
    message::{AttributeValue, Message},
    queue,
    sns::{Publication, Target, TopicArn, limits},
    telemetry::{Ending, Label as _, Occasion, context::TraceContext, spans::Trace},
};

/// The longest reason in a notification, in characters.
const REASON_CHARS: usize = 1_000;

/// The outcome of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notification<'a> {
    /// The message.
    pub message: &'a Message,
    /// The ending of its handler's call.
    pub ending: Ending,
    /// The handler's reason; empty if it gave none.
    pub reason: &'a str,
    /// The duration of the call.
    pub took: Duration,
    /// The trace of the call, if there is one.
    pub trace: Option<&'a Arc<Trace>>,
}

/// The body of a notification; the JSON has this order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NotificationBody<'a> {
    version: u8,
    queue: &'a str,
    message_id: &'a str,
    outcome: &'static str,
    ending: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    duration_seconds: f64,
    attempt: u32,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    body_left_out: bool,
}

impl Notification<'_> {
    /// The occasion; `None` when the message has no outcome: its handler was not reached, or the worker stops.
    pub(super) fn occasion(&self) -> Option<Occasion> {
        match self.ending {
            Ending::Done => Some(Occasion::Done),
            Ending::Reject => Some(Occasion::Reject),
            Ending::Retry | Ending::TimedOut | Ending::Panicked | Ending::LeaseLost => {
                Some(Occasion::Failure)
            }
            Ending::Down | Ending::Drained => None,
        }
    }

    /// The trace context of log lines about the message.
    pub(super) fn trace_context(&self) -> Option<TraceContext> {
        Trace::log_context(self.trace.map(Arc::as_ref), self.message)
    }

    /// The publication to this topic.
    pub(super) fn publication(
        &self,
        queue: &str,
        occasion: Occasion,
        topic: &TopicArn,
        include_body: bool,
    ) -> Publication {
        let texts = [("queue", queue), ("outcome", occasion.as_str()), ("ending", self.ending.as_str())];
        let attributes: BTreeMap<_, _> =
            texts.map(|(name, text)| (name.to_owned(), AttributeValue::string(text))).into();
        let mut publication =
            Publication { attributes, ..Publication::new(Target::Topic(topic.clone()), "") };
        publication.body = self.body(queue, occasion, include_body, publication.size_bytes());
        if topic.is_fifo() {
            let Message { id, receive_count, system, .. } = self.message;
            publication.group_id = Some(system.group_id.clone().unwrap_or_else(|| queue.to_owned()));
            let ending = match occasion {
                // The failure of the last attempt has a notification of its own.
                Occasion::Exhausted => occasion.as_str(),
                Occasion::Done | Occasion::Failure | Occasion::Reject => self.ending.as_str(),
            };
            publication.deduplication_id = Some(format!("{id}-{receive_count}-{ending}"));
        }
        publication
    }

    /// The body as JSON, with the message's body only where both fit into SNS's default limit.
    fn body(&self, queue: &str, occasion: Occasion, include_body: bool, attributes_bytes: usize) -> String {
        let message = self.message;
        let mut content = NotificationBody {
            version: 1,
            queue,
            message_id: message.id.as_str(),
            outcome: occasion.as_str(),
            ending: self.ending.as_str(),
            reason: self.shown_reason(),
            duration_seconds: self.took.as_secs_f64(),
            attempt: message.receive_count,
            time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            group_id: message.system.group_id.as_deref(),
            // One in a file is larger than what SNS takes.
            body: (include_body && message.body_file.is_none()).then_some(message.body.as_str()),
            body_left_out: include_body && message.body_file.is_some(),
        };
        let text = json(&content);
        if !include_body || text.len() + attributes_bytes <= limits::MESSAGE_BYTES {
            return text;
        }
        (content.body, content.body_left_out) = (None, true);
        json(&content)
    }

    /// The reason without the characters that SNS refuses, shortened to `REASON_CHARS`.
    fn shown_reason(&self) -> String {
        let allowed = self.reason.chars().filter(|character| queue::limits::is_allowed(*character));
        allowed.take(REASON_CHARS).collect()
    }
}

fn json(content: &NotificationBody<'_>) -> String {
    // It holds text and finite numbers only, which serialize without error.
    serde_json::to_string(content).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn topic(name: &str) -> TopicArn {
        TopicArn::new("eu-west-1", "123456789012", name).unwrap()
    }

    fn notification(message: &Message, ending: Ending) -> Notification<'_> {
        Notification { message, ending, reason: "why\u{1}", took: Duration::from_millis(1_500), trace: None }
    }

    fn message() -> Message {
        let mut message = Message::new("id", "a body");
        message.receive_count = 3;
        message
    }

    #[test]
    fn it_has_message_outcome_duration_and_attempt() {
        let message = message();
        let notification = notification(&message, Ending::TimedOut);
        let publication = notification.publication("orders", Occasion::Failure, &topic("t"), false);
        let body: Value = serde_json::from_str(&publication.body).unwrap();
        for (key, value) in [
            ("version", Value::from(1)),
            ("queue", "orders".into()),
            ("messageId", "id".into()),
            ("outcome", "failure".into()),
            ("ending", "timeout".into()),
            ("reason", "why".into()),
            ("durationSeconds", 1.5.into()),
            ("attempt", 3.into()),
        ] {
            assert_eq!(body[key], value, "{key}");
        }
        assert!(body["time"].as_str().unwrap().ends_with('Z') && body.get("body").is_none());
        let attribute = |name: &str| publication.attributes[name].text().unwrap().to_owned();
        assert_eq!(
            [attribute("queue"), attribute("outcome"), attribute("ending")],
            ["orders", "failure", "timeout"]
        );
    }

    #[test]
    fn each_ending_has_its_occasion() {
        let message = message();
        for (ending, occasion) in [
            (Ending::Done, Some(Occasion::Done)),
            (Ending::Reject, Some(Occasion::Reject)),
            (Ending::Retry, Some(Occasion::Failure)),
            (Ending::TimedOut, Some(Occasion::Failure)),
            (Ending::Panicked, Some(Occasion::Failure)),
            (Ending::LeaseLost, Some(Occasion::Failure)),
            (Ending::Down, None),
            (Ending::Drained, None),
        ] {
            assert_eq!(notification(&message, ending).occasion(), occasion, "{}", ending.as_str());
        }
    }

    #[test]
    fn the_body_is_included_only_on_request_and_only_when_it_fits() {
        for (body, is_included) in [("a body".to_owned(), true), ("x".repeat(262_144), false)] {
            let message = Message { body: body.clone(), ..message() };
            let publication =
                notification(&message, Ending::Done).publication("q", Occasion::Done, &topic("t"), true);
            assert!(publication.size_bytes() <= limits::MESSAGE_BYTES);
            let value: Value = serde_json::from_str(&publication.body).unwrap();
            assert_eq!(value.get("body").is_some(), is_included);
            assert_eq!(value.get("bodyLeftOut").is_some(), !is_included);
        }
    }

    #[test]
    fn a_notification_to_a_fifo_topic_keeps_the_group() {
        let mut message = message();
        let publish = |message: &Message| {
            notification(message, Ending::Done).publication("orders", Occasion::Done, &topic("t.fifo"), false)
        };
        let publication = publish(&message);
        assert_eq!(publication.group_id.as_deref(), Some("orders"));
        assert_eq!(publication.deduplication_id.as_deref(), Some("id-3-done"));
        let of_last = notification(&message, Ending::Retry);
        let of_last = of_last.publication("orders", Occasion::Exhausted, &topic("t.fifo"), false);
        assert_eq!(of_last.deduplication_id.as_deref(), Some("id-3-exhausted"), "beside that of the failure");
        message.system.group_id = Some("group".to_owned());
        assert_eq!(publish(&message).group_id.as_deref(), Some("group"));
    }
}
