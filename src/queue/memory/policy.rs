//! The two policies of redriving: where dead letters go, and who may send them here.

use std::num::NonZeroU32;

use serde::{Deserialize, de};
use serde_json::Value;

use super::fault::Fault;

/// The most receives a redrive policy may allow.
const MAX_RECEIVES: u32 = 1_000;

/// `RedrivePolicy`, read.
#[derive(Clone, Debug)]
pub(super) struct DeadLetters {
    /// The policy as the client wrote it, which is how SQS shows it.
    pub(super) text: String,
    /// `deadLetterTargetArn`.
    pub(super) arn: String,
    /// `maxReceiveCount`.
    pub(super) max_receives: NonZeroU32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedrivePolicy {
    dead_letter_target_arn: String,
    /// Clients write a number or a string of digits.
    max_receive_count: Value,
}

impl DeadLetters {
    /// Reads the policy; an empty one removes it.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, Fault> {
        if text.is_empty() {
            return Ok(None);
        }
        let invalid = |reason: &str| Fault::invalid_parameter("RedrivePolicy", text, reason);
        let policy: RedrivePolicy = serde_json::from_str(text)
            .map_err(|_| invalid("It must hold deadLetterTargetArn and maxReceiveCount."))?;
        let count = match &policy.max_receive_count {
            Value::String(digits) => digits.parse().ok(),
            number => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        };
        let max_receives =
            count.filter(|count| *count <= MAX_RECEIVES).and_then(NonZeroU32::new).ok_or_else(|| {
                invalid(&format!(
                    "Invalid value for maxReceiveCount: {}, valid values are from 1 to 1000 both inclusive.",
                    policy.max_receive_count
                ))
            })?;
        Ok(Some(Self { text: text.to_owned(), arn: policy.dead_letter_target_arn, max_receives }))
    }
}

/// `RedriveAllowPolicy`, read.
#[derive(Clone, Debug, Default)]
pub(super) struct AllowPolicy {
    text: Option<String>,
    permission: Permission,
}

#[derive(Clone, Debug, Default)]
enum Permission {
    #[default]
    All,
    None,
    Queues(Vec<String>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedriveAllowPolicy {
    redrive_permission: String,
    #[serde(default)]
    source_queue_arns: Vec<String>,
}

impl AllowPolicy {
    /// Reads the policy; an empty one allows all.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let policy = serde_json::from_str(text)
            .and_then(|policy: RedriveAllowPolicy| match policy.redrive_permission.as_str() {
                "allowAll" => Ok(Permission::All),
                "denyAll" => Ok(Permission::None),
                "byQueue" if (1..=10).contains(&policy.source_queue_arns.len()) => {
                    Ok(Permission::Queues(policy.source_queue_arns))
                }
                _ => Err(de::Error::custom("not a permission")),
            })
            .map_err(|_| {
                let reason =
                    "Amazon SQS can't create the redrive allow policy, as it's in an unsupported format.";
                Fault::invalid_parameter("RedriveAllowPolicy", text, reason)
            })?;
        Ok(Self { text: Some(text.to_owned()), permission: policy })
    }

    /// The policy as the client wrote it.
    pub(super) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Whether a queue of this ARN may have its dead letters here.
    pub(super) fn allows(&self, source_arn: &str) -> bool {
        match &self.permission {
            Permission::All => true,
            Permission::None => false,
            Permission::Queues(arns) => arns.iter().any(|arn| arn == source_arn),
        }
    }
}
