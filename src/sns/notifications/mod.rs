//! SNS notifications of the outcomes of messages.
//!
//! A notification reports what the handler answered, when it answered; `docs/notifications.md` has the details.
//! Notifications never change a message's outcome: a failed one is retried for a while beside the work, and then given
//! up, counted and logged.

mod notification;
mod sender;
mod settings;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use self::sender::{PendingNotifications, TopicRoute, TopicSender};
pub(crate) use self::{notification::Notification, settings::Settings};
use crate::{
    aws::{AwsAccess, ServiceLocation},
    duration::Span,
    sns::metrics::NotificationMetrics,
    sns::{Publisher, SnsPublisher, TopicArn},
    tasks::{End, Tasks},
    telemetry::{MetricScope, Notified, Occasion, context::TraceContext, events},
};

/// Returns the publisher for a topic.
pub(crate) type PublisherLookup = Arc<dyn Fn(&TopicArn) -> Arc<dyn Publisher> + Send + Sync>;

/// The topics that are notified of a queue's outcomes.
///
/// ```
/// use longshore::sns::NotificationPlan;
///
/// let audit = "arn:aws:sns:eu-west-1:123456789012:audit".parse()?;
/// let plan = NotificationPlan::new().on_reject(audit).with_body();
/// # Ok::<_, longshore::sns::NotATopicArn>(())
/// ```
#[derive(Clone)]
pub struct NotificationPlan {
    pub(crate) settings: Settings,
    pub(crate) publishers: PublisherLookup,
}

impl Default for NotificationPlan {
    fn default() -> Self {
        Self::new()
    }
}

impl NotificationPlan {
    /// A plan without topics; publishes in each topic's region, with the SDK's own sources of credentials.
    pub fn new() -> Self {
        let publishers = |topic: &TopicArn| -> Arc<dyn Publisher> {
            Arc::new(SnsPublisher::new(AwsAccess::default(), ServiceLocation::in_region(topic.region())))
        };
        Self { settings: Settings::default(), publishers: Arc::new(publishers) }
    }

    /// Sets the topic notified when the handler answers done.
    #[must_use]
    pub fn on_done(mut self, topic: TopicArn) -> Self {
        self.settings.on_done = Some(topic);
        self
    }

    /// Sets the topic notified when an attempt fails: a retry, a time-out, a panic or a lost lease.
    #[must_use]
    pub fn on_failure(mut self, topic: TopicArn) -> Self {
        self.settings.on_failure = Some(topic);
        self
    }

    /// Sets the topic notified when the handler rejects a message, and when a message has used up its receives.
    #[must_use]
    pub fn on_reject(mut self, topic: TopicArn) -> Self {
        self.settings.on_reject = Some(topic);
        self
    }

    /// Includes the message's body; a body too large for SNS is left out.
    #[must_use]
    pub fn with_body(mut self) -> Self {
        self.settings.include_body = true;
        self
    }

    /// Sets the time for which a failed notification is retried; default: 5 minutes.
    #[must_use]
    pub fn give_up_after(mut self, limit: Duration) -> Self {
        self.settings.give_up_after = Span(limit);
        self
    }

    /// Publishes to every topic by this publisher, such as an `EmulatorPublisher` in a test.
    #[must_use]
    pub fn publisher(mut self, publisher: Arc<dyn Publisher>) -> Self {
        self.publishers = Arc::new(move |_| publisher.clone());
        self
    }
}

/// Publishes notifications of one queue's messages; clones share the work.
#[derive(Clone)]
pub(crate) struct Notifier(Arc<Inner>);

struct Inner {
    queue: Arc<str>,
    settings: Settings,
    senders: BTreeMap<TopicArn, TopicSender>,
    pending: PendingNotifications,
    metrics: Arc<NotificationMetrics>,
    scope: MetricScope,
    end: CancellationToken,
}

impl Notifier {
    /// Starts a sender for each topic of the queue.
    pub(crate) fn start(
        queue: Arc<str>,
        plan: &NotificationPlan,
        scope: &MetricScope,
        tasks: &Tasks,
    ) -> Self {
        let NotificationPlan { settings, publishers } = plan;
        let metrics: Arc<NotificationMetrics> = scope.group();
        let (pending, end) = (PendingNotifications::default(), CancellationToken::new());
        let mut senders = BTreeMap::new();
        for topic in settings.topics() {
            let route = TopicRoute {
                queue: queue.clone(),
                topic: topic.clone(),
                publisher: publishers(topic),
                give_up_after: settings.give_up_after.0,
                pending: pending.clone(),
                metrics: metrics.clone(),
                publications: scope.group(),
                scope: scope.clone(),
            };
            let (sender, run) = TopicSender::new(route, end.clone());
            tasks.spawn("notify", End::Fine, run);
            senders.insert(topic.clone(), sender);
        }
        Self(Arc::new(Inner {
            queue,
            settings: settings.clone(),
            senders,
            pending,
            metrics,
            scope: scope.clone(),
            end,
        }))
    }

    /// Queues the notification of an outcome, if a topic is set for it; never waits.
    pub(crate) fn ended(&self, notification: &Notification<'_>) {
        if let Some(occasion) = notification.occasion() {
            self.publish(notification, occasion);
        }
    }

    /// Queues the notification of a message that has used up its receives, if a topic is set for it; never waits.
    pub(crate) fn exhausted(&self, notification: &Notification<'_>) {
        self.publish(notification, Occasion::Exhausted);
    }

    fn publish(&self, notification: &Notification<'_>, occasion: Occasion) {
        let inner = &*self.0;
        let Some(topic) = inner.settings.topic(occasion) else { return };
        let Some(sender) = inner.senders.get(topic) else { return };
        let publication =
            notification.publication(&inner.queue, occasion, topic, inner.settings.include_body);
        if sender.enqueue(notification, occasion, publication).is_err() {
            let message_id = &notification.message.id;
            let _lines = notification.trace_context().as_ref().map(TraceContext::enter);
            events::NotificationDropped { queue: &inner.queue, message_id, occasion }
                .emit(&inner.metrics.notifications, inner.scope.warnings());
        }
    }

    /// Waits until every notification is sent or given up.
    pub(crate) async fn flushed(&self) {
        self.0.pending.none().await;
    }

    /// Stops the senders; the notifications that are left are dropped, counted and logged.
    pub(crate) fn close(&self) {
        self.0.end.cancel();
        let left = self.0.pending.close();
        for (occasion, count) in left {
            self.0.metrics.notifications.of(occasion).of(Notified::Dropped).inc_by(count);
        }
        let count = left.iter().map(|(_, count)| count).sum();
        if count > 0 {
            events::NotificationsAbandoned { queue: &self.0.queue, count }.emit();
        }
    }
}

#[cfg(test)]
mod tests;
