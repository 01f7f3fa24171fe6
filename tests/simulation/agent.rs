//! The agent of ECS of one worker, which protects its task, and fails by chance.

use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use fastrand::Rng;
use futures_util::future::{BoxFuture, FutureExt as _, ready};
use longshore::ecs::{
    Agent, AgentError, ProtectionPlan, ProtectionReport, ProtectionRequest, ProtectionTiming,
};

use super::{network::Wire, plan::EcsPlan, record::Fact};
use crate::support::secs;

/// The agent of one worker.
struct SimulatedAgent {
    wire: Wire,
    plan: EcsPlan,
    random: Mutex<Rng>,
}

/// The way in which a request fails.
#[derive(Clone, Copy, Debug)]
enum AgentFault {
    Blocked,
    AnswerLost,
    Hangs,
}

/// The protection of a worker's task.
pub(super) fn protection(wire: &Wire, plan: EcsPlan, seed: u64) -> ProtectionPlan {
    let agent = SimulatedAgent { wire: wire.clone(), plan, random: Mutex::new(Rng::with_seed(!seed)) };
    // A worker that left would end its world's work: others replace it on ECS alone.
    ProtectionPlan::with(Arc::new(agent), ProtectionTiming { after: plan.after }).stay_when_blocked()
}

impl SimulatedAgent {
    fn fault(&self) -> Option<AgentFault> {
        let mut random = self.random.lock().unwrap();
        let happens = random.u8(0..100) < self.plan.failing && !self.wire.sky.is_calm();
        let faults = [AgentFault::Blocked, AgentFault::AnswerLost, AgentFault::Hangs];
        let fault = faults[random.usize(0..faults.len())];
        happens.then_some(fault)
    }

    async fn answer(&self, request: ProtectionRequest) -> Result<ProtectionReport, AgentError> {
        if self.wire.is_cut() {
            pending::<()>().await;
        }
        let fault = self.fault();
        if fault.is_some() {
            self.wire.note(Fact::AgentFailed);
        }
        match fault {
            Some(AgentFault::Blocked) => return Err(AgentError::DeploymentBlocked("planned".to_owned())),
            Some(AgentFault::Hangs) => pending::<()>().await,
            Some(AgentFault::AnswerLost) | None => {}
        }
        let until = match request {
            ProtectionRequest::Protect { minutes } => {
                Some(self.wire.sky.recorder.now() + secs(60 * u64::from(minutes)))
            }
            ProtectionRequest::Release => None,
        };
        self.wire.note(Fact::Protection(until));
        match fault {
            Some(_) => Err(AgentError::NoAnswer("planned".to_owned())),
            None => Ok(ProtectionReport { protection_enabled: until.is_some() }),
        }
    }
}

impl Agent for SimulatedAgent {
    fn set(&self, request: ProtectionRequest) -> BoxFuture<'_, Result<ProtectionReport, AgentError>> {
        self.answer(request).boxed()
    }

    fn state(&self) -> BoxFuture<'_, Result<ProtectionReport, AgentError>> {
        ready(Err(AgentError::NoAnswer("nobody asks".to_owned()))).boxed()
    }
}
