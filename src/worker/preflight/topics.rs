//! Checks that the topics of notifications exist, and that they take the messages of a queue.

use futures_util::future::join_all;

use super::{Code, Finding};
use crate::{
    config::{QueueSettings, Settings},
    handler,
    queue::QueueAttributes,
    sns::{PublishRetryClass, TopicArn, TopicError},
    worker::publisher,
};

/// Looks for the topics of a queue's notifications; the handler's own is found by its probe.
pub(super) async fn look(name: &str, queue: &QueueSettings, settings: &Settings) -> Vec<Finding> {
    let plan = publisher::plan(queue, &settings.aws);
    let publishers = &plan.publishers;
    let find = async |topic: &TopicArn| {
        let error = publishers(topic).find(topic).await.err()?;
        Some(Finding::of(name, code_of(&error), format!("topic {topic}: {error}")))
    };
    let topics = queue.notify.topics().into_iter().map(find);
    join_all(topics).await.into_iter().flatten().collect()
}

fn code_of(error: &TopicError) -> Code {
    match error.retry_class() {
        PublishRetryClass::Refused | PublishRetryClass::BadMessage => Code::TopicMissing,
        PublishRetryClass::Transient | PublishRetryClass::NotSent => Code::TopicUnreachable,
    }
}

/// A FIFO topic needs a group id, which messages of a standard queue seldom have.
pub(super) fn of_kind(name: &str, queue: &QueueSettings, description: &QueueAttributes) -> Option<Finding> {
    let Some(handler::Settings::Sns(sns)) = &queue.handler else { return None };
    let topic = sns.topic_arn.as_ref().filter(|topic| topic.is_fifo() && !description.fifo)?;
    let message = format!("messages go from a standard queue to the FIFO topic {topic}");
    Some(Finding::of(name, Code::TopicFifo, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifo_topic_behind_a_standard_queue_is_found() {
        let topic = TopicArn::new("eu-west-1", "123456789012", "orders.fifo").unwrap();
        let sns = handler::sns::Settings::to_topic(topic);
        let queue = QueueSettings { handler: Some(handler::Settings::Sns(sns)), ..QueueSettings::default() };
        let of_kind =
            |fifo| of_kind("orders", &queue, &QueueAttributes { fifo, ..QueueAttributes::default() });
        assert_eq!(of_kind(false).map(|found| found.code), Some(Code::TopicFifo));
        assert_eq!(of_kind(true), None);
    }

    #[test]
    fn a_topic_that_is_not_there_is_told_from_one_that_is_not_reached() {
        assert_eq!(code_of(&TopicError::answered("NotFound", "no")), Code::TopicMissing);
        assert_eq!(code_of(&TopicError::new(PublishRetryClass::NotSent, "refused")), Code::TopicUnreachable);
    }
}
