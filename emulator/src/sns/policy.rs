//! The access policy of a topic, which is stored and has no effect, and the delivery policy of HTTP subscriptions.

use serde_json::json;

use super::{SnsApiError, SnsTopicArn};
use crate::permissions::{AccessPolicy, PermissionRequest, PolicyResource};

/// The actions that a policy of a topic may name.
const ACTIONS: [&str; 9] = [
    "GetTopicAttributes",
    "SetTopicAttributes",
    "AddPermission",
    "RemovePermission",
    "DeleteTopic",
    "Subscribe",
    "ListSubscriptionsByTopic",
    "Publish",
    "Receive",
];

/// The policy of a topic for which none was set.
pub(super) fn default_policy(topic: &SnsTopicArn) -> AccessPolicy {
    let actions: Vec<_> = ACTIONS[..8].iter().map(|action| format!("SNS:{action}")).collect();
    let statement = json!({
        "Effect": "Allow",
        "Sid": "__default_statement_ID",
        "Principal": { "AWS": "*" },
        "Action": actions,
        "Resource": topic.as_str(),
        "Condition": { "StringEquals": { "AWS:SourceOwner": topic.account_id() } },
    });
    AccessPolicy::new("__default_policy_ID", &[statement])
}

/// Adds a statement.
pub(super) fn add_statement(
    policy: &mut AccessPolicy,
    topic: &SnsTopicArn,
    request: PermissionRequest<'_>,
) -> Result<(), SnsApiError> {
    if policy.has(request.label) {
        return Err(SnsApiError::invalid("Statement already exists"));
    }
    if !request.actions.iter().all(|action| ACTIONS.contains(&action.as_str())) {
        return Err(SnsApiError::invalid("Policy statement action out of service scope!"));
    }
    policy.add(PolicyResource { service: "SNS", arn: topic.as_str() }, request);
    Ok(())
}

/// The delivery policy that all topics have; the emulator delivers to no HTTP endpoint.
pub(super) fn effective_delivery_policy() -> String {
    let retries = json!({
        "minDelayTarget": 20,
        "maxDelayTarget": 20,
        "numRetries": 3,
        "numMaxDelayRetries": 0,
        "numNoDelayRetries": 0,
        "numMinDelayRetries": 0,
        "backoffFunction": "linear",
    });
    let http = json!({
        "defaultHealthyRetryPolicy": retries,
        "disableSubscriptionOverrides": false,
        "defaultRequestPolicy": { "headerContentType": "text/plain; charset=UTF-8" },
    });
    json!({ "http": http }).to_string()
}
