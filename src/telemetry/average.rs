//! How long a message keeps a slot, measured from one look to the next.

use std::sync::Arc;

use super::{Ending, Label as _, QueueMetrics};

/// How long a message keeps a slot, measured from one look to the next.
pub struct WorkAverage {
    metrics: Arc<QueueMetrics>,
    last: Work,
    average: Option<f64>,
}

/// Work that was done.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    /// Seconds that calls took.
    pub seconds: f64,
    /// Messages that they ended with.
    pub messages: u64,
}

impl WorkAverage {
    /// Measures from now on.
    pub fn new(metrics: Arc<QueueMetrics>) -> Self {
        let last = total(&metrics);
        Self { metrics, last, average: None }
    }

    /// Looks again, and answers what was done since the last look.
    pub fn update(&mut self) -> Work {
        let total = total(&self.metrics);
        let Work { seconds, messages } = total;
        let done = Work {
            seconds: (seconds - self.last.seconds).max(0.0),
            messages: messages.saturating_sub(self.last.messages),
        };
        self.last = total;
        if done.messages > 0 {
            #[expect(clippy::cast_precision_loss, reason = "no time between looks has 2^53 messages")]
            let average = done.seconds / done.messages as f64;
            self.average = Some(average);
        }
        done
    }

    /// The seconds of the last time in which a message ended; nothing before that.
    pub fn seconds_per_message(&self) -> Option<f64> {
        self.average
    }
}

/// The calls that found no handler took no work.
fn total(metrics: &QueueMetrics) -> Work {
    let endings = Ending::ALL.iter().filter(|ending| **ending != Ending::Down);
    let messages = endings.map(|ending| metrics.ended.of(*ending).get()).sum();
    Work { seconds: metrics.work_seconds.get(), messages }
}
