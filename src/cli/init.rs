//! `longshore init`: writes a commented `longshore.toml` for a kind of handler, with the schema that editors read.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    path::Path,
};

use clap::{Args, ValueEnum};

use super::output::{self, Exit, Failure};
use crate::{config, settings::quoted};

/// The file of the configuration, and that of its schema, which the first names in its first line.
const CONFIGURATION: &str = "longshore.toml";
const SCHEMA: &str = "longshore.schema.json";
/// The queue's name in the templates, and the same as a part of a table's name.
const NAME: &str = "@queue@";
const SECTION: &str = "@section@";

/// Writes a commented longshore.toml for a kind of handler, and the schema by which editors complete and check it
#[derive(Args, Debug)]
pub(super) struct Init {
    /// The kind of the handler
    #[arg(value_enum, default_value_t)]
    kind: InitKind,
    /// The queue's name
    #[arg(long, value_name = "NAME", default_value = "orders")]
    queue: String,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

/// The kinds of handlers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum InitKind {
    /// A server that messages are posted to.
    #[default]
    Http,
    /// A program that is started for each message.
    Exec,
    /// A Lambda function.
    Lambda,
    /// A topic of SNS.
    Sns,
}

impl InitKind {
    const fn template(self) -> &'static str {
        match self {
            Self::Http => include_str!("init/http.toml"),
            Self::Exec => include_str!("init/exec.toml"),
            Self::Lambda => include_str!("init/lambda.toml"),
            Self::Sns => include_str!("init/sns.toml"),
        }
    }

    /// The line about what the template names and is to be made before the first start.
    const fn first_step(self) -> &'static str {
        match self {
            Self::Http => "\n  first:  start your server at http://127.0.0.1:8080/, or change the url",
            Self::Exec => {
                "\n  first:  write job.py, which reads the message on its standard input, or change the command"
            }
            Self::Lambda => {
                "\n  first:  pip install awslambdaric, and write app.py with def handler(event, context), or change the command"
            }
            Self::Sns => "",
        }
    }
}

impl Init {
    pub(super) fn execute(&self) -> Result<(), Failure> {
        let schema = format!("{}\n", serde_json::to_string_pretty(&config::schema()).unwrap_or_default());
        self.write(CONFIGURATION, &configuration(self.kind, &self.queue))?;
        // It follows from the version alone, and so may be replaced.
        std::fs::write(SCHEMA, schema).map_err(|error| not_written(SCHEMA, &error))?;
        output::print_line(&format!(
            "{CONFIGURATION} and {SCHEMA} are written{}\n  try it: longshore dev --watch",
            self.kind.first_step()
        ))
    }

    fn write(&self, path: &str, text: &str) -> Result<(), Failure> {
        let mut options = OpenOptions::new();
        options.write(true).truncate(self.force).create(self.force).create_new(!self.force);
        let written = options.open(Path::new(path)).and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| not_written(path, &error))
    }
}

fn configuration(kind: InitKind, queue: &str) -> String {
    format!("#:schema ./{SCHEMA}\n{}", kind.template().replace(SECTION, &quoted(queue)).replace(NAME, queue))
}

fn not_written(path: &str, error: &io::Error) -> Failure {
    let failure = Failure::new(Exit::Usage, format!("cannot write {path}: {error}"));
    match error.kind() {
        io::ErrorKind::AlreadyExists => failure.hint("replace it with --force, or go to another directory"),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ConfigFile, Purpose, Sources};

    #[test]
    fn every_template_is_a_configuration_with_which_a_worker_would_run() {
        for kind in InitKind::value_variants() {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join(CONFIGURATION);
            std::fs::write(&path, configuration(*kind, "mails")).unwrap();
            let sources = Sources { file: ConfigFile::Named(path), ..Sources::default() };
            let config = config::load(&sources, Purpose::Run)
                .unwrap_or_else(|problems| panic!("{kind:?}: {problems}"));
            assert_eq!(config.settings.queues["mails"].name_in_sqs(), "mails");
        }
    }

    #[test]
    fn what_is_to_be_made_first_is_what_the_template_names() {
        for (kind, named, in_template) in [
            (InitKind::Http, "http://127.0.0.1:8080/", "http://127.0.0.1:8080/"),
            (InitKind::Exec, "job.py", "job.py"),
            (InitKind::Lambda, "app.py with def handler", "app.handler"),
        ] {
            assert!(kind.first_step().contains(named), "{kind:?}");
            assert!(kind.template().contains(in_template), "{kind:?}");
        }
    }
}
