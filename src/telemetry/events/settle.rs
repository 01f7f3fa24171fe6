//! Events of outcomes on their way to SQS.

use prometheus::IntCounter;

use super::events;
use crate::{
    message::MessageId,
    telemetry::{Action, ByLabel},
};

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
