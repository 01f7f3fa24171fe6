//! Batches over HTTP: one post of all messages, and a response that names those that failed.

use std::sync::OnceLock;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use reqwest::{Response, header::HeaderMap};

use super::{
    HttpError, HttpHandler, Settings,
    client::{self, FailedPost},
    headers, reason,
};
use crate::{
    handler::{
        AnyHandler, Batch, Context, FailureCounter, Outcome, Outcomes, Source, Unavailable,
        any::{CallSize, ErasedHandler, HandlerProfile},
        call_trace::CallTrace,
        sqs_event::{self, BatchOutcome, FailureAction, ItemFailure, ItemOutcome, parse_response},
    },
    message::Message,
    telemetry::{FailureCause, HandlerKind, MetricScope},
};

/// A handler that posts several messages at once to a program with an HTTP port.
///
/// The body is the event that Lambda passes to functions, and the response is Lambda's partial batch response with two
/// more fields, so that one program can serve both.
#[derive(Debug)]
pub struct HttpBatchHandler {
    http: HttpHandler,
    source: OnceLock<Source>,
    fallback: Source,
}

impl HttpBatchHandler {
    /// Creates the handler; `fallback` is the event source if the worker lacks the permission to read the queue's ARN.
    ///
    /// Otherwise like [`HttpHandler::new`].
    pub fn new(
        settings: Settings,
        queue_name: impl Into<Box<str>>,
        fallback: Source,
    ) -> Result<Self, HttpError> {
        HttpHandler::new(settings, queue_name).map(|http| Self::of(http, fallback))
    }

    /// The handler of batches with the settings of this one.
    pub(crate) fn of(http: HttpHandler, fallback: Source) -> Self {
        Self { http, source: OnceLock::new(), fallback }
    }

    fn source(&self) -> &Source {
        self.source.get().unwrap_or(&self.fallback)
    }

    async fn post(&self, batch: &Batch, context: &Context) -> Outcomes {
        let answered = async {
            let (headers, event) = self.prepare(batch, context)?;
            let url = &self.http.settings.url;
            let request = || Ok(self.http.post_to(url.clone(), headers.clone()).body(event.clone()));
            let response = client::post(&self.http.client, request).await?;
            self.read_response(batch, response).await
        };
        answered.await.unwrap_or_else(|failure| Outcomes::All(self.http.failed_post(failure)))
    }

    fn prepare(&self, batch: &Batch, context: &Context) -> Result<(HeaderMap, Bytes), FailedPost> {
        let messages = batch.messages().map(|message| &**message);
        let event = sqs_event::of(messages, self.source()).map_err(|error| FailedPost {
            outcome: Outcome::Retry(format!("the batch could not be written: {error}")),
            cause: FailureCause::Error,
        })?;
        let deadlines = self.http.deadlines(context);
        let traced = CallTrace::of_batch(context);
        let headers = headers::of_batch(batch.len(), &self.http.queue_name, deadlines, &traced);
        Ok((headers, event))
    }

    /// Reads the outcomes of the messages from a 2xx response; any other status applies to all messages.
    async fn read_response(&self, batch: &Batch, response: Response) -> Result<Outcomes, FailedPost> {
        if !response.status().is_success() {
            return self.http.read_response(response).await.map(Outcomes::All);
        }
        let answer = client::read_body(response).await?;
        let ids: Vec<&str> = batch.messages().map(|message| message.id.as_str()).collect();
        Ok(match parse_response(&answer, &ids) {
            BatchOutcome::Done => Outcomes::All(Outcome::Done),
            BatchOutcome::Failed(reason) => {
                self.http.metrics.failed(FailureCause::BadAnswer);
                Outcomes::All(Outcome::Retry(format!("{reason}, hint: answer {{}} when all are done")))
            }
            BatchOutcome::Partial(outcomes) => {
                self.http.metrics.failed(FailureCause::Error);
                Outcomes::Each(outcomes.into_iter().map(|outcome| self.outcome(outcome)).collect())
            }
        })
    }

    fn outcome(&self, outcome: ItemOutcome) -> Outcome {
        let ItemOutcome::Failed(ItemFailure { retry_after, action, reason }) = outcome else {
            return Outcome::Done;
        };
        let because = |text: &str| match reason.as_deref().and_then(reason::clean) {
            Some(reason) => format!("{text}: {reason}"),
            None => text.to_owned(),
        };
        match (action, retry_after) {
            (FailureAction::Reject, _) if self.http.settings.reject_items => {
                Outcome::Reject(because(REJECTED))
            }
            (FailureAction::Reject, _) => {
                Outcome::Retry(format!("{}, hint: set reject_items to let it do so", because(REJECTED)))
            }
            (FailureAction::Retry, Some(delay)) => Outcome::RetryIn(delay, because(NAMED_AS_FAILED)),
            (FailureAction::Retry, None) => Outcome::Retry(because(NAMED_AS_FAILED)),
        }
    }
}

const REJECTED: &str = "the handler rejected the message";
const NAMED_AS_FAILED: &str = "the handler named the message among its failures";

impl From<HttpBatchHandler> for AnyHandler {
    fn from(handler: HttpBatchHandler) -> Self {
        Self::built_in(handler, HandlerProfile { takes: CallSize::Batch, ..HandlerProfile::default() })
    }
}

impl ErasedHandler for HttpBatchHandler {
    fn call(&self, batch: Batch, context: Context) -> BoxFuture<'_, Outcomes> {
        Box::pin(async move { self.http.within_limit(self.post(&batch, &context), Outcomes::All).await })
    }

    fn weigh(&self, message: &Message) -> usize {
        sqs_event::weight(message, self.source())
    }

    fn opened(&self, arn: &str) {
        self.source.get_or_init(|| Source::of_arn(arn));
    }

    fn register_metrics(&self, scope: &MetricScope) -> FailureCounter {
        self.http.metrics.begin(scope, HandlerKind::Http)
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Unavailable>> {
        ErasedHandler::probe(&self.http)
    }

    #[cfg(feature = "cli")]
    fn doubt(&self) -> BoxFuture<'_, Option<String>> {
        ErasedHandler::doubt(&self.http)
    }
}
