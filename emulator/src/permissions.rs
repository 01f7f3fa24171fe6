//! Access policies, which are stored and have no effect, and the statements that `AddPermission` adds to them.

use std::fmt;

use serde_json::{Value, json};

/// The parameters of `AddPermission`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PermissionRequest<'a> {
    /// `Label`.
    pub(crate) label: &'a str,
    /// The account ids.
    pub(crate) accounts: &'a [String],
    /// The names of actions, without the service.
    pub(crate) actions: &'a [String],
}

/// The queue or topic that a statement is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PolicyResource<'a> {
    /// The service as policies spell it: `SQS` or `SNS`.
    pub(crate) service: &'static str,
    /// The ARN.
    pub(crate) arn: &'a str,
}

/// An access policy; displayed as its JSON.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AccessPolicy(Value);

impl AccessPolicy {
    /// A policy of these statements.
    pub(crate) fn new(id: &str, statements: &[Value]) -> Self {
        Self(json!({ "Version": "2008-10-17", "Id": id, "Statement": statements }))
    }

    /// Parses a policy; `None` if the text is no JSON object. One statement may stand there without a list.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut policy: Value = serde_json::from_str(text).ok().filter(Value::is_object)?;
        let statements = match policy["Statement"].take() {
            Value::Array(statements) => statements,
            Value::Null => Vec::new(),
            one => vec![one],
        };
        policy["Statement"] = statements.into();
        Some(Self(policy))
    }

    fn statements(&self) -> &[Value] {
        self.0["Statement"].as_array().map_or(&[], Vec::as_slice)
    }

    /// True without a statement.
    pub(crate) fn is_empty(&self) -> bool {
        self.statements().is_empty()
    }

    /// True if a statement has this label.
    pub(crate) fn has(&self, label: &str) -> bool {
        self.statements().iter().any(|statement| statement["Sid"] == label)
    }

    /// Adds a statement.
    pub(crate) fn add(&mut self, resource: PolicyResource<'_>, request: PermissionRequest<'_>) {
        let principals = request.accounts.iter().map(|account| format!("arn:aws:iam::{account}:root"));
        let actions = request.actions.iter().map(|action| format!("{}:{action}", resource.service));
        let statement = json!({
            "Sid": request.label,
            "Effect": "Allow",
            "Principal": { "AWS": one_or_all(principals) },
            "Action": one_or_all(actions),
            "Resource": resource.arn,
        });
        if let Value::Array(statements) = &mut self.0["Statement"] {
            statements.push(statement);
        }
    }

    /// Removes the statements of this label.
    pub(crate) fn remove(&mut self, label: &str) {
        if let Value::Array(statements) = &mut self.0["Statement"] {
            statements.retain(|statement| statement["Sid"] != label);
        }
    }
}

impl fmt::Display for AccessPolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// One value alone, several as a list, as AWS writes policies.
fn one_or_all(values: impl Iterator<Item = String>) -> Value {
    let mut values: Vec<Value> = values.map(Value::from).collect();
    if values.len() == 1 { values.remove(0) } else { values.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_added_to_those_that_a_policy_has_and_removed_again() {
        let (accounts, actions) = (["1".to_owned()], ["Publish".to_owned(), "Subscribe".to_owned()]);
        let request = PermissionRequest { label: "new", accounts: &accounts, actions: &actions };
        for (policy, before) in [
            ("{}", 0),
            (r#"{"Statement": []}"#, 0),
            (r#"{"Statement": {"Sid": "old"}}"#, 1),
            (r#"{"Statement": [{"Sid": "old"}, {"Sid": "older"}]}"#, 2),
        ] {
            let mut policy = AccessPolicy::parse(policy).unwrap();
            assert_eq!((policy.statements().len(), policy.is_empty()), (before, before == 0), "{policy}");
            policy.add(PolicyResource { service: "SNS", arn: "arn:x" }, request);
            let expected = json!({
                "Sid": "new", "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::1:root" },
                "Action": ["SNS:Publish", "SNS:Subscribe"], "Resource": "arn:x",
            });
            assert_eq!((policy.has("new"), policy.statements().last()), (true, Some(&expected)), "{policy}");
            policy.remove("new");
            assert_eq!((policy.has("new"), policy.statements().len()), (false, before), "{policy}");
        }
    }

    #[test]
    fn a_text_that_is_no_object_is_no_policy() {
        for text in ["", "[]", "3", "{"] {
            assert_eq!(AccessPolicy::parse(text), None, "{text}");
        }
    }
}
