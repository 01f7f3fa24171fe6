//! Publishing: what is checked, and who gets it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::{
    Heard, envelope,
    fault::{Code, Fault},
    fifo::Deduplication,
    remember,
    store::{Store, Topic},
    subscription::Subscription,
};
use crate::{
    message::{AttributeContent, AttributeValue, OutgoingMessage},
    queue::{self, md5, memory::Account},
    sns::{Publication, Target, limits},
};

/// How the body is to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Structure {
    /// As it is.
    #[default]
    Plain,
    /// `MessageStructure=json`: an object with a text for each protocol, and one under `default`.
    Json,
}

/// What SNS answers to a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// `MessageId`; the first message's, when this one was a duplicate.
    pub id: String,
    /// `SequenceNumber`, FIFO topics only.
    pub sequence_number: Option<String>,
}

impl Store {
    pub(super) fn publish(
        &mut self,
        account: &Account,
        publication: Publication,
        structure: Structure,
    ) -> Result<(Published, Heard), Fault> {
        check_message(&publication)?;
        let (published, delivered) = match &publication.target {
            Target::Topic(arn) => self.topic(arn.as_str())?.publish(account, &publication, structure)?,
            Target::Phone(_) => {
                check_text(&publication)?;
                (Published { id: new_id(), sequence_number: None }, 1)
            }
        };
        let heard = Heard { publication, delivered };
        remember(&mut self.heard, heard.clone());
        Ok((published, heard))
    }
}

impl Topic {
    fn publish(
        &mut self,
        account: &Account,
        publication: &Publication,
        structure: Structure,
    ) -> Result<(Published, usize), Fault> {
        if publication.size_bytes() > self.attributes.message_bytes() {
            return Err(Fault::invalid("Message too long"));
        }
        let body = match structure {
            Structure::Plain => publication.body.clone(),
            Structure::Json => text_for_sqs(&publication.body)?,
        };
        let mut ordered = publication.clone();
        let now = Instant::now();
        let deduplication = self.deduplication(&mut ordered)?;
        if let Some(first) = deduplication.as_ref().and_then(|id| self.line.seen(id, now)) {
            return Ok((first, 0));
        }
        let sequence_number = self.attributes.is_fifo().then(|| self.line.number());
        let published = Published { id: new_id(), sequence_number };
        if let Some(deduplication) = deduplication {
            self.line.remember(deduplication, published.clone(), now);
        }
        let takes = |subscription: &&Subscription| {
            subscription.filter.as_ref().is_none_or(|filter| filter.takes(&ordered.attributes))
        };
        let delivery = Delivery { account, publication: &ordered, body: &body, published: &published };
        let deliver = |subscription: &&Subscription| self.deliver(&delivery, subscription);
        let delivered = self.subscriptions.iter().filter(takes).filter(deliver).count();
        Ok((published, delivered))
    }

    /// What makes a message of a FIFO topic the same as another; sets the id that content makes.
    fn deduplication(&self, publication: &mut Publication) -> Result<Option<Deduplication>, Fault> {
        if !self.attributes.is_fifo() {
            let reason = "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is \
                          not valid for this topic type";
            return if publication.deduplication_id.is_some() {
                Err(Fault::invalid(reason))
            } else {
                Ok(None)
            };
        }
        let group = publication.group_id.clone().ok_or_else(Fault::no_group)?;
        if publication.deduplication_id.is_none() && self.attributes.deduplicates_by_content() {
            let sum = Sha256::digest(publication.body.as_bytes());
            publication.deduplication_id = Some(md5::hexadecimal(&sum));
        }
        let id = publication.deduplication_id.clone().ok_or_else(Fault::no_deduplication_id)?;
        Ok(Some((self.attributes.deduplicates_by_group().then_some(group), id)))
    }

    /// Sends the message to one queue; one that is gone or does not take it gets none, as with SNS.
    fn deliver(&self, delivery: &Delivery<'_>, subscription: &Subscription) -> bool {
        let Delivery { account, publication, body, published } = delivery;
        let (body, attributes) = if subscription.is_raw() {
            ((*body).to_owned(), publication.attributes.clone())
        } else {
            let body = envelope::wrap(&self.arn, &subscription.arn, publication, body, published);
            (body, BTreeMap::new())
        };
        let is_fifo = subscription.queue_name().strip_suffix(".fifo").is_some();
        let message = OutgoingMessage {
            body,
            attributes,
            group_id: publication.group_id.clone(),
            deduplication_id: publication.deduplication_id.clone().filter(|_| is_fifo),
            ..OutgoingMessage::default()
        };
        let sent = account.send(subscription.queue_name(), message);
        if let Err(fault) = &sent {
            tracing::warn!(topic = %self.arn, queue = subscription.queue_name(), %fault, "delivery failed");
        }
        sent.is_ok()
    }
}

/// One message on its way to the subscriptions of its topic.
struct Delivery<'a> {
    account: &'a Account,
    publication: &'a Publication,
    body: &'a str,
    published: &'a Published,
}

/// The text that SQS gets of a structured message.
fn text_for_sqs(body: &str) -> Result<String, Fault> {
    let wrong = |reason: &str| Fault::invalid(format!("Message Structure - {reason}"));
    let texts: Map<String, Value> =
        serde_json::from_str(body).map_err(|_| wrong("JSON message body failed to parse"))?;
    let default = texts.get("default").ok_or_else(|| wrong("No default entry in JSON message body"))?;
    let text = texts.get("sqs").unwrap_or(default).as_str();
    text.map(str::to_owned).ok_or_else(|| wrong("the value is not a string"))
}

/// The rules for whatever is published.
fn check_message(publication: &Publication) -> Result<(), Fault> {
    if publication.body.is_empty() {
        return Err(Fault::invalid("Empty message"));
    }
    if !publication.body.chars().all(queue::limits::is_allowed) {
        return Err(Fault::invalid("Message Reason: a character that is not allowed"));
    }
    if publication.subject.as_deref().is_some_and(|subject| !limits::is_subject(subject)) {
        return Err(Fault::invalid("Subject"));
    }
    for (parameter, id) in
        [("MessageGroupId", &publication.group_id), ("MessageDeduplicationId", &publication.deduplication_id)]
    {
        let is_id = |id: &str| {
            (1..=queue::limits::GROUP_ID_CHARS).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if id.as_deref().is_some_and(|id| !is_id(id)) {
            let reason = "can only include alphanumeric and punctuation characters. 1 to 128 in length";
            return Err(Fault::invalid(format!("{parameter} Reason: {parameter} {reason}")));
        }
    }
    publication.attributes.iter().try_for_each(|(name, value)| check_attribute(name, value))
}

fn check_attribute(name: &str, value: &AttributeValue) -> Result<(), Fault> {
    let wrong = |words: String| Err(Fault::new(Code::InvalidParameterValue, words));
    let is_empty = match &value.content {
        AttributeContent::Text(text) => text.is_empty(),
        AttributeContent::Bytes(bytes) => bytes.is_empty(),
    };
    if is_empty {
        return wrong(format!(
            "The message attribute '{name}' must contain non-empty message attribute value for message attribute \
             type '{}'.",
            value.data_type
        ));
    }
    let prefix = value.data_type.split('.').next().unwrap_or_default();
    if !matches!(prefix, "String" | "Number" | "Binary") {
        return wrong(format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of supported type \
             prefixes is Binary, Number, and String."
        ));
    }
    let is_array = |text: &str| serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_array());
    if value.data_type == "String.Array" && !value.text().is_some_and(is_array) {
        return wrong(format!(
            "The message attribute '{name}' of type String.Array is not an array in JSON."
        ));
    }
    Ok(())
}

/// The rule for an SMS.
fn check_text(publication: &Publication) -> Result<(), Fault> {
    if publication.body.chars().count() > limits::SMS_CHARS {
        return Err(Fault::invalid("Message too long"));
    }
    Ok(())
}

fn new_id() -> String {
    let id = uuid::Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid();
    id.hyphenated().to_string()
}
