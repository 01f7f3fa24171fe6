//! Loads the configuration: defaults, file, environment and flags, merged and validated as a whole.

use std::{ffi::OsString, io, path::PathBuf};

use super::{
    file,
    flags::{self, Flags},
    layers::{DEFAULT, Layer, json, of_flag, origin_of},
    network,
    otel::{self, Exports},
    schema::{self, SchemaNode},
    settings::Settings,
    texts, type_errors, unknown_keys, variables,
};
use crate::{
    ecs::EcsEnvironment,
    settings::{Key, Problem, Problems, of_variable},
};

/// The file that is read if no other is named, when it exists.
const USUAL_FILE: &str = "longshore.toml";

/// The variable that names another file.
const FILE_VARIABLE: &str = "LONGSHORE_CONFIG";

/// The file to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ConfigFile {
    /// `longshore.toml` in the working directory if it exists, or the one that `LONGSHORE_CONFIG` names.
    #[default]
    Usual,
    /// This one, which must exist.
    Named(PathBuf),
    /// None at all.
    #[cfg(test)]
    Nothing,
}

/// The purpose of the settings, which decides which of them are required.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To run a worker: at least one queue, each with a handler.
    Run,
    /// Anything else: the settings must be valid, but none is required.
    #[default]
    Inspect,
}

/// The sources of the settings, from the weakest to the strongest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    /// The command and its own queue, by its name in SQS, for when no file and no flag names one.
    pub own_queue: Option<(&'static str, &'static str)>,
    /// The file.
    pub file: ConfigFile,
    /// The environment variables, as [`environment`] reads them.
    pub environment: Vec<(OsString, OsString)>,
    /// The flags.
    pub flags: Flags,
}

impl Sources {
    /// The path of the file, which need not exist if nothing names it.
    #[cfg_attr(not(test), expect(clippy::unnecessary_wraps, reason = "tests may read no file at all"))]
    pub(crate) fn file_path(&self) -> Option<PathBuf> {
        match &self.file {
            #[cfg(test)]
            ConfigFile::Nothing => None,
            ConfigFile::Named(path) => Some(path.clone()),
            ConfigFile::Usual => Some(file_variable(self).unwrap_or_else(|| PathBuf::from(USUAL_FILE))),
        }
    }
}

/// The settings in force, each with its origin.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The settings.
    pub settings: Settings,
    /// The exports of traces and metrics.
    pub exports: Exports,
    /// The variables of OpenTelemetry that are set, with their values.
    pub(super) otel: Vec<(&'static str, String)>,
    /// The variables of the network of AWS calls that are set, with their values.
    pub(super) network: Vec<(&'static str, String)>,
    /// The settings of all sources, merged.
    layers: Layer,
    /// The file that was read, if one was.
    pub file: Option<PathBuf>,
    /// The settings of the file or the environment that a flag overrides, each as a sentence.
    pub overrides: Vec<String>,
}

impl Config {
    /// The origin of a setting, such as `longshore.toml, line 3` or `flag --concurrency`.
    pub(crate) fn origin(&self, key: &Key) -> String {
        self.layers.get(key).map_or_else(|| DEFAULT.to_owned(), origin_of)
    }

    /// True if a flag or a variable sets this setting, which says what is wanted of this very process.
    pub(crate) fn is_set_for_process(&self, key: &str) -> bool {
        let origin = self.origin(&Key::default().descend(key));
        origin.starts_with("flag ") || origin.starts_with("environment ")
    }

    /// Adds the offending value and its origin to a problem.
    fn with_value(&self, broken: Problem) -> Problem {
        let Some(key) = broken.key() else { return broken };
        if let Some(value) = self.layers.get(key) {
            return broken.with_value(json(value)).with_origin(origin_of(value));
        }
        let all = serde_json::to_value(&self.settings).unwrap_or_default();
        let value = key.names().iter().try_fold(&all, |value, name| value.get(name));
        match value.filter(|value| !value.is_null() && !value.is_object()) {
            Some(value) => broken.with_value(value.clone()).with_origin(DEFAULT),
            None => broken,
        }
    }
}

/// The variables of this process.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

/// The variables of this process that may hold secrets of its own, which programs that it starts do not inherit.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn withheld_variables() -> Vec<OsString> {
    std::env::vars_os().map(|(name, _)| name).filter(|name| is_withheld(&name.to_string_lossy())).collect()
}

/// True for the variables of settings, and for the headers with the credentials of OpenTelemetry's collector.
fn is_withheld(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name.starts_with("LONGSHORE__") || name.starts_with("OTEL_") && name.ends_with("_HEADERS")
}

/// A variable of this process, if it is set and is text.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The `PATH` of this process.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn search_path() -> Option<OsString> {
    std::env::var_os("PATH")
}

/// The variables that ECS has set for this process.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn surroundings() -> EcsEnvironment {
    EcsEnvironment::of(|name| std::env::var(name).ok())
}

/// Reads every source, and returns the settings or all problems in them.
pub(crate) fn load(sources: &Sources, purpose: Purpose) -> Result<Config, Problems> {
    let schema = schema::schema();
    let root = SchemaNode::root(&schema);
    let MergedLayers { mut layers, mut problems, overrides } = merged_layers(sources, &root)?;
    texts::complete_addresses(&mut layers);
    let file = sources.file_path().filter(|path| path.exists());
    problems.extend(unknown_keys::remove_unknown(&mut layers, &root));
    let (mut settings, wrong) = type_errors::read(&mut layers, &root);
    settings.kubernetes = settings.kubernetes.in_environment(&sources.environment);
    problems.extend(wrong);
    let otel = otel::shown_variables(&sources.environment);
    let (exports, invalid) = otel::exports(&sources.environment);
    problems.extend(invalid);
    problems.extend(network::problems(&sources.environment));
    let network = network::shown_variables(&sources.environment);
    let config = Config { settings, exports, otel, network, layers, file, overrides };
    let broken: Vec<_> = config
        .settings
        .validate(purpose)
        .into_iter()
        .filter(|broken| !is_explained(broken, &problems))
        .map(|broken| config.with_value(broken))
        .collect();
    problems.extend(broken);
    problems.sort_by(|one, other| one.key().cmp(&other.key()));
    if problems.is_empty() { Ok(config) } else { Err(Problems(problems)) }
}

/// The settings of all sources, and what was found while they were merged.
struct MergedLayers {
    layers: Layer,
    problems: Vec<Problem>,
    overrides: Vec<String>,
}

/// Reads the sources from the weakest to the strongest, each with the names in those below it.
fn merged_layers(sources: &Sources, root: &SchemaNode<'_>) -> Result<MergedLayers, Problems> {
    let merged = |layers: &[&Layer]| {
        Layer::merged(layers).map_err(|error| Problems(vec![Problem::general(error.to_string())]))
    };
    let mut file = read_file(sources).map_err(|problem| Problems(vec![*problem]))?;
    let mut command = own_queue(&file, sources);
    let mut problems = unknown_keys::remove_unknown(&mut file, root);
    let (mut variables, wrong) = variables::layer(&merged(&[&command, &file])?, root, &sources.environment);
    problems.extend(wrong);
    let flags = flags::layer(&merged(&[&command, &file, &variables])?, root, &sources.flags);
    for key in &flags.replaced {
        for below in [&mut command, &mut file, &mut variables] {
            below.remove(key);
        }
    }
    problems.extend(flags.problems);
    let layers = merged(&[&command, &file, &variables, &flags.layer])?;
    Ok(MergedLayers { layers, problems, overrides: flags.overrides })
}

fn is_explained(broken: &Problem, problems: &[Problem]) -> bool {
    broken.key().is_some_and(|key| problems.iter().any(|problem| problem.explains(key)))
}

/// The layer of the command's own queue, which gives way to any queue of the file or of the flags.
fn own_queue(file: &Layer, sources: &Sources) -> Layer {
    let mut layer = Layer::default();
    let queues = Key::new(["queues"]);
    if let Some((command, name)) = sources.own_queue
        && file.get(&queues).is_none()
        && !sources.flags.name_a_queue()
    {
        layer.set(&queues.child(name).child("name"), &name.into(), &format!("default of {command}"));
    }
    layer
}

fn read_file(sources: &Sources) -> Result<Layer, Box<Problem>> {
    let (path, must_exist) = match &sources.file {
        #[cfg(test)]
        ConfigFile::Nothing => return Ok(Layer::default()),
        ConfigFile::Named(path) => (path.clone(), Some(of_flag("--config"))),
        ConfigFile::Usual => match file_variable(sources) {
            Some(path) => (path, Some(of_variable(FILE_VARIABLE))),
            None => (PathBuf::from(USUAL_FILE), None),
        },
    };
    let bytes = match (std::fs::read(&path), must_exist) {
        (Ok(bytes), _) => bytes,
        (Err(error), None) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Layer::default());
        }
        (Err(error), origin) => {
            let problem = Problem::general(format!("cannot read {}: {error}", path.display()));
            return Err(match origin {
                Some(origin) => problem.with_origin(origin),
                None => problem,
            }
            .into());
        }
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        Problem::general(format!("not valid UTF-8: {}, at byte {valid}", path.display()))
    })?;
    file::parse(&path, &text)
}

/// The file that the environment names; an empty name is none.
fn file_variable(sources: &Sources) -> Option<PathBuf> {
    let (_, value) = sources.environment.iter().find(|(name, _)| name == FILE_VARIABLE)?;
    (!value.is_empty()).then(|| value.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn in_a_pod_the_drain_limit_follows_from_the_grace_period() {
        let limit = |variables: &[(&str, &str)], file: &str| {
            let (_directory, mut sources) = from_file(file);
            sources.environment = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
            load(&sources, Purpose::Inspect).unwrap().settings.drain_limit().as_secs()
        };
        let pod = ("KUBERNETES_SERVICE_HOST", "10.100.0.1");
        let period = ("LONGSHORE__KUBERNETES__TERMINATION_GRACE_PERIOD", "120s");
        let of_task = "[ecs]\nstop_timeout = \"90s\"";
        assert_eq!((limit(&[pod], ""), limit(&[], "")), (20, 110));
        assert_eq!((limit(&[pod, period], ""), limit(&[period], "")), (110, 110));
        assert_eq!((limit(&[pod], of_task), limit(&[pod, period], of_task)), (20, 110));
        assert_eq!(limit(&[period], of_task), 80);
        assert_eq!(limit(&[pod, period], "[drain]\nlimit = \"5s\""), 5);
    }

    #[test]
    fn settings_and_headers_of_the_collector_are_withheld_from_programs() {
        for name in [
            "LONGSHORE__AWS__REGION",
            "longshore__x",
            "OTEL_EXPORTER_OTLP_HEADERS",
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        ] {
            assert!(is_withheld(name), "{name}");
        }
        for name in
            ["LONGSHORE_QUEUE", "OTEL_EXPORTER_OTLP_ENDPOINT", "AWS_ACCESS_KEY_ID", "PATH", "MY_HEADERS"]
        {
            assert!(!is_withheld(name), "{name}");
        }
    }

    fn from_file(text: &str) -> (tempfile::TempDir, Sources) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("longshore.toml");
        std::fs::write(&path, text).unwrap();
        (directory, Sources { file: ConfigFile::Named(path), ..Sources::default() })
    }

    fn problems(sources: &Sources, purpose: Purpose) -> Vec<String> {
        let keys = |problem: &Problem| problem.key().cloned().unwrap_or_default().to_string();
        load(sources, purpose).err().map_or_else(Vec::new, |found| found.0.iter().map(keys).collect())
    }

    fn variable(name: &str, value: &str) -> (OsString, OsString) {
        (name.into(), value.into())
    }

    #[test]
    fn each_source_is_stronger_than_the_one_before() {
        let (_directory, mut sources) =
            from_file("drain.limit = '1s'\nlog.filter = 'a'\nlog.format = 'json'");
        sources.environment =
            vec![variable("LONGSHORE__DRAIN__LIMIT", "2s"), variable("LONGSHORE__LOG__FILTER", "b")];
        sources.flags.values = vec![("--drain-limit", "3s".to_owned())];
        let config = load(&sources, Purpose::Inspect).unwrap();
        assert_eq!(config.settings.drain_limit().as_secs(), 3);
        assert_eq!(config.settings.log.filter, "b");
        let origin = |key: &str| config.origin(&Key::default().descend(key));
        assert_eq!(origin("drain.limit"), "flag --drain-limit");
        assert_eq!(origin("log.filter"), "environment LONGSHORE__LOG__FILTER");
        assert!(origin("log.format").ends_with("longshore.toml, line 3"));
        assert_eq!(origin("admin.listen"), "default");
    }

    #[test]
    fn the_commands_own_queue_gives_way_to_any_other() {
        let own = |flags: Flags| Sources {
            own_queue: Some(("dev", "mine")),
            file: ConfigFile::Nothing,
            flags,
            ..Sources::default()
        };
        let names = |sources: &Sources| -> Vec<String> {
            load(sources, Purpose::Inspect).unwrap().settings.queues.into_keys().collect()
        };
        assert_eq!(names(&own(Flags::default())), ["mine"]);
        let url =
            Flags { values: vec![("--queue-url", "http://sqs/1/other".to_owned())], ..Flags::default() };
        assert_eq!(names(&own(url)), ["other"]);
        let for_it = Flags { values: vec![("--concurrency", "2".to_owned())], ..Flags::default() };
        assert_eq!(
            load(&own(for_it), Purpose::Inspect).unwrap().settings.queues["mine"].consumer.concurrency,
            2
        );
    }

    #[test]
    fn a_rule_broken_because_of_an_earlier_problem_is_not_reported() {
        let (_directory, sources) = from_file("[queues.a]\nulr = 'x'\n[queues.a.handler]\nkind = 'htpp'");
        assert_eq!(problems(&sources, Purpose::Run), ["queues.a.handler.kind", "queues.a.ulr"]);
    }

    #[test]
    fn a_program_is_read_with_its_environment_and_its_problems_are_reported_by_key() {
        let queue = "[queues.a]\nname = 'x'\n[queues.a.handler]\nkind = 'exec'\n";
        let (_directory, sources) = from_file(&format!("{queue}command = ['sh']\nenv = {{ KEY = 'x' }}"));
        assert_eq!(problems(&sources, Purpose::Run), Vec::<String>::new());
        let (_directory, sources) =
            from_file(&format!("{queue}command = []\nenv = {{ K = 1 }}\nreject = [300]\nurl = 'http://h/'"));
        let report = ["command", "env.K", "reject", "url"].map(|key| format!("queues.a.handler.{key}"));
        assert_eq!(problems(&sources, Purpose::Run), report);
    }

    #[test]
    fn a_misspelt_variable_is_an_unknown_key() {
        let environment = vec![variable("LONGSHORE__DRAIN__LIMITS", "1s")];
        let sources = Sources { file: ConfigFile::Nothing, environment, ..Sources::default() };
        let report = load(&sources, Purpose::Inspect).unwrap_err().to_string();
        assert!(report.contains("drain.limits = \"1s\": unknown key"), "{report}");
        assert!(report.contains("from: environment LONGSHORE__DRAIN__LIMITS"), "{report}");
        assert!(report.contains("did you mean limit?"), "{report}");
    }

    #[test]
    fn a_mistake_in_the_file_is_reported_though_a_variable_overrides_it() {
        let (_directory, mut sources) = from_file("queues = 'none'");
        sources.environment = vec![variable("LONGSHORE__QUEUES__A__NAME", "x")];
        assert_eq!(problems(&sources, Purpose::Inspect), ["queues"]);
    }

    #[test]
    fn a_default_that_breaks_a_rule_is_shown_as_one() {
        let (_directory, sources) = from_file("[queues.a]\nname = 'x'\nretry.max = '1s'");
        let report = load(&sources, Purpose::Inspect).unwrap_err().to_string();
        assert!(report.contains("queues.a.retry.initial = \"5s\": too long\n    from: default"), "{report}");
    }

    proptest! {
        #[test]
        fn no_source_makes_it_panic(
            text in "([a-z.\\[\\]]{0,12}(=| )['\"0-9a-z{}]{0,8}\n){0,6}",
            names in prop::collection::vec("(LONGSHORE__|longshore__)[A-Za-z_é-]{0,24}", 0..6),
            value in "\\PC{0,12}",
            queue in prop::option::of("\\PC{0,8}"),
        ) {
            let (_directory, mut sources) = from_file(&text);
            sources.environment = names.iter().map(|name| variable(name, &value)).collect();
            sources.flags.queue = queue;
            sources.flags.values = FLAGS_TRIED.iter().map(|flag| (*flag, value.clone())).collect();
            if let Err(found) = load(&sources, Purpose::Run) {
                prop_assert!(!found.to_string().is_empty());
            }
        }

        #[test]
        fn valid_settings_are_in_force(concurrency in 1usize..=100_000, seconds in 2u64..=43_200) {
            let text = format!("[queues.\"a.b\"]\nname = 'x'\nconcurrency = {concurrency}\nvisibility = '{seconds}s'");
            let (_directory, sources) = from_file(&text);
            let queue = load(&sources, Purpose::Inspect).unwrap().settings.queues.remove("a.b").unwrap();
            prop_assert_eq!((queue.consumer.concurrency, queue.consumer.visibility.0.as_secs()), (concurrency, seconds));
        }
    }

    const FLAGS_TRIED: [&str; 3] = ["--queue-url", "--handler", "--concurrency"];
}
