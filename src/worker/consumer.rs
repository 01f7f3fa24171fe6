//! One queue with its handler and the way it is worked.

use std::{sync::Arc, time::Duration};

use crate::{
    backoff::Backoff,
    consumer::depth,
    consumer::{BatchSettings, ConsumerSettings, Prefetch},
    duration::{Limit, Span},
    handler::AnyHandler,
    queue::{Queue, QueueName, name_at, sqs},
    sns::notifications,
    telemetry::HandlerKind,
};

/// One queue with its handler and the way it is worked.
///
/// The settings are validated when the worker starts: [`WorkerError::Settings`](super::WorkerError::Settings) has every
/// problem.
pub struct Consumer {
    pub(super) name: Arc<str>,
    pub(super) source: Source,
    pub(super) handler: AnyHandler,
    pub(super) notify: Option<notifications::Plan>,
    /// The handler's kind, as metrics and the copies of rejected messages tell it.
    pub(super) kind: HandlerKind,
    pub(super) dead_letters: DeadLetters,
    pub(super) settings: ConsumerSettings,
}

/// Where a consumer's messages come from.
pub(super) enum Source {
    /// A queue of SQS, by its URL or its name.
    Sqs { address: String, settings: sqs::Settings },
    /// A queue that is open already.
    Open(Arc<dyn Queue>),
}

/// Where the messages go that the handler rejects: they are copied there and then deleted.
///
/// Without a DLQ a reject is a retry.
#[derive(Clone, Default)]
pub enum DeadLetters {
    /// To the queue that the redrive policy names; if there is none, or none that the worker may open, a warning says so.
    #[default]
    ByPolicy,
    /// To this queue of SQS, by its URL, or by its name where the consumed queue is.
    At(String),
    /// To a queue that is open already.
    Open(Arc<dyn Queue>),
    /// Nowhere: a reject is a retry.
    Nowhere,
}

impl Consumer {
    /// Consumes a queue of SQS, given by its URL, or by its name in the account and region of the credentials.
    ///
    /// Its name in logs and metrics is that of the queue.
    pub fn new(queue: impl Into<String>, handler: impl Into<AnyHandler>) -> Self {
        let address = queue.into();
        let name = name_at(&address).into();
        Self::from(name, Source::Sqs { address, settings: sqs::Settings::default() }, handler)
    }

    /// Consumes a queue that is open already, such as one in memory.
    pub fn of(name: impl Into<Arc<str>>, queue: Arc<dyn Queue>, handler: impl Into<AnyHandler>) -> Self {
        Self::from(name.into(), Source::Open(queue), handler)
    }

    fn from(name: Arc<str>, source: Source, handler: impl Into<AnyHandler>) -> Self {
        Self {
            name,
            source,
            handler: handler.into(),
            kind: HandlerKind::Rust,
            dead_letters: DeadLetters::default(),
            notify: None,
            settings: ConsumerSettings::default(),
        }
    }

    /// Sets what metrics and the copies of rejected messages say the handler's kind is.
    pub(super) fn of_kind(self, kind: HandlerKind) -> Self {
        Self { kind, ..self }
    }

    /// What SQS calls the queue: by its ARN, by its address where the ARN is not known, or else as it is called here.
    pub(super) fn name_in_sqs(&self, arn: &str) -> String {
        let by_address = || match &self.source {
            Source::Sqs { address, .. } => name_at(address).to_owned(),
            Source::Open(_) => self.name.to_string(),
        };
        QueueName::of_arn(arn).map_or_else(by_address, |queue| queue.name)
    }

    /// Sets where rejected messages go (the DLQ of the queue's redrive policy).
    #[must_use]
    pub fn dead_letters(mut self, dead_letters: DeadLetters) -> Self {
        self.dead_letters = dead_letters;
        self
    }

    /// Sets the name in logs and metrics.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets how AWS is reached; no effect on a queue that is open already.
    #[must_use]
    pub fn aws(mut self, reach: sqs::Settings) -> Self {
        if let Source::Sqs { settings, .. } = &mut self.source {
            *settings = reach;
        }
        self
    }

    /// Sets how many calls of the handler run at once (16), at least one.
    #[must_use]
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.settings.concurrency = concurrency;
        self
    }

    /// Sets how many messages each call is given (one), for a [`BatchHandler`](crate::handler::BatchHandler).
    #[must_use]
    pub fn batch(mut self, batch: BatchSettings) -> Self {
        self.settings.batch = batch;
        self
    }

    /// Sets how many messages are held beyond those running (`auto`).
    #[must_use]
    pub fn prefetch(mut self, prefetch: Prefetch) -> Self {
        self.settings.prefetch = prefetch;
        self
    }

    /// Sets the lease that a receive begins with (30 s), whole seconds up to 12 h; it is extended for as long as it is needed.
    #[must_use]
    pub fn visibility(mut self, visibility: Duration) -> Self {
        self.settings.visibility = Span(visibility);
        self.settings.visibility_max =
            self.settings.visibility_max.map(|longest| longest.max(Span(visibility)));
        self
    }

    /// Sets the time limit of a handler (12 h, SQS's own and the longest); `None` for none.
    #[must_use]
    pub fn timeout(mut self, timeout: Option<Duration>) -> Self {
        self.settings.timeout = timeout.map_or(Limit::None, Limit::After);
        self
    }

    /// Sets whether and how often SQS is asked how many messages there are (30 s).
    #[must_use]
    pub fn depth(mut self, interval: depth::Interval) -> Self {
        self.settings.depth.interval = interval;
        self
    }

    /// Sets when a failed message is visible again, by its receive count.
    #[must_use]
    pub fn retry(mut self, retry: Backoff) -> Self {
        self.settings.retry = retry;
        self
    }

    /// Has it told over SNS how messages end (to nobody).
    #[must_use]
    pub fn notify(mut self, plan: notifications::Plan) -> Self {
        self.notify = (!plan.settings.topics().is_empty()).then_some(plan);
        self
    }

    /// Sets everything at once.
    #[must_use]
    pub fn settings(mut self, settings: ConsumerSettings) -> Self {
        self.settings = settings;
        self
    }
}
