//! The routes of the Extensions API, and of the Telemetry and Logs API, which have no stream here.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Collected, Limited};
use hyper::{
    Method, Request, StatusCode,
    body::Incoming,
    header::{self, HeaderMap},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{
    api::{FunctionEnvironment, Reply, accepted, status},
    extension_registry::{ExtensionRefusal, FailureMoment},
    program::FunctionIdentity,
};
use crate::handler::lambda::invocation::FunctionError;

/// The most bytes of a request.
const REQUEST_BYTES: usize = 256 * 1024;
/// The most bytes of an extension's name, as on Lambda.
const NAME_BYTES: usize = 128;

const NAME: &str = "lambda-extension-name";
const ID: &str = "lambda-extension-identifier";
const EVENT_ID: &str = "lambda-extension-event-identifier";
const FEATURES: &str = "lambda-extension-accept-feature";
const ERROR_TYPE: &str = "lambda-extension-function-error-type";

/// Answers a request of an extension; `None` if the path is not one of its APIs.
pub(super) async fn reply(environment: &FunctionEnvironment, request: Request<Incoming>) -> Option<Reply> {
    let path = request.uri().path().to_owned();
    let reply = match (request.method(), path.as_str()) {
        (&Method::POST, "/2020-01-01/extension/register") => register(environment, request).await,
        (&Method::GET, "/2020-01-01/extension/event/next") => next(environment, request.headers()).await,
        (&Method::POST, "/2020-01-01/extension/init/error") => {
            failure(environment, FailureMoment::Init, request).await
        }
        (&Method::POST, "/2020-01-01/extension/exit/error") => {
            failure(environment, FailureMoment::Exit, request).await
        }
        (&Method::PUT, "/2020-08-15/logs") => Ok(no_stream("Logs")),
        (&Method::PUT, "/2022-07-01/telemetry") => Ok(no_stream("Telemetry")),
        _ => return None,
    };
    Some(reply.unwrap_or_else(|refusal| refused(&refusal)))
}

/// The body of a registration.
#[derive(Deserialize)]
struct RegistrationRequest {
    #[serde(default)]
    events: Vec<String>,
}

/// The function, as an extension learns of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RegistrationAnswer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
    function_name: &'a str,
    function_version: &'a str,
    handler: &'a str,
}

impl<'a> RegistrationAnswer<'a> {
    fn new(function: &'a FunctionIdentity, features: &str) -> Self {
        let wants_account = features.split(',').any(|feature| feature.trim() == "accountId");
        let FunctionIdentity { name, handler, .. } = function;
        let account_id = wants_account.then(|| function.account());
        Self { account_id, function_name: name, function_version: FunctionIdentity::VERSION, handler }
    }
}

async fn register(
    environment: &FunctionEnvironment,
    request: Request<Incoming>,
) -> Result<Reply, ExtensionRefusal> {
    let name = text(request.headers(), NAME);
    if name.is_empty() || name.len() > NAME_BYTES || name.contains(char::is_control) {
        return Err(ExtensionRefusal::new(
            "Extension.InvalidExtensionName",
            "Empty or invalid extension name",
        ));
    }
    let features = text(request.headers(), FEATURES);
    let body = read(request).await?;
    let invalid = |error: serde_json::Error| ExtensionRefusal::new("InvalidRequestFormat", error.to_string());
    let asked: RegistrationRequest = serde_json::from_slice(&body).map_err(invalid)?;
    let id = environment.extensions.register(&name, &asked.events)?;
    let answer = RegistrationAnswer::new(&environment.function, &features);
    Ok(with_header(json_of(&answer), ID, &id))
}

/// Waits for the next event of an extension.
async fn next(environment: &FunctionEnvironment, headers: &HeaderMap) -> Result<Reply, ExtensionRefusal> {
    let id = extension_id(headers)?;
    let event = environment.extensions.request_next(&id)?.await.map_err(|_| {
        ExtensionRefusal::new("Extension.InvalidExtensionState", "The environment of the extension has ended")
    })?;
    let event_id = Uuid::new_v4().to_string();
    Ok(with_header(json_of(&event), EVENT_ID, &event_id))
}

async fn failure(
    environment: &FunctionEnvironment,
    moment: FailureMoment,
    request: Request<Incoming>,
) -> Result<Reply, ExtensionRefusal> {
    let id = extension_id(request.headers())?;
    let kind = text(request.headers(), ERROR_TYPE);
    if kind.is_empty() {
        let message = "Lambda-Extension-Function-Error-Type not found";
        return Err(ExtensionRefusal::new("Extension.MissingHeader", message));
    }
    let report = read(request).await?;
    environment.extensions.report(&id, moment, &FunctionError::read(Some(&kind), &report))?;
    Ok(accepted())
}

fn extension_id(headers: &HeaderMap) -> Result<String, ExtensionRefusal> {
    let id = text(headers, ID);
    if id.is_empty() {
        let message = "Missing Lambda-Extension-Identifier header";
        return Err(ExtensionRefusal::new("Extension.MissingExtensionIdentifier", message));
    }
    let invalid = |_| {
        let message = "Invalid Lambda-Extension-Identifier";
        ExtensionRefusal::new("Extension.InvalidExtensionIdentifier", message)
    };
    Uuid::parse_str(&id).map(|id| id.to_string()).map_err(invalid)
}

/// The text of a header; empty if it is absent or no text.
fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

async fn read(request: Request<Incoming>) -> Result<Bytes, ExtensionRefusal> {
    let body = Limited::new(request.into_body(), REQUEST_BYTES).collect().await;
    let unread = |_| ExtensionRefusal::new("InvalidRequestFormat", "The request is incomplete or too large");
    body.map(Collected::to_bytes).map_err(unread)
}

/// The answer of AWS's own emulator, which has no stream either: extensions take it and carry on without one.
fn no_stream(api: &str) -> Reply {
    let answer = json!({
        "errorMessage": format!("{api} API is not supported"),
        "errorType": format!("{api}.NotSupported"),
    });
    status(StatusCode::ACCEPTED, answer.to_string())
}

fn refused(ExtensionRefusal { kind, message }: &ExtensionRefusal) -> Reply {
    status(StatusCode::FORBIDDEN, json!({ "errorMessage": message, "errorType": kind }).to_string())
}

fn json_of(value: &impl Serialize) -> Reply {
    serde_json::to_string(value)
        .map_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR, "{}"), |text| status(StatusCode::OK, text))
}

fn with_header(mut reply: Reply, name: &'static str, value: &str) -> Reply {
    // The values are ids of this program's own making, which are plain text.
    if let Ok(value) = header::HeaderValue::from_str(value) {
        reply.headers_mut().insert(header::HeaderName::from_static(name), value);
    }
    reply
}
