//! What a request asks for: its protocol, its action and its parameters.

use axum::http::{HeaderMap, header};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::{form::Form, refusal::Refusal, sns};
use crate::dev::json;

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

/// The two services, which clients find at one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// The queues.
    Sqs,
    /// The topics.
    Sns,
}

/// The version of its protocol that every client of SNS names.
const SNS_VERSION: &str = "2010-03-31";

impl Service {
    /// Whom the parameters are for: by the version, since both have actions of some names.
    fn of(form: &Form, action: &str) -> Self {
        match form.get("Version") {
            Some(SNS_VERSION) => Self::Sns,
            None if sns::knows(action) => Self::Sns,
            _ => Self::Sqs,
        }
    }
}

/// What a request asks for.
#[derive(Debug)]
pub(super) struct Asked {
    /// Whom it asks.
    pub(super) service: Service,
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
                Ok(Self { service: Service::Sqs, action, parameters: Parameters::Json(body) })
            }
            Protocol::Query => {
                let mut form = Form::default();
                form.read(query.as_bytes());
                form.read(&body);
                let action = form.get("Action").ok_or(Refusal::NoAction)?.to_owned();
                let service = Service::of(&form, &action);
                Ok(Self { service, action, parameters: Parameters::Form(form) })
            }
        }
    }
}

impl Parameters {
    /// The parameters as an action.
    pub(super) fn decode<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        match self {
            Self::Json(body) if body.is_empty() => decode_json(b"{}"),
            Self::Json(body) => decode_json(body),
            Self::Form(form) => form.decode().map_err(|error| {
                Refusal::invalid(format!("A parameter of the request is malformed: {error}."))
            }),
        }
    }
}

fn decode_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::Malformed(json::words(&error)))
}
