//! SNS over the AWS SDK.

use std::{collections::HashMap, future::Future};

use aws_sdk_sns::{
    Client,
    config::{Builder, http::HttpResponse, retry::RetryConfig},
    error::{ProvideErrorMetadata, SdkError},
    primitives::Blob,
    types::MessageAttributeValue,
};
use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::sync::OnceCell;

use super::{Publication, PublicationId, PublishRetryClass, Publisher, Target, TopicArn, TopicError};
use crate::{
    aws::{
        self, AwsAccess, CallFailure, FailureKind, LoadedAccess, RenewableCredentials, Role, SendState,
        ServiceLocation, UsedCredentials,
    },
    message::{AttributeContent, AttributeValue},
};

/// SNS, or another service with its protocol.
#[derive(Debug)]
pub struct SnsPublisher {
    access: AwsAccess,
    location: ServiceLocation,
    /// Created at the first call, because that reads files and needs a runtime.
    client: OnceCell<SignedClient>,
}

#[derive(Debug)]
struct SignedClient {
    client: Client,
    /// Absent, they are the program's own.
    credentials: Option<RenewableCredentials>,
}

impl SnsPublisher {
    /// A publisher for this location; sends nothing yet, and needs no runtime.
    #[doc(hidden)]
    pub fn new(access: impl Into<AwsAccess>, location: ServiceLocation) -> Self {
        Self { access: access.into(), location, client: OnceCell::new() }
    }

    /// A publisher in this region, with the SDK's own sources of credentials.
    pub fn in_region(region: impl Into<String>) -> Self {
        Self::new(AwsAccess::default(), ServiceLocation::in_region(region))
    }

    /// A publisher with an SDK configuration that the program has loaded.
    pub fn with_sdk_config(config: aws_config::SdkConfig) -> Self {
        Self::new(config, ServiceLocation::default())
    }

    /// A publisher with a client that the program has; its retries are turned off, because publications are repeated by
    /// the worker.
    pub fn with_client(client: &Client) -> Self {
        let builder = client.config().to_builder().timeout_config(aws::time_limits(aws::CALL));
        let client = Client::from_conf(builder.retry_config(RetryConfig::disabled()).build());
        let signed = SignedClient { client, credentials: None };
        let none = Self::new(AwsAccess::default(), ServiceLocation::default());
        Self { client: OnceCell::new_with(Some(signed)), ..none }
    }

    /// Sets the role in which messages are published; no effect with a client.
    #[must_use]
    pub fn role(self, role: Role) -> Self {
        Self { access: self.access.with_role(Some(role)), ..self }
    }

    async fn client(&self) -> Result<&SignedClient, TopicError> {
        let build = async || {
            let loaded = self.access.load("SNS", self.location.clone()).await;
            let LoadedAccess { config, credentials } = loaded.map_err(|error| {
                TopicError::new(PublishRetryClass::Refused, error.to_string()).with_source(error)
            })?;
            let client =
                Client::from_conf(Builder::from(&config).timeout_config(aws::time_limits(aws::CALL)).build());
            Ok(SignedClient { client, credentials })
        };
        self.client.get_or_try_init(build).await
    }

    async fn send(&self, publication: &Publication) -> Result<PublicationId, TopicError> {
        let signed = self.client().await?;
        let call = signed.client.publish().message(&publication.body);
        let call = match &publication.target {
            Target::Topic(arn) => call.topic_arn(arn.as_str()),
            Target::Phone(number) => call.phone_number(number.as_str()),
        };
        let attributes = publication.attributes.iter();
        let mut converted = HashMap::with_capacity(attributes.len());
        for (name, value) in attributes {
            converted.insert(name.clone(), attribute(value)?);
        }
        let call = call
            .set_message_attributes((!converted.is_empty()).then_some(converted))
            .set_subject(publication.subject.clone())
            .set_message_group_id(publication.group_id.clone())
            .set_message_deduplication_id(publication.deduplication_id.clone());
        let answer = signed.answered(call.send()).await?;
        Ok(PublicationId(answer.message_id.unwrap_or_default()))
    }

    async fn check_topic(&self, topic: &TopicArn) -> Result<(), TopicError> {
        let signed = self.client().await?;
        let call = signed.client.get_topic_attributes().topic_arn(topic.as_str());
        match signed.answered(call.send()).await {
            Err(error) if !denies_lookup(&error) => Err(error),
            _ => Ok(()),
        }
    }
}

impl Publisher for SnsPublisher {
    fn publish<'a>(
        &'a self,
        publication: &'a Publication,
    ) -> BoxFuture<'a, Result<PublicationId, TopicError>> {
        self.send(publication).boxed()
    }

    fn find<'a>(&'a self, topic: &'a TopicArn) -> BoxFuture<'a, Result<(), TopicError>> {
        self.check_topic(topic).boxed()
    }
}

fn denies_lookup(error: &TopicError) -> bool {
    matches!(error.code(), Some("AuthorizationError" | "AccessDenied" | "AccessDeniedException"))
}

fn attribute(value: &AttributeValue) -> Result<MessageAttributeValue, TopicError> {
    let attribute = MessageAttributeValue::builder().data_type(&value.data_type);
    let attribute = match &value.content {
        AttributeContent::Text(text) => attribute.string_value(text),
        AttributeContent::Bytes(bytes) => attribute.binary_value(Blob::new(bytes.clone())),
    };
    let unbuildable = |error| {
        TopicError::new(PublishRetryClass::BadMessage, format!("an attribute cannot be sent: {error}"))
    };
    attribute.build().map_err(unbuildable)
}

impl SignedClient {
    /// Awaits a call within the outer limit; one whose credentials were refused may be repeated if there are others.
    async fn answered<T, E>(
        &self,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, TopicError>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let used = UsedCredentials::of(self.credentials.as_ref());
        let limit = aws::CALL_LIMIT;
        let hung = |_| {
            TopicError::new(
                PublishRetryClass::Transient,
                format!("no answer from sns within {}", humantime::format_duration(limit)),
            )
        };
        let answer = tokio::time::timeout(limit, call).await.map_err(hung)?;
        let error = match answer.map_err(refusal) {
            Err(error) if error.code().is_some_and(aws::refuses_credentials) => error,
            answer => return answer,
        };
        Err(if used.are_renewed().await { error.with_retry_class(PublishRetryClass::NotSent) } else { error })
    }
}

fn refusal<E>(error: SdkError<E, HttpResponse>) -> TopicError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let failed = CallFailure::of(&error);
    let is_busy = failed.is_busy();
    let CallFailure { kind, send_state, message, clock_error, .. } = failed;
    let failure = match (kind, send_state) {
        (FailureKind::Answered(code), _) => TopicError::answered(code, message),
        (FailureKind::NoCredentials, _) => TopicError::new(PublishRetryClass::NotSent, message),
        (_, SendState::NotSent) => {
            TopicError::new(PublishRetryClass::NotSent, format!("sns is not reached: {message}"))
        }
        (_, SendState::MaybeSent) => {
            TopicError::new(PublishRetryClass::Transient, format!("no usable answer from sns: {message}"))
        }
    };
    // The next call is signed by the service's clock.
    let failure =
        if clock_error.is_some() { failure.with_retry_class(PublishRetryClass::NotSent) } else { failure };
    let failure = if is_busy { failure.with_retry_class(PublishRetryClass::Transient) } else { failure };
    failure.with_source(error)
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::AsyncReadExt as _,
        net::{TcpListener, TcpSocket, TcpStream},
    };

    use super::*;

    fn publisher(endpoint: String) -> SnsPublisher {
        let location = ServiceLocation { endpoint: Some(endpoint), ..ServiceLocation::default() };
        SnsPublisher::new(AwsAccess::default(), location)
    }

    fn publication() -> Publication {
        let topic = TopicArn::new("us-east-1", "000000000000", "orders").unwrap();
        Publication::new(Target::Topic(topic), "body")
    }

    #[tokio::test]
    async fn a_refused_connection_means_that_nothing_was_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let error = publisher(endpoint).publish(&publication()).await.unwrap_err();
        assert_eq!(error.retry_class(), PublishRetryClass::NotSent, "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_takes_too_long_means_that_nothing_was_sent() {
        let full = TcpSocket::new_v4().unwrap();
        full.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let full = full.listen(1).unwrap();
        // Linux holds one connection more than the backlog names; further ones wait for an accept that never comes.
        let address = full.local_addr().unwrap();
        let _waiting =
            [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
        let error = publisher(format!("http://{address}")).publish(&publication()).await.unwrap_err();
        assert_eq!(error.retry_class(), PublishRetryClass::NotSent, "{error}");
    }

    #[tokio::test]
    async fn a_call_on_a_connection_that_breaks_off_may_have_been_received() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let accept = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            drop(stream.read(&mut [0; 64]).await);
        };
        let (publisher, publication) = (publisher(endpoint), publication());
        let (answer, ()) = tokio::join!(publisher.publish(&publication), accept);
        assert_eq!(answer.unwrap_err().retry_class(), PublishRetryClass::Transient);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_never_answered_may_have_been_received() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", silent.local_addr().unwrap());
        let error = publisher(endpoint).publish(&publication()).await.unwrap_err();
        assert_eq!(error.retry_class(), PublishRetryClass::Transient, "{error}");
    }
}
