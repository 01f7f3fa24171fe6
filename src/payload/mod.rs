//! Large and encoded payloads: bodies in S3 behind the pointers of the extended clients, and bodies in gzip or base64.

mod encoding;
mod fetch;
mod pointer;
mod s3;
mod size;

#[cfg(all(any(test, fuzzing), feature = "cli"))]
#[path = "../../tests/fuzz/payload.rs"]
pub(crate) mod fuzz;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::s3::S3Objects;
pub(crate) use self::size::ByteSize;
use self::{fetch::PayloadPreparation, pointer::Pointer};
use crate::{
    consumer::Preparation,
    message::OutgoingMessage,
    settings::{Problem, http_url},
    telemetry::WarningSampler,
};

/// The largest body where nothing is set.
const USUAL_MOST: ByteSize = ByteSize(64 << 20);

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
}

impl Default for Payload {
    /// Bodies as they are.
    fn default() -> Self {
        Self { objects: None, max: USUAL_MOST, delete: false, decode: false }
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

    /// The preparation of a queue's messages; `None` if there is nothing to do.
    pub(crate) fn preparation(
        &self,
        queue: Arc<str>,
        warnings: Arc<WarningSampler>,
    ) -> Option<Arc<dyn Preparation>> {
        let has_work = self.objects.is_some() || self.decode;
        let preparation = || Arc::new(PayloadPreparation::new(queue, self.clone(), warnings));
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
    /// The region of the buckets, when it is not the queue's.
    pub region: Option<String>,
    /// Another endpoint of S3, such as an emulator's.
    pub endpoint_url: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let Payload { max, delete, decode, .. } = Payload::default();
        Self { s3: S3Mode::None, max, delete, decode, region: None, endpoint_url: None }
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
    /// The treatment by these settings, with the objects that they name.
    pub(crate) fn with_objects(&self, objects: impl FnOnce() -> S3Objects) -> Payload {
        let objects = (self.s3 == S3Mode::Fetch).then(|| Arc::new(objects()));
        Payload { objects, max: self.max, delete: self.delete, decode: self.decode }
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

impl Offload {
    /// Stores the body of a message that is larger than `most` bytes, and leaves a pointer in its place.
    pub(crate) async fn store(
        &self,
        message: OutgoingMessage,
        most: usize,
    ) -> Result<OutgoingMessage, String> {
        if message.size_bytes() <= most {
            return Ok(message);
        }
        let pointer = Pointer { bucket: self.bucket.clone(), key: Uuid::new_v4().to_string() };
        let mut pointing = message.clone();
        pointer.replace_body(&mut pointing)?;
        let stored = self.objects.put(&pointer, message.body.into_bytes()).await;
        stored.map_err(|error| error.to_string())?;
        Ok(pointing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(broken(|settings| settings.max = ByteSize(0)), "max");
        assert_eq!(broken(|settings| settings.delete = true), "delete");
        assert_eq!(broken(|settings| (settings.delete, settings.s3) = (true, S3Mode::Fetch)), "");
        assert_eq!(broken(|settings| settings.endpoint_url = Some("moto".to_owned())), "endpoint_url");
    }

    #[test]
    fn without_work_there_is_no_preparation() {
        let preparation = |payload: Payload| payload.preparation("orders".into(), Arc::default());
        assert!(preparation(Payload::default()).is_none());
        assert!(preparation(Payload::default().decode()).is_some());
        assert!(preparation(Settings::default().with_objects(|| S3Objects::in_region("r"))).is_none());
    }
}
