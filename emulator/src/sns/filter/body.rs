//! Finds the values of a path in a JSON body.

use serde_json::Value;

use super::FoundValues;

/// The values at a dotted path, through every element of the arrays on its way.
///
/// A name with dots is the same as names nested in each other (recorded against AWS).
pub(super) fn find(body: &Value, path: &str) -> FoundValues {
    let mut found = FoundValues::default();
    collect(body, Some(path), &mut found);
    found
}

fn collect(value: &Value, path: Option<&str>, found: &mut FoundValues) {
    match (value, path) {
        (Value::Array(elements), path) if !elements.is_empty() => {
            elements.iter().for_each(|element| collect(element, path, found));
        }
        (Value::Object(members), Some(path)) => {
            let mut is_found = false;
            for (name, member) in members {
                if let Some(rest) = behind(name, path) {
                    is_found = true;
                    collect(member, rest, found);
                }
            }
            found.is_absent |= !is_found;
        }
        (Value::Array(_) | Value::Object(_), _) | (_, Some(_)) => found.is_absent = true,
        (scalar, None) => found.values.push(scalar.clone()),
    }
}

/// The part of the path behind a name at its beginning: `Some(None)` if there is none.
fn behind<'a>(name: &str, path: &'a str) -> Option<Option<&'a str>> {
    let rest = path.strip_prefix(name)?;
    if rest.is_empty() { Some(None) } else { rest.strip_prefix('.').map(Some) }
}
