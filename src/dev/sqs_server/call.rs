//! One request on its way through the server, whichever protocol it speaks.

use std::future::Future;

use axum::http::{HeaderMap, header};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    address::{self, Authority},
    form::Form,
    refusal::Refusal,
    xml::Xml,
};
use crate::{
    queue::memory::{Account, Fault},
    stop::Stop,
};

/// The two protocols of SQS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// AWS JSON 1.0: the action in `X-Amz-Target`, the parameters in a JSON body.
    Json,
    /// The query protocol: everything in a form or in the URL, the answers in XML.
    Query,
}

/// The header that names the JSON protocol's action.
const TARGET: &str = "x-amz-target";

impl Protocol {
    /// The protocol that a request's headers speak.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_json = content_type.is_some_and(|value| value.starts_with("application/x-amz-json"));
        if is_json || headers.contains_key(TARGET) { Self::Json } else { Self::Query }
    }
}

/// What a request asks for.
#[derive(Debug)]
pub(super) struct Asked {
    /// The action's name.
    pub(super) action: String,
    /// Its parameters, not yet typed.
    pub(super) parameters: Parameters,
}

/// The parameters of a request, as its protocol carries them.
#[derive(Debug)]
pub(super) enum Parameters {
    /// A JSON object.
    Json(Bytes),
    /// The parameters of a form and of the URL.
    Form(Form),
}

impl Asked {
    /// Finds out what a request asks for.
    pub(super) fn read(
        protocol: Protocol,
        headers: &HeaderMap,
        query: &str,
        body: Bytes,
    ) -> Result<Self, Refusal> {
        match protocol {
            Protocol::Json => {
                let target = headers.get(TARGET).and_then(|value| value.to_str().ok());
                let action = target.and_then(|target| target.strip_prefix("AmazonSQS."));
                let action = action.ok_or(Refusal::NoAction)?.to_owned();
                Ok(Self { action, parameters: Parameters::Json(body) })
            }
            Protocol::Query => {
                let mut form = Form::default();
                form.read(query.as_bytes());
                form.read(&body);
                let action = form.get("Action").ok_or(Refusal::NoAction)?.to_owned();
                Ok(Self { action, parameters: Parameters::Form(form) })
            }
        }
    }
}

impl Parameters {
    fn decode<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        match self {
            Self::Json(body) if body.is_empty() => decode_json(b"{}"),
            Self::Json(body) => decode_json(body),
            Self::Form(form) => form
                .decode()
                .map_err(|error| invalid(&format!("A parameter of the request is malformed: {error}."))),
        }
    }
}

fn decode_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::Malformed(error.to_string()))
}

/// `InvalidParameterValue` in these words.
pub(super) fn invalid(message: &str) -> Refusal {
    Fault::new(crate::queue::memory::Code::InvalidParameterValue, message).into()
}

/// What an action may know of the request that asks for it.
#[derive(Debug)]
pub(super) struct Call<'a> {
    /// The account it is about.
    pub(super) account: &'a Account,
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
            Protocol::Json => serde_json::to_vec(&answer).map_err(|error| {
                Fault::new(crate::queue::memory::Code::InternalError, error.to_string()).into()
            }),
            Protocol::Query => Ok(self.document(A::NAME, &answer).into_bytes()),
        }
    }

    fn document(&self, action: &str, answer: &impl Answer) -> String {
        Xml::document(&format!("{action}Response"), |xml| {
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
