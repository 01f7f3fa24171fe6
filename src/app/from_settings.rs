//! From the settings of a process to its worker.

use url::Url;

use super::{Consumer, Worker, WorkerError};
use crate::{
    config::{QueueSettings, Settings},
    handler::{self, AnyHandler, http::Http},
    pump::Options,
    queue::sqs,
};

/// Makes the worker that these settings describe; a queue without a handler is left out.
pub fn worker(settings: &Settings) -> Result<Worker, WorkerError> {
    let mut worker = Worker::new().drain_limit(settings.drain.limit.0).admin(settings.admin.listen);
    for (name, queue) in &settings.queues {
        if let Some(handler) = &queue.handler {
            worker = worker.consumer(consumer(name, queue, handler, &settings.aws)?);
        }
    }
    Ok(worker)
}

fn consumer(
    name: &str,
    queue: &QueueSettings,
    handler: &handler::Settings,
    aws: &sqs::Settings,
) -> Result<Consumer, WorkerError> {
    let handler = match handler {
        handler::Settings::Http(http) => Http::new(http.clone(), name_in_sqs(queue))
            .map_err(|error| WorkerError::Handler { queue: name.to_owned(), source: error.into() })?,
    };
    Ok(consumer_of(name, queue, aws, handler))
}

/// The consumer of a queue by its settings, with a handler of one's own.
pub fn consumer_of(
    name: &str,
    queue: &QueueSettings,
    aws: &sqs::Settings,
    handler: impl Into<AnyHandler>,
) -> Consumer {
    Consumer::new(queue.address(), handler).named(name).aws(queue.reach(aws)).options(options(queue))
}

/// What SQS calls the queue: its name, or the last part of its URL.
pub fn name_in_sqs(queue: &QueueSettings) -> &str {
    queue.address().trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

/// How a queue is worked by these settings.
pub fn options(queue: &QueueSettings) -> Options {
    Options {
        concurrency: queue.concurrency,
        batch: queue.batch,
        prefetch: queue.prefetch,
        visibility: queue.visibility.0,
        visibility_max: queue.visibility_max.unwrap_or(queue.visibility).0,
        timeout: queue.timeout.duration(),
        receive: queue.receive,
        retry: queue.retry.into(),
        settle: queue.settle,
    }
}

/// A queue's address as people write it: a URL, or a name.
pub(super) fn address(text: &str) -> Result<sqs::Address, url::ParseError> {
    if text.contains("://") {
        return Url::parse(text).map(sqs::Address::Url);
    }
    Ok(sqs::Address::Name(text.to_owned()))
}
