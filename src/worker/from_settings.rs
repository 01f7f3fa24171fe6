//! Builds a worker from the settings.

use std::{collections::BTreeMap, error::Error, num::NonZeroUsize, sync::Arc};

use url::Url;

use super::{Consumer, DeadLetters, ScalingSignal, Worker, WorkerError};
use crate::{
    aws::{self, AwsAccess, RoleSettings, ServiceLocation},
    config::{self, QueueSettings, Settings},
    consumer::{Pool, PoolSettings, Preparation, settle::DlqSettings},
    ecs::{self, EcsEnvironment, EcsService, HttpAgent, MetricsSwitch},
    envelope::{SignatureCheck, SnsSignature},
    handler::{
        self, AnyHandler, RoutingHandler, Source,
        exec::ExecHandler,
        http::{HttpBatchHandler, HttpHandler},
        lambda::LambdaHandler,
        sns::SnsHandler,
    },
    once::{self, DynamoClaims, Once},
    payload::{self, S3Objects},
    queue::sqs::{self, QueueAddress},
    sns::{Publisher, SnsPublisher, TopicArn, notifications},
    telemetry::events,
};

/// Builds the worker; skips queues without a handler.
pub(crate) fn worker(settings: &Settings) -> Result<Worker, WorkerError> {
    let mut worker = Worker::new().drain_limits(settings.drain_limits()).admin(settings.admin.listen);
    worker = worker.admin_control(settings.admin.access());
    worker = worker.patience(settings.start.patience);
    worker = worker.credentials_dead_after(settings.aws.credentials_dead_after.duration());
    worker = on_ecs(worker, settings, &config::surroundings());
    warn_in_pod(settings);
    let pool = |(name, pool): (&String, &PoolSettings)| (name.clone(), Pool::new(pool.concurrency));
    let pools: BTreeMap<String, Pool> = settings.pool.iter().map(pool).collect();
    for (name, queue) in &settings.queues {
        if let Some(consumer) = consumer(name, queue, &settings.aws)? {
            let pool = queue.pool.as_ref().and_then(|pool| pools.get(pool));
            let pooled =
                pool.into_iter().fold(consumer, |consumer, pool| consumer.pool(pool, queue.weight.0));
            worker = worker.consumer(pooled);
        }
    }
    Ok(worker)
}

/// Adds task protection, the tasks that the worker orders and the scaling signal, on ECS.
fn on_ecs(mut worker: Worker, settings: &Settings, surroundings: &EcsEnvironment) -> Worker {
    let Settings { ecs: settings, aws, .. } = settings;
    if surroundings.is_ecs() && settings.stop_timeout.is_none() {
        events::StopTimeoutUnknown {}.emit();
    }
    let service = ecs_service(aws, surroundings).map(Arc::new);
    if let Some(agent) = surroundings.agent.as_ref().filter(|_| settings.protect == ecs::Protect::Auto) {
        let agent = Arc::new(HttpAgent::new(agent));
        let plan = ecs::ProtectionPlan::with(agent, settings.timing()).when_blocked(settings.when_blocked);
        let plan = service.iter().fold(plan, |plan, service| plan.watching(service.clone()));
        worker = worker.protect(plan);
    }
    if let (Some(service), Some(max_tasks)) = (service, settings.scale_out_to) {
        let plan = ecs::ScaleOutPlan::with(service, max_tasks);
        worker = worker.scale_out(plan.backlog_target(settings.backlog_target.0));
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

/// The API of ECS for this task. The endpoint of the settings is one of SQS.
pub(super) fn ecs_service(aws: &aws::Settings, surroundings: &EcsEnvironment) -> Option<EcsService> {
    let access = aws::Settings { endpoint_url: None, ..aws.clone() };
    surroundings.metadata.clone().map(|metadata| EcsService::new(metadata, access))
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

fn consumer(name: &str, queue: &QueueSettings, aws: &sqs::Settings) -> Result<Option<Consumer>, WorkerError> {
    let handler = handler_of(name, queue, aws)
        .map_err(|source| WorkerError::Handler { queue: name.to_owned(), source })?;
    let kind = queue.handlers().map(handler::Settings::kind).next();
    Ok(handler.map(|handler| {
        let consumer = consumer_of(name, queue, aws, handler);
        let check = signature_check(name, queue, aws);
        let consumer = check.into_iter().fold(consumer, Consumer::prepared_by);
        kind.into_iter().fold(consumer, Consumer::with_handler_kind)
    }))
}

/// The check of notifications' signatures, if the queue's settings ask for it.
fn signature_check(name: &str, queue: &QueueSettings, aws: &sqs::Settings) -> Option<Arc<dyn Preparation>> {
    let emulator = emulator_of(queue, &queue.reach(aws)).and_then(|url| Url::parse(&url).ok());
    let is_asked_for = queue.sns_signature == SnsSignature::Check;
    is_asked_for.then(|| Arc::new(SignatureCheck::new(name, emulator.as_ref())) as Arc<dyn Preparation>)
}

/// Builds what handles the messages of a queue: its handler, or the handlers of its routes; `None` without either.
pub(super) fn handler_of(
    name: &str,
    queue: &QueueSettings,
    aws: &sqs::Settings,
) -> Result<Option<AnyHandler>, Box<dyn Error + Send + Sync>> {
    let build = |handler: &handler::Settings| build_handler(name, queue, handler, aws);
    let own = queue.handler.as_ref().map(build).transpose()?;
    if queue.route.is_empty() {
        return Ok(own);
    }
    Ok(Some(RoutingHandler::new(&queue.route, own, build)?.into()))
}

/// Builds a handler by its settings, without starting or reaching anything.
fn build_handler(
    name: &str,
    queue: &QueueSettings,
    handler: &handler::Settings,
    aws: &sqs::Settings,
) -> Result<AnyHandler, Box<dyn Error + Send + Sync>> {
    match handler {
        handler::Settings::Http(http) => {
            let http = HttpHandler::with_variables(http.clone(), queue.name_in_sqs(), &config::variable)?;
            if queue.consumer.batch.size > 1 {
                return Ok(HttpBatchHandler::of(http, presumed_source(queue, aws)).into());
            }
            Ok(http.into())
        }
        handler::Settings::Lambda(lambda) => {
            let processes = NonZeroUsize::new(queue.consumer.concurrency).unwrap_or(NonZeroUsize::MIN);
            let lambda = LambdaHandler::new(lambda, name, presumed_source(queue, aws), processes)?;
            Ok(lambda.without_variables(config::withheld_variables()).into())
        }
        handler::Settings::Exec(exec) => {
            let exec = ExecHandler::new(exec.clone(), queue.name_in_sqs())?;
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
    let arn = QueueAddress::parse(&queue.address()).ok().and_then(|address| address.arn(region.as_deref()));
    Source::of_arn(arn.unwrap_or_else(|| queue.name_in_sqs().to_owned()))
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
        .aws(queue.access(aws))
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

/// The publisher of a handler of the `sns` kind.
pub(super) fn publisher_of_handler(
    sns: &handler::sns::Settings,
    queue: &QueueSettings,
    process: &aws::Settings,
) -> Arc<dyn Publisher> {
    let region = sns.topic_arn.as_ref().map(TopicArn::region).or(sns.region.as_deref());
    publisher(region, (sns.endpoint_url.as_deref(), &sns.role), queue, process)
}

/// The notifications of a queue, with a publisher in each topic's region.
pub(super) fn notification_plan(
    queue: &QueueSettings,
    process: &aws::Settings,
) -> notifications::NotificationPlan {
    let (settings, process, own) = (queue.notify.clone(), process.clone(), queue.clone());
    let (endpoint, role) = (settings.endpoint_url.clone(), settings.role.clone());
    let publishers =
        move |topic: &TopicArn| publisher(Some(topic.region()), (endpoint.as_deref(), &role), &own, &process);
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
) -> (AwsAccess, ServiceLocation) {
    let of_queue = queue.reach(process);
    let endpoint_url = endpoint.map(str::to_owned).or_else(|| emulator_of(queue, &of_queue));
    let address = QueueAddress::parse(&queue.address()).ok();
    let of_address = address.and_then(|address| address.region().map(str::to_owned));
    let location =
        ServiceLocation { region: region.map(str::to_owned).or(of_address), ..ServiceLocation::default() };
    let settings = aws::Settings { endpoint_url, region: of_queue.region, ..process.clone() };
    (settings.into(), location)
}

/// A publisher in a region, at an endpoint and in a role of its own where these are set.
fn publisher(
    region: Option<&str>,
    (endpoint, role): (Option<&str>, &RoleSettings),
    queue: &QueueSettings,
    process: &aws::Settings,
) -> Arc<dyn Publisher> {
    let of_queue = queue.reach(process);
    let endpoint_url = endpoint.map(str::to_owned).or_else(|| emulator(of_queue.endpoint_url.as_deref()));
    let by_url = emulator(queue.url.as_deref()).filter(|_| of_queue.endpoint_url.is_none());
    let location =
        ServiceLocation { region: region.map(str::to_owned), endpoint: by_url, ..ServiceLocation::default() };
    let settings = aws::Settings { endpoint_url, ..process.clone() };
    Arc::new(SnsPublisher::new(AwsAccess::from(settings).with_role(role.role()), location))
}

/// The endpoint of the emulator that a queue is in, by the endpoint that the settings name, or else by its URL.
fn emulator_of(queue: &QueueSettings, of_queue: &aws::Settings) -> Option<String> {
    emulator(of_queue.endpoint_url.as_deref().or(queue.url.as_deref()))
}

/// The endpoint of an emulator of SQS, which also serves topics, by its URL or that of a queue in it.
fn emulator(url: Option<&str>) -> Option<String> {
    let url = Url::parse(url?).ok()?;
    (!aws::is_aws_host(url.host_str()?)).then(|| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emulator_of_sqs_serves_topics_too_and_an_endpoint_of_aws_does_not() {
        for (url, endpoint) in [
            ("http://localstack:4566/000000000000/orders", Some("http://localstack:4566")),
            ("http://localstack:4566", Some("http://localstack:4566")),
            ("https://sqs.eu-west-1.amazonaws.com/123456789012/orders", None),
            ("https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com", None),
            ("https://sqs.eu-west-1.api.aws", None),
            ("arn:aws:sqs:eu-west-1:123456789012:orders", None),
        ] {
            assert_eq!(emulator(Some(url)).as_deref(), endpoint, "{url}");
        }
    }
}
