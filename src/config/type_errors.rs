//! Turns the merged layers into settings, and finds every value that is not of its setting's type.
//!
//! serde stops at the first wrong value and, inside a tagged enum, forgets where that was. So each value is parsed
//! alone, with nothing beside it but the `kind` of the tables it is in: a failure is then that value's own fault.

use config::Value;
use serde_json::Value as Json;

use super::{
    layers::{DEFAULT, Layer, is_table, json, origin_of},
    schema::SchemaNode,
    settings::Settings,
};
use crate::settings::{Key, Problem};

/// Reads the settings; invalid values are removed from the layer, so that the rest can be validated too.
pub(super) fn read(layer: &mut Layer, root: &SchemaNode<'_>) -> (Settings, Vec<Problem>) {
    // Nothing to look for: to parse each value alone takes a second for a thousand queues.
    if let Ok(settings) = serde_json::from_value(layer.json()) {
        return (settings, Vec::new());
    }
    let mut problems = Vec::new();
    for key in wrong_values(layer, root, &mut problems) {
        match example(layer, root, &key) {
            Some(value) => layer.set(&key, &value, DEFAULT),
            None => drop(layer.remove(&key)),
        }
    }
    for key in wrong_tables(layer, root, &mut problems) {
        layer.remove(&key);
    }
    match serde_json::from_value(layer.json()) {
        Ok(settings) => (settings, problems),
        Err(error) => {
            problems.push(Problem::general(error.to_string()));
            (Settings::default(), problems)
        }
    }
}

fn wrong_values(layer: &Layer, root: &SchemaNode<'_>, problems: &mut Vec<Problem>) -> Vec<Key> {
    let mut wrong = Vec::new();
    let kinds = spelled_out(layer, root);
    for (key, value) in layer.nodes().into_iter().filter(|(_, value)| !is_table(value)) {
        let mut alone = Layer::default();
        alone.put(&key, value.clone());
        for (kind, value) in kinds.iter().filter(|(kind, _)| is_beside(kind, &key)) {
            alone.put(kind, (*value).clone());
        }
        if let Some(message) = parse_error(&alone).filter(|message| missing_field(message).is_none()) {
            problems.push(describe(layer, root, &key, &message));
            wrong.push(key);
        }
    }
    wrong
}

/// The tables without a required value; reported unless that value was removed as invalid.
fn wrong_tables(layer: &Layer, root: &SchemaNode<'_>, problems: &mut Vec<Problem>) -> Vec<Key> {
    let mut wrong: Vec<Key> = Vec::new();
    let kinds = spelled_out(layer, root);
    for (key, table) in layer.nodes().into_iter().rev() {
        if !is_table(table) || wrong.iter().any(|inner| inner.is_within(&key)) {
            continue;
        }
        let mut without = Layer::default();
        for (kind, value) in kinds.iter().filter(|(kind, _)| is_beside(kind, &key) && !kind.is_within(&key)) {
            without.put(kind, (*value).clone());
        }
        let mut alone = without.clone();
        alone.put(&key, table.clone());
        // An error that remains without the table belongs to the table around it.
        let Some(message) =
            parse_error(&alone).filter(|message| parse_error(&without).as_ref() != Some(message))
        else {
            continue;
        };
        let missing = missing_field(&message).map(|name| key.child(name));
        let was_removed =
            problems.iter().any(|known| known.key().is_some() && known.key() == missing.as_ref());
        if !was_removed {
            problems.push(describe(layer, root, &key, &message));
        }
        wrong.push(key);
    }
    wrong
}

/// The values that the schema spells out, such as the `kind` that the rest of a table depends on.
fn spelled_out<'a>(layer: &'a Layer, root: &SchemaNode<'_>) -> Vec<(Key, &'a Value)> {
    let is_spelled_out = |key: &Key, value: &Value| {
        !is_table(value) && root.at(key).is_some_and(|schema| schema.spells_out(&json(value)))
    };
    layer.nodes().into_iter().filter(|(key, value)| is_spelled_out(key, value)).collect()
}

fn is_beside(kind: &Key, key: &Key) -> bool {
    kind != key && kind.parent().is_some_and(|table| key.is_within(&table))
}

/// Returns an example for a wrong value that its table requires, so that the rest of the table is checked.
fn example(layer: &Layer, root: &SchemaNode<'_>, key: &Key) -> Option<Json> {
    let ((name, _), parent) = (key.split_last()?, key.parent()?);
    let table = table_at(layer, root, &parent)?;
    if !table.requires(name) {
        return None;
    }
    table.property(name)?.keyword("examples")?.get(0).cloned()
}

/// The schema of the table at this key, narrowed by the table's own `kind`.
fn table_at<'a>(layer: &Layer, root: &SchemaNode<'a>, key: &Key) -> Option<SchemaNode<'a>> {
    let kind = layer.get(&key.child("kind")).map(json);
    root.at(key).map(|table| table.with_kind(kind.as_ref()))
}

fn parse_error(layer: &Layer) -> Option<String> {
    serde_json::from_value::<Settings>(layer.json()).err().map(|error| error.to_string())
}

/// The name in serde's error about a missing field.
fn missing_field(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

fn describe(layer: &Layer, root: &SchemaNode<'_>, key: &Key, message: &str) -> Problem {
    // serde's expectation names Rust types; the allowed values are clearer.
    let short = message.split(", expected ").next().unwrap_or(message);
    let hint = root.at(key).and_then(|node| node.keyword("x-hint")).and_then(Json::as_str);
    let hint = hint.filter(|_| missing_field(message).is_none());
    let problem = Problem::of(key.clone(), short);
    let problem = match allowed(layer, root, key, message) {
        Some(allowed) => problem.with_allowed(allowed),
        None => problem,
    };
    let problem = match layer.get(key) {
        Some(value) => problem.with_value(json(value)).with_origin(origin_of(value)),
        None => problem,
    };
    match hint {
        Some(hint) => problem.with_hint(hint),
        None => problem,
    }
}

/// Describes the allowed values.
fn allowed(layer: &Layer, root: &SchemaNode<'_>, key: &Key, message: &str) -> Option<String> {
    if let Some(name) = missing_field(message) {
        let node = table_at(layer, root, key)?.property(name)?;
        return Some(format!("{name} = {}", node.allowed()));
    }
    // A key of another kind of handler.
    if message.starts_with("unknown field") {
        return Some(table_at(layer, root, &key.parent()?)?.names().join(", "));
    }
    let name = key.names().last()?;
    let node = table_at(layer, root, &key.parent()?)?.property(name).or_else(|| root.at(key))?;
    Some(node.allowed())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{layers::of_json, schema::schema};

    fn layer_of(value: &Json) -> Layer {
        of_json(value, DEFAULT).into()
    }

    fn wrong(value: &Json) -> Vec<String> {
        let schema = schema();
        let (_, problems) = read(&mut layer_of(value), &SchemaNode::root(&schema));
        problems.iter().map(|problem| problem.key().cloned().unwrap_or_default().to_string()).collect()
    }

    #[test]
    fn values_wrong_in_the_same_way_are_each_wrong() {
        let value = json!({"queues": {"a": {"visibility": "x", "timeout": "x"}}, "drain": {"limit": "x"}});
        assert_eq!(wrong(&value), ["drain.limit", "queues.a.timeout", "queues.a.visibility"]);
    }

    #[test]
    fn a_value_inside_a_handler_is_found_by_its_own_name() {
        let handler = json!({"kind": "http", "connect_timeout": "5", "url": "nowhere", "reject": [422]});
        let value = json!({"queues": {"a": {"handler": handler}}});
        assert_eq!(wrong(&value), ["queues.a.handler.connect_timeout", "queues.a.handler.url"]);
    }

    #[test]
    fn a_wrong_value_does_not_keep_the_rest_of_its_table_from_being_checked() {
        let schema = schema();
        let handler = json!({"kind": "http", "url": "nowhere", "reject": [999]});
        let mut layer = layer_of(&json!({"queues": {"a": {"handler": handler}}}));
        let (settings, problems) = read(&mut layer, &SchemaNode::root(&schema));
        assert_eq!(problems.len(), 1);
        assert!(settings.queues["a"].handler.is_some());
    }

    #[test]
    fn a_missing_value_is_a_problem_of_its_table() {
        let value =
            json!({"queues": {"a": {"handler": {"kind": "http"}}, "b": {"handler": {"url": "http://h"}}}});
        assert_eq!(wrong(&value), ["queues.b.handler", "queues.a.handler"]);
    }

    #[test]
    fn a_missing_value_is_reported_beside_a_wrong_one() {
        let value = json!({"queues": {"a": {"handler": {"kind": "http", "connect_timeout": "5"}}}});
        assert_eq!(wrong(&value), ["queues.a.handler.connect_timeout", "queues.a.handler"]);
    }

    #[test]
    fn a_table_inside_a_handler_is_no_problem_and_its_values_are_checked() {
        let lambda = |env: Json| {
            let handler = json!({"kind": "lambda", "command": ["x"], "env": env});
            json!({"queues": {"a": {"handler": handler}}})
        };
        assert_eq!(wrong(&lambda(json!({"A": "1"}))), Vec::<String>::new());
        assert_eq!(wrong(&lambda(json!({"A": 1}))), ["queues.a.handler.env.A"]);
        let no_command = json!({"queues": {"a": {"handler": {"kind": "exec", "env": {"A": "1"}}}}});
        assert_eq!(wrong(&no_command), ["queues.a.handler"]);
    }

    fn report(value: &Json) -> String {
        let schema = schema();
        let (_, problems) = read(&mut layer_of(value), &SchemaNode::root(&schema));
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_allowed_in_a_handler_is_what_its_kind_has() {
        let handler = |handler: Json| report(&json!({"queues": {"a": {"handler": handler}}}));
        let missing = handler(json!({"kind": "exec"}));
        assert!(missing.contains("allowed: command = a list"), "{missing}");
        let kindless = handler(json!({"command": ["x"]}));
        assert!(kindless.contains(r#"allowed: kind = "http", "lambda", "exec" or "sns""#), "{kindless}");
        let misplaced = handler(json!({"kind": "lambda", "command": ["x"], "directory": "/x"}));
        let allowed = misplaced.split("allowed: ").nth(1).unwrap();
        assert!(allowed.contains("task_root") && !allowed.contains("directory"), "{misplaced}");
    }

    #[test]
    fn a_wrong_kind_is_one_problem() {
        let value = json!({"queues": {"a": {"handler": {"kind": "htpp", "url": "http://h"}}}});
        assert_eq!(wrong(&value), ["queues.a.handler.kind"]);
    }

    #[test]
    fn a_value_in_place_of_a_table_is_wrong() {
        assert_eq!(wrong(&json!({"queues": 3, "drain": {"limit": {}}})), ["queues", "drain.limit"]);
    }
}
