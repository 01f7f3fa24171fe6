//! One request while its action runs, and what an action is.

use std::future::Future;

use serde::{Serialize, de::DeserializeOwned};

use super::{
    address::{self, Authority},
    asked::{Parameters, Protocol},
    refusal::Refusal,
    xml::{Namespace, Xml},
};
use crate::{
    queue::memory::{Account, Code, Fault},
    sns::memory::Topics,
    stop::Stop,
};

/// What an action may know of the request that asks for it.
#[derive(Debug)]
pub(super) struct Call<'a> {
    /// The account it is about.
    pub(super) account: &'a Account,
    /// The topics beside it.
    pub(super) topics: &'a Topics,
    /// How the client reached the server.
    pub(super) authority: Authority,
    /// The path of the request, which names the queue in the query protocol.
    pub(super) path: &'a str,
    /// The protocol of the request and of its answer.
    pub(super) protocol: Protocol,
    /// The id the answer carries.
    pub(super) request_id: &'a str,
    /// When no more waiting is to be done.
    pub(super) stop: &'a Stop,
}

impl Call<'_> {
    /// The name of the queue that the request is about.
    pub(super) fn queue_name(&self, url: Option<&str>) -> Result<String, Refusal> {
        match (url, self.protocol) {
            (Some(url), _) => address::queue_name(self.account, url),
            (None, Protocol::Query) if self.path != "/" => address::queue_name(self.account, self.path),
            (None, _) => Err(Fault::missing_parameter("QueueUrl").into()),
        }
    }

    /// The URL of a queue, as this client reaches it.
    pub(super) fn queue_url(&self, name: &str) -> String {
        self.authority.queue_url(self.account, name)
    }

    /// Decodes the parameters, runs the action, encodes its answer.
    pub(super) async fn perform<A: Action>(&self, parameters: &Parameters) -> Result<Vec<u8>, Refusal> {
        let action: A = parameters.decode()?;
        let answer = action.run(self).await?;
        match self.protocol {
            Protocol::Json => serde_json::to_vec(&answer)
                .map_err(|error| Fault::new(Code::InternalError, error.to_string()).into()),
            Protocol::Query => Ok(self.document(A::NAME, &answer).into_bytes()),
        }
    }

    fn document(&self, action: &str, answer: &impl Answer) -> String {
        Xml::document(Namespace::Sqs, &format!("{action}Response"), |xml| {
            if answer.has_result() {
                xml.element(&format!("{action}Result"), |xml| answer.xml(xml));
            }
            xml.element("ResponseMetadata", |xml| xml.text("RequestId", self.request_id));
        })
    }
}

/// One action of SQS: its request's parameters, which know how to be run.
///
/// The fields are named as in the JSON protocol; `serde(alias)` adds the query protocol's name where it differs,
/// which is the singular for lists and maps. Required ones are options too, because SQS names what is missing.
pub(super) trait Action: DeserializeOwned + Send {
    /// The action's name.
    const NAME: &'static str;
    /// What it answers.
    type Answer: Answer;

    /// Runs the action. Dropping the future, at a client's hang-up, must leave nothing half done.
    fn run(self, call: &Call<'_>) -> impl Future<Output = Result<Self::Answer, Refusal>> + Send;
}

/// What an action answers, in JSON by `Serialize` and in XML by hand, since the two nest differently.
pub(super) trait Answer: Serialize + Send + Sync {
    /// Writes what goes into the result element.
    fn xml(&self, xml: &mut Xml);

    /// Whether there is a result element at all.
    fn has_result(&self) -> bool {
        true
    }
}

/// The answer of the actions that answer nothing: `{}` in JSON.
#[derive(Debug, Serialize)]
pub(super) struct Nothing {}

impl Answer for Nothing {
    fn xml(&self, _: &mut Xml) {}

    fn has_result(&self) -> bool {
        false
    }
}
