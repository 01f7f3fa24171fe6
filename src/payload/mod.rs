//! Large and encoded payloads: bodies in S3 behind the pointers of the extended clients, and bodies in gzip or base64.

mod encoding;
mod fetch;
mod pointer;
mod s3;
mod size;

#[cfg(all(any(test, fuzzing), feature = "cli"))]
#[path = "../../tests/fuzz/payload.rs"]
pub(crate) mod fuzz;

use std::{path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::s3::S3Objects;
use self::{fetch::PayloadPreparation, pointer::Pointer};
pub(crate) use self::{s3::ObjectError, size::ByteSize};
use crate::{
    consumer::Preparation,
    handler::FetchedForm,
    message::OutgoingMessage,
    settings::{Problem, http_url},
    telemetry::WarningSampler,
};

/// The largest body where nothing is set.
const USUAL_MOST: ByteSize = ByteSize(64 << 20);
/// More than a pointer takes: a body of fewer bytes is not worth one.
const POINTER_BYTES: usize = 1024;

/// The treatment of large and encoded payloads, before a handler is called.
///
/// ```
/// use longshore::payload::{Payload, S3Objects};
///
/// let payload = Payload::default().fetch(S3Objects::in_region("eu-west-1")).max_bytes(16 << 20).decode();
/// ```
#[derive(Clone, Debug)]
pub struct Payload {
    objects: Option<Arc<S3Objects>>,
    max: ByteSize,
    delete: bool,
    decode: bool,
    temporary_directory: Option<PathBuf>,
}

impl Default for Payload {
    /// Bodies as they are.
    fn default() -> Self {
        Self { objects: None, max: USUAL_MOST, delete: false, decode: false, temporary_directory: None }
    }
}

impl Payload {
    /// Gives handlers the object to which a message of an extended client points, as the message's body.
    #[must_use]
    pub fn fetch(self, objects: S3Objects) -> Self {
        Self { objects: Some(Arc::new(objects)), ..self }
    }

    /// Sets the largest body, fetched or inflated; default: 64 MiB. A message with a larger one is rejected.
    #[must_use]
    pub fn max_bytes(self, bytes: u64) -> Self {
        Self { max: ByteSize(bytes), ..self }
    }

    /// Deletes an object after its message was done and deleted; by default objects stay.
    #[must_use]
    pub fn delete(self) -> Self {
        Self { delete: true, ..self }
    }

    /// Takes the encodings that the attribute `content-encoding` lists off each body: gzip, base64.
    #[must_use]
    pub fn decode(self) -> Self {
        Self { decode: true, ..self }
    }

    /// Sets the directory of the files in which handlers of the kinds `http` and `exec` get fetched bodies; default: the
    /// system's temporary directory.
    #[must_use]
    pub fn temporary_directory(self, directory: impl Into<PathBuf>) -> Self {
        Self { temporary_directory: Some(directory.into()), ..self }
    }

    /// The preparation of a queue's messages, for a handler that takes fetched bodies in this form; `None` if there is nothing
    /// to do.
    pub(crate) fn preparation(
        &self,
        queue: Arc<str>,
        form: FetchedForm,
        warnings: Arc<WarningSampler>,
    ) -> Option<Arc<dyn Preparation>> {
        let has_work = self.objects.is_some() || self.decode;
        let preparation = || Arc::new(PayloadPreparation::new(queue, self.clone(), form, warnings));
        has_work.then(|| preparation() as Arc<dyn Preparation>)
    }
}

/// Settings of large and encoded payloads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// `fetch` gives the handler the object of S3 to which a message of the SQS or SNS extended client points, as the body; `none` the pointer.
    pub s3: S3Mode,
    /// The largest body, fetched or inflated, such as `64MiB`; a message with a larger one is rejected.
    pub max: ByteSize,
    /// `true` deletes the object after its message was done and deleted; otherwise, and after a retry or a reject, it stays.
    pub delete: bool,
    /// `true` takes the encodings off a body that its attribute `content-encoding` lists: `gzip`, `base64`, or both.
    pub decode: bool,
    /// The directory of the files in which the handlers `http` and `exec` get fetched bodies; absent, the system's temporary directory.
    pub temporary_directory: Option<PathBuf>,
    /// The bucket for the bodies of messages that are too large for SQS, which `longshore send` and the ingest API of `longshore dev` store there; absent, they are refused.
    pub bucket: Option<String>,
    /// The region of the buckets, when it is not the queue's.
    pub region: Option<String>,
    /// Another endpoint of S3, such as an emulator's.
    pub endpoint_url: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let Payload { max, delete, decode, temporary_directory, .. } = Payload::default();
        let (s3, bucket, region, endpoint_url) = (S3Mode::None, None, None, None);
        Self { s3, max, delete, decode, temporary_directory, bucket, region, endpoint_url }
    }
}

/// The treatment of pointers to objects of S3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum S3Mode {
    /// They are bodies like all others.
    #[default]
    None,
    /// The object becomes the body.
    Fetch,
}

impl Settings {
    /// True if the objects are fetched to which messages point.
    pub(crate) fn fetches(&self) -> bool {
        self.s3 == S3Mode::Fetch
    }

    /// The treatment by these settings, with the objects that they name.
    pub(crate) fn with_objects(&self, objects: impl FnOnce() -> S3Objects) -> Payload {
        let objects = self.fetches().then(|| Arc::new(objects()));
        let temporary_directory = self.temporary_directory.clone();
        Payload { objects, max: self.max, delete: self.delete, decode: self.decode, temporary_directory }
    }

    /// Finds every setting that cannot work.
    pub(crate) fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.max.0 == 0 {
            let problem = Problem::new("max", "out of range").with_value(self.max);
            problems.push(problem.with_allowed("at least 1B"));
        }
        if self.delete && self.s3 == S3Mode::None {
            let problem = Problem::new("delete", "no object is fetched, so that none is deleted");
            problems
                .push(problem.with_value(true).with_hint("set payload.s3 = \"fetch\", or leave delete out"));
        }
        if self.bucket.as_ref().is_some_and(String::is_empty) {
            let problem = Problem::new("bucket", "no name of a bucket").with_value("");
            problems.push(problem.with_hint("leave it out, and larger messages are refused"));
        }
        problems.extend(http_url("endpoint_url", self.endpoint_url.as_deref()));
        problems
    }
}

/// A bucket that takes the bodies of messages that are too large for SQS.
#[derive(Debug)]
pub(crate) struct Offload {
    pub(crate) objects: S3Objects,
    pub(crate) bucket: String,
}

/// The failure of storing the body of a message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OffloadError {
    /// The message has no room for a pointer: its sender must act.
    #[error("{0}")]
    NoRoom(String),
    /// The body was not stored.
    #[error(transparent)]
    NotStored(#[from] ObjectError),
}

impl Offload {
    /// Stores the body of a message that is larger than `most` bytes, and leaves a pointer in its place.
    pub(crate) async fn store(
        &self,
        mut message: OutgoingMessage,
        most: usize,
    ) -> Result<OutgoingMessage, OffloadError> {
        if message.size_bytes() <= most {
            return Ok(message);
        }
        let pointer = Pointer { bucket: self.bucket.clone(), key: Uuid::new_v4().to_string() };
        let body = pointer.replace_body(&mut message).map_err(OffloadError::NoRoom)?;
        self.objects.put(&pointer, body.into_bytes()).await?;
        Ok(message)
    }

    /// Stores bodies, the largest first, until the messages have at most `most` bytes together.
    pub(crate) async fn fit(
        &self,
        messages: &mut [OutgoingMessage],
        most: usize,
    ) -> Result<(), OffloadError> {
        loop {
            let size_bytes: usize = messages.iter().map(OutgoingMessage::size_bytes).sum();
            if size_bytes <= most {
                return Ok(());
            }
            let bodies = messages.iter_mut().filter(|message| message.body.len() > POINTER_BYTES);
            let Some(largest) = bodies.max_by_key(|message| message.body.len()) else {
                return Err(OffloadError::NoRoom(format!(
                    "the attributes are too large: {size_bytes} bytes"
                )));
            };
            *largest = self.store(std::mem::take(largest), 0).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::message::AttributeValue;

    fn broken(change: impl FnOnce(&mut Settings)) -> String {
        let mut settings = Settings::default();
        change(&mut settings);
        let problems = settings.validate();
        let keys: Vec<_> = problems.iter().map(|problem| problem.key().unwrap().to_string()).collect();
        keys.join(" ")
    }

    #[test]
    fn settings_have_limits() {
        assert_eq!(broken(|_| ()), "");
        assert_eq!(broken(|settings| settings.bucket = Some(String::new())), "bucket");
        assert_eq!(broken(|settings| settings.max = ByteSize(0)), "max");
        assert_eq!(broken(|settings| settings.delete = true), "delete");
        assert_eq!(broken(|settings| (settings.delete, settings.s3) = (true, S3Mode::Fetch)), "");
        assert_eq!(broken(|settings| settings.endpoint_url = Some("moto".to_owned())), "endpoint_url");
    }

    #[test]
    fn messages_that_fit_are_sent_as_they_are_and_attributes_alone_that_do_not_are_refused() {
        let offload = Offload { objects: S3Objects::in_region("r"), bucket: "b".to_owned() };
        let fit = |messages: &mut [OutgoingMessage], most| {
            // Nothing is stored: that would need a runtime.
            offload.fit(messages, most).now_or_never().unwrap()
        };
        let mut messages = ["x", "y"].map(|body| OutgoingMessage::new(body.repeat(1_000)));
        assert!(fit(&mut messages, 2_000).is_ok());
        assert_eq!(messages[0].body.len(), 1_000);
        let refused = fit(&mut messages, 1_999).unwrap_err();
        assert!(matches!(refused, OffloadError::NoRoom(_)), "bodies of less than a pointer: {refused}");
        let attribute = AttributeValue::string("x");
        messages[0].attributes = (0..10).map(|name| (name.to_string(), attribute.clone())).collect();
        messages[0].body = "x".repeat(2_000);
        let refused = fit(&mut messages, 1_999).unwrap_err().to_string();
        assert!(refused.contains("at most 9 beside"), "{refused}");
    }

    #[test]
    fn without_work_there_is_no_preparation() {
        let preparation =
            |payload: Payload| payload.preparation("orders".into(), FetchedForm::Text, Arc::default());
        assert!(preparation(Payload::default()).is_none());
        assert!(preparation(Payload::default().decode()).is_some());
        assert!(preparation(Settings::default().with_objects(|| S3Objects::in_region("r"))).is_none());
    }
}
