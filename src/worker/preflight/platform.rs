//! Checks the platform: that a stop fits into the time that ECS or Kubernetes gives, that ECS protects the task, and that
//! the probes of Kubernetes reach the admin server.

use std::time::Duration;

use super::{Code, Finding};
use crate::{
    config::{QueueSettings, Settings},
    consumer::ConsumerSettings,
    duration::Span,
    ecs::{
        Agent as _, AgentError, Deployments as _, EcsEnvironment, HttpAgent, Protect, ServiceSize as _,
        WhenBlocked,
    },
    stop,
    worker::{from_settings::ecs_service, shutdown::may_outlast},
};

/// The longest stop timeout on Fargate.
const FARGATE_MAX: Duration = Duration::from_mins(2);

/// Finds the settings of the task or the pod that prevent an orderly stop, and those with which the pod is not probed.
pub(super) async fn check(settings: &Settings, surroundings: &EcsEnvironment) -> Vec<Finding> {
    let mut found = check_task_stop(settings, surroundings);
    found.extend(check_protection(settings, surroundings).await);
    found.extend(check_scale_out(settings, surroundings).await);
    found.extend(check_pod_stop(settings));
    found.extend(check_admin(settings));
    found
}

fn check_task_stop(settings: &Settings, surroundings: &EcsEnvironment) -> Vec<Finding> {
    let limit = settings.drain_limit();
    let Some(stop_timeout) = settings.ecs.stop_timeout() else {
        let message = format!("the drain limit is {}, and when ECS kills is not known", Span(limit));
        let unknown = || Finding::new(Code::StopTimeoutUnknown, message);
        return surroundings.is_ecs().then(unknown).into_iter().collect();
    };
    let mut found = Vec::new();
    let is_set = settings.drain.limit.is_some();
    if is_set && limit > stop::Settings::longest_within(stop_timeout) {
        let (limit, stop_timeout) = (Span(limit), Span(stop_timeout));
        let message = format!("drain.limit is {limit}, and ECS kills {stop_timeout} after SIGTERM");
        found.push(Finding::new(Code::DrainLimit, message));
    }
    if stop_timeout > FARGATE_MAX {
        let message = format!("ecs.stop_timeout is {}, and Fargate gives at most 120s", Span(stop_timeout));
        found.push(Finding::new(Code::StopTimeoutBeyondFargate, message));
    }
    found
}

fn check_pod_stop(settings: &Settings) -> Option<Finding> {
    let limit = Span(settings.drain_limit());
    if settings.is_grace_period_unknown() {
        let message = format!("the drain limit is {limit}, and when Kubernetes kills is not known");
        return Some(Finding::new(Code::GracePeriodUnknown, message));
    }
    let period = settings.kubernetes.grace_period()?;
    let message = || format!("drain.limit is {limit}, and Kubernetes kills {} after SIGTERM", Span(period));
    let is_too_long = settings.drain.limit.is_some() && limit.0 > stop::Settings::longest_within(period);
    is_too_long.then(|| Finding::new(Code::DrainLimit, message()))
}

fn check_admin(settings: &Settings) -> Option<Finding> {
    let listen = settings.admin.listen;
    let message = || format!("admin.listen is {listen}, which nothing outside of the container reaches");
    settings.kubernetes.is_beyond_probes(listen).then(|| Finding::new(Code::AdminOnLoopback, message()))
}

/// Finds a handler that may run longer than a stop waits, whose messages then start again elsewhere.
pub(super) fn timeout_beyond_drain(
    name: &str,
    queue: &QueueSettings,
    settings: &Settings,
) -> Option<Finding> {
    let limit = settings.drain_limit();
    let message = || {
        format!(
            "a handler may run for {}, and a stop gives the worker {}",
            queue.consumer.timeout,
            Span(limit)
        )
    };
    // Settings that nobody has chosen are no finding.
    let is_chosen =
        queue.consumer.timeout != ConsumerSettings::default().timeout || settings.drain.limit.is_some();
    (is_chosen && may_outlast(queue.consumer.timeout.duration(), limit))
        .then(|| Finding::of(name, Code::TimeoutBeyondDrain, message()))
}

/// Reads the task's protection and the deployments of its service if the worker would use them, which proves the access and
/// changes nothing.
async fn check_protection(settings: &Settings, surroundings: &EcsEnvironment) -> Vec<Finding> {
    let limit = settings.drain_limit();
    let mut queues = settings.queues.values();
    let is_wanted = settings.ecs.protect == Protect::Auto
        && queues.any(|queue| may_outlast(queue.consumer.timeout.duration(), limit));
    let Some(agent) = surroundings.agent.as_ref().filter(|_| is_wanted) else { return Vec::new() };
    let protection = match HttpAgent::new(agent).state().await {
        Ok(_) => None,
        Err(AgentError::Standalone(detail)) => return vec![Finding::new(Code::ProtectionPointless, detail)],
        Err(error) => Some(Finding::new(Code::ProtectionUnavailable, error.to_string())),
    };
    protection.into_iter().chain(check_deployments(settings, surroundings).await).collect()
}

async fn check_deployments(settings: &Settings, surroundings: &EcsEnvironment) -> Option<Finding> {
    let is_wanted = settings.ecs.when_blocked == WhenBlocked::Leave;
    let service = ecs_service(&settings.aws, surroundings).filter(|_| is_wanted)?;
    let error = service.replacement().await.err()?;
    Some(Finding::new(Code::DeploymentsUnknown, error.to_string()))
}

/// Reads the desired count of the task's service if the worker would raise it. To set it, even as it is, might undo a change.
async fn check_scale_out(settings: &Settings, surroundings: &EcsEnvironment) -> Option<Finding> {
    let service = ecs_service(&settings.aws, surroundings).filter(|_| settings.ecs.scale_out_to.is_some())?;
    let error = service.desired().await.err()?;
    Some(Finding::new(Code::ScaleOutUnavailable, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duration::Limit;

    fn codes(limit: Option<u64>, stop_timeout: Option<u64>, surroundings: &EcsEnvironment) -> Vec<Code> {
        let mut settings = Settings::default();
        settings.drain.limit = limit.map(Span::secs);
        settings.ecs.stop_timeout = stop_timeout.map(Span::secs);
        check_task_stop(&settings, surroundings).into_iter().map(|found| found.code).collect()
    }

    #[test]
    fn a_drain_limit_must_fit_into_the_stop_timeout() {
        let elsewhere = EcsEnvironment::default();
        assert_eq!(codes(None, None, &elsewhere), []);
        assert_eq!(codes(None, Some(30), &elsewhere), [], "it follows from the stop timeout");
        assert_eq!(codes(Some(110), Some(120), &elsewhere), []);
        assert_eq!(codes(Some(111), Some(120), &elsewhere), [Code::DrainLimit]);
        assert_eq!(codes(None, Some(121), &elsewhere), [Code::StopTimeoutBeyondFargate]);
        let metadata = "http://169.254.170.2/v4/0".parse().ok();
        let on_ecs = EcsEnvironment { metadata, ..EcsEnvironment::default() };
        assert_eq!(codes(Some(110), None, &on_ecs), [Code::StopTimeoutUnknown]);
    }

    #[test]
    fn work_that_a_stop_may_cut_off_is_reported() {
        let (mut queue, mut settings) = (QueueSettings::default(), Settings::default());
        assert!(timeout_beyond_drain("orders", &queue, &settings).is_none(), "nobody has chosen these");
        queue.consumer.timeout = Limit::After(Duration::from_hours(1));
        assert!(timeout_beyond_drain("orders", &queue, &settings).is_some());
        settings.drain.limit = Some(Span::secs(13 * 3_600));
        assert!(timeout_beyond_drain("orders", &queue, &settings).is_none());
    }

    /// The findings in a pod, or elsewhere, with this drain limit and grace period.
    fn pod_codes(is_pod: bool, limit: Option<u64>, period: Option<u64>) -> Vec<Code> {
        let mut settings = Settings::default();
        settings.drain.limit = limit.map(Span::secs);
        settings.kubernetes.termination_grace_period = period.map(Span::secs);
        settings.kubernetes.is_pod = is_pod;
        check_pod_stop(&settings).map(|found| found.code).into_iter().collect()
    }

    #[test]
    fn a_drain_limit_must_fit_into_the_grace_period() {
        for is_pod in [true, false] {
            assert_eq!(pod_codes(is_pod, None, Some(60)), [], "it follows from the grace period");
            assert_eq!(pod_codes(is_pod, Some(50), Some(60)), []);
            assert_eq!(pod_codes(is_pod, Some(51), Some(60)), [Code::DrainLimit]);
            assert_eq!(pod_codes(is_pod, Some(7), Some(15)), [], "as it would follow");
        }
    }

    #[test]
    fn a_grace_period_that_is_not_set_is_unknown_unless_the_drain_limit_fits_into_the_usual_one() {
        assert_eq!(pod_codes(true, None, None), [Code::GracePeriodUnknown]);
        assert_eq!(pod_codes(true, Some(21), None), [Code::GracePeriodUnknown]);
        assert_eq!(pod_codes(true, Some(20), None), []);
        assert_eq!(pod_codes(false, Some(110), None), []);
    }

    #[test]
    fn an_admin_server_on_loopback_is_reported_in_a_pod_alone() {
        let mut settings = Settings::default();
        assert_eq!(check_admin(&settings), None);
        settings.kubernetes.is_pod = true;
        assert_eq!(check_admin(&settings).map(|found| found.code), Some(Code::AdminOnLoopback));
    }
}
