//! The attributes of a queue, read and checked.

use std::{collections::BTreeMap, time::Duration};

use serde::de::IgnoredAny;

use super::{
    account::Names,
    fault::Fault,
    kind::{Fifo, Kind},
    policy::{AllowPolicy, DeadLetters},
    value::{Switch, boolean, invalid, number, only_fifo, seconds, unknown},
};
use crate::queue::limits;

/// The attributes that only the queue itself sets.
pub(super) const READ_ONLY: [&str; 6] = [
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
pub(super) struct Attributes {
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
    pub(super) dead_letters: Option<DeadLetters>,
    /// `RedriveAllowPolicy`.
    pub(super) allowed: AllowPolicy,
    /// What only FIFO queues have.
    pub(super) kind: Kind,
    /// What is kept and shown, and changes nothing here: the access policy and the encryption.
    shown: BTreeMap<&'static str, String>,
}

impl Attributes {
    /// The attributes of a new queue.
    pub(super) fn create(given: &Names) -> Result<Self, Fault> {
        let kind = match given.get("FifoQueue").map(|value| boolean("FifoQueue", value)).transpose()? {
            Some(Switch::On) => Kind::Fifo(Fifo::default()),
            Some(Switch::Off) => return Err(unknown("FifoQueue")),
            None => Kind::Standard,
        };
        let defaults = Self {
            visibility: Duration::from_secs(30),
            delay: Duration::ZERO,
            message_bytes: limits::MESSAGE_BYTES,
            retention: Duration::from_hours(4 * 24),
            wait: Duration::ZERO,
            dead_letters: None,
            allowed: AllowPolicy::default(),
            kind,
            shown: BTreeMap::from([("SqsManagedSseEnabled", "true".to_owned())]),
        };
        defaults.changed(given)
    }

    /// These attributes with some of them changed.
    pub(super) fn changed(&self, given: &Names) -> Result<Self, Fault> {
        let mut changed = self.clone();
        for (name, value) in given {
            changed.set(name, value)?;
        }
        Ok(changed)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        match name {
            "VisibilityTimeout" => self.visibility = seconds(name, value, 0..=43_200)?,
            "DelaySeconds" => self.delay = seconds(name, value, 0..=900)?,
            "MessageRetentionPeriod" => self.retention = seconds(name, value, 60..=1_209_600)?,
            "ReceiveMessageWaitTimeSeconds" => self.wait = seconds(name, value, 0..=20)?,
            "MaximumMessageSize" => self.message_bytes = number(name, value, 1_024..=limits::MESSAGE_BYTES)?,
            "RedrivePolicy" => self.dead_letters = DeadLetters::parse(value)?,
            "RedriveAllowPolicy" => self.allowed = AllowPolicy::parse(value)?,
            "FifoQueue" | "ContentBasedDeduplication" | "DeduplicationScope" | "FifoThroughputLimit" => {
                let Kind::Fifo(fifo) = &mut self.kind else { return Err(only_fifo(name)) };
                fifo.set(name, value)?;
            }
            _ => self.set_shown(name, value)?,
        }
        Ok(())
    }

    fn set_shown(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        let known = ["Policy", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled"];
        let name = known.into_iter().find(|known| *known == name).ok_or_else(|| unknown(name))?;
        if value.is_empty() {
            self.shown.remove(name);
            return Ok(());
        }
        let value = match name {
            "Policy" if serde_json::from_str::<IgnoredAny>(value).is_err() => return Err(invalid(name)),
            "KmsDataKeyReusePeriodSeconds" => number(name, value, 60..=86_400)?.to_string(),
            "SqsManagedSseEnabled" => (boolean(name, value)? == Switch::On).to_string(),
            _ => value.to_owned(),
        };
        if name == "KmsMasterKeyId" {
            self.shown.insert("SqsManagedSseEnabled", "false".to_owned());
        }
        self.shown.insert(name, value);
        Ok(())
    }

    /// `KmsMasterKeyId`, where it is set.
    pub(super) fn kms_key(&self) -> Option<&str> {
        self.shown.get("KmsMasterKeyId").map(String::as_str)
    }

    /// The attributes as SQS shows them, those only that are set.
    pub(super) fn show(&self) -> Names {
        let mut shown: Names =
            self.shown.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let mut show = |name: &str, value: String| drop(shown.insert(name.to_owned(), value));
        show("VisibilityTimeout", self.visibility.as_secs().to_string());
        show("DelaySeconds", self.delay.as_secs().to_string());
        show("MessageRetentionPeriod", self.retention.as_secs().to_string());
        show("ReceiveMessageWaitTimeSeconds", self.wait.as_secs().to_string());
        show("MaximumMessageSize", self.message_bytes.to_string());
        if let Some(dead_letters) = &self.dead_letters {
            show("RedrivePolicy", dead_letters.text.clone());
        }
        if let Some(text) = self.allowed.text() {
            show("RedriveAllowPolicy", text.to_owned());
        }
        if let Kind::Fifo(fifo) = self.kind {
            fifo.show(show);
        }
        shown
    }
}

/// The attributes of these names; all of them when `All` is among the names.
pub(super) fn choose(shown: Names, wanted: &[String]) -> Result<Names, Fault> {
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
