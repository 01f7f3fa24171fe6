//! The servers of `longshore dev`: the emulator with every configured queue and topic, and the ingest API.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{self, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
};

use longshore_emulator::{Emulator, EmulatorBuilder, SnsAccount, SnsApiError, StringMap};
use tokio::{net::TcpListener, task::JoinHandle};

use super::{
    ingest::{self, IngestTarget, IngestTargets},
    internal_error,
    lines::Notices,
    show,
};
use crate::{
    cli::{
        admin_client::reachable,
        output::{Exit, Failure},
    },
    config::{QueueSettings, Settings},
    duration::Span,
    handler,
    payload::{Offload, S3Mode},
    queue::{Queue, sqs},
    sns::TopicArn,
    stop::Stop,
    tasks,
    telemetry::events,
    worker::{self, WorkerError},
};

/// The receives after which a message moves to the DLQ.
pub(super) const MAX_RECEIVE_COUNT: NonZeroU32 = NonZeroU32::MIN.saturating_add(2);

/// The longest wait of a receive.
const LONGEST_WAIT: Span = Span::secs(1);

/// The running servers, with the settings that point at them.
pub(super) struct DevServers {
    pub(super) settings: Settings,
    /// The address of the ingest API.
    pub(super) api: SocketAddr,
    /// Bound with the others, so that its address is known before the worker starts.
    pub(super) admin: net::TcpListener,
    /// Every queue; the ingest API's routes without a name send to the first.
    pub(super) queues: Vec<DevQueue>,
    /// The first queue.
    pub(super) queue: Arc<dyn Queue>,
    /// The topics in the settings, by their ARNs in the emulator.
    pub(super) topics: Vec<TopicArn>,
    targets: IngestTargets,
    emulator: Emulator,
    stop: Stop,
    ingest: JoinHandle<io::Result<()>>,
}

/// A queue of the emulator.
pub(super) struct DevQueue {
    /// The configured name, which is in the paths of the ingest API.
    pub(super) name: String,
    pub(super) name_in_sqs: String,
    /// The name of its DLQ.
    pub(super) dlq: String,
}

impl DevServers {
    /// Starts the servers and creates every configured queue and topic in the emulator; clients reach them by further host names, too.
    pub(super) async fn start(
        mut settings: Settings,
        sqs: SocketAddr,
        api: SocketAddr,
        hosts: Vec<String>,
        notices: Notices,
    ) -> Result<Self, Failure> {
        let builder = Emulator::builder().address(sqs).on_publish(move |message| notices.published(message));
        let emulator = hosts.iter().fold(builder, EmulatorBuilder::allow_host).start().await;
        let emulator = emulator.map_err(|error| {
            Failure::new(Exit::Unavailable, error.to_string())
                .hint("choose another address with --sqs-listen")
        })?;
        let (api_listener, api) = listen(api, "--api-listen").await?;
        let (admin_listener, admin) = listen(settings.admin.listen, "--admin-listen").await?;
        settings.admin.listen = admin;
        let queues = create_queues(&mut settings, &emulator)?;
        let topics = create_topics(&mut settings, emulator.sns()).map_err(internal_error)?;
        let (first, named) = ingest_targets(&emulator, &settings, &queues).await?;
        let (queue, stop) = (first.queue().clone(), Stop::new());
        let targets = IngestTargets::new(first, named);
        let (stopping, served) = (stop.clone(), targets.clone());
        let serving = async move { ingest::serve(api_listener, &hosts, served, stopping).await };
        let ingest = tasks::detach("ingest api", serving);
        let admin = admin_listener.into_std().map_err(internal_error)?;
        Ok(Self { settings, api, admin, queues, queue, topics, targets, emulator, stop, ingest })
    }

    /// Serves the queues and topics of other settings from now on; those that were there stay, with their messages.
    pub(super) async fn apply(&mut self, mut settings: Settings) -> Result<(), Failure> {
        settings.admin.listen = self.settings.admin.listen;
        let queues = create_queues(&mut settings, &self.emulator)?;
        let topics = create_topics(&mut settings, self.emulator.sns()).map_err(internal_error)?;
        let (first, named) = ingest_targets(&self.emulator, &settings, &queues).await?;
        self.queue = first.queue().clone();
        self.targets.replace(first, named);
        (self.settings, self.queues, self.topics) = (settings, queues, topics);
        Ok(())
    }

    /// The URL of a queue in the emulator.
    pub(super) fn queue_url(&self, name: &str) -> String {
        self.emulator.queue_url(name)
    }

    /// Opens the DLQ of the first queue.
    pub(super) async fn open_dlq(&self) -> Result<Arc<dyn Queue>, WorkerError> {
        open_queue(&self.emulator, self.queues.first().map_or("", |queue| &queue.dlq)).await
    }

    /// Stops the servers after the worker has ended.
    pub(super) async fn close(self) {
        self.stop.drain();
        let ended = [self.ingest.await.map_err(io::Error::other).flatten(), self.emulator.shutdown().await];
        for error in ended.into_iter().filter_map(Result::err) {
            events::DevServerFailed { error: &error }.emit();
        }
    }
}

/// Binds a socket; returns the address by which this machine reaches it.
async fn listen(address: SocketAddr, flag: &str) -> Result<(TcpListener, SocketAddr), Failure> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let address = reachable(listener.local_addr()?);
        Ok::<_, io::Error>((listener, address))
    };
    bound.await.map_err(|error| cannot_listen(address, flag, &error))
}

fn cannot_listen(address: SocketAddr, flag: &str, error: &io::Error) -> Failure {
    Failure::new(Exit::Unavailable, format!("cannot listen on {address}: {error}"))
        .hint(format!("choose another address with {flag}"))
}

/// Opens every queue for the ingest API; returns the first one, and all by their configured names.
async fn ingest_targets(
    emulator: &Emulator,
    settings: &Settings,
    queues: &[DevQueue],
) -> Result<(IngestTarget, BTreeMap<String, IngestTarget>), Failure> {
    let mut named = BTreeMap::new();
    for DevQueue { name, name_in_sqs, .. } in queues {
        let queue = open_queue(emulator, name_in_sqs).await?;
        named.insert(name.clone(), IngestTarget::new(queue).offload(offload(settings, name)));
    }
    let first = queues.first().and_then(|queue| named.get(&queue.name)).cloned();
    Ok((first.ok_or_else(|| internal_error("there is no queue"))?, named))
}

/// Creates every configured queue, each with a DLQ, and points its settings at the emulator.
fn create_queues(settings: &mut Settings, emulator: &Emulator) -> Result<Vec<DevQueue>, Failure> {
    let mut created = Vec::new();
    settings.aws = sqs::Settings::default();
    for (configured, queue) in &mut settings.queues {
        let name = queue.name_in_sqs().to_owned();
        let dlq = emulator.create_queue_with_dlq(&name, MAX_RECEIVE_COUNT).map_err(internal_error)?;
        queue.url = Some(emulator.queue_url(&name));
        (queue.name, queue.region, queue.endpoint_url) = (None, None, None);
        // A configured DLQ may be a real one; here the redrive policy names the emulator's.
        (queue.dlq.url, queue.dlq.name) = (None, None);
        leave_out_other_services(&name, queue);
        // A stop waits for receives under way; here they cost nothing.
        queue.consumer.receive.wait = queue.consumer.receive.wait.min(LONGEST_WAIT);
        created.push(DevQueue { name: configured.clone(), name_in_sqs: name, dlq });
    }
    Ok(created)
}

/// Leaves out what needs a service beside SQS and SNS, unless the settings name an endpoint that has it.
fn leave_out_other_services(name: &str, queue: &mut QueueSettings) {
    if queue.once.take_if(|once| once.endpoint_url.is_none()).is_some() {
        show(format!(
            "queue {name}: once is left out, as there is no DynamoDB here; once.endpoint_url may name one"
        ));
    }
    let payload = &mut queue.payload;
    if payload.endpoint_url.is_none() && (payload.s3 == S3Mode::Fetch || payload.bucket.is_some()) {
        (payload.s3, payload.delete, payload.bucket) = (S3Mode::None, false, None);
        show(format!(
            "queue {name}: payloads are not fetched and not stored, as there is no S3 here; payload.endpoint_url may name one"
        ));
    }
}

/// The bucket for bodies that are too large for a queue, if its settings name one.
fn offload(settings: &Settings, name: &str) -> Option<Offload> {
    let queue = settings.queues.get(name)?;
    let bucket = queue.payload.bucket.clone()?;
    Some(Offload { objects: worker::payload_objects(queue, &settings.aws), bucket })
}

/// Creates every topic in the settings and points the settings at the emulator; returns their ARNs there.
fn create_topics(settings: &mut Settings, sns: &SnsAccount) -> Result<Vec<TopicArn>, SnsApiError> {
    let mut created = BTreeSet::new();
    for queue in settings.queues.values_mut() {
        let notify = &mut queue.notify;
        notify.endpoint_url = None;
        let mut arns = vec![&mut notify.on_done, &mut notify.on_failure, &mut notify.on_reject];
        for handler in queue.handler.iter_mut().chain(queue.route.handlers_mut()) {
            if let handler::Settings::Sns(sns) = handler {
                sns.endpoint_url = None;
                arns.push(&mut sns.topic_arn);
            }
        }
        for arn in arns.into_iter().flatten() {
            *arn = create_topic(sns, arn)?;
            created.insert(arn.clone());
        }
    }
    Ok(created.into_iter().collect())
}

/// Creates a topic of the same name and type; returns its ARN in the emulator.
fn create_topic(sns: &SnsAccount, topic: &TopicArn) -> Result<TopicArn, SnsApiError> {
    let mut attributes = StringMap::new();
    if topic.is_fifo() {
        attributes.insert("FifoTopic".to_owned(), "true".to_owned());
    }
    let arn = sns.create_topic(topic.name(), &attributes, &StringMap::new())?;
    arn.as_str().parse().map_err(SnsApiError::invalid)
}

async fn open_queue(emulator: &Emulator, name: &str) -> Result<Arc<dyn Queue>, WorkerError> {
    worker::open_queue(&emulator.queue_url(name), sqs::AwsAccess::default()).await
}

#[cfg(test)]
mod tests {
    use longshore_emulator::SqsAccount;

    use super::*;
    use crate::{once, payload};

    #[test]
    fn services_that_are_not_here_are_left_out_unless_they_are_elsewhere() {
        let kept = |endpoint: Option<&str>| {
            let endpoint_url = endpoint.map(str::to_owned);
            let once = once::Settings { endpoint_url: endpoint_url.clone(), ..once::Settings::default() };
            let bucket = Some("payloads".to_owned());
            let payload =
                payload::Settings { s3: S3Mode::Fetch, bucket, endpoint_url, ..payload::Settings::default() };
            let mut queue = QueueSettings { once: Some(once), payload, ..QueueSettings::default() };
            leave_out_other_services("orders", &mut queue);
            (queue.once.is_some(), queue.payload.s3, queue.payload.bucket.is_some())
        };
        assert_eq!(kept(None), (false, S3Mode::None, false));
        assert_eq!(kept(Some("http://127.0.0.1:5000")), (true, S3Mode::Fetch, true));
    }

    #[test]
    fn a_topic_keeps_its_name_and_its_type() {
        let sns = SnsAccount::new(SqsAccount::default());
        for name in ["orders", "orders.fifo"] {
            let topic = TopicArn::new("eu-west-1", "123456789012", name).unwrap();
            let created = create_topic(&sns, &topic).unwrap();
            assert_eq!(created, TopicArn::new("us-east-1", "000000000000", name).unwrap());
            let attributes = sns.topic_attributes(created.as_str()).unwrap();
            assert_eq!(attributes.contains_key("FifoTopic"), topic.is_fifo());
        }
    }
}
