//! The `lambda` kind: unmodified Lambda functions, given the event of an SQS batch.
//!
//! Longshore either *hosts the Runtime API* and keeps the processes that run the function, or calls a container
//! image through AWS's Runtime Interface Emulator. `docs/lambda-handler.md` has the tables of a function's
//! input and of the outcomes of its answers, `tests/lambda/index.md` the test of each line; in short:
//!
//! | the function | the outcome |
//! |---|---|
//! | answers | [`Outcome::Done`], save for the messages that it names in `batchItemFailures` |
//! | fails, or answers what cannot be understood | [`Outcome::Retry`] of the whole batch |
//! | takes too long, or ends its process | [`Outcome::Retry`] of the whole batch; the process is replaced |
//! | cannot be started | [`Outcome::Down`]: polling pauses until it can be |

mod emulator;
mod invocation;
mod runtime;
mod settings;

use std::{
    error::Error,
    num::NonZeroUsize,
    sync::{Arc, Once, OnceLock},
};

use futures_util::future::{self, BoxFuture, FutureExt as _};
use tokio::sync::watch;

use self::{
    emulator::Emulators,
    invocation::{Answered, Invocation},
    runtime::Host,
};
use super::{
    AnyHandler, Batch, Context, Outcome, Outcomes, Source,
    any::{CallSize, ErasedHandler, HandlerProfile},
    metrics::{FailureCounter, KindMetrics, ProcessMetrics},
    sqs_event::{self, BatchVerdict, Fate, has_failures},
};
use crate::{
    message::{Message, MessageId},
    settings::Problems,
    telemetry::{FailureCause, HandlerKind, Label as _, MetricScope, ProcessState, events},
};

pub use self::settings::{PartialResponses, Settings};

/// The largest event that Lambda gives to a function, in bytes.
pub(crate) const EVENT_BYTES: usize = 6 * 1024 * 1024;

/// A handler that has each batch run by a Lambda function.
#[derive(Debug)]
pub struct LambdaHandler {
    queue: Arc<str>,
    source: OnceLock<Source>,
    /// The event source by the settings alone.
    presumed: Source,
    partial_responses: PartialResponses,
    runs: Runs,
    ignored_failures: Once,
    metrics: KindMetrics<ProcessMetrics>,
}

/// The instances of the function.
#[derive(Debug)]
enum Runs {
    /// In processes of Longshore's own.
    Here(Host),
    /// Beside Longshore, behind an emulator.
    Beside(Emulators),
}

/// Why a handler of the `lambda` kind could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LambdaError {
    /// The settings cannot work.
    #[error("the lambda handler's settings have {0}")]
    Settings(Problems),
    /// The URL of an emulator is invalid.
    #[error("not a url: {url}")]
    Url {
        /// The invalid URL, its password hidden.
        url: String,
        /// The reason.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The client of the emulators could not be built.
    #[error("the client of the runtime interface emulator could not be built: {0}")]
    Client(#[source] Box<dyn Error + Send + Sync>),
}

/// Why a call never became an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
enum CallError {
    /// Nothing that could run it is there.
    Down(String),
}

impl LambdaHandler {
    /// Makes the handler; `queue` is the queue's configured name, for the log.
    ///
    /// `presumed` is what the queue's ARN is taken for where the worker may not ask SQS for it.
    /// Starts nothing and connects to nothing yet. The settings' own number of processes counts for more than
    /// `processes`, which is to be the queue's concurrency.
    pub fn new(
        settings: &Settings,
        queue: impl Into<Arc<str>>,
        presumed: Source,
        processes: NonZeroUsize,
    ) -> Result<Self, LambdaError> {
        Problems::refuse(settings.validate()).map_err(LambdaError::Settings)?;
        let (queue, metrics) = (queue.into(), KindMetrics::default());
        let processes = settings.processes.and_then(NonZeroUsize::new).unwrap_or(processes);
        let runs = if settings.command.is_empty() {
            Runs::Beside(
                Emulators::new(settings.addresses()).map_err(|error| LambdaError::Client(error.into()))?,
            )
        } else {
            Runs::Here(Host::new(settings.clone(), queue.clone(), processes, metrics.clone()))
        };
        let partial_responses = settings.partial_responses;
        let (source, ignored_failures) = (OnceLock::new(), Once::new());
        Ok(Self { queue, source, presumed, partial_responses, runs, ignored_failures, metrics })
    }

    fn source(&self) -> &Source {
        self.source.get().unwrap_or(&self.presumed)
    }

    async fn handle(&self, batch: Batch, context: Context) -> Outcomes {
        let messages: Vec<&Message> = batch.messages().map(|message| &**message).collect();
        match self.invoke(&messages, &context).await {
            Ok(BatchVerdict::Done) => Outcome::Done.into(),
            Ok(BatchVerdict::Failed(reason)) => Outcome::Retry(reason).into(),
            Ok(BatchVerdict::Partly(fates)) => Outcomes::Each(fates.into_iter().map(outcome).collect()),
            Err(CallError::Down(reason)) => self.down(reason),
        }
    }

    async fn invoke(&self, messages: &[&Message], context: &Context) -> Result<BatchVerdict, CallError> {
        let event = match sqs_event::of(messages.iter().copied(), self.source()) {
            Ok(event) => event,
            Err(error) => {
                return Ok(BatchVerdict::Failed(format!("the event could not be written: {error}")));
            }
        };
        let invocation = Invocation::new(messages, event, context.deadline).in_trace(context.trace());
        let Invocation { id, message_id, message_ids, .. } = &invocation;
        events::FunctionInvoked {
            queue: &self.queue,
            request_id: id,
            message_id: message_id.as_ref().map(MessageId::as_str),
            message_ids: message_ids.as_deref(),
        }
        .emit();
        let answered = match &self.runs {
            Runs::Here(host) => host.call(invocation, self.source()).await?,
            Runs::Beside(emulators) => emulators.call(invocation).await?,
        };
        Ok(self.verdict(answered, messages))
    }

    fn verdict(&self, answered: Answered, messages: &[&Message]) -> BatchVerdict {
        match answered {
            Ok(answer) => {
                if self.partial_responses == PartialResponses::Off && has_failures(&answer) {
                    self.ignored_failures.call_once(|| self.warn_of_ignored_failures());
                }
                let ids: Vec<&str> = messages.iter().map(|message| message.id.as_str()).collect();
                let verdict = invocation::verdict(&answer, &ids, self.partial_responses);
                match verdict {
                    BatchVerdict::Done => {}
                    BatchVerdict::Partly(_) => self.metrics.failed(FailureCause::FunctionError),
                    BatchVerdict::Failed(_) => self.metrics.failed(FailureCause::BadAnswer),
                }
                verdict
            }
            Err(failure) => {
                self.metrics.failed(failure.cause());
                BatchVerdict::Failed(failure.to_string())
            }
        }
    }

    /// Nothing that could run the function is there.
    fn down(&self, reason: String) -> Outcomes {
        self.metrics.failed(match self.runs {
            Runs::Here(_) => FailureCause::InitError,
            Runs::Beside(_) => FailureCause::Connection,
        });
        Outcome::Down(reason).into()
    }

    fn warn_of_ignored_failures(&self) {
        events::FailuresIgnored { queue: &self.queue }.emit();
    }
}

impl From<LambdaHandler> for AnyHandler {
    fn from(handler: LambdaHandler) -> Self {
        Self::built_in(handler, HandlerProfile { takes: CallSize::Batch, ..HandlerProfile::default() })
    }
}

impl ErasedHandler for LambdaHandler {
    fn call(&self, batch: Batch, context: Context) -> BoxFuture<'_, Outcomes> {
        Box::pin(self.handle(batch, context))
    }

    fn register_metrics(&self, scope: &MetricScope) -> FailureCounter {
        let failures = self.metrics.begin(scope, HandlerKind::Lambda);
        if let Some(metrics) = self.metrics.group() {
            metrics.begin(ProcessState::ALL);
        }
        failures
    }

    fn weigh(&self, message: &Message) -> usize {
        sqs_event::weight(message, self.source())
    }

    fn opened(&self, arn: &str) {
        // Only the first call has an effect: the event source of a function must not change while it runs.
        self.source.get_or_init(|| Source::of_arn(arn));
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        match &self.runs {
            Runs::Here(host) => Box::pin(host.probe(self.source())),
            Runs::Beside(emulators) => Box::pin(emulators.probe()),
        }
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        match &self.runs {
            Runs::Here(host) => Box::pin(host.close()),
            Runs::Beside(_) => future::ready(()).boxed(),
        }
    }
}

fn outcome(fate: Fate) -> Outcome {
    match fate {
        Fate::Done => Outcome::Done,
        Fate::Failed(_) => Outcome::Retry("the function named the message among its failures".to_owned()),
    }
}

/// The state of each instance.
#[derive(Debug)]
struct Standing(watch::Sender<Vec<InstanceState>>);

/// The state of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
enum InstanceState {
    /// Nothing is known of it yet: a process starts, or is about to.
    Starting,
    /// It takes work, and may be at it.
    Ready,
    /// Nothing can be run in it, for this reason, and that will be tried again.
    Failed(Arc<str>),
}

impl Standing {
    /// So many places, none of them ready.
    fn of(count: usize) -> Self {
        Self(watch::Sender::new(vec![InstanceState::Starting; count]))
    }

    /// Notes how a place stands.
    fn note(&self, number: usize, state: InstanceState) {
        self.0.send_if_modified(|states| match states.get_mut(number) {
            Some(known) if *known != state => {
                *known = state;
                true
            }
            _ => false,
        });
    }

    /// Waits until one is ready, or until it is known that none can be.
    async fn known(&self) -> Result<(), String> {
        let is_known =
            |states: &Vec<InstanceState>| states.contains(&InstanceState::Ready) || failure(states).is_some();
        match self.0.subscribe().wait_for(is_known).await {
            Ok(states) => failure(&states).map_or(Ok(()), Err),
            // The sender lives as long as this does.
            Err(_) => Ok(()),
        }
    }

    /// Why nothing can be run anywhere, if that is so.
    fn failure(&self) -> Option<String> {
        failure(&self.0.borrow())
    }

    /// Waits until nothing can be run anywhere, and says why.
    async fn down(&self) -> String {
        let mut states = self.0.subscribe();
        if let Ok(states) = states.wait_for(|states| failure(states).is_some()).await {
            return failure(&states).unwrap_or_default();
        }
        std::future::pending().await
    }
}

/// Why nothing can be run anywhere, if that is so.
fn failure(states: &[InstanceState]) -> Option<String> {
    let mut reason = None;
    for state in states {
        match state {
            InstanceState::Failed(words) => reason = Some(words),
            InstanceState::Starting | InstanceState::Ready => return None,
        }
    }
    reason.map(ToString::to_string)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn standing() -> Standing {
        Standing::of(2)
    }

    #[test]
    fn one_that_is_ready_is_enough() {
        let standing = standing();
        assert_eq!(standing.known().now_or_never(), None);
        standing.note(0, InstanceState::Failed("no such program".into()));
        assert_eq!(standing.known().now_or_never(), None, "the other one may yet start");
        standing.note(1, InstanceState::Ready);
        assert_eq!(standing.known().now_or_never(), Some(Ok(())));
        assert_eq!(standing.down().now_or_never(), None);
    }

    #[test]
    fn when_all_have_failed_the_last_reason_is_told() {
        let standing = standing();
        standing.note(0, InstanceState::Failed("one".into()));
        standing.note(1, InstanceState::Failed("two".into()));
        assert_eq!(standing.known().now_or_never(), Some(Err("two".to_owned())));
        assert_eq!(standing.down().now_or_never(), Some("two".to_owned()));
        standing.note(0, InstanceState::Starting);
        assert_eq!(standing.down().now_or_never(), None);
    }
}
