//! Batches: entries with ids in, one result or one failure for each of them out.

use serde::{Deserialize, Serialize};

use super::{
    call::{Answer, Call},
    refusal::{Blame, Refusal},
    xml::Xml,
};
use crate::queue::memory;

/// A batch of requests to one queue.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Batch<E> {
    queue_url: Option<String>,
    #[serde(
        alias = "SendMessageBatchRequestEntry",
        alias = "DeleteMessageBatchRequestEntry",
        alias = "ChangeMessageVisibilityBatchRequestEntry"
    )]
    entries: Option<Vec<E>>,
}

/// An entry of a batch.
pub(super) trait Entry {
    /// The id that its result carries; empty when there is none, which is refused.
    fn id(&self) -> &str;
}

impl<E: Entry> Batch<E> {
    /// The queue's name and the entries, once the rules for a whole batch hold.
    pub(super) fn checked(self, call: &Call<'_>) -> Result<(String, Vec<E>), Refusal> {
        let queue = call.queue_name(self.queue_url.as_deref())?;
        call.account.arn(&queue)?;
        let entries = self.entries.unwrap_or_default();
        memory::batch_ids(entries.iter().map(Entry::id))?;
        Ok((queue, entries))
    }
}

/// What a batch answers, entry by entry.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BatchAnswer<S> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    successful: Vec<S>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<Failed>,
}

/// An entry that failed, while others may have succeeded.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Failed {
    id: String,
    code: &'static str,
    message: String,
    sender_fault: bool,
}

/// The success of an entry, which knows its name in the query protocol.
pub(super) trait Success: Serialize + Send + Sync {
    /// The element of one success.
    const ELEMENT: &'static str;

    /// Writes what goes into it.
    fn xml(&self, xml: &mut Xml);
}

impl<S> BatchAnswer<S> {
    /// Runs every entry, whatever becomes of the others.
    pub(super) fn of<E: Entry>(entries: Vec<E>, mut run: impl FnMut(E) -> Result<S, Refusal>) -> Self {
        let mut answer = Self { successful: Vec::with_capacity(entries.len()), failed: Vec::new() };
        for entry in entries {
            let id = entry.id().to_owned();
            match run(entry) {
                Ok(success) => answer.successful.push(success),
                Err(refusal) => answer.failed.push(Failed::new(id, &refusal)),
            }
        }
        answer
    }
}

impl Failed {
    fn new(id: String, refusal: &Refusal) -> Self {
        Self {
            id,
            code: refusal.code(),
            message: refusal.to_string(),
            sender_fault: refusal.blame() == Blame::Sender,
        }
    }
}

impl<S: Success> Answer for BatchAnswer<S> {
    fn xml(&self, xml: &mut Xml) {
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
    use crate::queue::memory::{Code, Fault};

    struct Named(&'static str);

    impl Entry for Named {
        fn id(&self) -> &str {
            self.0
        }
    }

    #[test]
    fn one_entrys_failure_leaves_the_others_alone() {
        let answer = BatchAnswer::of(vec![Named("a"), Named("b"), Named("c")], |entry| match entry.0 {
            "b" => Err(Fault::new(Code::InternalError, "why").into()),
            id => Ok(id),
        });
        assert_eq!(
            serde_json::to_string(&answer).unwrap(),
            r#"{"Successful":["a","c"],"Failed":[{"Id":"b","Code":"InternalFailure","Message":"why","SenderFault":false}]}"#
        );
    }
}
