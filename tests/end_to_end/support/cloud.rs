//! AWS as far as its credentials go, before an SQS server: records who signs which call, gives credentials, refuses some.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use super::tasks;
use aws_sdk_sqs::primitives::{DateTime, DateTimeFormat};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// A call to SQS or STS.
#[derive(Clone, Debug)]
pub(crate) struct SignedCall {
    pub(crate) action: String,
    /// The id of the access key that signed it, and the region for which it did.
    pub(crate) key: String,
    pub(crate) region: String,
    /// The host that the client named.
    pub(crate) host: String,
    pub(crate) body: String,
}

/// The server.
pub(crate) struct Cloud {
    pub(crate) endpoint: String,
    state: CloudState,
    serving: JoinHandle<()>,
}

#[derive(Clone)]
struct CloudState {
    server: String,
    client: Client<HttpConnector, Body>,
    seen: Arc<Mutex<Seen>>,
    /// The life of the credentials that it gives.
    life: Duration,
}

#[derive(Default)]
struct Seen {
    calls: Vec<SignedCall>,
    /// Refused access keys, each with the error's code.
    refused: BTreeMap<String, &'static str>,
    /// The credentials that it has given, with their expiry.
    given: BTreeMap<String, SystemTime>,
}

impl Cloud {
    /// Starts one before the SQS server at this endpoint, whose credentials live for an hour.
    pub(crate) async fn before(server: &str) -> Self {
        Self::start(server, "127.0.0.1".parse().unwrap(), Duration::from_hours(1)).await
    }

    /// Starts one on an address, whose credentials live for so long.
    pub(crate) async fn start(server: &str, on: IpAddr, life: Duration) -> Self {
        let listener = TcpListener::bind((on, 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let client = Client::builder(TokioExecutor::new()).build_http();
        let state = CloudState { server: server.to_owned(), client, seen: Arc::default(), life };
        let router = Router::new().fallback(answer).with_state(state.clone());
        let serving = tasks::detach("cloud", async move { axum::serve(listener, router).await.unwrap() });
        Self { endpoint, state, serving }
    }

    /// The address, without the scheme.
    pub(crate) fn authority(&self) -> &str {
        self.endpoint.trim_start_matches("http://")
    }

    /// The calls of an action so far.
    pub(crate) fn calls(&self, action: &str) -> Vec<SignedCall> {
        let seen = self.state.seen.lock().unwrap();
        seen.calls.iter().filter(|call| call.action == action).cloned().collect()
    }

    /// The keys that have signed calls that were accepted, each once.
    pub(crate) fn keys(&self) -> Vec<String> {
        let seen = self.state.seen.lock().unwrap();
        let mut keys: Vec<_> = seen.calls.iter().map(|call| call.key.clone()).collect();
        keys.retain(|key| !key.is_empty() && !seen.refused.contains_key(key));
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Refuses an access key from now on, with this code.
    pub(crate) fn refuse(&self, key: &str, code: &'static str) {
        self.state.seen.lock().unwrap().refused.insert(key.to_owned(), code);
    }

    /// Accepts an access key again.
    pub(crate) fn accept(&self, key: &str) {
        self.state.seen.lock().unwrap().refused.remove(key);
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(state): State<CloudState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let path = parts.uri.path().to_owned();
    if path == "/latest/api/token" {
        return (StatusCode::OK, [("x-aws-ec2-metadata-token-ttl-seconds", "21600")], "token")
            .into_response();
    }
    if parts.method == Method::GET {
        return match path.as_str() {
            "/latest/meta-data/placement/region" => "eu-north-1".into_response(),
            // An instance without the newer form of its credentials.
            path if path.contains("credentials-extended") => StatusCode::NOT_FOUND.into_response(),
            "/latest/meta-data/iam/security-credentials/" => "role".into_response(),
            path if path.contains("credentials") => state.credentials_in_json("ASIAMETADATA").into_response(),
            path if path.starts_with("/payloads/") => state.object(&parts.headers),
            _ => StatusCode::NOT_FOUND.into_response(),
        };
    }
    let target = parts.headers.get("x-amz-target").map_or("", |target| target.to_str().unwrap());
    let text = String::from_utf8_lossy(&body).into_owned();
    let action = match target.rsplit_once('.') {
        Some((_, action)) => action.to_owned(),
        None => form(&text, "Action").unwrap_or_default(),
    };
    let call = signed_call(&parts.headers, action, text);
    let refused = state.refusal(&call.key);
    state.seen.lock().unwrap().calls.push(call.clone());
    if let Some(code) = refused {
        return refusal(code, target.is_empty());
    }
    match call.action.as_str() {
        "AssumeRole" | "AssumeRoleWithWebIdentity" => state.assumed(&call),
        _ => state.forward(parts.headers, &body).await,
    }
}

fn signed_call(headers: &HeaderMap, action: String, body: String) -> SignedCall {
    let header =
        |name: header::HeaderName| headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let authorization = header(header::AUTHORIZATION);
    let scope = authorization.split_once("Credential=").map_or("", |(_, rest)| rest);
    let mut scope = scope.split('/').map(str::to_owned);
    let (key, region) = (scope.next().unwrap_or_default(), scope.nth(1).unwrap_or_default());
    SignedCall { action, key, region, host: header(header::HOST), body }
}

/// The value of a field of a form, unescaped.
fn form(text: &str, name: &str) -> Option<String> {
    let url = url::Url::parse(&format!("http://form/?{text}")).ok()?;
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

impl SignedCall {
    /// A field of its form.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        form(&self.body, name)
    }
}

impl CloudState {
    fn refusal(&self, key: &str) -> Option<&'static str> {
        let seen = self.seen.lock().unwrap();
        let has_expired = seen.given.get(key).is_some_and(|expires| *expires <= SystemTime::now());
        seen.refused.get(key).copied().or_else(|| has_expired.then_some("ExpiredToken"))
    }

    /// New credentials: the key and the text of their expiry.
    fn credentials(&self, name: &str) -> (String, String) {
        let mut seen = self.seen.lock().unwrap();
        let key = format!("{name}{:04}", seen.given.len());
        let expires = SystemTime::now() + self.life;
        seen.given.insert(key.clone(), expires);
        (key, DateTime::from(expires).fmt(DateTimeFormat::DateTime).unwrap())
    }

    /// Answers as S3 does to a read of an object.
    fn object(&self, headers: &HeaderMap) -> Response {
        let call = signed_call(headers, "GetObject".to_owned(), String::new());
        let refused = self.refusal(&call.key);
        self.seen.lock().unwrap().calls.push(call);
        match refused {
            Some(code) => {
                let xml = format!("<Error><Code>{code}</Code><Message>refused</Message></Error>");
                (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, "application/xml")], xml).into_response()
            }
            None => "payload".into_response(),
        }
    }

    fn credentials_in_json(&self, name: &str) -> String {
        let (key, expires) = self.credentials(name);
        json!({
            "Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": key, "SecretAccessKey": "secret",
            "Token": "token", "Expiration": expires, "LastUpdated": "2020-01-01T00:00:00Z",
        })
        .to_string()
    }

    fn assumed(&self, call: &SignedCall) -> Response {
        let role = call.field("RoleArn").unwrap();
        let name: String = role.rsplit('/').next().unwrap().to_uppercase();
        let (key, expires) = self.credentials(&format!("ASIA{name}"));
        let action = &call.action;
        let xml = format!(
            "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>\
             <AssumedRoleUser><AssumedRoleId>id:s</AssumedRoleId><Arn>{role}</Arn></AssumedRoleUser>\
             <Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
             <SessionToken>token</SessionToken><Expiration>{expires}</Expiration></Credentials>\
             </{action}Result></{action}Response>"
        );
        ([(header::CONTENT_TYPE, "text/xml")], xml).into_response()
    }

    /// Forwards a call of SQS, whatever account and region its queue's URL names.
    async fn forward(&self, mut headers: HeaderMap, body: &Bytes) -> Response {
        let mut body: Value = serde_json::from_slice(body).unwrap();
        if let Some(url) = body["QueueUrl"].as_str() {
            let name = url.rsplit('/').next().unwrap().to_owned();
            body["QueueUrl"] = name.into();
        }
        body.as_object_mut().unwrap().remove("QueueOwnerAWSAccountId");
        headers.remove(header::HOST);
        headers.remove(header::CONTENT_LENGTH);
        let mut request = Request::post(format!("{}/", self.server).parse::<Uri>().unwrap());
        *request.headers_mut().unwrap() = headers;
        let request = request.body(Body::from(body.to_string())).unwrap();
        self.client.request(request).await.unwrap().into_response()
    }
}

fn refusal(code: &'static str, in_xml: bool) -> Response {
    if in_xml {
        let xml = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>refused</Message></Error></ErrorResponse>"
        );
        return (StatusCode::FORBIDDEN, [(header::CONTENT_TYPE, "text/xml")], xml).into_response();
    }
    let json = json!({ "__type": format!("com.amazon.coral.service#{code}"), "message": "refused" });
    let headers = [(header::CONTENT_TYPE, "application/x-amz-json-1.0")];
    (StatusCode::FORBIDDEN, headers, json.to_string()).into_response()
}
