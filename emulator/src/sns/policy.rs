//! The access policy of a topic, which is stored and has no effect, and the delivery policy of HTTP subscriptions.

use serde_json::{Value, json};

use super::{SnsApiError, SnsTopicArn};

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

/// A statement that `AddPermission` adds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PermissionRequest<'a> {
    /// `Label`.
    pub(crate) label: &'a str,
    /// `AWSAccountId`.
    pub(crate) accounts: &'a [String],
    /// `ActionName`.
    pub(crate) actions: &'a [String],
}

/// The policy of a topic for which none was set.
pub(super) fn default_policy(topic: &SnsTopicArn) -> String {
    let actions: Vec<_> = ACTIONS[..8].iter().map(|action| format!("SNS:{action}")).collect();
    let statement = json!({
        "Effect": "Allow",
        "Sid": "__default_statement_ID",
        "Principal": { "AWS": "*" },
        "Action": actions,
        "Resource": topic.as_str(),
        "Condition": { "StringEquals": { "AWS:SourceOwner": topic.account_id() } },
    });
    json!({ "Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement] }).to_string()
}

/// The policy with one statement more.
pub(super) fn with_statement(
    policy: &str,
    topic: &SnsTopicArn,
    request: PermissionRequest<'_>,
) -> Result<String, SnsApiError> {
    let mut policy = parse(policy)?;
    let statements = statements(&mut policy)?;
    if statements.iter().any(|statement| statement["Sid"] == request.label) {
        return Err(SnsApiError::invalid("Statement already exists"));
    }
    if !request.actions.iter().all(|action| ACTIONS.contains(&action.as_str())) {
        return Err(SnsApiError::invalid("Policy statement action out of service scope!"));
    }
    let principals = request.accounts.iter().map(|account| format!("arn:aws:iam::{account}:root"));
    let actions = request.actions.iter().map(|action| format!("SNS:{action}"));
    statements.push(json!({
        "Sid": request.label,
        "Effect": "Allow",
        "Principal": { "AWS": one_or_all(principals) },
        "Action": one_or_all(actions),
        "Resource": topic.as_str(),
    }));
    Ok(policy.to_string())
}

/// The policy without the statement of this label.
pub(super) fn without_statement(policy: &str, label: &str) -> Result<String, SnsApiError> {
    let mut policy = parse(policy)?;
    statements(&mut policy)?.retain(|statement| statement["Sid"] != label);
    Ok(policy.to_string())
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

fn parse(policy: &str) -> Result<Value, SnsApiError> {
    serde_json::from_str(policy).map_err(|_| SnsApiError::invalid("Policy"))
}

fn statements(policy: &mut Value) -> Result<&mut Vec<Value>, SnsApiError> {
    policy.get_mut("Statement").and_then(Value::as_array_mut).ok_or_else(|| SnsApiError::invalid("Policy"))
}

/// One value alone, several as a list, as AWS writes policies.
fn one_or_all(values: impl Iterator<Item = String>) -> Value {
    let mut values: Vec<Value> = values.map(Value::from).collect();
    if values.len() == 1 { values.remove(0) } else { values.into() }
}
