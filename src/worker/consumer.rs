//! A consumer: one queue, its handler and its options.

use std::{sync::Arc, time::Duration};

use super::open::Opened;
#[cfg(feature = "envelopes")]
use crate::envelope::Unwrap;
#[cfg(feature = "once")]
use crate::once::{Once, OnceParts};
#[cfg(feature = "payload")]
use crate::payload::Payload;
#[cfg(feature = "sns")]
use crate::sns::notifications::NotificationPlan;
use crate::{
    aws::Role,
    backoff::Backoff,
    consumer::depth,
    consumer::{
        BatchSettings, BreakerSettings, ConsumerSettings, OnExhausted, Pool, Prefetch, Preparation,
        RateScope, RateSettings,
    },
    duration::{Limit, Span},
    handler::AnyHandler,
    health::Health,
    queue::{
        Queue, QueueName, name_at,
        sqs::{AwsAccess, SqsAccess},
    },
    start::Missing,
    telemetry::{HandlerKind, MetricScope},
};

/// One queue, its handler and its options.
///
/// The settings are validated when the worker starts: [`WorkerError::Settings`](super::WorkerError::Settings) has every
/// problem.
pub struct Consumer {
    pub(super) name: Arc<str>,
    pub(super) source: ConsumerSource,
    pub(super) handler: AnyHandler,
    #[cfg(feature = "sns")]
    pub(super) notify: Option<NotificationPlan>,
    /// The handler's kind in metrics and in the copies of rejected messages.
    pub(super) kind: HandlerKind,
    pub(super) dead_letters: DeadLetters,
    /// The treatment of a queue that does not exist at the start.
    pub(super) missing: Missing,
    pub(super) settings: ConsumerSettings,
    /// The pool whose slots its calls take, and its weight there.
    pub(super) pool: Option<(Pool, usize)>,
    #[cfg(feature = "envelopes")]
    unwrap: Unwrap,
    #[cfg(feature = "payload")]
    payload: Payload,
    #[cfg(feature = "once")]
    pub(super) once: Option<Once>,
    /// The preparation before all others, if there is one.
    preparation: Option<Arc<dyn Preparation>>,
}

/// The source of a consumer's messages.
pub(super) enum ConsumerSource {
    /// A queue of SQS, by its URL, its ARN or its name.
    Sqs { address: String, access: SqsAccess },
    /// A queue that is open already.
    Open(Arc<dyn Queue>),
}

/// The queue to which rejected messages are copied before they are deleted.
///
/// Without a DLQ a reject is a retry.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum DeadLetters {
    /// The queue that the redrive policy names; if there is none, or the worker may not open it, it logs a warning.
    #[default]
    ByPolicy,
    /// A queue by its URL or its ARN, or by its name in the account and region of the consumed queue.
    At(String),
    /// A queue that is open already.
    #[doc(hidden)]
    Open(Arc<dyn Queue>),
    /// None: a reject is a retry.
    Nowhere,
}

impl Consumer {
    /// Consumes a queue of SQS, given by its URL or its ARN, or by its name in the account and region of the credentials;
    /// a name may have its account before it: `123456789012/orders`.
    ///
    /// Its name in logs and metrics is the queue's.
    pub fn new(queue: impl Into<String>, handler: impl Into<AnyHandler>) -> Self {
        let address = queue.into();
        let name = name_at(&address).into();
        Self::from(name, ConsumerSource::Sqs { address, access: SqsAccess::default() }, handler)
    }

    /// Consumes a queue that is open already, such as one in memory.
    #[doc(hidden)]
    pub fn of(name: impl Into<Arc<str>>, queue: Arc<dyn Queue>, handler: impl Into<AnyHandler>) -> Self {
        Self::from(name.into(), ConsumerSource::Open(queue), handler)
    }

    fn from(name: Arc<str>, source: ConsumerSource, handler: impl Into<AnyHandler>) -> Self {
        Self {
            name,
            source,
            handler: handler.into(),
            kind: HandlerKind::Rust,
            dead_letters: DeadLetters::default(),
            missing: Missing::default(),
            #[cfg(feature = "sns")]
            notify: None,
            settings: ConsumerSettings::default(),
            pool: None,
            #[cfg(feature = "envelopes")]
            unwrap: Unwrap::default(),
            #[cfg(feature = "payload")]
            payload: Payload::default(),
            #[cfg(feature = "once")]
            once: None,
            preparation: None,
        }
    }

    /// Sets the handler's kind in metrics and in the copies of rejected messages.
    pub(super) fn with_handler_kind(self, kind: HandlerKind) -> Self {
        Self { kind, ..self }
    }

    /// The queue's name in SQS: from its ARN, or from its address, or else its configured name.
    pub(super) fn name_in_sqs(&self, arn: &str) -> String {
        let by_address = || match &self.source {
            ConsumerSource::Sqs { address, .. } => name_at(address).to_owned(),
            ConsumerSource::Open(_) => self.name.to_string(),
        };
        QueueName::of_arn(arn).map_or_else(by_address, |queue| queue.name)
    }

    /// Sets the queue for rejected messages; default: the DLQ of the queue's redrive policy.
    #[must_use]
    pub fn dead_letters(mut self, dead_letters: DeadLetters) -> Self {
        self.dead_letters = dead_letters;
        self
    }

    /// Starts with the queue paused, until [`WorkerControl::resume`](super::WorkerControl::resume).
    #[must_use]
    pub fn paused(mut self) -> Self {
        self.settings.paused = true;
        self
    }

    /// Waits for a queue, or for its configured DLQ, that does not exist when the worker starts, while the other queues
    /// are consumed; by default such a queue ends the start.
    #[must_use]
    pub fn wait_if_missing(self) -> Self {
        self.missing(Missing::Wait)
    }

    /// Sets the treatment of a queue that does not exist at the start.
    pub(super) fn missing(self, missing: Missing) -> Self {
        Self { missing, ..self }
    }

    /// Sets the name in logs and metrics.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the access to AWS; no effect on a queue that is open already.
    #[doc(hidden)]
    #[must_use]
    pub fn aws(self, access: impl Into<AwsAccess>) -> Self {
        self.sqs(SqsAccess::Aws(access.into()))
    }

    fn sqs(mut self, access: SqsAccess) -> Self {
        if let ConsumerSource::Sqs { access: own, .. } = &mut self.source {
            *own = access;
        }
        self
    }

    /// Sets the role in which the queue and its DLQ are called; no effect with a client, or on a queue that is open already.
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        if let ConsumerSource::Sqs { access: SqsAccess::Aws(access), .. } = &mut self.source {
            *access = access.clone().with_role(Some(role));
        }
        self
    }

    /// Sets the client that the program has, with its credentials, region, endpoint and interceptors.
    ///
    /// The region and the host in the queue's URL have no effect then. Time limits are those of the worker, and retries and
    /// stalled-stream protection are turned off, as for [`sdk_config`](Self::sdk_config).
    #[must_use]
    pub fn sqs_client(self, client: aws_sdk_sqs::Client) -> Self {
        self.sqs(SqsAccess::Client(Box::new(client)))
    }

    /// True for a queue of SQS that is given by its address.
    pub(super) fn is_by_address(&self) -> bool {
        matches!(self.source, ConsumerSource::Sqs { .. })
    }

    /// Sets the SDK configuration that the program has loaded: credentials, region, endpoint and HTTP client.
    ///
    /// The region in a queue's URL or ARN has precedence over that of the configuration. Set the configuration before a
    /// [`role`](Self::role).
    /// Retries and stalled-stream protection are turned off, because the worker retries by itself and a long poll is
    /// silent for up to 20 s. No effect on a queue that is open already.
    #[must_use]
    pub fn sdk_config(self, config: aws_config::SdkConfig) -> Self {
        self.aws(config)
    }

    /// Sets the number of concurrent calls of the handler, at least 1; default: 16.
    #[must_use]
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.settings.concurrency = concurrency;
        self
    }

    /// Sets the most messages a call of a [`BatchHandler`](crate::handler::BatchHandler), up to 10,000; default: 1.
    ///
    /// More than 10 take several receives, and so need a [`batch_window`](Self::batch_window).
    #[must_use]
    pub fn batch_size(mut self, size: usize) -> Self {
        self.settings.batch.size = size;
        self
    }

    /// Sets the time that a batch waits to become full, up to 5 minutes; default: 0 s.
    ///
    /// A batch of one FIFO group never waits: SQS delivers no more of a group of which messages are held.
    #[must_use]
    pub fn batch_window(mut self, window: Duration) -> Self {
        self.settings.batch.window = Span(window);
        self
    }

    /// Sets the most bytes a call, bodies and attributes; one message alone may be larger. Default: 6,000,000.
    #[must_use]
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.settings.batch.bytes = bytes;
        self
    }

    /// Sets all batch settings at once.
    #[doc(hidden)]
    #[must_use]
    pub fn batch(mut self, batch: BatchSettings) -> Self {
        self.settings.batch = batch;
        self
    }

    /// Limits the calls that start within any time of length `per`; messages are received only as calls may start.
    #[must_use]
    pub fn rate(mut self, calls: usize, per: Duration) -> Self {
        self.settings.rate = Some(RateSettings { calls, per: Span(per), by: RateScope::Queue });
        self
    }

    /// Limits the calls with messages of one group (`MessageGroupId`) of a standard queue that start within any time of
    /// length `per`.
    #[must_use]
    pub fn rate_by_group(mut self, calls: usize, per: Duration) -> Self {
        self.settings.rate = Some(RateSettings { calls, per: Span(per), by: RateScope::Group });
        self
    }

    /// Limits the messages of one group (`MessageGroupId`) of a standard queue that run at once.
    ///
    /// The others wait, hidden, and spend no receive.
    #[must_use]
    pub fn per_group(mut self, most: usize) -> Self {
        self.settings.per_group = Some(most);
        self
    }

    /// Takes the slots of its calls from a pool, which several queues share by their weights; `concurrency` is the most
    /// that this one may use.
    #[must_use]
    pub fn pool(mut self, pool: &Pool, weight: usize) -> Self {
        self.pool = Some((pool.clone(), weight));
        self
    }

    /// Copies a message that fails at its last receive to the DLQ, with the reason, as a rejected one; by default it is left
    /// to the redrive policy, which moves it without a reason.
    #[must_use]
    pub fn copy_exhausted(mut self) -> Self {
        self.settings.on_exhausted = OnExhausted::Copy;
        self
    }

    /// Pauses polling once this share of at least ten calls within 30 s has failed; default: only after three calls in a
    /// row that return [`Outcome::Unavailable`](crate::handler::Outcome::Unavailable).
    #[must_use]
    pub fn breaker(mut self, failures: f64) -> Self {
        self.settings.breaker = Some(BreakerSettings { failures, ..BreakerSettings::default() });
        self
    }

    /// Sets the number of messages held beyond those running; default: [`Prefetch::Auto`].
    #[must_use]
    pub fn prefetch(mut self, prefetch: Prefetch) -> Self {
        self.settings.prefetch = prefetch;
        self
    }

    /// Sets the initial lease of a message, whole seconds up to 12 h; default: 30 s. It is extended while needed.
    #[must_use]
    pub fn visibility(mut self, visibility: Duration) -> Self {
        self.settings.visibility = Span(visibility);
        self.settings.visibility_max =
            self.settings.visibility_max.map(|longest| longest.max(Span(visibility)));
        self
    }

    /// Sets the time limit of a call, up to 12 h, SQS's own limit; default: 12 h. `None` means no limit.
    #[must_use]
    pub fn timeout(mut self, timeout: Option<Duration>) -> Self {
        self.settings.timeout = timeout.map_or(Limit::None, Limit::After);
        self
    }

    /// Sets the interval of the polls for the number of messages; default: 30 s.
    #[doc(hidden)]
    #[must_use]
    pub fn depth(mut self, interval: depth::Interval) -> Self {
        self.settings.depth.interval = interval;
        self
    }

    /// Sets the delay after which a failed message is visible again, by its receive count.
    #[must_use]
    pub fn retry(mut self, retry: Backoff) -> Self {
        self.settings.retry = retry;
        self
    }

    /// Sets the SNS notifications of messages' outcomes; default: none.
    #[cfg(feature = "sns")]
    #[must_use]
    pub fn notify(mut self, plan: NotificationPlan) -> Self {
        self.notify = (!plan.settings.topics().is_empty()).then_some(plan);
        self
    }

    /// Sets the envelopes that are taken off a message before its handler is called; default: none.
    #[cfg(feature = "envelopes")]
    #[must_use]
    pub fn unwrap_envelopes(mut self, unwrap: Unwrap) -> Self {
        self.unwrap = unwrap;
        self
    }

    /// Sets the treatment of large and encoded payloads; default: bodies are handed on as they are.
    #[cfg(feature = "payload")]
    #[must_use]
    pub fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }

    /// Runs the messages of one key once; default: as often as SQS delivers them.
    #[cfg(feature = "once")]
    #[must_use]
    pub fn once(mut self, once: impl Into<Option<Once>>) -> Self {
        self.once = once.into();
        self
    }

    /// The preparations of messages between their receive and their call, in their order.
    pub(super) fn preparations(
        &self,
        opened: &Opened,
        health: &Health,
        scope: &MetricScope,
    ) -> Vec<Arc<dyn Preparation>> {
        let mut preparations: Vec<Arc<dyn Preparation>> = Vec::new();
        preparations.extend(self.preparation.clone());
        #[cfg(feature = "envelopes")]
        preparations.extend(self.unwrap.preparation());
        // Behind the envelope, since a pointer may come through a topic.
        #[cfg(feature = "payload")]
        preparations.extend(self.payload.preparation(self.name.clone(), scope.warnings().clone()));
        // The last, since its key may be a field of the body as the handler receives it.
        #[cfg(feature = "once")]
        preparations.extend(self.once.as_ref().map(|once| self.once_claims(once, opened, (health, scope))));
        preparations
    }

    #[cfg(feature = "once")]
    fn once_claims(
        &self,
        once: &Once,
        opened: &Opened,
        (health, scope): (&Health, &MetricScope),
    ) -> Arc<dyn Preparation> {
        once.preparation(OnceParts {
            queue: self.name.clone(),
            name_in_sqs: self.name_in_sqs(&opened.arn),
            order: opened.order,
            visibility: self.settings.visibility.0,
            ready: health.condition(format!("{} claims", self.name), "not started"),
            warnings: scope.warnings().clone(),
        })
    }

    /// Sets the preparation of messages before all others; default: none.
    #[must_use]
    pub(crate) fn prepared_by(mut self, preparation: Arc<dyn Preparation>) -> Self {
        self.preparation = Some(preparation);
        self
    }

    /// Sets all settings at once.
    #[doc(hidden)]
    #[must_use]
    pub fn settings(mut self, settings: ConsumerSettings) -> Self {
        self.settings = settings;
        self
    }
}
