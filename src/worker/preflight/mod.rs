//! Preflight: finds the problems of a worker before it starts.
//!
//! Nothing here changes anything: no message is received, sent or deleted. What cannot be found out so is said to be unproven.

mod codes;
mod dead_letters;
mod ecs;
mod finding;
mod handler;
mod permissions;
mod queue;
mod report;
mod topics;

use std::collections::BTreeMap;

use futures_util::future::join_all;

pub use self::{
    codes::{Code, Severity},
    finding::Finding,
    report::{Report, Verdict},
};
use crate::{config::Settings, ecs::EcsEnvironment, settings::Problems};

/// Looks at everything that these settings name, all of it at once.
pub async fn preflight(settings: &Settings, surroundings: &EcsEnvironment) -> Report {
    let queues = settings.queues.iter().map(|(name, queue)| queue::look(name, queue, settings));
    let (queues, of_task) = tokio::join!(join_all(queues), ecs::look(settings, surroundings));
    let twins = twins(settings.queues.keys().zip(queues.iter().map(|looked| looked.arn.as_deref())));
    let of_queues = queues.into_iter().flat_map(|looked| looked.found);
    Report::new(of_queues.chain(twins).chain(of_task).collect())
}

/// Queues that another section has already, by whatever address.
fn twins<'a>(queues: impl Iterator<Item = (&'a String, Option<&'a str>)>) -> Vec<Finding> {
    let mut seen = BTreeMap::new();
    let mut found = Vec::new();
    for (name, arn) in queues {
        let Some(arn) = arn.filter(|arn| !arn.is_empty()) else { continue };
        if let Some(other) = seen.insert(arn, name) {
            found.push(Finding::of(name, Code::QueueTwins, format!("the same queue as {other}: {arn}")));
        }
    }
    found
}

/// The report on settings that no worker would start with.
pub fn of_problems(problems: &Problems) -> Report {
    let finding = |problem: &crate::settings::Problem| Finding::new(Code::Configuration, problem.to_string());
    Report::new(problems.0.iter().map(finding).collect())
}
