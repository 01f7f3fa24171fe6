//! The SNS port over the emulator's topics, for tests.

use futures_util::future::{BoxFuture, FutureExt as _};
use longshore_emulator::{MessageStructure, PublishRequest, PublishTarget, SnsAccount, SnsApiError};

use super::{Publication, PublicationId, Publisher, Target, TopicArn, TopicError};

/// A publisher to the emulator's topics, without a server in between.
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
            target,
            body: publication.body,
            subject: publication.subject,
            attributes: attributes.map(|(name, value)| (name, value.into())).collect(),
            group_id: publication.group_id,
            deduplication_id: publication.deduplication_id,
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
