//! The listener: accepts connections up to a limit, serves each, and closes those whose client keeps it waiting.

use std::{convert::Infallible, fmt, io, net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

use crate::{
    CloseReason, ListenerLimits,
    connection::ConnectionState,
    stream::{ClientStream, RecordedBody},
};

/// The time between two looks for overdue connections.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The pause after a connection could not be accepted, as a rule for lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The connections above the limit that are open for as long as it takes to refuse them with a 503.
const REFUSALS: usize = 16;
/// The seconds after which a refused client should try again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// The address of the client that sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub SocketAddr);

/// An HTTP/1.1 listener with a router, which serves until its end.
pub struct HttpListener {
    socket: TcpListener,
    router: Router,
    limits: ListenerLimits,
    on_close: Box<dyn Fn(CloseReason) + Send + Sync>,
}

impl fmt::Debug for HttpListener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { socket, limits, .. } = self;
        formatter
            .debug_struct("HttpListener")
            .field("socket", socket)
            .field("limits", limits)
            .finish_non_exhaustive()
    }
}

impl HttpListener {
    /// Creates a listener with the default limits.
    pub fn new(socket: TcpListener, router: Router) -> Self {
        Self { socket, router, limits: ListenerLimits::default(), on_close: Box::new(|_| {}) }
    }

    /// Sets the limits.
    #[must_use]
    pub fn limits(self, limits: ListenerLimits) -> Self {
        Self { limits, ..self }
    }

    /// Calls a function for every connection that the listener closes or refuses.
    #[must_use]
    pub fn on_close(self, listener: impl Fn(CloseReason) + Send + Sync + 'static) -> Self {
        Self { on_close: Box::new(listener), ..self }
    }

    /// Serves until `end` is cancelled, and then until every request under way is answered.
    ///
    /// Idle connections are closed at the end. Dropped, all connections are closed.
    pub async fn serve(self, end: CancellationToken) {
        self.serve_wrapped(|stream| stream, end).await;
    }

    /// Serves connections whose stream is wrapped by a function.
    pub async fn serve_wrapped<Io>(self, wrap: impl Fn(ClientStream) -> Io, end: CancellationToken)
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { socket, router, limits, on_close } = self;
        let most = limits.affordable_connections();
        let mut connections = Connections { limits, most, on_close, open: Vec::new(), tasks: JoinSet::new() };
        let mut checks = interval(CHECK_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let refusing = Router::new().fallback(refusal);
        loop {
            tokio::select! {
                accepted = socket.accept() => match accepted {
                    Ok((stream, address)) => {
                        let router = match connections.admit() {
                            Admission::Served => &router,
                            Admission::Refused => &refusing,
                            Admission::Dropped => continue,
                        };
                        connections.start((stream, address), &wrap, router.clone(), end.clone());
                    }
                    // Of the other errors most are those of a client that is gone.
                    Err(error) => if is_shortage(&error) {
                        connections.forget_ended();
                        if !connections.replace() {
                            sleep(ACCEPT_PAUSE).await;
                        }
                    },
                },
                _ = checks.tick(), if !connections.open.is_empty() => connections.close_overdue(),
                () = end.cancelled() => break,
            }
        }
        drop(socket);
        connections.finish(checks).await;
    }
}

fn is_shortage(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

/// The treatment of a new connection.
enum Admission {
    Served,
    /// Its first request is refused.
    Refused,
    /// It is closed without an answer.
    Dropped,
}

/// An open connection.
struct OpenConnection {
    state: ConnectionState,
    task: AbortHandle,
}

/// The open connections of a listener.
struct Connections {
    limits: ListenerLimits,
    most: usize,
    on_close: Box<dyn Fn(CloseReason) + Send + Sync>,
    open: Vec<OpenConnection>,
    tasks: JoinSet<()>,
}

impl Connections {
    /// Decides on a new connection, for which another one may have to be closed.
    fn admit(&mut self) -> Admission {
        if self.open.len() >= self.most {
            self.forget_ended();
        }
        if self.open.len() < self.most || self.replace() {
            return Admission::Served;
        }
        (self.on_close)(CloseReason::Refused);
        if self.open.len() < self.most + REFUSALS { Admission::Refused } else { Admission::Dropped }
    }

    fn start<Io>(
        &mut self,
        (stream, address): (TcpStream, SocketAddr),
        wrap: impl Fn(ClientStream) -> Io,
        router: Router,
        end: CancellationToken,
    ) where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // A response is written in one piece, and must not wait for the acknowledgement of the one before. A connection
        // that refuses the option is broken, which its first read shows.
        stream.set_nodelay(true).unwrap_or_default();
        let state = ConnectionState::opened(Instant::now());
        let stream = wrap(ClientStream::new(stream, state.clone()));
        let client = (stream, ClientAddress(address));
        let task = self.tasks.spawn(serve_connection(client, router, state.clone(), end));
        self.open.push(OpenConnection { state, task });
    }

    /// Closes the connection that has waited for its client for longest; false if all wait for the server.
    ///
    /// Those that have ended must be forgotten before.
    fn replace(&mut self) -> bool {
        let waiting = self.open.iter().enumerate();
        let waiting = waiting.filter_map(|(index, open)| Some((open.state.precedence()?, index)));
        let Some((_, index)) = waiting.min() else { return false };
        self.open.swap_remove(index).task.abort();
        (self.on_close)(CloseReason::Replaced);
        true
    }

    fn close_overdue(&mut self) {
        self.forget_ended();
        let (now, Self { limits, on_close, open, .. }) = (Instant::now(), self);
        open.retain(|open| {
            let Some(reason) = open.state.overdue(limits, now) else { return true };
            open.task.abort();
            on_close(reason);
            false
        });
    }

    /// Forgets the connections that are closed.
    fn forget_ended(&mut self) {
        // A panic of a request ends its connection only.
        while self.tasks.try_join_next().is_some() {}
        self.open.retain(|open| !open.task.is_finished());
    }

    /// Waits for the requests under way.
    async fn finish(mut self, mut checks: tokio::time::Interval) {
        while !self.tasks.is_empty() {
            tokio::select! {
                _ = self.tasks.join_next() => {}
                _ = checks.tick() => self.close_overdue(),
            }
        }
    }
}

/// Serves the requests of a connection until it is closed, or until the end.
async fn serve_connection<Io>(
    (stream, address): (Io, ClientAddress),
    router: Router,
    state: ConnectionState,
    end: CancellationToken,
) where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(address);
        answer(router.clone(), request, state.clone())
    });
    // The listener has limits of its own for the time of a head.
    let builder =
        http1::Builder::new().header_read_timeout(None).serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(builder);
    // A broken connection concerns its client alone.
    tokio::select! {
        served = connection.as_mut() => drop(served),
        () = end.cancelled() => {
            connection.as_mut().graceful_shutdown();
            drop(connection.await);
        }
    }
}

async fn answer(
    mut router: Router,
    request: Request<Incoming>,
    state: ConnectionState,
) -> Result<Response<RecordedBody<Body>>, Infallible> {
    let has_body = !hyper::body::Body::is_end_stream(request.body());
    state.request_began(has_body, Instant::now());
    let of_request = state.clone();
    let request = request.map(|body| Body::new(RecordedBody::of_request(body, of_request)));
    let response = router.call(request).await?;
    Ok(response.map(|body| RecordedBody::of_response(body, state)))
}

/// The response to a request above the limit of connections.
async fn refusal() -> Response<Body> {
    let text = "every connection is in use, hint: try again, or open fewer connections\n";
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
