//! A proxy in front of an SQS server that denies some of its actions, as IAM does.

use std::{net::Ipv4Addr, sync::Arc};

use super::tasks;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{net::TcpListener, task::JoinHandle};

/// One refusal: an action, and a text in the request, such as a queue's name.
pub(crate) type Refused = (&'static str, &'static str);

/// A proxy that denies some actions.
pub(crate) struct DenyingProxy {
    pub(crate) endpoint: String,
    serving: JoinHandle<()>,
}

#[derive(Clone)]
struct ProxyState {
    server: String,
    refused: Arc<[Refused]>,
    client: Client<HttpConnector, Body>,
}

impl DenyingProxy {
    /// Starts a proxy in front of the server at this endpoint.
    pub(crate) async fn before(server: &str, refused: &[Refused]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let client = Client::builder(TokioExecutor::new()).build_http();
        let state = ProxyState { server: server.to_owned(), refused: refused.into(), client };
        let router = Router::new().fallback(pass).with_state(state);
        let serving = tasks::detach("guard", async move { axum::serve(listener, router).await.unwrap() });
        Self { endpoint, serving }
    }

    /// The URL of a queue of the server through this proxy.
    pub(crate) fn url(&self, queue: &str) -> String {
        format!("{}/000000000000/{queue}", self.endpoint)
    }
}

impl Drop for DenyingProxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn pass(State(state): State<ProxyState>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let target = parts.headers.get("x-amz-target").map_or("", |target| target.to_str().unwrap());
    let action = target.rsplit('.').next().unwrap();
    let text = String::from_utf8_lossy(&body);
    if state.refused.iter().any(|(refused, part)| action == *refused && text.contains(part)) {
        return denied(action);
    }
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = format!("{}{path}", state.server).parse::<Uri>().unwrap();
    state.client.request(Request::from_parts(parts, body.into())).await.unwrap().into_response()
}

fn denied(action: &str) -> Response {
    let body = format!(
        r#"{{"__type":"com.amazon.coral.service#AccessDeniedException","message":"not authorized to perform: sqs:{action}"}}"#
    );
    let headers = [
        (header::CONTENT_TYPE, "application/x-amz-json-1.0"),
        ("x-amzn-query-error".parse().unwrap(), "AccessDenied;Sender"),
    ];
    (StatusCode::FORBIDDEN, headers, body).into_response()
}
