//! Asks SQS how many messages a queue and its DLQ have: often while messages come, rarely while none do.
//!
//! Nothing depends on the answers but metrics, so nothing waits for them, and a refusal is no reason to stop. What a
//! poll could not renew disappears from the metrics (`telemetry::Depth`).

mod estimate;
mod metrics;
mod rhythm;
mod settings;

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use self::rhythm::{Answer, Rhythm, Traffic};
use crate::{
    queue::{Queue, QueueAttributes, QueueError, QueueName, RetryClass, metrics::CallMetrics, within},
    stop::Stop,
    telemetry::{Action, CallResult, events},
};

#[cfg(test)]
pub(crate) use self::metrics::DepthMetrics;
pub use self::{estimate::Counts, metrics::QueueDepth};
pub(crate) use self::{
    estimate::Sighting,
    settings::{Interval, Settings},
};

/// The time limit of an answer.
const WATCHDOG: Duration = Duration::from_secs(20);

/// The parts of a [`Watch`].
pub(crate) struct WatchParts {
    /// The queue's configured name.
    pub name: Arc<str>,
    /// The queue itself.
    pub queue: Arc<dyn Queue>,
    /// Its DLQ.
    pub dlq: Dlq,
    /// The depth that the polls update.
    pub depth: QueueDepth,
    /// Counts the calls.
    pub calls: Arc<CallMetrics>,
}

/// The dead-letter queue of a queue.
#[derive(Clone)]
pub(crate) enum Dlq {
    /// There is none.
    None,
    /// It is open already.
    Open(Arc<dyn Queue>),
    /// It is where the queue is, under this name.
    Named(QueueName),
}

/// Asks until the stop.
pub(crate) struct Watch {
    parts: WatchParts,
    interval: Duration,
    work: WorkAverage,
    of_queue: Rhythm,
    of_dlq: Rhythm,
}

impl Watch {
    /// Nothing is asked before it runs.
    pub(crate) fn new(parts: WatchParts, work: WorkAverage, interval: Duration) -> Self {
        let rhythm = Rhythm::new(interval);
        parts.depth.polls_every(interval);
        Self { parts, interval, work, of_queue: rhythm, of_dlq: rhythm }
    }

    /// Asks until the stop; a call under way is then dropped.
    pub(crate) async fn run(mut self, stop: Stop) {
        tokio::select! {
            () = self.look_again_and_again() => {}
            () = stop.draining() => {}
        }
    }

    async fn look_again_and_again(&mut self) {
        loop {
            self.look().await;
            // A fleet that was started at once should not ask at once for ever.
            sleep(self.interval.mul_f64(fastrand::f64().mul_add(0.2, 0.9))).await;
        }
    }

    async fn look(&mut self) {
        let depth = &self.parts.depth;
        let traffic = if depth.is_quiet() { Traffic::None } else { Traffic::Some };
        self.work.update();
        depth.worked(self.work.seconds_per_message());
        depth.polls_every(self.of_queue.pace(traffic));
        if self.of_queue.is_due(traffic, Instant::now()) {
            self.ask_queue(traffic).await;
        }
        if self.of_dlq.is_due(traffic, Instant::now()) {
            self.ask_dlq(traffic).await;
        }
    }

    async fn ask_queue(&mut self, traffic: Traffic) {
        let answer = self.described(&*self.parts.queue).await;
        if let Ok(QueueAttributes { visible, in_flight, delayed, .. }) = answer {
            self.parts.depth.polled(Counts { visible, in_flight, delayed });
        }
        let answer = answer.map(drop);
        let is_news = self.of_queue.asked(Answer::of(&answer), traffic, Instant::now());
        self.report(events::DepthOf::Queue, is_news, answer);
    }

    async fn ask_dlq(&mut self, traffic: Traffic) {
        let answer = match self.dlq().await {
            Ok(Some(dlq)) => self.described(&*dlq).await,
            Ok(None) => return,
            Err(error) => Err(error),
        };
        if let Ok(QueueAttributes { visible, .. }) = answer {
            self.parts.depth.dlq_polled(visible);
        }
        let answer = answer.map(drop);
        let is_news = self.of_dlq.asked(Answer::of(&answer), traffic, Instant::now());
        self.report(events::DepthOf::Dlq, is_news, answer);
    }

    /// The DLQ, opened when it is first asked for.
    async fn dlq(&mut self) -> Result<Option<Arc<dyn Queue>>, QueueError> {
        let name = match &self.parts.dlq {
            Dlq::None => return Ok(None),
            Dlq::Open(dlq) => return Ok(Some(dlq.clone())),
            Dlq::Named(name) => name,
        };
        let dlq = self.parts.queue.open_other(name).await?;
        self.parts.dlq = Dlq::Open(dlq.clone());
        Ok(Some(dlq))
    }

    async fn described(&self, queue: &dyn Queue) -> Result<QueueAttributes, QueueError> {
        let began = Instant::now();
        let answer = within(WATCHDOG, "a look at the attributes", queue.describe()).await;
        self.parts.calls.called(Action::Attributes, CallResult::of(&answer), began);
        answer
    }

    /// Tells a change alone: the same refusal every five minutes would be noise.
    fn report(&self, of: events::DepthOf, is_news: bool, answer: Result<(), QueueError>) {
        let queue = &*self.parts.name;
        match answer {
            Ok(()) if is_news => events::DepthKnown { queue, of }.emit(),
            Err(error) if is_news => events::DepthUnknown { queue, of, error: &error }.emit(),
            Ok(()) | Err(_) => {}
        }
    }
}

impl Answer {
    fn of(answer: &Result<(), QueueError>) -> Self {
        match answer {
            Ok(()) => Self::Told,
            Err(error) if error.retry_class() == RetryClass::Refused => Self::Refused,
            Err(_) => Self::Failed,
        }
    }
}

/// Averages the time that a message keeps a slot, from one measurement to the next.
pub(crate) struct WorkAverage {
    total: Box<dyn Fn() -> WorkDone + Send + Sync>,
    last: WorkDone,
    average: Option<f64>,
}

/// Work that was done.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WorkDone {
    /// Seconds that calls took.
    pub seconds: f64,
    /// Messages that they ended with.
    pub messages: u64,
}

impl WorkAverage {
    /// Measures from now on; `total` reads all the work since the start.
    pub(crate) fn new(total: impl Fn() -> WorkDone + Send + Sync + 'static) -> Self {
        Self { last: total(), total: Box::new(total), average: None }
    }

    /// Measures again, and returns the work done since the last measurement.
    pub(crate) fn update(&mut self) -> WorkDone {
        let total = (self.total)();
        let done = WorkDone {
            seconds: (total.seconds - self.last.seconds).max(0.0),
            messages: total.messages.saturating_sub(self.last.messages),
        };
        self.last = total;
        if done.messages > 0 {
            #[expect(clippy::cast_precision_loss, reason = "no time between measurements has 2^53 messages")]
            let average = done.seconds / done.messages as f64;
            self.average = Some(average);
        }
        done
    }

    /// The seconds a message of the last time in which one ended; nothing before that.
    pub(crate) fn seconds_per_message(&self) -> Option<f64> {
        self.average
    }
}
