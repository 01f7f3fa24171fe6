//! The stop order, step by step.

use std::time::Duration;

use futures_util::future::join_all;

use crate::{pump::Stages, stop::Stop};

/// How long the last answers may take to reach SQS once no handler runs.
const FLUSH_LIMIT: Duration = Duration::from_secs(10);
/// How long handlers that are told to stop may take; only one that blocks its thread takes longer than its grace.
const CANCEL_LIMIT: Duration = Duration::from_secs(2);

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every message that was held is settled or given back.
    All,
    /// So many messages were still held; they come back after their visibility.
    Partly {
        /// Messages still held.
        held: usize,
    },
}

/// Drains every engine at once: polling, waiting messages, handlers, answers, and only then the keepers.
///
/// Several well-known consumers stop the heartbeat first, and then run the same messages twice.
pub(super) async fn drain(mut stages: Vec<Stages>, limit: Duration, stop: &Stop) -> Drained {
    tokio::select! {
        () = in_order(&mut stages, limit) => {}
        // Nobody keeps their leases from here on, so they must not go on as if somebody did.
        () = stop.halted() => stages.iter().for_each(Stages::cancel_handlers),
    }
    let held = stages.iter().map(Stages::held).sum();
    stages.into_iter().for_each(Stages::close);
    match held {
        0 => Drained::All,
        held => Drained::Partly { held },
    }
}

async fn in_order(stages: &mut [Stages], limit: Duration) {
    // Handlers that end while the last receives do must not start what those bring.
    stages.iter().for_each(Stages::give_back_waiting);
    join_all(stages.iter_mut().map(Stages::polling_stopped)).await;
    stages.iter().for_each(Stages::give_back_waiting);
    let handlers_ended = join_all(stages.iter().map(Stages::handlers_ended));
    if tokio::time::timeout(limit, handlers_ended).await.is_err() {
        tracing::warn!(?limit, "the drain limit is over, running handlers are told to stop");
        stages.iter().for_each(Stages::cancel_handlers);
        let cancelled = join_all(stages.iter().map(Stages::handlers_ended));
        if tokio::time::timeout(CANCEL_LIMIT, cancelled).await.is_err() {
            tracing::error!(
                "a handler blocks its thread and cannot be stopped, hint: never block in async code"
            );
        }
    }
    let flushed = join_all(stages.iter().map(Stages::flushed));
    if tokio::time::timeout(FLUSH_LIMIT, flushed).await.is_err() {
        tracing::error!(limit = ?FLUSH_LIMIT, "not every outcome could be told to sqs");
    }
}
