//! The `sns` kind: each message is published onward, to a topic or by SMS to a phone.
//!
//! `docs/sns-handler.md` has the tables of publications and outcomes, `tests/index.md` the test of each line; in short:
//!
//! | SNS | the outcome |
//! |---|---|
//! | takes the message | [`Outcome::Done`] |
//! | is busy, or does not answer in time | [`Outcome::Retry`]: it may have been published |
//! | cannot be reached, or refuses for want of the topic, of permission or of a key | [`Outcome::Down`] |
//! | refuses this message | [`Outcome::Reject`] |
//!
//! A message over the limit per hour is not published; its outcome is [`Outcome::RetryIn`].

mod outcome;
mod publication;
mod quota;
mod settings;

#[cfg(all(any(test, fuzzing), feature = "cli"))]
#[path = "../../../tests/fuzz/sns.rs"]
pub(crate) mod fuzz;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::time::Instant;

pub use self::settings::Settings;
use self::{
    outcome::{cause, outcome},
    publication::{Unpublishable, publication, sms_parts},
    quota::Quota,
};
use super::{
    AnyHandler, Batch, Context, Outcome, Outcomes, Placement, Unavailable,
    any::{ErasedHandler, HandlerProfile, handle_single},
    metrics::{FailureCounter, KindMetrics},
};
use crate::{
    message::Message,
    queue::limits,
    settings::Problems,
    sns::{
        Publication, Publisher, Target,
        metrics::{PublishMetrics, publish},
    },
    telemetry::{FailureCause, HandlerKind, MetricScope},
};

/// A handler that publishes each message.
pub struct SnsHandler {
    publisher: Arc<dyn Publisher>,
    settings: Settings,
    quota: Option<Mutex<Quota>>,
    metrics: KindMetrics<PublishMetrics>,
}

impl fmt::Debug for SnsHandler {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SnsHandler").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// An error in creating a handler of the `sns` kind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnsError {
    /// The settings are invalid.
    #[error("the sns handler's settings have {0}")]
    Settings(Problems),
}

impl SnsHandler {
    /// Creates the handler; connects to nothing yet.
    pub fn new(settings: Settings, publisher: Arc<dyn Publisher>) -> Result<Self, SnsError> {
        Problems::refuse(settings.validate()).map_err(SnsError::Settings)?;
        let quota = settings.limit().map(|limit| Mutex::new(Quota::new(limit)));
        Ok(Self { publisher, settings, quota, metrics: KindMetrics::default() })
    }

    async fn handle(&self, message: Arc<Message>, context: Context) -> Outcome {
        match publication(&message, &self.settings) {
            Ok(publication) => self.publish(publication, &context).await,
            Err(Unpublishable(reason)) => {
                self.metrics.failed(FailureCause::Refused);
                Outcome::Reject(reason)
            }
        }
    }

    async fn publish(&self, mut publication: Publication, context: &Context) -> Outcome {
        let (units, now) = (units(&publication), Instant::now());
        if let Err(wait) = self.quota().map_or(Ok(()), |mut quota| quota.take(units, now)) {
            let reason = "the limit of publications an hour is reached, it was not published".to_owned();
            return Outcome::RetryIn(wait.min(limits::VISIBILITY), reason);
        }
        let metrics = self.metrics.group().map(|metrics| &**metrics);
        let answer = publish(&*self.publisher, &mut publication, context.trace(), metrics).await;
        let Err(error) = answer else { return Outcome::Done };
        let outcome = outcome(&error, &publication.target, &self.settings);
        self.metrics.failed_with(cause(&error), &outcome);
        if error.is_unpublished()
            && let Some(mut quota) = self.quota()
        {
            quota.give_back(units, now);
        }
        outcome
    }

    fn quota(&self) -> Option<MutexGuard<'_, Quota>> {
        self.quota.as_ref().map(|quota| quota.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The units of the hourly limit that a publication takes: one, or one for each part of an SMS.
fn units(publication: &Publication) -> usize {
    match publication.target {
        Target::Topic(_) => 1,
        Target::Phone(_) => sms_parts(&publication.body),
    }
}

impl From<SnsHandler> for AnyHandler {
    fn from(handler: SnsHandler) -> Self {
        let profile = HandlerProfile { placement: Placement::EngineThread, ..HandlerProfile::default() };
        Self::built_in(handler, profile)
    }
}

impl ErasedHandler for SnsHandler {
    fn call(&self, batch: Batch, _: Context) -> BoxFuture<'_, Outcomes> {
        handle_single(batch, |message, context| self.handle(message, context))
    }

    /// Checks that the topic exists; there is no such check for SMS.
    fn probe(&self) -> BoxFuture<'_, Result<(), Unavailable>> {
        Box::pin(async {
            let Some(topic) = &self.settings.topic_arn else { return Ok(()) };
            self.publisher.find(topic).await.map_err(|error| outcome::unavailable(&error, error.to_string()))
        })
    }

    fn register_metrics(&self, scope: &MetricScope) -> FailureCounter {
        self.metrics.begin(scope, HandlerKind::Sns)
    }
}

/// The period of the limit.
const HOUR: Duration = Duration::from_hours(1);

#[cfg(test)]
mod tests;
