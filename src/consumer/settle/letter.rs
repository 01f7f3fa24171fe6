//! What a rejected message looks like in the DLQ: pure.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use serde_json::json;

use crate::{
    message::{AttributeValue, Message, OutgoingMessage},
    queue::limits,
};

/// The one attribute that tells everything, and the beginning of those that tell one thing each.
const NAMESPACE: &str = "longshore.reject";
/// The longest reason that is kept, in bytes.
const REASON_BYTES: usize = 4_096;
/// Stands where a reason goes on, and for characters that SQS does not take.
const ELLIPSIS: &str = "…";

/// A rejected message on its way to the DLQ.
#[derive(Clone, Debug)]
pub(super) struct DeadLetter {
    pub(super) message: OutgoingMessage,
    /// When it is visible again if the DLQ does not take it.
    pub(super) retry_in: Duration,
}

impl DeadLetter {
    /// Whether there was room for what is told of the reject.
    pub(super) fn is_stamped(&self) -> bool {
        self.message.attributes.keys().any(|name| is_ours(name))
    }
}

/// What is told of a reject.
#[derive(Clone, Debug)]
pub(super) struct Stamp<'a> {
    /// The handler's words.
    pub(super) reason: &'a str,
    /// The kind of the handler.
    pub(super) kind: &'a str,
    /// When it was rejected.
    pub(super) at: SystemTime,
}

/// What the DLQ takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    /// Whether it is a FIFO queue.
    pub(super) fifo: bool,
    /// The largest message.
    pub(super) bytes: usize,
}

/// The copy of a message for the DLQ: everything the sender gave it, and the stamp as far as there is room.
///
/// What the sender gave is never touched, so that a message that goes back from the DLQ is what it was: with nine
/// attributes the stamp is folded into one, and with ten, or in a message as large as SQS takes, it is left out.
pub(super) fn copy(message: Message, stamp: &Stamp<'_>, allowed: Allowed) -> OutgoingMessage {
    let Message { id, body, receive_count, mut attributes, system, .. } = message;
    // Of an earlier reject, if the message has been in the DLQ before.
    attributes.retain(|name, _| !is_ours(name));
    let mut copy = OutgoingMessage {
        body,
        attributes,
        delay: None,
        group_id: system.group_id,
        // Copied twice within five minutes it is one message still.
        deduplication_id: allowed.fifo.then(|| id.as_str().to_owned()),
        trace_header: system.trace_header,
    };
    let facts = Facts {
        reason: clean(stamp.reason),
        kind: stamp.kind,
        attempt: receive_count,
        time: humantime::format_rfc3339_millis(stamp.at).to_string(),
        message_id: id.as_str(),
    };
    let form = Form::for_company_of(copy.attributes.len());
    copy.attributes.extend(form.fitted(facts, allowed.bytes.saturating_sub(copy.size_bytes())));
    copy
}

fn is_ours(name: &str) -> bool {
    name.strip_prefix(NAMESPACE).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The characters that SQS takes, and not too many of them; an attribute must not be empty either.
fn clean(reason: &str) -> String {
    let allowed =
        |character| if limits::is_allowed(character) { character } else { char::REPLACEMENT_CHARACTER };
    let text: String = reason.chars().map(allowed).collect();
    match shortened(&text, text.len().min(REASON_BYTES)) {
        text if text.trim().is_empty() => "no reason given".to_owned(),
        text => text,
    }
}

/// The beginning of a text with an ellipsis, so many bytes at most; the whole text if it fits.
fn shortened(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes.saturating_sub(ELLIPSIS.len()));
    format!("{}{ELLIPSIS}", &text[..end])
}

/// What the stamp says, one by one.
#[derive(Clone, Debug)]
struct Facts<'a> {
    reason: String,
    kind: &'a str,
    attempt: u32,
    time: String,
    message_id: &'a str,
}

/// How the facts are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// An attribute each.
    Apart,
    /// All in one, as JSON.
    Folded,
    /// Not at all.
    LeftOut,
}

impl Form {
    /// The form that leaves a message with so many attributes within what SQS takes.
    fn for_company_of(attributes: usize) -> Self {
        match limits::ATTRIBUTES.saturating_sub(attributes) {
            0 => Self::LeftOut,
            1..5 => Self::Folded,
            _ => Self::Apart,
        }
    }

    /// The attributes, with the reason shortened until they fit into so many bytes; none when even that is not enough.
    fn fitted(self, mut facts: Facts<'_>, bytes: usize) -> BTreeMap<String, AttributeValue> {
        let attributes = self.attributes(&facts);
        let excess = size_bytes(&attributes).saturating_sub(bytes);
        if excess == 0 {
            return attributes;
        }
        // Each byte less of the reason is one less of the attributes at least; JSON may need more for it.
        let left = facts.reason.len().saturating_sub(excess);
        facts.reason = shortened(&facts.reason, left);
        let attributes = self.attributes(&facts);
        if size_bytes(&attributes) <= bytes { attributes } else { BTreeMap::new() }
    }

    fn attributes(self, facts: &Facts<'_>) -> BTreeMap<String, AttributeValue> {
        let Facts { reason, kind, attempt, time, message_id } = facts;
        let text = |name: &str, value: &str| (format!("{NAMESPACE}.{name}"), AttributeValue::string(value));
        match self {
            Self::Apart => BTreeMap::from([
                text("reason", reason),
                text("kind", kind),
                (format!("{NAMESPACE}.attempt"), AttributeValue::number(attempt.to_string())),
                text("time", time),
                text("message-id", message_id),
            ]),
            Self::Folded => {
                let facts = json!({ "reason": reason, "kind": kind, "attempt": attempt, "time": time, "message-id": message_id });
                BTreeMap::from([(NAMESPACE.to_owned(), AttributeValue::string(facts.to_string()))])
            }
            Self::LeftOut => BTreeMap::new(),
        }
    }
}

fn size_bytes(attributes: &BTreeMap<String, AttributeValue>) -> usize {
    attributes.iter().map(|(name, value)| name.len() + value.size_bytes()).sum()
}

#[cfg(test)]
mod tests;
