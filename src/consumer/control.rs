//! The control of a running engine: pause, resume and another concurrency for an operator, and a cordon for the platform.

use super::{ConsumerSettings, Engine};
use crate::{settings::Problems, telemetry::events};

impl Engine {
    /// Pauses the queue for an operator, with a reason: nothing is received, waiting messages are given back, and running
    /// calls finish.
    pub(crate) fn pause(&self, reason: &str) {
        self.0.availability.pause_by_operator(reason);
        self.0.dispatcher.give_back_if_none_starts();
    }

    /// Ends an operator's pause; other reasons to pause stay.
    pub(crate) fn resume(&self) {
        self.0.availability.resume_by_operator();
    }

    /// Pauses the queue for good, with a reason: nothing is received, waiting messages are given back, and running calls finish.
    ///
    /// A waiting message at its last receive runs, because SQS would move it to the DLQ.
    pub(crate) fn cordon(&self, reason: &str) {
        self.0.availability.cordon(reason);
        self.0.dispatcher.give_back_if_none_starts();
    }

    /// Changes the most calls that run at once.
    ///
    /// Further calls start at once. No call is dropped: where more run than may, none starts until enough have ended.
    pub(crate) fn set_concurrency(&self, concurrency: usize) -> Result<(), Problems> {
        let settings = ConsumerSettings { concurrency, ..self.0.settings.clone() };
        Problems::refuse(settings.validate())?;
        let before = self.0.dispatcher.load().concurrency;
        if before == concurrency {
            return Ok(());
        }
        self.0.handler.concurrency_changed(concurrency);
        self.0.availability.set_concurrency(concurrency);
        self.0.depth.set_concurrency(concurrency);
        self.0.metrics.concurrency.set(i64::try_from(concurrency).unwrap_or(i64::MAX));
        events::ConcurrencyChanged { queue: &self.0.name, before, concurrency }.emit();
        self.0.dispatcher.set_concurrency(concurrency);
        Ok(())
    }
}
