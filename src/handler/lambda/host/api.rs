//! Lambda's Runtime API for one process, on a loopback port of its own.

use std::{convert::Infallible, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{conversation::Conversation, desk::Desk};
use crate::{tasks, telemetry::events};

/// How long the last requests of a process that has ended may take: all they sent is here already.
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

    /// Where the process finds it.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What has been said here.
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

#[cfg(test)]
mod tests {
    use std::{io::Write as _, net::TcpStream as PlainStream};

    use bytes::Bytes;
    use tokio::sync::oneshot;

    use super::*;
    use crate::{
        handler::lambda::{host::Order, invocation::Invocation},
        message::Message,
    };

    #[tokio::test]
    async fn an_answer_that_was_sent_before_the_end_is_still_heard() {
        let mut api = RuntimeApi::serve("arn".into()).await.unwrap();
        let _given = api.conversation().ask().unwrap();
        let invocation = Arc::new(Invocation::new(&[&Message::new("m", "")], Bytes::new(), None));
        let (id, (answer, mut answered)) = (invocation.id.clone(), oneshot::channel());
        api.conversation().hand(Order { invocation, answer, given_up: CancellationToken::new() }).unwrap();
        // Without a turn of the runtime: not even the connection has been accepted when the end comes.
        let mut stream = PlainStream::connect(api.address()).unwrap();
        let head = format!("POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nHost: x\r\n");
        stream.write_all(format!("{head}Content-Length: 2\r\n\r\n{{}}").as_bytes()).unwrap();
        drop(stream);
        api.finish().await;
        assert_eq!(answered.try_recv(), Ok(Ok(Bytes::from_static(b"{}"))));
    }
}
