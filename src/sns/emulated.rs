//! The SNS port over the emulator's topics, for tests of notifications and of the `sns` handler.

use futures_util::future::{BoxFuture, FutureExt as _};
use longshore_emulator::{MessageStructure, PublishRequest, PublishTarget, SnsAccount, SnsApiError};

use super::{Publication, PublicationId, Publisher, Target, TopicArn, TopicError};

/// A publisher to the emulator's topics, without a server in between.
///
/// [`NotificationPlan::publisher`](super::NotificationPlan::publisher) and
/// [`SnsHandler::new`](crate::handler::sns::SnsHandler::new) take it; `SnsAccount::published` returns what was published.
#[derive(Clone, Debug)]
pub struct EmulatorPublisher(SnsAccount);

impl EmulatorPublisher {
    /// A publisher to the topics of an account.
    pub fn new(account: &SnsAccount) -> Self {
        Self(account.clone())
    }

    fn publish_now(&self, publication: Publication) -> Result<PublicationId, SnsApiError> {
        let target = match publication.target {
            Target::Topic(arn) => PublishTarget::Topic(arn.as_str().parse()?),
            Target::Phone(number) => PublishTarget::Phone(number.as_str().parse()?),
        };
        let attributes = publication.attributes.into_iter();
        let request = PublishRequest {
            subject: publication.subject,
            attributes: attributes.map(|(name, value)| (name, value.into())).collect(),
            group_id: publication.group_id,
            deduplication_id: publication.deduplication_id,
            ..PublishRequest::new(target, publication.body)
        };
        self.0.publish(request, MessageStructure::Plain).map(|result| PublicationId(result.id))
    }
}

impl Publisher for EmulatorPublisher {
    fn publish<'a>(
        &'a self,
        publication: &'a Publication,
    ) -> BoxFuture<'a, Result<PublicationId, TopicError>> {
        std::future::ready(self.publish_now(publication.clone()).map_err(error)).boxed()
    }

    fn find<'a>(&'a self, topic: &'a TopicArn) -> BoxFuture<'a, Result<(), TopicError>> {
        std::future::ready(self.0.topic_attributes(topic.as_str()).map(drop).map_err(error)).boxed()
    }
}

fn error(error: SnsApiError) -> TopicError {
    TopicError::answered(error.code.as_str(), error.message)
}

#[cfg(test)]
mod tests {
    use longshore_emulator::{SqsAccount, StringMap};

    use super::*;

    #[tokio::test]
    async fn a_publication_reaches_the_topic_and_a_missing_topic_is_an_error() {
        let account = SnsAccount::new(SqsAccount::default());
        let arn = account.create_topic("orders", &StringMap::new(), &StringMap::new()).unwrap();
        let topic: TopicArn = arn.to_string().parse().unwrap();
        let publisher = EmulatorPublisher::new(&account);
        publisher.publish(&Publication::new(Target::Topic(topic), "shipped")).await.unwrap();
        assert_eq!(account.published()[0].request.body, "shipped");
        let missing = TopicArn::new("us-east-1", "000000000000", "missing").unwrap();
        assert!(publisher.find(&missing).await.is_err());
    }
}
