//! Objects of S3 over the AWS SDK.

use aws_sdk_s3::{
    Client,
    config::{Builder, http::HttpResponse, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
    primitives::ByteStream,
};
use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::{
    sync::OnceCell,
    time::{Duration, timeout},
};

use super::{ByteSize, pointer::Pointer};
use crate::{
    aws::{self, AwsAccess, CallFailure, FailureKind, ServiceLocation},
    error_chain::message_with_causes,
};

/// The time limit of one object's transfer.
const TRANSFER: Duration = Duration::from_mins(5);

/// Objects of S3, or of another service with its protocol.
#[derive(Debug)]
pub struct S3Objects {
    access: AwsAccess,
    location: ServiceLocation,
    /// Created at the first call, because that reads files and needs a runtime.
    client: OnceCell<Client>,
}

/// The failure of a call about an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ObjectError {
    /// No repetition helps: the object is not there, or is too large.
    #[error("{0}")]
    Unusable(String),
    /// S3 refuses access, or does not know the bucket: someone must act.
    #[error("{0}")]
    Denied(String),
    /// S3 was not reached, or failed.
    #[error("{0}")]
    Transient(String),
}

impl S3Objects {
    /// Objects at this location; sends nothing yet, and needs no runtime.
    pub(crate) fn new(access: impl Into<AwsAccess>, location: ServiceLocation) -> Self {
        Self { access: access.into(), location, client: OnceCell::new() }
    }

    /// Objects of buckets in this region, with the SDK's own sources of credentials.
    pub fn in_region(region: impl Into<String>) -> Self {
        Self::new(AwsAccess::default(), ServiceLocation::in_region(region))
    }

    /// Objects with an SDK configuration that the program has loaded.
    pub fn with_sdk_config(config: aws_config::SdkConfig) -> Self {
        Self::new(config, ServiceLocation::default())
    }

    async fn client(&self) -> Result<&Client, ObjectError> {
        let build = async || {
            let loaded = self.access.load("S3", self.location.clone()).await;
            let shared = loaded.map_err(|error| ObjectError::Denied(error.to_string()))?.config;
            let timeouts =
                TimeoutConfig::builder().connect_timeout(aws::CONNECT).read_timeout(aws::CALL).build();
            // An endpoint of one's own seldom has a host for each bucket.
            let has_own_endpoint = shared.endpoint_url().is_some();
            let config = Builder::from(&shared).timeout_config(timeouts).force_path_style(has_own_endpoint);
            Ok(Client::from_conf(config.build()))
        };
        self.client.get_or_try_init(build).await
    }

    /// Reads an object of at most this size.
    pub(crate) async fn get(&self, pointer: &Pointer, most: ByteSize) -> Result<Vec<u8>, ObjectError> {
        let call = self.client().await?.get_object().bucket(&pointer.bucket).key(&pointer.key);
        let reading = async {
            let answer = call.send().await.map_err(|error| failure(pointer, &error))?;
            let length = answer.content_length.and_then(|length| u64::try_from(length).ok());
            let too_large = |size: &str| {
                ObjectError::Unusable(format!("{pointer} has {size}, more than payload.max, {most}"))
            };
            if let Some(length) = length.filter(|length| *length > most.0) {
                return Err(too_large(&format!("{length} bytes")));
            }
            let mut body =
                Vec::with_capacity(usize::try_from(length.unwrap_or_default()).unwrap_or_default());
            let mut stream = answer.body;
            while let Some(chunk) = stream.next().await {
                let broken =
                    |error| ObjectError::Transient(format!("{pointer}: {}", message_with_causes(&error)));
                body.extend_from_slice(&chunk.map_err(broken)?);
                if body.len() as u64 > most.0 {
                    return Err(too_large("more bytes"));
                }
            }
            Ok(body)
        };
        within_limit(pointer, reading.boxed()).await
    }

    /// Stores an object.
    pub(crate) async fn put(&self, pointer: &Pointer, body: Vec<u8>) -> Result<(), ObjectError> {
        let call = self.client().await?.put_object().bucket(&pointer.bucket).key(&pointer.key);
        let call = call.body(ByteStream::from(body));
        let calling = async { call.send().await.map(drop).map_err(|error| failure(pointer, &error)) };
        within_limit(pointer, calling.boxed()).await
    }

    /// Deletes an object; one that is not there counts as deleted.
    pub(crate) async fn delete(&self, pointer: &Pointer) -> Result<(), ObjectError> {
        let call = self.client().await?.delete_object().bucket(&pointer.bucket).key(&pointer.key);
        let calling = async { call.send().await.map(drop).map_err(|error| failure(pointer, &error)) };
        within_limit(pointer, calling.boxed()).await
    }
}

/// Classifies a failed call, and names the object.
fn failure<E>(pointer: &Pointer, error: &SdkError<E, HttpResponse>) -> ObjectError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let failed = CallFailure::of(error);
    let is_busy = failed.is_busy();
    match failed.kind {
        FailureKind::Answered(code) if code == "NoSuchKey" => {
            ObjectError::Unusable(format!("{pointer} is not there: {}", failed.message))
        }
        FailureKind::Answered(code) if !is_busy && failed.clock_error.is_none() => {
            let hint = hint(&code).map(|hint| format!(", hint: {hint}")).unwrap_or_default();
            ObjectError::Denied(format!("{pointer}: {code}: {}{hint}", failed.message))
        }
        FailureKind::Answered(code) => {
            ObjectError::Transient(format!("{pointer}: {code}: {}", failed.message))
        }
        _ => ObjectError::Transient(format!("{pointer} is not reached: {}", failed.message)),
    }
}

/// The remedy for a refusal that someone must act on.
fn hint(code: &str) -> Option<&'static str> {
    match code {
        "AccessDenied" => {
            Some("grant the task role s3:GetObject, s3:PutObject or s3:DeleteObject on the bucket's objects")
        }
        "NoSuchBucket" | "PermanentRedirect" => Some("the region must be that of the bucket"),
        _ => None,
    }
}

/// Awaits a transfer within its limit.
async fn within_limit<T>(
    pointer: &Pointer,
    transfer: BoxFuture<'_, Result<T, ObjectError>>,
) -> Result<T, ObjectError> {
    let hung = |_| {
        let limit = humantime::format_duration(TRANSFER);
        ObjectError::Transient(format!("{pointer} was not transferred within {limit}"))
    };
    timeout(TRANSFER, transfer).await.map_err(hung)?
}
