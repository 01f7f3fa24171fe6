//! The subscription of an endpoint to a topic, raw or enveloped, with an optional filter.

use serde_json::Value;

use super::{
    SmsNumber, SnsApiError, SnsTopicArn,
    filter::{FilterPolicy, FilterScope},
    persistence::SubscriptionRecord,
    topic::check_attribute_size,
};
use crate::{
    message::StringMap,
    storage::{Storage, StoredBytes, text_bytes},
};

/// The protocols that SNS knows.
const PROTOCOLS: [&str; 9] =
    ["http", "https", "email", "email-json", "sms", "sqs", "application", "lambda", "firehose"];

/// The protocol of a subscription; only `sqs` and `sms` are delivered to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SubscriptionProtocol(&'static str);

impl SubscriptionProtocol {
    /// Parses a protocol that SNS knows.
    pub(super) fn parse(text: &str) -> Result<Self, SnsApiError> {
        let known = PROTOCOLS.into_iter().find(|known| *known == text);
        known.map(Self).ok_or_else(|| {
            SnsApiError::invalid(format!("Amazon SNS does not support this protocol string: {text}"))
        })
    }

    /// The name.
    pub(crate) fn as_str(self) -> &'static str {
        self.0
    }

    /// True if the endpoint has to confirm the subscription, which it cannot here.
    pub(crate) fn is_pending(self) -> bool {
        matches!(self.0, "http" | "https" | "email" | "email-json")
    }
}

/// The subscription of one endpoint to a topic.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) arn: String,
    pub(super) protocol: SubscriptionProtocol,
    pub(super) endpoint: String,
    pub(super) filter: Option<FilterPolicy>,
    scope: FilterScope,
    attributes: StringMap,
    stored: StoredBytes,
}

/// The parameters of `Subscribe`.
#[derive(Clone, Copy, Debug)]
pub(super) struct SubscribeRequest<'a> {
    pub(super) protocol: &'a str,
    pub(super) endpoint: &'a str,
    pub(super) attributes: &'a StringMap,
}

/// A subscription as `ListSubscriptions` returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionSummary {
    /// `SubscriptionArn`.
    pub arn: String,
    /// `TopicArn`.
    pub topic_arn: String,
    /// `Protocol`: `sqs`, or one that is not delivered to.
    pub protocol: String,
    /// `Endpoint`: the queue's ARN.
    pub endpoint: String,
    /// `Owner`: the account id.
    pub owner: String,
}

impl Subscription {
    /// A subscription of a request that was checked.
    pub(super) fn create(
        topic: &SnsTopicArn,
        protocol: SubscriptionProtocol,
        request: &SubscribeRequest<'_>,
        storage: &Storage,
    ) -> Result<Self, SnsApiError> {
        let id = uuid::Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid();
        let arn = format!("{topic}:{}", id.hyphenated());
        let mut subscription = Self::empty(arn, protocol, request.endpoint.to_owned(), storage)?;
        let set = subscription.set_all(request.attributes);
        // The reasons of SNS name the parameter of this call (recorded against AWS).
        set.map_err(|reason| SnsApiError::invalid(format!("Attributes Reason: {reason}")))?;
        Ok(subscription)
    }

    /// A subscription of an earlier process.
    pub(super) fn restored(record: SubscriptionRecord, storage: &Storage) -> Result<Self, SnsApiError> {
        let protocol = SubscriptionProtocol::parse(&record.protocol)?;
        let mut subscription = Self::empty(record.arn, protocol, record.endpoint, storage)?;
        subscription.set_all(&record.attributes).map_err(SnsApiError::invalid)?;
        Ok(subscription)
    }

    fn empty(
        arn: String,
        protocol: SubscriptionProtocol,
        endpoint: String,
        storage: &Storage,
    ) -> Result<Self, SnsApiError> {
        let stored = storage.store(endpoint.len())?;
        let (filter, scope, attributes) = (None, FilterScope::default(), StringMap::new());
        Ok(Self { arn, protocol, endpoint, filter, scope, attributes, stored })
    }

    /// The subscription as the journal keeps it.
    pub(super) fn record(&self) -> SubscriptionRecord {
        SubscriptionRecord {
            arn: self.arn.clone(),
            protocol: self.protocol.as_str().to_owned(),
            endpoint: self.endpoint.clone(),
            attributes: self.attributes.clone(),
        }
    }

    /// Sets all attributes: the scope before the policy that it is for.
    fn set_all(&mut self, attributes: &StringMap) -> Result<(), String> {
        let (scopes, others): (Vec<_>, Vec<_>) =
            attributes.iter().partition(|(name, _)| *name == "FilterPolicyScope");
        scopes.into_iter().chain(others).try_for_each(|(name, value)| self.change(name, value))
    }

    /// Sets one attribute; an empty filter policy removes it.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), SnsApiError> {
        self.change(name, value).map_err(SnsApiError::invalid)
    }

    /// Sets one attribute; the error is the reason of SNS.
    fn change(&mut self, name: &str, value: &str) -> Result<(), String> {
        check_attribute_size(name, value).map_err(|error| error.message)?;
        let old = self.attributes.get(name).map_or(0, |old| name.len() + old.len());
        let text = self.endpoint.len() + text_bytes(&self.attributes) - old + name.len() + value.len();
        self.stored.resize(text).map_err(|full| full.to_string())?;
        let mut value = value.to_owned();
        match name {
            "RawMessageDelivery" => value = raw_delivery(&value)?,
            "FilterPolicy" => self.filter = FilterPolicy::parse(&value, self.scope)?,
            "FilterPolicyScope" => self.set_scope(&value)?,
            "RedrivePolicy" => check_redrive(&value, &self.arn, &self.endpoint)?,
            "DeliveryPolicy" | "SubscriptionRoleArn" => {}
            _ => return Err("AttributeName".to_owned()),
        }
        self.attributes.insert(name.to_owned(), value);
        if name == "FilterPolicy" && self.filter.is_none() {
            self.attributes.remove(name);
        }
        Ok(())
    }

    fn set_scope(&mut self, value: &str) -> Result<(), String> {
        let scope = match value {
            "MessageAttributes" => FilterScope::MessageAttributes,
            "MessageBody" => FilterScope::MessageBody,
            _ => {
                return Err(format!(
                    "FilterPolicyScope: Invalid value [{value}]. Please use either MessageBody or MessageAttributes"
                ));
            }
        };
        let policy = self.attributes.get("FilterPolicy").map_or("", String::as_str);
        (self.filter, self.scope) = (FilterPolicy::parse(policy, scope)?, scope);
        Ok(())
    }

    /// Returns true if messages are delivered without the envelope of SNS.
    pub(super) fn is_raw(&self) -> bool {
        self.attributes.get("RawMessageDelivery").is_some_and(|value| value == "true")
    }

    /// Returns true if the attributes of a repeated call have the same values here.
    pub(super) fn includes(&self, requested: &Self) -> bool {
        let value = |of: &Self, name: &str| match (of.attributes.get(name), name) {
            (Some(value), _) => value.clone(),
            (None, "RawMessageDelivery") => "false".to_owned(),
            (None, "FilterPolicyScope") => "MessageAttributes".to_owned(),
            (None, _) => String::new(),
        };
        requested.attributes.keys().all(|name| value(self, name) == value(requested, name))
    }

    /// The name of the queue, if the endpoint is one.
    pub(super) fn queue_name(&self) -> Option<&str> {
        if self.protocol.as_str() == "sqs" { self.endpoint.rsplit(':').next() } else { None }
    }

    /// The phone number, if the endpoint is one.
    pub(super) fn phone_number(&self) -> Option<SmsNumber> {
        SmsNumber::of_endpoint(&self.endpoint).filter(|_| self.protocol.as_str() == "sms")
    }

    /// The name of the queue that takes what the endpoint cannot.
    pub(super) fn dead_letter_queue(&self) -> Option<String> {
        let policy = self.attributes.get("RedrivePolicy")?;
        let arn = dead_letter_arn(policy).ok()?;
        arn.rsplit(':').next().map(str::to_owned)
    }

    /// The subscription as lists show it; one that is not confirmed has no ARN there.
    pub(super) fn summary(&self, topic: &SnsTopicArn) -> SubscriptionSummary {
        let arn = if self.protocol.is_pending() { "PendingConfirmation" } else { &self.arn };
        SubscriptionSummary {
            arn: arn.to_owned(),
            topic_arn: topic.to_string(),
            protocol: self.protocol.as_str().to_owned(),
            endpoint: self.endpoint.clone(),
            owner: topic.account_id().to_owned(),
        }
    }

    /// The attributes as SNS returns them.
    pub(super) fn show(&self, topic: &SnsTopicArn) -> StringMap {
        let mut shown = self.attributes.clone();
        shown.entry("RawMessageDelivery".to_owned()).or_insert_with(|| "false".to_owned());
        if self.filter.is_some() {
            shown.entry("FilterPolicyScope".to_owned()).or_insert_with(|| "MessageAttributes".to_owned());
        } else {
            shown.remove("FilterPolicyScope");
        }
        let principal = format!("arn:aws:iam::{}:user/longshore-emulator", topic.account_id());
        let facts = [
            ("SubscriptionArn", self.arn.as_str()),
            ("TopicArn", topic.as_str()),
            ("Protocol", self.protocol.as_str()),
            ("Endpoint", &self.endpoint),
            ("Owner", topic.account_id()),
            ("SubscriptionPrincipal", &principal),
        ];
        shown.extend(facts.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let is_pending = self.protocol.is_pending();
        shown.insert("PendingConfirmation".to_owned(), is_pending.to_string());
        shown.insert("ConfirmationWasAuthenticated".to_owned(), (!is_pending).to_string());
        shown
    }
}

fn raw_delivery(value: &str) -> Result<String, String> {
    let lowercase = value.to_lowercase();
    if matches!(lowercase.as_str(), "true" | "false") {
        return Ok(lowercase);
    }
    Err(format!("RawMessageDelivery: Invalid value [{value}]. Must be true or false."))
}

fn check_redrive(policy: &str, subscription: &str, endpoint: &str) -> Result<(), String> {
    let arn = dead_letter_arn(policy)?;
    let topic = subscription.rsplit_once(':').map_or("", |(topic, _)| topic);
    let is_fifo = |arn: &str| arn.strip_suffix(".fifo").is_some();
    if is_fifo(topic) && is_fifo(endpoint) && !is_fifo(&arn) {
        return Err(
            "RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic.".to_owned()
        );
    }
    Ok(())
}

fn dead_letter_arn(policy: &str) -> Result<String, String> {
    let policy: Value = serde_json::from_str(policy)
        .map_err(|error| format!("RedrivePolicy: failed to parse JSON. {error}"))?;
    let arn = policy["deadLetterTargetArn"].as_str().filter(|arn| is_arn(arn));
    arn.map(str::to_owned).ok_or_else(|| "RedrivePolicy: deadLetterTargetArn is an invalid arn".to_owned())
}

/// Returns true if the text has the form of an ARN.
fn is_arn(text: &str) -> bool {
    text.strip_prefix("arn:").is_some() && text.split(':').count() >= 6
}

/// Checks protocol and endpoint of a subscription to a topic.
pub(super) fn check_endpoint(
    topic_is_fifo: bool,
    request: &SubscribeRequest<'_>,
) -> Result<SubscriptionProtocol, SnsApiError> {
    let protocol = SubscriptionProtocol::parse(request.protocol)?;
    let endpoint = request.endpoint;
    let scheme = format!("{}://", protocol.as_str());
    match protocol.as_str() {
        "http" | "https" if !endpoint.starts_with(&scheme) => {
            return Err(SnsApiError::invalid("Endpoint must match the specified protocol"));
        }
        "sms" if !is_phone_number(endpoint) => {
            let message = format!("Invalid SMS endpoint: {endpoint}");
            return Err(SnsApiError::new(super::SnsErrorCode::InvalidParameter, message));
        }
        "sqs" if !is_arn(endpoint) => return Err(SnsApiError::invalid("SQS endpoint ARN")),
        "application" if !is_arn(endpoint) => {
            return Err(SnsApiError::invalid("ApplicationEndpoint ARN"));
        }
        "sqs" if endpoint.strip_suffix(".fifo").is_some() && !topic_is_fifo => {
            return Err(SnsApiError::invalid(
                "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics",
            ));
        }
        _ => {}
    }
    Ok(protocol)
}

/// A phone number with or without its plus.
pub(super) fn is_phone_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (2..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Checks that a text can be the ARN of a subscription, which has one part more than that of a topic.
pub(super) fn check_arn(arn: &str) -> Result<(), SnsApiError> {
    match arn.split(':').count() {
        7.. => Ok(()),
        6 => Err(SnsApiError::invalid("SubscriptionId")),
        parts => {
            let reason = format!("An ARN must have at least 6 elements, not {parts}");
            Err(SnsApiError::invalid(format!("SubscriptionArn Reason: {reason}")))
        }
    }
}
