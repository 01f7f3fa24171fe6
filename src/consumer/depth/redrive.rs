//! The redrive policy of a queue while it is consumed: the polls of the depth publish it, and what depends on it reads it.

use std::num::NonZeroU32;

use tokio::sync::watch;

use crate::queue::RedrivePolicy;

/// Publishes the redrive policy of a queue.
#[derive(Debug)]
pub(crate) struct RedrivePublisher(watch::Sender<Option<RedrivePolicy>>);

impl RedrivePublisher {
    /// A publisher of this policy.
    pub(crate) fn new(policy: Option<RedrivePolicy>) -> Self {
        Self(watch::Sender::new(policy))
    }

    /// A view of the policy.
    pub(crate) fn view(&self) -> RedriveView {
        RedriveView(self.0.subscribe())
    }

    /// Publishes the policy as SQS has it now; returns true if it has changed.
    pub(super) fn publish(&self, policy: Option<&RedrivePolicy>) -> bool {
        self.0.send_if_modified(|published| {
            let has_changed = published.as_ref() != policy;
            if has_changed {
                *published = policy.cloned();
            }
            has_changed
        })
    }
}

/// The redrive policy of a queue as SQS last reported it; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct RedriveView(watch::Receiver<Option<RedrivePolicy>>);

impl RedriveView {
    /// The number of receives after which SQS moves a message to the dead-letter queue, where that is known.
    pub(crate) fn max_receive_count(&self) -> Option<NonZeroU32> {
        self.0.borrow().as_ref().map(|policy| policy.max_receive_count)
    }

    /// The policy; absent if the queue has none, or if it is not known.
    pub(crate) fn policy(&self) -> Option<RedrivePolicy> {
        self.0.borrow().clone()
    }

    /// Waits for the next policy; `None` if none will be published any more.
    pub(crate) async fn changed(&mut self) -> Option<()> {
        self.0.changed().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(count: u32) -> RedrivePolicy {
        let dead_letter_arn = "arn:aws:sqs:eu-west-1:1:dlq".to_owned();
        RedrivePolicy { dead_letter_arn, max_receive_count: NonZeroU32::new(count).unwrap() }
    }

    #[tokio::test]
    async fn only_a_change_of_the_policy_is_published() {
        let publisher = RedrivePublisher::new(Some(policy(3)));
        let mut view = publisher.view();
        assert!(!publisher.publish(Some(&policy(3))));
        assert!(publisher.publish(Some(&policy(5))));
        assert_eq!((view.changed().await, view.max_receive_count()), (Some(()), NonZeroU32::new(5)));
        assert!(publisher.publish(None));
        assert_eq!((view.changed().await, view.policy()), (Some(()), None));
        drop(publisher);
        assert_eq!(view.changed().await, None);
    }
}
