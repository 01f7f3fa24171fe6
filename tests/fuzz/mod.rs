//! The fuzz targets, by name, each with its seeds in a folder of that name.
//!
//! A target stands inside its part, which names it, so that it reaches the parser itself.

#[cfg(test)]
#[path = "../../emulator/tests/fuzz/driver.rs"]
mod driver;
pub(crate) mod message;

use crate::{cli, config, ecs, handler, payload, process, queue, telemetry};

/// Gives a parser an input; panics where a fact does not hold that holds for every input.
pub type Target = fn(&[u8]);

/// The targets by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("configuration", config::fuzz::sources),
    ("ecs", ecs::fuzz::answers),
    ("exec_messages", handler::exec::fuzz::messages),
    ("function_answers", handler::lambda::fuzz::answers),
    ("http_messages", handler::http::fuzz::messages),
    ("ingest", cli::dev::ingest::fuzz::requests),
    ("payloads", payload::fuzz::payloads),
    ("program_output", process::fuzz::output),
    ("runtime_api", handler::lambda::fuzz::runtime_api),
    ("sns_messages", handler::sns::fuzz::messages),
    ("sqs", queue::sqs::fuzz::answers),
    ("trace_contexts", telemetry::context::fuzz::contexts),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{TARGETS, driver};

    fn run(name: &str) {
        let seeds = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/seeds")).join(name);
        let (_, target) = TARGETS.iter().find(|(own, _)| *own == name).unwrap();
        driver::run(&seeds, *target);
    }

    macro_rules! no_input_breaks {
        ($($name:ident),*) => { $(#[test] fn $name() { run(stringify!($name)); })* };
    }

    mod no_input_breaks {
        use super::run;

        no_input_breaks!(
            configuration,
            ecs,
            exec_messages,
            function_answers,
            http_messages,
            ingest,
            payloads,
            program_output,
            runtime_api,
            sns_messages,
            sqs,
            trace_contexts
        );
    }

    #[test]
    fn every_target_has_seeds() {
        let seeds = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/seeds"));
        let mut folders: Vec<_> = std::fs::read_dir(seeds)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        folders.sort();
        let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
        assert_eq!(folders, names);
    }
}
