//! Notifications: who wants to know how messages end is told over SNS.
//!
//! A notification says what the handler said, at the moment it said it; `docs/notifications.md` has what that promises.
//! Nothing here can change a message's outcome: what cannot be told is tried again for a while, beside the work, and
//! then given up, counted and logged.

mod notification;
mod pending;
mod sender;
mod settings;

use std::{collections::BTreeMap, sync::Arc};

use tokio_util::sync::CancellationToken;

pub use self::{notification::Notice, settings::Settings};
use self::{
    pending::Pending,
    sender::{Courier, Route},
};
use crate::{
    sns::{Publisher, TopicArn},
    tasks::{End, Tasks},
    telemetry::{Notified, Occasion, QueueMetrics, context::TraceContext, events},
};

/// What finds a topic's publisher.
pub type Publishers = Arc<dyn Fn(&TopicArn) -> Arc<dyn Publisher> + Send + Sync>;

/// What is told of a queue's messages, and through whom.
#[derive(Clone)]
pub struct Plan {
    /// What is told, and to whom.
    pub settings: Settings,
    /// Who publishes to each topic.
    pub publishers: Publishers,
}

/// Tells of one queue's messages; clones share the work.
#[derive(Clone)]
pub struct Notifier(Arc<Inner>);

struct Inner {
    queue: Arc<str>,
    settings: Settings,
    couriers: BTreeMap<TopicArn, Courier>,
    pending: Pending,
    metrics: Arc<QueueMetrics>,
    end: CancellationToken,
}

impl Notifier {
    /// Starts what tells of the messages of this queue.
    pub fn start(queue: Arc<str>, plan: &Plan, metrics: Arc<QueueMetrics>, tasks: &Tasks) -> Self {
        let Plan { settings, publishers } = plan;
        let (pending, end) = (Pending::default(), CancellationToken::new());
        let mut couriers = BTreeMap::new();
        for topic in settings.topics() {
            let route = Route {
                queue: queue.clone(),
                topic: topic.clone(),
                publisher: publishers(topic),
                give_up_after: settings.give_up_after.0,
                pending: pending.clone(),
                metrics: metrics.clone(),
            };
            let (courier, run) = Courier::new(route, end.clone());
            tasks.spawn("notify", End::Fine, run);
            couriers.insert(topic.clone(), courier);
        }
        Self(Arc::new(Inner { queue, settings: settings.clone(), couriers, pending, metrics, end }))
    }

    /// Tells how a message ended, if anybody wants to know; never waits.
    pub fn ended(&self, notice: &Notice<'_>) {
        let Some(occasion) = notice.occasion() else { return };
        let inner = &*self.0;
        let Some(topic) = inner.settings.topic(occasion) else { return };
        let Some(courier) = inner.couriers.get(topic) else { return };
        let publication = notice.publication(&inner.queue, occasion, topic, inner.settings.include_body);
        if courier.take(notice, occasion, publication).is_err() {
            let message_id = &notice.message.id;
            let _lines = notice.place().as_ref().map(TraceContext::enter);
            events::NotificationDropped { queue: &inner.queue, message_id, occasion }.emit(&inner.metrics);
        }
    }

    /// Waits until everything is told or given up.
    pub async fn flushed(&self) {
        self.0.pending.none().await;
    }

    /// Ends the telling; what is not told by now is not told any more.
    pub fn close(&self) {
        self.0.end.cancel();
        let left = self.0.pending.take_all();
        for (occasion, count) in left {
            self.0.metrics.notifications.of(occasion).of(Notified::Dropped).inc_by(count);
        }
        let count = left.iter().map(|(_, count)| count).sum();
        if count > 0 {
            events::NotificationsAbandoned { queue: &self.0.queue, count }.emit();
        }
    }
}

/// Every occasion, with how many of it are meant.
type Counts = [(Occasion, u64); 3];

#[cfg(test)]
mod tests;
