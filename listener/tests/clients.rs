//! Slow, idle, greedy and HTTP/2 clients over real sockets.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a helper that cannot go on fails its test")]

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Bytes, routing};
use longshore_listener::{CloseReason, HttpListener, ListenerLimits};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// More than any socket's buffers hold.
const LARGE: usize = 32 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(20);

struct Served {
    address: SocketAddr,
    /// The requests that wait for ever.
    waiting: Arc<AtomicUsize>,
    closed: Arc<Mutex<Vec<CloseReason>>>,
    end: CancellationToken,
    serving: JoinHandle<()>,
}

/// Limits in which a test need not wait for long.
fn limits() -> ListenerLimits {
    let second = Duration::from_secs(1);
    ListenerLimits { head: second, body: second, unread: second, idle: second, ..ListenerLimits::default() }
}

#[expect(clippy::disallowed_methods, reason = "the listener's tests have no spawner of their own")]
async fn serve(limits: ListenerLimits) -> Served {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let waiting = Arc::<AtomicUsize>::default();
    let counted = waiting.clone();
    let router = Router::new()
        .route("/", routing::get(async || "fine").post(async |body: Bytes| body.len().to_string()))
        .route("/large", routing::get(async || Bytes::from(vec![b'x'; LARGE])))
        .route("/wait", routing::get(async move || count_and_wait(&counted).await));
    let (closed, end) = (Arc::<Mutex<Vec<_>>>::default(), CancellationToken::new());
    let reasons = closed.clone();
    let listener = HttpListener::new(socket, router).limits(limits);
    let listener = listener.on_close(move |reason| reasons.lock().unwrap().push(reason));
    Served { address, waiting, closed, serving: tokio::spawn(listener.serve(end.clone())), end }
}

async fn count_and_wait(waiting: &AtomicUsize) {
    waiting.fetch_add(1, Ordering::SeqCst);
    std::future::pending::<()>().await;
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A connection with these bytes sent.
    async fn send(&self, bytes: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        stream
    }

    /// The response to a request that closes its connection.
    async fn ask(&self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        let mut stream = self.send(&request).await;
        let mut response = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut response)).await.unwrap().unwrap();
        response
    }

    async fn is_closed_for(&self, reason: CloseReason) {
        let is_there = async {
            while !self.closed.lock().unwrap().contains(&reason) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, is_there).await.unwrap();
    }
}

/// The bytes up to the end of a connection, however it ends.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is an end, too.
    drop(timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("it stays open"));
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_head_a_byte_at_a_time_is_cut() {
    let served = serve(limits()).await;
    let mut stream = served.send("GET /").await;
    let (mut reading, mut writing) = stream.split();
    let mut bytes = Vec::new();
    let trickle = async {
        while writing.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    let closed = async { drop(reading.read_to_end(&mut bytes).await) };
    timeout(PATIENCE, async { tokio::join!(trickle, closed) }).await.unwrap();
    served.is_closed_for(CloseReason::SlowHead).await;
    assert!(bytes.is_empty());
}

#[tokio::test]
async fn a_body_that_does_not_come_is_cut() {
    let served = serve(limits()).await;
    let mut stream = served.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf").await;
    until_closed(&mut stream).await;
    served.is_closed_for(CloseReason::SlowBody).await;
}

#[tokio::test]
async fn a_connection_is_kept_between_requests_and_closed_when_it_stays_idle() {
    let served = serve(limits()).await;
    let mut stream = served.connect().await;
    for _ in 0..2 {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        let mut response = vec![0; 256];
        let read = stream.read(&mut response).await.unwrap();
        assert!(String::from_utf8_lossy(&response[..read]).ends_with("fine"));
    }
    assert_eq!(until_closed(&mut stream).await, "");
    assert_eq!(*served.closed.lock().unwrap(), [CloseReason::Idle]);
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_and_one_that_reads_gets_all() {
    let served = serve(limits()).await;
    let mut greedy = served.send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n").await;
    served.is_closed_for(CloseReason::Unread).await;
    assert!(until_closed(&mut greedy).await.len() < LARGE);
    assert!(served.ask("/large").await.len() > LARGE);
}

#[tokio::test]
async fn a_request_may_take_longer_than_any_limit_on_clients() {
    let served = serve(limits()).await;
    let mut waiting = served.send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let idle = Duration::from_secs(4);
    timeout(idle, waiting.read_u8()).await.expect_err("a request under way is not idle");
}

#[tokio::test]
async fn http_2_is_not_spoken() {
    let served = serve(limits()).await;
    // The preface and SETTINGS_INITIAL_WINDOW_SIZE = 0.
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0";
    let mut stream = served.send(preface).await;
    assert_eq!(until_closed(&mut stream).await, "");
    assert!(served.ask("/").await.ends_with("fine"));
}

#[tokio::test]
async fn a_thousand_idle_connections_leave_room_for_a_request() {
    let patient = ListenerLimits { head: PATIENCE * 60, idle: PATIENCE * 60, ..limits() };
    let served = serve(ListenerLimits { connections: 50, ..patient }).await;
    let mut idle = Vec::new();
    for _ in 0..1_000 {
        idle.push(served.connect().await);
    }
    let asked = Instant::now();
    assert!(served.ask("/").await.ends_with("fine"));
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    let mut open = 0;
    for stream in &mut idle {
        let read = timeout(Duration::from_millis(1), stream.read_u8()).await;
        open += usize::from(read.is_err());
    }
    assert!(open < 50, "{open}");
    // The oldest were closed first.
    assert!(timeout(Duration::from_millis(100), idle[999].read_u8()).await.is_err());
}

#[tokio::test]
async fn requests_under_way_are_not_cut_for_new_ones_which_are_refused() {
    let served = serve(limits().connections(2)).await;
    let mut waiting = Vec::new();
    for _ in 0..2 {
        waiting.push(served.send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n").await);
    }
    while served.waiting.load(Ordering::SeqCst) < 2 {
        sleep(Duration::from_millis(1)).await;
    }
    let refused = served.ask("/").await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(refused.to_lowercase().contains("retry-after: 1\r\n"), "{refused}");
    assert_eq!(*served.closed.lock().unwrap(), [CloseReason::Refused]);
    drop(waiting);
    let is_free = async { while !served.ask("/").await.ends_with("fine") {} };
    timeout(PATIENCE, is_free).await.unwrap();
}

#[tokio::test]
async fn the_end_closes_idle_connections_and_waits_for_requests() {
    let served = serve(ListenerLimits { body: PATIENCE, idle: PATIENCE * 60, ..limits() }).await;
    let _idle = served.connect().await;
    let head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    let mut half = served.send(head).await;
    let mut wanted = [0; 25];
    half.read_exact(&mut wanted).await.unwrap();
    assert_eq!(&wanted, b"HTTP/1.1 100 Continue\r\n\r\n");
    served.end.cancel();
    half.write_all(b"half").await.unwrap();
    let response = until_closed(&mut half).await;
    assert!(response.ends_with("\r\n\r\n4"), "{response}");
    timeout(PATIENCE, served.serving).await.unwrap().unwrap();
}
