//! Events of messages: their ends, leases, settlements and notifications.

use std::{
    error::Error,
    fmt,
    num::NonZeroU32,
    time::{Duration, SystemTime},
};

use humantime::format_rfc3339_millis;
use url::Url;

use super::events;
use crate::{
    message::MessageId,
    telemetry::{
        Action, ByLabel, Each, Ending, FailureCause, GiveBackCause, IntCounter, Label as _, Notified,
        Occasion, WarningSampler,
    },
};

events! {
    MESSAGES = "Messages";

    /// The handler answered done.
    debug MessageDone<'a>: "message done" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// The ending.
        ending: Ending as %,
        /// The duration of the call.
        seconds: f64,
        /// The time from the sending of the message to the start of its call.
        queue_wait_seconds: Option<f64>,
        /// The time of its sending.
        sent_at: SentTime as %,
        /// The message's receive count.
        receive_count: u32,
        /// The number of receives after which SQS moves it to the DLQ, if it does.
        max_receive_count: Option<u32>,
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
        /// The cause of the failure, as in `longshore_handler_failures_total`.
        cause: Option<&'a str>,
        /// The handler's reason.
        reason: &'a str,
        /// The duration of the call.
        seconds: f64,
        /// The time from the sending of the message to the start of its call.
        queue_wait_seconds: Option<f64>,
        /// The time of its sending.
        sent_at: SentTime as %,
        /// The message's receive count.
        receive_count: u32,
        /// The number of receives after which SQS moves it to the DLQ, if it does.
        max_receive_count: Option<u32>,
    }
    counts "longshore_messages_ended_total" |event, ended: Each<Ending, IntCounter>| ended.of(event.ending).inc();
    sampled by |event| event.reason;

    /// The handler asked for a retry, was not reached, or did not finish: a time-out, a panic, a lost lease, the drain limit.
    sampled MessageNotDone<'a>: "message not done" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// The ending.
        ending: Ending as %,
        /// The cause of the failure, as in `longshore_handler_failures_total`.
        cause: Option<&'a str>,
        /// The reason of the handler or of the worker.
        reason: &'a str,
        /// The delay after which it comes again; absent if its receives are used up.
        retry_in_seconds: Option<f64>,
        /// The duration of the call.
        seconds: f64,
        /// The time from the sending of the message to the start of its call.
        queue_wait_seconds: Option<f64>,
        /// The time of its sending.
        sent_at: SentTime as %,
        /// The message's receive count.
        receive_count: u32,
        /// The number of receives after which SQS moves it to the DLQ, if it does.
        max_receive_count: Option<u32>,
    }
    counts "longshore_messages_ended_total" |event, ended: Each<Ending, IntCounter>| ended.of(event.ending).inc();
    sampled by |event| event.reason;

    /// A message has used up its receives, by the `maxReceiveCount` of the redrive policy, and was not done: SQS moves it to
    /// the DLQ at its next receive, or the worker copies it there.
    warn MessageExhausted<'a>: "message has used up its receives" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// The ending of its last call.
        ending: Ending as %,
        /// The reason of the handler or of the worker.
        reason: &'a str,
        /// The message's receive count.
        receive_count: u32,
    }
    counts "longshore_messages_exhausted_total" |_event, exhausted: IntCounter| exhausted.inc();

    /// The worker was short of descriptors, processes or memory when the handler was to start, or the handler was not
    /// available: the message waits in this worker.
    sampled MessageKept<'a>: "message kept, it runs again here" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// The cause of the failure, as in `longshore_handler_failures_total`.
        cause: Option<&'a str>,
        /// The refusal of the system or of the handler.
        reason: &'a str,
        /// The message's receive count.
        receive_count: u32,
    }
    counts "longshore_messages_kept_total" |_event, kept: IntCounter| kept.inc();
    sampled by |event| event.reason;

    /// A message was received whose age is four fifths of the queue's retention or more: SQS deletes it unhandled unless it is
    /// done before.
    sampled MessageExpires<'a>: "message nears the end of its retention" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// The time since it was sent.
        age_seconds: u64,
        /// The time for which SQS keeps a message of the queue.
        retention_seconds: u64,
        /// The message's receive count.
        receive_count: u32,
    }
    sampled by |_event| "";

    /// A call of the handler has run for at least a minute, and for twice as long as the longest that was done in the last
    /// hour or two (for five minutes if none was). It is named again whenever its age has doubled.
    sampled CallRunsLong<'a>: "call of the handler runs for unusually long" {
        /// The queue's configured name.
        queue: &'a str,
        /// The id of its first message.
        message_id: &'a MessageId as %,
        /// The number of its messages.
        messages: usize,
        /// The time for which it has run so far.
        seconds: f64,
        /// The first message's receive count.
        receive_count: u32,
    }
    sampled by |_event| "";

    /// A message was given back before its handler started.
    sampled_info MessageGivenBack<'a>: "message given back unrun" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// The cause.
        cause: GiveBackCause as %,
        /// The delay after which it is visible again.
        retry_in_seconds: f64,
        /// The message's receive count.
        receive_count: u32,
        /// The number of receives after which SQS moves it to the DLQ, if it does.
        max_receive_count: Option<u32>,
    }
    counts "longshore_messages_given_back_total" |_event, given_back: IntCounter| given_back.inc();
    sampled by |event| event.cause.as_str();

    /// A message was received again that this worker already runs or has finished.
    sampled DuplicateReceived<'a>: "message received again and not run again" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
    }
    counts "longshore_messages_duplicate_total" |_event, duplicates: IntCounter| duplicates.inc();
    sampled by |_event| "";

    /// A receive returned more messages than were requested; this one is left until its visibility timeout passes.
    warn ExcessReceived<'a>: "message received that was not asked for, and left alone" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
    }
}

/// The time at which a message was sent; SQS gives it with each receive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SentTime(Option<SystemTime>);

impl fmt::Display for SentTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(at) => write!(formatter, "{}", format_rfc3339_millis(at)),
            None => formatter.write_str("unknown"),
        }
    }
}

/// The attempt of a message: the number of its receives, and the most that its queue allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    /// The message's receive count.
    pub receive_count: u32,
    /// The number of receives after which SQS moves it to the DLQ, if it does.
    pub max_receive_count: Option<NonZeroU32>,
}

/// The end of a message's call; logs one of three events.
#[derive(Debug)]
pub(crate) struct MessageEnded<'a> {
    /// The queue's configured name.
    pub queue: &'a str,
    /// The message's id.
    pub message_id: &'a MessageId,
    /// The ending.
    pub ending: Ending,
    /// The cause of the failure, if it is one.
    pub cause: Option<FailureCause>,
    /// The handler's reason; empty if it gave none.
    pub reason: &'a str,
    /// The duration of the call.
    pub took: Duration,
    /// The attempt that ended.
    pub attempt: Attempt,
    /// The time at which the message was sent; absent for a line that is not logged.
    pub sent_at: Option<SystemTime>,
    /// The delay after which the message comes again, if it does.
    pub retry_in: Option<Duration>,
}

impl MessageEnded<'_> {
    /// Logs and counts the event.
    pub(crate) fn emit(&self, ended: &Each<Ending, IntCounter>, warnings: &WarningSampler) {
        let Self { queue, message_id, ending, reason, took, .. } = *self;
        let Attempt { receive_count, max_receive_count } = self.attempt;
        let (max_receive_count, seconds) = (max_receive_count.map(NonZeroU32::get), took.as_secs_f64());
        let age = self.sent_at.map(|at| at.elapsed().unwrap_or_default());
        let queue_wait_seconds = age.map(|age| age.saturating_sub(took).as_secs_f64());
        let (sent_at, cause) = (SentTime(self.sent_at), self.cause.map(FailureCause::as_str));
        match ending {
            Ending::Done => {
                let done = MessageDone {
                    queue,
                    message_id,
                    ending,
                    seconds,
                    queue_wait_seconds,
                    sent_at,
                    receive_count,
                    max_receive_count,
                };
                done.emit(ended);
            }
            Ending::Reject => {
                let rejected = MessageRejected {
                    queue,
                    message_id,
                    ending,
                    cause,
                    reason,
                    seconds,
                    queue_wait_seconds,
                    sent_at,
                    receive_count,
                    max_receive_count,
                };
                rejected.emit(ended, warnings);
            }
            _ => {
                let not_done = MessageNotDone {
                    queue,
                    message_id,
                    ending,
                    cause,
                    reason,
                    retry_in_seconds: self.retry_in.map(|delay| delay.as_secs_f64()),
                    seconds,
                    queue_wait_seconds,
                    sent_at,
                    receive_count,
                    max_receive_count,
                };
                not_done.emit(ended, warnings);
            }
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
        /// The reason.
        reason: &'a str,
    }
    counts "longshore_leases_lost_total" |_event, lost: IntCounter| lost.inc();
}

events! {
    CLAIMS = "Claims";

    /// The store of claims cannot be used: messages wait, none of them runs, and someone may have to act.
    sampled_error ClaimsFail<'a>: "messages cannot be claimed, and wait" {
        /// The queue's configured name.
        queue: &'a str,
        /// The error.
        error: &'a (dyn Error + 'static) as %,
    }
    sampled by |event| &event.error.to_string();

    /// A message was given back because another delivery of its key is in work.
    debug InWorkElsewhere<'a>: "message is in work elsewhere, it comes again later" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// The rest of the other claim, unless it is extended.
        seconds_left: f64,
    }

    /// A claim ended before its message, because it could not be extended in time: the message may run elsewhere, too.
    warn ClaimLost<'a>: "claim lost while its message is in work" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
    }
}

events! {
    ENVELOPES = "Envelopes";

    /// The certificate of a notification's signature cannot be fetched: its message waits.
    warn CertificateDelayed<'a>: "certificate of a signature is not fetched yet, its message waits" {
        /// The queue's configured name.
        queue: &'a str,
        /// The certificate's URL.
        url: &'a Url as %,
        /// The reason.
        error: &'a str,
    }
}

events! {
    PAYLOADS = "Payloads";

    /// The object that a message points to could not be read, because S3 fails: the message waits.
    sampled PayloadDelayed<'a>: "payload is not read from s3 yet, its message waits" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// The error, with the object.
        error: &'a (dyn Error + 'static) as %,
    }
    sampled by |event| &event.error.to_string();

    /// The object of a deleted message could not be deleted, and stays.
    sampled PayloadLeft<'a>: "payload not deleted from s3" {
        /// The queue's configured name.
        queue: &'a str,
        /// The error, with the object.
        error: &'a (dyn Error + 'static) as %,
    }
    sampled by |event| &event.error.to_string();
}

events! {
    SETTLING = "Settling";

    /// SQS has not confirmed the delete, the give-back or the copy of a message for at least a minute: it stays hidden and
    /// keeps its permit. It is named again whenever that time has doubled.
    sampled SettlementWaits<'a>: "message is not settled yet, sqs has not confirmed it" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// The action that was to settle it first.
        action: Action as %,
        /// The time since the end of its call, or of its wait.
        seconds: f64,
    }
    sampled by |event| event.action.as_str();

    /// The reason for a reject does not fit into the message's copy in the DLQ; only this line has it.
    warn ReasonLeftOut<'a>: "message rejected, and the reason does not fit into its copy in the dlq" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// The reason for the reject.
        reason: &'a str,
    }

    /// The DLQ refused the copies of rejected messages, which are retried instead; none of them is deleted.
    sampled_error CopyRefused<'a>: "dlq refuses rejected messages, they are retried and someone must act" {
        /// The queue's configured name.
        queue: &'a str,
        /// The number of messages.
        messages: usize,
        /// The id of the first.
        message_id: &'a MessageId as %,
        /// The error.
        error: &'a str,
    }
    counts "longshore_settle_failures_total" |event, failures: ByLabel<Action, IntCounter>|
        failures.of(Action::Copy).inc_by(event.messages as u64);
    sampled by |event| event.error;

    /// A copy, a delete or a give-back was given up.
    error SettleFailed<'a>: "message not settled" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// The action that failed.
        action: Action as %,
        /// The reason.
        reason: &'a str,
    }
    counts "longshore_settle_failures_total" |event, failures: ByLabel<Action, IntCounter>| failures.of(event.action).inc();
}

events! {
    NOTIFICATIONS = "Notifications";

    /// A notification was dropped, because too many wait.
    sampled NotificationDropped<'a>: "notification dropped, too many wait" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// The occasion.
        occasion: Occasion as %,
    }
    counts "longshore_notifications_total" |event, notifications: ByLabel<Occasion, Each<Notified, IntCounter>>|
        notifications.of(event.occasion).of(Notified::Dropped).inc();
    sampled by |event| event.occasion.as_str();

    /// SNS did not accept a notification, which is retried.
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
        /// The reason.
        reason: &'a str,
    }
    counts "longshore_notifications_total" |event, notifications: ByLabel<Occasion, Each<Notified, IntCounter>>|
        notifications.of(event.occasion).of(Notified::Failed).inc();
    sampled by |event| event.reason;

    /// Notifications were still unsent at the stop.
    warn NotificationsAbandoned<'a>: "notifications dropped at the stop" {
        /// The queue's configured name.
        queue: &'a str,
        /// The number of notifications.
        count: u64,
    }
}
