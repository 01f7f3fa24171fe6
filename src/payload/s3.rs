//! Objects of S3 over the AWS SDK.

use std::{borrow::Cow, future::Future};

use aws_sdk_s3::{
    Client,
    config::{Builder, http::HttpResponse, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
    primitives::ByteStream,
};
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::{
    fs::File,
    io::{AsyncWriteExt as _, BufWriter},
    sync::OnceCell,
    time::{Duration, timeout},
};

use super::{ByteSize, pointer::Pointer};
use crate::{
    aws::{self, AwsAccess, CallFailure, FailureKind, LoadedAccess, RenewableCredentials, ServiceLocation},
    error_chain::message_with_causes,
};

/// The bytes that are written into a file at once.
const WRITE_BYTES: usize = 256 * 1024;
/// The key of no object.
const NO_OBJECT: &str = "longshore-check-this-is-no-object";
/// The time limit of one object's transfer.
const TRANSFER: Duration = Duration::from_mins(5);
/// The time without a byte after which a transfer has broken off.
const SILENCE: Duration = Duration::from_secs(30);

/// Objects of S3, or of another service with its protocol.
#[derive(Debug)]
pub struct S3Objects {
    access: AwsAccess,
    location: ServiceLocation,
    /// Created at the first call, because that reads files and needs a runtime.
    client: OnceCell<S3Client>,
}

/// The SDK's client, and its credentials unless they are the program's own.
#[derive(Debug)]
struct S3Client {
    sdk: Client,
    credentials: Option<RenewableCredentials>,
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

    async fn client(&self) -> Result<&S3Client, ObjectError> {
        let build = async || {
            let loaded = self.access.load("S3", self.location.clone()).await;
            let LoadedAccess { config: shared, credentials } =
                loaded.map_err(|error| ObjectError::Denied(error.to_string()))?;
            let timeouts =
                TimeoutConfig::builder().connect_timeout(aws::CONNECT).read_timeout(aws::CALL).build();
            // An endpoint of one's own seldom has a host for each bucket.
            let has_own_endpoint = shared.endpoint_url().is_some();
            let config = Builder::from(&shared).timeout_config(timeouts).force_path_style(has_own_endpoint);
            Ok(S3Client { sdk: Client::from_conf(config.build()), credentials })
        };
        self.client.get_or_try_init(build).await
    }

    /// Reads an object of at most this size into memory.
    pub(crate) async fn get(&self, pointer: &Pointer, most: ByteSize) -> Result<Vec<u8>, ObjectError> {
        let reading = async {
            let mut object = self.open(pointer, most).await?;
            let mut body = Vec::with_capacity(usize::try_from(object.expected_bytes).unwrap_or_default());
            while let Some(chunk) = object.next_chunk().await? {
                body.extend_from_slice(&chunk);
            }
            Ok(body)
        };
        within_limit(pointer, reading.boxed()).await
    }

    /// Reads an object of at most this size into a file, a chunk at a time; returns its size in bytes.
    pub(crate) async fn save(
        &self,
        pointer: &Pointer,
        most: ByteSize,
        file: std::fs::File,
    ) -> Result<u64, ObjectError> {
        let unwritten =
            |error| ObjectError::Transient(format!("{pointer} cannot be written into a file: {error}"));
        let reading = async {
            let mut object = self.open(pointer, most).await?;
            let mut file = BufWriter::with_capacity(WRITE_BYTES, File::from_std(file));
            while let Some(chunk) = object.next_chunk().await? {
                file.write_all(&chunk).await.map_err(unwritten)?;
            }
            // Not before that has all been written.
            file.flush().await.map_err(unwritten)?;
            Ok(object.read_bytes)
        };
        within_limit(pointer, reading.boxed()).await
    }

    /// Begins to read an object, and refuses one that is larger than `most`.
    async fn open<'a>(&self, pointer: &'a Pointer, most: ByteSize) -> Result<ObjectReader<'a>, ObjectError> {
        let client = self.client().await?;
        let call = client.sdk.get_object().bucket(&pointer.bucket).key(&pointer.key);
        let answer = client.answered(pointer, || call.clone().send()).await?;
        let length = answer.content_length.and_then(|length| u64::try_from(length).ok());
        let expected_bytes = length.unwrap_or_default();
        let reader = ObjectReader { pointer, most, expected_bytes, read_bytes: 0, stream: answer.body };
        if expected_bytes > most.0 {
            return Err(reader.too_large(&format!("{expected_bytes} bytes, more")));
        }
        Ok(reader)
    }

    /// Asks for an object that is not there: S3 is reached, and knows the bucket and the credentials.
    ///
    /// Without `s3:ListBucket` the answer is that access is denied, which says nothing of what may be stored.
    pub(crate) async fn find_bucket(&self, bucket: &str) -> Result<(), ObjectError> {
        let pointer = Pointer { bucket: bucket.to_owned(), key: NO_OBJECT.to_owned() };
        let client = self.client().await?;
        let call = client.sdk.get_object().bucket(bucket).key(NO_OBJECT);
        match aws::with_renewal(client.credentials.as_ref(), || call.clone().send()).await {
            Err(error) if !matches!(error.code(), Some("NoSuchKey" | "AccessDenied")) => {
                Err(failure(&pointer, &error))
            }
            _ => Ok(()),
        }
    }

    /// Stores an object.
    pub(crate) async fn put(&self, pointer: &Pointer, body: Vec<u8>) -> Result<(), ObjectError> {
        let (client, body) = (self.client().await?, Bytes::from(body));
        let put = || {
            let call = client.sdk.put_object().bucket(&pointer.bucket).key(&pointer.key);
            call.body(ByteStream::from(body.clone())).send()
        };
        within_limit(pointer, client.answered(pointer, put).boxed()).await.map(drop)
    }

    /// Deletes an object; one that is not there counts as deleted.
    pub(crate) async fn delete(&self, pointer: &Pointer) -> Result<(), ObjectError> {
        let client = self.client().await?;
        let call = client.sdk.delete_object().bucket(&pointer.bucket).key(&pointer.key);
        within_limit(pointer, client.answered(pointer, || call.clone().send()).boxed()).await.map(drop)
    }
}

impl S3Client {
    /// Calls S3, with other credentials if those that were used are refused and there are others.
    async fn answered<T, E, F>(&self, pointer: &Pointer, call: impl Fn() -> F) -> Result<T, ObjectError>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let answer = aws::with_renewal(self.credentials.as_ref(), call).await;
        answer.map_err(|error| failure(pointer, &error))
    }
}

/// An object that is read chunk by chunk.
struct ObjectReader<'a> {
    pointer: &'a Pointer,
    most: ByteSize,
    /// The size that S3 has announced; 0 if it has not.
    expected_bytes: u64,
    read_bytes: u64,
    stream: ByteStream,
}

impl ObjectReader<'_> {
    async fn next_chunk(&mut self) -> Result<Option<Bytes>, ObjectError> {
        let silent = |_| {
            let silence = humantime::format_duration(SILENCE);
            ObjectError::Transient(format!("{} broke off: nothing came for {silence}", self.pointer))
        };
        let Some(chunk) = timeout(SILENCE, self.stream.next()).await.map_err(silent)? else {
            return Ok(None);
        };
        let broken =
            |error| ObjectError::Transient(format!("{}: {}", self.pointer, message_with_causes(&error)));
        let chunk = chunk.map_err(broken)?;
        self.read_bytes += chunk.len() as u64;
        if self.read_bytes > self.most.0 {
            return Err(self.too_large("more"));
        }
        Ok(Some(chunk))
    }

    fn too_large(&self, size: &str) -> ObjectError {
        ObjectError::Unusable(format!("{} has {size} than payload.max, {}", self.pointer, self.most))
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
        FailureKind::Answered(code)
            if !is_busy && failed.clock_error.is_none() && !aws::refuses_credentials(&code) =>
        {
            let hint = hint(&code, &failed.message, bucket_region(error));
            let hint = hint.map(|hint| format!(", hint: {hint}")).unwrap_or_default();
            ObjectError::Denied(format!("{pointer}: {code}: {}{hint}", failed.message))
        }
        FailureKind::Answered(code) => {
            ObjectError::Transient(format!("{pointer}: {code}: {}", failed.message))
        }
        _ => ObjectError::Transient(format!("{pointer} is not reached: {}", failed.message)),
    }
}

/// The region of the bucket, where S3 says that it is another.
fn bucket_region<E>(error: &SdkError<E, HttpResponse>) -> Option<&str> {
    error.raw_response()?.headers().get("x-amz-bucket-region")
}

/// The remedy for a refusal that someone must act on.
fn hint(code: &str, message: &str, region: Option<&str>) -> Option<Cow<'static, str>> {
    match (code, region) {
        ("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", Some(region)) => {
            Some(format!("set payload.region to {region}").into())
        }
        ("PermanentRedirect" | "AuthorizationHeaderMalformed", None) => {
            Some("set payload.region to that of the bucket".into())
        }
        ("NoSuchBucket", _) => Some("create the bucket, or correct its name where messages are sent".into()),
        ("AccessDenied", _) if message.contains("kms:") => {
            Some("grant the task role kms:Decrypt and kms:GenerateDataKey on the key of the bucket".into())
        }
        ("AccessDenied", _) => Some(
            "grant the task role s3:GetObject, s3:PutObject or s3:DeleteObject on the bucket's objects; without \
             s3:ListBucket an object that is not there is denied, too"
                .into(),
        ),
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
