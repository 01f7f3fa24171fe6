//! An SQS server over an account in memory: both protocols of SQS, on loopback, without credentials.
//!
//! A request is read (`asked`), decoded into one of the `actions`, run against the account and answered (`reply`)
//! in the protocol it came in. Clients need its address as their endpoint and nothing else: signatures are not
//! looked at, so any credentials do; the region and the host in a queue's URL may be any. SNS is served at the same
//! address (`sns`), over the topics beside the account.

mod actions;
mod address;
mod asked;
mod attribute;
mod batch;
mod body;
mod call;
mod form;
mod messages;
mod page;
mod refusal;
mod reply;
mod sns;
mod xml;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::header,
    response::Response,
    serve::ListenerExt,
};
use tokio::net::TcpListener;

use self::{
    address::Authority,
    asked::{Asked, Protocol, Service},
    call::Call,
    refusal::Refusal,
};
use crate::{queue::memory::Account, sns::memory::Topics, stop::Stop, telemetry::events};

/// How long the requests under way may go on after the stop. Waiting receives are answered at once, so only
/// a client that stalls in the middle of a request can use it up.
const GRACE: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct Server {
    topics: Topics,
    listens_on: SocketAddr,
    stop: Stop,
}

/// Serves SQS over the account, and SNS with no topics yet, until the stop.
///
/// At a drain, waiting receives are answered with nothing and requests under way are finished; at a halt, nothing
/// is waited for. A client that hangs up while its receive waits takes no message.
pub async fn serve(listener: TcpListener, account: Account, stop: Stop) -> io::Result<()> {
    serve_topics(listener, Topics::beside(account), stop).await
}

/// The same with the SNS of the caller, and the SQS beside it.
pub async fn serve_topics(listener: TcpListener, topics: Topics, stop: Stop) -> io::Result<()> {
    let listens_on = listener.local_addr()?;
    let server = Server { topics, listens_on, stop: stop.clone() };
    let router = Router::new().fallback(answer).with_state(Arc::new(server));
    // An answer is written in one piece, and must not wait for the acknowledgement of the one before.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            events::NoDelayRefused { error: &error }.emit();
        }
    });
    let draining = stop.clone();
    let serving =
        axum::serve(listener, router).with_graceful_shutdown(async move { draining.draining().await });
    tokio::select! {
        result = serving => result,
        () = stop.halted() => Ok(()),
        () = grace(&stop) => Ok(()),
    }
}

async fn grace(stop: &Stop) {
    stop.draining().await;
    tokio::time::sleep(GRACE).await;
}

async fn answer(State(server): State<Arc<Server>>, request: Request) -> Response {
    let request_id = request_id();
    let protocol = Protocol::of(request.headers());
    match server.handle(protocol, &request_id, request).await {
        Ok(body) => reply::success(protocol, &request_id, body),
        Err(refusal) => {
            events::RequestRefused { code: refusal.code(), request_id: &request_id }.emit();
            reply::failure(protocol, &request_id, &refusal)
        }
    }
}

impl Server {
    async fn handle(
        &self,
        protocol: Protocol,
        request_id: &str,
        request: Request,
    ) -> Result<Vec<u8>, Refusal> {
        let (head, body) = request.into_parts();
        let body = body::read(body).await?;
        let asked = Asked::read(protocol, &head.headers, head.uri.query().unwrap_or_default(), body)?;
        let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let call = Call {
            account: self.topics.account(),
            topics: &self.topics,
            authority: Authority(host.map_or_else(|| self.listens_on.to_string(), str::to_owned)),
            path: head.uri.path(),
            protocol,
            request_id,
            stop: &self.stop,
        };
        match asked.service {
            Service::Sqs => actions::perform(&call, &asked).await,
            Service::Sns => sns::perform(&call, &asked),
        }
    }
}

/// An id to find a request by; it need not be unpredictable, so it is not asked of the system.
fn request_id() -> String {
    let mut bytes = [0; 16];
    fastrand::fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid().hyphenated().to_string()
}
