//! Lambda's Runtime API for one process, on a loopback port of its own.

use std::{convert::Infallible, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
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

use super::invocation_state::{Conversation, OutOfTurn};
use crate::{
    handler::lambda::invocation::{ANSWER_BYTES, FunctionError, Invocation, InvocationFailure},
    tasks,
    telemetry::events,
};

/// The time limit of the last requests of a process that has ended: all their bytes are here already.
const LAST_REQUESTS: Duration = Duration::from_secs(1);
/// The pause after a connection could not be accepted, which is for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The served API; dropped, its connections are closed.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    address: SocketAddr,
    conversation: Arc<Conversation>,
    ending: CancellationToken,
    serving: JoinHandle<()>,
}

impl RuntimeApi {
    /// Listens on a loopback port, and serves one process.
    pub(super) async fn serve(function_arn: Arc<str>) -> io::Result<Self> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let conversation = Arc::new(Conversation::default());
        let ending = CancellationToken::new();
        let desk = Desk::new(conversation.clone(), function_arn);
        let serving = tasks::detach("runtime api", serve(listener, desk, ending.clone()));
        Ok(Self { address, conversation, ending, serving })
    }

    /// The address for the process.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The state of the invocation.
    pub(super) fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    /// Hears the last that a process said which has ended: its answer may still be under way.
    pub(super) async fn finish(&mut self) {
        self.ending.cancel();
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

/// Serves until `ending`, and from then on what has been sent already.
async fn serve(listener: TcpListener, desk: Desk, ending: CancellationToken) {
    let mut connections = FuturesUnordered::<Connection>::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => connections.push(connection(desk.clone(), stream)),
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            Some(()) = connections.next() => {}
            () = ending.cancelled() => break,
        }
    }
    for stream in waiting(listener) {
        connections.push(connection(desk.clone(), stream));
    }
    while connections.next().await.is_some() {}
}

/// The connections that have been made already, of which the runtime may not have heard yet.
fn waiting(listener: TcpListener) -> Vec<TcpStream> {
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    // It does not block: one error is the end of those that wait.
    let accepted = std::iter::from_fn(|| listener.accept().ok());
    accepted.filter_map(|(stream, _)| nonblocking(stream).ok()).collect()
}

fn nonblocking(stream: std::net::TcpStream) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}

/// The requests of one connection, until it is closed.
fn connection(desk: Desk, stream: TcpStream) -> Connection {
    let service = service_fn(move |request| {
        let desk = desk.clone();
        async move { Ok::<_, Infallible>(desk.reply(request).await) }
    });
    let mut builder = http1::Builder::new();
    // A process may hang up right after its answer, or end: without this such an answer is dropped unheard.
    builder.half_close(true);
    let connection = builder.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    // A connection that breaks means nothing by itself: what was under way on it says what became of it.
    Box::pin(connection.map(drop))
}

/// The header that names a function's failure, in an answer's head or trailers.
const ERROR_TYPE: &str = "lambda-runtime-function-error-type";
/// The bytes of an answer that is too large that are still read, so that its sender can read the refusal.
const EXCESS_BYTES: usize = 32 * 1024 * 1024;

/// The routes of a process's requests.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    conversation: Arc<Conversation>,
    function_arn: Arc<str>,
}

/// The response to a request.
pub(super) type Reply = Response<Full<Bytes>>;

impl Desk {
    /// Answers the requests of the process that this conversation is with.
    pub(super) fn new(conversation: Arc<Conversation>, function_arn: Arc<str>) -> Self {
        Self { conversation, function_arn }
    }

    /// Answers one request; one for work waits until there is some.
    pub(super) async fn reply(&self, request: Request<Incoming>) -> Reply {
        let path = request.uri().path().to_owned();
        let Some(rest) = path.strip_prefix("/2018-06-01/runtime/") else { return unknown(&path) };
        let rest: Vec<&str> = rest.split('/').collect();
        match (request.method(), rest.as_slice()) {
            (&Method::GET, ["invocation", "next"]) => self.next().await,
            (&Method::POST, ["invocation", id, "response"]) => self.response(id, request).await,
            (&Method::POST, ["invocation", id, "error"]) => self.error(id, request).await,
            (&Method::POST, ["init", "error"]) => self.init_error(request).await,
            _ => unknown(&path),
        }
    }

    async fn next(&self) -> Reply {
        match self.conversation.ask() {
            Ok(given) => match given.await {
                Ok(invocation) => self.invocation(&invocation),
                Err(_) => out_of_turn(OutOfTurn::NotNow),
            },
            Err(fault) => out_of_turn(fault),
        }
    }

    fn invocation(&self, invocation: &Invocation) -> Reply {
        let mut builder = Response::builder()
            .header(header::CONTENT_TYPE, "application/json")
            .header("Lambda-Runtime-Aws-Request-Id", &invocation.id)
            .header("Lambda-Runtime-Deadline-Ms", invocation.deadline_ms.to_string())
            .header("Lambda-Runtime-Invoked-Function-Arn", &*self.function_arn);
        let trace_id = invocation.trace_id.as_ref();
        if let Some(trace_id) = trace_id.and_then(|trace_id| header::HeaderValue::from_str(trace_id).ok()) {
            builder = builder.header("Lambda-Runtime-Trace-Id", trace_id);
        }
        let body = Full::new(invocation.event.clone());
        builder.body(body).unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR, "{}"))
    }

    async fn response(&self, id: &str, request: Request<Incoming>) -> Reply {
        if !self.conversation.owes(id) {
            return out_of_turn(OutOfTurn::NotOwed);
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
        match self.conversation.answer(id, answer) {
            Ok(()) if is_too_large => too_large(),
            Ok(()) => accepted(),
            Err(fault) => out_of_turn(fault),
        }
    }

    async fn error(&self, id: &str, request: Request<Incoming>) -> Reply {
        if !self.conversation.owes(id) {
            return out_of_turn(OutOfTurn::NotOwed);
        }
        let failure = InvocationFailure::Function(read_error(request).await);
        self.conversation.answer(id, Err(failure)).map_or_else(out_of_turn, |()| accepted())
    }

    async fn init_error(&self, request: Request<Incoming>) -> Reply {
        let error = read_error(request).await;
        self.conversation.init_error(error).map_or_else(out_of_turn, |()| accepted())
    }
}

/// A body, and the failure in its trailers, if there is one.
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

/// Reads the report of an error; one that cannot be read is an error all the same.
async fn read_error(request: Request<Incoming>) -> FunctionError {
    let kind = error_type(request.headers());
    let report = read(request.into_body()).await.map(|read| read.bytes).unwrap_or_default();
    FunctionError::read(kind.as_deref(), &report)
}

fn error_type(headers: &header::HeaderMap) -> Option<String> {
    headers.get(ERROR_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn accepted() -> Reply {
    status(StatusCode::ACCEPTED, r#"{"status":"OK"}"#)
}

/// In the words of AWS's Runtime Interface Emulator, as all that follow.
fn out_of_turn(fault: OutOfTurn) -> Reply {
    match fault {
        OutOfTurn::NotOwed => status(
            StatusCode::BAD_REQUEST,
            r#"{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}"#,
        ),
        OutOfTurn::NotNow => status(
            StatusCode::FORBIDDEN,
            r#"{"errorMessage":"Transition from the current state is not allowed","errorType":"InvalidStateTransition"}"#,
        ),
    }
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

fn status(status: StatusCode, json: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(json.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    reply
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, net::TcpStream as PlainStream};

    use bytes::Bytes;
    use tokio::sync::oneshot;

    use super::*;
    use crate::{
        handler::lambda::{invocation::Invocation, runtime::QueuedInvocation},
        message::Message,
    };

    #[tokio::test]
    async fn an_answer_that_was_sent_before_the_end_is_still_heard() {
        let mut api = RuntimeApi::serve("arn".into()).await.unwrap();
        let _given = api.conversation().ask().unwrap();
        let invocation = Arc::new(Invocation::new(&[&Message::new("m", "")], Bytes::new(), None));
        let (id, (answer, mut answered)) = (invocation.id.clone(), oneshot::channel());
        api.conversation()
            .hand(QueuedInvocation { invocation, answer, given_up: CancellationToken::new() })
            .unwrap();
        // Without a turn of the runtime: not even the connection has been accepted when the end comes.
        let mut stream = PlainStream::connect(api.address()).unwrap();
        let head = format!("POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nHost: x\r\n");
        stream.write_all(format!("{head}Content-Length: 2\r\n\r\n{{}}").as_bytes()).unwrap();
        drop(stream);
        api.finish().await;
        assert_eq!(answered.try_recv(), Ok(Ok(Bytes::from_static(b"{}"))));
    }
}
