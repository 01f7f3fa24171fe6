//! The client under the `http` kind: connections, and the one repetition that is safe.

use std::{
    cell::Cell,
    error::Error,
    io::{self, ErrorKind},
    time::Duration,
};

use bytes::BytesMut;
use reqwest::{Client, Request, RequestBuilder, Response, header, redirect};
use tokio::time::Instant;
use tower::util::MapRequestLayer;

use super::{HttpError, Settings};
use crate::{error_chain::causes, handler::Outcome, net, settings::Problems, telemetry::FailureCause};

/// Keeps the prefix of Elastic Beanstalk's daemon, because handlers written for it accept posts from nobody else.
const USER_AGENT: &str = concat!("aws-sqsd/3.0 longshore/", env!("CARGO_PKG_VERSION"));
/// The time that an idle connection is kept: shorter than any common server does (gunicorn 2 s, Node and uvicorn
/// 5 s), so that a post does not meet a connection that is just being closed.
const IDLE: Duration = Duration::from_secs(1);
/// The time after a post in which a break of its connection still means that the server had closed it before.
const STALE_WITHIN: Duration = Duration::from_secs(1);
/// The most bytes of an answer's body that are read for nothing but its connection's further use.
const DROPPED_BYTES: usize = 64 * 1024;
/// The most bytes of an answer to a batch: what Lambda allows, and far beyond 10,000 failures.
const ANSWER_BYTES: usize = 6 * 1024 * 1024;

tokio::task_local! {
    /// The origin of the post's connection.
    static ORIGIN: Cell<ConnectionOrigin>;
}

/// The origin of a post's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConnectionOrigin {
    /// It was kept from an earlier post, so its server may have closed it meanwhile.
    Kept,
    /// It was, or may have been, opened for this post.
    Opened,
}

/// The outcome of a post without an answer, or with one that could not be read, and its cause in the metrics.
#[derive(Debug)]
pub(super) struct Unanswered {
    pub(super) outcome: Outcome,
    pub(super) cause: FailureCause,
}

/// Builds the client; nothing of it is taken from the environment.
pub(super) fn build(settings: &Settings) -> Result<Client, HttpError> {
    net::provide_tls();
    let content_type = header::HeaderValue::from_str(&settings.content_type);
    let content_type = content_type.map_err(|_| HttpError::Settings(Problems(settings.validate())))?;
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        .default_headers(header::HeaderMap::from_iter([(header::CONTENT_TYPE, content_type)]))
        .http1_title_case_headers()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .connect_timeout(settings.connect_timeout.0)
        .tcp_nodelay(true)
        // A handler that is busy for long does not read: without this its connection would be cut at 30 s.
        .tcp_user_timeout(None)
        .pool_idle_timeout(IDLE)
        .connector_layer(MapRequestLayer::new(note_connection));
    if settings.url.scheme() == "http" {
        // Spares the reading of the system's certificates, which a bare container may not even have.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| HttpError::Client(error.into()))
}

/// Runs whenever a connection is opened, in the task of the post that wants it.
fn note_connection<R>(request: R) -> R {
    // Out of a post there is nothing to note: a connection may be finished in the background for later ones.
    ORIGIN.try_with(|origin| origin.set(ConnectionOrigin::Opened)).unwrap_or_default();
    request
}

/// Posts the request and reads the answer to its end or bound; `Err` is what a failure means.
///
/// A kept connection that breaks at once was most likely closed by the server before the request came, so
/// the request is sent once more: the message would run again in any case, only later and a receive count on.
pub(super) async fn post(client: &Client, request: RequestBuilder) -> Result<Response, Unanswered> {
    let request = request.build().map_err(|error| meaning(&error))?;
    let again = request.try_clone();
    let started = Instant::now();
    let (answer, origin) = attempt(client, request).await;
    let error = match answer {
        Ok(response) => return Ok(response),
        Err(error) => error,
    };
    match again.filter(|_| is_stale(origin, &error, started.elapsed())) {
        Some(request) => attempt(client, request).await.0.map_err(|error| meaning(&error)),
        None => Err(meaning(&error)),
    }
}

async fn attempt(client: &Client, request: Request) -> (reqwest::Result<Response>, ConnectionOrigin) {
    let posting = async {
        let answer = client.execute(request).await;
        (answer, ORIGIN.with(Cell::get))
    };
    ORIGIN.scope(Cell::new(ConnectionOrigin::Kept), posting).await
}

fn is_stale(origin: ConnectionOrigin, error: &reqwest::Error, elapsed: Duration) -> bool {
    origin == ConnectionOrigin::Kept
        && error.is_request()
        && causes(error).any(is_close)
        && elapsed < STALE_WITHIN
}

/// True if this is the error of a post on a connection that the other side closes.
fn is_close(cause: &(dyn Error + 'static)) -> bool {
    let closed = cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message);
    let reset = cause.downcast_ref::<io::Error>().is_some_and(|error| {
        matches!(
            error.kind(),
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe
        )
    });
    closed || reset
}

/// The answer's `Retry-After`, if it is text.
pub(super) fn retry_after(response: &Response) -> Option<&str> {
    response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok())
}

/// Reads the answer's body, which fails when it has more than [`ANSWER_BYTES`].
pub(super) async fn read_body(mut response: Response) -> Result<BytesMut, Unanswered> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| meaning(&error))? {
        if body.len() + chunk.len() > ANSWER_BYTES {
            let outcome = Outcome::Retry(format!("the answer has more than {ANSWER_BYTES} bytes"));
            return Err(Unanswered { outcome, cause: FailureCause::BadAnswer });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Reads and drops the answer's body, at most [`DROPPED_BYTES`] of it.
pub(super) async fn drop_body(mut response: Response) -> Result<(), Unanswered> {
    let mut read_bytes = 0;
    while read_bytes < DROPPED_BYTES {
        match response.chunk().await {
            Ok(Some(chunk)) => read_bytes += chunk.len(),
            Ok(None) => break,
            Err(error) => return Err(meaning(&error)),
        }
    }
    Ok(())
}

/// Tells a handler that was not reached from one that may have run.
fn meaning(error: &reqwest::Error) -> Unanswered {
    let outcome = if error.is_connect() && error.is_timeout() {
        Outcome::Down("no connection to the handler within its connect_timeout".to_owned())
    } else if error.is_connect() {
        Outcome::Down(format!("no connection to the handler: {}", root_cause(error)))
    } else {
        Outcome::Retry(format!("no complete answer from the handler: {}", root_cause(error)))
    };
    Unanswered { outcome, cause: FailureCause::Connection }
}

/// The innermost error's words: the outer ones repeat the address, which may hold a password.
fn root_cause(error: &reqwest::Error) -> String {
    causes(error).last().map_or_else(|| "the request failed".to_owned(), ToString::to_string)
}
