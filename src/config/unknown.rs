//! Finds the keys that no setting has, and guesses what was meant.

use super::{key::Key, problem::Problem, schema::Place, tree::Node};

/// How alike two names must be, from 0 to 1, for one to be offered in place of the other.
const ALIKE: f64 = 0.6;

/// Takes every unknown key out of the tree and answers the problems.
pub(super) fn strike(tree: &mut Node, root: &Place<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    find(tree, root, &Key::default(), &mut problems);
    for key in problems.iter().filter_map(|problem| problem.key.as_ref()) {
        tree.remove(key);
    }
    problems
}

fn find(node: &Node, place: &Place<'_>, at: &Key, problems: &mut Vec<Problem>) {
    if !place.is_table() {
        return;
    }
    for (name, node) in node.entries().into_iter().flatten() {
        let key = at.child(name);
        match place.property(name) {
            Some(place) => find(node, &place, &key, problems),
            None => problems.push(unknown(node, key, name, &place.names())),
        }
    }
}

fn unknown(node: &Node, key: Key, name: &str, names: &[&str]) -> Problem {
    let parent = key.parent().unwrap_or_default();
    let problem = Problem::of(key, "unknown key")
        .given(node.to_value(), node.origin.clone())
        .allowed(Some(names.join(", ")));
    match nearest(name, names) {
        Some(near) => problem.hint(format!("did you mean {near}?")).meant(parent.child(near)),
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
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_recognised_and_a_stranger_is_not() {
        let names = ["concurrency", "prefetch", "timeout", "url"];
        assert_eq!(nearest("concurency", &names), Some("concurrency"));
        assert_eq!(nearest("Time-out", &names), Some("timeout"));
        assert_eq!(nearest("ulr", &names), Some("url"));
        assert_eq!(nearest("banana", &names), None);
    }
}
