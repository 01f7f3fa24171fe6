//! Reads a request: its body, protocol, service, action and parameters.

use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use super::{error::RequestError, form::QueryForm, json, sns};

/// The protocols of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WireProtocol {
    /// AWS JSON 1.0: the action in `X-Amz-Target`, the parameters in a JSON body.
    Json,
    /// The query protocol: everything in a form or in the URL, the responses in XML.
    Query,
    /// The query protocol with responses in JSON, which only SQS has here.
    QueryJson,
}

/// The header that names the JSON protocol's action.
const TARGET: &str = "x-amz-target";

impl WireProtocol {
    /// The protocol of a request with these headers.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let is_json =
            header(header::CONTENT_TYPE).is_some_and(|value| value.starts_with("application/x-amz-json"));
        let accepts_json = header(header::ACCEPT).is_some_and(|value| value.contains("application/json"));
        match (is_json || headers.contains_key(TARGET), accepts_json) {
            (true, _) => Self::Json,
            (false, true) => Self::QueryJson,
            (false, false) => Self::Query,
        }
    }

    /// The protocol of a response about a service.
    pub(super) fn of_response(self, service: AwsService) -> Self {
        if service == AwsService::Sns { Self::Query } else { self }
    }
}

/// The services, which share one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AwsService {
    /// The queues.
    Sqs,
    /// The topics.
    Sns,
}

/// The longest name of a region, longer than any of AWS's.
const REGION_BYTES: usize = 32;

/// The API version that every client of SNS sends.
const SNS_VERSION: &str = "2010-03-31";

impl AwsService {
    /// The service of a request: by the version, because some actions of both have the same name.
    fn of(form: &QueryForm, action: &str) -> Self {
        match form.get("Version") {
            Some(SNS_VERSION) => Self::Sns,
            None if sns::knows(action) => Self::Sns,
            _ => Self::Sqs,
        }
    }
}

/// The region in the scope of a request's credentials: those of its header, or of a signed URL.
pub(super) fn region(headers: &HeaderMap, query: &str) -> Option<String> {
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let of_header =
        header.and_then(|value| value.split_once("Credential=")).map(|(_, scope)| scope.to_owned());
    let of_url = || {
        let mut parameters = form_urlencoded::parse(query.as_bytes());
        parameters.find(|(name, _)| name == "X-Amz-Credential").map(|(_, scope)| scope.into_owned())
    };
    let scope = of_header.or_else(of_url)?;
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_region = |text: &&str| (1..=REGION_BYTES).contains(&text.len()) && text.bytes().all(is_allowed);
    scope.split('/').nth(2).filter(is_region).map(str::to_owned)
}

/// A request that was read.
#[derive(Debug)]
pub(super) struct DecodedRequest {
    /// The service.
    pub(super) service: AwsService,
    /// The action's name.
    pub(super) action: String,
    /// The parameters, not yet typed.
    pub(super) parameters: RequestParameters,
}

/// The parameters of a request in the form of its protocol.
#[derive(Debug)]
pub(super) enum RequestParameters {
    /// A JSON object.
    Json(Bytes),
    /// The parameters of a form and of the URL.
    Form(QueryForm),
}

impl DecodedRequest {
    /// Reads the action and the parameters.
    pub(super) fn read(
        protocol: WireProtocol,
        headers: &HeaderMap,
        query: &str,
        body: Bytes,
    ) -> Result<Self, RequestError> {
        match protocol {
            WireProtocol::Json => {
                let target = headers.get(TARGET).and_then(|value| value.to_str().ok());
                let action = target.and_then(|target| target.strip_prefix("AmazonSQS."));
                let action = action.ok_or(RequestError::NoAction)?.to_owned();
                Ok(Self { service: AwsService::Sqs, action, parameters: RequestParameters::Json(body) })
            }
            WireProtocol::Query | WireProtocol::QueryJson => {
                let mut form = QueryForm::default();
                form.read(query.as_bytes())
                    .and_then(|()| form.read(&body))
                    .map_err(|error| malformed(&error))?;
                let action = form.get("Action").ok_or(RequestError::NoAction)?.to_owned();
                let service = AwsService::of(&form, &action);
                Ok(Self { service, action, parameters: RequestParameters::Form(form) })
            }
        }
    }
}

impl RequestParameters {
    /// Decodes the parameters of an action.
    pub(super) fn decode<T: DeserializeOwned>(&self) -> Result<T, RequestError> {
        match self {
            Self::Json(body) => json::decode(body).map_err(RequestError::Malformed),
            Self::Form(form) => form.decode().map_err(|error| malformed(&error)),
        }
    }
}

fn malformed(error: &dyn std::error::Error) -> RequestError {
    RequestError::invalid(format!("A parameter of the request is malformed: {error}."))
}

/// The largest body that is read.
///
/// A batch of 1 MiB takes up to six times as much if a client escapes every character (`\u00e9` for two bytes), and
/// receipt handles and ids come on top.
const BODY_LIMIT: usize = 8 * 1024 * 1024;
/// The part of a body that is read and discarded if the body is too large: otherwise a client that is still writing
/// would see a broken connection instead of the response.
const DISCARD_LIMIT: usize = 64 * 1024 * 1024;

/// Reads the body, up to the largest request that SQS accepts.
pub(super) async fn read_body(body: Body) -> Result<Bytes, RequestError> {
    let mut stream = body.into_data_stream();
    let mut read = BytesMut::new();
    let mut seen = 0;
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| RequestError::Malformed(format!("the body broke off: {error}")))?;
        seen += piece.len();
        if seen > DISCARD_LIMIT {
            break;
        }
        if seen <= BODY_LIMIT {
            read.extend_from_slice(&piece);
        }
    }
    if seen > BODY_LIMIT { Err(RequestError::TooLarge { limit: BODY_LIMIT }) } else { Ok(read.freeze()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_that_of_the_credentials() {
        let of_header = |value: &str| {
            region(&HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]), "")
        };
        for (scope, expected) in [
            (
                "AWS4-HMAC-SHA256 Credential=any/20261130/eu-west-1/sns/aws4_request, SignedHeaders=host",
                Some("eu-west-1"),
            ),
            ("AWS4-HMAC-SHA256 Credential=any/20261130/eu:west/sns/aws4_request", None),
            ("AWS4-HMAC-SHA256 Credential=any", None),
            ("Bearer x", None),
        ] {
            assert_eq!(of_header(scope).as_deref(), expected, "{scope}");
        }
        let of_url = region(
            &HeaderMap::new(),
            "Action=ListTopics&X-Amz-Credential=any%2F20261130%2Fus-west-2%2Fsns%2Faws4_request",
        );
        assert_eq!(of_url.as_deref(), Some("us-west-2"));
        assert_eq!(region(&HeaderMap::new(), ""), None);
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_the_limit_and_refused_beyond() {
        let whole = read_body(Body::from(vec![b'x'; BODY_LIMIT])).await;
        assert_eq!(whole.map(|body| body.len()), Ok(BODY_LIMIT));
        let refused = read_body(Body::from(vec![b'x'; BODY_LIMIT + 1])).await;
        assert_eq!(refused, Err(RequestError::TooLarge { limit: BODY_LIMIT }));
    }
}
