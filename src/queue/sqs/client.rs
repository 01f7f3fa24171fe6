//! The client of SQS: its calls, their time limits, and what becomes of refused credentials.

use std::{future::Future, sync::Arc, time::Duration};

use aws_sdk_sqs::{
    Client,
    config::http::HttpResponse,
    error::{BuildError, ProvideErrorMetadata, SdkError},
    operation::{
        change_message_visibility_batch::{
            ChangeMessageVisibilityBatchOutput, builders::ChangeMessageVisibilityBatchInputBuilder,
        },
        delete_message_batch::{DeleteMessageBatchOutput, builders::DeleteMessageBatchInputBuilder},
        receive_message::{ReceiveMessageOutput, builders::ReceiveMessageInputBuilder},
    },
};

use super::{
    SqsAccess,
    address::QueueAddress,
    convert::{hung, refusal},
    diagnosis::SqsPlace,
    parts::ClientParts,
};
use crate::{
    aws::{self, UsedCredentials},
    queue::{QueueError, QueueName, RetryClass},
};

/// The client of one queue; those of one place share their parts.
#[derive(Clone, Debug)]
pub(super) struct SqsClient {
    parts: Arc<ClientParts>,
    place: Arc<SqsPlace>,
}

impl SqsClient {
    pub(super) async fn build(access: &SqsAccess, address: &QueueAddress) -> Result<Self, QueueError> {
        let access = match access {
            SqsAccess::Aws(access) => access,
            SqsAccess::Client(client) => {
                return Ok(Self { parts: Arc::new(ClientParts::of(client)), place: Arc::default() });
            }
        };
        let parts = ClientParts::shared(access, address.location()).await;
        let parts = parts
            .map_err(|error| QueueError::new(RetryClass::Refused, error.to_string()).with_source(error))?;
        let place = parts.access.as_ref().map(|access| SqsPlace::of(access, address)).unwrap_or_default();
        Ok(Self { parts, place: Arc::new(place) })
    }

    /// The SDK's client, for the calls that are rare.
    pub(super) fn sdk(&self) -> &Client {
        &self.parts.sdk
    }

    /// Receives messages, within this time.
    pub(super) async fn receive(
        &self,
        input: ReceiveMessageInputBuilder,
        limit: Duration,
    ) -> Result<ReceiveMessageOutput, QueueError> {
        match &self.parts.direct {
            Some(direct) => self.answered_within(limit, direct.receive(built(input.build())?)).await,
            None => self.answered_within(limit, input.send_with(self.sdk())).await,
        }
    }

    /// Deletes a batch of messages.
    pub(super) async fn delete(
        &self,
        input: DeleteMessageBatchInputBuilder,
    ) -> Result<DeleteMessageBatchOutput, QueueError> {
        match &self.parts.direct {
            Some(direct) => self.answered(direct.delete(built(input.build())?)).await,
            None => self.answered(input.send_with(self.sdk())).await,
        }
    }

    /// Changes the visibility of a batch of messages.
    pub(super) async fn change_visibility(
        &self,
        input: ChangeMessageVisibilityBatchInputBuilder,
    ) -> Result<ChangeMessageVisibilityBatchOutput, QueueError> {
        match &self.parts.direct {
            Some(direct) => self.answered(direct.change_visibility(built(input.build())?)).await,
            None => self.answered(input.send_with(self.sdk())).await,
        }
    }

    /// Looks up the URL of a queue.
    pub(super) async fn queue_url(
        &self,
        QueueName { name, account }: &QueueName,
    ) -> Result<String, QueueError> {
        let call = self.sdk().get_queue_url().queue_name(name);
        let answer = self.answered(call.set_queue_owner_aws_account_id(account.clone()).send()).await?;
        Ok(answer.queue_url.unwrap_or_default())
    }

    /// Waits for a call other than a receive.
    pub(super) async fn answered<T, E>(
        &self,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, QueueError>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        self.answered_within(aws::CALL, call).await
    }

    /// Waits for a call; one whose credentials were refused may soon be repeated if there are others.
    ///
    /// The time limit is not the SDK's, which misses it at times (aws-sdk-rust#1094), and costs more. The call is boxed, because
    /// the SDK's futures are large.
    async fn answered_within<T, E>(
        &self,
        limit: Duration,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, QueueError>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let used = UsedCredentials::of(self.parts.credentials());
        let answer = tokio::time::timeout(limit, Box::pin(call)).await.map_err(|_| hung(limit))?;
        let error = match answer.map_err(|error| refusal(error, &self.place)) {
            Err(error) if error.refuses_credentials() => error,
            answer => return answer,
        };
        Err(if used.are_renewed().await { error.with_retry_class(RetryClass::Transient) } else { error })
    }
}

/// An input or an entry of a call, which lacks nothing.
pub(super) fn built<T>(input: Result<T, BuildError>) -> Result<T, QueueError> {
    input.map_err(|error| {
        let reason = format!("the request cannot be built: {error}");
        QueueError::new(RetryClass::Refused, reason).with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use aws_sdk_sqs::operation::delete_message_batch::DeleteMessageBatchInput;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// The names of a request's headers, with the names of those that are signed, and its body.
    #[derive(Debug, PartialEq)]
    struct SentRequest {
        headers: BTreeSet<String>,
        signed: String,
        body: String,
    }

    /// Lets a client delete nothing, and returns what it sends.
    async fn sent_by(client: &SqsClient, listener: &TcpListener) -> SentRequest {
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 8_192];
            let length = stream.read(&mut request).await.unwrap();
            let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
            stream.write_all(answer).await.unwrap();
            String::from_utf8(request[..length].to_vec()).unwrap()
        };
        let delete =
            client.delete(DeleteMessageBatchInput::builder().queue_url("u").set_entries(Some(vec![])));
        let (request, answer) = tokio::join!(serve, delete);
        answer.unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let headers: Vec<_> = head.lines().skip(1).filter_map(|line| line.split_once(": ")).collect();
        let named = |wanted: &str| headers.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
        let signed = named("authorization").unwrap().split(", ").nth(1).unwrap().to_owned();
        assert!(named("user-agent").unwrap().starts_with("longshore/"), "{head}");
        assert_eq!(named("x-amz-target"), Some("AmazonSQS.DeleteMessageBatch"));
        let headers = headers.iter().map(|(name, _)| (*name).to_owned()).collect();
        SentRequest { headers, signed, body: body.to_owned() }
    }

    #[tokio::test]
    async fn a_direct_call_sends_what_the_client_sends_but_for_the_numbers_of_its_attempts() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/1/orders", listener.local_addr().unwrap());
        let address = QueueAddress::parse(&url).unwrap();
        let direct = SqsClient::build(&SqsAccess::default(), &address).await.unwrap();
        assert!(direct.parts.direct.is_some());
        let ClientParts { sdk, access, .. } = &*direct.parts;
        let by_client = ClientParts { sdk: sdk.clone(), direct: None, access: access.clone() };
        let by_client = SqsClient { parts: Arc::new(by_client), ..direct.clone() };
        let mut expected = sent_by(&by_client, &listener).await;
        for announced in ["amz-sdk-invocation-id", "amz-sdk-request"] {
            assert!(expected.headers.remove(announced), "{expected:?}");
        }
        assert_eq!(sent_by(&direct, &listener).await, expected);
    }
}
