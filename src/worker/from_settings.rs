//! Builds the worker that the settings describe.

use std::{error::Error, num::NonZeroUsize, sync::Arc};

use super::{Consumer, DeadLetters, ScalingSignal, Worker, WorkerError, open::address, publisher};
use crate::{
    config::{self, QueueSettings, Settings},
    consumer::settle::DlqSettings,
    ecs::{self, EcsEnvironment, HttpAgent, MetricsSwitch},
    handler::{
        self, AnyHandler, Source,
        exec::ExecHandler,
        http::{HttpBatchHandler, HttpHandler},
        lambda::LambdaHandler,
        sns::SnsHandler,
    },
    queue::{name_at, sqs},
    telemetry::events,
};

/// Builds the worker; a queue without a handler is left out.
pub fn worker(settings: &Settings) -> Result<Worker, WorkerError> {
    let mut worker = Worker::new().drain_limit(settings.drain_limit()).admin(settings.admin.listen);
    worker = on_ecs(worker, &settings.ecs, &config::surroundings());
    for (name, queue) in &settings.queues {
        if let Some(handler) = &queue.handler {
            worker = worker.consumer(consumer(name, queue, handler, &settings.aws)?);
        }
    }
    Ok(worker)
}

/// Adds task protection and the scaling signal, on ECS.
fn on_ecs(mut worker: Worker, settings: &ecs::Settings, surroundings: &EcsEnvironment) -> Worker {
    if surroundings.is_ecs() && settings.stop_timeout.is_none() {
        events::StopTimeoutUnknown {}.emit();
    }
    if let Some(agent) = surroundings.agent.as_ref().filter(|_| settings.protect == ecs::Protect::Auto) {
        let agent = Arc::new(HttpAgent::new(agent));
        worker = worker.protect(ecs::ProtectionPlan::with(agent, settings.timing()));
    }
    let is_printed = match settings.metrics {
        MetricsSwitch::Auto => surroundings.is_ecs(),
        MetricsSwitch::On => true,
        MetricsSwitch::Off => false,
    };
    if !is_printed {
        return worker;
    }
    let mut signal = ScalingSignal::new(settings.metrics_namespace.as_str(), settings.metrics_interval.0);
    signal.metadata.clone_from(&surroundings.metadata);
    worker.scaling_signal(signal)
}

fn consumer(
    name: &str,
    queue: &QueueSettings,
    handler: &handler::Settings,
    aws: &sqs::Settings,
) -> Result<Consumer, WorkerError> {
    let kind = handler.kind();
    let made = made(name, queue, handler, aws)
        .map_err(|source| WorkerError::Handler { queue: name.to_owned(), source })?;
    Ok(consumer_of(name, queue, aws, made).of_kind(kind))
}

/// The handler that these settings describe; nothing of it is reached or started yet.
pub(super) fn made(
    name: &str,
    queue: &QueueSettings,
    handler: &handler::Settings,
    aws: &sqs::Settings,
) -> Result<AnyHandler, Box<dyn Error + Send + Sync>> {
    match handler {
        handler::Settings::Http(http) if queue.consumer.batch.size > 1 => {
            let source = presumed_source(queue, aws);
            Ok(HttpBatchHandler::new(http.clone(), name_in_sqs(queue), source)?.into())
        }
        handler::Settings::Http(http) => Ok(HttpHandler::new(http.clone(), name_in_sqs(queue))?.into()),
        handler::Settings::Lambda(lambda) => {
            let processes = NonZeroUsize::new(queue.consumer.concurrency).unwrap_or(NonZeroUsize::MIN);
            Ok(LambdaHandler::new(lambda, name, presumed_source(queue, aws), processes)?.into())
        }
        handler::Settings::Exec(exec) => {
            let exec = ExecHandler::new(exec.clone(), name_in_sqs(queue))?;
            Ok(exec.search_path(config::search_path()).into())
        }
        handler::Settings::Sns(sns) => {
            let publisher = publisher::of_handler(sns, queue, aws);
            Ok(SnsHandler::new(sns.clone(), publisher)?.into())
        }
    }
}

/// The event source by the settings, for use until SQS has described the queue.
fn presumed_source(queue: &QueueSettings, aws: &sqs::Settings) -> Source {
    let region = queue.reach(aws).region;
    let arn = address(queue.address()).ok().and_then(|address| address.arn(region.as_deref()));
    Source::of_arn(arn.unwrap_or_else(|| name_in_sqs(queue).to_owned()))
}

/// The consumer of a queue by its settings, with a handler of one's own.
pub fn consumer_of(
    name: &str,
    queue: &QueueSettings,
    aws: &sqs::Settings,
    handler: impl Into<AnyHandler>,
) -> Consumer {
    Consumer::new(queue.address(), handler)
        .named(name)
        .aws(queue.reach(aws))
        .dead_letters(dead_letters(&queue.dlq))
        .settings(queue.consumer.clone())
        .notify(publisher::plan(queue, aws))
}

fn dead_letters(dlq: &DlqSettings) -> DeadLetters {
    match dlq.address() {
        _ if !dlq.copy_rejects => DeadLetters::Nowhere,
        Some(address) => DeadLetters::At(address.to_owned()),
        None => DeadLetters::ByPolicy,
    }
}

/// The queue's name in SQS: its name, or the last part of its URL.
pub fn name_in_sqs(queue: &QueueSettings) -> &str {
    name_at(queue.address())
}
