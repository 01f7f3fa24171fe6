//! Finds unknown keys, values in place of tables and tables in place of values.

use config::Value;

use super::{
    layers::{Layer, entries, entry, is_table, json, origin_of},
    schema::SchemaNode,
};
use crate::settings::{Key, Problem, are_alike};

/// The least similarity of two names, from 0 to 1, at which one is suggested for the other.
const SIMILAR: f64 = 0.6;

/// Removes unknown and misplaced keys from a layer, and returns the problems.
///
/// Also called before another layer is merged over this one, because a value over a mistake would hide it.
pub(super) fn remove_unknown(layer: &mut Layer, root: &SchemaNode<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    find(layer.root(), root, &Key::default(), &mut problems);
    for key in problems.iter().filter_map(|problem| problem.key()) {
        layer.remove(key);
    }
    problems
}

fn find(table: &Value, schema: &SchemaNode<'_>, at: &Key, problems: &mut Vec<Problem>) {
    let kind = entry(table, "kind").map(json);
    let is_free = |name: &str| !schema.names().contains(&name);
    for (name, value) in entries(table) {
        let key = at.child(name);
        match schema.property(name) {
            None => problems.push(unknown(value, key, name, &schema.with_kind(kind.as_ref()).names())),
            Some(schema) if schema.is_table() == is_table(value) => find(value, &schema, &key, problems),
            Some(schema) => {
                let problem = misplaced(value, key.clone(), &schema);
                // TOML takes the dots in a name for tables.
                let is_dotted = is_table(value) && is_free(name);
                problems.push(if is_dotted { problem.with_hint(quoted(name, value)) } else { problem });
            }
        }
    }
}

fn misplaced(value: &Value, key: Key, schema: &SchemaNode<'_>) -> Problem {
    let message = if schema.is_table() { "not a table" } else { "a table in place of a value" };
    Problem::of(key, message)
        .with_value(json(value))
        .with_origin(origin_of(value))
        .with_allowed(schema.allowed())
}

/// The hint for a name with dots that is not in quotes.
fn quoted(name: &str, table: &Value) -> String {
    let (mut dotted, mut value) = (name.to_owned(), table);
    while let Some((name, inner)) = entries(value).into_iter().next() {
        dotted = format!("{dotted}.{name}");
        value = inner;
    }
    format!("put a name with dots in quotes: \"{dotted}\"")
}

fn unknown(value: &Value, key: Key, name: &str, names: &[&str]) -> Problem {
    let parent = key.parent().unwrap_or_default();
    let problem = Problem::of(key, "unknown key")
        .with_value(json(value))
        .with_origin(origin_of(value))
        .with_allowed(names.join(", "));
    match synonym(name, names).or_else(|| nearest(name, names)) {
        Some(near) => problem.with_hint(format!("did you mean {near}?")).with_meant(parent.child(near)),
        None => problem,
    }
}

/// Names that other programs give to settings, with those of the settings.
const SYNONYMS: [(&str, &str); 16] = [
    ("arn", "url"),
    ("batch_size", "batch"),
    ("cmd", "command"),
    ("dead_letter_queue", "dlq"),
    ("endpoint", "endpoint_url"),
    ("level", "filter"),
    ("max_concurrency", "concurrency"),
    ("max_number_of_messages", "batch"),
    ("program", "command"),
    ("queue_name", "name"),
    ("queue_url", "url"),
    ("threads", "concurrency"),
    ("type", "kind"),
    ("visibility_timeout", "visibility"),
    ("wait_time_seconds", "receive"),
    ("workers", "concurrency"),
];

/// The setting that has this name elsewhere.
fn synonym<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    let is_meant =
        |own: &&&str| SYNONYMS.iter().any(|(other, meant)| are_alike(name, other) && meant == *own);
    names.iter().find(is_meant).copied()
}

/// The name most similar to the unknown one, if any is similar enough.
pub(crate) fn nearest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    let similarity = |own: &&str| strsim::normalized_damerau_levenshtein(&name.to_lowercase(), own);
    let scored = names.iter().map(|own| (similarity(own), *own));
    scored
        .filter(|(score, _)| *score >= SIMILAR)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, own)| own)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{file, schema::schema};

    fn removed(text: &str) -> Vec<String> {
        let schema = schema();
        let mut layer = file::parse(Path::new("f"), text).unwrap();
        let problems = remove_unknown(&mut layer, &SchemaNode::root(&schema));
        assert_eq!(remove_unknown(&mut layer, &SchemaNode::root(&schema)), []);
        problems.iter().map(|problem| format!("{}: {}", problem.key().unwrap(), problem.message())).collect()
    }

    #[test]
    fn unknown_keys_are_removed() {
        assert_eq!(removed("queues.a.url = 'u'\ndrain.limit = '1s'"), Vec::<String>::new());
        assert_eq!(removed("x = 1\nqueues.a.y.z = 1"), ["queues.a.y: unknown key", "x: unknown key"]);
        assert_eq!(
            removed("queues = 3\ndrain.limit = {}"),
            ["drain.limit: a table in place of a value", "queues: not a table"]
        );
    }

    #[test]
    fn a_name_with_dots_is_to_be_in_quotes() {
        let schema = schema();
        let text = "[[queues.a.route]]\njson.order.state = 'paid'\nattribute.sns.subject = 'x'";
        let mut layer = file::parse(Path::new("f"), text).unwrap();
        let problems = remove_unknown(&mut layer, &SchemaNode::root(&schema));
        let hints: Vec<_> = problems.iter().map(|problem| problem.hint().unwrap()).collect();
        let hint = |name: &str| format!("put a name with dots in quotes: \"{name}\"");
        assert_eq!(hints, [hint("sns.subject"), hint("order.state")]);
    }

    #[test]
    fn a_name_that_another_program_uses_is_recognised() {
        let schema = schema();
        let mut layer =
            file::parse(Path::new("f"), "log.level = 'debug'\nqueues.a.visibility_timeout = 30").unwrap();
        let problems = remove_unknown(&mut layer, &SchemaNode::root(&schema));
        let hints: Vec<_> = problems.iter().map(|problem| problem.hint().unwrap()).collect();
        assert_eq!(hints, ["did you mean filter?", "did you mean visibility?"]);
    }

    #[test]
    fn a_misspelt_name_is_recognised_and_an_unlike_one_is_not() {
        let names = ["concurrency", "prefetch", "timeout", "url"];
        assert_eq!(nearest("concurency", &names), Some("concurrency"));
        assert_eq!(nearest("Time-out", &names), Some("timeout"));
        assert_eq!(nearest("ulr", &names), Some("url"));
        assert_eq!(nearest("banana", &names), None);
    }
}
