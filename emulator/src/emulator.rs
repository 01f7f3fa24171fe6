//! The emulator as a running server.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    message::StringMap,
    server::{self, ServerState, Shutdown},
    sns::{PublishedMessage, SnsAccount},
    sqs::{AccountIdentity, SqsAccount, SqsApiError},
};

/// A running server of SQS and SNS; it stops when it is dropped.
///
/// [`shutdown`](Self::shutdown) stops it in order: it answers waiting receives with nothing and finishes requests
/// under way.
#[derive(Debug)]
pub struct Emulator {
    address: SocketAddr,
    sns: SnsAccount,
    shutdown: Shutdown,
    server: Option<JoinHandle<io::Result<()>>>,
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct EmulatorError {
    /// The address.
    pub address: SocketAddr,
    /// The system's error.
    pub source: io::Error,
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

    /// The endpoint for clients: `http://127.0.0.1:…`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The URL of a queue, which need not exist yet.
    pub fn queue_url(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.endpoint(), self.sqs().identity().account_id)
    }

    /// Creates a queue with the default attributes; a name that ends in `.fifo` makes a FIFO queue.
    ///
    /// [`SqsAccount::create_queue`] of [`sqs`](Self::sqs) sets other attributes.
    pub fn create_queue(&self, name: &str) -> Result<(), SqsApiError> {
        let fifo =
            ["FifoQueue", "ContentBasedDeduplication"].map(|name| (name.to_owned(), "true".to_owned()));
        let attributes =
            if name.strip_suffix(".fifo").is_some() { StringMap::from(fifo) } else { StringMap::new() };
        self.sqs().create_queue(name, &attributes, &StringMap::new())
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
            Some(server) => server.await.map_err(io::Error::other)?,
            None => Ok(()),
        }
    }

    /// Waits until the server ends by itself, which it does only when it fails.
    pub async fn failed(&mut self) -> io::Error {
        let Some(server) = &mut self.server else { return std::future::pending().await };
        match server.await {
            Ok(Ok(())) => std::future::pending().await,
            Ok(Err(error)) => error,
            Err(error) => io::Error::other(error),
        }
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
    listener: PublishListener,
}

impl Default for EmulatorBuilder {
    fn default() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            identity: AccountIdentity::default(),
            listener: Arc::new(|_| {}),
        }
    }
}

impl std::fmt::Debug for EmulatorBuilder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { address, identity, .. } = self;
        formatter
            .debug_struct("EmulatorBuilder")
            .field("address", address)
            .field("identity", identity)
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

    /// Sets the region (`us-east-1`), which is part of ARNs.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.identity.region = region.into();
        self
    }

    /// Calls a function with every message that is published to a topic or a phone number.
    #[must_use]
    pub fn on_publish(self, listener: impl Fn(&PublishedMessage) + Send + Sync + 'static) -> Self {
        Self { listener: Arc::new(listener), ..self }
    }

    /// Starts the server on the current runtime.
    pub async fn start(self) -> Result<Emulator, EmulatorError> {
        let Self { address, identity, listener } = self;
        let failed = |source| EmulatorError { address, source };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let sns = SnsAccount::with_listener(SqsAccount::new(identity), move |message| listener(message));
        let shutdown = Shutdown::default();
        let state = ServerState::new(sns.clone(), address, shutdown.clone());
        Ok(Emulator { address, sns, shutdown, server: Some(spawn(server::serve(socket, state))) })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the only spawn of this package; its handle is in the emulator"
)]
fn spawn(server: impl Future<Output = io::Result<()>> + Send + 'static) -> JoinHandle<io::Result<()>> {
    tokio::spawn(server)
}
