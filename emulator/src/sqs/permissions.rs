//! The statements that `AddPermission` adds to the policy of a queue, which is stored and has no effect.

use serde_json::{Value, json};

use super::SqsApiError;

/// A statement to add.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueuePermission<'a> {
    /// `Label`.
    pub(crate) label: &'a str,
    /// `AWSAccountIds`.
    pub(crate) accounts: &'a [String],
    /// `Actions`.
    pub(crate) actions: &'a [String],
}

/// The policy with one statement more.
pub(super) fn with_statement(
    policy: Option<&str>,
    queue_arn: &str,
    permission: QueuePermission<'_>,
) -> Result<String, SqsApiError> {
    let empty = json!({
        "Version": "2008-10-17",
        "Id": format!("{queue_arn}/SQSDefaultPolicy"),
        "Statement": [],
    });
    let mut policy = policy.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(empty);
    let statements = statements(&mut policy);
    if statements.iter().any(|statement| statement["Sid"] == permission.label) {
        let reason = "Already exists.";
        return Err(SqsApiError::invalid_parameter("Label", permission.label, reason));
    }
    let principals = permission.accounts.iter().map(|account| format!("arn:aws:iam::{account}:root"));
    let actions = permission.actions.iter().map(|action| format!("SQS:{action}"));
    statements.push(json!({
        "Sid": permission.label,
        "Effect": "Allow",
        "Principal": { "AWS": one_or_all(principals) },
        "Action": one_or_all(actions),
        "Resource": queue_arn,
    }));
    Ok(policy.to_string())
}

/// The policy without the statement of this label; empty if it was the last.
pub(super) fn without_statement(policy: Option<&str>, label: &str) -> Result<String, SqsApiError> {
    let mut policy: Value = policy.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let statements = statements(&mut policy);
    let before = statements.len();
    statements.retain(|statement| statement["Sid"] != label);
    if statements.len() == before {
        return Err(SqsApiError::invalid_parameter("Label", label, "can't find label."));
    }
    Ok(if statements.is_empty() { String::new() } else { policy.to_string() })
}

/// The statements; those of a policy that has none are added.
fn statements(policy: &mut Value) -> &mut Vec<Value> {
    if !policy["Statement"].is_array() {
        if !policy.is_object() {
            *policy = json!({});
        }
        policy["Statement"] = json!([]);
    }
    match &mut policy["Statement"] {
        Value::Array(statements) => statements,
        _ => unreachable!("it was made an array above"),
    }
}

/// One value alone, several as a list, as AWS writes policies.
fn one_or_all(values: impl Iterator<Item = String>) -> Value {
    let mut values: Vec<Value> = values.map(Value::from).collect();
    if values.len() == 1 { values.remove(0) } else { values.into() }
}
