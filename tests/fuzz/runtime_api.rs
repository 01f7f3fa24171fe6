//! Fuzz target of the Runtime API: any bytes of a process get HTTP answers, and none is a failure of the server's own.

#![expect(clippy::unwrap_used, reason = "a fuzz target panics where a fact does not hold")]

use std::{cell::OnceCell, convert::Infallible, net::Ipv4Addr, sync::Arc, time::Duration};

use bytes::Bytes;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    runtime::{Builder, Runtime},
    sync::oneshot,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{ApiAccess, FunctionEnvironment, RuntimePeers, RuntimeRoutes};
use crate::{
    handler::lambda::{
        invocation::Invocation,
        runtime::{QueuedInvocation, program::FunctionIdentity},
    },
    message::Message,
};

thread_local! {
    static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() };
}

/// The bytes that a process writes on a connection; `ID` stands for the id of the open invocation.
pub(crate) fn runtime_api(input: &[u8]) {
    RUNTIME.with(|runtime| {
        let new = || Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.get_or_init(new).block_on(converse(input));
    });
}

async fn converse(input: &[u8]) {
    let peer = (Ipv4Addr::LOCALHOST, 9001).into();
    let function =
        FunctionIdentity { arn: "arn".to_owned(), name: "orders".to_owned(), handler: String::new() };
    let environment = FunctionEnvironment::new(Arc::new(function));
    let _next = environment.state.request_next(peer, None).unwrap();
    let invocation = Arc::new(Invocation::new(&[&Message::new("m", "")], Bytes::new(), None));
    let id = invocation.id.clone();
    let (answer, _answered) = oneshot::channel();
    let queued = QueuedInvocation { invocation, answer, given_up: CancellationToken::new() };
    environment.state.deliver(queued).unwrap();
    let routes =
        RuntimeRoutes { environment, peers: RuntimePeers::new(peer, std::process::id(), "orders".into()) };
    let service = service_fn(move |request| {
        let routes = routes.clone();
        async move { Ok::<_, Infallible>(routes.reply(request, ApiAccess::Full { peer }).await) }
    });
    let (client, server) = duplex(64 * 1024);
    let mut builder = http1::Builder::new();
    let connection = builder.half_close(true).serve_connection(TokioIo::new(server), service);
    let request = String::from_utf8_lossy(input).replace("ID", &id).into_bytes();
    // A request for the next invocation waits for one, so the connection has a time limit.
    let (_, response) = tokio::join!(timeout(Duration::from_secs(1), connection), talk(client, &request));
    let statuses = response.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"HTTP/1.1 "));
    for line in statuses {
        assert!(matches!(line.get(9), Some(b'2' | b'4')), "{}", line.escape_ascii());
    }
}

async fn talk(mut client: DuplexStream, request: &[u8]) -> Vec<u8> {
    let mut response = Vec::new();
    // The connection may be closed at any byte.
    if client.write_all(request).await.is_ok() && client.shutdown().await.is_ok() {
        drop(client.read_to_end(&mut response).await);
    }
    response
}
