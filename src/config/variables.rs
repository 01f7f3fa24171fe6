//! The layer of the environment: `LONGSHORE__QUEUES__ORDERS__CONCURRENCY=32`.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
};

use super::{layers::Layer, schema::SchemaNode};
use crate::settings::{Key, Problem, are_alike, of_variable};

/// The prefix of a setting's variable, in upper or lower case.
const PREFIX: &str = "LONGSHORE__";

/// Reads the variables that are settings; `below` has the names that they may refer to.
pub(super) fn layer(
    below: &Layer,
    root: &SchemaNode<'_>,
    variables: &[(OsString, OsString)],
) -> (Layer, Vec<Problem>) {
    let mut settings: Vec<_> =
        variables.iter().filter_map(|(name, value)| Some((setting(name)?, value))).collect();
    settings.sort();
    let mut reader = VariableReader { below, root, layer: Layer::default(), variables: BTreeMap::new() };
    let problems = settings
        .into_iter()
        .filter_map(|(name, value)| reader.read(&name, value).err().map(|problem| *problem));
    let problems = problems.chain(misspelt(root, variables)).collect();
    (reader.layer, problems)
}

/// Finds variables that were meant as settings and lack an underscore: `LONGSHORE_QUEUES__…`, `LONGSHORE_LOG_FILTER`.
fn misspelt(root: &SchemaNode<'_>, variables: &[(OsString, OsString)]) -> Vec<Problem> {
    let problem = |(name, _): &(OsString, OsString)| {
        let name = name.to_string_lossy();
        let meant = meant(root, &name)?;
        let problem = Problem::general(format!("no setting has this variable: {name}"));
        Some(problem.with_hint(format!("did you mean {meant}?")))
    };
    variables.iter().filter_map(problem).collect()
}

/// The variable that was probably meant by one with a single underscore after `LONGSHORE`.
fn meant(root: &SchemaNode<'_>, name: &str) -> Option<String> {
    let single = PREFIX.trim_end_matches('_').len() + 1;
    let start = name.get(..single).filter(|start| start.eq_ignore_ascii_case(&PREFIX[..single]))?;
    let rest = name.get(start.len()..).filter(|rest| !rest.starts_with('_'))?;
    if let Some((section, _)) = rest.split_once("__") {
        return root.spelling(section).map(|_| format!("{PREFIX}{}", rest.to_uppercase()));
    }
    root.names().into_iter().find_map(|section| {
        let key = rest.get(section.len()..)?.strip_prefix('_')?;
        let is_section = are_alike(&rest[..section.len()], section);
        let own = root.property(section).filter(|_| is_section)?.spelling(key)?;
        Some(format!("{PREFIX}{}__{}", section.to_uppercase(), own.to_uppercase()))
    })
}

/// The value of a variable.
pub(super) fn value(environment: &[(OsString, OsString)], name: &str) -> Option<String> {
    let (_, value) = environment.iter().find(|(own, _)| own == name)?;
    Some(value.to_string_lossy().into_owned())
}

/// The name of a variable, if it is one that sets something.
fn setting(name: &OsStr) -> Option<String> {
    let name = name.to_string_lossy();
    let start = name.get(..PREFIX.len())?;
    start.eq_ignore_ascii_case(PREFIX).then(|| name.into_owned())
}

/// Reads one variable after another into a layer.
struct VariableReader<'a> {
    below: &'a Layer,
    root: &'a SchemaNode<'a>,
    layer: Layer,
    /// The variable that set each key.
    variables: BTreeMap<Key, String>,
}

impl VariableReader<'_> {
    fn read(&mut self, name: &str, value: &OsStr) -> Result<(), Box<Problem>> {
        let origin = of_variable(name);
        let key = self.key(name)?;
        let text = value.to_str().ok_or_else(|| {
            Problem::of(key.clone(), "not valid UTF-8")
                .with_value(value.to_string_lossy().into_owned())
                .with_origin(origin.clone())
        })?;
        if let Some(other) = self.variables.insert(key.clone(), name.to_owned()) {
            let problem = Problem::of(key, format!("set twice: {other} and {name}"));
            return Err(problem.with_value(text).with_origin(origin).into());
        }
        let value = self.root.at(&key).map_or_else(|| text.into(), |schema| schema.read(text));
        self.layer.set(&key, &value, &origin);
        Ok(())
    }

    /// The key of a variable's name, in the schema's spelling where it has one, else in that of the file.
    fn key(&self, name: &str) -> Result<Key, Box<Problem>> {
        let mut key = Key::default();
        for part in name[PREFIX.len()..].split("__") {
            if part.is_empty() {
                let problem = Problem::general(format!("empty name in an environment variable: {name}"));
                let hint = format!("write {PREFIX}SECTION__KEY, with two underscores between names");
                return Err(problem.with_hint(hint).into());
            }
            let schema = self.root.at(&key);
            let spelling = schema.as_ref().and_then(|schema| schema.spelling(part));
            let child = match spelling {
                Some(spelling) => spelling.to_owned(),
                // The names in a table of plain values, such as a program's environment, are taken as they are.
                None if schema.and_then(|schema| schema.any()).is_some_and(|any| !any.is_table()) => {
                    part.to_owned()
                }
                None => self.given_name(&key, part, name)?,
            };
            key = key.child(&child);
        }
        Ok(key)
    }

    /// The file's spelling of a name that the user chose, such as a queue's.
    fn given_name(&self, key: &Key, part: &str, variable: &str) -> Result<String, Box<Problem>> {
        let names: BTreeSet<_> = self.below.names(key).into_iter().chain(self.layer.names(key)).collect();
        let names: Vec<_> = names.into_iter().filter(|name| are_alike(name, part)).collect();
        match names.as_slice() {
            [] => Ok(part.to_lowercase()),
            [name] => Ok((*name).to_owned()),
            [one, other, ..] => {
                let message =
                    format!("ambiguous environment variable: {variable} means {one} as well as {other}");
                Err(Problem::general(message)
                    .with_hint("rename one of the two, or set it in the file")
                    .into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::Value as Json;

    use super::*;
    use crate::config::{file, schema::schema};

    fn layered(file: &str, variables: &[(&str, &str)]) -> (Json, Vec<Problem>) {
        let schema = schema();
        let file = file::parse(Path::new("f"), file).unwrap();
        let variables: Vec<_> = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let (variables, problems) = layer(&file, &SchemaNode::root(&schema), &variables);
        (Layer::merged(&[&file, &variables]).unwrap().json(), problems)
    }

    #[test]
    fn a_variable_reaches_a_queue_with_a_dash_in_its_name() {
        let (tree, problems) = layered(
            "[queues.orders-eu]\nconcurrency = 1",
            &[("LONGSHORE__QUEUES__ORDERS_EU__CONCURRENCY", "32"), ("longshore__queues__New__url", "u")],
        );
        assert_eq!(problems, []);
        let expected = serde_json::json!({"queues": {"orders-eu": {"concurrency": 32}, "new": {"url": "u"}}});
        assert_eq!(tree, expected);
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
        let env = tree["queues"]["q"]["handler"]["env"].clone();
        assert_eq!(env, serde_json::json!({"foo": "1", "FOO": "2", "A_b": "3"}));
    }

    #[test]
    fn other_variables_are_left_alone() {
        let variables = [("LONGSHORE_CONFIG", "f"), ("LONGSHOREMAN__X", "1"), ("PATH", "/bin"), ("É", "é")];
        let (tree, problems) = layered("", &variables);
        assert_eq!((tree, problems), (serde_json::json!({}), vec![]));
    }

    #[test]
    fn a_variable_with_one_underscore_too_few_is_a_problem_with_the_name_that_was_meant() {
        for (name, meant) in [
            ("LONGSHORE_QUEUES__ORDERS__URL", "LONGSHORE__QUEUES__ORDERS__URL"),
            ("longshore_drain__limit", "LONGSHORE__DRAIN__LIMIT"),
            ("LONGSHORE_LOG_FILTER", "LONGSHORE__LOG__FILTER"),
            ("LONGSHORE_AWS_ENDPOINT_URL", "LONGSHORE__AWS__ENDPOINT_URL"),
        ] {
            let (_, problems) = layered("", &[(name, "x")]);
            assert_eq!(problems[0].hint(), Some(&*format!("did you mean {meant}?")), "{name}");
        }
        let others =
            ["LONGSHORE_CONFIG", "LONGSHORE_QUEUE", "LONGSHORE_ADMIN_PORT", "LONGSHORE_X__Y", "LONGSHORE_"];
        assert_eq!(layered("", &others.map(|name| (name, "x"))).1, []);
    }

    #[test]
    fn an_ambiguous_name_is_a_problem() {
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
        let variables = [("LONGSHORE__DRAIN__LIMIT".into(), OsString::from_vec(vec![0xff]))];
        let (_, problems) = layer(&Layer::default(), &SchemaNode::root(&schema), &variables);
        assert!(problems[0].to_string().contains("not valid UTF-8"), "{}", problems[0]);
    }
}
