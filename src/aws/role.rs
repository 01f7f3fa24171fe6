//! The role that calls about a queue or a topic are made in.

use serde::{Deserialize, Serialize};

use crate::settings::{Problem, not_allowed};

/// A role to assume for a queue or a topic, such as one in the account that owns it.
///
/// Its credentials come from STS, asked with the process's own; they are shared by all that name the same role in the same
/// region, and replaced before they expire.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Role {
    pub(super) arn: String,
    pub(super) external_id: Option<String>,
    pub(super) session_name: Option<String>,
}

impl Role {
    /// The role with this ARN, such as `arn:aws:iam::123456789012:role/orders`.
    pub fn new(arn: impl Into<String>) -> Self {
        Self { arn: arn.into(), external_id: None, session_name: None }
    }

    /// Sets the external id that the role's trust policy demands.
    #[must_use]
    pub fn external_id(mut self, id: impl Into<String>) -> Self {
        self.external_id = Some(id.into());
        self
    }

    /// Sets the session's name, which CloudTrail shows; default: `longshore`.
    #[must_use]
    pub fn session_name(mut self, name: impl Into<String>) -> Self {
        self.session_name = Some(name.into());
        self
    }
}

/// The settings of a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct RoleSettings {
    /// The role to assume for it, such as `arn:aws:iam::123456789012:role/orders`; absent, the credentials of the process are used as they are.
    pub role_arn: Option<String>,
    /// The external id that the role's trust policy demands.
    pub external_id: Option<String>,
    /// The name of the role's session, which CloudTrail shows: 2 to 64 letters, digits and `+=,.@_-`; absent, `longshore`.
    pub session_name: Option<String>,
}

impl RoleSettings {
    /// The role, if there is one.
    pub(crate) fn role(&self) -> Option<Role> {
        let Self { role_arn, external_id, session_name } = self.clone();
        Some(Role { arn: role_arn?, external_id, session_name })
    }

    /// Finds what is no role, and what is set without one.
    pub(crate) fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(arn) = self.role_arn.as_deref().filter(|arn| !is_role_arn(arn)) {
            let allowed = "the arn of a role, such as arn:aws:iam::123456789012:role/orders";
            problems.push(Problem::new("role_arn", "not a role's arn").with_value(arn).with_allowed(allowed));
        }
        if let Some(name) = self.session_name.as_deref().filter(|name| !is_session_name(name)) {
            problems.push(not_allowed("session_name", name, "2 to 64 letters, digits and +=,.@_-"));
        }
        if self.role_arn.is_none() {
            let set = [("external_id", &self.external_id), ("session_name", &self.session_name)];
            let unused = set.into_iter().filter(|(_, value)| value.is_some());
            problems.extend(unused.map(|(key, _)| {
                Problem::new(key, "there is no role").with_hint("give the role's arn as role_arn")
            }));
        }
        problems
    }
}

fn is_role_arn(text: &str) -> bool {
    let parts: Vec<_> = text.splitn(6, ':').collect();
    matches!(parts[..], ["arn", partition, "iam", "", account, role]
        if partition.starts_with("aws")
            && account.len() == 12
            && account.bytes().all(|byte| byte.is_ascii_digit())
            && role.strip_prefix("role/").is_some_and(|name| !name.is_empty()))
}

fn is_session_name(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
    (2..=64).contains(&text.len()) && text.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_role_is_reported_by_its_key() {
        let keys = |role: Option<&str>, session: Option<&str>| -> Vec<String> {
            let settings = RoleSettings {
                role_arn: role.map(str::to_owned),
                session_name: session.map(str::to_owned),
                ..RoleSettings::default()
            };
            let problems = settings.validate();
            problems.iter().map(|problem| problem.key().cloned().unwrap_or_default().to_string()).collect()
        };
        let role = Some("arn:aws-cn:iam::123456789012:role/path/orders");
        assert_eq!(keys(None, None), Vec::<String>::new());
        assert_eq!(keys(role, Some("orders@prod")), Vec::<String>::new());
        assert_eq!(keys(None, Some("orders")), ["session_name"]);
        assert_eq!(keys(role, Some("a b")), ["session_name"]);
        for text in ["orders", "arn:aws:iam::123456789012:user/me", "arn:aws:sts::123456789012:role/orders"] {
            assert_eq!(keys(Some(text), None), ["role_arn"], "{text}");
        }
    }
}
