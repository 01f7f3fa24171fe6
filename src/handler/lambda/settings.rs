//! Settings of the `lambda` kind.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use url::Url;

use super::{LambdaError, Source};
use crate::{
    duration::Span,
    settings::{Problem, hide, is_variable_name, not_allowed, variable_names},
};

/// The most runtime processes of one queue.
const PROCESSES_MAX: usize = 1_000;
/// The variables of the Runtime API that only Longshore may set.
const RESERVED: [&str; 2] = ["AWS_LAMBDA_RUNTIME_API", "_HANDLER"];
/// The directory of extensions in an image for Lambda.
const EXTENSIONS_DIR: &str = "/opt/extensions";
/// The file of the AWS Lambda Web Adapter there.
const WEB_ADAPTER: &str = "lambda-adapter";

/// Settings of a Lambda function, hosted or called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The program that runs the function, and its arguments: `["/var/runtime/bootstrap"]`, or `["python3", "-m", "awslambdaric", "app.handler"]`. Longshore starts it, gives it its events and replaces it when it ends. This, or `url`, or `urls`.
    pub(crate) command: Vec<String>,
    /// The address of a Lambda container image that runs beside Longshore with its Runtime Interface Emulator. A path other than `/` replaces that of the emulator.
    #[cfg_attr(feature = "cli", schemars(with = "Option<String>", example = "http://127.0.0.1:8080"))]
    pub(crate) url: Option<Url>,
    /// Several such addresses; each runs one invocation at a time.
    #[cfg_attr(feature = "cli", schemars(with = "Vec<String>"))]
    pub(crate) urls: Vec<Url>,
    /// The function within the program, as the runtime spells it (`_HANDLER`): `app.handler`.
    pub(crate) handler: Option<String>,
    /// The directory of the function's code: `LAMBDA_TASK_ROOT`, and where the program is started. Absent, `/var/task` and Longshore's own directory.
    pub(crate) task_root: Option<PathBuf>,
    /// Further environment variables for the program, which has Longshore's own too, but those of its settings.
    pub(crate) env: BTreeMap<String, String>,
    /// The names of variables that the program has too though they may hold Longshore's secrets: those that begin with `LONGSHORE__`, and `OTEL_…_HEADERS`.
    pub(crate) inherit: Vec<String>,
    /// The function's name, which it finds in its environment; absent, the queue's name.
    pub(crate) function_name: Option<String>,
    /// The function's memory in MB, which it finds in its environment; Longshore limits nothing.
    #[cfg_attr(feature = "cli", schemars(range(min = 1)))]
    pub(crate) memory: u32,
    /// The number of programs, each with one invocation at a time; absent, the queue's `concurrency`, or 1 beside the Web Adapter.
    #[cfg_attr(feature = "cli", schemars(range(min = 1, max = 1_000)))]
    pub(crate) processes: Option<usize>,
    /// The reading of answers that name failed messages (`ReportBatchItemFailures`): `on`; `off`, where every answer that is no error means done; or `auto`, which is `on` where the answer has `batchItemFailures`, and `off` for any other.
    pub(crate) partial_responses: PartialResponses,
    /// The extensions in `extensions_dir`, such as a monitoring agent: `on` starts them beside each program, before it; `off` starts none. An extension within the program itself is always served.
    pub(crate) extensions: Extensions,
    /// The directory whose files are the extensions.
    pub(crate) extensions_dir: PathBuf,
    /// The time limit until the program asks for its first event, and after each answer until it asks for the next.
    pub(crate) init_timeout: Span,
    /// The time that a stopped program has after SIGTERM, before SIGKILL; at a stop 5 s at most, and no longer than the drain limit leaves.
    pub(crate) grace: Span,
}

/// The reading of answers that name failed messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PartialResponses {
    /// An answer that speaks of `batchItemFailures` is read as with `on`; any other means done.
    #[default]
    Auto,
    /// Every answer is read by Lambda's rules, and fails the batch when it breaks them.
    On,
    /// Every answer that is no error means done.
    Off,
}

/// The extensions of a function that are programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Extensions {
    /// They are not started.
    #[default]
    Off,
    /// They are started beside each runtime process, before it.
    On,
}

fn parsed(url: &str) -> Result<Url, LambdaError> {
    Url::parse(url).map_err(|error| LambdaError::Url { url: hide(url), source: error.into() })
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            command: Vec::new(),
            url: None,
            urls: Vec::new(),
            handler: None,
            task_root: None,
            env: BTreeMap::new(),
            inherit: Vec::new(),
            function_name: None,
            memory: 128,
            processes: None,
            partial_responses: PartialResponses::default(),
            extensions: Extensions::default(),
            extensions_dir: EXTENSIONS_DIR.into(),
            init_timeout: Span::secs(60),
            grace: Span::secs(2),
        }
    }
}

impl Settings {
    /// The defaults for a function that Longshore runs with this command.
    pub fn of_command<T: Into<String>>(command: impl IntoIterator<Item = T>) -> Self {
        Self { command: command.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The defaults for a function at the address of a Runtime Interface Emulator.
    pub fn of_url(url: impl AsRef<str>) -> Result<Self, LambdaError> {
        Ok(Self { url: Some(parsed(url.as_ref())?), ..Self::default() })
    }

    /// Adds the address of a further emulator; each runs one invocation at a time.
    pub fn and_url(mut self, url: impl AsRef<str>) -> Result<Self, LambdaError> {
        self.urls.push(parsed(url.as_ref())?);
        Ok(self)
    }

    /// Sets the function within the program, as the runtime spells it (`_HANDLER`): `app.handler`.
    #[must_use]
    pub fn handler(mut self, handler: impl Into<String>) -> Self {
        self.handler = Some(handler.into());
        self
    }

    /// Sets the directory of the function's code; default: `/var/task`, and the program starts in Longshore's directory.
    #[must_use]
    pub fn task_root(mut self, directory: impl Into<PathBuf>) -> Self {
        self.task_root = Some(directory.into());
        self
    }

    /// Sets the variables that the program inherits though they may hold Longshore's secrets; default: none of them.
    #[must_use]
    pub fn inherit<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.inherit = names.into_iter().map(Into::into).collect();
        self
    }

    /// Adds an environment variable of the program.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Sets the function's name; default: the queue's.
    #[must_use]
    pub fn function_name(mut self, name: impl Into<String>) -> Self {
        self.function_name = Some(name.into());
        self
    }

    /// Sets the function's memory in MB, which it finds in its environment; default: 128.
    #[must_use]
    pub fn memory(mut self, megabytes: u32) -> Self {
        self.memory = megabytes;
        self
    }

    /// Sets the number of programs, each with one invocation at a time; default: the concurrency.
    #[must_use]
    pub fn processes(mut self, processes: usize) -> Self {
        self.processes = Some(processes);
        self
    }

    /// Sets the reading of answers that name failed messages; default: `Auto`.
    #[must_use]
    pub fn partial_responses(mut self, reading: PartialResponses) -> Self {
        self.partial_responses = reading;
        self
    }

    /// Starts the extensions in `/opt/extensions` or not; default: `Off`.
    #[must_use]
    pub fn extensions(mut self, extensions: Extensions) -> Self {
        self.extensions = extensions;
        self
    }

    /// Sets the directory of the extensions; default: `/opt/extensions`.
    #[must_use]
    pub fn extensions_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.extensions_dir = directory.into();
        self
    }

    /// Sets the time limit until the program asks for its first or next event; default: 1 min.
    #[must_use]
    pub fn init_timeout(mut self, limit: Duration) -> Self {
        self.init_timeout = Span(limit);
        self
    }

    /// Sets the time between SIGTERM and SIGKILL of a stopped program; default: 2 s.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = Span(grace);
        self
    }

    /// Every address of an emulator.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &Url> {
        self.url.iter().chain(&self.urls)
    }

    /// The files in the directory of extensions, by name; none if there is no such directory.
    pub(crate) fn extension_programs(&self) -> io::Result<Vec<PathBuf>> {
        let directory = std::path::absolute(&self.extensions_dir)?;
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let paths: io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
        let mut files: Vec<PathBuf> = paths?.into_iter().filter(|path| path.is_file()).collect();
        files.sort_unstable();
        Ok(files)
    }

    /// The extensions that are there and that nothing starts.
    pub(crate) fn unused_extensions(&self) -> Vec<PathBuf> {
        let is_unused = self.extensions == Extensions::Off && !self.command.is_empty();
        if is_unused { self.extension_programs().unwrap_or_default() } else { Vec::new() }
    }

    /// The AWS Lambda Web Adapter, if it is there and nothing starts it.
    pub(crate) fn unused_adapter(&self) -> Option<PathBuf> {
        adapter_of(self.unused_extensions())
    }

    /// The AWS Lambda Web Adapter, if it is there and started beside each program.
    pub(crate) fn used_adapter(&self) -> Option<PathBuf> {
        adapter_of(self.used_extensions().unwrap_or_default())
    }

    /// The directory of extensions that are to be started, if there are none in it.
    pub(crate) fn empty_extensions_dir(&self) -> Option<&Path> {
        self.used_extensions()?.is_empty().then_some(&self.extensions_dir)
    }

    /// The extensions that are started beside each program; `None` where none is wanted, or their list cannot be had.
    fn used_extensions(&self) -> Option<Vec<PathBuf>> {
        let is_used = self.extensions == Extensions::On && !self.command.is_empty();
        if is_used { self.extension_programs().ok() } else { None }
    }

    /// The name of this queue's function.
    pub(super) fn name<'a>(&'a self, source: &'a Source) -> &'a str {
        self.function_name.as_deref().unwrap_or(source.name())
    }

    /// Finds every invalid value.
    pub(crate) fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.validate_target(&mut problems);
        self.validate_urls(&mut problems);
        self.validate_program(&mut problems);
        self.validate_amounts(&mut problems);
        problems
    }

    fn validate_target(&self, problems: &mut Vec<Problem>) {
        let has_url = self.addresses().next().is_some();
        match self.command.first() {
            None if !has_url => problems.push(not_allowed(
                "command",
                "nothing",
                "a list of a program and its arguments, or give the url of a runtime interface emulator",
            )),
            Some(_) if has_url => {
                let key = if self.url.is_some() { "url" } else { "urls" };
                problems.push(not_allowed(key, "beside a command", "one of the two"));
            }
            Some(program) if program.is_empty() => {
                problems.push(not_allowed("command", "an empty program", "a program's name or path"));
            }
            _ => {}
        }
        if has_url && self.command.is_empty() {
            let allowed = "this only with a command; an emulator has its own environment";
            problems.extend(self.command_only().map(|key| not_allowed(key, "given beside a url", allowed)));
        }
    }

    /// The given settings that are allowed only with a command.
    fn command_only(&self) -> impl Iterator<Item = &'static str> {
        let given = [
            ("handler", self.handler.is_some()),
            ("task_root", self.task_root.is_some()),
            ("env", !self.env.is_empty()),
            ("inherit", !self.inherit.is_empty()),
            ("function_name", self.function_name.is_some()),
            ("processes", self.processes.is_some()),
            ("extensions", self.extensions == Extensions::On),
            ("extensions_dir", self.extensions_dir != Path::new(EXTENSIONS_DIR)),
        ];
        given.into_iter().filter_map(|(key, is_given)| is_given.then_some(key))
    }

    fn validate_urls(&self, problems: &mut Vec<Problem>) {
        let named = self.url.iter().map(|url| ("url", url)).chain(self.urls.iter().map(|url| ("urls", url)));
        let mut seen = Vec::new();
        for (key, url) in named {
            let has_host = url.host_str().is_some_and(|host| !host.is_empty());
            if url.scheme() != "http" || !has_host {
                let allowed = "an http url with a host, such as http://127.0.0.1:8080";
                problems.push(not_allowed(key, shown(url), allowed));
            }
            if seen.contains(&url) {
                let allowed = "each address once, for an emulator runs one invocation at a time";
                problems.push(not_allowed(key, shown(url), allowed));
            }
            seen.push(url);
        }
    }

    fn validate_program(&self, problems: &mut Vec<Problem>) {
        if self.extensions_dir.as_os_str().is_empty() {
            problems.push(not_allowed("extensions_dir", "nothing", "a directory"));
        }
        if self.command.iter().any(|part| part.contains('\0')) {
            problems.push(not_allowed("command", "a text with a NUL", "texts without NUL"));
        }
        for (name, value) in &self.env {
            if !is_variable_name(name) || value.contains('\0') {
                let allowed = "names without = and values without NUL";
                problems.push(not_allowed("env", format!("{name:?}"), allowed));
            } else if RESERVED.contains(&name.as_str()) {
                let allowed = "other variables; this one is set by Longshore, _HANDLER by handler";
                problems.push(not_allowed("env", name.clone(), allowed));
            }
        }
        problems.extend(variable_names("inherit", &self.inherit));
        for (key, text) in [("handler", &self.handler), ("function_name", &self.function_name)] {
            let is_invalid = |text: &&String| text.is_empty() || text.contains(|c: char| c.is_control());
            if let Some(text) = text.as_ref().filter(is_invalid) {
                problems.push(not_allowed(key, format!("{text:?}"), "a name"));
            }
        }
    }

    fn validate_amounts(&self, problems: &mut Vec<Problem>) {
        if self.memory == 0 {
            problems.push(not_allowed("memory", "0", "at least 1"));
        }
        if let Some(processes) = self.processes.filter(|count| !(1..=PROCESSES_MAX).contains(count)) {
            let allowed = "a whole number from 1 to 1000";
            problems.push(not_allowed("processes", processes.to_string(), allowed));
        }
        if self.init_timeout.0.is_zero() {
            problems.push(not_allowed("init_timeout", self.init_timeout.to_string(), "longer than 0s"));
        }
        if self.grace > Span::secs(60) {
            problems.push(not_allowed("grace", self.grace.to_string(), "at most 1m"));
        }
    }
}

/// A URL without its name, password and path, for display.
fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    format!("{}://{host}{}", url.scheme(), url.port().map(|port| format!(":{port}")).unwrap_or_default())
}

fn adapter_of(programs: Vec<PathBuf>) -> Option<PathBuf> {
    programs.into_iter().find(|path| path.ends_with(WEB_ADAPTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(settings: &Settings) -> Vec<String> {
        settings.validate().into_iter().map(|problem| problem.key().unwrap().to_string()).collect()
    }

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn a_command_or_an_address_is_enough() {
        assert_eq!(Settings::of_command(["python3", "-m", "awslambdaric", "app.handler"]).validate(), []);
        assert_eq!(Settings::of_url("http://127.0.0.1:8080").unwrap().validate(), []);
        let several = vec![url("http://one:8080"), url("http://two:8080")];
        assert_eq!(Settings { urls: several, ..Settings::default() }.validate(), []);
    }

    #[test]
    fn a_function_has_a_command_or_an_address_and_not_both() {
        assert_eq!(keys(&Settings::default()), ["command"]);
        assert_eq!(keys(&Settings::of_command([""])), ["command"]);
        let both = Settings { command: vec!["x".to_owned()], ..Settings::of_url("http://h").unwrap() };
        assert_eq!(keys(&both), ["url"]);
        let urls = Settings { urls: vec![url("http://h")], ..Settings::of_command(["x"]) };
        assert_eq!(keys(&urls), ["urls"]);
    }

    #[test]
    fn settings_of_a_command_are_refused_beside_an_address() {
        let settings = Settings {
            handler: Some("app.handler".to_owned()),
            task_root: Some("/var/task".into()),
            processes: Some(2),
            extensions: Extensions::On,
            extensions_dir: "/srv/extensions".into(),
            ..Settings::of_url("http://h").unwrap()
        };
        let expected = ["handler", "task_root", "processes", "extensions", "extensions_dir"];
        assert_eq!(keys(&settings), expected);
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let variables = ["A=B", "AWS_LAMBDA_RUNTIME_API", "FINE"];
        let settings = Settings {
            url: Some(url("ftp://name:hunter2@h/")),
            urls: vec![url("http://h:1"), url("http://h:1/")],
            memory: 0,
            processes: Some(1_001),
            init_timeout: Span::secs(0),
            grace: Span::secs(61),
            env: variables.into_iter().map(|name| (name.to_owned(), "x".to_owned())).collect(),
            handler: Some(String::new()),
            ..Settings::of_command(["x\0"])
        };
        let expected = [
            "url",
            "url",
            "urls",
            "command",
            "env",
            "env",
            "handler",
            "memory",
            "processes",
            "init_timeout",
            "grace",
        ];
        assert_eq!(keys(&settings), expected);
        let report = settings.validate().iter().map(ToString::to_string).collect::<String>();
        assert!(!report.contains("hunter2"), "{report}");
    }
}
