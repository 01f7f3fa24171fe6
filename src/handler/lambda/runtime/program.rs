//! The program of a function, with the environment that it has on Lambda.

use std::{
    ffi::{OsStr, OsString},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use uuid::Uuid;

use crate::{
    handler::{Source, lambda::Settings},
    process::{Command, Process, StartError},
};

/// The directory of a function's code on Lambda.
const TASK_ROOT: &str = "/var/task";
/// The variables of the runtime alone, which extensions do not have on Lambda.
const OF_THE_RUNTIME: [&str; 3] = ["LAMBDA_TASK_ROOT", "AWS_LAMBDA_LOG_GROUP_NAME", "_HANDLER"];

/// The function as its invocations and extensions name it.
#[derive(Debug)]
pub(super) struct FunctionIdentity {
    pub(super) arn: String,
    pub(super) name: String,
    /// The setting `handler`; empty without one.
    pub(super) handler: String,
}

impl FunctionIdentity {
    /// The version of every function here.
    pub(super) const VERSION: &str = "$LATEST";

    /// The account that the function seems to be in, which is the queue's.
    pub(super) fn account(&self) -> &str {
        self.arn.split(':').nth(4).unwrap_or_default()
    }
}

/// The command, directory and environment of the function's processes.
#[derive(Clone, Debug)]
pub(super) struct Program {
    command: Vec<String>,
    directory: Option<PathBuf>,
    variables: Vec<(String, String)>,
    /// The variables of Longshore's own that the processes do not inherit.
    withheld: Vec<OsString>,
    function: Arc<FunctionIdentity>,
}

impl Program {
    /// Builds the program from the settings.
    pub(super) fn of(settings: &Settings, source: &Source) -> Self {
        let name = settings.name(source);
        // Relative to Longshore's own directory, not to that of the program.
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let directory = settings.task_root.as_ref().map(absolute);
        let task_root = directory.as_ref().map_or(TASK_ROOT.into(), |path| path.to_string_lossy());
        let mut variables = vec![
            ("LAMBDA_TASK_ROOT", task_root.into_owned()),
            ("AWS_LAMBDA_FUNCTION_NAME", name.to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", FunctionIdentity::VERSION.to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", settings.memory.to_string()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}")),
            ("TZ", ":UTC".to_owned()),
        ];
        if !source.region().is_empty() {
            variables.push(("AWS_REGION", source.region().to_owned()));
            variables.push(("AWS_DEFAULT_REGION", source.region().to_owned()));
        }
        variables.extend(settings.handler.iter().map(|handler| ("_HANDLER", handler.clone())));
        let own = variables.into_iter().map(|(name, value)| (name.to_owned(), value));
        let given = settings.env.iter().map(|(name, value)| (name.clone(), value.clone()));
        Self {
            command: settings.command.clone(),
            directory,
            variables: own.chain(given).collect(),
            withheld: Vec::new(),
            function: Arc::new(FunctionIdentity {
                arn: source.function_arn(name),
                name: name.to_owned(),
                handler: settings.handler.clone().unwrap_or_default(),
            }),
        }
    }

    /// Removes these variables from the environment.
    pub(super) fn without(self, withheld: Vec<OsString>) -> Self {
        Self { withheld, ..self }
    }

    /// The function as its invocations and extensions name it.
    pub(super) fn function(&self) -> &Arc<FunctionIdentity> {
        &self.function
    }

    /// Starts the program with its Runtime API at this address.
    pub(super) fn start(&self, api: SocketAddr) -> Result<Process, StartError> {
        let (program, arguments) =
            self.command.split_first().map_or(("", &[][..]), |(program, rest)| (program.as_str(), rest));
        let command =
            self.command(program, api).args(arguments).env("AWS_LAMBDA_LOG_STREAM_NAME", log_stream());
        let command = self.variables.iter().fold(command, |command, (name, value)| command.env(name, value));
        match &self.directory {
            Some(directory) => command.directory(directory).spawn(),
            None => command.spawn(),
        }
    }

    /// Starts the program of an extension with its Runtime API at this address.
    pub(super) fn start_extension(&self, program: &Path, api: SocketAddr) -> Result<Process, StartError> {
        let command = self.command(program, api).directory("/");
        let variables = self.variables.iter().filter(|(name, _)| !OF_THE_RUNTIME.contains(&name.as_str()));
        variables.fold(command, |command, (name, value)| command.env(name, value)).spawn()
    }

    fn command(&self, program: impl AsRef<OsStr>, api: SocketAddr) -> Command {
        let command = self.withheld.iter().fold(Command::new(program), Command::without_env);
        command.env("AWS_LAMBDA_RUNTIME_API", api.to_string())
    }
}

/// A log stream name in Lambda's format, unique to each process: `2026/01/31/[$LATEST]0123…`.
fn log_stream() -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let day = now.split('T').next().unwrap_or_default().replace('-', "/");
    format!("{day}/[{}]{}", FunctionIdentity::VERSION, Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(settings: &Settings) -> Vec<(String, String)> {
        Program::of(settings, &Source::of_arn("arn:aws:sqs:eu-west-1:123456789012:orders")).variables
    }

    fn last<'a>(variables: &'a [(String, String)], name: &str) -> Option<&'a str> {
        variables.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn the_environment_is_lambdas() {
        let variables = variables(&Settings::of_command(["bootstrap"]));
        for (name, value) in [
            ("LAMBDA_TASK_ROOT", "/var/task"),
            ("AWS_LAMBDA_FUNCTION_NAME", "orders"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/orders"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("TZ", ":UTC"),
        ] {
            assert_eq!(last(&variables, name), Some(value), "{name}");
        }
        assert_eq!(last(&variables, "_HANDLER"), None);
    }

    #[test]
    fn the_settings_override_the_environment() {
        let settings = Settings {
            handler: Some("app.handler".to_owned()),
            function_name: Some("ship".to_owned()),
            task_root: Some("/srv/code".into()),
            memory: 512,
            env: [("TZ".to_owned(), "Europe/Oslo".to_owned())].into(),
            ..Settings::of_command(["bootstrap"])
        };
        let variables = variables(&settings);
        for (name, value) in [
            ("_HANDLER", "app.handler"),
            ("LAMBDA_TASK_ROOT", "/srv/code"),
            ("AWS_LAMBDA_FUNCTION_NAME", "ship"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/ship"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
            ("TZ", "Europe/Oslo"),
        ] {
            assert_eq!(last(&variables, name), Some(value), "{name}");
        }
    }

    #[test]
    fn a_log_stream_has_the_day_and_the_version() {
        let (one, other) = (log_stream(), log_stream());
        assert!(one.starts_with("20") && one.contains("/[$LATEST]"), "{one}");
        assert!(one != other && one.len() == other.len());
    }
}
