//! A proxy in front of an SQS server whose clock is ahead of this machine's, and which checks the times of requests.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use super::tasks;
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{net::TcpListener, task::JoinHandle};

/// The difference that AWS tolerates.
const TOLERANCE: Duration = Duration::from_mins(5);

/// A proxy with a clock of its own.
pub(crate) struct ClockProxy {
    pub(crate) endpoint: String,
    refusals: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

#[derive(Clone)]
struct ProxyState {
    server: String,
    ahead: Duration,
    refusals: Arc<AtomicUsize>,
    client: Client<HttpConnector, Body>,
}

impl ClockProxy {
    /// Starts a proxy in front of the server at this endpoint, whose clock is so much ahead.
    pub(crate) async fn before(server: &str, ahead: Duration) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (server, refusals) = (server.to_owned(), Arc::<AtomicUsize>::default());
        let client = Client::builder(TokioExecutor::new()).build_http();
        let state = ProxyState { server, ahead, refusals: refusals.clone(), client };
        let router = Router::new().fallback(pass).with_state(state);
        let serving = tasks::detach("clock", async move { axum::serve(listener, router).await.unwrap() });
        Self { endpoint, refusals, serving }
    }

    /// The requests that were refused because of their time.
    pub(crate) fn refusals(&self) -> usize {
        self.refusals.load(Ordering::SeqCst)
    }
}

impl Drop for ClockProxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The time in `X-Amz-Date`, such as `20260102T030405Z`.
fn signed_at(request: &Request) -> SystemTime {
    let text = request.headers()["x-amz-date"].to_str().unwrap();
    let part = |from: usize, to: usize| &text[from..to];
    let (date, time) = ([part(0, 4), part(4, 6), part(6, 8)], [part(9, 11), part(11, 13), part(13, 15)]);
    humantime::parse_rfc3339(&format!("{}T{}Z", date.join("-"), time.join(":"))).unwrap()
}

async fn pass(State(state): State<ProxyState>, mut request: Request) -> Response {
    let (now, signed_at) = (SystemTime::now() + state.ahead, signed_at(&request));
    let difference = now.duration_since(signed_at).unwrap_or_else(|error| error.duration());
    let mut answer = if difference > TOLERANCE {
        state.refusals.fetch_add(1, Ordering::SeqCst);
        refused()
    } else {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = format!("{}{path}", state.server).parse::<Uri>().unwrap();
        state.client.request(request).await.unwrap().into_response()
    };
    let date = HeaderValue::from_str(&httpdate::fmt_http_date(now)).unwrap();
    answer.headers_mut().insert(header::DATE, date);
    answer
}

fn refused() -> Response {
    let body =
        r#"{"__type":"com.amazon.coral.service#InvalidSignatureException","message":"Signature expired"}"#;
    let headers = [
        (header::CONTENT_TYPE, "application/x-amz-json-1.0"),
        ("x-amzn-query-error".parse().unwrap(), "InvalidSignatureException;Sender"),
    ];
    (StatusCode::BAD_REQUEST, headers, body).into_response()
}
