//! Events of messages: how they end, and those that are left alone.

use std::time::Duration;

use prometheus::IntCounter;

use super::events;
use crate::{
    message::MessageId,
    telemetry::{Each, Ending, WarningSampler},
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
pub struct MessageEnded<'a> {
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
    pub fn emit(&self, ended: &Each<Ending, IntCounter>, warnings: &WarningSampler) {
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
