//! Turns the tree into settings, and finds every value that is not what its setting takes.
//!
//! serde stops at the first wrong value and, inside a tagged enum, forgets where that was. So each value is tried
//! alone, with nothing beside it but the `kind` of the tables it is in: what fails then is that value's own fault.

use serde_json::Value;

use super::{
    schema::Place,
    settings::Settings,
    tree::{Content, Node, Origin},
};
use crate::settings::{Key, Problem};

/// Reads the settings; what is wrong is taken out of the tree, so that the rest can be judged too.
pub(super) fn read(tree: &mut Node, root: &Place<'_>) -> (Settings, Vec<Problem>) {
    let mut problems = Vec::new();
    for key in wrong_values(tree, root, &mut problems) {
        match stand_in(tree, root, &key) {
            Some(example) => tree.set(&key, example, &Origin::Default),
            None => drop(tree.remove(&key)),
        }
    }
    for key in wrong_tables(tree, root, &mut problems) {
        tree.remove(&key);
    }
    match serde_json::from_value(tree.to_value()) {
        Ok(settings) => (settings, problems),
        Err(error) => {
            problems.push(Problem::general(error.to_string()));
            (Settings::default(), problems)
        }
    }
}

fn wrong_values(tree: &Node, root: &Place<'_>, problems: &mut Vec<Problem>) -> Vec<Key> {
    let mut wrong = Vec::new();
    let kinds = spelled_out(tree, root);
    for (key, node) in tree.nodes() {
        let Content::Value(value) = &node.content else { continue };
        let mut alone = Node::table(node.origin.clone());
        alone.set(&key, value.clone(), &node.origin);
        for (kind, node) in kinds.iter().filter(|(kind, _)| is_beside(kind, &key)) {
            alone.set(kind, node.to_value(), &node.origin);
        }
        if let Some(words) = fault(&alone).filter(|words| lacking(words).is_none()) {
            problems.push(describe(tree, root, &key, &words));
            wrong.push(key);
        }
    }
    wrong
}

/// The tables that lack something, unless what they lack is a value that was taken out.
fn wrong_tables(tree: &Node, root: &Place<'_>, problems: &mut Vec<Problem>) -> Vec<Key> {
    let mut wrong: Vec<Key> = Vec::new();
    let kinds = spelled_out(tree, root);
    for (key, node) in tree.nodes().into_iter().rev() {
        if node.entries().is_none() || wrong.iter().any(|inner| inner.is_within(&key)) {
            continue;
        }
        let mut without = Node::table(node.origin.clone());
        for (kind, node) in kinds.iter().filter(|(kind, _)| is_beside(kind, &key) && !kind.is_within(&key)) {
            without.set(kind, node.to_value(), &node.origin);
        }
        let mut alone = without.clone();
        alone.put(&key, node.clone());
        // What is wrong without the table, too, is not the table's fault but that of the one that it is in.
        let Some(words) = fault(&alone).filter(|words| fault(&without).as_ref() != Some(words)) else {
            continue;
        };
        let lacking = lacking(&words).map(|name| key.child(name));
        let was_taken_out =
            problems.iter().any(|known| known.key().is_some() && known.key() == lacking.as_ref());
        if !was_taken_out {
            problems.push(describe(tree, root, &key, &words));
        }
        wrong.push(key);
    }
    wrong
}

/// The values that the schema spells out, such as the `kind` that the rest of a table depends on.
fn spelled_out<'a>(tree: &'a Node, root: &Place<'_>) -> Vec<(Key, &'a Node)> {
    let is_spelled_out = |key: &Key, node: &Node| match &node.content {
        Content::Value(value) => root.at(key).is_some_and(|place| place.spells_out(value)),
        Content::Table(_) => false,
    };
    tree.nodes().into_iter().filter(|(key, node)| is_spelled_out(key, node)).collect()
}

fn is_beside(kind: &Key, key: &Key) -> bool {
    kind != key && kind.parent().is_some_and(|table| key.is_within(&table))
}

/// What takes the place of a wrong value that its table cannot do without, so that the rest of the table is judged.
fn stand_in(tree: &Node, root: &Place<'_>, key: &Key) -> Option<Value> {
    let ((name, _), parent) = (key.split_last()?, key.parent()?);
    let table = table_at(tree, root, &parent)?;
    if !table.requires(name) {
        return None;
    }
    table.property(name)?.keyword("examples")?.get(0).cloned()
}

/// What may stand in the table at this key, which the table's own `kind` may tell.
fn table_at<'a>(tree: &Node, root: &Place<'a>, key: &Key) -> Option<Place<'a>> {
    let kind = tree.get(&key.child("kind")).map(Node::to_value);
    root.at(key).map(|table| table.of_kind(kind.as_ref()))
}

fn fault(tree: &Node) -> Option<String> {
    serde_json::from_value::<Settings>(tree.to_value()).err().map(|error| error.to_string())
}

/// The name that a table lacks, if that is what serde's words are about.
fn lacking(words: &str) -> Option<&str> {
    words.strip_prefix("missing field `")?.strip_suffix('`')
}

fn describe(tree: &Node, root: &Place<'_>, key: &Key, words: &str) -> Problem {
    // What serde expected is said better, and without Rust's words, by what is allowed.
    let what = words.split(", expected ").next().unwrap_or(words);
    let hint = root.at(key).and_then(|place| place.keyword("x-hint")).and_then(Value::as_str);
    let hint = hint.filter(|_| lacking(words).is_none());
    let problem = Problem::of(key.clone(), what);
    let problem = match allowed(tree, root, key, words) {
        Some(allowed) => problem.with_allowed(allowed),
        None => problem,
    };
    let problem = match tree.get(key) {
        Some(node) => problem.with_value(node.to_value()).with_origin(node.origin.clone().to_string()),
        None => problem,
    };
    match hint {
        Some(hint) => problem.with_hint(hint),
        None => problem,
    }
}

/// What would mend a fault, in words.
fn allowed(tree: &Node, root: &Place<'_>, key: &Key, words: &str) -> Option<String> {
    if let Some(name) = lacking(words) {
        let place = table_at(tree, root, key)?.property(name)?;
        return Some(format!("{name} = {}", place.allowed()));
    }
    // A key that a handler of another kind has.
    if words.starts_with("unknown field") {
        return Some(table_at(tree, root, &key.parent()?)?.names().join(", "));
    }
    let name = key.names().last()?;
    let place = table_at(tree, root, &key.parent()?)?.property(name).or_else(|| root.at(key))?;
    Some(place.allowed())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::schema::schema;

    fn tree_of(value: &Value) -> Node {
        let content = match value {
            Value::Object(entries) => {
                Content::Table(entries.iter().map(|(name, value)| (name.clone(), tree_of(value))).collect())
            }
            value => Content::Value(value.clone()),
        };
        Node { origin: Origin::Default, content }
    }

    fn blamed(value: &Value) -> Vec<String> {
        let schema = schema();
        let (_, problems) = read(&mut tree_of(value), &Place::root(&schema));
        problems.iter().map(|problem| problem.key().cloned().unwrap_or_default().to_string()).collect()
    }

    #[test]
    fn values_wrong_in_the_same_way_are_each_blamed() {
        let value = json!({"queues": {"a": {"visibility": "x", "timeout": "x"}}, "drain": {"limit": "x"}});
        assert_eq!(blamed(&value), ["drain.limit", "queues.a.timeout", "queues.a.visibility"]);
    }

    #[test]
    fn a_value_inside_a_handler_is_blamed_by_its_own_name() {
        let handler = json!({"kind": "http", "connect_timeout": "5", "url": "nowhere", "reject": [422]});
        let value = json!({"queues": {"a": {"handler": handler}}});
        assert_eq!(blamed(&value), ["queues.a.handler.connect_timeout", "queues.a.handler.url"]);
    }

    #[test]
    fn a_wrong_value_does_not_keep_the_rest_of_its_table_from_being_judged() {
        let schema = schema();
        let handler = json!({"kind": "http", "url": "nowhere", "reject": [999]});
        let mut tree = tree_of(&json!({"queues": {"a": {"handler": handler}}}));
        let (settings, problems) = read(&mut tree, &Place::root(&schema));
        assert_eq!(problems.len(), 1);
        assert!(settings.queues["a"].handler.is_some());
    }

    #[test]
    fn what_is_missing_is_blamed_on_its_table() {
        let value =
            json!({"queues": {"a": {"handler": {"kind": "http"}}, "b": {"handler": {"url": "http://h"}}}});
        assert_eq!(blamed(&value), ["queues.b.handler", "queues.a.handler"]);
    }

    #[test]
    fn what_is_missing_is_told_beside_what_is_wrong() {
        let value = json!({"queues": {"a": {"handler": {"kind": "http", "connect_timeout": "5"}}}});
        assert_eq!(blamed(&value), ["queues.a.handler.connect_timeout", "queues.a.handler"]);
    }

    #[test]
    fn a_table_inside_a_handler_is_no_fault_and_its_values_are_judged() {
        let lambda = |env: Value| {
            let handler = json!({"kind": "lambda", "command": ["x"], "env": env});
            json!({"queues": {"a": {"handler": handler}}})
        };
        assert_eq!(blamed(&lambda(json!({"A": "1"}))), Vec::<String>::new());
        assert_eq!(blamed(&lambda(json!({"A": 1}))), ["queues.a.handler.env.A"]);
        let no_command = json!({"queues": {"a": {"handler": {"kind": "exec", "env": {"A": "1"}}}}});
        assert_eq!(blamed(&no_command), ["queues.a.handler"]);
    }

    fn told(value: &Value) -> String {
        let schema = schema();
        let (_, problems) = read(&mut tree_of(value), &Place::root(&schema));
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_allowed_in_a_handler_is_what_its_kind_has() {
        let handler = |handler: Value| told(&json!({"queues": {"a": {"handler": handler}}}));
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
        assert_eq!(blamed(&value), ["queues.a.handler.kind"]);
    }

    #[test]
    fn a_value_in_place_of_a_table_is_blamed() {
        assert_eq!(blamed(&json!({"queues": 3, "drain": {"limit": {}}})), ["queues", "drain.limit"]);
    }
}
