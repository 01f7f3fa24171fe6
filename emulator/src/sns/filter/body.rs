//! Finds the values of a path in a JSON body.

use serde_json::Value;

use super::FoundValues;

/// The values at a dotted path, through every element of the arrays on its way.
///
/// A name with dots is the same as names nested in each other (recorded against AWS).
pub(super) fn find(body: &Value, path: &str) -> FoundValues {
    let mut found = FoundValues::default();
    collect(body, path, &mut found);
    found
}

/// Collects what a value has at the rest of the path, which is empty at its end.
fn collect(value: &Value, path: &str, found: &mut FoundValues) {
    match value {
        Value::Array(elements) if !elements.is_empty() => {
            for element in elements {
                collect(element, path, found);
            }
        }
        Value::Object(members) if !path.is_empty() => {
            let mut is_found = false;
            for (name, member) in members {
                if let Some(rest) = behind(name, path) {
                    is_found = true;
                    collect(member, rest, found);
                }
            }
            found.is_absent |= !is_found;
        }
        Value::Array(_) | Value::Object(_) => found.is_absent = true,
        _ if !path.is_empty() => found.is_absent = true,
        scalar => found.values.push(scalar.clone()),
    }
}

/// The part of the path behind a name at its beginning.
fn behind<'a>(name: &str, path: &'a str) -> Option<&'a str> {
    let rest = path.strip_prefix(name)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('.') }
}
