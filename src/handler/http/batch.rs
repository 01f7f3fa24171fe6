//! Batches over HTTP: one post of all messages, and an answer that names those that failed.

use std::sync::OnceLock;

use futures_util::future::BoxFuture;
use reqwest::{RequestBuilder, Response};

use super::{
    HttpError, HttpHandler, Settings,
    client::{self, Unanswered},
    headers,
};
use crate::{
    handler::{
        AnyHandler, Batch, Context, FailureCounter, Outcome, Outcomes, Source,
        any::{CallSize, ErasedHandler, HandlerProfile},
        call_trace::CallTrace,
        sqs_event::{self, BatchVerdict, Fate, ItemFailure, Said, verdict},
    },
    message::Message,
    telemetry::{FailureCause, HandlerKind, MetricScope},
};

/// A handler that posts several messages at once to a program with an HTTP port.
///
/// The document is the event that Lambda gives to functions, and the answer is that of Lambda's partial batch
/// responses with two fields more: a program can serve as both.
#[derive(Debug)]
pub struct HttpBatchHandler {
    http: HttpHandler,
    source: OnceLock<Source>,
    presumed: Source,
}

impl HttpBatchHandler {
    /// Makes the handler; `presumed` is the queue's ARN, where the worker may not ask SQS for it.
    ///
    /// Like [`HttpHandler::new`] otherwise.
    pub fn new(
        settings: Settings,
        queue_name: impl Into<Box<str>>,
        presumed: Source,
    ) -> Result<Self, HttpError> {
        Ok(Self { http: HttpHandler::new(settings, queue_name)?, source: OnceLock::new(), presumed })
    }

    fn source(&self) -> &Source {
        self.source.get().unwrap_or(&self.presumed)
    }

    async fn post(&self, batch: &Batch, context: &Context) -> Outcomes {
        let answered = async {
            let response = client::post(&self.http.client, self.request(batch, context)?).await?;
            self.judge(batch, response).await
        };
        answered.await.unwrap_or_else(|failure| Outcomes::All(self.http.unanswered(failure)))
    }

    fn request(&self, batch: &Batch, context: &Context) -> Result<RequestBuilder, Unanswered> {
        let messages = batch.messages().map(|message| &**message);
        let event = sqs_event::of(messages, self.source()).map_err(|error| Unanswered {
            outcome: Outcome::Retry(format!("the batch could not be written: {error}")),
            cause: FailureCause::Error,
        })?;
        let deadlines = self.http.deadlines(context);
        let traced = CallTrace::of_batch(context);
        let headers = headers::of_batch(batch.len(), &self.http.queue_name, deadlines, &traced);
        Ok(self.http.client.post(self.http.settings.url.clone()).headers(headers).body(event))
    }

    /// Reads the fates of the messages from a 2xx; any other status is that of all of them.
    async fn judge(&self, batch: &Batch, response: Response) -> Result<Outcomes, Unanswered> {
        if !response.status().is_success() {
            return self.http.judge(response).await.map(Outcomes::All);
        }
        let answer = client::read_body(response).await?;
        let ids: Vec<&str> = batch.messages().map(|message| message.id.as_str()).collect();
        Ok(match verdict(&answer, &ids) {
            BatchVerdict::Done => Outcomes::All(Outcome::Done),
            BatchVerdict::Failed(reason) => {
                self.http.metrics.failed(FailureCause::BadAnswer);
                Outcomes::All(Outcome::Retry(format!("{reason}, hint: answer {{}} when all are done")))
            }
            BatchVerdict::Partly(fates) => {
                self.http.metrics.failed(FailureCause::Error);
                Outcomes::Each(fates.into_iter().map(|fate| self.outcome(fate)).collect())
            }
        })
    }

    fn outcome(&self, fate: Fate) -> Outcome {
        let Fate::Failed(ItemFailure { retry_after, said }) = fate else { return Outcome::Done };
        match (said, retry_after) {
            (Said::Reject, _) if self.http.settings.reject_items => {
                Outcome::Reject("the handler rejected the message".to_owned())
            }
            (Said::Reject, _) => Outcome::Retry(
                "the handler rejected the message, hint: set reject_items to let it do so".to_owned(),
            ),
            (Said::Retry, Some(delay)) => Outcome::RetryIn(delay, failed()),
            (Said::Retry, None) => Outcome::Retry(failed()),
        }
    }
}

fn failed() -> String {
    "the handler named the message among its failures".to_owned()
}

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

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(self.http.connect())
    }
}
