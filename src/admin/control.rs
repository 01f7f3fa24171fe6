//! Control over HTTP: the requests that pause, resume and scale queues, and the permission for these and for those about DLQs.

use std::{net::IpAddr, sync::Arc};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRef, Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use longshore_listener::ClientAddress;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{AdminSource, dlq};
use crate::{dead_letters::DlqTasks, settings::Secret, telemetry::events};

/// The largest body of a request.
const BODY_BYTES: usize = 16 * 1024;
/// The longest reason of a pause.
const REASON_CHARS: usize = 200;
/// The reason of a pause whose request gives none.
const NO_REASON: &str = "through the admin server";
/// The headers by which a proxy shows that it passes on the request of another client.
const FORWARDED: [&str; 3] = ["forwarded", "x-forwarded-for", "x-real-ip"];

/// The requests that may pause, resume and scale queues, and read and change their DLQs, through the admin server.
///
/// A request that a foreign web page may have sent is refused in any case.
#[derive(Clone, Debug, Default)]
pub struct ControlAccess {
    loopback: bool,
    token: Option<Secret>,
}

impl ControlAccess {
    /// None.
    pub fn off() -> Self {
        Self::default()
    }

    /// Those of programs on this machine or in this pod, unless a proxy passes them on.
    pub fn loopback() -> Self {
        Self { loopback: true, token: None }
    }

    /// Also those with `Authorization: Bearer` and this token, from anywhere; it should be long and random.
    #[must_use]
    pub fn with_token(self, token: impl Into<String>) -> Self {
        self.with_secret(Some(Secret::new(token)))
    }

    pub(super) fn with_secret(self, token: Option<Secret>) -> Self {
        Self { token, ..self }
    }

    /// Refuses a request that may not control queues.
    fn check(&self, request: &Parts) -> Result<(), AccessRefusal> {
        let is_forwarded = FORWARDED.iter().any(|name| request.headers.contains_key(*name));
        if self.loopback && !is_forwarded && client(request).is_some_and(|client| client.is_loopback()) {
            return Ok(());
        }
        match &self.token {
            Some(token) if bearer(&request.headers).is_some_and(|given| token.is(given)) => Ok(()),
            Some(_) => Err(AccessRefusal::Unauthorized),
            None if self.loopback => Err(AccessRefusal::Remote),
            None => Err(AccessRefusal::Off),
        }
    }
}

/// Answers whether the request might control queues: `allowed`, `token` if it needs the token, or `off`.
async fn access_of(State(source): State<AdminSource>, request: Request) -> Response {
    let control = match source.access.check(&request.into_parts().0) {
        Ok(()) => "allowed",
        Err(AccessRefusal::Unauthorized) => "token",
        Err(AccessRefusal::Off | AccessRefusal::Remote) => "off",
    };
    Json(json!({ "control": control })).into_response()
}

/// The address of a request's client.
fn client(request: &Parts) -> Option<IpAddr> {
    let ClientAddress(address) = request.extensions.get::<ClientAddress>()?;
    Some(address.ip().to_canonical())
}

/// The token of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The reason for which a request may not control queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum AccessRefusal {
    #[error("control is off, hint: set admin.control to \"loopback\", or admin.token")]
    Off,
    #[error("control is allowed from this machine only, hint: set admin.token")]
    Remote,
    #[error("control needs the token of admin.token")]
    Unauthorized,
}

impl AccessRefusal {
    fn response(self) -> Response {
        let status = match self {
            Self::Off | Self::Remote => StatusCode::FORBIDDEN,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
        };
        let mut response = error(status, &self.to_string());
        if self == Self::Unauthorized {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A request to change a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ControlRequest {
    /// Pause it, with a reason.
    Pause {
        /// The operator's reason.
        reason: String,
    },
    /// End its pause.
    Resume,
    /// Change the most calls that run at once.
    Scale {
        /// The most calls.
        concurrency: usize,
    },
}

/// The reason for which a request could not be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ControlRefusal {
    /// There is no such queue.
    NotFound(String),
    /// The queue's state does not allow it.
    Conflict(String),
    /// The queue's settings do not allow it.
    Invalid(String),
    /// SQS was not reached, or has refused.
    Failed(String),
}

impl IntoResponse for ControlRefusal {
    fn into_response(self) -> Response {
        match self {
            Self::NotFound(reason) => error(StatusCode::NOT_FOUND, &reason),
            Self::Conflict(reason) => error(StatusCode::CONFLICT, &reason),
            Self::Invalid(reason) => error(StatusCode::BAD_REQUEST, &reason),
            Self::Failed(reason) => error(StatusCode::BAD_GATEWAY, &reason),
        }
    }
}

fn error(status: StatusCode, text: &str) -> Response {
    (status, Json(json!({ "error": text }))).into_response()
}

/// The body of a pause.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PauseBody {
    reason: Option<String>,
}

/// The body of a change of the concurrency.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScaleBody {
    concurrency: usize,
}

/// The routes of control, all of them behind the access.
pub(super) fn routes<S>(access: ControlAccess) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    AdminSource: FromRef<S>,
    Arc<DlqTasks>: FromRef<S>,
{
    Router::new()
        .route("/queues/{name}/pause", post(pause))
        .route("/queues/{name}/resume", post(resume))
        .route("/queues/{name}/scale", post(scale))
        .merge(dlq::routes())
        .route_layer(middleware::from_fn_with_state(access, refuse))
        .route("/control", get(access_of))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
}

async fn refuse(State(access): State<ControlAccess>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if let Err(refusal) = access.check(&parts) {
        let peer = client(&parts).map_or_else(String::new, |client| client.to_string());
        let (path, reason) = (parts.uri.path(), &*refusal.to_string());
        events::ControlRefused { path, peer: &peer, reason }.emit();
        return refusal.response();
    }
    next.run(Request::from_parts(parts, body)).await
}

async fn pause(State(source): State<AdminSource>, Path(queue): Path<String>, body: Bytes) -> Controlled {
    let PauseBody { reason } = parsed(&body, Some("{}"))?;
    let reason = reason.filter(|reason| !reason.is_empty()).unwrap_or_else(|| NO_REASON.to_owned());
    if reason.chars().count() > REASON_CHARS || reason.chars().any(char::is_control) {
        let text = format!("the reason is not one line of at most {REASON_CHARS} characters");
        return Err(ControlRefusal::Invalid(text));
    }
    carry_out(&source, &queue, ControlRequest::Pause { reason })
}

async fn resume(State(source): State<AdminSource>, Path(queue): Path<String>) -> Controlled {
    carry_out(&source, &queue, ControlRequest::Resume)
}

async fn scale(State(source): State<AdminSource>, Path(queue): Path<String>, body: Bytes) -> Controlled {
    let ScaleBody { concurrency } = parsed(&body, None)?;
    carry_out(&source, &queue, ControlRequest::Scale { concurrency })
}

/// The queue's state after a request, or the refusal.
type Controlled = Result<Json<Value>, ControlRefusal>;

fn carry_out(source: &AdminSource, queue: &str, request: ControlRequest) -> Controlled {
    (source.control)(queue, request).map(Json)
}

/// Reads a body of JSON; an empty one is the text instead of it, if there is one.
pub(super) fn parsed<T: DeserializeOwned>(body: &[u8], instead: Option<&str>) -> Result<T, ControlRefusal> {
    let text = instead.map(str::as_bytes).filter(|_| body.is_empty()).unwrap_or(body);
    serde_json::from_slice(text).map_err(|error| ControlRefusal::Invalid(format!("the body: {error}")))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::http;

    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn check(access: &ControlAccess, client: &str, headers: &[(&str, &str)]) -> Result<(), AccessRefusal> {
        let mut request = http::Request::builder().uri("/queues/orders/pause");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut parts = request.body(()).unwrap().into_parts().0;
        parts.extensions.insert(ClientAddress(SocketAddr::new(client.parse().unwrap(), 1)));
        access.check(&parts)
    }

    #[test]
    fn nobody_may_control_queues_unless_the_settings_say_so() {
        let bearer = format!("Bearer {TOKEN}");
        for client in ["127.0.0.1", "10.0.0.7"] {
            let refused = check(&ControlAccess::off(), client, &[("Authorization", &bearer)]);
            assert_eq!(refused, Err(AccessRefusal::Off));
        }
    }

    #[test]
    fn programs_of_this_machine_may_and_what_a_proxy_passes_on_may_not() {
        let access = ControlAccess::loopback();
        for client in ["127.0.0.1", "127.0.0.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(check(&access, client, &[]), Ok(()), "{client}");
        }
        for client in ["10.0.0.7", "fe80::1", "::ffff:10.0.0.7"] {
            assert_eq!(check(&access, client, &[]), Err(AccessRefusal::Remote), "{client}");
        }
        for header in ["Forwarded", "X-Forwarded-For", "X-Real-Ip"] {
            assert!(check(&access, "127.0.0.1", &[(header, "10.0.0.7")]).is_err(), "{header}");
        }
    }

    #[test]
    fn the_token_counts_from_anywhere_and_no_other_one_does() {
        let access = ControlAccess::off().with_token(TOKEN);
        let with = |value: &str| check(&access, "10.0.0.7", &[("Authorization", value)]);
        assert_eq!(with(&format!("Bearer {TOKEN}")), Ok(()));
        assert_eq!(with(&format!("bearer {TOKEN}")), Ok(()));
        for wrong in [TOKEN, "Basic 0123456789abcdef", "Bearer 0123456789abcdeg", "Bearer", "Bearer "] {
            assert_eq!(with(wrong), Err(AccessRefusal::Unauthorized), "{wrong}");
        }
        assert_eq!(check(&access, "127.0.0.1", &[]), Err(AccessRefusal::Unauthorized));
    }
}
