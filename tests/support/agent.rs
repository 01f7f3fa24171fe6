//! An agent of ECS on the test's own clock, which protects as ECS does and fails on request.

use std::{
    future::pending,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use longshore::ecs::{Agent, AgentError, ProtectionReport, ProtectionRequest};
use tokio::time::Instant;

/// How the agent is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Does as it is asked.
    #[default]
    Well,
    /// A deployment waits for protected tasks, so it protects none.
    Blocked,
    /// The task belongs to no service.
    Standalone,
    /// Answers nothing.
    Hangs,
}

/// The agent of one task.
#[derive(Debug, Default)]
pub(crate) struct FakeAgent(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    mood: Mood,
    asked: Vec<(Instant, ProtectionRequest)>,
    protected_until: Option<Instant>,
}

impl FakeAgent {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn turn(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// Everything that was asked of it, with its moment.
    pub(crate) fn asked(&self) -> Vec<(Instant, ProtectionRequest)> {
        self.state().asked.clone()
    }

    /// Whether ECS would leave the task alone now.
    pub(crate) fn protects(&self) -> bool {
        self.state().protected_until.is_some_and(|until| Instant::now() < until)
    }

    fn set_now(&self, request: ProtectionRequest) -> Result<ProtectionReport, AgentError> {
        let mut state = self.state();
        match (state.mood, request) {
            (Mood::Standalone, _) => return Err(AgentError::Standalone("on request".to_owned())),
            (Mood::Blocked, ProtectionRequest::Protect { .. }) => {
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
            let mood = self.state().mood;
            if mood == Mood::Hangs { pending().await } else { self.set_now(request) }
        }
        .boxed()
    }

    fn state(&self) -> BoxFuture<'_, Result<ProtectionReport, AgentError>> {
        std::future::ready(Ok(ProtectionReport { protection_enabled: self.protects() })).boxed()
    }
}
