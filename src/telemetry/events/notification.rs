//! Events of notifications over SNS.

use std::error::Error;

use prometheus::IntCounter;

use super::events;
use crate::{
    message::MessageId,
    telemetry::{ByLabel, Each, Notified, Occasion},
};

events! {
    NOTIFICATIONS = "Notifications";

    /// A notification was not taken in, because too many wait.
    sampled NotificationDropped<'a>: "notification dropped, too many wait" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// The occasion.
        occasion: Occasion as %,
    }
    counts "longshore_notifications_total" |event, notifications: ByLabel<Occasion, Each<Notified, IntCounter>>, warnings|
        notifications.of(event.occasion).of(Notified::Dropped).inc();

    /// SNS did not take a notification, which is tried again.
    debug NotificationDelayed<'a>: "notification is tried again" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// The topic's ARN.
        topic: &'a str,
        /// The error.
        error: &'a (dyn Error + 'static) as %,
        /// The number of attempts that failed.
        attempt: u32,
    }

    /// A notification was given up.
    sampled NotificationFailed<'a>: "notification given up" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// The topic's ARN.
        topic: &'a str,
        /// The occasion.
        occasion: Occasion as %,
        /// Why.
        reason: &'a str,
    }
    counts "longshore_notifications_total" |event, notifications: ByLabel<Occasion, Each<Notified, IntCounter>>, warnings|
        notifications.of(event.occasion).of(Notified::Failed).inc();

    /// Notifications were left over at the end.
    warn NotificationsAbandoned<'a>: "notifications dropped at the stop" {
        /// The queue's configured name.
        queue: &'a str,
        /// The number of notifications.
        count: u64,
    }
}
