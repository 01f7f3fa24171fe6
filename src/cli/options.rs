//! The options of every command that works on queues.

use std::path::PathBuf;

use clap::Args;

use crate::config::{self, ConfigFile, Flags, Sources};

/// The sources of the settings: `config` reads every value and validates it with all the others.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Options {
    /// The configuration file [default: longshore.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The queue that the options below are about, if there are several
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    /// The queue's URL or ARN
    #[arg(long, value_name = "URL")]
    queue_url: Option<String>,
    /// The URL that messages are posted to
    #[arg(long, value_name = "URL", group = "handler_kind")]
    handler: Option<String>,
    /// The program that is started for each message, which it reads on its standard input
    #[arg(long, value_name = "CMD", group = "handler_kind")]
    exec: Option<String>,
    /// The program that runs a Lambda function, or the address of its emulator
    #[arg(long, value_name = "CMD", group = "handler_kind")]
    lambda: Option<String>,
    /// The SNS topic that messages are published to
    #[arg(long, value_name = "ARN", group = "handler_kind")]
    sns: Option<String>,
    /// The most messages a call
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    batch: Option<String>,
    /// The most calls of the handler at once
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    concurrency: Option<String>,
    /// The messages held beyond those running, or auto
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    prefetch: Option<String>,
    /// The time that a received message stays hidden unless it is extended
    #[arg(long, value_name = "DURATION")]
    visibility: Option<String>,
    /// The time limit of one call of the handler, or none
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
    #[command(flatten)]
    aws: AwsOptions,
    /// The address that the admin server listens on
    #[arg(long, value_name = "ADDRESS")]
    admin_listen: Option<String>,
    /// The time limit of a stop after SIGTERM
    #[arg(long, value_name = "DURATION")]
    drain_limit: Option<String>,
    /// The log's form: auto, json or text
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// The filter of the log, such as info or info,longshore=debug
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
}

/// The access to AWS.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct AwsOptions {
    /// The AWS region
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Another SQS endpoint
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
}

impl AwsOptions {
    fn values(&self) -> [(&'static str, Option<String>); 2] {
        [("--region", self.region.clone()), ("--endpoint-url", self.endpoint_url.clone())]
    }

    /// The sources with these as the only flags.
    pub(super) fn sources(&self, file: Option<PathBuf>) -> Sources {
        sources(file, Flags { queue: None, values: given(self.values()) })
    }
}

impl Options {
    /// The sources with every flag that was given.
    pub(super) fn sources(&self) -> Sources {
        let own = [
            ("--queue-url", &self.queue_url),
            ("--handler", &self.handler),
            ("--exec", &self.exec),
            ("--lambda", &self.lambda),
            ("--sns", &self.sns),
            ("--batch", &self.batch),
            ("--concurrency", &self.concurrency),
            ("--prefetch", &self.prefetch),
            ("--visibility", &self.visibility),
            ("--timeout", &self.timeout),
            ("--admin-listen", &self.admin_listen),
            ("--drain-limit", &self.drain_limit),
            ("--log-format", &self.log_format),
            ("--log", &self.log),
        ];
        let own = own.into_iter().map(|(flag, value)| (flag, value.clone()));
        let values = given(own.chain(self.aws.values()));
        sources(self.config.clone(), Flags { queue: self.queue.clone(), values })
    }
}

fn given(values: impl IntoIterator<Item = (&'static str, Option<String>)>) -> Vec<(&'static str, String)> {
    values.into_iter().filter_map(|(flag, value)| Some((flag, value?))).collect()
}

fn sources(file: Option<PathBuf>, flags: Flags) -> Sources {
    let file = file.map_or(ConfigFile::Usual, ConfigFile::Named);
    Sources { file, environment: config::environment(), flags, ..Sources::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FLAGS;

    #[test]
    fn every_flag_that_is_given_arrives() {
        let text = || Some("x".to_owned());
        let options = Options {
            config: None,
            queue: None,
            queue_url: text(),
            handler: text(),
            exec: text(),
            lambda: text(),
            sns: text(),
            batch: text(),
            concurrency: text(),
            prefetch: text(),
            visibility: text(),
            timeout: text(),
            aws: AwsOptions { region: text(), endpoint_url: text() },
            admin_listen: text(),
            drain_limit: text(),
            log_format: text(),
            log: text(),
        };
        let values = options.sources().flags.values;
        let mut arrived: Vec<_> = values.iter().map(|(flag, _)| *flag).collect();
        let mut expected: Vec<_> = FLAGS.iter().map(|flag| flag.name).collect();
        arrived.sort_unstable();
        expected.sort_unstable();
        assert_eq!(arrived, expected);
    }
}
