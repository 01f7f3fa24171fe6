//! The emulator as a running server.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use longshore_listener::AllowedHosts;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
};

use crate::{
    declaration::{self, DeclarationError},
    journal::{DataDirectory, DataError},
    message::StringMap,
    server::{self, ServerState, Shutdown},
    sns::{PublishedMessage, SnsAccount},
    sqs::{AccountIdentity, AccountLimits, SqsAccount, SqsApiError},
};

/// A running server of SQS and SNS; it stops when it is dropped.
///
/// [`shutdown`](Self::shutdown) stops it in order: waiting receives get an empty answer, and requests in progress are
/// finished.
#[derive(Debug)]
pub struct Emulator {
    address: SocketAddr,
    sns: SnsAccount,
    shutdown: Shutdown,
    server: Option<JoinHandle<()>>,
    _data: Option<DataDirectory>,
}

/// The error of an emulator that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum EmulatorError {
    /// The server cannot listen on the address.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The file that declares queues and topics has a mistake.
    #[error(transparent)]
    Declaration(#[from] DeclarationError),
    /// The data directory cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
}

impl Emulator {
    /// Starts an emulator without queues on a free port of loopback.
    pub async fn start() -> Result<Self, EmulatorError> {
        Self::builder().start().await
    }

    /// Configures an emulator before it starts.
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder::default()
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint for clients on this machine: `http://127.0.0.1:…`.
    pub fn endpoint(&self) -> String {
        let mut address = self.address;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        format!("http://{address}")
    }

    /// The URL of a queue, which need not exist yet.
    pub fn queue_url(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.endpoint(), self.sqs().identity().account_id)
    }

    /// Creates a queue with the default attributes.
    ///
    /// A name that ends in `.fifo` makes a FIFO queue that deduplicates by content. [`SqsAccount::create_queue`] of
    /// [`sqs`](Self::sqs) sets other attributes.
    pub fn create_queue(&self, name: &str) -> Result<(), SqsApiError> {
        self.sqs().create_queue(name, &attributes_by_name(name), &StringMap::new())
    }

    /// Creates a queue whose messages move to a DLQ after this many receives; returns the name of the DLQ.
    ///
    /// The DLQ of `orders` or of `orders-queue` is `orders-dlq`, that of `orders.fifo` is `orders-dlq.fifo`. No two queues
    /// share one: where the name is that of another queue's DLQ, the second is `orders-queue-dlq`. It keeps messages for 14
    /// days. A queue that is there, as another's DLQ or otherwise, keeps its other attributes.
    pub fn create_queue_with_dlq(&self, name: &str, max_receives: NonZeroU32) -> Result<String, SqsApiError> {
        let dlq = self.own_dlq(name);
        self.put_queue(&dlq, ("MessageRetentionPeriod", "1209600".to_owned()))?;
        let arn = self.sqs().arn(&dlq)?;
        let policy = serde_json::json!({ "deadLetterTargetArn": arn, "maxReceiveCount": max_receives });
        self.put_queue(name, ("RedrivePolicy", policy.to_string()))?;
        Ok(dlq)
    }

    /// Creates a queue with an attribute, or sets the attribute of a queue that is there.
    fn put_queue(&self, name: &str, (attribute, value): (&str, String)) -> Result<(), SqsApiError> {
        let set = (attribute.to_owned(), value);
        if self.sqs().arn(name).is_ok() {
            return self.sqs().set_attributes(name, &StringMap::from([set]));
        }
        let mut attributes = attributes_by_name(name);
        attributes.extend([set]);
        self.sqs().create_queue(name, &attributes, &StringMap::new())
    }

    /// The DLQ that a queue has already, or else the first of its names that is no other queue's DLQ.
    fn own_dlq(&self, name: &str) -> String {
        let present = self.sqs().snapshot(name).ok().and_then(|queue| queue.redrive);
        let present =
            present.and_then(|redrive| redrive.dead_letter_arn.rsplit(':').next().map(str::to_owned));
        let is_own = |dlq: &String| {
            let sources = self.sqs().dead_letter_sources(dlq).unwrap_or_default();
            sources.iter().all(|source| source == name)
        };
        let fallback = || dlq_name(name, "-dlq");
        present.or_else(|| dlq_names(name).find(is_own)).unwrap_or_else(fallback)
    }

    /// Creates a queue, unless one of this name was declared in a file or restored; with `max_receives` a DLQ beside it.
    pub fn ensure_queue(&self, name: &str, max_receives: Option<NonZeroU32>) -> Result<(), SqsApiError> {
        if self.sqs().arn(name).is_ok() {
            return Ok(());
        }
        match max_receives {
            Some(max_receives) => self.create_queue_with_dlq(name, max_receives).map(drop),
            None => self.create_queue(name),
        }
    }

    /// The SQS account, which a test in Rust can use directly.
    pub fn sqs(&self) -> &SqsAccount {
        self.sns.sqs()
    }

    /// The SNS account, which a test in Rust can use directly.
    pub fn sns(&self) -> &SnsAccount {
        &self.sns
    }

    /// Stops the server in order and waits for its end, at most two seconds.
    pub async fn shutdown(mut self) -> io::Result<()> {
        self.shutdown.begin();
        match self.server.take() {
            Some(server) => server.await.map_err(io::Error::other),
            None => Ok(()),
        }
    }

    /// Serves until SIGTERM or SIGINT, then stops in order; an error if the server fails before.
    pub async fn run_until_signal(mut self) -> io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let Some(server) = &mut self.server else { return Ok(()) };
        tokio::select! {
            ended = server => return ended.map_err(io::Error::other),
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        self.shutdown().await
    }

    /// Lines for people: the endpoint, the queues and topics, and how to point clients at them.
    pub fn instructions(&self) -> String {
        let endpoint = self.endpoint();
        let queues = self.sqs().queue_names("");
        let queues: Vec<_> =
            queues.iter().map(|name| format!("  queue     {}\n", self.queue_url(name))).collect();
        let topics = self.sns.topic_arns();
        let topics: Vec<_> = topics.iter().map(|arn| format!("  topic     {arn}\n")).collect();
        let region = &self.sqs().identity().region;
        // boto3 and the CLI's version 1 read only AWS_DEFAULT_REGION, other SDKs only AWS_REGION.
        let credentials = "AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any";
        format!(
            "  endpoint  {endpoint}\n{}{}  \
             sdks      AWS_ENDPOINT_URL={endpoint} AWS_REGION={region} AWS_DEFAULT_REGION={region} {credentials}\n  \
             aws cli   {credentials} aws --region {region} --endpoint-url {endpoint} sqs list-queues\n\n",
            queues.concat(),
            topics.concat(),
        )
    }
}

fn attributes_by_name(name: &str) -> StringMap {
    let fifo = ["FifoQueue", "ContentBasedDeduplication"].map(|name| (name.to_owned(), "true".to_owned()));
    if name.strip_suffix(".fifo").is_some() { StringMap::from(fifo) } else { StringMap::new() }
}

/// The names that the DLQ of a queue may have, best first: `orders-dlq`, `orders-queue-dlq`, `orders-queue-dlq-2`, …
fn dlq_names(name: &str) -> impl Iterator<Item = String> {
    let short = name.replacen("-queue.fifo", ".fifo", 1);
    let short = dlq_name(short.strip_suffix("-queue").unwrap_or(&short), "-dlq");
    let numbered = (2..).map(move |number: u32| dlq_name(name, &format!("-dlq-{number}")));
    [short, dlq_name(name, "-dlq")].into_iter().chain(numbered)
}

/// The name of a queue with an ending, which stands before the `.fifo` of a FIFO queue.
fn dlq_name(name: &str, ending: &str) -> String {
    match name.strip_suffix(".fifo") {
        Some(stem) => format!("{stem}{ending}.fifo"),
        None => format!("{name}{ending}"),
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.shutdown.abort();
    }
}

type PublishListener = Arc<dyn Fn(&PublishedMessage) + Send + Sync>;

/// The settings of an [`Emulator`] before it starts.
#[derive(Clone)]
pub struct EmulatorBuilder {
    address: SocketAddr,
    identity: AccountIdentity,
    hosts: Vec<String>,
    limits: AccountLimits,
    declarations: Option<PathBuf>,
    data: Option<PathBuf>,
    listener: PublishListener,
}

impl Default for EmulatorBuilder {
    fn default() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            identity: AccountIdentity::default(),
            hosts: Vec::new(),
            limits: AccountLimits::default(),
            declarations: None,
            data: None,
            listener: Arc::new(|_| {}),
        }
    }
}

impl std::fmt::Debug for EmulatorBuilder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { address, identity, hosts, limits, declarations, data, .. } = self;
        formatter
            .debug_struct("EmulatorBuilder")
            .field("address", address)
            .field("identity", identity)
            .field("hosts", hosts)
            .field("limits", limits)
            .field("declarations", declarations)
            .field("data", data)
            .finish_non_exhaustive()
    }
}

impl EmulatorBuilder {
    /// Sets the address to listen on (`127.0.0.1:0`, a free port of loopback).
    #[must_use]
    pub fn address(self, address: impl Into<SocketAddr>) -> Self {
        Self { address: address.into(), ..self }
    }

    /// Sets the account id, twelve digits (`000000000000`), which is part of queue URLs and ARNs.
    #[must_use]
    pub fn account_id(mut self, account_id: impl Into<String>) -> Self {
        self.identity.account_id = account_id.into();
        self
    }

    /// Sets the region (`us-east-1`) of queues, and of the topics that this program creates.
    ///
    /// It is part of their ARNs. A topic is for clients of its region only, a queue for all.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.identity.region = region.into();
        self
    }

    /// Allows a further host name, and the names below it, by which clients reach the server.
    ///
    /// Requests with a foreign host are refused, because a web page can make its own name lead to this machine. Addresses,
    /// `localhost` and `host.docker.internal` are fine without it, and, if the server listens beyond loopback, names
    /// without a dot and those below `internal`. Web pages served at this name may send requests, too.
    #[must_use]
    pub fn allow_host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into());
        self
    }

    /// Sets the most bytes in memory of all queues and topics, 512 for each message counted in (1 GiB).
    ///
    /// A send beyond them fails with `OverLimit`, until messages are deleted.
    #[must_use]
    pub fn stored_bytes(mut self, stored_bytes: usize) -> Self {
        self.limits.stored_bytes = stored_bytes;
        self
    }

    /// Refuses the name of a deleted queue for this time (none; in SQS it is a minute).
    #[must_use]
    pub fn delete_delay(mut self, delete_delay: Duration) -> Self {
        self.limits.delete_delay = delete_delay;
        self
    }

    /// Creates the queues and topics that a TOML file declares, before the server answers.
    #[must_use]
    pub fn config_file(self, path: impl Into<PathBuf>) -> Self {
        Self { declarations: Some(path.into()), ..self }
    }

    /// Keeps queues, messages and topics in a directory, and restores them from it at the start.
    ///
    /// Every change is written before its call is answered: a kill of the process loses nothing that was answered. The
    /// system writes its cache to the disk later, so that a loss of power may lose the last seconds.
    #[must_use]
    pub fn data_dir(self, path: impl Into<PathBuf>) -> Self {
        Self { data: Some(path.into()), ..self }
    }

    /// Calls a function with every message that is published to a topic or a phone number.
    #[must_use]
    pub fn on_publish(self, listener: impl Fn(&PublishedMessage) + Send + Sync + 'static) -> Self {
        Self { listener: Arc::new(listener), ..self }
    }

    /// Starts the server on the current runtime.
    pub async fn start(self) -> Result<Emulator, EmulatorError> {
        let Self { address, identity, hosts, limits, declarations, data, listener } = self;
        let failed = |source| EmulatorError::Listen { address, source };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let listener = move |message: &PublishedMessage| listener(message);
        let data = data.map(|path| DataDirectory::open(&path)).transpose()?;
        let sns = match &data {
            None => SnsAccount::with_listener(SqsAccount::with_limits(identity, limits), listener),
            Some(data) => {
                let sqs = SqsAccount::restored(identity, limits, data.file("queues.jsonl"))?;
                SnsAccount::restored(sqs, data.file("topics.jsonl"), listener)?
            }
        };
        if let Some(file) = declarations {
            declaration::apply_file(&file, &sns)?;
        }
        let shutdown = Shutdown::default();
        let hosts = AllowedHosts::at(address.ip(), hosts);
        let state = ServerState::new(sns.clone(), address, hosts, shutdown.clone());
        let server = Some(spawn(server::serve(socket, state)));
        Ok(Emulator { address, sns, shutdown, server, _data: data })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the only spawn of this package; its handle is in the emulator"
)]
fn spawn(server: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(server)
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
            ("orders-queue.fifo", "orders-dlq.fifo"),
        ] {
            assert_eq!(dlq_names(queue).next().unwrap(), dlq);
        }
    }

    #[tokio::test]
    async fn no_two_queues_share_a_dlq_and_each_keeps_its_own() {
        let emulator = Emulator::start().await.unwrap();
        let max_receives = NonZeroU32::new(3).unwrap();
        for _ in 0..2 {
            for (queue, dlq) in [
                ("orders-queue", "orders-dlq"),
                ("orders", "orders-dlq-2"),
                ("mails", "mails-dlq"),
                ("mails-queue", "mails-queue-dlq"),
                ("mails-queue-queue", "mails-queue-queue-dlq"),
                ("mails.fifo", "mails-dlq.fifo"),
                ("mails-queue.fifo", "mails-queue-dlq.fifo"),
            ] {
                assert_eq!(emulator.create_queue_with_dlq(queue, max_receives).unwrap(), dlq);
            }
        }
    }

    #[tokio::test]
    async fn a_queue_that_is_another_ones_dlq_gets_a_dlq_of_its_own() {
        let max_receives = NonZeroU32::new(3).unwrap();
        for order in [["orders", "orders-dlq"], ["orders-dlq", "orders"]] {
            let emulator = Emulator::start().await.unwrap();
            for name in order {
                emulator.create_queue_with_dlq(name, max_receives).unwrap();
            }
            for (name, dlq) in [("orders", "orders-dlq"), ("orders-dlq", "orders-dlq-dlq")] {
                let redrive = emulator.sqs().snapshot(name).unwrap().redrive.unwrap();
                assert_eq!(redrive.dead_letter_arn, emulator.sqs().arn(dlq).unwrap());
            }
        }
    }

    #[tokio::test]
    async fn the_instructions_name_queues_topics_and_a_region_for_every_client() {
        let emulator = Emulator::start().await.unwrap();
        emulator.create_queue("orders").unwrap();
        emulator.sns().create_topic("events", &StringMap::new(), &StringMap::new()).unwrap();
        let shown = emulator.instructions();
        for part in [
            "  queue     http://",
            "  topic     arn:aws:sns:us-east-1:000000000000:events\n",
            "AWS_DEFAULT_REGION=us-east-1",
            "aws --region us-east-1 --endpoint-url http://",
        ] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
    }

    #[tokio::test]
    async fn a_queue_and_its_dlq_are_joined_by_the_redrive_policy() {
        let emulator = Emulator::start().await.unwrap();
        let max_receives = NonZeroU32::new(3).unwrap();
        for name in ["orders", "orders.fifo"] {
            let dlq = emulator.create_queue_with_dlq(name, max_receives).unwrap();
            let redrive = emulator.sqs().snapshot(name).unwrap().redrive.unwrap();
            assert_eq!(redrive.dead_letter_arn, emulator.sqs().arn(&dlq).unwrap());
            assert_eq!(redrive.max_receive_count, max_receives);
        }
    }

    #[tokio::test]
    async fn the_endpoint_of_an_emulator_on_all_addresses_is_on_loopback() {
        let emulator = Emulator::builder().address((Ipv4Addr::UNSPECIFIED, 0)).start().await.unwrap();
        assert!(emulator.endpoint().starts_with("http://127.0.0.1:"), "{}", emulator.endpoint());
    }
}
