//! What `dev` works on: the embedded SQS server, its queues and the front door.

use std::{
    collections::BTreeSet,
    io,
    net::{self, SocketAddr},
    sync::Arc,
};
use tokio::{net::TcpListener, task::JoinHandle};
use super::{own_fault, show};
use crate::{
    cli::{
        failure::{Exit, Failure},
        reach::reachable,
    },
    config::Settings,
    dev::{QueuePair, adopt_topic, create_queues, front_door, sqs_server},
    handler,
    queue::{Queue, memory::Account, sqs},
    sns::{
        TopicArn,
        memory::{Fault, Topics},
    },
    stop::Stop,
    tasks,
    telemetry::{events, traces::Traces},
    worker::{self, WorkerError},
};
use crate::queue::{
    is_fifo,
    memory::{Account, Fault, Names},
};
use crate::{
    queue::memory::Names,
    sns::{
        TopicArn,
        memory::{Fault, Topics},
    },
};

/// The servers of `dev`, with the settings that point at them.
pub(super) struct Ground {
    pub(super) settings: Settings,
    pub(super) sqs: SocketAddr,
    pub(super) api: SocketAddr,
    /// Bound with the others, so that its address is known before the worker starts.
    pub(super) admin: net::TcpListener,
    /// The first queue, which the front door sends to.
    pub(super) pair: QueuePair,
    pub(super) queue: Arc<dyn Queue>,
    /// The topics that the settings name, by their ARNs in the embedded account.
    pub(super) topics: Vec<TopicArn>,
    /// What makes spans of what the worker does; absent while traces are off.
    pub(super) traces: Option<Traces>,
    stop: Stop,
    servers: Vec<JoinHandle<io::Result<()>>>,
}

impl Ground {
    /// Starts the servers and creates every configured queue in the embedded account.
    pub(super) async fn open(
        mut settings: Settings,
        sqs: SocketAddr,
        api: SocketAddr,
    ) -> Result<Self, Failure> {
        let (sqs_listener, sqs) = listen(sqs, "--sqs-listen").await?;
        let (api_listener, api) = listen(api, "--api-listen").await?;
        let (admin_listener, admin) = listen(settings.admin.listen, "--admin-listen").await?;
        settings.admin.listen = admin;
        let (topics, stop) = (Topics::heard_by(Account::default(), |heard| show(heard)), Stop::new());
        let pairs = settle_in(&mut settings, topics.account(), sqs)?;
        let named = adopt_topics(&mut settings, &topics).map_err(own_fault)?;
        let pair = pairs.into_iter().next().ok_or_else(|| own_fault("there is no queue"))?;
        let server =
            tasks::detach("sqs server", sqs_server::serve_topics(sqs_listener, topics, stop.clone()));
        let queue = open_queue(sqs, &pair.queue).await?;
        let door = tasks::detach("front door", front_door::serve(api_listener, queue.clone(), stop.clone()));
        let admin = admin_listener.into_std().map_err(own_fault)?;
        let servers = vec![server, door];
        Ok(Self { settings, sqs, api, admin, pair, queue, topics: named, traces: None, stop, servers })
    }

    /// Opens the DLQ of the first queue.
    pub(super) async fn dlq(&self) -> Result<Arc<dyn Queue>, WorkerError> {
        open_queue(self.sqs, &self.pair.dlq).await
    }

    /// Stops the servers, when nobody needs them any more.
    pub(super) async fn close(self) {
        self.stop.drain();
        for server in self.servers {
            match server.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => events::DevServerFailed { error: &error }.emit(),
                Err(error) => events::DevServerFailed { error: &error }.emit(),
            }
        }
    }
}

/// Binds, and answers where the server is reached from this machine.
async fn listen(address: SocketAddr, flag: &str) -> Result<(TcpListener, SocketAddr), Failure> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let address = reachable(listener.local_addr()?);
        Ok::<_, io::Error>((listener, address))
    };
    bound.await.map_err(|error| {
        Failure::new(Exit::Unavailable, format!("cannot listen on {address}: {error}"))
            .hint(format!("choose another address with {flag}"))
    })
}

/// Creates every configured queue under its own name, and points its settings at the embedded server.
fn settle_in(settings: &mut Settings, account: &Account, sqs: SocketAddr) -> Result<Vec<QueuePair>, Failure> {
    let mut pairs = Vec::new();
    settings.aws = sqs::Settings::default();
    for queue in settings.queues.values_mut() {
        let pair = QueuePair::of(worker::name_in_sqs(queue));
        create_queues(account, &pair).map_err(own_fault)?;
        queue.url = Some(queue_url(sqs, &pair.queue));
        (queue.name, queue.region, queue.endpoint_url) = (None, None, None);
        // A configured DLQ may be a real one; here the redrive policy names the DLQ of the pair.
        (queue.dlq.url, queue.dlq.name) = (None, None);
        pairs.push(pair);
    }
    Ok(pairs)
}

/// Creates every topic that the settings name under its own name, and points the settings at the embedded server.
fn adopt_topics(settings: &mut Settings, topics: &Topics) -> Result<Vec<TopicArn>, Fault> {
    let mut named = BTreeSet::new();
    for queue in settings.queues.values_mut() {
        let notify = &mut queue.notify;
        notify.endpoint_url = None;
        let mut arns = vec![&mut notify.on_done, &mut notify.on_failure, &mut notify.on_reject];
        if let Some(handler::Settings::Sns(sns)) = &mut queue.handler {
            sns.endpoint_url = None;
            arns.push(&mut sns.topic_arn);
        }
        for arn in arns.into_iter().flatten() {
            *arn = adopt_topic(topics, arn)?;
            named.insert(arn.clone());
        }
    }
    Ok(named.into_iter().collect())
}

/// The URL of a queue in the embedded account.
pub(super) fn queue_url(sqs: SocketAddr, name: &str) -> String {
    format!("http://{sqs}/000000000000/{name}")
}

async fn open_queue(sqs: SocketAddr, name: &str) -> Result<Arc<dyn Queue>, WorkerError> {
    worker::open_queue(&queue_url(sqs, name), sqs::AwsAccess::default()).await
}

/// How often a message may be received before it moves to the DLQ.
const MAX_RECEIVE_COUNT: u32 = 3;

/// A queue and its DLQ, by their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuePair {
    /// The queue's name.
    pub queue: String,
    /// The DLQ's name.
    pub dlq: String,
}

impl QueuePair {
    /// The DLQ of `x-queue` is `x-dlq`, that of `x` is `x-dlq`, that of `x.fifo` is `x-dlq.fifo`.
    pub fn of(queue: &str) -> Self {
        let (base, suffix) = match queue.strip_suffix(".fifo") {
            Some(base) => (base, ".fifo"),
            None => (queue, ""),
        };
        let base = base.strip_suffix("-queue").unwrap_or(base);
        Self { queue: queue.to_owned(), dlq: format!("{base}-dlq{suffix}") }
    }
}

/// Creates a queue whose messages move to its DLQ after three receives.
pub fn create_queues(account: &Account, pair: &QueuePair) -> Result<(), Fault> {
    let mut attributes = Names::new();
    if is_fifo(&pair.queue) {
        attributes.insert("FifoQueue".to_owned(), "true".to_owned());
        attributes.insert("ContentBasedDeduplication".to_owned(), "true".to_owned());
    }
    let mut of_dlq = attributes.clone();
    of_dlq.insert("MessageRetentionPeriod".to_owned(), "1209600".to_owned());
    account.create_queue(&pair.dlq, &of_dlq, &Names::new())?;
    let dlq = account.arn(&pair.dlq)?;
    let redrive = serde_json::json!({ "deadLetterTargetArn": dlq, "maxReceiveCount": MAX_RECEIVE_COUNT });
    attributes.insert("RedrivePolicy".to_owned(), redrive.to_string());
    account.create_queue(&pair.queue, &attributes, &Names::new())
}

/// Creates a topic of the same name in the embedded account, and answers its ARN there.
pub fn adopt_topic(topics: &Topics, topic: &TopicArn) -> Result<TopicArn, Fault> {
    let mut attributes = Names::new();
    if topic.is_fifo() {
        attributes.insert("FifoTopic".to_owned(), "true".to_owned());
    }
    topics.create(topic.name(), &attributes, &Names::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dlq_is_named_after_its_queue() {
        for (queue, dlq) in [
            ("longshore-dev-queue", "longshore-dev-dlq"),
            ("orders", "orders-dlq"),
            ("orders.fifo", "orders-dlq.fifo"),
        ] {
            assert_eq!(QueuePair::of(queue).dlq, dlq);
        }
    }

    #[test]
    fn both_queues_are_there_and_the_policy_joins_them() {
        for name in ["orders", "orders.fifo"] {
            let (account, pair) = (Account::default(), QueuePair::of(name));
            create_queues(&account, &pair).unwrap();
            let redrive = account.describe(name).unwrap().redrive.unwrap();
            assert_eq!(redrive.dead_letter_arn, account.arn(&pair.dlq).unwrap());
            assert_eq!(redrive.max_receive_count.get(), MAX_RECEIVE_COUNT);
        }
    }

    use super::*;
    use crate::queue::memory::Account;

    #[test]
    fn a_topic_keeps_its_name_and_its_kind() {
        let topics = Topics::beside(Account::default());
        for name in ["orders", "orders.fifo"] {
            let topic = TopicArn::new("eu-west-1", "123456789012", name).unwrap();
            let adopted = adopt_topic(&topics, &topic).unwrap();
            assert_eq!(adopted, TopicArn::new("us-east-1", "000000000000", name).unwrap());
            let attributes = topics.attributes(adopted.as_str()).unwrap();
            assert_eq!(attributes.contains_key("FifoTopic"), topic.is_fifo());
        }
    }
}
