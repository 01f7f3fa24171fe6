//! The `http` kind: each message is posted to a program with an HTTP port.
//!
//! The request is that of Elastic Beanstalk's worker daemon, sqsd: a `POST` of the body, byte for byte, with
//! its `X-Aws-Sqsd-…` headers. `docs/http-handler.md` has the tables of headers and outcomes, each line with
//! the test that proves it; in short:
//!
//! | the handler | the outcome |
//! |---|---|
//! | answers 2xx, or a status of `success` | [`Outcome::Done`] |
//! | answers a status of `reject` | [`Outcome::Reject`] |
//! | answers 429 or 503 with `Retry-After` | [`Outcome::RetryIn`], 12 hours at most |
//! | answers anything else, a redirect included | [`Outcome::Retry`] |
//! | cannot be connected to | [`Outcome::Down`]: polling pauses until [`Handler::probe`] succeeds |
//! | breaks off, or takes longer than `timeout` | [`Outcome::Retry`]: it may have run |
//!
//! A call whose future is dropped (a lost lease, the queue's time limit, the end of the drain) closes its
//! connection, which is how the handler hears of it.

mod answer;
mod client;
mod headers;
mod periodic;
mod settings;

use std::{fmt, sync::Arc, time::SystemTime};

use bytes::Bytes;
use reqwest::{Client, RequestBuilder, header};
use tokio::time::{Instant, timeout};

pub use self::settings::Settings;
use self::{headers::Deadlines, periodic::PeriodicTask};
use super::{Context, Handler, Outcome, Placement, Problem, moment::on_the_wall, reach::connect};
use crate::{duration::Span, message::Message};

/// A handler that posts each message to a program with an HTTP port.
pub struct Http {
    client: Client,
    settings: Settings,
    queue_name: Box<str>,
}

impl fmt::Debug for Http {
    /// Hides the address's password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Http").field("url", &self.settings.shown_url()).finish_non_exhaustive()
    }
}

/// Why a handler of the `http` kind could not be made.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The settings cannot work.
    #[error("the http handler's settings cannot work: {}", Problem::list(.0))]
    Settings(Vec<Problem>),
    /// The client could not be built.
    #[error("the http client could not be built, hint: https needs the system's ca certificates")]
    Client(#[source] reqwest::Error),
}

impl Http {
    /// Makes the handler; `queue_name` is what SQS calls the queue, which the handler is told.
    ///
    /// Connects to nothing yet, and needs no runtime. Kept connections are at most as many as calls ran at once.
    pub fn new(settings: Settings, queue_name: impl Into<Box<str>>) -> Result<Self, HttpError> {
        let problems = settings.check();
        if !problems.is_empty() {
            return Err(HttpError::Settings(problems));
        }
        let client = client::build(&settings)?;
        Ok(Self { client, settings, queue_name: queue_name.into() })
    }

    async fn call(&self, message: Arc<Message>, context: &Context) -> Outcome {
        let request = self.request(message, context);
        let answered = async {
            let response = client::post(&self.client, request).await?;
            let retry_after =
                response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
            let outcome = answer::outcome(&self.settings, response.status(), retry_after, SystemTime::now());
            client::drop_body(response).await?;
            Ok(outcome)
        };
        answered.await.unwrap_or_else(|failure| failure)
    }

    fn request(&self, message: Arc<Message>, context: &Context) -> RequestBuilder {
        let deadlines = Deadlines {
            lease: context.lease_deadline().map(on_the_wall),
            call: self.deadline(context).map(on_the_wall),
        };
        let mut headers = headers::of_call(&message, &self.queue_name, deadlines);
        let task = PeriodicTask::of(&message);
        if let Some(task) = &task {
            headers::add_periodic(&mut headers, task);
        }
        let url = task.map_or_else(|| self.settings.url.clone(), |task| task.url(&self.settings.url));
        self.client.post(url).headers(headers).body(Bytes::from_owner(Body(message)))
    }

    /// When the call ends: at the queue's time limit or at the handler's own, whichever is first.
    fn deadline(&self, context: &Context) -> Option<Instant> {
        let own = self.settings.timeout.and_then(|Span(limit)| Instant::now().checked_add(limit));
        context.deadline.into_iter().chain(own).min()
    }
}

impl Handler for Http {
    async fn handle(&self, message: Arc<Message>, context: Context) -> Outcome {
        let call = self.call(message, &context);
        let Some(limit) = self.settings.timeout else { return call.await };
        let late = || Outcome::Retry(format!("no complete answer from the handler within {limit}"));
        timeout(limit.0, call).await.unwrap_or_else(|_| late())
    }

    async fn probe(&self) -> Result<(), String> {
        let limit = self.settings.connect_timeout;
        match timeout(limit.0, connect(&self.settings.url)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(format!("no connection to the handler: {error}")),
            Err(_) => Err(format!("no connection to the handler within {limit}")),
        }
    }

    fn placement(&self) -> Placement {
        Placement::Pump
    }
}

/// The message's body as bytes, without a copy of it.
struct Body(Arc<Message>);

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        self.0.body.as_bytes()
    }
}
