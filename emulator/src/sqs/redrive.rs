//! The redrive policy of a source queue and the redrive allow policy of a dead-letter queue.

use std::num::NonZeroU32;

use serde::{Deserialize, de};
use serde_json::Value;

use super::SqsApiError;

/// The highest `maxReceiveCount`.
const MAX_RECEIVES: u32 = 1_000;

/// A parsed `RedrivePolicy`.
#[derive(Clone, Debug)]
pub(super) struct RedriveTarget {
    /// The policy as the client wrote it, which SQS returns.
    pub(super) text: String,
    /// `deadLetterTargetArn`.
    pub(super) arn: String,
    /// `maxReceiveCount`.
    pub(super) max_receives: NonZeroU32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedrivePolicyJson {
    dead_letter_target_arn: String,
    /// A number or a string of digits.
    max_receive_count: Value,
}

impl RedriveTarget {
    /// Parses the policy; an empty one is none.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, SqsApiError> {
        if text.is_empty() {
            return Ok(None);
        }
        let invalid = |reason: &str| SqsApiError::invalid_parameter("RedrivePolicy", text, reason);
        let policy: RedrivePolicyJson = serde_json::from_str(text)
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

/// A parsed `RedriveAllowPolicy`: the queues that may use this one as their dead-letter queue.
#[derive(Clone, Debug, Default)]
pub(super) struct AllowedSources {
    text: Option<String>,
    permission: RedrivePermission,
}

#[derive(Clone, Debug, Default)]
enum RedrivePermission {
    #[default]
    All,
    None,
    Queues(Vec<String>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedriveAllowPolicyJson {
    redrive_permission: String,
    #[serde(default)]
    source_queue_arns: Vec<String>,
}

impl AllowedSources {
    /// Parses the policy; an empty one allows all.
    pub(super) fn parse(text: &str) -> Result<Self, SqsApiError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let permission = serde_json::from_str(text)
            .and_then(|policy: RedriveAllowPolicyJson| match policy.redrive_permission.as_str() {
                "allowAll" => Ok(RedrivePermission::All),
                "denyAll" => Ok(RedrivePermission::None),
                "byQueue" if (1..=10).contains(&policy.source_queue_arns.len()) => {
                    Ok(RedrivePermission::Queues(policy.source_queue_arns))
                }
                _ => Err(de::Error::custom("not a permission")),
            })
            .map_err(|_| {
                let reason =
                    "Amazon SQS can't create the redrive allow policy, as it's in an unsupported format.";
                SqsApiError::invalid_parameter("RedriveAllowPolicy", text, reason)
            })?;
        Ok(Self { text: Some(text.to_owned()), permission })
    }

    /// The policy as the client wrote it.
    pub(super) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Returns true if the queue with this ARN may use this one as its dead-letter queue.
    pub(super) fn allows(&self, source_arn: &str) -> bool {
        match &self.permission {
            RedrivePermission::All => true,
            RedrivePermission::None => false,
            RedrivePermission::Queues(arns) => arns.iter().any(|arn| arn == source_arn),
        }
    }
}
