//! A fake ECS agent on the test's clock, which protects as ECS does and fails on request, and fakes of its service: its deployments
//! and its desired count.

use std::{
    future::pending,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use longshore::ecs::{
    Agent, AgentError, Deployments, EcsError, ProtectionReport, ProtectionRequest, Replacement, ServiceSize,
};
use tokio::time::Instant;

/// The behavior of the agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum AgentBehavior {
    /// Protects and releases as requested.
    #[default]
    Well,
    /// A deployment waits for protected tasks, so it protects none.
    Blocked,
    /// The task belongs to no service.
    Standalone,
    /// Never answers.
    Hangs,
}

/// The agent of one task.
#[derive(Debug, Default)]
pub(crate) struct FakeAgent(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    behavior: AgentBehavior,
    asked: Vec<(Instant, ProtectionRequest)>,
    protected_until: Option<Instant>,
}

impl FakeAgent {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn set_behavior(&self, behavior: AgentBehavior) {
        self.state().behavior = behavior;
    }

    /// All requests so far, with their times.
    pub(crate) fn asked(&self) -> Vec<(Instant, ProtectionRequest)> {
        self.state().asked.clone()
    }

    /// Returns true if the task is protected now.
    pub(crate) fn protects(&self) -> bool {
        self.state().protected_until.is_some_and(|until| Instant::now() < until)
    }

    fn set_now(&self, request: ProtectionRequest) -> Result<ProtectionReport, AgentError> {
        let mut state = self.state();
        match (state.behavior, request) {
            (AgentBehavior::Standalone, _) => return Err(AgentError::Standalone("on request".to_owned())),
            (AgentBehavior::Blocked, ProtectionRequest::Protect { .. }) => {
                return Err(AgentError::DeploymentBlocked("on request".to_owned()));
            }
            (_, ProtectionRequest::Protect { minutes }) => {
                state.protected_until = Some(Instant::now() + Duration::from_secs(60 * u64::from(minutes)));
            }
            (_, ProtectionRequest::Release) => state.protected_until = None,
        }
        Ok(ProtectionReport { protection_enabled: state.protected_until.is_some() })
    }
}

impl Agent for FakeAgent {
    fn set(&self, request: ProtectionRequest) -> BoxFuture<'_, Result<ProtectionReport, AgentError>> {
        async move {
            self.state().asked.push((Instant::now(), request));
            let behavior = self.state().behavior;
            if behavior == AgentBehavior::Hangs { pending().await } else { self.set_now(request) }
        }
        .boxed()
    }

    fn state(&self) -> BoxFuture<'_, Result<ProtectionReport, AgentError>> {
        std::future::ready(Ok(ProtectionReport { protection_enabled: self.protects() })).boxed()
    }
}

/// What the deployments of the service are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum DeploymentsBehavior {
    /// The task's own is the newest.
    #[default]
    Own,
    /// A newer one replaces the task.
    Newer,
    /// They cannot be read.
    Unreadable,
}

/// The deployments of the service, and the times at which they were read.
#[derive(Debug, Default)]
pub(crate) struct FakeDeployments(Mutex<(DeploymentsBehavior, Vec<Instant>)>);

impl FakeDeployments {
    pub(crate) fn set_behavior(&self, behavior: DeploymentsBehavior) {
        self.0.lock().unwrap().0 = behavior;
    }

    /// The times of all looks so far.
    pub(crate) fn looks(&self) -> Vec<Instant> {
        self.0.lock().unwrap().1.clone()
    }
}

impl Deployments for FakeDeployments {
    fn replacement(&self) -> BoxFuture<'_, Result<Option<Replacement>, EcsError>> {
        let mut state = self.0.lock().unwrap();
        state.1.push(Instant::now());
        let newer = || Replacement { id: "ecs-svc/2".to_owned(), task_definition: "worker:8".to_owned() };
        std::future::ready(match state.0 {
            DeploymentsBehavior::Own => Ok(None),
            DeploymentsBehavior::Newer => Ok(Some(newer())),
            DeploymentsBehavior::Unreadable => Err(EcsError::NoAnswer("on request".to_owned())),
        })
        .boxed()
    }
}

/// A service's desired count, and the calls about it with their times.
#[derive(Debug)]
pub(crate) struct FakeService(Mutex<ServiceState>);

#[derive(Debug)]
struct ServiceState {
    desired: Option<u32>,
    fails: bool,
    reads: Vec<Instant>,
    set: Vec<u32>,
}

impl FakeService {
    /// A service that wants so many tasks; `None` for a task of no service.
    pub(crate) fn of(desired: Option<u32>) -> Self {
        Self(Mutex::new(ServiceState { desired, fails: false, reads: Vec::new(), set: Vec::new() }))
    }

    pub(crate) fn set_fails(&self, fails: bool) {
        self.0.lock().unwrap().fails = fails;
    }

    /// Changes the desired count, as others do.
    pub(crate) fn wants(&self, desired: u32) {
        self.0.lock().unwrap().desired = Some(desired);
    }

    /// The times at which the desired count was read.
    pub(crate) fn reads(&self) -> Vec<Instant> {
        self.0.lock().unwrap().reads.clone()
    }

    /// The desired counts that were set.
    pub(crate) fn set(&self) -> Vec<u32> {
        self.0.lock().unwrap().set.clone()
    }
}

impl ServiceSize for FakeService {
    fn desired(&self) -> BoxFuture<'_, Result<Option<u32>, EcsError>> {
        let mut state = self.0.lock().unwrap();
        state.reads.push(Instant::now());
        let failed = state.fails.then(|| EcsError::NoAnswer("on request".to_owned()));
        std::future::ready(failed.map_or(Ok(state.desired), Err)).boxed()
    }

    fn set_desired(&self, count: u32) -> BoxFuture<'_, Result<(), EcsError>> {
        let mut state = self.0.lock().unwrap();
        state.desired = Some(count);
        state.set.push(count);
        std::future::ready(Ok(())).boxed()
    }
}
