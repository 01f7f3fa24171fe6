//! Parses a filter policy within the limits of SNS.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{FilterCondition, FilterPolicy, FilterScope};

/// The most keys of a policy at its top.
const KEYS: usize = 5;
/// The most combinations of values, each key's times its depth.
const COMBINATIONS: usize = 150;

/// The conditions of one alternative by their paths.
type Conditions = BTreeMap<String, Vec<FilterCondition>>;

impl FilterPolicy {
    /// Parses a policy; an empty one is none. The error is the reason of SNS.
    pub(in crate::sns) fn parse(text: &str, scope: FilterScope) -> Result<Option<Self>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let policy: Map<String, Value> = serde_json::from_str(text)
            .map_err(|error| format!("FilterPolicy: failed to parse JSON. {error}"))?;
        if policy.is_empty() {
            return Ok(None);
        }
        if policy.len() > KEYS {
            return Err(format!("FilterPolicy: Filter policy can not have more than {KEYS} keys"));
        }
        if combinations(&policy, 1, 1, scope)? > COMBINATIONS {
            return Err("FilterPolicy: Filter policy is too complex".to_owned());
        }
        let conditions = vec![Conditions::new()];
        let alternatives =
            expand(&policy, "", conditions).map_err(|reason| format!("FilterPolicy: {reason}"))?;
        Ok(Some(Self { scope, alternatives }))
    }
}

/// The number of combinations as SNS counts them: a key's values times its depth, multiplied over the keys.
fn combinations(
    policy: &Map<String, Value>,
    depth: usize,
    before: usize,
    scope: FilterScope,
) -> Result<usize, String> {
    let mut count = before;
    for (key, value) in policy {
        count = match value {
            Value::Object(inner) => combinations(inner, depth + 1, count, scope)?,
            Value::Array(values) if values.is_empty() => {
                return Err("FilterPolicy: Empty arrays are not allowed".to_owned());
            }
            Value::Array(values) if is_or(key, values) => {
                let mut sum = 0_usize;
                for inner in values.iter().filter_map(Value::as_object) {
                    sum = sum.saturating_add(combinations(inner, depth, count, scope)?);
                }
                sum
            }
            Value::Array(values) => count.saturating_mul(values.len()).saturating_mul(depth),
            _ => return Err(format!("FilterPolicy: \"{key}\" must be an object or an array")),
        };
    }
    if depth > 1 && scope == FilterScope::MessageAttributes {
        let reason = "Filter policy scope MessageAttributes does not support nested filter policy";
        return Err(reason.to_owned());
    }
    Ok(count)
}

/// `$or` with two alternatives or more.
fn is_or(key: &str, values: &[Value]) -> bool {
    key == "$or" && values.len() > 1 && values.iter().all(Value::is_object)
}

/// Adds the conditions of a policy below a path to every alternative.
fn expand(
    policy: &Map<String, Value>,
    path: &str,
    mut alternatives: Vec<Conditions>,
) -> Result<Vec<Conditions>, String> {
    for (key, value) in policy {
        let path_of_key = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            Value::Object(inner) => alternatives = expand(inner, &path_of_key, alternatives)?,
            Value::Array(values) if is_or(key, values) => {
                let mut all = Vec::new();
                for inner in values.iter().filter_map(Value::as_object) {
                    all.extend(expand(inner, path, alternatives.clone())?);
                }
                alternatives = all;
            }
            Value::Array(values) => {
                let conditions = values.iter().map(FilterCondition::parse).collect::<Result<Vec<_>, _>>()?;
                for alternative in &mut alternatives {
                    alternative.insert(path_of_key.clone(), conditions.clone());
                }
            }
            _ => {}
        }
    }
    Ok(alternatives)
}
