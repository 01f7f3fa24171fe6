//! Sending to a queue.

use std::{sync::Arc, time::Duration};

use sha2::{Digest, Sha256};

use super::{
    clock::Now,
    content::{Content, Sent},
    deduplication::Deduplication,
    fault::{Code, Fault},
    kind::{Deduplicate, Fifo, Kind, Scope},
    queue::Queue,
    receipt::Key,
    stored::Stored,
    validate,
};
use crate::{
    message::{AttributeValue, MessageId, OutgoingMessage},
    queue::md5,
};

const NOT_FOR_THIS_TYPE: &str = "The request include parameter that is not valid for this queue type.";

impl Queue {
    /// Takes a message, unless it breaks a rule or was sent before.
    pub(super) fn send(
        &mut self,
        message: OutgoingMessage,
        key: Key,
        sender_id: &Arc<str>,
        now: Now,
    ) -> Result<Sent, Fault> {
        validate::check_message(&message, self.attributes.message_bytes)?;
        let (content, delay) = match self.attributes.kind {
            Kind::Standard => standard(message, self.attributes.delay)?,
            Kind::Fifo(fifo) => (ordered(message, fifo, key)?, self.attributes.delay),
        };
        let content = Content { sender_id: Arc::clone(sender_id), sent_at: now.wall, ..content };
        if let Some(first) = self.duplicate_of(&content, now) {
            let (id, sequence_number) = (first.id.clone(), first.sequence_number.clone());
            return Ok(Sent { id, sequence_number, ..answer(&content) });
        }
        let sent = answer(&content);
        let content = Arc::new(content);
        if let Some(deduplication) = self.deduplication(&content) {
            self.deduplicated.remember(deduplication, Arc::clone(&content), now.at);
        }
        self.put(key, content, delay, now);
        Ok(sent)
    }

    /// Checks what a FIFO queue asks of every message of a batch before it takes any.
    ///
    /// In a batch a missing group is an invalid value, and one entry fails all (recorded against AWS).
    pub(super) fn check_batch<'a>(
        &self,
        messages: impl IntoIterator<Item = &'a OutgoingMessage>,
    ) -> Result<(), Fault> {
        let Kind::Fifo(fifo) = self.attributes.kind else { return Ok(()) };
        let check = |message| check_order(message, fifo);
        let checked = messages.into_iter().try_for_each(check);
        checked.map_err(|fault| Fault { code: Code::InvalidParameterValue, ..fault })
    }

    /// Takes a message that broke no rule.
    pub(super) fn put(&mut self, key: Key, content: Arc<Content>, delay: Duration, now: Now) {
        let delayed_until = (!delay.is_zero()).then(|| now.at + delay);
        self.shelf.put(key, Stored::new(content, now.at), delayed_until);
    }

    fn duplicate_of(&mut self, content: &Content, now: Now) -> Option<&Content> {
        let deduplication = self.deduplication(content)?;
        self.deduplicated.get(&deduplication, now.at).map(AsRef::as_ref)
    }

    fn deduplication(&self, content: &Content) -> Option<Deduplication> {
        let Kind::Fifo(fifo) = self.attributes.kind else { return None };
        let group = content.group_id.clone().filter(|_| fifo.scope == Scope::Group);
        Some((group, content.deduplication_id.clone()?))
    }
}

/// The rules of standard queues: any message, each with its own delay.
fn standard(message: OutgoingMessage, delay: Duration) -> Result<(Content, Duration), Fault> {
    if let Some(id) = &message.deduplication_id {
        return Err(Fault::invalid_parameter("MessageDeduplicationId", id, NOT_FOR_THIS_TYPE));
    }
    let delay = message.delay.unwrap_or(delay);
    validate::check_duration("DelaySeconds", delay)?;
    Ok((content_of(message), delay))
}

/// The rules of FIFO queues: a group and a deduplication id, and no delay of the message's own.
fn ordered(mut message: OutgoingMessage, fifo: Fifo, key: Key) -> Result<Content, Fault> {
    if let Some(delay) = message.delay.filter(|delay| !delay.is_zero()) {
        return Err(Fault::invalid_parameter("DelaySeconds", delay.as_secs(), NOT_FOR_THIS_TYPE));
    }
    check_order(&message, fifo)?;
    if message.deduplication_id.is_none() {
        message.deduplication_id = Some(md5::hexadecimal(&Sha256::digest(message.body.as_bytes())));
    }
    Ok(Content { sequence_number: Some(sequence_number(key)), ..content_of(message) })
}

/// Whether a message tells its place in the order: a group, and an id unless the queue makes one.
fn check_order(message: &OutgoingMessage, fifo: Fifo) -> Result<(), Fault> {
    if message.group_id.is_none() {
        return Err(Fault::missing_parameter("MessageGroupId"));
    }
    if message.deduplication_id.is_none() && fifo.deduplication == Deduplicate::ById {
        let words = "The queue should either have ContentBasedDeduplication enabled or \
                     MessageDeduplicationId provided explicitly";
        return Err(Fault::new(Code::InvalidParameterValue, words));
    }
    Ok(())
}

/// Twenty digits that grow with the key, and begin where AWS's do.
pub(super) fn sequence_number(key: Key) -> String {
    (18_849_496_460_467_696_128_u128 + u128::from(key)).to_string()
}

/// A new id: random, version 4.
pub(super) fn new_id() -> MessageId {
    let id = uuid::Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid();
    MessageId::new(id.hyphenated().to_string())
}

fn content_of(message: OutgoingMessage) -> Content {
    Content {
        id: new_id(),
        md5_of_body: md5::of_body(&message.body),
        body: message.body,
        attributes: message.attributes,
        sender_id: Arc::default(),
        sent_at: std::time::UNIX_EPOCH,
        group_id: message.group_id.map(Into::into),
        deduplication_id: message.deduplication_id,
        sequence_number: None,
        trace_header: message.trace_header,
    }
}

fn answer(content: &Content) -> Sent {
    let attributes = content.attributes.iter().map(|(name, value)| (name.as_str(), value));
    let trace_header = content.trace_header.as_deref().map(AttributeValue::string);
    let system = trace_header.iter().map(|value| ("AWSTraceHeader", value));
    Sent {
        id: content.id.clone(),
        md5_of_body: content.md5_of_body.clone(),
        md5_of_attributes: md5::of_attributes(attributes),
        md5_of_system_attributes: md5::of_attributes(system),
        sequence_number: content.sequence_number.clone(),
    }
}
