//! How many calls a second: a full queue at a concurrency of 16, beside 16 calls at once without a worker.

use std::{num::NonZeroUsize, sync::Arc};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use longshore::internals::{AwsAccess, Queue, open_queue};
use tokio::time::Instant;

use crate::{
    Failure,
    contender::{BODY_BYTES, Contender, Ready},
    figures::{median, row, whole},
    server::{Server, fill},
    working::{Working, memory_queue},
};

const CONCURRENCY: NonZeroUsize = NonZeroUsize::new(16).expect("it is not 0");

pub(crate) const HEAD: [&str; 7] = [
    "a second",
    "direct calls",
    "memory: calls",
    "of direct",
    "memory: messages",
    "`longshore dev`: calls",
    "`longshore dev`: messages",
];

/// Calls and messages a second.
#[derive(Clone, Copy)]
struct Rate {
    calls: f64,
    messages: f64,
}

/// The rates of one kind, round by round.
#[derive(Default)]
pub(crate) struct Rates {
    direct: Vec<f64>,
    memory: Vec<Rate>,
    embedded: Vec<Rate>,
}

impl Rates {
    /// Measures one more round.
    pub(crate) async fn measure(&mut self, contender: &Contender, server: &Server) -> Result<(), Failure> {
        self.direct.push(directly(contender).await?);
        let queue = memory_queue()?;
        fill(&*queue, contender.amounts.round, BODY_BYTES).await?;
        self.memory.push(working(contender, queue).await?);
        let url = server.queue(&self.queue_name(contender), contender.amounts.round, BODY_BYTES).await?;
        let queue = open_queue(&url, AwsAccess::default()).await?;
        self.embedded.push(working(contender, queue).await?);
        Ok(())
    }

    fn queue_name(&self, contender: &Contender) -> String {
        let name = contender.name.replace(|character: char| !character.is_ascii_alphanumeric(), "-");
        format!("{name}-{}", self.embedded.len())
    }

    /// The medians.
    pub(crate) fn row(&self, name: &str) -> String {
        let calls = |rates: &[Rate]| median(rates.iter().map(|rate| rate.calls).collect());
        let messages = |rates: &[Rate]| median(rates.iter().map(|rate| rate.messages).collect());
        let direct = median(self.direct.clone());
        row(&[
            name.to_owned(),
            whole(direct),
            whole(calls(&self.memory)),
            format!("{:.0} %", calls(&self.memory) / direct * 100.0),
            whole(messages(&self.memory)),
            whole(calls(&self.embedded)),
            whole(messages(&self.embedded)),
        ])
    }
}

/// The first fifth, in which processes start, and the last twentieth, in which slots run dry, do not count.
fn counted(amount: usize) -> (usize, usize) {
    (amount / 5, amount - amount / 20)
}

async fn working(contender: &Contender, queue: Arc<dyn Queue>) -> Result<Rate, Failure> {
    let working = Working::start(contender, queue, CONCURRENCY)?;
    let (first, last) = counted(contender.amounts.round);
    let (from, until) = (mark(&working, first).await?, mark(&working, last).await?);
    working.end().await?;
    let seconds = (until.at - from.at).as_secs_f64();
    Ok(Rate {
        calls: per(until.calls - from.calls, seconds),
        messages: per(until.messages - from.messages, seconds),
    })
}

/// What was counted at a moment, which may be later than the one that was waited for.
struct Mark {
    at: Instant,
    calls: usize,
    messages: usize,
}

async fn mark(working: &Working, deleted: usize) -> Result<Mark, Failure> {
    let watch = &working.watch;
    watch.deleted(deleted).await?;
    Ok(Mark { at: Instant::now(), calls: watch.calls(), messages: watch.deletes() })
}

async fn directly(contender: &Contender) -> Result<f64, Failure> {
    let ready = contender.ready(CONCURRENCY)?;
    let (first, last) = counted(contender.amounts.round / contender.batch);
    at_once(&ready, first).await?;
    let began = Instant::now();
    at_once(&ready, last - first).await?;
    let rate = per(last - first, began.elapsed().as_secs_f64());
    ready.close().await;
    Ok(rate)
}

async fn at_once(ready: &Ready<'_>, calls: usize) -> Result<(), Failure> {
    let calls = stream::iter(0..calls).map(|_| ready.call());
    calls.buffer_unordered(CONCURRENCY.get()).try_collect::<Vec<_>>().await.map(drop)
}

#[expect(clippy::cast_precision_loss, reason = "no benchmark counts so far")]
fn per(count: usize, seconds: f64) -> f64 {
    count as f64 / seconds
}
