//! The actions of SQS in general: their trait, their context, and queue URLs.

use std::future::Future;

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Shutdown,
    error::RequestError,
    json,
    request::{RequestParameters, WireProtocol},
    xml::{XmlNamespace, XmlWriter},
};
use crate::{
    sns::SnsAccount,
    sqs::{SqsAccount, SqsApiError, SqsErrorCode},
};

/// The context of an action: the accounts, and the request that calls it.
#[derive(Debug)]
pub(super) struct ActionContext<'a> {
    /// The queues.
    pub(super) sqs: &'a SqsAccount,
    /// The topics, as clients of the region see them.
    pub(super) sns: &'a SnsAccount,
    /// The host and port by which the client reached the server.
    pub(super) authority: RequestAuthority,
    /// The path of the request, which names the queue in the query protocol.
    pub(super) path: &'a str,
    /// The protocol of the request and of its response.
    pub(super) protocol: WireProtocol,
    /// The id of the request, which its response carries.
    pub(super) request_id: &'a str,
    /// The header `X-Amzn-Trace-Id`, which becomes the system attribute `AWSTraceHeader` of sent messages.
    pub(super) trace_header: Option<String>,
    /// The shutdown of the server, which ends waiting receives.
    pub(super) shutdown: &'a Shutdown,
}

impl ActionContext<'_> {
    /// The name of the queue that the request is about.
    pub(super) fn queue_name(&self, url: Option<&str>) -> Result<String, RequestError> {
        match (url, self.protocol) {
            (Some(url), _) => queue_name(self.sqs, url),
            (None, WireProtocol::Query | WireProtocol::QueryJson) if self.path != "/" => {
                queue_name(self.sqs, self.path)
            }
            (None, _) => Err(SqsApiError::missing_parameter("QueueUrl").into()),
        }
    }

    /// The URL by which this client reaches a queue.
    pub(super) fn queue_url(&self, name: &str) -> String {
        self.authority.queue_url(self.sqs, name)
    }

    /// Decodes the parameters, runs the action and encodes its result.
    pub(super) async fn perform<A: SqsAction>(
        &self,
        parameters: &RequestParameters,
    ) -> Result<Vec<u8>, RequestError> {
        let action: A = parameters.decode()?;
        let result = action.run(self).await?;
        let json = match self.protocol {
            WireProtocol::Json => serde_json::to_vec(&result),
            WireProtocol::Query => return Ok(self.document(A::NAME, &result).into_bytes()),
            WireProtocol::QueryJson => self.json_document(A::NAME, &result),
        };
        json.map_err(|error| SqsApiError::new(SqsErrorCode::InternalError, error.to_string()).into())
    }

    fn json_document(&self, action: &str, result: &impl SqsResult) -> serde_json::Result<Vec<u8>> {
        let result = result.has_element().then(|| serde_json::to_value(result)).transpose()?;
        serde_json::to_vec(&json::query_document(action, result, self.request_id))
    }

    fn document(&self, action: &str, result: &impl SqsResult) -> String {
        XmlWriter::document(XmlNamespace::Sqs, &format!("{action}Response"), |xml| {
            if result.has_element() {
                xml.element(&format!("{action}Result"), |xml| result.xml(xml));
            }
            xml.element("ResponseMetadata", |xml| xml.text("RequestId", self.request_id));
        })
    }
}

/// One action of SQS, as the parameters of its request.
///
/// The fields are named as in the JSON protocol; `serde(alias)` adds the name of the query protocol where it differs,
/// which is the singular for lists and maps. Required fields are options too, because SQS names a missing one.
pub(super) trait SqsAction: DeserializeOwned + Send {
    /// The action's name.
    const NAME: &'static str;
    /// The result.
    type Output: SqsResult;

    /// Runs the action. The future is dropped when the client disconnects, and must leave nothing half done.
    fn run(
        self,
        context: &ActionContext<'_>,
    ) -> impl Future<Output = Result<Self::Output, RequestError>> + Send;
}

/// The result of an action, written in JSON by `Serialize` and in XML by hand, because the two nest differently.
pub(super) trait SqsResult: Serialize + Send + Sync {
    /// Writes the content of the result element.
    fn xml(&self, xml: &mut XmlWriter);

    /// True if there is a result element.
    fn has_element(&self) -> bool {
        true
    }
}

/// The result of the actions that return nothing: `{}` in JSON.
#[derive(Debug, Serialize)]
pub(super) struct EmptyResult {}

impl SqsResult for EmptyResult {
    fn xml(&self, _: &mut XmlWriter) {}

    fn has_element(&self) -> bool {
        false
    }
}

/// The host and port by which a client reached the server; part of every queue URL in the response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestAuthority(pub(super) String);

impl RequestAuthority {
    /// The address of the server.
    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.0)
    }

    /// The URL of a queue.
    pub(super) fn queue_url(&self, account: &SqsAccount, name: &str) -> String {
        format!("{}/{}/{name}", self.endpoint(), account.identity().account_id)
    }
}

/// The name in the URL of a queue, whatever its host; accepts a path or a name alone too.
fn queue_name(account: &SqsAccount, address: &str) -> Result<String, RequestError> {
    let path = match address.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_authority, path)| path),
        None => address,
    };
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    match segments[..] {
        [name] => Ok(name.to_owned()),
        [account_id, name] if account_id == account.identity().account_id => Ok(name.to_owned()),
        [_, _] => Err(RequestError::no_queue()),
        _ => Err(RequestError::Address(address.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqs::AccountIdentity;

    fn account() -> SqsAccount {
        SqsAccount::new(AccountIdentity::default())
    }

    #[test]
    fn the_url_that_is_written_can_be_read_by_any_host() {
        let url = RequestAuthority("127.0.0.1:9324".to_owned()).queue_url(&account(), "orders.fifo");
        assert_eq!(url, "http://127.0.0.1:9324/000000000000/orders.fifo");
        for address in
            [url.as_str(), "http://localhost/000000000000/orders.fifo", "/000000000000/orders.fifo"]
        {
            assert_eq!(queue_name(&account(), address), Ok("orders.fifo".to_owned()), "{address}");
        }
    }

    #[test]
    fn another_accounts_queue_does_not_exist() {
        let error = queue_name(&account(), "http://localhost/123456789012/orders").unwrap_err();
        assert_eq!(error.code(), "AWS.SimpleQueueService.NonExistentQueue");
    }

    #[test]
    fn an_address_without_a_queue_is_invalid() {
        for address in ["", "/", "http://localhost:9324", "http://localhost/a/b/c"] {
            assert_eq!(queue_name(&account(), address).unwrap_err().code(), "InvalidAddress", "{address}");
        }
    }
}
