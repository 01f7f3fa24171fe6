//! The `http` kind: each message is posted to a program with an HTTP port.
//!
//! The request is that of Elastic Beanstalk's worker daemon, sqsd: a `POST` of the body, byte for byte, with
//! its `X-Aws-Sqsd-…` headers. `docs/http-handler.md` has the tables of headers and outcomes,
//! `tests/http_handler/index.md` the test of each line; in short:
//!
//! | the handler | the outcome |
//! |---|---|
//! | answers 2xx, or a status of `success` | [`Outcome::Done`] |
//! | answers a status of `reject` | [`Outcome::Reject`] |
//! | answers 429 with `Retry-After` | [`Outcome::RetryIn`], 12 hours at most |
//! | answers 502, 503, 504, or what `down` lists | [`Outcome::Unavailable`]: after three in a row polling pauses |
//! | answers anything else, a redirect included | [`Outcome::Retry`] |
//! | cannot be connected to | [`Outcome::Down`]: polling pauses until it can be |
//! | could not be connected to, for want of descriptors | [`Outcome::ShortOfResources`]: it waits until it can |
//! | breaks off | [`Outcome::Crashed`]: it may have run |
//! | takes longer than `timeout` | [`Outcome::Retry`]: it may have run |
//!
//! With `batch.size` above 1 several messages are posted at once, by [`HttpBatchHandler`].
//!
//! A call whose future is dropped (a lost lease, the queue's time limit, the end of the drain) closes its
//! connection, which the handler can notice.

mod batch;
mod client;
mod cloudevents;
#[cfg(feature = "cli")]
mod doubt;
mod file_body;
mod headers;
mod health;
mod outcome;
mod own_headers;
mod reason;
mod self_signed;
mod settings;
mod tls;

#[cfg(all(any(test, fuzzing), feature = "cli"))]
#[path = "../../../tests/fuzz/http.rs"]
pub(crate) mod fuzz;

use std::{
    error::Error,
    fmt,
    future::Future,
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, Either, FutureExt as _};
use reqwest::{Client, RequestBuilder, Response, header::HeaderMap};
use tokio::time::{Instant, timeout};
use url::Url;

pub use self::{batch::HttpBatchHandler, settings::Settings};
use self::{
    client::FailedPost,
    headers::{CallHeaders, Deadlines, PeriodicTask},
    health::Probe,
};
use super::{
    AnyHandler, Batch, Context, Outcome, Outcomes, Placement, Unavailable,
    any::{ErasedHandler, FetchedForm, HandlerProfile, handle_single},
    call_trace::CallTrace,
    metrics::{FailureCounter, HttpMetrics, KindMetrics},
    timestamp::system_time,
};
use crate::{
    duration::Span,
    message::Message,
    settings::Problems,
    telemetry::{FailureCause, HandlerKind, MetricScope},
};

/// A handler that posts each message to a program with an HTTP port.
pub struct HttpHandler {
    client: Client,
    settings: Settings,
    queue_name: Box<str>,
    /// The headers of the settings, read.
    own_headers: HeaderMap,
    /// The queue's ARN, once it is known.
    arn: OnceLock<Box<str>>,
    probe: Probe,
    metrics: KindMetrics<HttpMetrics>,
}

impl fmt::Debug for HttpHandler {
    /// Hides the address's password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HttpHandler").field("url", &self.settings.shown_url()).finish_non_exhaustive()
    }
}

/// An error in creating a handler of the `http` kind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The settings are invalid.
    #[error("the http handler's settings have {0}")]
    Settings(Problems),
    /// The URL is invalid.
    #[error("not a url: {url}")]
    Url {
        /// The invalid URL, its password hidden.
        url: String,
        /// The reason.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A file of certificates or keys cannot be used.
    #[error("the http handler's {setting}: {source}")]
    Certificates {
        /// The setting that names the file.
        setting: &'static str,
        /// The reason, with the file.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A header of the settings cannot be sent.
    #[error("the http handler's header {name}: {reason}")]
    Header {
        /// The header's name.
        name: String,
        /// The reason, without the value.
        reason: String,
    },
    /// The client could not be built: https needs the system's CA certificates.
    #[error("the http client could not be built; https needs the system's ca certificates")]
    Client(#[source] Box<dyn Error + Send + Sync>),
}

impl HttpHandler {
    /// Creates the handler; `queue_name` is the queue's name in SQS, which is in the headers.
    ///
    /// Connects to nothing yet, and needs no runtime. At most as many connections are kept as calls ran at once.
    pub fn new(settings: Settings, queue_name: impl Into<Box<str>>) -> Result<Self, HttpError> {
        Self::with_variables(settings, queue_name, &|_| None)
    }

    /// Creates the handler; `variable` looks up the variables of the environment that headers refer to.
    pub(crate) fn with_variables(
        settings: Settings,
        queue_name: impl Into<Box<str>>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, HttpError> {
        Problems::refuse(settings.validate()).map_err(HttpError::Settings)?;
        let (client, own_headers) = (client::build(&settings)?, settings.headers.read(variable)?);
        let (queue_name, probe) = (queue_name.into(), Probe::of(&settings)?);
        let (arn, metrics) = (OnceLock::new(), KindMetrics::default());
        Ok(Self { client, settings, queue_name, own_headers, arn, probe, metrics })
    }

    async fn handle(&self, message: Arc<Message>, context: Context) -> Outcome {
        self.within_limit(self.post(message, &context), |late| late).await
    }

    async fn post(&self, message: Arc<Message>, context: &Context) -> Outcome {
        let PreparedPost { url, headers, data } = self.prepare(&message, context);
        let request = || {
            let body = match (&data, &message.body_file) {
                (Some(data), _) => data.clone().into(),
                (None, Some(file)) => file_body::of(file)?,
                (None, None) => Bytes::from_owner(Body(message.clone())).into(),
            };
            Ok(self.post_to(url.clone(), headers.clone()).body(body))
        };
        let answered = async {
            let response = client::post(&self.client, request).await?;
            self.read_response(response).await
        };
        answered.await.unwrap_or_else(|failure| self.failed_post(failure))
    }

    /// Reads the outcome from the response's status, and its reason; fails if its body is incomplete.
    async fn read_response(&self, response: Response) -> Result<Outcome, FailedPost> {
        let status = response.status();
        if outcome::is_done(&self.settings, status) {
            return client::drop_body(response).await.map(|()| Outcome::Done);
        }
        let retry_after = client::retry_after(&response);
        let retry_in = retry_after.and_then(|text| outcome::delay(&text, SystemTime::now()));
        let given = reason::read(response).await?;
        self.metrics.failed(outcome::cause(status));
        Ok(outcome::failure(&self.settings, status, given.as_deref(), retry_in))
    }

    /// Counts a failed post, unless the worker could not make it, and returns its outcome.
    fn failed_post(&self, FailedPost { outcome, cause }: FailedPost) -> Outcome {
        self.metrics.failed_with(cause, &outcome);
        outcome
    }

    fn prepare(&self, message: &Message, context: &Context) -> PreparedPost {
        let (deadlines, traced) = (self.deadlines(context), CallTrace::of(message, context));
        let CallHeaders { mut headers, attributes_left_out } =
            headers::of_call(message, &self.queue_name, deadlines, &traced);
        if let Some(metrics) = self.metrics.group().filter(|_| attributes_left_out > 0) {
            metrics.attributes_left_out.inc_by(attributes_left_out);
        }
        let task = PeriodicTask::of(message).filter(|_| self.settings.periodic);
        if let Some(task) = &task {
            headers::add_periodic(&mut headers, task);
        }
        let url = task.map_or_else(|| self.settings.url.clone(), |task| task.url(&self.settings.url));
        let data = if self.settings.cloudevents { self.add_event(message, &mut headers) } else { None };
        PreparedPost { url, headers, data }
    }

    /// Adds the headers of the message as a `CloudEvent`; returns its data, where that is not the body.
    fn add_event(&self, message: &Message, headers: &mut HeaderMap) -> Option<Bytes> {
        let source = self.arn.get().unwrap_or(&self.queue_name);
        let event = cloudevents::of(message, source);
        headers.extend(event.headers);
        event.data
    }

    /// A post with these headers and those of the settings.
    fn post_to(&self, url: Url, headers: HeaderMap) -> RequestBuilder {
        self.client.post(url).headers(headers).headers(self.own_headers.clone())
    }

    /// The deadlines of the lease and of the call, which ends at the queue's or the handler's time limit.
    fn deadlines(&self, context: &Context) -> Deadlines {
        let own = self.settings.timeout.and_then(|Span(limit)| Instant::now().checked_add(limit));
        let call = context.deadline.into_iter().chain(own).min();
        Deadlines { lease: context.lease_deadline().map(system_time), call: call.map(system_time) }
    }

    /// Ends a call at the handler's own time limit.
    ///
    /// Not an async function, whose future would contain the call's future twice.
    fn within_limit<T>(
        &self,
        call: impl Future<Output = T>,
        late: fn(Outcome) -> T,
    ) -> impl Future<Output = T> {
        let Some(limit) = self.settings.timeout else { return Either::Left(call) };
        let timed_out = move |_| {
            self.metrics.failed(FailureCause::TimedOut);
            late(Outcome::Retry(format!("no complete answer from the handler within {limit}")))
        };
        let ended = timeout(limit.0, call);
        Either::Right(ended.map(move |ended| ended.unwrap_or_else(timed_out)))
    }
}

impl From<HttpHandler> for AnyHandler {
    fn from(handler: HttpHandler) -> Self {
        // The data of a `CloudEvent` is read from the body.
        let fetched = if handler.settings.cloudevents { FetchedForm::Text } else { FetchedForm::File };
        let profile =
            HandlerProfile { placement: Placement::EngineThread, fetched, ..HandlerProfile::default() };
        Self::built_in(handler, profile)
    }
}

impl ErasedHandler for HttpHandler {
    fn call(&self, batch: Batch, _: Context) -> BoxFuture<'_, Outcomes> {
        handle_single(batch, |message, context| self.handle(message, context))
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Unavailable>> {
        Box::pin(self.probe.run(&self.client, &self.own_headers))
    }

    #[cfg(feature = "cli")]
    fn doubt(&self) -> BoxFuture<'_, Option<String>> {
        Box::pin(async move {
            // The probe has asked what the settings name for it.
            if self.probe.asks() { None } else { doubt::doubt(self).await }
        })
    }

    fn opened(&self, arn: &str) {
        let _already_known = self.arn.set(arn.into());
    }

    fn register_metrics(&self, scope: &MetricScope) -> FailureCounter {
        self.metrics.begin(scope, HandlerKind::Http)
    }
}

/// The parts of a post, of which it is built, and built again for a connection that was stale.
struct PreparedPost {
    url: Url,
    headers: HeaderMap,
    /// The body, where it is not that of the message.
    data: Option<Bytes>,
}

/// The message's body as bytes, without a copy of it.
struct Body(Arc<Message>);

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        self.0.body.as_bytes()
    }
}
