//! Keeps one runtime process: starts it, feeds it, and replaces it when it has ended.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use super::{
    Shared,
    life::{Ending, Life},
};
use crate::{
    backoff::{Backoff, Jitter},
    handler::lambda::standing::State,
    telemetry::{ProcessState, events},
};

/// The pause before a process is replaced, by how many in a row never answered anything.
const RESTARTS: Backoff = Backoff {
    initial: Duration::from_millis(100),
    factor: 2.0,
    max: Duration::from_secs(15),
    jitter: Jitter::Half,
};

/// Who keeps the process of one number.
pub(super) struct Keeper {
    shared: Arc<Shared>,
    number: usize,
    /// How many processes in a row never answered anything.
    fruitless: u32,
}

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>, number: usize) -> Self {
        Self { shared, number, fruitless: 0 }
    }

    /// Keeps a process until Longshore ends.
    pub(super) async fn keep(mut self) {
        loop {
            self.note(State::Starting);
            self.fruitless += 1;
            let ending = self.live().await;
            self.tell(&ending);
            if ending == Ending::Closed || !self.pause().await {
                return;
            }
        }
    }

    /// One process from its start to its end.
    async fn live(&mut self) -> Ending {
        let mut life = match Life::begin(&self.shared).await {
            Ok(life) => life,
            Err(ending) => return ending,
        };
        let ending = tokio::select! {
            ending = self.through(&mut life) => ending,
            () = self.shared.closing.cancelled() => Ending::Closed,
        };
        if life.has_answered() {
            self.fruitless = 0;
        }
        if let Ending::Broken(_) | Ending::GivenUp = &ending {
            self.note(State::Starting);
        }
        life.end(&ending).await;
        ending
    }

    async fn through(&self, life: &mut Life) -> Ending {
        if let Err(ending) = life.until_ready().await {
            return ending;
        }
        self.note(State::Ready);
        life.work().await
    }

    fn tell(&self, ending: &Ending) {
        let queue = &*self.shared.queue;
        match ending {
            Ending::NotStarted(reason) => {
                events::ProcessNotStarted { queue, reason }.emit();
                self.note(State::Failed(reason.as_str().into()));
            }
            Ending::Broken(reason) => events::ProcessReplaced { queue, reason }.emit(),
            Ending::GivenUp => {
                let reason = "its invocation was given up";
                events::ProcessReplaced { queue, reason }.emit();
            }
            Ending::Closed => {}
        }
    }

    /// Waits before the next start; false when there is to be none.
    async fn pause(&self) -> bool {
        let _counted = self.shared.metrics.process(ProcessState::Waiting);
        tokio::select! {
            () = sleep(RESTARTS.random_delay(self.fruitless.max(1))) => true,
            () = self.shared.closing.cancelled() => false,
        }
    }

    fn note(&self, state: State) {
        self.shared.standing.note(self.number, state);
    }
}

impl Drop for Keeper {
    /// Whatever ended it, nobody should wait for its process.
    fn drop(&mut self) {
        self.note(State::Failed("the runtime processes are stopped".into()));
    }
}
