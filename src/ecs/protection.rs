//! The task that requests protection from scale-in while long work runs, releases it when idle, and notes when ECS refuses it
//! because the task is in the way of a deployment.

use std::{sync::Arc, time::Duration};

use aws_config::SdkConfig;
use tokio::{
    sync::{SetOnce, watch},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    Agent, AgentError, CallsInFlight, Deployments, EcsService, HttpAgent, ProtectionRequest,
    ProtectionTiming, WhenBlocked,
    agent::http_address,
    deployments::DeploymentWatch,
    protection_state::{ProtectionState, ProtectionStep},
};
use crate::{
    tasks::{End, Tasks},
    telemetry::events,
};

/// The time limit of a request, whatever the agent's own limit is.
const CALL_LIMIT: Duration = Duration::from_secs(8);
/// The time in which the same failure is not logged again.
const QUIET: Duration = Duration::from_mins(10);

/// The agent that protects the task, the times at which it is asked to, and the signs by which the task leaves.
///
/// ```
/// use std::time::Duration;
///
/// use longshore::ecs::{AgentError, ProtectionPlan};
///
/// fn plan() -> Option<Result<ProtectionPlan, AgentError>> {
///     // ECS sets it in every container.
///     let agent = std::env::var("ECS_AGENT_URI").ok()?;
///     Some(ProtectionPlan::at(&agent).map(|plan| plan.after(Duration::from_secs(30))))
/// }
/// # assert!(plan().is_none());
/// ```
#[derive(Clone)]
pub struct ProtectionPlan {
    pub(crate) agent: Arc<dyn Agent>,
    pub(crate) timing: ProtectionTiming,
    when_blocked: WhenBlocked,
    deployments: Option<Arc<dyn Deployments>>,
}

impl ProtectionPlan {
    /// Protects calls that run for more than 10 s, for as long as they may take, by the agent at this URL.
    ///
    /// A task that ECS refuses to protect, because a deployment waits for protected tasks, receives no more, finishes its calls
    /// and ends the worker.
    pub fn at(agent: &str) -> Result<Self, AgentError> {
        Ok(Self::with(Arc::new(HttpAgent::at(agent)?), ProtectionTiming::default()))
    }

    pub(crate) fn with(agent: Arc<dyn Agent>, timing: ProtectionTiming) -> Self {
        Self { agent, timing, when_blocked: WhenBlocked::default(), deployments: None }
    }

    pub(crate) fn when_blocked(self, when_blocked: WhenBlocked) -> Self {
        Self { when_blocked, ..self }
    }

    /// Keeps the worker receiving when ECS refuses the protection because a deployment waits for protected tasks.
    #[must_use]
    pub fn stay_when_blocked(self) -> Self {
        self.when_blocked(WhenBlocked::Stay)
    }

    /// Also looks at the deployments of the task's service while the task is protected, every two minutes: once a newer one works,
    /// the worker receives no more, finishes its calls and ends, as when the protection is refused.
    ///
    /// `metadata` is the URL that ECS sets as `ECS_CONTAINER_METADATA_URI_V4`. The task role needs `ecs:DescribeTasks` and
    /// `ecs:DescribeServices`.
    pub fn leave_when_replaced(self, metadata: &str, config: SdkConfig) -> Result<Self, AgentError> {
        let service = EcsService::new(http_address(metadata)?, config);
        Ok(self.watching(Arc::new(service)))
    }

    pub(crate) fn watching(self, deployments: Arc<dyn Deployments>) -> Self {
        Self { deployments: Some(deployments), ..self }
    }

    /// Sets the duration from which a call is protected.
    #[must_use]
    pub fn after(mut self, duration: Duration) -> Self {
        self.timing.after = duration;
        self
    }
}

/// The running protection of the task; dropped, it leaves a protection to its expiry.
#[derive(Debug)]
pub(crate) struct TaskProtection {
    calls: CallsInFlight,
    status: ProtectionStatus,
    unwanted: Arc<SetOnce<String>>,
    end: CancellationToken,
    ended: AbortOnDropHandle<()>,
    _watching: Option<AbortOnDropHandle<()>>,
}

impl TaskProtection {
    /// Starts the protection loop, before any call is in flight.
    pub(crate) fn start(plan: ProtectionPlan, tasks: &Tasks) -> Self {
        let (calls, status, end) =
            (CallsInFlight::default(), ProtectionStatus::default(), CancellationToken::new());
        let unwanted = Arc::<SetOnce<String>>::default();
        let watch =
            |deployments| DeploymentWatch { deployments, status: status.clone(), unwanted: unwanted.clone() };
        let is_leaving = plan.when_blocked == WhenBlocked::Leave;
        let watch = plan.deployments.filter(|_| is_leaving).map(watch);
        let watching = watch.map(|watch| tasks.spawn("deployments", End::Fine, watch.run()));
        let run = ProtectionLoop {
            state: ProtectionState::new(plan.timing),
            agent: plan.agent,
            unwanted: unwanted.clone(),
            when_blocked: plan.when_blocked,
            calls: calls.clone(),
            status: status.clone(),
            limiter: LogLimiter::default(),
        };
        let ended = tasks.spawn("protection", End::Fine, run.run(end.clone()));
        let ended = AbortOnDropHandle::new(ended);
        Self { calls, status, unwanted, end, ended, _watching: watching.map(AbortOnDropHandle::new) }
    }

    /// The count in which calls that may outlast a stop register.
    pub(crate) fn calls_in_flight(&self) -> &CallsInFlight {
        &self.calls
    }

    /// The status that the metrics read.
    pub(crate) fn status(&self) -> &ProtectionStatus {
        &self.status
    }

    /// Waits until ECS wants the task gone, and returns the reason; never, if it is to stay then.
    pub(crate) fn unwanted(&self) -> impl Future<Output = String> + Send + use<> {
        let unwanted = self.unwanted.clone();
        async move { unwanted.wait().await.clone() }
    }

    /// Ends the loop, and releases the protection if there may be one; after the limit it is left to expire.
    pub(crate) async fn end(self, limit: Duration) {
        self.end.cancel();
        if tokio::time::timeout(limit, self.ended).await.is_err() {
            events::ProtectionLeft {}.emit();
        }
    }
}

/// The expiry of the granted protection; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProtectionStatus(watch::Sender<Option<Instant>>);

impl ProtectionStatus {
    /// True while a protection lasts that the agent has granted.
    pub(crate) fn is_protected(&self) -> bool {
        lasts(*self.0.borrow())
    }

    /// Waits until a protection lasts.
    pub(super) async fn protected(&self) {
        // The sender is this one, so the wait ends with a protection.
        drop(self.0.subscribe().wait_for(|until| lasts(*until)).await);
    }
}

fn lasts(until: Option<Instant>) -> bool {
    until.is_some_and(|until| Instant::now() < until)
}

struct ProtectionLoop {
    agent: Arc<dyn Agent>,
    state: ProtectionState,
    status: ProtectionStatus,
    calls: CallsInFlight,
    unwanted: Arc<SetOnce<String>>,
    when_blocked: WhenBlocked,
    limiter: LogLimiter,
}

impl ProtectionLoop {
    async fn run(mut self, end: CancellationToken) {
        while !end.is_cancelled() {
            let step = self.state.next(self.calls.needs(self.state.granted_until()), Instant::now());
            tokio::select! {
                biased;
                () = end.cancelled() => {}
                () = self.take(step) => {}
            }
        }
        if self.state.may_be_protected(Instant::now()) {
            self.request(ProtectionRequest::Release).await;
        }
    }

    async fn take(&mut self, step: ProtectionStep) {
        match step {
            ProtectionStep::Request(request) => self.request(request).await,
            ProtectionStep::WaitUntil(until) => {
                drop(tokio::time::timeout_at(until, self.calls.changed()).await);
            }
            ProtectionStep::Wait => self.calls.changed().await,
        }
    }

    async fn request(&mut self, request: ProtectionRequest) {
        let sent = Instant::now();
        self.state.requested(request, sent);
        let late =
            |_| AgentError::NoAnswer(format!("none within {}", humantime::format_duration(CALL_LIMIT)));
        let answer = tokio::time::timeout(CALL_LIMIT, self.agent.set(request)).await;
        match answer.map_err(late).flatten() {
            Ok(_) => {
                let was_protected = self.state.is_protected(sent);
                self.state.granted(request, sent);
                self.log_success(request, was_protected);
            }
            Err(error) => {
                self.log_failure(request, &error);
                self.state.failed(&error, Instant::now(), fastrand::f64());
                self.note_if_unwanted(&error);
            }
        }
        self.status.0.send_replace(self.state.granted_until());
    }

    /// Notes that ECS wants the task gone; the first such answer decides for good.
    fn note_if_unwanted(&self, error: &AgentError) {
        if let (AgentError::DeploymentBlocked(_), WhenBlocked::Leave) = (error, self.when_blocked) {
            // A second answer says no more than the first.
            drop(self.unwanted.set(error.to_string()));
        }
    }

    fn log_success(&mut self, request: ProtectionRequest, was_protected: bool) {
        let had_failed = self.limiter.reset();
        match request {
            ProtectionRequest::Protect { minutes } if !was_protected || had_failed => {
                events::TaskProtected { minutes }.emit();
            }
            ProtectionRequest::Protect { minutes } => events::ProtectionRenewed { minutes }.emit(),
            ProtectionRequest::Release => events::TaskUnprotected {}.emit(),
        }
    }

    fn log_failure(&mut self, request: ProtectionRequest, error: &AgentError) {
        let is_due = self.limiter.is_due(&error.to_string(), Instant::now());
        match error {
            AgentError::Standalone(_) => events::ProtectionNeedless { error }.emit(),
            _ if !is_due => events::ProtectionStillUnchanged { error, request: &request.to_string() }.emit(),
            _ if error.is_denied() => events::ProtectionForbidden { error }.emit(),
            _ => events::ProtectionUnchanged { error, request: &request.to_string() }.emit(),
        }
    }
}

/// Limits a lasting failure to one line in ten minutes; another failure is logged at once.
#[derive(Debug, Default)]
pub(super) struct LogLimiter(Option<(String, Instant)>);

impl LogLimiter {
    /// True when a failure with this message is to be logged now.
    pub(super) fn is_due(&mut self, message: &str, now: Instant) -> bool {
        let is_known = self
            .0
            .as_ref()
            .is_some_and(|(logged, at)| logged == message && now.saturating_duration_since(*at) < QUIET);
        if !is_known {
            self.0 = Some((message.to_owned(), now));
        }
        !is_known
    }

    /// Forgets the last failure; returns true when there was one.
    pub(super) fn reset(&mut self) -> bool {
        self.0.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_logged_when_it_is_new_and_then_seldom() {
        let (mut limiter, now) = (LogLimiter::default(), Instant::now());
        let logged = (0..100).filter(|second| limiter.is_due("blocked", now + Duration::from_secs(*second)));
        assert_eq!(logged.count(), 1);
        assert!(limiter.is_due("denied", now) && limiter.is_due("blocked", now));
        assert!(limiter.is_due("blocked", now + QUIET));
        assert!(limiter.reset() && !limiter.reset());
        assert!(limiter.is_due("blocked", now + QUIET));
    }
}
