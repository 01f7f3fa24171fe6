//! Builds a worker from the settings.

use std::{error::Error, num::NonZeroUsize, sync::Arc};

use url::Url;

use super::{Consumer, DeadLetters, ScalingSignal, Worker, WorkerError, open::address};
use crate::{
    aws::{self, ServiceLocation},
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
    once::{self, DynamoClaims, Once},
    payload::{self, S3Objects},
    queue::{name_at, sqs},
    sns::{Publisher, SnsPublisher, TopicArn, notifications},
    telemetry::events,
};

/// Builds the worker; skips queues without a handler.
pub(crate) fn worker(settings: &Settings) -> Result<Worker, WorkerError> {
    let mut worker = Worker::new().drain_limits(settings.drain_limits()).admin(settings.admin.listen);
    worker = worker.patience(settings.start.patience);
    worker = on_ecs(worker, &settings.ecs, &config::surroundings());
    warn_in_pod(settings);
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

/// Logs the settings with which a pod is killed too early, or not probed.
fn warn_in_pod(settings: &Settings) {
    if settings.is_grace_period_unknown() {
        events::GracePeriodUnknown { limit_seconds: settings.drain_limit().as_secs_f64() }.emit();
    }
    let address = settings.admin.listen;
    if settings.kubernetes.is_beyond_probes(address) {
        events::AdminOnLoopback { address }.emit();
    }
}

fn consumer(
    name: &str,
    queue: &QueueSettings,
    handler: &handler::Settings,
    aws: &sqs::Settings,
) -> Result<Consumer, WorkerError> {
    let kind = handler.kind();
    let handler = build_handler(name, queue, handler, aws)
        .map_err(|source| WorkerError::Handler { queue: name.to_owned(), source })?;
    Ok(consumer_of(name, queue, aws, handler).with_handler_kind(kind))
}

/// Builds a handler by its settings, without starting or reaching anything.
pub(super) fn build_handler(
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
            let lambda = LambdaHandler::new(lambda, name, presumed_source(queue, aws), processes)?;
            Ok(lambda.without_variables(config::withheld_variables()).into())
        }
        handler::Settings::Exec(exec) => {
            let exec = ExecHandler::new(exec.clone(), name_in_sqs(queue))?;
            let exec = exec.search_path(config::search_path());
            Ok(exec.without_variables(config::withheld_variables()).into())
        }
        handler::Settings::Sns(sns) => {
            let publisher = publisher_of_handler(sns, queue, aws);
            Ok(SnsHandler::new(sns.clone(), publisher)?.into())
        }
    }
}

/// The event source by the settings, used until the queue's attributes are known.
fn presumed_source(queue: &QueueSettings, aws: &sqs::Settings) -> Source {
    let region = queue.reach(aws).region;
    let arn = address(queue.address()).ok().and_then(|address| address.arn(region.as_deref()));
    Source::of_arn(arn.unwrap_or_else(|| name_in_sqs(queue).to_owned()))
}

/// Builds the consumer of a queue by its settings, with the given handler.
pub(crate) fn consumer_of(
    name: &str,
    queue: &QueueSettings,
    aws: &sqs::Settings,
    handler: impl Into<AnyHandler>,
) -> Consumer {
    Consumer::new(queue.address(), handler)
        .named(name)
        .aws(queue.reach(aws))
        .dead_letters(dead_letters(&queue.dlq))
        .missing(queue.missing)
        .unwrap_envelopes(queue.unwrap)
        .payload(queue.payload.with_objects(|| payload_objects(queue, aws)))
        .once(once(queue, aws))
        .settings(queue.consumer.clone())
        .notify(notification_plan(queue, aws))
}

fn dead_letters(dlq: &DlqSettings) -> DeadLetters {
    match dlq.address() {
        _ if !dlq.copy_rejects => DeadLetters::Nowhere,
        Some(address) => DeadLetters::At(address.to_owned()),
        None => DeadLetters::ByPolicy,
    }
}

/// The queue's name in SQS: its name, or the last part of its URL.
pub(crate) fn name_in_sqs(queue: &QueueSettings) -> &str {
    name_at(queue.address())
}

/// The domains of AWS's endpoints, each of which serves one service.
const AWS_DOMAINS: [&str; 4] =
    ["amazonaws.com", "amazonaws.com.cn", "api.aws", "api.amazonwebservices.com.cn"];

/// The publisher of a handler of the `sns` kind.
pub(super) fn publisher_of_handler(
    sns: &handler::sns::Settings,
    queue: &QueueSettings,
    process: &aws::Settings,
) -> Arc<dyn Publisher> {
    let region = sns.topic_arn.as_ref().map(TopicArn::region).or(sns.region.as_deref());
    publisher(region, sns.endpoint_url.as_deref(), queue, process)
}

/// The notifications of a queue, with a publisher in each topic's region.
pub(super) fn notification_plan(
    queue: &QueueSettings,
    process: &aws::Settings,
) -> notifications::NotificationPlan {
    let (settings, process, own) = (queue.notify.clone(), process.clone(), queue.clone());
    let endpoint = settings.endpoint_url.clone();
    let publishers =
        move |topic: &TopicArn| publisher(Some(topic.region()), endpoint.as_deref(), &own, &process);
    notifications::NotificationPlan { settings, publishers: Arc::new(publishers) }
}

/// Messages of one key that run once, if the queue's settings ask for it.
fn once(queue: &QueueSettings, process: &aws::Settings) -> Option<Once> {
    let settings = queue.once.as_ref()?;
    Some(settings.with_store(claim_table(settings, queue, process)))
}

/// The table of a queue's claims, in the queue's region unless its settings name one.
pub(super) fn claim_table(
    once: &once::Settings,
    queue: &QueueSettings,
    process: &aws::Settings,
) -> DynamoClaims {
    let (access, location) =
        access_beside(queue, process, once.region.as_deref(), once.endpoint_url.as_deref());
    DynamoClaims::new(&once.table, access, location)
}

/// The objects that a queue's messages point to, in the queue's region unless its settings name one.
pub(crate) fn payload_objects(queue: &QueueSettings, process: &aws::Settings) -> S3Objects {
    let payload::Settings { region, endpoint_url, .. } = &queue.payload;
    let (access, location) = access_beside(queue, process, region.as_deref(), endpoint_url.as_deref());
    S3Objects::new(access, location)
}

/// The access to another service for a queue: in this region, or else the queue's, and at this endpoint, or else that of the
/// queue's emulator.
fn access_beside(
    queue: &QueueSettings,
    process: &aws::Settings,
    region: Option<&str>,
    endpoint: Option<&str>,
) -> (aws::Settings, ServiceLocation) {
    let reach = queue.reach(process);
    let endpoint_url = endpoint.map(str::to_owned).or_else(|| emulator(queue, &reach));
    let address = address(queue.address()).ok();
    let region_of_queue = address.and_then(|address| address.region().map(str::to_owned));
    let region = region.map(str::to_owned).or(reach.region);
    let location = ServiceLocation { region: region_of_queue, endpoint: None };
    (aws::Settings { region, endpoint_url, profile: reach.profile }, location)
}

fn publisher(
    region: Option<&str>,
    endpoint: Option<&str>,
    queue: &QueueSettings,
    process: &aws::Settings,
) -> Arc<dyn Publisher> {
    let reach = queue.reach(process);
    let endpoint_url = endpoint.map(str::to_owned).or_else(|| emulator(queue, &reach));
    let region = region.map(str::to_owned).or_else(|| process.region.clone());
    let settings = aws::Settings { region, endpoint_url, profile: process.profile.clone() };
    Arc::new(SnsPublisher::new(settings, ServiceLocation::default()))
}

/// The endpoint of the queue's emulator, which also serves topics.
fn emulator(queue: &QueueSettings, reach: &aws::Settings) -> Option<String> {
    let address = reach.endpoint_url.as_deref().or(queue.url.as_deref())?;
    let url = Url::parse(address).ok()?;
    let host = url.host_str()?;
    let is_in = |domain: &&str| host.strip_suffix(*domain).is_some_and(|rest| rest.ends_with('.'));
    (!AWS_DOMAINS.iter().any(is_in)).then(|| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn emulator_of(url: &str, endpoint_url: Option<&str>) -> Option<String> {
        let queue = QueueSettings { url: Some(url.to_owned()), ..QueueSettings::default() };
        let reach =
            aws::Settings { endpoint_url: endpoint_url.map(str::to_owned), ..aws::Settings::default() };
        emulator(&queue, &reach)
    }

    #[test]
    fn an_emulator_of_sqs_serves_topics_too_and_an_endpoint_of_aws_does_not() {
        let emulator = "http://localstack:4566";
        assert_eq!(
            emulator_of("http://localstack:4566/000000000000/orders", None).as_deref(),
            Some(emulator)
        );
        let aws = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders";
        assert_eq!(emulator_of(aws, None), None);
        assert_eq!(emulator_of(aws, Some(emulator)).as_deref(), Some(emulator));
        for endpoint in ["https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com", "https://sqs.eu-west-1.api.aws"] {
            assert_eq!(emulator_of(aws, Some(endpoint)), None, "{endpoint}");
        }
    }
}
