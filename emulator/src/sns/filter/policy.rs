//! Parses a filter policy within the limits of SNS.

use std::collections::BTreeMap;

use super::{
    FilterCondition, FilterPolicy, FilterScope,
    text::{PolicyContent, PolicyProblem, PolicyValue},
};

/// The most keys of a policy at its top.
const KEYS: usize = 5;
/// The most combinations of values, each key's times its depth.
const COMBINATIONS: usize = 150;

/// The conditions of one alternative by their paths.
type Conditions = BTreeMap<String, Vec<FilterCondition>>;

/// The keys of a policy, or of an object in it.
type Branches = Vec<(String, PolicyBranch)>;

/// The value of a key of a policy.
enum PolicyBranch {
    Conditions(Vec<FilterCondition>),
    /// Keys below the key.
    Nested(Branches),
    /// `$or` with two alternatives or more.
    Or(Vec<Branches>),
}

impl FilterPolicy {
    /// Parses a policy; an empty one is none. The error is the reason of SNS.
    pub(in crate::sns) fn parse(text: &str, scope: FilterScope) -> Result<Option<Self>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let (policy, text) = PolicyValue::parse(text)
            .map_err(|error| format!("FilterPolicy: failed to parse JSON. {error}"))?;
        if policy.is_empty() {
            return Ok(None);
        }
        let policy = parse(policy).map_err(|problem| format!("FilterPolicy: {}", problem.in_text(&text)))?;
        check_limits(&policy, scope)?;
        let alternatives = expand(&policy, "", vec![Conditions::new()]);
        Ok(Some(Self { scope, alternatives }))
    }
}

/// Parses the keys in their order, so that the first error is the one that SNS finds.
fn parse(members: Vec<(String, PolicyValue)>) -> Result<Branches, PolicyProblem> {
    let branch = |(key, value): (String, PolicyValue)| {
        let branch = parse_branch(&key, value)?;
        Ok((key, branch))
    };
    members.into_iter().map(branch).collect()
}

fn parse_branch(key: &str, value: PolicyValue) -> Result<PolicyBranch, PolicyProblem> {
    match value.content {
        PolicyContent::Object(members) => parse(members).map(PolicyBranch::Nested),
        PolicyContent::Array(values) if values.is_empty() => {
            Err(PolicyProblem::at(value.end, "Empty arrays are not allowed"))
        }
        PolicyContent::Array(values) if is_or(key, &values) => {
            let objects = values.into_iter().filter_map(PolicyValue::into_members);
            objects.map(parse).collect::<Result<_, _>>().map(PolicyBranch::Or)
        }
        PolicyContent::Array(values) => {
            let conditions = values.iter().map(FilterCondition::parse).collect::<Result<_, _>>();
            conditions.map(PolicyBranch::Conditions)
        }
        PolicyContent::Scalar(_) => {
            Err(PolicyProblem::at(value.begin, format!("\"{key}\" must be an object or an array")))
        }
    }
}

fn is_or(key: &str, values: &[PolicyValue]) -> bool {
    let is_object = |value: &PolicyValue| matches!(value.content, PolicyContent::Object(_));
    key == "$or" && values.len() > 1 && values.iter().all(is_object)
}

/// Checks the limits, which all of a policy may exceed and no place of it does.
fn check_limits(policy: &Branches, scope: FilterScope) -> Result<(), String> {
    if policy.len() > KEYS {
        return Err(format!("FilterPolicy: Filter policy can not have more than {KEYS} keys"));
    }
    if scope == FilterScope::MessageAttributes && is_nested(policy) {
        return Err("Filter policy scope MessageAttributes does not support nested filter policy".to_owned());
    }
    if combinations(policy, 1, 1) > COMBINATIONS {
        return Err("FilterPolicy: Filter policy is too complex".to_owned());
    }
    Ok(())
}

fn is_nested(branches: &Branches) -> bool {
    branches.iter().any(|(_, branch)| match branch {
        PolicyBranch::Conditions(_) => false,
        PolicyBranch::Nested(_) => true,
        PolicyBranch::Or(alternatives) => alternatives.iter().any(is_nested),
    })
}

/// The number of combinations as SNS counts them: a key's values times its depth, multiplied over the keys.
fn combinations(branches: &Branches, depth: usize, before: usize) -> usize {
    branches.iter().fold(before, |count, (_, branch)| match branch {
        PolicyBranch::Nested(inner) => combinations(inner, depth + 1, count),
        PolicyBranch::Conditions(conditions) => count.saturating_mul(conditions.len()).saturating_mul(depth),
        PolicyBranch::Or(alternatives) => {
            let of_each = alternatives.iter().map(|alternative| combinations(alternative, depth, count));
            of_each.fold(0, usize::saturating_add)
        }
    })
}

/// Adds the conditions of keys below a path to every alternative.
fn expand(branches: &Branches, path: &str, mut alternatives: Vec<Conditions>) -> Vec<Conditions> {
    for (key, branch) in branches {
        let path_of_key = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match branch {
            PolicyBranch::Nested(inner) => alternatives = expand(inner, &path_of_key, alternatives),
            PolicyBranch::Or(all) => {
                let expanded = all.iter().flat_map(|inner| expand(inner, path, alternatives.clone()));
                alternatives = expanded.collect();
            }
            PolicyBranch::Conditions(conditions) => {
                for alternative in &mut alternatives {
                    alternative.insert(path_of_key.clone(), conditions.clone());
                }
            }
        }
    }
    alternatives
}
