//! What keeps a worker from working, or from working well, found before it starts.
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

use futures_util::future::join_all;

pub use self::{
    codes::{Code, Severity},
    finding::Finding,
    report::{Report, Verdict},
};
use crate::{
    config::{Problems, Settings},
    ecs::Surroundings,
};

/// Looks at everything that these settings name, all of it at once.
pub async fn preflight(settings: &Settings, surroundings: &Surroundings) -> Report {
    let queues = settings.queues.iter().map(|(name, queue)| queue::look(name, queue, settings));
    let (queues, of_task) = tokio::join!(join_all(queues), ecs::look(settings, surroundings));
    Report::new(queues.into_iter().flatten().chain(of_task).collect())
}

/// The report on settings that no worker would start with.
pub fn of_problems(problems: &Problems) -> Report {
    let finding = |problem: &crate::config::Problem| Finding::new(Code::Configuration, problem.to_string());
    Report::new(problems.0.iter().map(finding).collect())
}
