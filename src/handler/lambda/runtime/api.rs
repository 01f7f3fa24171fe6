//! Serves Lambda's Runtime API and Extensions API to one process, on its own loopback port.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header, server::conn::http1, service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    extension_registry::{ExtensionEvent, ExtensionRegistry},
    extension_routes,
    invocation_state::{InvocationState, ProtocolError},
    peers::{ApiAccess, RuntimePeers},
    program::FunctionIdentity,
};
use crate::{
    handler::lambda::invocation::{ANSWER_BYTES, FunctionError, Invocation, InvocationFailure},
    tasks,
    telemetry::events,
};

/// The time limit for the last requests of a process that has ended: all their bytes have been received.
const LAST_REQUESTS: Duration = Duration::from_secs(1);
/// The pause after a connection could not be accepted, as a rule for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The time limit for the head of a request on a connection that is refused.
const REFUSED_HEAD: Duration = Duration::from_secs(5);

/// The state that the APIs of one execution environment share: of a runtime, and of the extensions beside it.
#[derive(Clone, Debug)]
pub(super) struct FunctionEnvironment {
    pub(super) state: Arc<InvocationState>,
    pub(super) extensions: Arc<ExtensionRegistry>,
    pub(super) function: Arc<FunctionIdentity>,
}

impl FunctionEnvironment {
    /// The environment of a runtime process that is yet to be started.
    pub(super) fn new(function: Arc<FunctionIdentity>) -> Self {
        Self { state: Arc::default(), extensions: Arc::default(), function }
    }

    /// Sends the event of an invocation to the extensions.
    pub(super) fn notify_extensions(&self, invocation: &Invocation) {
        self.extensions.invoke(&ExtensionEvent::of_invocation(invocation, &self.function.arn));
    }
}

/// The loopback port of the Runtime API of a process that is yet to be started.
#[derive(Debug)]
pub(super) struct RuntimePort {
    listener: TcpListener,
    address: SocketAddr,
}

impl RuntimePort {
    /// Listens on a free port; connections wait until it is served.
    pub(super) async fn bind() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        Ok(Self { address: listener.local_addr()?, listener })
    }

    /// The address for the process.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The served API; dropped, its connections are closed.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    peers: RuntimePeers,
    ending: CancellationToken,
    serving: JoinHandle<()>,
}

impl RuntimeApi {
    /// Serves one process on its port.
    pub(super) fn serve(port: RuntimePort, peers: RuntimePeers, environment: FunctionEnvironment) -> Self {
        let ending = CancellationToken::new();
        let routes = RuntimeRoutes { environment, peers: peers.clone() };
        let serving = tasks::detach("runtime api", serve(port.listener, routes, ending.clone()));
        Self { peers, ending, serving }
    }

    /// The number of connections of other processes, which were refused.
    pub(super) fn refused(&self) -> usize {
        self.peers.refused()
    }

    /// Reads the last requests of a process that has ended: its answer may still be in transit.
    pub(super) async fn finish(&mut self) {
        self.ending.cancel();
        if self.serving.is_finished() {
            return;
        }
        if timeout(LAST_REQUESTS, &mut self.serving).await.is_err() {
            events::ConnectionsLeft {}.emit();
        }
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

type Connection = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Serves until `ending`, and then only requests that have been sent already.
async fn serve(listener: TcpListener, routes: RuntimeRoutes, ending: CancellationToken) {
    let mut connections = FuturesUnordered::<Connection>::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => connections.push(connection(routes.clone(), stream, peer)),
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            Some(()) = connections.next() => {}
            () = ending.cancelled() => break,
        }
    }
    for (stream, peer) in pending_connections(listener) {
        connections.push(connection(routes.clone(), stream, peer));
    }
    while connections.next().await.is_some() {}
}

/// Accepts the connections that are open already, which the runtime may not have seen yet.
fn pending_connections(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    // The listener does not block: an error means that no connection is left.
    let accepted = std::iter::from_fn(|| listener.accept().ok());
    accepted.filter_map(|(stream, peer)| Some((nonblocking(stream).ok()?, peer))).collect()
}

fn nonblocking(stream: std::net::TcpStream) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}

/// Checks one connection, and serves its requests until it is closed.
fn connection(routes: RuntimeRoutes, stream: TcpStream, peer: SocketAddr) -> Connection {
    Box::pin(async move {
        let access = routes.peers.access(peer).await;
        let service = service_fn(move |request| {
            let routes = routes.clone();
            async move { Ok::<_, Infallible>(routes.reply(request, access).await) }
        });
        let mut builder = http1::Builder::new();
        // A process may close the connection or end right after its answer, which would otherwise be dropped unread.
        builder.half_close(true).timer(TokioTimer::new());
        if access == ApiAccess::Refused {
            builder.keep_alive(false).header_read_timeout(REFUSED_HEAD);
        }
        // A broken connection is no failure by itself: its open request, if any, reports the failure.
        drop(builder.serve_connection(TokioIo::new(stream), service).await);
    })
}

/// The header with the type of a function's failure, in an answer's head or trailers.
const ERROR_TYPE: &str = "lambda-runtime-function-error-type";
/// The bytes that are read of an answer beyond its limit, so that its sender can read the error response.
const EXCESS_BYTES: usize = 32 * 1024 * 1024;

/// The routes of a process's requests.
#[derive(Clone, Debug)]
struct RuntimeRoutes {
    environment: FunctionEnvironment,
    peers: RuntimePeers,
}

/// The response to a request.
pub(super) type Reply = Response<Full<Bytes>>;

impl RuntimeRoutes {
    /// Answers one request; one for the next invocation waits until there is one.
    async fn reply(&self, request: Request<Incoming>, access: ApiAccess) -> Reply {
        let path = request.uri().path().to_owned();
        if access == ApiAccess::Refused {
            return not_of_the_group();
        }
        let Some(rest) = path.strip_prefix("/2018-06-01/runtime/") else {
            return self.extension(request, access).await.unwrap_or_else(|| unknown(&path));
        };
        let rest: Vec<&str> = rest.split('/').collect();
        match (access, request.method(), rest.as_slice()) {
            (ApiAccess::Full { peer }, &Method::GET, ["invocation", "next"]) => self.next(peer).await,
            (_, &Method::POST, ["invocation", id, "response"]) => self.response(id, request).await,
            (_, &Method::POST, ["invocation", id, "error"]) => self.error(id, request).await,
            (ApiAccess::Full { .. }, &Method::POST, ["init", "error"]) => self.init_error(request).await,
            _ => unknown(&path),
        }
    }

    async fn extension(&self, request: Request<Incoming>, access: ApiAccess) -> Option<Reply> {
        match access {
            ApiAccess::Full { .. } => extension_routes::reply(&self.environment, request).await,
            ApiAccess::AnswersOnly | ApiAccess::Refused => None,
        }
    }

    async fn next(&self, peer: SocketAddr) -> Reply {
        let state = &self.environment.state;
        let mut closed = None;
        if let Some(first) = state.requester()
            && self.peers.is_closed(first).await
        {
            closed = Some(first);
        }
        match state.request_next(peer, closed) {
            Ok(next) => match next.await {
                Ok(invocation) => self.invocation(&invocation),
                Err(_) => protocol_error(ProtocolError::InvalidTransition),
            },
            Err(error) => protocol_error(error),
        }
    }

    fn invocation(&self, invocation: &Invocation) -> Reply {
        let mut builder = Response::builder()
            .header(header::CONTENT_TYPE, "application/json")
            .header("Lambda-Runtime-Aws-Request-Id", &invocation.id)
            .header("Lambda-Runtime-Deadline-Ms", invocation.start().to_string())
            .header("Lambda-Runtime-Invoked-Function-Arn", &self.environment.function.arn);
        let trace_id = invocation.trace_id.as_ref();
        if let Some(trace_id) = trace_id.and_then(|trace_id| header::HeaderValue::from_str(trace_id).ok()) {
            builder = builder.header("Lambda-Runtime-Trace-Id", trace_id);
        }
        let body = Full::new(invocation.event.clone());
        builder.body(body).unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR, "{}"))
    }

    async fn response(&self, id: &str, request: Request<Incoming>) -> Reply {
        if !self.environment.state.is_open(id) {
            return protocol_error(ProtocolError::UnknownInvocation);
        }
        let error_type = error_type(request.headers());
        let answer = match read(request.into_body()).await {
            Ok(Read { bytes, trailer }) => match error_type.or(trailer) {
                Some(kind) => Err(InvocationFailure::Function(FunctionError::read(Some(&kind), &bytes))),
                None => Ok(bytes),
            },
            Err(failure) => Err(failure),
        };
        let is_too_large = answer == Err(InvocationFailure::TooLarge);
        match self.environment.state.answer(id, answer) {
            Ok(()) if is_too_large => too_large(),
            Ok(()) => accepted(),
            Err(error) => protocol_error(error),
        }
    }

    async fn error(&self, id: &str, request: Request<Incoming>) -> Reply {
        if !self.environment.state.is_open(id) {
            return protocol_error(ProtocolError::UnknownInvocation);
        }
        let failure = InvocationFailure::Function(read_error(request).await);
        self.environment.state.answer(id, Err(failure)).map_or_else(protocol_error, |()| accepted())
    }

    async fn init_error(&self, request: Request<Incoming>) -> Reply {
        let error = read_error(request).await;
        self.environment.state.init_error(error).map_or_else(protocol_error, |()| accepted())
    }
}

/// A body, and the error type in its trailers, if there is one.
#[derive(Debug)]
struct Read {
    bytes: Bytes,
    trailer: Option<String>,
}

async fn read(mut body: Incoming) -> Result<Read, InvocationFailure> {
    let (mut bytes, mut trailer, mut excess) = (BytesMut::new(), None, 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| InvocationFailure::Truncated)?;
        match frame.into_data() {
            Ok(data) if bytes.len() + data.len() <= ANSWER_BYTES && excess == 0 => bytes.extend(data),
            Ok(data) => excess += data.len(),
            Err(frame) => trailer = frame.trailers_ref().and_then(error_type),
        }
        if excess > EXCESS_BYTES {
            break;
        }
    }
    if excess > 0 { Err(InvocationFailure::TooLarge) } else { Ok(Read { bytes: bytes.freeze(), trailer }) }
}

/// Reads an error report; an unreadable report is an error, too.
async fn read_error(request: Request<Incoming>) -> FunctionError {
    let kind = error_type(request.headers());
    let report = read(request.into_body()).await.map(|read| read.bytes).unwrap_or_default();
    FunctionError::read(kind.as_deref(), &report)
}

fn error_type(headers: &header::HeaderMap) -> Option<String> {
    headers.get(ERROR_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// The response to a request that has no answer.
pub(super) fn accepted() -> Reply {
    status(StatusCode::ACCEPTED, r#"{"status":"OK"}"#)
}

/// Like all error responses, this has the text of AWS's Runtime Interface Emulator.
fn protocol_error(error: ProtocolError) -> Reply {
    match error {
        ProtocolError::UnknownInvocation => status(
            StatusCode::BAD_REQUEST,
            r#"{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}"#,
        ),
        ProtocolError::InvalidTransition => status(
            StatusCode::FORBIDDEN,
            r#"{"errorMessage":"Transition from the current state is not allowed","errorType":"InvalidStateTransition"}"#,
        ),
    }
}

fn not_of_the_group() -> Reply {
    let text = r#"{"errorMessage":"only the process group of the runtime may use this api","errorType":"Forbidden"}"#;
    status(StatusCode::FORBIDDEN, text)
}

fn too_large() -> Reply {
    let text = format!(
        r#"{{"errorMessage":"Exceeded maximum allowed payload size ({ANSWER_BYTES} bytes).","errorType":"RequestEntityTooLarge"}}"#
    );
    status(StatusCode::PAYLOAD_TOO_LARGE, text)
}

fn unknown(path: &str) -> Reply {
    events::RuntimePathUnknown { path }.emit();
    status(StatusCode::NOT_FOUND, r#"{"errorMessage":"Not found","errorType":"NotFound"}"#)
}

/// A response with this JSON.
pub(super) fn status(status: StatusCode, json: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(json.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    reply
}

#[cfg(all(any(test, fuzzing), feature = "cli"))]
#[path = "../../../../tests/fuzz/runtime_api.rs"]
pub(in crate::handler::lambda) mod fuzz;

#[cfg(test)]
mod tests {
    use std::{io::Write as _, net::TcpStream as PlainStream};

    use bytes::Bytes;
    use serde_json::{Value, json};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        sync::oneshot,
    };

    use super::*;
    use crate::{
        handler::lambda::{
            invocation::{Answered, Invocation},
            runtime::QueuedInvocation,
        },
        message::Message,
    };

    fn environment() -> FunctionEnvironment {
        let function =
            FunctionIdentity { arn: "arn".to_owned(), name: "orders".to_owned(), handler: String::new() };
        FunctionEnvironment::new(Arc::new(function))
    }

    /// The API of a runtime in the process group of this test, and its state.
    async fn api() -> (RuntimeApi, Arc<InvocationState>, SocketAddr) {
        let port = RuntimePort::bind().await.unwrap();
        let address = port.address();
        let group = rustix::process::getpgrp().as_raw_pid().try_into().unwrap();
        let environment = environment();
        let state = environment.state.clone();
        let peers = RuntimePeers::new(address, group, "orders".into());
        (RuntimeApi::serve(port, peers, environment), state, address)
    }

    /// Delivers an invocation to the pending request; returns its id and its answer.
    fn deliver(state: &InvocationState) -> (String, oneshot::Receiver<Answered>) {
        let invocation = Arc::new(Invocation::new(&[&Message::new("m", "")], Bytes::new(), None));
        let (id, (answer, answered)) = (invocation.id.clone(), oneshot::channel());
        state.deliver(QueuedInvocation { invocation, answer, given_up: CancellationToken::new() }).unwrap();
        (id, answered)
    }

    async fn request_next(address: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        stream
    }

    async fn status_of(stream: &mut TcpStream) -> String {
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.unwrap();
        String::from_utf8_lossy(&head[9..]).into_owned()
    }

    #[tokio::test]
    async fn an_answer_that_was_sent_before_the_end_is_still_read() {
        let (mut api, state, address) = api().await;
        let _next = state.request_next(address, None).unwrap();
        let (id, mut answered) = deliver(&state);
        // The runtime does not run meanwhile: at the end not even the connection has been accepted.
        let mut stream = PlainStream::connect(address).unwrap();
        let head = format!("POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nHost: x\r\n");
        stream.write_all(format!("{head}Content-Length: 2\r\n\r\n{{}}").as_bytes()).unwrap();
        drop(stream);
        api.finish().await;
        assert_eq!(answered.try_recv(), Ok(Ok(Bytes::from_static(b"{}"))));
    }

    #[tokio::test]
    async fn the_first_live_request_for_work_keeps_its_claim() {
        let (_api, state, address) = api().await;
        let mut first = request_next(address).await;
        drop(state.ready().await);
        assert_eq!(status_of(&mut request_next(address).await).await, "403");
        deliver(&state);
        assert_eq!(status_of(&mut first).await, "200");
    }

    #[tokio::test]
    async fn a_request_for_work_whose_connection_is_closed_gives_its_claim_up() {
        let (_api, state, address) = api().await;
        let first = request_next(address).await;
        drop(state.ready().await);
        let closed = first.local_addr().unwrap();
        drop(first);
        let mut second = request_next(address).await;
        while state.requester().is_none_or(|peer| peer == closed) {
            tokio::task::yield_now().await;
        }
        deliver(&state);
        assert_eq!(status_of(&mut second).await, "200");
    }

    /// The head and the JSON of the response to a request with these headers.
    async fn exchange(address: SocketAddr, request: &str, headers: &str, body: &str) -> (String, Value) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let length = body.len();
        let head =
            format!("{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n");
        stream.write_all(format!("{head}{headers}\r\n{body}").as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        (head.to_ascii_lowercase(), serde_json::from_str(body).unwrap())
    }

    const REGISTER: &str = "POST /2020-01-01/extension/register";

    #[tokio::test]
    async fn an_extension_registers_and_gets_an_id_and_the_function() {
        let (_api, _state, address) = api().await;
        let headers = "Lambda-Extension-Name: inside\r\nLambda-Extension-Accept-Feature: accountId\r\n";
        let (head, answer) = exchange(address, REGISTER, headers, r#"{"events":["INVOKE"]}"#).await;
        assert!(
            head.starts_with("http/1.1 200") && head.contains("\nlambda-extension-identifier: "),
            "{head}"
        );
        let expected = json!({
            "accountId": "", "functionName": "orders", "functionVersion": "$LATEST", "handler": "",
        });
        assert_eq!(answer, expected);
    }

    #[tokio::test]
    async fn a_request_of_an_extension_that_lambda_refuses_is_refused_alike() {
        let (_api, _state, address) = api().await;
        let name = "Lambda-Extension-Name: inside\r\n";
        let unknown = "Lambda-Extension-Identifier: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n";
        let (next, failure) =
            ("GET /2020-01-01/extension/event/next", "POST /2020-01-01/extension/exit/error");
        for (request, headers, body, kind) in [
            (REGISTER, name, r#"{"events":["SHUTDOWN"]}"#, "Extension.InvalidEventType"),
            (REGISTER, name, "no json", "InvalidRequestFormat"),
            (REGISTER, "", "{}", "Extension.InvalidExtensionName"),
            (next, "", "", "Extension.MissingExtensionIdentifier"),
            (next, "Lambda-Extension-Identifier: 7\r\n", "", "Extension.InvalidExtensionIdentifier"),
            (next, unknown, "", "Extension.UnknownExtensionIdentifier"),
            (failure, unknown, "{}", "Extension.MissingHeader"),
        ] {
            let (head, answer) = exchange(address, request, headers, body).await;
            assert!(
                head.starts_with("http/1.1 403") && answer["errorType"] == kind,
                "{request}: {head} {answer}"
            );
        }
    }

    #[tokio::test]
    async fn a_subscription_to_telemetry_is_accepted_and_has_no_stream() {
        let (_api, _state, address) = api().await;
        for (path, kind) in
            [("/2022-07-01/telemetry", "Telemetry.NotSupported"), ("/2020-08-15/logs", "Logs.NotSupported")]
        {
            let (head, answer) = exchange(address, &format!("PUT {path}"), "", "{}").await;
            assert!(
                head.starts_with("http/1.1 202") && answer["errorType"] == kind,
                "{path}: {head} {answer}"
            );
        }
    }
}
