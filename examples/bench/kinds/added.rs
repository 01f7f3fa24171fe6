//! The latency that the worker adds: one call at a time, in turn with the same call without a worker.

use std::num::NonZeroUsize;

use longshore::OutgoingMessage;
use tokio::time::Instant;

use crate::{
    Failure,
    contender::{BODY_BYTES, Contender},
    figures::{Times, row},
    working::{Working, memory_queue},
};

/// Calls before those that count, in each round.
const WARM_UP: usize = 50;

pub(crate) const HEAD: [&str; 7] = [
    "µs, p50 / p99",
    "direct call",
    "the call in the worker",
    "sent → start",
    "received → start",
    "end → deleted",
    "added in all",
];

/// The times of one kind, of all rounds together.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    direct: Times,
    inside: Times,
    sent_to_start: Times,
    received_to_start: Times,
    end_to_deleted: Times,
    added: Times,
    pub(crate) in_pieces: usize,
}

impl Samples {
    /// Measures one of so many rounds.
    pub(crate) async fn measure(&mut self, contender: &Contender, rounds: usize) -> Result<(), Failure> {
        let queue = memory_queue()?;
        let working = Working::start(contender, queue.clone(), NonZeroUsize::MIN)?;
        let direct = contender.ready(NonZeroUsize::MIN)?;
        let batch = vec![OutgoingMessage::new("x".repeat(BODY_BYTES)); contender.batch];
        let calls = WARM_UP + contender.amounts.single.div_ceil(rounds);
        for call in 1..=calls {
            let began = Instant::now();
            direct.call().await?;
            let took = began.elapsed();
            working.watch.receiving().await?;
            let (before, sent) = (working.watch.calls(), Instant::now());
            for answer in queue.send(&batch).await? {
                answer?;
            }
            working.watch.deleted(call * contender.batch).await?;
            // The times of a batch that came in pieces would be those of its last piece.
            let is_whole = working.watch.calls() == before + 1;
            if call > WARM_UP && is_whole {
                self.direct.push(took);
                self.note(&working, sent);
            } else if !is_whole {
                self.in_pieces += 1;
            }
        }
        direct.close().await;
        working.end().await
    }

    fn note(&mut self, working: &Working, sent: Instant) {
        let stamps = working.watch.stamps();
        let (before, after) = (stamps.started - sent, stamps.deleted - stamps.ended);
        self.inside.push(stamps.ended - stamps.started);
        self.sent_to_start.push(before);
        self.received_to_start.push(stamps.started - stamps.received);
        self.end_to_deleted.push(after);
        self.added.push(before + after);
    }

    pub(crate) fn row(&self, name: &str) -> String {
        let Self { direct, inside, sent_to_start, received_to_start, end_to_deleted, added, .. } = self;
        let times = [direct, inside, sent_to_start, received_to_start, end_to_deleted, added];
        row(&[name.to_owned()].into_iter().chain(times.map(Times::cell)).collect::<Vec<_>>())
    }
}
