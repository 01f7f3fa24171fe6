//! The client of SQS: its calls, their time limits, and what becomes of refused credentials.

use std::{future::Future, time::Duration};

use aws_sdk_sqs::{
    Client,
    config::{Builder, StalledStreamProtectionConfig, http::HttpResponse, retry::RetryConfig},
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
    direct::DirectCalls,
};
use crate::{
    aws::{self, RenewableCredentials},
    queue::{QueueError, QueueName, RetryClass},
};

/// The SDK's client, and the credentials that it signs with.
#[derive(Clone, Debug)]
pub(super) struct SqsClient {
    pub(super) sdk: Client,
    /// Absent, the client makes all calls.
    direct: Option<DirectCalls>,
    /// Absent, they are the program's own.
    credentials: Option<RenewableCredentials>,
}

impl SqsClient {
    pub(super) async fn build(access: &SqsAccess, address: &QueueAddress) -> Result<Self, QueueError> {
        let access = match access {
            SqsAccess::Aws(access) => access,
            SqsAccess::Client(client) => return Ok(Self::of(client)),
        };
        let loaded = access.load("SQS", address.location()).await;
        let loaded = loaded
            .map_err(|error| QueueError::new(RetryClass::Refused, error.to_string()).with_source(error))?;
        let builder = Builder::from(&loaded.config).timeout_config(aws::connect_limit());
        let sdk = Client::from_conf(aws::with_user_agent(builder, &loaded.config).build());
        Ok(Self { sdk, direct: DirectCalls::new(&loaded), credentials: loaded.credentials })
    }

    /// The program's client, with the time limits of the worker, whose loops do all retries.
    fn of(client: &Client) -> Self {
        let builder = client.config().to_builder().timeout_config(aws::connect_limit());
        let builder = builder.retry_config(RetryConfig::disabled());
        let protection = StalledStreamProtectionConfig::disabled();
        let sdk = Client::from_conf(builder.stalled_stream_protection(protection).build());
        Self { sdk, direct: None, credentials: None }
    }

    /// Receives messages, within this time.
    pub(super) async fn receive(
        &self,
        input: ReceiveMessageInputBuilder,
        limit: Duration,
    ) -> Result<ReceiveMessageOutput, QueueError> {
        match &self.direct {
            Some(direct) => self.answered_within(limit, direct.receive(built(input.build())?)).await,
            None => self.answered_within(limit, input.send_with(&self.sdk)).await,
        }
    }

    /// Deletes a batch of messages.
    pub(super) async fn delete(
        &self,
        input: DeleteMessageBatchInputBuilder,
    ) -> Result<DeleteMessageBatchOutput, QueueError> {
        match &self.direct {
            Some(direct) => self.answered(direct.delete(built(input.build())?)).await,
            None => self.answered(input.send_with(&self.sdk)).await,
        }
    }

    /// Changes the visibility of a batch of messages.
    pub(super) async fn change_visibility(
        &self,
        input: ChangeMessageVisibilityBatchInputBuilder,
    ) -> Result<ChangeMessageVisibilityBatchOutput, QueueError> {
        match &self.direct {
            Some(direct) => self.answered(direct.change_visibility(built(input.build())?)).await,
            None => self.answered(input.send_with(&self.sdk)).await,
        }
    }

    /// Looks up the URL of a queue.
    pub(super) async fn queue_url(
        &self,
        QueueName { name, account }: &QueueName,
    ) -> Result<String, QueueError> {
        let call = self.sdk.get_queue_url().queue_name(name);
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
        let used = self.credentials.as_ref().map(|credentials| (credentials, credentials.generation()));
        let answer = tokio::time::timeout(limit, Box::pin(call)).await.map_err(|_| hung(limit))?;
        let error = match answer.map_err(refusal) {
            Err(error) if error.refuses_credentials() => error,
            answer => return answer,
        };
        let is_renewed = match used {
            Some((credentials, used)) => credentials.are_renewed(used).await,
            None => false,
        };
        Err(if is_renewed { error.with_retry_class(RetryClass::Transient) } else { error })
    }
}

/// An input or an entry of a call, which lacks nothing.
pub(super) fn built<T>(input: Result<T, BuildError>) -> Result<T, QueueError> {
    input.map_err(|error| {
        let reason = format!("the request cannot be built: {error}");
        QueueError::new(RetryClass::Refused, reason).with_source(error)
    })
}
