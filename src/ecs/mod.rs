//! Amazon ECS: the task's metadata, its protection from scale-in while long work runs, and the tasks that it orders.
//!
//! `calls_in_flight` counts handler calls, `protection_state` (pure) decides when to send which request, `protection` is the
//! loop around both, and `agent` speaks the agent's protocol. `deployments` finds the deployment that replaces the task, and
//! `scale_out` raises the desired count, both by the API of ECS, which `service` calls. No message waits for any of them: handlers
//! start whether they answer or not.

mod agent;
mod calls_in_flight;
mod deployments;
mod metadata;
mod protection;
mod protection_state;
mod scale_out;
mod service;

use std::{num::NonZeroU32, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    duration::Span,
    settings::Problem,
    telemetry::{Computed, metric_group},
};

#[cfg(all(any(test, fuzzing), feature = "cli"))]
pub(crate) use self::agent::fuzz;
pub use self::{agent::AgentError, protection::ProtectionPlan, scale_out::ScaleOutPlan};
#[cfg(test)]
pub(crate) use self::{agent::ProtectionReport, deployments::Replacement};
pub(crate) use self::{
    agent::{Agent, HttpAgent, ProtectionRequest},
    calls_in_flight::CallsInFlight,
    deployments::{Deployments, EcsError},
    metadata::{EcsEnvironment, TaskMetadata, resource},
    protection::TaskProtection,
    protection_state::ProtectionTiming,
    scale_out::{QueueLoad, ScaleOut, ServiceSize},
    service::EcsService,
};

const MINUTE: u64 = 60;
/// The shortest `stopTimeout` that ECS accepts.
const STOP_TIMEOUT_MIN: Span = Span::secs(2);
/// The longest duration of a setting: SQS hides no message for longer.
const LONGEST: Span = Span::secs(12 * 60 * MINUTE);
/// The valid names of a namespace.
const NAMESPACES: &str = "1 to 255 letters, digits and .-_/#:, not beginning with AWS/";
/// The longest name of a namespace of CloudWatch.
const NAMESPACE_CHARS: usize = 255;

/// The worker as a task of Amazon ECS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// The `stopTimeout` of the worker's container in the task definition, which ECS does not pass to the container: 30s if it is not set there, at most 120s on Fargate. `drain.limit` follows from it unless it is set.
    pub(crate) stop_timeout: Option<Span>,
    /// `auto` protects the task from scale-in while long work runs, on ECS; `off` never does.
    pub(crate) protect: Protect,
    /// The duration from which a call of the handler counts as long work; shorter calls send ECS no request.
    pub(crate) protect_after: Span,
    /// The worker's answer to `DEPLOYMENT_BLOCKED`, with which ECS refuses to protect a task while a deployment waits for protected ones, and to a newer deployment that replaces the protected task: `leave` receives no more, finishes what runs and exits with code 0, so that ECS replaces the task where it wants one; `stay` goes on receiving.
    pub(crate) when_blocked: WhenBlocked,
    /// The most tasks to which the worker raises the desired count of its service, while messages wait that the tasks cannot start within `backlog_target`; absent, it never does. It looks at the number of messages each time that `depth.interval` brings it, on ECS only, and takes no task away.
    pub(crate) scale_out_to: Option<NonZeroU32>,
    /// The time in which the tasks are to start all that waits.
    pub(crate) backlog_target: Span,
    /// Prints the scaling signal on standard output, in CloudWatch's embedded metric format: `auto` on ECS only, `on` or `off`.
    pub(crate) metrics: MetricsSwitch,
    /// The interval between two lines of a queue, 1s to 1h.
    pub(crate) metrics_interval: Span,
    /// The namespace of the metrics in CloudWatch.
    pub(crate) metrics_namespace: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            stop_timeout: None,
            protect: Protect::Auto,
            protect_after: Span::secs(10),
            when_blocked: WhenBlocked::Leave,
            scale_out_to: None,
            backlog_target: Span(scale_out::BACKLOG_TARGET),
            metrics: MetricsSwitch::Auto,
            metrics_interval: Span::secs(MINUTE),
            metrics_namespace: "Longshore".to_owned(),
        }
    }
}

/// The use of task protection while long work runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protect {
    /// On ECS.
    #[default]
    Auto,
    /// Never.
    Off,
}

/// The worker's answer when a deployment waits for its protected task to leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum WhenBlocked {
    /// Receive no more, finish what runs, and exit.
    #[default]
    Leave,
    /// Go on.
    Stay,
}

/// The use of the scaling signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum MetricsSwitch {
    /// On ECS only.
    #[default]
    Auto,
    /// Everywhere.
    On,
    /// Nowhere.
    Off,
}

impl Settings {
    /// The time after which ECS kills the container, if it is set.
    pub(crate) fn stop_timeout(&self) -> Option<Duration> {
        self.stop_timeout.map(|Span(timeout)| timeout)
    }

    /// The times that decide when the task is protected.
    pub(crate) fn timing(&self) -> ProtectionTiming {
        ProtectionTiming { after: self.protect_after.0 }
    }

    /// Finds every value that ECS or CloudWatch cannot work with.
    pub(crate) fn validate(&self) -> Vec<Problem> {
        let intervals = Span::secs(1)..=Span::secs(60 * MINUTE);
        let targets = Span::secs(1)..=LONGEST;
        let stop_timeout = self.stop_timeout.unwrap_or(STOP_TIMEOUT_MIN);
        let rules = [
            (
                "stop_timeout",
                (STOP_TIMEOUT_MIN..=LONGEST).contains(&stop_timeout),
                format!("{STOP_TIMEOUT_MIN} to {LONGEST}"),
            ),
            ("protect_after", self.protect_after <= LONGEST, format!("at most {LONGEST}")),
            ("backlog_target", targets.contains(&self.backlog_target), format!("1s to {LONGEST}")),
            ("metrics_interval", intervals.contains(&self.metrics_interval), "1s to 1h".to_owned()),
            ("metrics_namespace", is_namespace(&self.metrics_namespace), NAMESPACES.to_owned()),
        ];
        let wrong = rules.into_iter().filter(|(_, holds, _)| !holds);
        wrong.map(|(key, _, allowed)| Problem::new(key, "not allowed").with_allowed(allowed)).collect()
    }
}

fn is_namespace(name: &str) -> bool {
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || ".-_/#:".contains(character);
    let is_reserved = name.starts_with("AWS/") || name.starts_with(':');
    (1..=NAMESPACE_CHARS).contains(&name.len()) && name.chars().all(is_allowed) && !is_reserved
}

metric_group! {
    /// Metrics of the protection from scale-in.
    pub(crate) struct ProtectionMetrics {
        /// 1 while ECS protects the task from scale-in, else 0; absent where nothing protects it.
        pub(crate) task_protected: Computed = "longshore_task_protected" [];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken_by(change: impl FnOnce(&mut Settings)) -> Vec<String> {
        let mut settings = Settings::default();
        change(&mut settings);
        settings.validate().into_iter().map(|problem| problem.key().unwrap().to_string()).collect()
    }

    #[test]
    fn every_value_that_ecs_or_cloudwatch_refuses_is_found() {
        assert_eq!(broken_by(|_| ()), Vec::<String>::new());
        assert_eq!(broken_by(|settings| settings.stop_timeout = Some(Span::secs(120))), Vec::<String>::new());
        assert_eq!(broken_by(|settings| settings.stop_timeout = Some(Span::secs(1))), ["stop_timeout"]);
        assert_eq!(broken_by(|settings| settings.protect_after = Span::secs(43_201)), ["protect_after"]);
        assert_eq!(broken_by(|settings| settings.backlog_target = Span::secs(0)), ["backlog_target"]);
        assert_eq!(broken_by(|settings| settings.metrics_interval = Span::secs(0)), ["metrics_interval"]);
        for namespace in ["", "AWS/SQS", "with space"] {
            let broken = broken_by(|settings| settings.metrics_namespace = namespace.to_owned());
            assert_eq!(broken, ["metrics_namespace"]);
        }
    }
}
