//! The `lambda` kind: unmodified Lambda functions are called with the event of an SQS batch.
//!
//! Longshore either *hosts the Runtime API* and supervises the processes that run the function, or calls a container
//! image through AWS's Runtime Interface Emulator. `docs/lambda-handler.md` has the tables of a function's
//! input and of the outcomes of its answers, `tests/lambda/index.md` the test of each line; in short:
//!
//! | the function | the outcome |
//! |---|---|
//! | answers | [`Outcome::Done`], save for the messages that it names in `batchItemFailures` |
//! | fails, or returns an invalid answer | [`Outcome::Retry`] of the whole batch |
//! | takes too long | [`Outcome::Retry`] of the whole batch; the process is replaced |
//! | ends its process | [`Outcome::Crashed`] of the whole batch; the process is replaced |
//! | cannot be started | [`Outcome::Down`]: polling pauses until it can be |

mod emulator;
mod invocation;
mod runtime;
mod settings;

#[cfg(all(any(test, fuzzing), feature = "cli"))]
#[path = "../../../tests/fuzz/lambda.rs"]
pub(crate) mod fuzz;

use std::{
    error::Error,
    ffi::OsString,
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
    AnyHandler, Batch, Context, Outcome, Outcomes, Source, Unavailable,
    any::{CallSize, ErasedHandler, HandlerProfile},
    metrics::{FailureCounter, KindMetrics, ProcessMetrics},
    sqs_event::{self, BatchOutcome, ItemOutcome, has_failures},
};
use crate::{
    message::{Message, MessageId},
    settings::Problems,
    telemetry::{FailureCause, HandlerKind, Label as _, MetricScope, ProcessState, events},
};

pub use self::settings::{Extensions, PartialResponses, Settings};

/// The largest event that Lambda passes to a function, in bytes.
pub(crate) const EVENT_BYTES: usize = 6 * 1024 * 1024;

/// A handler that calls a Lambda function with each batch.
#[derive(Debug)]
pub struct LambdaHandler {
    queue: Arc<str>,
    source: OnceLock<Source>,
    /// The event source by the settings, used if the queue's ARN cannot be read.
    fallback: Source,
    partial_responses: PartialResponses,
    instances: Instances,
    /// True if there are as many processes as the concurrency is.
    follows_concurrency: bool,
    ignored_failures: Once,
    metrics: KindMetrics<ProcessMetrics>,
}

/// The instances of the function.
#[derive(Debug)]
enum Instances {
    /// Processes that Longshore starts.
    Hosted(Host),
    /// Container images that run beside Longshore, behind emulators.
    Emulated(Emulators),
}

/// An error in creating a handler of the `lambda` kind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LambdaError {
    /// The settings are invalid.
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

impl LambdaHandler {
    /// Creates the handler; `queue` is the queue's configured name, for the log.
    ///
    /// `fallback` is the event source if the worker lacks the permission to read the queue's ARN.
    /// Starts nothing and connects to nothing yet. `processes`, the queue's concurrency, is the number of processes if
    /// the settings have none.
    pub fn new(
        settings: &Settings,
        queue: impl Into<Arc<str>>,
        fallback: Source,
        processes: NonZeroUsize,
    ) -> Result<Self, LambdaError> {
        Problems::refuse(settings.validate()).map_err(LambdaError::Settings)?;
        let (queue, metrics) = (queue.into(), KindMetrics::default());
        let chosen = settings.processes.and_then(NonZeroUsize::new);
        // One beside the Web Adapter: the web servers would all listen on one port.
        let chosen = chosen.or_else(|| settings.used_adapter().map(|_| NonZeroUsize::MIN));
        let (follows_concurrency, processes) = (chosen.is_none(), chosen.unwrap_or(processes));
        let instances = if settings.command.is_empty() {
            let emulators = Emulators::new(settings.addresses());
            Instances::Emulated(emulators.map_err(|error| LambdaError::Client(error.into()))?)
        } else {
            Instances::Hosted(Host::new(settings.clone(), queue.clone(), processes, metrics.clone()))
        };
        let partial_responses = settings.partial_responses;
        let (source, ignored_failures) = (OnceLock::new(), Once::new());
        Ok(Self {
            queue,
            source,
            fallback,
            partial_responses,
            instances,
            follows_concurrency,
            ignored_failures,
            metrics,
        })
    }

    /// Removes these variables from the environment of the function's processes, except those of the setting `inherit`.
    ///
    /// Only the first call has an effect.
    #[must_use]
    pub fn without_variables(self, names: impl IntoIterator<Item = OsString>) -> Self {
        if let Instances::Hosted(host) = &self.instances {
            host.withhold(names.into_iter().collect());
        }
        self
    }

    fn source(&self) -> &Source {
        self.source.get().unwrap_or(&self.fallback)
    }

    async fn handle(&self, batch: Batch, context: Context) -> Outcomes {
        let messages: Vec<&Message> = batch.messages().map(|message| &**message).collect();
        match self.invoke(&messages, &context).await {
            Ok(outcomes) => outcomes,
            Err(unavailable) => self.unavailable(unavailable),
        }
    }

    async fn invoke(&self, messages: &[&Message], context: &Context) -> Result<Outcomes, Unavailable> {
        let event = match sqs_event::of(messages.iter().copied(), self.source()) {
            Ok(event) => event,
            Err(error) => {
                return Ok(Outcome::Retry(format!("the event could not be written: {error}")).into());
            }
        };
        let invocation = Invocation::new(messages, event, context.clock()).in_trace(context.trace());
        let Invocation { id, message_id, message_ids, .. } = &invocation;
        events::FunctionInvoked {
            queue: &self.queue,
            request_id: id,
            message_id: message_id.as_ref().map(MessageId::as_str),
            message_ids: message_ids.as_deref(),
        }
        .emit();
        let answered = match &self.instances {
            Instances::Hosted(host) => host.call(invocation, self.source()).await?,
            Instances::Emulated(emulators) => emulators.call(invocation).await?,
        };
        Ok(self.outcomes(answered, messages))
    }

    fn outcomes(&self, answered: Answered, messages: &[&Message]) -> Outcomes {
        match answered {
            Ok(answer) => {
                if self.partial_responses == PartialResponses::Off && has_failures(&answer) {
                    self.ignored_failures.call_once(|| self.log_ignored_failures());
                }
                let ids: Vec<&str> = messages.iter().map(|message| message.id.as_str()).collect();
                let outcome = invocation::parse_answer(&answer, &ids, self.partial_responses);
                match outcome {
                    BatchOutcome::Done => Outcome::Done.into(),
                    BatchOutcome::Partial(outcomes) => {
                        self.metrics.failed(FailureCause::FunctionError);
                        Outcomes::Each(outcomes.iter().map(item_outcome).collect())
                    }
                    BatchOutcome::Failed(reason) => {
                        self.metrics.failed(FailureCause::BadAnswer);
                        Outcome::Retry(reason).into()
                    }
                }
            }
            Err(failure) => {
                self.metrics.failed(failure.cause());
                failure.outcome().into()
            }
        }
    }

    /// Counts a call that no instance can run, unless the worker is the cause, and returns its outcome.
    fn unavailable(&self, unavailable: Unavailable) -> Outcomes {
        let outcome = Outcome::from(unavailable);
        let cause = match self.instances {
            Instances::Hosted(_) => FailureCause::InitError,
            Instances::Emulated(_) => FailureCause::Connection,
        };
        self.metrics.failed_with(cause, &outcome);
        outcome.into()
    }

    fn log_ignored_failures(&self) {
        events::FailuresIgnored { queue: &self.queue }.emit();
    }
}

impl From<LambdaHandler> for AnyHandler {
    fn from(handler: LambdaHandler) -> Self {
        let profile =
            HandlerProfile { takes: CallSize::Batch, starts_late: true, ..HandlerProfile::default() };
        Self::built_in(handler, profile)
    }
}

impl ErasedHandler for LambdaHandler {
    fn call(&self, batch: Batch, context: Context) -> BoxFuture<'_, Outcomes> {
        Box::pin(self.handle(batch, context))
    }

    fn concurrency_changed(&self, concurrency: usize) {
        if let (Instances::Hosted(host), true) = (&self.instances, self.follows_concurrency) {
            host.scale(concurrency);
        }
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
        // Only the first call has an effect: the event source must not change while the function runs.
        self.source.get_or_init(|| Source::of_arn(arn));
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Unavailable>> {
        match &self.instances {
            Instances::Hosted(host) => Box::pin(host.probe(self.source())),
            Instances::Emulated(emulators) => Box::pin(emulators.probe()),
        }
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        match &self.instances {
            Instances::Hosted(host) => Box::pin(host.close()),
            Instances::Emulated(_) => future::ready(()).boxed(),
        }
    }
}

fn item_outcome(outcome: &ItemOutcome) -> Outcome {
    match outcome {
        ItemOutcome::Done => Outcome::Done,
        ItemOutcome::Failed(_) => {
            Outcome::Retry("the function named the message among its failures".to_owned())
        }
    }
}

/// The states of all instances, by their numbers.
#[derive(Debug)]
struct InstanceStates(watch::Sender<Vec<InstanceState>>);

/// The state of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
enum InstanceState {
    /// Its process is starting, or waits to be started.
    Starting,
    /// It can run invocations, and may be running one.
    Ready,
    /// It cannot run invocations, for this reason; it is tried again.
    Failed(Unavailable),
    /// It has no process, because fewer are wanted now.
    Retired,
}

impl InstanceStates {
    /// The states of `count` instances, all of them starting.
    fn starting(count: usize) -> Self {
        Self(watch::Sender::new(vec![InstanceState::Starting; count]))
    }

    /// Adds instances that are starting, up to `count`.
    fn grow(&self, count: usize) {
        self.0.send_if_modified(|states| {
            let grows = states.len() < count;
            states.resize(count.max(states.len()), InstanceState::Starting);
            grows
        });
    }

    /// Sets the state of an instance.
    fn set(&self, number: usize, state: InstanceState) {
        self.0.send_if_modified(|states| match states.get_mut(number) {
            Some(current) if *current != state => {
                *current = state;
                true
            }
            _ => false,
        });
    }

    /// Waits until an instance is ready; `Err` has the reason if all have failed.
    async fn ready(&self) -> Result<(), Unavailable> {
        let is_decided =
            |states: &Vec<InstanceState>| states.contains(&InstanceState::Ready) || failure(states).is_some();
        match self.0.subscribe().wait_for(is_decided).await {
            Ok(states) => failure(&states).map_or(Ok(()), Err),
            // The sender is in `self`, so it is not dropped while this waits.
            Err(_) => Ok(()),
        }
    }

    /// The reason why all instances have failed, if they have.
    fn failure(&self) -> Option<Unavailable> {
        failure(&self.0.borrow())
    }

    /// Waits until all instances have failed, and returns the reason.
    async fn down(&self) -> Unavailable {
        let mut states = self.0.subscribe();
        let all_failed = states.wait_for(|states| failure(states).is_some()).await;
        match all_failed.ok().and_then(|states| failure(&states)) {
            Some(unavailable) => unavailable,
            None => std::future::pending().await,
        }
    }
}

/// The reason of the last failed instance, if all have failed, before all others a shortage of resources.
fn failure(states: &[InstanceState]) -> Option<Unavailable> {
    let mut reason: Option<&Unavailable> = None;
    for state in states {
        match (state, reason) {
            (InstanceState::Failed(Unavailable::Down(_)), Some(Unavailable::ShortOfResources(_)))
            | (InstanceState::Retired, _) => {}
            (InstanceState::Failed(failed), _) => reason = Some(failed),
            (InstanceState::Starting | InstanceState::Ready, _) => return None,
        }
    }
    reason.cloned()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn failed(reason: &str) -> InstanceState {
        InstanceState::Failed(Unavailable::Down(reason.to_owned()))
    }

    #[test]
    fn a_shortage_of_one_failed_instance_is_the_reason_for_all() {
        let (states, short) = (InstanceStates::starting(3), Unavailable::ShortOfResources("two".to_owned()));
        states.set(0, failed("one"));
        states.set(1, InstanceState::Failed(short.clone()));
        assert_eq!(states.failure(), None, "the third may yet start");
        states.set(2, failed("three"));
        assert_eq!(states.failure(), Some(short));
    }

    #[test]
    fn a_retired_instance_does_not_count() {
        let states = InstanceStates::starting(1);
        states.grow(2);
        states.set(0, failed("no such program"));
        assert_eq!(states.failure(), None, "the new one may yet start");
        states.set(1, InstanceState::Retired);
        assert_eq!(states.failure(), Some(Unavailable::Down("no such program".to_owned())));
    }

    #[test]
    fn one_ready_instance_is_enough() {
        let states = InstanceStates::starting(2);
        assert_eq!(states.ready().now_or_never(), None);
        states.set(0, failed("no such program"));
        assert_eq!(states.ready().now_or_never(), None, "the other one may yet start");
        states.set(1, InstanceState::Ready);
        assert_eq!(states.ready().now_or_never(), Some(Ok(())));
        assert_eq!(states.down().now_or_never(), None);
    }

    #[test]
    fn when_all_have_failed_the_last_reason_is_given() {
        let states = InstanceStates::starting(2);
        states.set(0, failed("one"));
        states.set(1, failed("two"));
        let two = Unavailable::Down("two".to_owned());
        assert_eq!(states.ready().now_or_never(), Some(Err(two.clone())));
        assert_eq!(states.down().now_or_never(), Some(two));
        states.set(0, InstanceState::Starting);
        assert_eq!(states.down().now_or_never(), None);
    }
}
