//! Lays the environment's settings over the file's: `LONGSHORE__QUEUES__ORDERS__CONCURRENCY=32`.

use std::ffi::{OsStr, OsString};

use super::{
    schema::Place,
    tree::{Node, Origin},
};
use crate::settings::{Key, Problem, are_alike};

/// What the name of a setting's variable starts with, in whatever case.
const PREFIX: &str = "LONGSHORE__";

/// Lays the variables over the tree.
pub(super) fn apply(tree: &mut Node, root: &Place<'_>, variables: &[(OsString, OsString)]) -> Vec<Problem> {
    let mut settings: Vec<_> =
        variables.iter().filter_map(|(name, value)| Some((setting(name)?, value))).collect();
    settings.sort();
    settings
        .into_iter()
        .filter_map(|(name, value)| apply_one(tree, root, &name, value).err().map(|problem| *problem))
        .collect()
}

/// The name of a variable, if it is one that sets something.
fn setting(name: &OsStr) -> Option<String> {
    let name = name.to_string_lossy();
    let start = name.get(..PREFIX.len())?;
    start.eq_ignore_ascii_case(PREFIX).then(|| name.into_owned())
}

fn apply_one(tree: &mut Node, root: &Place<'_>, name: &str, value: &OsStr) -> Result<(), Box<Problem>> {
    let origin = Origin::Environment(name.to_owned());
    let key = resolve(tree, root, name)?;
    let text = value.to_str().ok_or_else(|| {
        Problem::of(key.clone(), "not valid UTF-8")
            .with_value(value.to_string_lossy().into_owned())
            .with_origin(origin.clone().to_string())
    })?;
    if let Some(Origin::Environment(other)) = tree.get(&key).map(|node| &node.origin) {
        let problem = Problem::of(key.clone(), format!("set twice: {other} and {name}"));
        return Err(problem.with_value(text).with_origin(origin.to_string()).into());
    }
    let value = root.at(&key).map_or_else(|| text.into(), |place| place.read(text));
    tree.set(&key, value, &origin);
    Ok(())
}

/// The key meant by a variable's name: the schema's spelling where it has one, else that of the file.
fn resolve(tree: &Node, root: &Place<'_>, name: &str) -> Result<Key, Box<Problem>> {
    let mut key = Key::default();
    for part in name[PREFIX.len()..].split("__") {
        if part.is_empty() {
            let problem = Problem::general(format!("empty name in an environment variable: {name}"));
            return Err(problem
                .with_hint(format!("write {PREFIX}SECTION__KEY, with two underscores between names"))
                .into());
        }
        let spelling = root.at(&key).and_then(|place| place.spelling(part));
        let child = match spelling {
            Some(spelling) => spelling.to_owned(),
            // The names of a table of plain values, such as a program's environment, mean what they say.
            None if root.at(&key).and_then(|place| place.any()).is_some_and(|any| !any.is_table()) => {
                part.to_owned()
            }
            None => given_name(tree, &key, part, name)?,
        };
        key = key.child(&child);
    }
    Ok(key)
}

/// The file's spelling of a name that is the user's own, such as a queue's.
fn given_name(tree: &Node, key: &Key, part: &str, variable: &str) -> Result<String, Box<Problem>> {
    let entries = tree.get(key).and_then(Node::entries).into_iter().flatten();
    let names: Vec<&String> = entries.map(|(name, _)| name).filter(|name| are_alike(name, part)).collect();
    match names.as_slice() {
        [] => Ok(part.to_lowercase()),
        [name] => Ok((*name).clone()),
        [one, other, ..] => {
            let what = format!("ambiguous environment variable: {variable} means {one} as well as {other}");
            Err(Problem::general(what).with_hint("rename one of the two, or set it in the file").into())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{file, schema::schema};

    fn layered(file: &str, variables: &[(&str, &str)]) -> (Node, Vec<Problem>) {
        let schema = schema();
        let mut tree = file::parse(Path::new("f"), file).unwrap();
        let variables: Vec<_> = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let problems = apply(&mut tree, &Place::root(&schema), &variables);
        (tree, problems)
    }

    #[test]
    fn a_variable_reaches_a_queue_with_a_dash_in_its_name() {
        let (tree, problems) = layered(
            "[queues.orders-eu]\nconcurrency = 1",
            &[("LONGSHORE__QUEUES__ORDERS_EU__CONCURRENCY", "32"), ("longshore__queues__New__url", "u")],
        );
        assert_eq!(problems, []);
        let expected = serde_json::json!({"queues": {"orders-eu": {"concurrency": 32}, "new": {"url": "u"}}});
        assert_eq!(tree.to_value(), expected);
    }

    #[test]
    fn the_variables_of_a_program_keep_their_case() {
        let (tree, problems) = layered(
            "[queues.q.handler]\nkind = 'exec'\ncommand = ['x']\nenv = { foo = '1' }",
            &[
                ("LONGSHORE__QUEUES__Q__HANDLER__ENV__FOO", "2"),
                ("LONGSHORE__QUEUES__Q__HANDLER__ENV__A_b", "3"),
            ],
        );
        assert_eq!(problems, []);
        let env = tree.to_value()["queues"]["q"]["handler"]["env"].clone();
        assert_eq!(env, serde_json::json!({"foo": "1", "FOO": "2", "A_b": "3"}));
    }

    #[test]
    fn other_variables_are_left_alone() {
        let variables = [("LONGSHORE_CONFIG", "f"), ("LONGSHOREMAN__X", "1"), ("PATH", "/bin"), ("É", "é")];
        let (tree, problems) = layered("", &variables);
        assert_eq!((tree.to_value(), problems), (serde_json::json!({}), vec![]));
    }

    #[test]
    fn what_cannot_be_told_apart_is_a_problem() {
        let (_, problems) =
            layered("queues.a-b = {}\nqueues.a_b = {}", &[("LONGSHORE__QUEUES__A_B__URL", "u")]);
        assert!(problems[0].to_string().contains("a-b as well as a_b"), "{}", problems[0]);
        let (_, problems) =
            layered("", &[("LONGSHORE__DRAIN__LIMIT", "1s"), ("longshore__drain__limit", "2s")]);
        assert!(problems[0].to_string().contains("set twice"), "{}", problems[0]);
        let (_, problems) = layered("", &[("LONGSHORE__DRAIN____LIMIT", "1s")]);
        assert!(problems[0].to_string().contains("empty name"), "{}", problems[0]);
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_not_utf8_is_a_problem() {
        use std::os::unix::ffi::OsStringExt as _;
        let schema = schema();
        let mut tree = Node::table(Origin::Default);
        let variables = [("LONGSHORE__DRAIN__LIMIT".into(), OsString::from_vec(vec![0xff]))];
        let problems = apply(&mut tree, &Place::root(&schema), &variables);
        assert!(problems[0].to_string().contains("not valid UTF-8"), "{}", problems[0]);
    }
}
