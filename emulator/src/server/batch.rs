//! Batches of SQS: entries with ids, and a result or an error for each.

use serde::{Deserialize, Serialize};

use crate::sqs;

use super::{
    action::{ActionContext, SqsResult},
    error::{ErrorType, RequestError},
    xml::XmlWriter,
};

/// A batch of requests to one queue.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BatchRequest<E> {
    queue_url: Option<String>,
    #[serde(
        alias = "SendMessageBatchRequestEntry",
        alias = "DeleteMessageBatchRequestEntry",
        alias = "ChangeMessageVisibilityBatchRequestEntry"
    )]
    entries: Option<Vec<E>>,
}

/// An entry of a batch.
pub(super) trait BatchEntry {
    /// The id, which its result carries; empty if there is none, which is refused.
    fn id(&self) -> &str;
}

impl<E: BatchEntry> BatchRequest<E> {
    /// Checks the rules for a batch as a whole; returns the queue's name and the entries.
    pub(super) fn checked(self, context: &ActionContext<'_>) -> Result<(String, Vec<E>), RequestError> {
        let queue = context.queue_name(self.queue_url.as_deref())?;
        context.sqs.arn(&queue)?;
        let entries = self.entries.unwrap_or_default();
        sqs::batch_ids(entries.iter().map(BatchEntry::id))?;
        Ok((queue, entries))
    }
}

/// The results of the entries.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BatchActionResult<S> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    successful: Vec<S>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<BatchResultError>,
}

/// The error of one entry.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct BatchResultError {
    id: String,
    code: &'static str,
    message: String,
    sender_fault: bool,
}

/// The success of one entry.
pub(super) trait BatchResultEntry: Serialize + Send + Sync {
    /// Its element in the query protocol.
    const ELEMENT: &'static str;

    /// Writes the content of the element.
    fn xml(&self, xml: &mut XmlWriter);
}

impl<S> BatchActionResult<S> {
    /// Runs every entry; the failure of one does not affect the others.
    pub(super) fn of<E: BatchEntry>(
        entries: Vec<E>,
        mut run: impl FnMut(E) -> Result<S, RequestError>,
    ) -> Self {
        let mut result = Self { successful: Vec::with_capacity(entries.len()), failed: Vec::new() };
        for entry in entries {
            let id = entry.id().to_owned();
            match run(entry) {
                Ok(success) => result.successful.push(success),
                Err(error) => result.failed.push(BatchResultError::new(id, &error)),
            }
        }
        result
    }
}

impl BatchResultError {
    fn new(id: String, error: &RequestError) -> Self {
        Self {
            id,
            code: error.code(),
            message: error.to_string(),
            sender_fault: error.error_type() == ErrorType::Sender,
        }
    }
}

impl<S: BatchResultEntry> SqsResult for BatchActionResult<S> {
    fn xml(&self, xml: &mut XmlWriter) {
        for success in &self.successful {
            xml.element(S::ELEMENT, |xml| success.xml(xml));
        }
        for failed in &self.failed {
            xml.element("BatchResultErrorEntry", |xml| {
                xml.text("Id", &failed.id);
                xml.text("Code", failed.code);
                xml.text("Message", &failed.message);
                xml.text("SenderFault", if failed.sender_fault { "true" } else { "false" });
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqs::{SqsApiError, SqsErrorCode};

    struct Named(&'static str);

    impl BatchEntry for Named {
        fn id(&self) -> &str {
            self.0
        }
    }

    #[test]
    fn the_failure_of_one_entry_does_not_affect_the_others() {
        let result = BatchActionResult::of(vec![Named("a"), Named("b"), Named("c")], |entry| match entry.0 {
            "b" => Err(SqsApiError::new(SqsErrorCode::InternalError, "why").into()),
            id => Ok(id),
        });
        assert_eq!(
            serde_json::to_string(&result).unwrap(),
            r#"{"Successful":["a","c"],"Failed":[{"Id":"b","Code":"InternalFailure","Message":"why","SenderFault":false}]}"#
        );
    }
}
