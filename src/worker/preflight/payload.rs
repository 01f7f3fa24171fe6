//! Checks the bucket of a queue's large bodies: that S3 is reached, and knows the bucket and the credentials.

use super::{Code, Finding, from_settings};
use crate::{
    config::{QueueSettings, Settings},
    payload::ObjectError,
};

/// Checks the bucket for bodies that are too large to be sent; those of received pointers are in the messages.
pub(super) async fn check(name: &str, queue: &QueueSettings, settings: &Settings) -> Option<Finding> {
    let bucket = queue.payload.bucket.as_deref()?;
    let error = from_settings::payload_objects(queue, &settings.aws).find_bucket(bucket).await.err()?;
    let code = match error {
        ObjectError::Transient(_) => Code::PayloadUnreachable,
        ObjectError::Denied(_) | ObjectError::Unusable(_) => Code::PayloadBucket,
    };
    Some(Finding::of(name, code, error.to_string()).or_of_proxy())
}
