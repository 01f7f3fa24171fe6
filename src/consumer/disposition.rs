//! Decides the disposition of each message after its call: delete, retry, dead-letter or abandon; pure.

use std::{
    any::Any,
    collections::{BTreeMap, btree_map},
    num::NonZeroU32,
    time::Duration,
};

use super::{breaker::KeptFailures, buffer::Group};
use crate::{backoff::Backoff, duration::Span, handler::Outcome, telemetry::Ending};

/// The way in which a message is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disposition {
    /// Delete it.
    Delete,
    /// Make it visible after this delay.
    Retry(Duration),
    /// Copy it to the DLQ and delete it; if the DLQ refuses the copy, make it visible after this delay.
    DeadLetter {
        /// The delay after a refused copy.
        retry_in: Duration,
    },
    /// Keep it, and run it here once that is possible.
    Keep(KeptFor),
    /// Nothing: its lease is lost.
    Abandon,
    /// Remember that it is done, to delete it when it is received again: its lease is lost.
    Remember,
}

/// The cause for which a message is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeptFor {
    /// The worker's own resources.
    Resources,
    /// The handler.
    Handler,
    /// The handler, which could not be reached.
    HandlerDown,
}

/// The end of one message's call, with the handler's reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Conclusion {
    /// `None` if it is kept: its call does not count.
    pub(super) ending: Option<Ending>,
    pub(super) reason: String,
    pub(super) disposition: Disposition,
}

impl Conclusion {
    fn new(ending: Ending, reason: impl Into<String>, disposition: Disposition) -> Self {
        Self { ending: Some(ending), reason: reason.into(), disposition }
    }

    fn kept(kept_for: KeptFor, reason: impl Into<String>) -> Self {
        Self { ending: None, reason: reason.into(), disposition: Disposition::Keep(kept_for) }
    }

    /// The cause for which the message is kept, if it is.
    pub(super) fn kept_for(&self) -> Option<KeptFor> {
        match self.disposition {
            Disposition::Keep(kept_for) => Some(kept_for),
            _ => None,
        }
    }

    pub(super) fn lease_lost() -> Self {
        Self::new(Ending::LeaseLost, "the lease was lost", Disposition::Abandon)
    }

    /// The message is visible to other workers, and this one will not run it again.
    fn done_too_late() -> Self {
        let reason = "the lease was lost before the handler was done";
        Self::new(Ending::LeaseLost, reason, Disposition::Remember)
    }

    fn drained(reason: impl Into<String>) -> Self {
        Self::new(Ending::Drained, reason, Disposition::Retry(Duration::ZERO))
    }

    /// A message behind a failed one of its group does not count as done.
    fn behind_a_failure(delay: Duration) -> Self {
        let reason = "an earlier message of its group is to come again first";
        Self::new(Ending::Retry, reason, Disposition::Retry(delay))
    }

    /// A message behind a kept one of its group is kept, too: it runs again after that one.
    fn behind_a_kept(kept_for: KeptFor) -> Self {
        Self::kept(kept_for, "an earlier message of its group is to run first")
    }
}

/// The end of a call of the handler.
pub(super) enum CallEnd {
    /// The handler returned one outcome for each message.
    Answered(Vec<Outcome>),
    Panicked(Box<dyn Any + Send>),
    /// This time limit passed.
    TimedOut(Duration),
    /// The call was cancelled and did not end in time.
    Cancelled,
}

/// The state of a message's lease at the end of its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeaseStatus {
    Held,
    /// Held, and its handler was cancelled because the drain limit is over.
    Cancelled,
    Lost,
}

/// The facts about a message on which its disposition depends, apart from the outcome.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessageFacts<'a> {
    pub(super) group: Option<&'a Group>,
    pub(super) receive_count: u32,
    pub(super) lease: LeaseStatus,
    /// The failures after which it is kept.
    pub(super) kept_failures: KeptFailures,
}

/// The groups that failed in a call, with the delay after which the first failed message is visible again.
pub(super) type FailedInCall = BTreeMap<Group, Duration>;

/// The rules of one queue by which outcomes become dispositions.
#[derive(Clone, Copy, Debug)]
pub(super) struct DispositionRules {
    /// The number of receives after which SQS moves a message to the dead-letter queue, if known.
    pub(super) max_receive_count: Option<NonZeroU32>,
    pub(super) retry: Backoff,
    /// True if a rejected message is copied to a DLQ; otherwise a reject is a retry.
    pub(super) copies_rejects: bool,
    /// True if a message that fails at its last attempt is copied there, too; otherwise SQS moves it.
    pub(super) copies_exhausted: bool,
}

impl DispositionRules {
    /// True if SQS will move the message to the dead-letter queue unless it is deleted.
    pub(super) fn is_last_attempt(&self, receive_count: u32) -> bool {
        self.max_receive_count.is_some_and(|most| receive_count >= most.get())
    }

    /// The delay after which a message runs again, so that those behind it in its group come again with it.
    ///
    /// `None` if it does not: a message that fails at its last attempt is moved to the dead-letter queue by SQS, and the
    /// group goes on.
    pub(super) fn retried_in(&self, disposition: Disposition, receive_count: u32) -> Option<Duration> {
        match disposition {
            Disposition::Retry(delay) => (!self.is_last_attempt(receive_count)).then_some(delay),
            Disposition::Abandon | Disposition::Remember => Some(Duration::ZERO),
            Disposition::Delete | Disposition::DeadLetter { .. } | Disposition::Keep(_) => None,
        }
    }

    /// The delay after which a message with this conclusion comes again by the queue's retries, if it does.
    pub(super) fn retry_in(&self, conclusion: &Conclusion, receive_count: u32) -> Option<Duration> {
        match conclusion.disposition {
            Disposition::Retry(delay) if !self.is_last_attempt(receive_count) => Some(delay),
            _ => None,
        }
    }

    /// True if a message with this conclusion has used up its receives: it is in the dead-letter queue next, and was not
    /// rejected.
    pub(super) fn is_exhausted(&self, conclusion: &Conclusion, receive_count: u32) -> bool {
        let comes_no_more = match conclusion.disposition {
            Disposition::Retry(_) | Disposition::Abandon | Disposition::Remember => true,
            Disposition::DeadLetter { .. } => conclusion.ending != Some(Ending::Reject),
            Disposition::Delete | Disposition::Keep(_) => false,
        };
        comes_no_more && self.is_last_attempt(receive_count)
    }

    /// Copies a message that failed at its last attempt to the dead-letter queue, if the settings say so.
    ///
    /// One that a stop cut off, or that waits for an earlier one of its group, has not failed: it is left to SQS.
    fn copy_if_exhausted(&self, conclusion: &mut Conclusion, receive_count: u32) {
        let has_failed = matches!(
            conclusion.ending,
            Some(Ending::Retry | Ending::TimedOut | Ending::Panicked | Ending::Down)
        );
        if let Disposition::Retry(retry_in) = conclusion.disposition
            && has_failed
            && self.copies_exhausted
            && self.is_last_attempt(receive_count)
        {
            conclusion.disposition = Disposition::DeadLetter { retry_in };
        }
    }

    /// Concludes a call for each of its messages, in the order of the batch.
    pub(super) fn conclude<'a>(
        &self,
        end: CallEnd,
        messages: impl ExactSizeIterator<Item = MessageFacts<'a>> + Clone,
    ) -> (Vec<Conclusion>, FailedInCall) {
        let mut conclusions = self.conclude_each(end, messages.clone());
        let (mut failed, mut kept) = (FailedInCall::new(), BTreeMap::new());
        for (message, conclusion) in messages.zip(&mut conclusions) {
            self.copy_if_exhausted(conclusion, message.receive_count);
            if let Some(group) = message.group {
                if let Some(kept_for) = kept.get(group) {
                    *conclusion = match conclusion.disposition {
                        Disposition::Abandon | Disposition::Remember => Conclusion::lease_lost(),
                        _ => Conclusion::behind_a_kept(*kept_for),
                    };
                }
                let retried_in = self.retried_in(conclusion.disposition, message.receive_count);
                keep_group_order(group, retried_in, conclusion, &mut failed);
                if let Some(kept_for) = conclusion.kept_for() {
                    kept.insert(group, kept_for);
                }
            }
        }
        (conclusions, failed)
    }

    fn conclude_each<'a>(
        &self,
        end: CallEnd,
        messages: impl ExactSizeIterator<Item = MessageFacts<'a>>,
    ) -> Vec<Conclusion> {
        match end {
            CallEnd::Answered(outcomes) => {
                let answered = outcomes.into_iter().zip(messages);
                answered.map(|(outcome, message)| self.conclude_outcome(outcome, &message)).collect()
            }
            CallEnd::Panicked(panic) => {
                let reason = panic_message(&*panic);
                messages.map(|message| self.conclude_panic(reason, &message)).collect()
            }
            CallEnd::TimedOut(limit) => {
                let reason = format!("the time limit of {} passed", Span(limit));
                let conclude = |message: MessageFacts<'_>| {
                    Conclusion::new(Ending::TimedOut, &*reason, self.retry(&message))
                };
                messages.map(conclude).collect()
            }
            CallEnd::Cancelled => messages.map(|message| conclude_cancelled(message.lease)).collect(),
        }
    }

    /// The outcome counts only while the lease is held; afterwards, that the handler was done is remembered.
    ///
    /// A handler that fails after it was cancelled did not fail because of its message, which is visible again at once.
    pub(super) fn conclude_outcome(&self, outcome: Outcome, message: &MessageFacts<'_>) -> Conclusion {
        let is_cancelled = match message.lease {
            LeaseStatus::Lost if outcome == Outcome::Done => return Conclusion::done_too_late(),
            LeaseStatus::Lost => return Conclusion::lease_lost(),
            LeaseStatus::Cancelled => true,
            LeaseStatus::Held => false,
        };
        match outcome {
            Outcome::Done => Conclusion::new(Ending::Done, "", Disposition::Delete),
            Outcome::Reject(reason) => Conclusion::new(Ending::Reject, reason, self.reject(message)),
            Outcome::Retry(reason)
            | Outcome::RetryIn(_, reason)
            | Outcome::Down(reason)
            | Outcome::Unavailable { reason, .. }
            | Outcome::Crashed(reason)
            | Outcome::ShortOfResources(reason)
                if is_cancelled =>
            {
                Conclusion::drained(reason)
            }
            Outcome::Unavailable { reason, .. } if self.keeps_unavailable(message) => {
                Conclusion::kept(KeptFor::Handler, reason)
            }
            Outcome::Crashed(reason) if self.keeps_crashed(message) => {
                Conclusion::kept(KeptFor::Handler, reason)
            }
            Outcome::Retry(reason) if message.kept_failures == KeptFailures::All => {
                Conclusion::kept(KeptFor::Handler, reason)
            }
            Outcome::Unavailable { reason, retry_in } => {
                let delay = retry_in.unwrap_or_else(|| self.retry_delay(message));
                Conclusion::new(Ending::Retry, reason, Disposition::Retry(delay))
            }
            Outcome::Retry(reason) | Outcome::Crashed(reason) => {
                Conclusion::new(Ending::Retry, reason, self.retry(message))
            }
            Outcome::RetryIn(delay, reason) => {
                Conclusion::new(Ending::Retry, reason, Disposition::Retry(delay))
            }
            Outcome::Down(reason) if self.keeps_unreached(message) => {
                Conclusion::kept(KeptFor::HandlerDown, reason)
            }
            Outcome::Down(reason) => Conclusion::new(Ending::Down, reason, self.retry(message)),
            Outcome::ShortOfResources(reason) => Conclusion::kept(KeptFor::Resources, reason),
        }
    }

    /// Concludes a message whose preparation failed; one that is short of resources is tried again, as it cannot wait here.
    pub(super) fn conclude_preparation(&self, outcome: Outcome, message: &MessageFacts<'_>) -> Conclusion {
        let outcome = match outcome {
            Outcome::ShortOfResources(reason) => Outcome::Retry(reason),
            outcome => outcome,
        };
        let mut conclusion = self.conclude_outcome(outcome, message);
        self.copy_if_exhausted(&mut conclusion, message.receive_count);
        conclusion
    }

    fn keeps_unavailable(&self, message: &MessageFacts<'_>) -> bool {
        match message.kept_failures {
            KeptFailures::None | KeptFailures::UnreachedAtLastAttempt => false,
            KeptFailures::UncrashedAtLastAttempt | KeptFailures::UnavailableAtLastAttempt => {
                self.is_last_attempt(message.receive_count)
            }
            KeptFailures::UnavailableUnlessCrashed | KeptFailures::Unavailable | KeptFailures::All => true,
        }
    }

    fn keeps_crashed(&self, message: &MessageFacts<'_>) -> bool {
        let lets_crashed_go = matches!(
            message.kept_failures,
            KeptFailures::UncrashedAtLastAttempt | KeptFailures::UnavailableUnlessCrashed
        );
        !lets_crashed_go && self.keeps_unavailable(message)
    }

    /// Given back, a message at its last attempt would be in the dead-letter queue without having run.
    fn keeps_unreached(&self, message: &MessageFacts<'_>) -> bool {
        message.kept_failures != KeptFailures::None && self.is_last_attempt(message.receive_count)
    }

    fn conclude_panic(&self, reason: &str, message: &MessageFacts<'_>) -> Conclusion {
        match message.lease {
            LeaseStatus::Lost => Conclusion::lease_lost(),
            LeaseStatus::Held | LeaseStatus::Cancelled => {
                Conclusion::new(Ending::Panicked, reason, self.retry(message))
            }
        }
    }

    fn retry(&self, message: &MessageFacts<'_>) -> Disposition {
        Disposition::Retry(self.retry_delay(message))
    }

    fn reject(&self, message: &MessageFacts<'_>) -> Disposition {
        let retry_in = self.retry_delay(message);
        if self.copies_rejects { Disposition::DeadLetter { retry_in } } else { Disposition::Retry(retry_in) }
    }

    fn retry_delay(&self, message: &MessageFacts<'_>) -> Duration {
        // SQS moves it to the dead-letter queue at its next receive, and until then its group is blocked.
        let is_moved = message.group.is_some() && self.is_last_attempt(message.receive_count);
        if is_moved { Duration::ZERO } else { self.retry.random_delay(message.receive_count) }
    }
}

fn conclude_cancelled(lease: LeaseStatus) -> Conclusion {
    match lease {
        LeaseStatus::Lost => Conclusion::lease_lost(),
        LeaseStatus::Held | LeaseStatus::Cancelled => Conclusion::drained("the drain limit passed"),
    }
}

/// Gives back every message behind a failed one of its group, regardless of its outcome.
fn keep_group_order(
    group: &Group,
    retried_in: Option<Duration>,
    conclusion: &mut Conclusion,
    failed: &mut FailedInCall,
) {
    match failed.entry(group.clone()) {
        btree_map::Entry::Occupied(delay) => {
            *conclusion = match conclusion.disposition {
                Disposition::Abandon | Disposition::Remember => Conclusion::lease_lost(),
                _ => Conclusion::behind_a_failure(*delay.get()),
            };
        }
        btree_map::Entry::Vacant(entry) => {
            if let Some(delay) = retried_in {
                entry.insert(delay);
            }
        }
    }
}

/// The message of a panic.
fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::backoff::Jitter;

    const SECOND: Duration = Duration::from_secs(1);

    fn rules(max_receive_count: u32, copies_rejects: bool) -> DispositionRules {
        let retry = Backoff { initial: SECOND, factor: 2.0, max: SECOND * 60, jitter: Jitter::None };
        let max_receive_count = NonZeroU32::new(max_receive_count);
        DispositionRules { max_receive_count, retry, copies_rejects, copies_exhausted: false }
    }

    fn facts(lease: LeaseStatus) -> MessageFacts<'static> {
        MessageFacts { group: None, receive_count: 2, lease, kept_failures: KeptFailures::None }
    }

    fn conclude_one(outcome: Outcome, lease: LeaseStatus) -> (Ending, Disposition) {
        let Conclusion { ending, disposition, .. } = rules(3, true).conclude_outcome(outcome, &facts(lease));
        (ending.unwrap(), disposition)
    }

    #[test]
    fn each_outcome_has_its_disposition_while_the_lease_is_held() {
        let of = |outcome| conclude_one(outcome, LeaseStatus::Held);
        let reason = || "reason".to_owned();
        assert_eq!(of(Outcome::Done), (Ending::Done, Disposition::Delete));
        assert_eq!(of(Outcome::Retry(reason())), (Ending::Retry, Disposition::Retry(SECOND * 2)));
        let in_a_minute = Outcome::RetryIn(SECOND * 60, reason());
        assert_eq!(of(in_a_minute), (Ending::Retry, Disposition::Retry(SECOND * 60)));
        let dead_letter = Disposition::DeadLetter { retry_in: SECOND * 2 };
        assert_eq!(of(Outcome::Reject(reason())), (Ending::Reject, dead_letter));
        assert_eq!(of(Outcome::Down(reason())), (Ending::Down, Disposition::Retry(SECOND * 2)));
    }

    #[test]
    fn a_message_whose_call_fell_short_is_kept_and_has_not_ended() {
        let short = Outcome::ShortOfResources("too many open files".to_owned());
        let conclusion = rules(3, true).conclude_outcome(short, &facts(LeaseStatus::Held));
        assert_eq!(conclusion, Conclusion::kept(KeptFor::Resources, "too many open files"));
    }

    #[test]
    fn an_unavailable_handler_is_a_retry_unless_such_failures_are_kept() {
        let of = |kept_failures, receive_count, outcome| {
            let message = MessageFacts { receive_count, kept_failures, ..facts(LeaseStatus::Held) };
            rules(3, true).conclude_outcome(outcome, &message).disposition
        };
        let (unavailable, kept) = (|| Outcome::unavailable("502"), Disposition::Keep(KeptFor::Handler));
        let retry = Disposition::Retry(SECOND * 2);
        assert_eq!(of(KeptFailures::None, 2, unavailable()), retry);
        assert_eq!(of(KeptFailures::UnavailableAtLastAttempt, 2, unavailable()), retry);
        assert_eq!(of(KeptFailures::UnavailableAtLastAttempt, 3, unavailable()), kept);
        assert_eq!(of(KeptFailures::Unavailable, 1, unavailable()), kept);
        assert_eq!(of(KeptFailures::Unavailable, 2, Outcome::Retry(String::new())), retry);
        assert_eq!(of(KeptFailures::All, 2, Outcome::Retry(String::new())), kept);
        let asked = Outcome::Unavailable { reason: String::new(), retry_in: Some(SECOND * 9) };
        assert_eq!(of(KeptFailures::None, 2, asked), Disposition::Retry(SECOND * 9));
    }

    #[test]
    fn a_message_that_may_have_ended_the_handler_is_kept_unless_it_may_be_the_cause() {
        let of = |kept_failures, receive_count| {
            let message = MessageFacts { receive_count, kept_failures, ..facts(LeaseStatus::Held) };
            let outcome = Outcome::Crashed(String::new());
            rules(3, true).conclude_outcome(outcome, &message).kept_for() == Some(KeptFor::Handler)
        };
        assert!(of(KeptFailures::Unavailable, 2) && of(KeptFailures::UnavailableAtLastAttempt, 3));
        assert!(!of(KeptFailures::None, 3) && !of(KeptFailures::UnavailableAtLastAttempt, 2));
        assert!(!of(KeptFailures::UnavailableUnlessCrashed, 3));
    }

    #[test]
    fn a_retry_comes_again_after_its_delay_unless_it_was_the_last() {
        let of = |disposition, receive_count| {
            let conclusion = Conclusion::new(Ending::Retry, "", disposition);
            rules(3, true).retry_in(&conclusion, receive_count)
        };
        assert_eq!(of(Disposition::Retry(SECOND), 2), Some(SECOND));
        assert_eq!(of(Disposition::Retry(SECOND), 3), None);
        assert_eq!(of(Disposition::Abandon, 2), None);
    }

    #[test]
    fn once_the_lease_is_lost_an_outcome_settles_nothing_and_done_is_remembered() {
        for outcome in [Outcome::Reject(String::new()), Outcome::Retry(String::new())] {
            let lost = (Ending::LeaseLost, Disposition::Abandon);
            assert_eq!(conclude_one(outcome, LeaseStatus::Lost), lost);
        }
        let remembered = (Ending::LeaseLost, Disposition::Remember);
        assert_eq!(conclude_one(Outcome::Done, LeaseStatus::Lost), remembered);
    }

    #[test]
    fn a_cancelled_handler_gives_its_message_back_at_once_unless_it_is_done() {
        let at_once = (Ending::Drained, Disposition::Retry(Duration::ZERO));
        let of = |outcome| conclude_one(outcome, LeaseStatus::Cancelled);
        assert_eq!(of(Outcome::Retry(String::new())), at_once);
        assert_eq!(of(Outcome::RetryIn(SECOND, String::new())), at_once);
        assert_eq!(of(Outcome::ShortOfResources(String::new())), at_once);
        assert_eq!(of(Outcome::Done), (Ending::Done, Disposition::Delete));
    }

    #[test]
    fn a_reject_without_a_dlq_is_a_retry() {
        let reject = Outcome::Reject("bad".to_owned());
        let conclusion = rules(0, false).conclude_outcome(reject, &facts(LeaseStatus::Held));
        assert_eq!(conclusion, Conclusion::new(Ending::Reject, "bad", Disposition::Retry(SECOND * 2)));
    }

    #[test]
    fn the_last_attempt_of_a_group_is_given_back_at_once() {
        let of = |group: Option<&Group>, receive_count| {
            let message = MessageFacts {
                group,
                receive_count,
                lease: LeaseStatus::Held,
                kept_failures: KeptFailures::None,
            };
            rules(3, true).conclude_outcome(Outcome::Retry(String::new()), &message).disposition
        };
        let group = Group::from("a".to_owned());
        assert_eq!(of(Some(&group), 3), Disposition::Retry(Duration::ZERO));
        assert_eq!(of(Some(&group), 2), Disposition::Retry(SECOND * 2));
        assert_eq!(of(None, 3), Disposition::Retry(SECOND * 4));
    }

    fn copying(receive_count: u32, outcome: Outcome, lease: LeaseStatus) -> (Conclusion, bool) {
        let rules = DispositionRules { copies_exhausted: true, ..rules(3, true) };
        let message = MessageFacts { receive_count, ..facts(lease) };
        let (conclusions, _) = rules.conclude(CallEnd::Answered(vec![outcome]), [message].into_iter());
        let is_exhausted = rules.is_exhausted(&conclusions[0], receive_count);
        (conclusions[0].clone(), is_exhausted)
    }

    #[test]
    fn a_failure_of_the_last_attempt_is_copied_if_the_settings_say_so() {
        let of = |receive_count, outcome| {
            let (conclusion, is_exhausted) = copying(receive_count, outcome, LeaseStatus::Held);
            (conclusion.ending.unwrap(), conclusion.disposition, is_exhausted)
        };
        let (reason, minute) = (|| "reason".to_owned(), SECOND * 60);
        let dead_letter = |retry_in| Disposition::DeadLetter { retry_in };
        let retry = || Outcome::Retry(reason());
        assert_eq!(of(2, retry()), (Ending::Retry, Disposition::Retry(SECOND * 2), false));
        assert_eq!(of(3, retry()), (Ending::Retry, dead_letter(SECOND * 4), true));
        assert_eq!(of(3, Outcome::RetryIn(minute, reason())), (Ending::Retry, dead_letter(minute), true));
        assert_eq!(of(3, Outcome::unavailable("")), (Ending::Retry, dead_letter(SECOND * 4), true));
        assert_eq!(of(3, Outcome::Down(reason())), (Ending::Down, dead_letter(SECOND * 4), true));
        assert_eq!(of(3, Outcome::Reject(reason())), (Ending::Reject, dead_letter(SECOND * 4), false));
        assert_eq!(of(3, Outcome::Done), (Ending::Done, Disposition::Delete, false));
    }

    #[test]
    fn a_message_that_a_stop_or_a_lost_lease_has_cut_off_is_exhausted_and_not_copied() {
        for (outcome, lease, disposition) in [
            (Outcome::Retry(String::new()), LeaseStatus::Cancelled, Disposition::Retry(Duration::ZERO)),
            (Outcome::Retry(String::new()), LeaseStatus::Lost, Disposition::Abandon),
            (Outcome::Done, LeaseStatus::Lost, Disposition::Remember),
        ] {
            let (conclusion, is_exhausted) = copying(3, outcome.clone(), lease);
            assert_eq!((conclusion.disposition, is_exhausted), (disposition, true), "{outcome:?}");
            assert!(!copying(2, outcome, lease).1);
        }
    }

    #[test]
    fn behind_a_failed_message_one_whose_lease_is_lost_is_left_alone() {
        let group: Group = "a".into();
        let facts = [LeaseStatus::Held, LeaseStatus::Lost]
            .map(|lease| MessageFacts { group: Some(&group), ..facts(lease) });
        for second in [Outcome::Done, Outcome::Retry(String::new())] {
            let end = CallEnd::Answered(vec![Outcome::Retry(String::new()), second]);
            let (conclusions, _) = rules(3, true).conclude(end, facts.into_iter());
            assert_eq!(conclusions[1], Conclusion::lease_lost());
        }
    }

    #[test]
    fn behind_a_failed_message_nothing_is_copied() {
        let rules = DispositionRules { copies_exhausted: true, ..rules(3, true) };
        let group: Group = "a".into();
        let facts = [2, 3].map(|receive_count| MessageFacts {
            group: Some(&group),
            receive_count,
            ..facts(LeaseStatus::Held)
        });
        let outcomes = vec![Outcome::Retry(String::new()); 2];
        let (conclusions, _) = rules.conclude(CallEnd::Answered(outcomes), facts.into_iter());
        let dispositions: Vec<_> = conclusions.iter().map(|conclusion| conclusion.disposition).collect();
        assert_eq!(dispositions, [Disposition::Retry(SECOND * 2); 2]);
        assert!(rules.is_exhausted(&conclusions[1], 3));
    }

    #[test]
    fn without_a_redrive_policy_no_attempt_is_the_last() {
        let rules = DispositionRules { copies_exhausted: true, ..rules(0, true) };
        let message = MessageFacts { receive_count: 1_000, ..facts(LeaseStatus::Held) };
        let (conclusions, _) =
            rules.conclude(CallEnd::Answered(vec![Outcome::Retry(String::new())]), [message].into_iter());
        assert!(matches!(conclusions[0].disposition, Disposition::Retry(_)));
        assert!(!rules.is_exhausted(&conclusions[0], 1_000));
    }

    #[test]
    fn the_message_of_a_panic_is_its_text() {
        assert_eq!(panic_message(&"full"), "full");
        assert_eq!(panic_message(&"disk full".to_owned()), "disk full");
        assert_eq!(panic_message(&7), "a panic without a message");
    }

    #[test]
    fn behind_a_kept_message_of_its_group_all_are_kept() {
        let group: Group = "a".into();
        let facts = [LeaseStatus::Held, LeaseStatus::Held, LeaseStatus::Lost]
            .map(|lease| MessageFacts { group: Some(&group), ..facts(lease) });
        let outcomes = vec![Outcome::ShortOfResources(String::new()), Outcome::Done, Outcome::Done];
        let (conclusions, failed) = rules(3, true).conclude(CallEnd::Answered(outcomes), facts.into_iter());
        let dispositions: Vec<_> = conclusions.iter().map(|conclusion| conclusion.disposition).collect();
        let kept = Disposition::Keep(KeptFor::Resources);
        assert_eq!(dispositions, [kept, kept, Disposition::Abandon]);
        assert_eq!(failed, FailedInCall::from([(group.clone(), Duration::ZERO)]), "of the lost one alone");
    }

    fn outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            3 => Just(Outcome::Done),
            1 => Just(Outcome::Retry("retry".to_owned())),
            1 => Just(Outcome::Reject("reject".to_owned())),
        ]
    }

    fn lease() -> impl Strategy<Value = LeaseStatus> {
        prop_oneof![8 => Just(LeaseStatus::Held), 1 => Just(LeaseStatus::Cancelled), 1 => Just(LeaseStatus::Lost)]
    }

    proptest! {
        #[test]
        fn behind_a_failure_nothing_of_its_group_is_deleted_and_other_groups_are_untouched(
            messages in proptest::collection::vec((0usize..3, 1u32..4, outcome(), lease()), 1..20),
        ) {
            let rules = rules(3, true);
            let groups: Vec<Group> = ["a", "b", "c"].map(Into::into).into();
            let facts = |(group, receive_count, _, lease): &(usize, u32, Outcome, LeaseStatus)| {
                let kept_failures = KeptFailures::None;
                MessageFacts { group: Some(&groups[*group]), receive_count: *receive_count, lease: *lease, kept_failures }
            };
            let outcomes = messages.iter().map(|(_, _, outcome, _)| outcome.clone()).collect();
            let (conclusions, failed) = rules.conclude(CallEnd::Answered(outcomes), messages.iter().map(facts));
            prop_assert_eq!(conclusions.len(), messages.len());
            let mut has_failed = [false; 3];
            for (message, conclusion) in messages.iter().zip(&conclusions) {
                let (group, receive_count, outcome, lease) = message;
                let alone = rules.conclude_outcome(outcome.clone(), &facts(message));
                if has_failed[*group] {
                    let is_kept_back = matches!(conclusion.disposition, Disposition::Retry(_) | Disposition::Abandon);
                    prop_assert!(is_kept_back, "{conclusion:?}");
                } else {
                    prop_assert_eq!(conclusion, &alone);
                    let is_retry = matches!(alone.disposition, Disposition::Retry(_));
                    has_failed[*group] = *lease == LeaseStatus::Lost || (is_retry && *receive_count < 3);
                }
            }
            for (group, has_failed) in groups.iter().zip(has_failed) {
                prop_assert_eq!(failed.contains_key(group), has_failed);
            }
        }
    }
}
