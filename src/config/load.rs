//! Lays the sources over one another: defaults, file, environment, flags.

use std::{ffi::OsString, io, path::PathBuf};

use super::{
    blame, file,
    flags::{self, Flags},
    key::Key,
    problem::{Problem, Problems},
    rules,
    schema::{self, Place},
    settings::Settings,
    tree::{Node, Origin},
    unknown, variables,
};

/// The file that is read when none is named, if it is there.
const USUAL_FILE: &str = "longshore.toml";

/// The variable that names another file.
const FILE_VARIABLE: &str = "LONGSHORE_CONFIG";

/// Which file to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum File {
    /// `longshore.toml` in the working directory if it is there, or the one that `LONGSHORE_CONFIG` names.
    #[default]
    Usual,
    /// This one, which must be there.
    Named(PathBuf),
    /// None at all.
    Nothing,
}

/// What the settings are for, which decides what must be among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// To work: a queue at least, each with a handler.
    Work,
    /// For anything less: what is there must be right, but nothing need be there.
    #[default]
    Look,
}

/// Where settings come from, from the weakest to the strongest.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A queue that the command itself brings when no file and no flag names one, by its name in SQS.
    pub own_queue: Option<(&'static str, &'static str)>,
    /// The file.
    pub file: File,
    /// The environment variables, as [`environment`] reads them.
    pub environment: Vec<(OsString, OsString)>,
    /// The flags.
    pub flags: Flags,
}

/// The settings in force, and where each came from.
#[derive(Clone, Debug)]
pub struct Config {
    /// The settings.
    pub settings: Settings,
    tree: Node,
}

impl Config {
    /// Where a setting came from.
    pub fn origin(&self, key: &Key) -> Origin {
        self.tree.get(key).map_or(Origin::Default, |node| node.origin.clone())
    }

    /// Adds to a broken rule the value that breaks it.
    fn with_value(&self, broken: Problem) -> Problem {
        let Some(key) = &broken.key else { return broken };
        if let Some(node) = self.tree.get(key) {
            let (value, origin) = (node.to_value(), node.origin.clone());
            return broken.given(value, origin);
        }
        let all = serde_json::to_value(&self.settings).unwrap_or_default();
        let value = key.names().iter().try_fold(&all, |value, name| value.get(name));
        match value.filter(|value| !value.is_null() && !value.is_object()) {
            Some(value) => broken.given(value.clone(), Origin::Default),
            None => broken,
        }
    }
}

/// The variables of this process.
pub fn environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

/// Reads every source and answers the settings, or everything that is wrong with them.
pub fn load(sources: &Sources, purpose: Purpose) -> Result<Config, Problems> {
    let schema = schema::schema();
    let root = Place::root(&schema);
    let mut tree = read_file(sources).map_err(|problem| Problems(vec![*problem]))?;
    own_queue(&mut tree, sources);
    let mut problems = variables::apply(&mut tree, &root, &sources.environment);
    problems.extend(flags::apply(&mut tree, &root, &sources.flags));
    problems.extend(unknown::strike(&mut tree, &root));
    let (settings, wrong) = blame::read(&mut tree, &root);
    problems.extend(wrong);
    let config = Config { settings, tree };
    let broken: Vec<_> = rules::check(&config.settings, purpose)
        .into_iter()
        .filter(|broken| !is_explained(broken, &problems))
        .map(|broken| config.with_value(broken))
        .collect();
    problems.extend(broken);
    problems.sort_by(|one, other| one.key.cmp(&other.key));
    if problems.is_empty() { Ok(config) } else { Err(Problems(problems)) }
}

fn is_explained(broken: &Problem, problems: &[Problem]) -> bool {
    broken.key.as_ref().is_some_and(|key| problems.iter().any(|problem| problem.explains(key)))
}

fn own_queue(tree: &mut Node, sources: &Sources) {
    let queues = Key::new(["queues"]);
    if let Some((command, name)) = sources.own_queue
        && tree.get(&queues).is_none()
        && !sources.flags.name_a_queue()
    {
        tree.set(&queues.child(name).child("name"), name.into(), &Origin::Command(command));
    }
}

fn read_file(sources: &Sources) -> Result<Node, Box<Problem>> {
    let (path, must_exist) = match &sources.file {
        File::Nothing => return Ok(Node::table(Origin::Default)),
        File::Named(path) => (path.clone(), Some(Origin::Flag("--config"))),
        File::Usual => match file_variable(sources) {
            Some(path) => (path, Some(Origin::Environment(FILE_VARIABLE.to_owned()))),
            None => (PathBuf::from(USUAL_FILE), None),
        },
    };
    let bytes = match (std::fs::read(&path), must_exist) {
        (Ok(bytes), _) => bytes,
        (Err(error), None) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Node::table(Origin::Default));
        }
        (Err(error), origin) => {
            let problem = Problem::elsewhere(format!("cannot read {}: {error}", path.display()));
            return Err(Problem { origin, ..problem }.into());
        }
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        Problem::elsewhere(format!("not valid UTF-8: {}, at byte {valid}", path.display()))
    })?;
    file::parse(&path, &text)
}

/// The file that the environment names; an empty name is none.
fn file_variable(sources: &Sources) -> Option<PathBuf> {
    let (_, value) = sources.environment.iter().find(|(name, _)| name == FILE_VARIABLE)?;
    (!value.is_empty()).then(|| value.into())
}
