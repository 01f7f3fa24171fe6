//! The average time that a message keeps a slot, from one measurement to the next.

/// Averages the time that a message keeps a slot, from one measurement to the next.
pub struct WorkAverage {
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
    pub fn new(total: impl Fn() -> WorkDone + Send + Sync + 'static) -> Self {
        Self { last: total(), total: Box::new(total), average: None }
    }

    /// Measures again, and returns the work done since the last measurement.
    pub fn update(&mut self) -> WorkDone {
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
    pub fn seconds_per_message(&self) -> Option<f64> {
        self.average
    }
}
