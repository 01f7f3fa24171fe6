//! The loop that keeps the task protected while long work runs, and not when it is idle.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    Agent, AgentError, Busy, Terms, Wish,
    complaint::Complaint,
    protection_state::{Shield, Step},
};
use crate::{
    tasks::{End, Tasks},
    telemetry::events,
};

/// How long an agent may take, whatever it promises.
const CALL_LIMIT: Duration = Duration::from_secs(8);
/// How long the end of the protection may take at a stop; it would end by itself.
const RELEASE_LIMIT: Duration = Duration::from_secs(2);

/// Who protects the task, and when.
#[derive(Clone)]
pub struct Plan {
    /// The agent of ECS.
    pub agent: Arc<dyn Agent>,
    /// When it is asked for what.
    pub terms: Terms,
}

/// The protection of the task, which is kept up until its end is asked for; dropped, it is left to its expiry.
#[derive(Debug)]
pub struct Guard {
    busy: Busy,
    held: Held,
    end: CancellationToken,
    ended: AbortOnDropHandle<()>,
}

impl Guard {
    /// Starts to watch over work that is yet to begin.
    pub fn start(plan: Plan, tasks: &Tasks) -> Self {
        let (busy, held, end) = (Busy::default(), Held::default(), CancellationToken::new());
        let watch = Watch {
            shield: Shield::new(plan.terms),
            agent: plan.agent,
            busy: busy.clone(),
            held: held.clone(),
            complaint: Complaint::default(),
        };
        let ended = tasks.spawn("protection", End::Fine, watch.run(end.clone()));
        Self { busy, held, end, ended: AbortOnDropHandle::new(ended) }
    }

    /// Where calls that may outlast a stop are noted.
    pub fn busy(&self) -> &Busy {
        &self.busy
    }

    /// How far the task is protected, for whoever wants to tell.
    pub fn held(&self) -> &Held {
        &self.held
    }

    /// Ends the watch, and the protection if there may be one; takes two seconds at most.
    pub async fn end(self) {
        self.end.cancel();
        if tokio::time::timeout(RELEASE_LIMIT, self.ended).await.is_err() {
            events::ProtectionLeft {}.emit();
        }
    }
}

/// How long the protection lasts that ECS has granted.
#[derive(Clone, Debug, Default)]
pub struct Held(Arc<Mutex<Option<Instant>>>);

impl Held {
    /// Whether ECS protects the task now, as far as the agent has said.
    pub fn is_up(&self) -> bool {
        self.lock().is_some_and(|until| Instant::now() < until)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Watch {
    agent: Arc<dyn Agent>,
    shield: Shield,
    held: Held,
    busy: Busy,
    complaint: Complaint,
}

impl Watch {
    async fn run(mut self, end: CancellationToken) {
        while !end.is_cancelled() {
            let step = self.shield.next(self.busy.oldest(), Instant::now());
            tokio::select! {
                () = self.take(step) => {}
                () = end.cancelled() => {}
            }
        }
        if self.shield.may_be_up(Instant::now()) {
            self.ask(Wish::Release).await;
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Ask(wish) => self.ask(wish).await,
            Step::Until(until) => drop(tokio::time::timeout_at(until, self.busy.edge()).await),
            Step::Rest => self.busy.edge().await,
        }
    }

    async fn ask(&mut self, wish: Wish) {
        let asked = Instant::now();
        self.shield.asks(wish, asked);
        let late = |_| AgentError::Broken(format!("silent for {CALL_LIMIT:?}"));
        let answer = tokio::time::timeout(CALL_LIMIT, self.agent.set(wish)).await;
        match answer.map_err(late).flatten() {
            Ok(_) => {
                let was_up = self.shield.is_up(asked);
                self.shield.done(wish, asked);
                self.tell(wish, was_up);
            }
            Err(error) => {
                self.complain(wish, &error);
                self.shield.failed(&error, Instant::now(), fastrand::f64());
            }
        }
        *self.held.lock() = self.shield.held_until();
    }

    fn tell(&mut self, wish: Wish, was_up: bool) {
        let is_well_again = self.complaint.is_over();
        match wish {
            Wish::Protect { minutes } if !was_up || is_well_again => {
                events::TaskProtected { minutes }.emit();
            }
            Wish::Protect { minutes } => events::ProtectionRenewed { minutes }.emit(),
            Wish::Release => events::TaskUnprotected {}.emit(),
        }
    }

    fn complain(&mut self, wish: Wish, error: &AgentError) {
        let is_due = self.complaint.is_due(&error.to_string(), Instant::now());
        match error {
            AgentError::Standalone(_) => events::ProtectionNeedless { error }.emit(),
            _ if !is_due => events::ProtectionStillUnchanged { error, wish: &wish }.emit(),
            _ if error.is_denied() => events::ProtectionForbidden { error }.emit(),
            _ => events::ProtectionUnchanged { error, wish: &wish }.emit(),
        }
    }
}
