//! The attributes of a queue: parsing, limits, and the form in which SQS returns them.

use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

use serde::de::IgnoredAny;

use super::{
    SqsApiError, SqsErrorCode,
    redrive::{AllowedSources, RedriveTarget},
};
use crate::{limits, message::StringMap};

/// The attributes that only SQS itself sets.
const READ_ONLY: [&str; 6] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];

/// The attributes that a client sets.
const SETTABLE: [&str; 15] = [
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "Policy",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
];

/// The attributes of a queue.
#[derive(Clone, Debug)]
pub(super) struct QueueConfiguration {
    /// `VisibilityTimeout`.
    pub(super) visibility: Duration,
    /// `DelaySeconds`.
    pub(super) delay: Duration,
    /// `MaximumMessageSize`.
    pub(super) message_bytes: usize,
    /// `MessageRetentionPeriod`.
    pub(super) retention: Duration,
    /// `ReceiveMessageWaitTimeSeconds`.
    pub(super) wait: Duration,
    /// `RedrivePolicy`.
    pub(super) redrive: Option<RedriveTarget>,
    /// `RedriveAllowPolicy`.
    pub(super) allowed_sources: AllowedSources,
    /// The type, with the attributes of FIFO queues.
    pub(super) queue_type: QueueType,
    /// The attributes without effect here: access policy and encryption.
    without_effect: BTreeMap<&'static str, String>,
}

impl QueueConfiguration {
    /// The attributes of a new queue.
    pub(super) fn create(given: &StringMap) -> Result<Self, SqsApiError> {
        let queue_type = match given.get("FifoQueue").map(|value| boolean("FifoQueue", value)).transpose()? {
            Some(true) => QueueType::Fifo(FifoAttributes::default()),
            Some(false) => return Err(unknown("FifoQueue")),
            None => QueueType::Standard,
        };
        let defaults = Self {
            visibility: Duration::from_secs(30),
            delay: Duration::ZERO,
            message_bytes: limits::MESSAGE_BYTES,
            retention: Duration::from_hours(4 * 24),
            wait: Duration::ZERO,
            redrive: None,
            allowed_sources: AllowedSources::default(),
            queue_type,
            without_effect: BTreeMap::from([("SqsManagedSseEnabled", "true".to_owned())]),
        };
        defaults.changed(given)
    }

    /// These attributes with some of them changed.
    pub(super) fn changed(&self, given: &StringMap) -> Result<Self, SqsApiError> {
        let mut changed = self.clone();
        for (name, value) in given {
            changed.set(name, value)?;
        }
        Ok(changed)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), SqsApiError> {
        if value.len() > limits::ATTRIBUTE_BYTES {
            return Err(invalid(name));
        }
        match name {
            "VisibilityTimeout" => self.visibility = seconds(name, value, 0..=43_200)?,
            "DelaySeconds" => self.delay = seconds(name, value, 0..=900)?,
            "MessageRetentionPeriod" => self.retention = seconds(name, value, 60..=1_209_600)?,
            "ReceiveMessageWaitTimeSeconds" => self.wait = seconds(name, value, 0..=20)?,
            "MaximumMessageSize" => self.message_bytes = number(name, value, 1_024..=limits::MESSAGE_BYTES)?,
            "RedrivePolicy" => self.redrive = RedriveTarget::parse(value)?,
            "RedriveAllowPolicy" => self.allowed_sources = AllowedSources::parse(value)?,
            "FifoQueue" | "ContentBasedDeduplication" | "DeduplicationScope" | "FifoThroughputLimit" => {
                let QueueType::Fifo(fifo) = &mut self.queue_type else { return Err(fifo_only(name)) };
                fifo.set(name, value)?;
            }
            _ => self.set_without_effect(name, value)?,
        }
        Ok(())
    }

    fn set_without_effect(&mut self, name: &str, value: &str) -> Result<(), SqsApiError> {
        let known = ["Policy", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled"];
        let name = known.into_iter().find(|known| *known == name).ok_or_else(|| unknown(name))?;
        if value.is_empty() {
            self.without_effect.remove(name);
            return Ok(());
        }
        let value = match name {
            "Policy" if serde_json::from_str::<IgnoredAny>(value).is_err() => return Err(invalid(name)),
            "KmsDataKeyReusePeriodSeconds" => number(name, value, 60..=86_400)?.to_string(),
            "SqsManagedSseEnabled" => boolean(name, value)?.to_string(),
            _ => value.to_owned(),
        };
        if name == "KmsMasterKeyId" {
            self.without_effect.insert("SqsManagedSseEnabled", "false".to_owned());
        }
        self.without_effect.insert(name, value);
        Ok(())
    }

    /// `Policy`, if it is set.
    pub(super) fn policy(&self) -> Option<&str> {
        self.without_effect.get("Policy").map(String::as_str)
    }

    /// `KmsMasterKeyId`, if it is set.
    pub(super) fn kms_key(&self) -> Option<&str> {
        self.without_effect.get("KmsMasterKeyId").map(String::as_str)
    }

    /// The attributes that are set, as SQS returns them.
    pub(super) fn show(&self) -> StringMap {
        let mut shown: StringMap =
            self.without_effect.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        if self.kms_key().is_none() {
            shown.remove("KmsDataKeyReusePeriodSeconds"); // Without a key it is not shown (recorded against AWS).
        }
        let mut show = |name: &str, value: String| drop(shown.insert(name.to_owned(), value));
        show("VisibilityTimeout", self.visibility.as_secs().to_string());
        show("DelaySeconds", self.delay.as_secs().to_string());
        show("MessageRetentionPeriod", self.retention.as_secs().to_string());
        show("ReceiveMessageWaitTimeSeconds", self.wait.as_secs().to_string());
        show("MaximumMessageSize", self.message_bytes.to_string());
        if let Some(target) = &self.redrive {
            show("RedrivePolicy", target.text.clone());
        }
        if let Some(text) = self.allowed_sources.text() {
            show("RedriveAllowPolicy", text.to_owned());
        }
        if let QueueType::Fifo(fifo) = self.queue_type {
            fifo.show(show);
        }
        shown
    }
}

/// The attributes of these names, or all of them if `All` is among the names.
pub(super) fn choose(shown: StringMap, wanted: &[String]) -> Result<StringMap, SqsApiError> {
    let is_known = |name: &&String| READ_ONLY.contains(&name.as_str()) || SETTABLE.contains(&name.as_str());
    let (all, named): (Vec<_>, Vec<_>) = wanted.iter().partition(|name| *name == "All");
    if let Some(name) = named.into_iter().find(|name| !is_known(name)) {
        return Err(unknown(name));
    }
    if !all.is_empty() {
        return Ok(shown);
    }
    Ok(shown.into_iter().filter(|(name, _)| wanted.contains(name)).collect())
}

/// The type of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueueType {
    /// A standard queue.
    Standard,
    /// A FIFO queue.
    Fifo(FifoAttributes),
}

impl QueueType {
    /// True if the queue is a FIFO queue.
    pub(super) fn is_fifo(self) -> bool {
        self != Self::Standard
    }

    /// `DeduplicationScope`.
    pub(super) fn scope(self) -> DeduplicationScope {
        if let Self::Fifo(fifo) = self { fifo.scope } else { DeduplicationScope::default() }
    }
}

/// The attributes that only FIFO queues have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FifoAttributes {
    /// `ContentBasedDeduplication`.
    pub(super) deduplication: DeduplicationSource,
    scope: DeduplicationScope,
    throughput: ThroughputLimit,
}

/// The origin of deduplication ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum DeduplicationSource {
    /// The sender.
    #[default]
    Id,
    /// The body, if the sender gives no id.
    Content,
}

/// The scope within which a deduplication id is unique.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum DeduplicationScope {
    /// The queue.
    #[default]
    Queue,
    /// The message group.
    Group,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ThroughputLimit {
    #[default]
    PerQueue,
    PerGroup,
}

impl FifoAttributes {
    fn set(&mut self, name: &str, value: &str) -> Result<(), SqsApiError> {
        match (name, value) {
            ("FifoQueue", value) if !boolean(name, value)? => {
                let message = "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.";
                return Err(SqsApiError::new(SqsErrorCode::InvalidAttributeValue, message));
            }
            ("FifoQueue", _) => {}
            ("ContentBasedDeduplication", value) => {
                let by_content = boolean(name, value)?;
                self.deduplication =
                    if by_content { DeduplicationSource::Content } else { DeduplicationSource::Id };
            }
            ("DeduplicationScope", "queue") => self.scope = DeduplicationScope::Queue,
            ("DeduplicationScope", "messageGroup") => self.scope = DeduplicationScope::Group,
            ("FifoThroughputLimit", "perQueue") => self.throughput = ThroughputLimit::PerQueue,
            ("FifoThroughputLimit", "perMessageGroupId") => self.throughput = ThroughputLimit::PerGroup,
            _ => return Err(invalid(name)),
        }
        Ok(())
    }

    fn show(self, mut show: impl FnMut(&str, String)) {
        show("FifoQueue", "true".to_owned());
        show("ContentBasedDeduplication", (self.deduplication == DeduplicationSource::Content).to_string());
        let scope = match self.scope {
            DeduplicationScope::Queue => "queue",
            DeduplicationScope::Group => "messageGroup",
        };
        show("DeduplicationScope", scope.to_owned());
        let throughput = match self.throughput {
            ThroughputLimit::PerQueue => "perQueue",
            ThroughputLimit::PerGroup => "perMessageGroupId",
        };
        show("FifoThroughputLimit", throughput.to_owned());
    }
}

/// Parses `true` or `false`, in any case.
fn boolean(name: &str, value: &str) -> Result<bool, SqsApiError> {
    value.to_ascii_lowercase().parse().map_err(|_| invalid(name))
}

/// Parses a number within bounds.
fn number(name: &str, value: &str, allowed: RangeInclusive<usize>) -> Result<usize, SqsApiError> {
    value.parse().ok().filter(|number| allowed.contains(number)).ok_or_else(|| invalid(name))
}

/// Parses whole seconds within bounds.
fn seconds(name: &str, value: &str, allowed: RangeInclusive<usize>) -> Result<Duration, SqsApiError> {
    number(name, value, allowed).map(|seconds| Duration::from_secs(seconds as u64))
}

fn invalid(name: &str) -> SqsApiError {
    let message = format!("Invalid value for the parameter {name}.");
    SqsApiError::new(SqsErrorCode::InvalidAttributeValue, message)
}

fn unknown(name: &str) -> SqsApiError {
    SqsApiError::new(SqsErrorCode::InvalidAttributeName, format!("Unknown Attribute {name}."))
}

/// The error for an attribute that only FIFO queues have.
fn fifo_only(name: &str) -> SqsApiError {
    match name {
        "DeduplicationScope" | "FifoThroughputLimit" => {
            let message = format!("You can specify the {name} only when FifoQueue is set to true.");
            SqsApiError::new(SqsErrorCode::InvalidAttributeName, message)
        }
        _ => unknown(name),
    }
}
