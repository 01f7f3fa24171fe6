//! Keeps the order of FIFO groups: a message starts when the one before it is settled.

use std::{collections::BTreeMap, num::NonZeroU32, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use super::{
    buffer::Group,
    call::{CallObserver, MessageEnd},
    dispatcher::Dispatcher,
    disposition::{Conclusion, Disposition, DispositionRules},
    preparation::PreparationTasks,
    prepare::HeldMessage,
    settings::OnExhausted,
};
use crate::{
    backoff::Backoff,
    consumer::depth::RedriveView,
    consumer::lease::{Dependent, Lease},
    consumer::metrics::ConsumerMetrics,
    consumer::settle::{Rejection, Settler},
    message::Message,
    queue::QueueAttributes,
    telemetry::{Ending, GiveBackCause, WarningSampler, events},
};

/// The order in which a queue's messages run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Order {
    /// In the order of receipt, many at once.
    #[default]
    None,
    /// The messages of one group one after another.
    Groups,
}

impl Order {
    /// The group of a message, in which it keeps its order; SQS gives every message of a FIFO queue one.
    pub(super) fn group_of(self, message: &Message) -> Option<Group> {
        match self {
            Self::None => None,
            Self::Groups => Some(message.system.group_id.as_deref().unwrap_or_default().into()),
        }
    }
}

impl From<&QueueAttributes> for Order {
    fn from(description: &QueueAttributes) -> Self {
        if description.fifo { Self::Groups } else { Self::None }
    }
}

/// Blocks the later messages of a group until a started message of it is settled.
///
/// If it is dropped without [`Dependent::proceed`], the message may run again, so those behind it are given back.
pub(super) struct GroupTurn {
    dispatcher: Dispatcher,
    group: Group,
    may_proceed: bool,
}

impl GroupTurn {
    pub(super) fn new(dispatcher: Dispatcher, group: Group) -> Self {
        Self { dispatcher, group, may_proceed: false }
    }
}

impl Dependent for GroupTurn {
    fn proceed(mut self: Box<Self>) {
        self.may_proceed = true;
    }

    fn postpone(&mut self, delay: Duration) -> Option<BoxFuture<'static, ()>> {
        self.dispatcher.group_failed(&self.group, delay);
        None
    }
}

impl Drop for GroupTurn {
    fn drop(&mut self) {
        self.dispatcher.turn_ended(&self.group, self.may_proceed);
    }
}

/// The messages of a call behind a rejected one of their group, which wait until that one is copied and deleted.
///
/// If the copy is refused, they are given back together with it.
struct BehindReject {
    settler: OrderedSettler,
    messages: Vec<(HeldMessage, Conclusion)>,
}

impl Dependent for BehindReject {
    fn proceed(mut self: Box<Self>) {
        let messages = std::mem::take(&mut self.messages);
        self.settler.settle_call(messages.into_iter());
    }

    fn postpone(&mut self, delay: Duration) -> Option<BoxFuture<'static, ()>> {
        self.give_back(delay);
        None
    }
}

impl BehindReject {
    fn give_back(&mut self, delay: Duration) {
        for (held, _) in self.messages.drain(..) {
            self.settler.change_visibility(held, delay);
        }
    }
}

impl Drop for BehindReject {
    fn drop(&mut self) {
        self.give_back(Duration::ZERO);
    }
}

/// Hands messages to the settler by their dispositions, in the order of their groups; clones share one state.
#[derive(Clone)]
pub(super) struct OrderedSettler {
    pub(super) queue: Arc<str>,
    /// Limits the lines about messages that are given back, without a part in the limit of warnings.
    pub(super) given_back: Arc<WarningSampler>,
    pub(super) settler: Settler,
    pub(super) redrive: RedriveView,
    pub(super) retry: Backoff,
    pub(super) on_exhausted: OnExhausted,
    pub(super) tasks: PreparationTasks,
    pub(super) observers: Arc<[Arc<dyn CallObserver>]>,
    pub(super) metrics: Arc<ConsumerMetrics>,
}

impl OrderedSettler {
    /// The rules by which outcomes become dispositions now.
    pub(super) fn rules(&self) -> DispositionRules {
        let copies_rejects = self.settler.copies_rejects();
        DispositionRules {
            max_receive_count: self.redrive.max_receive_count(),
            retry: self.retry,
            copies_rejects,
            copies_exhausted: copies_rejects && self.on_exhausted == OnExhausted::Copy,
        }
    }

    /// Settles the messages of a call; those behind a rejected one of their group wait for its copy.
    pub(super) fn settle_call(&self, messages: impl Iterator<Item = (HeldMessage, Conclusion)>) {
        let mut rejects: BTreeMap<Group, RejectedMessage> = BTreeMap::new();
        for (held, conclusion) in messages {
            let is_reject = matches!(conclusion.disposition, Disposition::DeadLetter { .. });
            let ends_it = is_reject || conclusion.disposition == Disposition::Delete;
            match &held.group {
                Some(group) if ends_it && let Some(reject) = rejects.get_mut(group) => {
                    reject.behind.push((held, conclusion));
                }
                Some(group) if is_reject => {
                    let behind = Vec::new();
                    rejects.insert(group.clone(), RejectedMessage { held, conclusion, behind });
                }
                _ => self.settle(held, conclusion),
            }
        }
        for RejectedMessage { mut held, conclusion, behind } in rejects.into_values() {
            if !behind.is_empty() {
                let behind = BehindReject { settler: self.clone(), messages: behind };
                held.lease.add_dependent(Box::new(behind));
            }
            self.settle(held, conclusion);
        }
    }

    /// Settles one message.
    fn settle(&self, mut held: HeldMessage, Conclusion { reason, disposition, .. }: Conclusion) {
        let asks_to_go = matches!(disposition, Disposition::Retry(_) | Disposition::DeadLetter { .. });
        if asks_to_go && self.rules().is_last_attempt(held.message.receive_count) {
            // SQS does not return it again, even if this call fails.
            held.lease.release_dependents();
        }
        match disposition {
            Disposition::Delete => self.delete_done(held),
            Disposition::Retry(delay) => self.change_visibility(held, delay),
            // The dispatcher keeps it; what comes here all the same is given back.
            Disposition::Keep(_) => self.change_visibility(held, Duration::ZERO),
            Disposition::DeadLetter { retry_in } => {
                let (message, lease) = held.into_lease_to_delete();
                self.settler.reject(lease, message, Rejection { reason, retry_in });
            }
            Disposition::Abandon => drop(held),
            Disposition::Remember => {
                held.lease.mark_done();
                if let Some(prepared) = held.prepared.take() {
                    prepared.done_undeleted();
                }
            }
        }
    }

    /// Deletes a message whose handler was done, once the work is done that must precede its deletion.
    fn delete_done(&self, mut held: HeldMessage) {
        let Some(done) = held.prepared.as_ref().and_then(|prepared| prepared.done()) else {
            return self.delete_unrun(held);
        };
        let settler = self.clone();
        self.tasks.spawn(async move {
            let is_held = tokio::select! {
                biased;
                () = done => held.lease.is_held(),
                () = held.lease.lost() => false,
            };
            if !is_held {
                return held.lease.mark_done();
            }
            let is_of_group = held.group.is_some();
            settler.delete_unrun(held);
            if is_of_group {
                settler.flush_now();
            }
        });
    }

    /// Deletes a message without any work before.
    pub(super) fn delete_unrun(&self, held: HeldMessage) {
        self.settler.delete(held.into_lease_to_delete().1);
    }

    /// Deletes a message that was done before.
    pub(super) fn delete_again(&self, lease: Lease) {
        self.settler.delete(lease);
    }

    /// Gives back messages that have not run, visible again after `delay`.
    pub(super) fn give_back(&self, messages: Vec<HeldMessage>, delay: Duration, cause: GiveBackCause) {
        if messages.is_empty() {
            return;
        }
        let rules = self.rules();
        let (queue, max_receive_count) = (&*self.queue, rules.max_receive_count.map(NonZeroU32::get));
        for held in messages {
            let event = events::MessageGivenBack {
                queue,
                message_id: &held.message.id,
                cause,
                retry_in_seconds: delay.as_secs_f64(),
                receive_count: held.message.receive_count,
                max_receive_count,
            };
            {
                let _trace = held.lease.enter_trace();
                event.emit(&self.metrics.given_back, &self.given_back);
            }
            if rules.is_last_attempt(held.message.receive_count) {
                self.note_unrun(&held);
            }
            self.change_visibility(held, delay);
        }
        self.settler.flush_now();
    }

    /// Notes that a message which has not run has no further receive.
    fn note_unrun(&self, HeldMessage { message, lease, .. }: &HeldMessage) {
        let reason = "it was given back before it ran";
        let (ending, took, trace) = (Ending::Retry, Duration::ZERO, lease.trace());
        for observer in &*self.observers {
            observer.message_exhausted(&MessageEnd { message, ending, reason, took, trace });
        }
    }

    /// Takes what this worker adds to the copies of rejected messages off one that came back from the dead-letter queue.
    pub(super) fn restore(&self, message: &mut Message) {
        self.settler.restore(message);
    }

    /// Makes a message visible again after `delay`, once its preparation is undone.
    fn change_visibility(&self, mut held: HeldMessage, delay: Duration) {
        match held.prepared.take() {
            None => self.settler.change_visibility(held.lease, delay),
            Some(prepared) => {
                let settler = self.settler.clone();
                self.tasks.spawn(async move {
                    prepared.undo().await;
                    settler.change_visibility(held.lease, delay);
                });
            }
        }
    }

    /// The number of messages that are not settled yet.
    pub(super) fn pending(&self) -> usize {
        self.settler.pending()
    }

    /// Sends everything that was settled so far without lingering.
    pub(super) fn flush_now(&self) {
        self.settler.flush_now();
    }
}

/// A rejected message of a call, and the messages of its group that wait for its copy.
struct RejectedMessage {
    held: HeldMessage,
    conclusion: Conclusion,
    behind: Vec<(HeldMessage, Conclusion)>,
}
