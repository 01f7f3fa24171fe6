//! Finds the keys that no setting has, and the tables and values that stand in each other's place.

use super::{schema::Place, tree::Node};
use crate::settings::{Key, Problem};

/// How alike two names must be, from 0 to 1, for one to be offered in place of the other.
const ALIKE: f64 = 0.6;

/// Takes what has no place out of the tree and answers the problems.
///
/// Done before a layer is laid over another too, since what lies over a mistake would hide it.
pub(super) fn strike(tree: &mut Node, root: &Place<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    find(tree, root, &Key::default(), &mut problems);
    for key in problems.iter().filter_map(|problem| problem.key()) {
        tree.remove(key);
    }
    problems
}

fn find(table: &Node, place: &Place<'_>, at: &Key, problems: &mut Vec<Problem>) {
    let kind = table.get(&Key::new(["kind"])).map(Node::to_value);
    for (name, node) in table.entries().into_iter().flatten() {
        let key = at.child(name);
        match place.property(name) {
            None => problems.push(unknown(node, key, name, &place.of_kind(kind.as_ref()).names())),
            Some(place) if place.is_table() == node.entries().is_some() => find(node, &place, &key, problems),
            Some(place) => problems.push(misplaced(node, key, &place)),
        }
    }
}

fn misplaced(node: &Node, key: Key, place: &Place<'_>) -> Problem {
    let what = if place.is_table() { "not a table" } else { "a table in place of a value" };
    Problem::of(key, what)
        .with_value(node.to_value())
        .with_origin(node.origin.clone().to_string())
        .with_allowed(place.allowed())
}

fn unknown(node: &Node, key: Key, name: &str, names: &[&str]) -> Problem {
    let parent = key.parent().unwrap_or_default();
    let problem = Problem::of(key, "unknown key")
        .with_value(node.to_value())
        .with_origin(node.origin.clone().to_string())
        .with_allowed(names.join(", "));
    match nearest(name, names) {
        Some(near) => problem.with_hint(format!("did you mean {near}?")).with_meant(parent.child(near)),
        None => problem,
    }
}

/// The name most like the unknown one, if any is like it at all.
pub(super) fn nearest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    let likeness = |own: &&str| strsim::normalized_damerau_levenshtein(&name.to_lowercase(), own);
    let scored = names.iter().map(|own| (likeness(own), *own));
    scored
        .filter(|(score, _)| *score >= ALIKE)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, own)| own)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{file, schema::schema};

    fn struck(text: &str) -> Vec<String> {
        let schema = schema();
        let mut tree = file::parse(Path::new("f"), text).unwrap();
        let problems = strike(&mut tree, &Place::root(&schema));
        assert_eq!(strike(&mut tree, &Place::root(&schema)), []);
        problems.iter().map(|problem| format!("{}: {}", problem.key().unwrap(), problem.message())).collect()
    }

    #[test]
    fn what_has_no_place_is_struck_out() {
        assert_eq!(struck("queues.a.url = 'u'\ndrain.limit = '1s'"), Vec::<String>::new());
        assert_eq!(struck("x = 1\nqueues.a.y.z = 1"), ["queues.a.y: unknown key", "x: unknown key"]);
        assert_eq!(
            struck("queues = 3\ndrain.limit = {}"),
            ["drain.limit: a table in place of a value", "queues: not a table"]
        );
    }

    #[test]
    fn a_slip_of_the_pen_is_recognised_and_a_stranger_is_not() {
        let names = ["concurrency", "prefetch", "timeout", "url"];
        assert_eq!(nearest("concurency", &names), Some("concurrency"));
        assert_eq!(nearest("Time-out", &names), Some("timeout"));
        assert_eq!(nearest("ulr", &names), Some("url"));
        assert_eq!(nearest("banana", &names), None);
    }
}
