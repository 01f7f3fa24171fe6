//! Settings of the `exec` kind.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    duration::Span,
    settings::{Problem, is_variable_name, not_allowed, variable_names},
};

/// The longest `grace` allowed.
const GRACE_MAX: Span = Span::secs(10 * 60);

/// Settings of a program that is started for each message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The program that is started for each message, by its path or its name in `PATH`, and its arguments: `["python3", "/app/job.py"]`.
    pub(crate) command: Vec<String>,
    /// The directory that the program is started in; absent, Longshore's own.
    #[serde(default)]
    pub(crate) directory: Option<PathBuf>,
    /// Further environment variables for the program, which has Longshore's own too, but those of its settings.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// The names of variables that the program has too though they may hold Longshore's secrets: those that begin with `LONGSHORE__`, and `OTEL_…_HEADERS`.
    #[serde(default)]
    pub(crate) inherit: Vec<String>,
    /// Exit codes that mean done.
    #[serde(default = "done")]
    pub(crate) done: Vec<u8>,
    /// Exit codes that mean reject.
    #[serde(default = "reject")]
    pub(crate) reject: Vec<u8>,
    /// Exit codes that mean retry.
    #[serde(default = "retry")]
    pub(crate) retry: Vec<u8>,
    /// The outcome of exit codes that no list has: `retry` or `reject`. An end by a signal is always a retry.
    #[serde(default)]
    pub(crate) others: Others,
    /// The time that a stopped program has after SIGTERM, before SIGKILL ends its whole process group.
    #[serde(default = "grace")]
    pub(crate) grace: Span,
    /// From this size in bytes on, the body is in a file too, which `LONGSHORE_BODY_FILE` names; 0 writes one for each message.
    #[serde(default = "body_file_bytes")]
    pub(crate) body_file_bytes: usize,
    /// The directory of such files; absent, the system's temporary directory.
    #[serde(default)]
    pub(crate) temporary_directory: Option<PathBuf>,
    /// The most bytes of one run's output that are logged; the rest is counted and dropped.
    #[serde(default = "output_bytes")]
    pub(crate) output_bytes: u64,
}

/// The outcome of exit codes that no list has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Others {
    /// The message is tried again.
    #[default]
    Retry,
    /// The message is never tried again.
    Reject,
}

fn done() -> Vec<u8> {
    vec![0]
}

/// `EX_DATAERR` of sysexits.h: the input was wrong, and will be the next time.
fn reject() -> Vec<u8> {
    vec![65]
}

/// `EX_TEMPFAIL` of sysexits.h: the user is invited to retry.
fn retry() -> Vec<u8> {
    vec![75]
}

fn grace() -> Span {
    Span::secs(5)
}

fn body_file_bytes() -> usize {
    256 * 1024
}

fn output_bytes() -> u64 {
    64 * 1024
}

impl Settings {
    /// The defaults for this program and its arguments.
    pub fn of_command<T: Into<String>>(command: impl IntoIterator<Item = T>) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            directory: None,
            env: BTreeMap::new(),
            inherit: Vec::new(),
            done: done(),
            reject: reject(),
            retry: retry(),
            others: Others::default(),
            grace: grace(),
            body_file_bytes: body_file_bytes(),
            temporary_directory: None,
            output_bytes: output_bytes(),
        }
    }

    /// Sets the directory that the program starts in; default: Longshore's own.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
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

    /// Sets the exit codes that mean done; default: 0.
    #[must_use]
    pub fn done(mut self, codes: impl IntoIterator<Item = u8>) -> Self {
        self.done = codes.into_iter().collect();
        self
    }

    /// Sets the exit codes that mean reject; default: 65.
    #[must_use]
    pub fn reject(mut self, codes: impl IntoIterator<Item = u8>) -> Self {
        self.reject = codes.into_iter().collect();
        self
    }

    /// Sets the exit codes that mean retry; default: 75.
    #[must_use]
    pub fn retry(mut self, codes: impl IntoIterator<Item = u8>) -> Self {
        self.retry = codes.into_iter().collect();
        self
    }

    /// Sets the outcome of all other exit codes; default: retry.
    #[must_use]
    pub fn others(mut self, others: Others) -> Self {
        self.others = others;
        self
    }

    /// Sets the time between SIGTERM and SIGKILL of a stopped program; default: 5 s.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = Span(grace);
        self
    }

    /// Sets the size in bytes from which on the body is in a file, too; default: 262,144.
    #[must_use]
    pub fn body_file_bytes(mut self, bytes: usize) -> Self {
        self.body_file_bytes = bytes;
        self
    }

    /// Sets the directory of such files; default: the system's temporary directory.
    #[must_use]
    pub fn temporary_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.temporary_directory = Some(directory.into());
        self
    }

    /// Sets the most bytes of one run's output that are logged; default: 65,536.
    #[must_use]
    pub fn output_bytes(mut self, bytes: u64) -> Self {
        self.output_bytes = bytes;
        self
    }

    /// Finds every invalid value.
    pub(crate) fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.validate_command(&mut problems);
        self.validate_env(&mut problems);
        self.validate_codes(&mut problems);
        if self.grace > GRACE_MAX {
            problems.push(not_allowed("grace", self.grace.to_string(), "at most 10m"));
        }
        problems
    }

    fn validate_command(&self, problems: &mut Vec<Problem>) {
        if self.command.first().is_none_or(String::is_empty) {
            let allowed = "a list of a program and its arguments, such as [\"python3\", \"/app/job.py\"]";
            problems.push(not_allowed("command", "no program", allowed));
        }
        if self.command.iter().any(|part| part.contains('\0')) {
            problems.push(not_allowed("command", "a text with a NUL", "texts without NUL"));
        }
        for (key, directory) in
            [("directory", &self.directory), ("temporary_directory", &self.temporary_directory)]
        {
            let is_invalid = |directory: &&PathBuf| {
                let bytes = directory.as_os_str().as_encoded_bytes();
                bytes.is_empty() || bytes.contains(&0)
            };
            if let Some(directory) = directory.as_ref().filter(is_invalid) {
                problems.push(not_allowed(
                    key,
                    format!("\"{}\"", directory.display()),
                    "the path of a directory",
                ));
            }
        }
    }

    fn validate_env(&self, problems: &mut Vec<Problem>) {
        for (name, value) in &self.env {
            // The value may be a secret, so only the name is shown.
            if !is_variable_name(name) || value.contains('\0') {
                let allowed = "names without = and values without NUL";
                problems.push(not_allowed("env", format!("{name:?}"), allowed));
            } else if name.starts_with("LONGSHORE_") {
                let allowed = "other names; those that start with LONGSHORE_ describe the message";
                problems.push(not_allowed("env", name.clone(), allowed));
            }
        }
        problems.extend(variable_names("inherit", &self.inherit));
    }

    fn validate_codes(&self, problems: &mut Vec<Problem>) {
        if self.done.is_empty() {
            problems.push(not_allowed("done", "[]", "one exit code at least, or no message is ever done"));
        }
        for code in self.reject.iter().filter(|code| self.done.contains(code)) {
            problems.push(not_allowed("reject", code.to_string(), "a code that done does not list too"));
        }
        for code in &self.retry {
            if self.done.contains(code) || self.reject.contains(code) {
                let allowed = "a code that neither done nor reject lists too";
                problems.push(not_allowed("retry", code.to_string(), allowed));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(settings: &Settings) -> Vec<String> {
        settings.validate().into_iter().map(|problem| problem.key().unwrap().to_string()).collect()
    }

    #[test]
    fn the_defaults_have_no_problem() {
        assert_eq!(Settings::of_command(["true"]).validate(), []);
    }

    #[test]
    fn a_code_with_two_meanings_is_named() {
        let settings = Settings { reject: vec![75, 9], ..Settings::of_command(["true"]) };
        assert_eq!(
            settings.validate()[0].to_string(),
            "retry: not allowed: 75\n    allowed: a code that neither done nor reject lists too"
        );
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let settings = Settings {
            directory: Some("a\0b".into()),
            temporary_directory: Some("".into()),
            env: [("A=B", "1"), ("C", "\0"), ("LONGSHORE_QUEUE", "q"), ("FINE", "")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            inherit: vec!["A=B".to_owned(), "FINE".to_owned()],
            done: vec![0, 1],
            reject: vec![1, 2],
            retry: vec![2, 3],
            grace: Span::secs(601),
            ..Settings::of_command(["", "a\0b"])
        };
        let expected = [
            "command",
            "command",
            "directory",
            "temporary_directory",
            "env",
            "env",
            "env",
            "inherit",
            "reject",
            "retry",
            "grace",
        ];
        assert_eq!(keys(&settings), expected);
        assert_eq!(keys(&Settings { done: vec![], ..Settings::of_command(["true"]) }), ["done"]);
    }
}
