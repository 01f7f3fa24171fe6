//! The requests of the Runtime API: what each means, and what it is answered with.

use std::sync::Arc;

use axum::http::{Method, Request, Response, StatusCode, header};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;

use super::conversation::{Conversation, OutOfTurn};
use crate::{
    handler::lambda::invocation::{ANSWER_BYTES, Failure, FunctionError, Invocation},
    telemetry::events,
};

/// The header by which a function's failure is told, in an answer's head or at its end.
const ERROR_TYPE: &str = "lambda-runtime-function-error-type";
/// How much of an answer that is too large is still read, so that its sender gets to read why it is refused.
const EXCESS_BYTES: usize = 32 * 1024 * 1024;

/// Where the requests of a process are answered.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    conversation: Arc<Conversation>,
    function_arn: Arc<str>,
}

/// What a request is answered with.
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
        let told = match read(request.into_body()).await {
            Ok(Read { bytes, trailer }) => match error_type.or(trailer) {
                Some(kind) => Err(Failure::Function(FunctionError::read(Some(&kind), &bytes))),
                None => Ok(bytes),
            },
            Err(failure) => Err(failure),
        };
        let is_too_large = told == Err(Failure::TooLarge);
        match self.conversation.answer(id, told) {
            Ok(()) if is_too_large => too_large(),
            Ok(()) => accepted(),
            Err(fault) => out_of_turn(fault),
        }
    }

    async fn error(&self, id: &str, request: Request<Incoming>) -> Reply {
        if !self.conversation.owes(id) {
            return out_of_turn(OutOfTurn::NotOwed);
        }
        let failure = Failure::Function(read_error(request).await);
        self.conversation.answer(id, Err(failure)).map_or_else(out_of_turn, |()| accepted())
    }

    async fn init_error(&self, request: Request<Incoming>) -> Reply {
        let error = read_error(request).await;
        self.conversation.init_error(error).map_or_else(out_of_turn, |()| accepted())
    }
}

/// A body, and the failure told at its end, if one is.
#[derive(Debug)]
struct Read {
    bytes: Bytes,
    trailer: Option<String>,
}

async fn read(mut body: Incoming) -> Result<Read, Failure> {
    let (mut bytes, mut trailer, mut excess) = (BytesMut::new(), None, 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::Truncated)?;
        match frame.into_data() {
            Ok(data) if bytes.len() + data.len() <= ANSWER_BYTES && excess == 0 => bytes.extend(data),
            Ok(data) => excess += data.len(),
            Err(frame) => trailer = frame.trailers_ref().and_then(error_type),
        }
        if excess > EXCESS_BYTES {
            break;
        }
    }
    if excess > 0 { Err(Failure::TooLarge) } else { Ok(Read { bytes: bytes.freeze(), trailer }) }
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
