//! Events of messages: how they end, and those that are left alone.

use std::{error::Error, time::Duration};

use prometheus::IntCounter;

use super::events;
use crate::{
    message::MessageId,
    telemetry::{Action, ByLabel, Each, Ending, Notified, Occasion, WarningSampler},
};

events! {
    MESSAGES = "Messages";

    /// The handler said done.
    debug MessageDone<'a>: "message done" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// The ending.
        ending: Ending as %,
        /// The duration of the call.
        seconds: f64,
        /// The message's receive count.
        receive_count: u32,
    }
    counts "longshore_messages_ended_total" |event, ended: Each<Ending, IntCounter>| ended.of(event.ending).inc();

    /// The handler rejected the message.
    sampled MessageRejected<'a>: "message rejected" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// The ending.
        ending: Ending as %,
        /// The handler's words.
        reason: &'a str,
        /// The duration of the call.
        seconds: f64,
        /// The message's receive count.
        receive_count: u32,
    }
    counts "longshore_messages_ended_total" |event, ended: Each<Ending, IntCounter>, warnings| ended.of(event.ending).inc();

    /// The handler asked for a retry, or did not come to its end: the time limit, a panic, a lost lease, the drain limit.
    sampled MessageNotDone<'a>: "message not done" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// The ending.
        ending: Ending as %,
        /// The handler's words, or ours.
        reason: &'a str,
        /// The duration of the call.
        seconds: f64,
        /// The message's receive count.
        receive_count: u32,
    }
    counts "longshore_messages_ended_total" |event, ended: Each<Ending, IntCounter>, warnings| ended.of(event.ending).inc();

    /// A message came again that this worker runs already or is done with.
    sampled DuplicateReceived<'a>: "message received again and not run again" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
    }
    counts "longshore_messages_duplicate_total" |_event, duplicates: IntCounter, warnings| duplicates.inc();

    /// A server answered a receive with more messages than it was asked for; this one is left to its visibility.
    warn ExcessReceived<'a>: "message received that was not asked for, and left alone" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
    }
}

/// A handler ended, in whatever way: one of three events.
#[derive(Debug)]
pub(crate) struct MessageEnded<'a> {
    /// The queue's configured name.
    pub queue: &'a str,
    /// The message's id.
    pub message_id: &'a MessageId,
    /// The ending.
    pub ending: Ending,
    /// The handler's words, if it had any.
    pub reason: &'a str,
    /// The duration of the call.
    pub took: Duration,
    /// The message's receive count.
    pub receive_count: u32,
}

impl MessageEnded<'_> {
    /// Logs and counts the event.
    pub(crate) fn emit(&self, ended: &Each<Ending, IntCounter>, warnings: &WarningSampler) {
        let Self { queue, message_id, ending, reason, took, receive_count } = *self;
        let seconds = took.as_secs_f64();
        match ending {
            Ending::Done => {
                MessageDone { queue, message_id, ending, seconds, receive_count }.emit(ended);
            }
            Ending::Reject => {
                MessageRejected { queue, message_id, ending, reason, seconds, receive_count }
                    .emit(ended, warnings);
            }
            _ => MessageNotDone { queue, message_id, ending, reason, seconds, receive_count }
                .emit(ended, warnings),
        }
    }
}

events! {
    LEASES = "Leases";

    /// A lease was lost before its message was settled: the message may run elsewhere by now.
    error LeaseLost<'a>: "lease lost" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// The evidence.
        reason: &'a str,
    }
    counts "longshore_leases_lost_total" |_event, lost: IntCounter| lost.inc();
}

events! {
    SETTLING = "Settling";

    /// The copy of a rejected message has no room for the reason, which is in this line alone.
    warn ReasonLeftOut<'a>: "message rejected, and its copy has no room for the reason" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// Why it was rejected.
        reason: &'a str,
    }

    /// The DLQ refused the copies of rejected messages, which are retried instead; nothing of them is deleted.
    sampled_error CopyRefused<'a>: "dlq refuses rejected messages, they are retried and someone must act" {
        /// The queue's configured name.
        queue: &'a str,
        /// The number of messages.
        messages: usize,
        /// The first of them.
        message_id: &'a MessageId as %,
        /// Why.
        error: &'a str,
    }
    counts "longshore_settle_failures_total" |event, failures: ByLabel<Action, IntCounter>, warnings|
        failures.of(Action::Copy).inc_by(event.messages as u64);

    /// A copy, a delete or a give-back was given up.
    error SettleFailed<'a>: "message not settled" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// The action that failed.
        action: Action as %,
        /// Why.
        reason: &'a str,
    }
    counts "longshore_settle_failures_total" |event, failures: ByLabel<Action, IntCounter>| failures.of(event.action).inc();
}

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
