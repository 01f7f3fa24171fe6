//! The server: both protocols of SQS and the query protocol of SNS at one address.
//!
//! A request is read ([`request`]), decoded into an action (`sqs`, `sns`), run on the account and answered
//! ([`response`]) in its own protocol. Signatures are not verified, so any credentials do; their region chooses among
//! topics, and queues are the same in every region.

mod action;
mod attribute;
mod batch;
mod error;
mod form;
mod json;
mod paths;
mod request;
mod response;
mod sns;
mod sqs;
mod xml;

#[cfg(any(test, fuzzing))]
#[path = "../../tests/fuzz/server.rs"]
pub(crate) mod fuzz;

use std::{net::SocketAddr, num::NonZeroU64, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::header,
    response::Response,
};
use longshore_listener::{AllowedHosts, HttpListener, ListenerLimits};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::{
    action::{ActionContext, RequestAuthority},
    error::RequestError,
    request::{AwsService, DecodedRequest, WireProtocol},
};
use crate::sns::SnsAccount;

/// The header of X-Ray.
const TRACE_ID: &str = "x-amzn-trace-id";

/// The time limit of requests in progress after the begin of a shutdown.
///
/// Waiting receives are answered at once, so only a client that stalls within a request takes that long.
const GRACE: Duration = Duration::from_secs(2);

/// The most connections: each of a worker's pollers has one, and a test may have many workers.
const CONNECTIONS: usize = 10_000;
/// Half of the process's descriptors at most: the other half may be those of clients in the same process.
const DESCRIPTORS: NonZeroU64 = NonZeroU64::new(2).unwrap();

/// The two stages of a server's end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shutdown {
    begun: CancellationToken,
    aborted: CancellationToken,
}

impl Shutdown {
    /// Begins the shutdown: waiting receives get an empty answer, requests in progress are finished.
    pub(crate) fn begin(&self) {
        self.begun.cancel();
    }

    /// Ends the server at once.
    pub(crate) fn abort(&self) {
        self.begun.cancel();
        self.aborted.cancel();
    }

    /// Waits for the begin of the shutdown.
    async fn begun(&self) {
        self.begun.cancelled().await;
    }
}

/// The state that all requests share.
#[derive(Debug)]
pub(crate) struct ServerState {
    sns: SnsAccount,
    address: SocketAddr,
    hosts: AllowedHosts,
    shutdown: Shutdown,
}

impl ServerState {
    pub(crate) fn new(sns: SnsAccount, address: SocketAddr, hosts: AllowedHosts, shutdown: Shutdown) -> Self {
        Self { sns, address, hosts, shutdown }
    }

    async fn handle(
        &self,
        protocol: WireProtocol,
        request_id: &str,
        request: Request,
    ) -> Result<Response, RequestError> {
        let (head, body) = request.into_parts();
        self.hosts.check(&head)?;
        let body = request::read_body(body).await?;
        let query = head.uri.query().unwrap_or_default();
        if let Some(answered) = paths::answer(&self.sns, (&head.method, head.uri.path(), query), &body) {
            return answered;
        }
        let request = DecodedRequest::read(protocol, &head.headers, query, body)?;
        let protocol = protocol.of_response(request.service);
        // Queues are the same in every region.
        let is_about_topics = request.service == AwsService::Sns;
        let region = is_about_topics.then(|| request::region(&head.headers, query)).flatten();
        let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let context = ActionContext {
            sqs: self.sns.sqs(),
            sns: &region.map_or_else(|| self.sns.clone(), |region| self.sns.in_region(&region)),
            authority: RequestAuthority(host.map_or_else(|| self.address.to_string(), str::to_owned)),
            path: head.uri.path(),
            protocol,
            request_id,
            trace_header: head.headers.get(TRACE_ID).and_then(|id| id.to_str().ok()).map(str::to_owned),
            shutdown: &self.shutdown,
        };
        let answered = match request.service {
            AwsService::Sqs => sqs::perform(&context, &request).await,
            AwsService::Sns => sns::perform(&context, &request),
        };
        // What could not be written must not be answered, because a restart would not know of it.
        if let Some(failure) = self.sns.journal_failure() {
            return Err(RequestError::NotWritten(failure));
        }
        Ok(response::success(protocol, request_id, answered?))
    }
}

/// Serves requests until the shutdown.
///
/// A client that hangs up while its receive waits takes no message.
pub(crate) async fn serve(socket: TcpListener, state: ServerState) {
    let shutdown = state.shutdown.clone();
    let router = Router::new().fallback(answer).with_state(Arc::new(state));
    let limits = ListenerLimits::default().connections(CONNECTIONS).one_descriptor_of(DESCRIPTORS);
    let listener = HttpListener::new(socket, router).limits(limits).on_close(|reason| {
        tracing::debug!(?reason, "connection closed");
    });
    let grace = async {
        shutdown.begun().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        () = listener.serve(shutdown.begun.clone()) => {}
        () = shutdown.aborted.cancelled() => {}
        () = grace => {}
    }
}

async fn answer(State(state): State<Arc<ServerState>>, request: Request) -> Response {
    let request_id = request_id();
    let protocol = WireProtocol::of(request.headers());
    match state.handle(protocol, &request_id, request).await {
        Ok(response) => response,
        Err(error) => {
            tracing::debug!(code = error.code(), request_id, "request refused");
            response::failure(protocol, &request_id, &error)
        }
    }
}

/// The id of a request, a UUID; it need not be unpredictable.
fn request_id() -> String {
    let mut bytes = [0; 16];
    fastrand::fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid().hyphenated().to_string()
}
