//! The HTTP client of the `http` kind: connections, and one retry on a stale connection.

use std::{
    cell::Cell,
    error::Error,
    io::{self, ErrorKind},
    time::Duration,
};

use bytes::BytesMut;
use reqwest::{Client, ClientBuilder, Request, RequestBuilder, Response, header, redirect};
use tokio::time::Instant;
use tower::{
    BoxError,
    util::{MapRequestLayer, MapResultLayer},
};
use url::Url;

use super::{HttpError, Settings, tls};
use crate::{
    error_chain::causes,
    handler::{Outcome, Unavailable},
    net,
    settings::Problems,
    shortage::Shortage,
    telemetry::FailureCause,
};

/// Begins with the name of Elastic Beanstalk's daemon, because handlers written for it may accept posts only from it.
const USER_AGENT: &str = concat!("aws-sqsd/3.0 longshore/", env!("CARGO_PKG_VERSION"));
/// The time that an idle connection is kept: shorter than the keep-alive of common servers (gunicorn 2 s, Node and
/// uvicorn 5 s), so that a post does not use a connection that is just being closed.
const IDLE: Duration = Duration::from_secs(1);
/// The time after a post within which a broken connection means that the server had closed it before the post.
const STALE_WITHIN: Duration = Duration::from_secs(1);
/// The most bytes of a response body that are read for a reason, and so that its connection can be used again.
const START_BYTES: usize = 64 * 1024;
/// The most bytes of a response to a batch: Lambda's limit, and far more than 10,000 failures take.
const ANSWER_BYTES: usize = 6 * 1024 * 1024;

tokio::task_local! {
    /// The origin of the post's connection.
    static ORIGIN: Cell<ConnectionOrigin>;
}

/// The origin of a post's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConnectionOrigin {
    /// It was kept from an earlier post, so the server may have closed it since.
    Kept,
    /// It was, or may have been, opened for this post.
    Opened,
}

/// The outcome of a post without a readable response, and its cause in the metrics.
#[derive(Debug)]
pub(super) struct FailedPost {
    pub(super) outcome: Outcome,
    pub(super) cause: FailureCause,
}

/// Builds the client, without settings from the environment.
pub(super) fn build(settings: &Settings) -> Result<Client, HttpError> {
    built(builder(settings)?)
}

/// Builds a client that opens connections, TLS included, and sends nothing: each request fails with [`ConnectionOpened`].
pub(super) fn build_opener(settings: &Settings) -> Result<Client, HttpError> {
    built(builder(settings)?.connector_layer(MapResultLayer::new(closed_once_opened)))
}

fn built(builder: ClientBuilder) -> Result<Client, HttpError> {
    builder.build().map_err(|error| HttpError::Client(error.into()))
}

/// The error of a request whose connection was opened, and closed before anything was sent.
#[derive(Debug, thiserror::Error)]
#[error("the connection was opened")]
struct ConnectionOpened;

fn closed_once_opened<C>(connection: Result<C, BoxError>) -> Result<C, BoxError> {
    connection.and_then(|_opened| Err(ConnectionOpened.into()))
}

/// True for the error of a request by the client of [`build_opener`] that reached the handler.
pub(super) fn was_opened(error: &reqwest::Error) -> bool {
    let is_opened = |cause: &(dyn Error + 'static)| cause.downcast_ref::<ConnectionOpened>().is_some();
    causes(error).any(is_opened)
}

fn builder(settings: &Settings) -> Result<ClientBuilder, HttpError> {
    net::provide_tls();
    let content_type = header::HeaderValue::from_str(&settings.content_type);
    let content_type = content_type.map_err(|_| HttpError::Settings(Problems(settings.validate())))?;
    let mut builder = Client::builder()
        .user_agent(settings.user_agent.as_deref().unwrap_or(USER_AGENT))
        .default_headers(header::HeaderMap::from_iter([(header::CONTENT_TYPE, content_type)]))
        .http1_title_case_headers()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .dns_resolver(net::Resolver)
        .connect_timeout(settings.connect_timeout.0)
        .tcp_nodelay(true)
        // A handler that is busy for long does not read: with a limit its connection would be closed at 30 s.
        .tcp_user_timeout(None)
        .pool_idle_timeout(IDLE)
        .connector_layer(MapRequestLayer::new(record_connection));
    if settings.url.scheme() == "http" {
        // Does not load the system's certificates, which a minimal container may lack.
        builder = builder.tls_certs_only([]);
    } else {
        builder = tls::with_certificates(builder, settings)?;
    }
    Ok(builder)
}

/// Records that a connection is opened; runs in the task of the post that needs it.
fn record_connection<R>(request: R) -> R {
    // Outside of a post nothing is recorded: a connection may be completed in the background for later posts.
    ORIGIN.try_with(|origin| origin.set(ConnectionOrigin::Opened)).unwrap_or_default();
    request
}

/// Posts a request and returns the response, whose body is unread; `Err` has the outcome of a failure.
///
/// A kept connection that breaks at once was most likely closed by the server before the request arrived, so
/// the request is sent once more: otherwise the message would run again later, at the cost of a receive.
pub(super) async fn post(
    client: &Client,
    request: impl Fn() -> Result<RequestBuilder, FailedPost>,
) -> Result<Response, FailedPost> {
    let build = || request()?.build().map_err(|error| failed_post(&error));
    let started = Instant::now();
    let (answer, origin) = attempt(client, build()?).await;
    match answer {
        Err(error) if is_stale(origin, &error, started.elapsed()) => {
            attempt(client, build()?).await.0.map_err(|error| failed_post(&error))
        }
        answer => answer.map_err(|error| failed_post(&error)),
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
        && causes(error).any(is_closed_connection)
        && elapsed < STALE_WITHIN
}

/// True for the error of a post on a connection that the server closed.
fn is_closed_connection(cause: &(dyn Error + 'static)) -> bool {
    let closed = cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message);
    let reset = cause.downcast_ref::<io::Error>().is_some_and(|error| {
        matches!(
            error.kind(),
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe
        )
    });
    closed || reset
}

/// The response's `Retry-After`, if it is text.
pub(super) fn retry_after(response: &Response) -> Option<String> {
    let value = response.headers().get(header::RETRY_AFTER)?;
    value.to_str().ok().map(str::to_owned)
}

/// Reads the response's body; fails if it has more than [`ANSWER_BYTES`].
pub(super) async fn read_body(mut response: Response) -> Result<BytesMut, FailedPost> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed_post(&error))? {
        if body.len() + chunk.len() > ANSWER_BYTES {
            let outcome = Outcome::Retry(format!("the answer has more than {ANSWER_BYTES} bytes"));
            return Err(FailedPost { outcome, cause: FailureCause::BadAnswer });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Reads and drops the response's body, at most [`START_BYTES`] of it.
pub(super) async fn drop_body(response: Response) -> Result<(), FailedPost> {
    read_start(response, |_| ()).await
}

/// Reads the start of the response's body, at most [`START_BYTES`] of it and the rest of a chunk.
pub(super) async fn read_start(
    mut response: Response,
    mut take: impl FnMut(&[u8]),
) -> Result<(), FailedPost> {
    let mut read_bytes = 0;
    while read_bytes < START_BYTES {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                read_bytes += chunk.len();
                take(&chunk);
            }
            Ok(None) => break,
            Err(error) => return Err(failed_post(&error)),
        }
    }
    Ok(())
}

/// Converts an error: `Down` if the handler was not reached, `ShortOfResources` if that is the worker's own fault,
/// `Crashed` if it may have run.
fn failed_post(error: &reqwest::Error) -> FailedPost {
    let outcome = if error.is_connect() {
        unanswered(error).into()
    } else {
        Outcome::Crashed(unanswered(error).into_reason())
    };
    FailedPost { outcome, cause: FailureCause::Connection }
}

/// The handler gave no complete answer, or the worker had nothing to connect with.
pub(super) fn unanswered(error: &reqwest::Error) -> Unavailable {
    if error.is_connect() && error.is_timeout() {
        let handler = error.url().map(at).unwrap_or_default();
        Unavailable::Down(format!("no connection to the handler{handler} within its connect_timeout"))
    } else if error.is_connect() {
        no_connection(Shortage::behind(error), error.url(), &net::root_cause(error))
    } else {
        Unavailable::Down(format!("no complete answer from the handler: {}", net::root_cause(error)))
    }
}

/// The handler cannot be connected to, or the worker has nothing to connect with.
pub(super) fn no_connection(shortage: Option<Shortage>, url: Option<&Url>, error: &str) -> Unavailable {
    let handler = url.map(at).unwrap_or_default();
    Unavailable::by(shortage, format!("no connection to the handler{handler}: {error}"))
}

/// The server of a URL in a sentence; the rest of the URL may hold a secret.
pub(super) fn at(url: &Url) -> String {
    format!(" at {}", url.origin().ascii_serialization())
}
