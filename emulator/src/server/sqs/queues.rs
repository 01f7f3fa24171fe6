//! The actions about queues as a whole, and the pages of their lists.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::{Deserialize, Serialize};

use super::required;
use crate::{
    message::StringMap,
    server::{
        action::{ActionContext, EmptyResult, SqsAction, SqsResult},
        error::RequestError,
        xml::XmlWriter,
    },
    sqs::SqsApiError,
};

/// `CreateQueue`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateQueue {
    queue_name: Option<String>,
    #[serde(alias = "Attribute")]
    attributes: Option<StringMap>,
    #[serde(alias = "tags", alias = "Tag")]
    tags: Option<StringMap>,
}

/// The URL by which the client reaches a queue.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct QueueUrlResult {
    queue_url: String,
}

impl SqsResult for QueueUrlResult {
    fn xml(&self, xml: &mut XmlWriter) {
        xml.text("QueueUrl", &self.queue_url);
    }
}

impl SqsAction for CreateQueue {
    const NAME: &'static str = "CreateQueue";
    type Output = QueueUrlResult;

    async fn run(self, context: &ActionContext<'_>) -> Result<QueueUrlResult, RequestError> {
        let name = required(self.queue_name, "QueueName")?;
        let attributes = self.attributes.unwrap_or_default();
        context.sqs.create_queue(&name, &attributes, &self.tags.unwrap_or_default())?;
        Ok(QueueUrlResult { queue_url: context.queue_url(&name) })
    }
}

/// `GetQueueUrl`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetQueueUrl {
    queue_name: Option<String>,
    #[serde(rename = "QueueOwnerAWSAccountId")]
    owner: Option<String>,
}

impl SqsAction for GetQueueUrl {
    const NAME: &'static str = "GetQueueUrl";
    type Output = QueueUrlResult;

    async fn run(self, context: &ActionContext<'_>) -> Result<QueueUrlResult, RequestError> {
        let name = required(self.queue_name, "QueueName")?;
        if self.owner.is_some_and(|owner| owner != context.sqs.identity().account_id) {
            return Err(RequestError::no_queue());
        }
        context.sqs.arn(&name)?;
        Ok(QueueUrlResult { queue_url: context.queue_url(&name) })
    }
}

/// `DeleteQueue`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteQueue {
    queue_url: Option<String>,
}

impl SqsAction for DeleteQueue {
    const NAME: &'static str = "DeleteQueue";
    type Output = EmptyResult;

    async fn run(self, context: &ActionContext<'_>) -> Result<EmptyResult, RequestError> {
        context.sqs.delete_queue(&context.queue_name(self.queue_url.as_deref())?)?;
        Ok(EmptyResult {})
    }
}

/// `PurgeQueue`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PurgeQueue {
    queue_url: Option<String>,
}

impl SqsAction for PurgeQueue {
    const NAME: &'static str = "PurgeQueue";
    type Output = EmptyResult;

    async fn run(self, context: &ActionContext<'_>) -> Result<EmptyResult, RequestError> {
        context.sqs.purge(&context.queue_name(self.queue_url.as_deref())?)?;
        Ok(EmptyResult {})
    }
}

/// `ListQueues`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListQueues {
    queue_name_prefix: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

/// One page of queue URLs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListQueuesResult {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    queue_urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

impl ListQueuesResult {
    fn of(page: &NamePage, context: &ActionContext<'_>) -> Self {
        let queue_urls = page.names.iter().map(|name| context.queue_url(name)).collect();
        Self { queue_urls, next_token: page.next_token.clone() }
    }
}

impl SqsResult for ListQueuesResult {
    fn xml(&self, xml: &mut XmlWriter) {
        for url in &self.queue_urls {
            xml.text("QueueUrl", url);
        }
        xml.optional("NextToken", self.next_token.as_deref());
    }
}

impl SqsAction for ListQueues {
    const NAME: &'static str = "ListQueues";
    type Output = ListQueuesResult;

    async fn run(self, context: &ActionContext<'_>) -> Result<ListQueuesResult, RequestError> {
        let names = context.sqs.queue_names(&self.queue_name_prefix.unwrap_or_default());
        let page = NamePage::of(names, self.max_results, self.next_token.as_deref())?;
        Ok(ListQueuesResult::of(&page, context))
    }
}

/// `ListDeadLetterSourceQueues`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListDeadLetterSourceQueues {
    queue_url: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

/// One page of the URLs of source queues; SQS spells this list with a small letter.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListSourcesResult {
    #[serde(rename = "queueUrls")]
    queue_urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

impl SqsResult for ListSourcesResult {
    fn xml(&self, xml: &mut XmlWriter) {
        for url in &self.queue_urls {
            xml.text("QueueUrl", url);
        }
        xml.optional("NextToken", self.next_token.as_deref());
    }
}

impl SqsAction for ListDeadLetterSourceQueues {
    const NAME: &'static str = "ListDeadLetterSourceQueues";
    type Output = ListSourcesResult;

    async fn run(self, context: &ActionContext<'_>) -> Result<ListSourcesResult, RequestError> {
        let names = context.sqs.dead_letter_sources(&context.queue_name(self.queue_url.as_deref())?)?;
        let page = NamePage::of(names, self.max_results, self.next_token.as_deref())?;
        let ListQueuesResult { queue_urls, next_token } = ListQueuesResult::of(&page, context);
        Ok(ListSourcesResult { queue_urls, next_token })
    }
}

/// The most names of a page, and their number if the request has none.
const PAGE_NAMES: i64 = 1_000;

/// One page of names, and the token for the next.
#[derive(Debug, PartialEq, Eq)]
struct NamePage {
    names: Vec<String>,
    next_token: Option<String>,
}

impl NamePage {
    /// The page of at most `max` names that follows the page of a token.
    ///
    /// A token is the last name of its page, so that a queue that is created or deleted between two pages does not
    /// shift the others.
    fn of(sorted: Vec<String>, max: Option<i64>, token: Option<&str>) -> Result<Self, RequestError> {
        let max = max.unwrap_or(PAGE_NAMES);
        if !(1..=PAGE_NAMES).contains(&max) {
            let reason = format!("Value must be an integer between 1 and {PAGE_NAMES}.");
            return Err(SqsApiError::invalid_parameter("MaxResults", max, &reason).into());
        }
        let after = token.map(last_name).transpose()?;
        let mut rest =
            sorted.into_iter().filter(|name| after.as_ref().is_none_or(|after| name > after)).peekable();
        let mut names = Vec::new();
        for _ in 0..max {
            names.extend(rest.next());
        }
        let next_token = match names.last() {
            Some(last) if rest.peek().is_some() => Some(BASE64_STANDARD.encode(last)),
            _ => None,
        };
        Ok(Self { names, next_token })
    }
}

fn last_name(token: &str) -> Result<String, RequestError> {
    let bytes = BASE64_STANDARD.decode(token).ok();
    let name = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    name.ok_or_else(|| {
        SqsApiError::invalid_parameter("NextToken", token, "It was not made by this server.").into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("queue-{number:03}")).collect()
    }

    #[test]
    fn the_pages_together_are_the_whole_list() {
        let mut seen = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = NamePage::of(names(7), Some(3), token.as_deref()).unwrap();
            seen.extend(page.names);
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, names(7));
    }

    #[test]
    fn a_full_last_page_has_no_token() {
        let page = NamePage::of(names(3), Some(3), None).unwrap();
        assert_eq!(page, NamePage { names: names(3), next_token: None });
    }

    #[test]
    fn numbers_out_of_range_and_foreign_tokens_are_refused() {
        for (max, token) in [(Some(0), None), (Some(1_001), None), (None, Some("?"))] {
            assert_eq!(NamePage::of(names(1), max, token).unwrap_err().code(), "InvalidParameterValue");
        }
    }
}
