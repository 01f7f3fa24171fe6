//! A door to an SQS server that lets some of its actions in and refuses others, as IAM does.

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

/// One refusal: an action, and a word that the request holds, such as a queue's name.
pub(crate) type Refused = (&'static str, &'static str);

/// A guarded door.
pub(crate) struct Guarded {
    pub(crate) endpoint: String,
    serving: JoinHandle<()>,
}

#[derive(Clone)]
struct Door {
    server: String,
    refused: Arc<[Refused]>,
    client: Client<HttpConnector, Body>,
}

impl Guarded {
    /// A door to the server at this endpoint.
    pub(crate) async fn before(server: &str, refused: &[Refused]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let client = Client::builder(TokioExecutor::new()).build_http();
        let door = Door { server: server.to_owned(), refused: refused.into(), client };
        let router = Router::new().fallback(pass).with_state(door);
        let serving = tasks::detach("guard", async move { axum::serve(listener, router).await.unwrap() });
        Self { endpoint, serving }
    }

    /// The way through this door to a queue of the server.
    pub(crate) fn url(&self, queue: &str) -> String {
        format!("{}/000000000000/{queue}", self.endpoint)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn pass(State(door): State<Door>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let target = parts.headers.get("x-amz-target").map_or("", |target| target.to_str().unwrap());
    let action = target.rsplit('.').next().unwrap();
    let text = String::from_utf8_lossy(&body);
    if door.refused.iter().any(|(refused, word)| action == *refused && text.contains(word)) {
        return denied(action);
    }
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = format!("{}{path}", door.server).parse::<Uri>().unwrap();
    door.client.request(Request::from_parts(parts, body.into())).await.unwrap().into_response()
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
