//! The admin server over a real socket.

use std::{
    io::Read as _,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use flate2::read::GzDecoder;
use longshore::{
    Metrics,
    admin::{AdminServer, AdminSource, ControlAccess, ControlRefusal, DlqAccess},
    health::Health,
    message::{AttributeValue, OutgoingMessage},
    queue::{EmulatorQueue, Queue},
    stop::Stop,
    tasks::Tasks,
    telemetry::MetricsFormat,
};
use longshore_emulator::{SqsAccount, StringMap};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    time::Instant,
};

/// More than any socket's buffers hold.
const LARGE: usize = 32 * 1024 * 1024;

struct Server {
    address: SocketAddr,
    health: Health,
    admin: AdminServer,
    /// The metrics of the server itself.
    counted: Metrics,
}

async fn start() -> Server {
    start_with(|_| "longshore_messages_started_total 3\n".to_owned()).await
}

async fn start_with(metrics: impl Fn(MetricsFormat) -> String + Send + Sync + 'static) -> Server {
    start_from(metrics, |source| source).await
}

async fn start_from(
    metrics: impl Fn(MetricsFormat) -> String + Send + Sync + 'static,
    change: impl FnOnce(AdminSource) -> AdminSource,
) -> Server {
    let health = Health::new();
    let source = AdminSource {
        health: health.clone(),
        metrics: Arc::new(metrics),
        status: Arc::new(|| json!({ "queues": { "orders": { "running": 2 } } })),
        message: Arc::new(|id: &str| match id {
            "a/b" => Ok(json!({ "messageId": id, "receives": [] })),
            _ => Err(json!({ "error": "this worker knows nothing", "messageId": id, "reach": [] })),
        }),
        access: ControlAccess::loopback(),
        control: Arc::new(|queue: &str, request| match queue {
            "orders" => Ok(json!({ "queue": queue, "request": format!("{request:?}") })),
            _ => Err(ControlRefusal::NotFound("no such queue".to_owned())),
        }),
        dlq: Arc::new(|_| Err(ControlRefusal::NotFound("no such queue".to_owned()))),
    };
    let source = change(source);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tasks, _) = Tasks::on(Handle::current());
    let counted = Metrics::new();
    let admin = AdminServer::start(listener, source, counted.process(), &tasks);
    Server { address, health, admin, counted }
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Server {
    async fn ask(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    /// The head and the body of an answer to a scrape with these headers.
    async fn scrape(&self, headers: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request =
            format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase();
        (head, answer[end + 4..].to_vec())
    }

    async fn json(&self, request: &str) -> (u16, Value) {
        let answer = self.ask(request).await;
        (answer.status, serde_json::from_str(&answer.body).unwrap())
    }
}

#[tokio::test]
async fn a_silent_loop_fails_the_liveness_check_by_name() {
    let server = start().await;
    assert_eq!(server.json("GET /livez").await, (200, json!({ "status": "live" })));
    let _pulse = server.health.pulse("orders receive", Duration::ZERO);
    let (status, body) = server.json("GET /livez").await;
    assert_eq!((status, &body["status"]), (503, &json!("silent")));
    assert_eq!(body["silent"], json!({ "orders receive": "0s" }));
}

#[tokio::test]
async fn an_unready_worker_gives_the_reason() {
    let server = start().await;
    let condition = server.health.condition("orders", "no poll has succeeded yet");
    let body = json!({ "status": "unready", "unready": { "orders": "no poll has succeeded yet" } });
    assert_eq!(server.json("GET /readyz").await, (503, body));
    condition.ready();
    assert_eq!(server.json("GET /readyz").await, (200, json!({ "status": "ready" })));
}

#[tokio::test]
async fn metrics_and_status_are_served_as_the_process_gives_them() {
    let server = start().await;
    let metrics = server.ask("GET /metrics").await;
    assert!(
        metrics.head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
        "{}",
        metrics.head
    );
    assert_eq!((metrics.status, metrics.body.as_str()), (200, "longshore_messages_started_total 3\n"));
    assert_eq!(server.json("GET /status").await, (200, json!({ "queues": { "orders": { "running": 2 } } })));
}

#[tokio::test]
async fn status_and_messages_are_made_away_from_the_thread_that_extends_the_leases() {
    let engines = thread::current().id();
    let place = move || if thread::current().id() == engines { "the engine's" } else { "another" };
    let server = start_from(
        |_| String::new(),
        |source| AdminSource {
            status: Arc::new(move || json!(place())),
            message: Arc::new(move |_: &str| Ok(json!(place()))),
            ..source
        },
    );
    let server = server.await;
    for request in ["GET /status", "GET /messages/m"] {
        assert_eq!(server.json(request).await, (200, json!("another")), "{request}");
    }
}

#[tokio::test]
async fn a_scrape_is_answered_in_the_form_that_it_asks_for() {
    let server = start_with(|format| format!("{format:?}\n")).await;
    let (head, body) = server.scrape("Accept: text/plain\r\n").await;
    assert!(head.contains("vary: accept, accept-encoding") && !head.contains("content-encoding"), "{head}");
    assert_eq!(body, b"Prometheus\n");
    let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";
    let (head, body) = server.scrape(accept).await;
    let media_type = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(head.contains(media_type), "{head}");
    assert_eq!(body, b"OpenMetrics\n");
    let (head, body) = server.scrape(&format!("{accept}Accept-Encoding: gzip, br\r\n")).await;
    assert!(head.contains(media_type) && head.contains("content-encoding: gzip"), "{head}");
    let mut text = String::new();
    GzDecoder::new(&*body).read_to_string(&mut text).unwrap();
    assert_eq!(text, "OpenMetrics\n");
}

#[tokio::test]
async fn the_page_lists_every_route() {
    let server = start().await;
    let page = server.ask("GET /").await;
    assert_eq!(page.status, 200);
    for route in ["/livez", "/readyz", "/metrics", "/status"] {
        // Relative, for proxies that serve it below a path.
        assert!(page.body.contains(&format!("href=\"{}\"", &route[1..])), "{route}");
        assert_eq!(server.ask(&format!("GET {route}")).await.status, 200, "{route}");
    }
}

#[tokio::test]
async fn the_page_allows_a_browser_nothing_but_its_own_files() {
    let server = start().await;
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/page.js", "text/javascript; charset=utf-8"),
        ("/page.css", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
    ] {
        let file = server.ask(&format!("GET {path}")).await;
        assert_eq!(file.status, 200, "{path}");
        for header in [
            format!("content-type: {content_type}\r\n"),
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
             connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
                .to_owned(),
            "x-content-type-options: nosniff".to_owned(),
        ] {
            assert!(file.head.contains(&header), "{path}: {header} in {}", file.head);
        }
    }
    let page = server.ask("GET /").await.body;
    for inline in ["<script>", "<style", "style=", "onclick", "onload", "http:", "https:", "//"] {
        assert!(!page.contains(inline), "{inline}");
    }
    let script = server.ask("GET /page.js").await.body;
    for html in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
        assert!(!script.contains(html), "{html}");
    }
}

#[tokio::test]
async fn a_message_is_asked_for_by_its_id() {
    let server = start().await;
    let known = server.json("GET /messages/a%2Fb").await;
    assert_eq!(known, (200, json!({ "messageId": "a/b", "receives": [] })));
    let (status, unknown) = server.json("GET /messages/%3Cscript%3E").await;
    assert_eq!((status, unknown["messageId"].as_str()), (404, Some("<script>")));
    let answer = server.ask("GET /messages/%3Cscript%3E").await;
    assert!(answer.head.contains("content-type: application/json"), "no page: {}", answer.head);
}

/// Opens the stream of events, and returns it after its first event.
async fn look(server: &Server) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut text = String::new();
    while !text.contains("\n\n") && !text.contains("503") {
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).await.unwrap();
        assert!(count > 0, "{text}");
        text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
    (stream, text)
}

#[tokio::test]
async fn the_status_comes_as_events_while_the_viewer_is_connected() {
    let server = start().await;
    let (mut stream, first) = look(&server).await;
    assert!(first.to_lowercase().contains("content-type: text/event-stream"), "{first}");
    let event = "data: {\"queues\":{\"orders\":{\"running\":2}}}\n\n";
    assert!(first.contains(event), "{first}");
    // More than the time for which a client may leave a request unfinished.
    let asked = Instant::now();
    while asked.elapsed() < Duration::from_secs(12) {
        let mut bytes = [0; 4096];
        let count = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut bytes)).await;
        let count = count.unwrap().unwrap();
        assert!(std::str::from_utf8(&bytes[..count]).unwrap().contains(event));
    }
    server.admin.end().await;
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await.unwrap().unwrap();
}

#[tokio::test]
async fn viewers_beyond_eight_are_refused_and_take_no_place_of_scrapes() {
    let server = start().await;
    let mut viewers = Vec::new();
    for _ in 0..8 {
        viewers.push(look(&server).await.0);
    }
    let (_, refused) = look(&server).await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("8 viewers are connected"), "{refused}");
    assert_eq!(server.ask("GET /metrics").await.status, 200);
    drop(viewers.pop());
    let looked = async {
        while look(&server).await.1.starts_with("HTTP/1.1 503") {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), looked).await.unwrap();
}

#[tokio::test]
async fn an_unknown_path_or_method_is_an_error_in_json() {
    let server = start().await;
    assert_eq!(
        server.json("GET /nothing").await,
        (404, json!({ "error": "no such page", "path": "/nothing" }))
    );
    let (status, body) = server.json("POST /livez").await;
    assert_eq!((status, &body["error"]), (405, &json!("method not allowed")));
}

#[tokio::test]
async fn an_open_connection_does_not_delay_the_end() {
    let server = start().await;
    let mut half_asked = TcpStream::connect(server.address).await.unwrap();
    half_asked.write_all(b"GET /livez HTTP/1.1\r\nHost: h\r\n").await.unwrap();
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let ended = tokio::time::timeout(Duration::from_secs(10), server.admin.end()).await;
    ended.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_method_that_changes_something_is_refused_to_a_foreign_page() {
    let server = start().await;
    for (headers, status) in [
        ("Host: localhost\r\nOrigin: https://evil.example", 403),
        ("Host: localhost\r\nSec-Fetch-Site: cross-site", 403),
        ("Host: evil.example", 403),
        ("Host: localhost\r\nSec-Fetch-Site: same-origin", 405),
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = format!("POST /status HTTP/1.1\r\n{headers}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{headers}: {answer}");
    }
}

/// Posts a body and returns the answer.
async fn post(server: &Server, path: &str, headers: &str, body: &str) -> (u16, Value) {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\n{headers}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_default())
}

#[tokio::test]
async fn a_queue_is_paused_resumed_and_scaled_by_requests() {
    let server = start().await;
    for (path, body, expected) in [
        ("pause", r#"{"reason": "maintenance"}"#, r#"Pause { reason: "maintenance" }"#),
        ("pause", "", r#"Pause { reason: "through the admin server" }"#),
        ("pause", r#"{"reason": null}"#, r#"Pause { reason: "through the admin server" }"#),
        ("resume", "", "Resume"),
        ("scale", r#"{"concurrency": 4}"#, "Scale { concurrency: 4 }"),
    ] {
        let (status, answer) =
            post(&server, &format!("/queues/orders/{path}"), "Host: localhost", body).await;
        assert_eq!((status, &answer), (200, &json!({ "queue": "orders", "request": expected })), "{path}");
    }
    let long = json!({ "reason": "x".repeat(201) }).to_string();
    for (path, body, expected) in [
        ("mails/pause", "", 404),
        ("orders/scale", "", 400),
        ("orders/scale", r#"{"concurrency": -1}"#, 400),
        ("orders/scale", r#"{"concurrency": 1, "more": 1}"#, 400),
        ("orders/pause", r#"{"reason": "a\nb"}"#, 400),
        ("orders/pause", &long, 400),
        ("orders/stop", "", 404),
    ] {
        let (status, answer) = post(&server, &format!("/queues/{path}"), "Host: localhost", body).await;
        assert_eq!(status, expected, "{path} {body}");
        assert!(answer["error"].is_string(), "{answer}");
    }
    let (status, answer) = server.json("GET /queues/orders/pause").await;
    assert_eq!((status, &answer["allowed"]), (405, &json!(["POST"])));
}

#[tokio::test]
async fn a_foreign_page_controls_no_queue() {
    let server = start().await;
    for headers in [
        "Host: localhost\r\nOrigin: https://evil.example",
        "Host: localhost\r\nSec-Fetch-Site: cross-site",
        "Host: evil.example",
        "Host: localhost\r\nX-Forwarded-For: 10.0.0.7",
    ] {
        let (status, _) = post(&server, "/queues/orders/pause", headers, "").await;
        assert_eq!(status, 403, "{headers}");
    }
}

#[tokio::test]
async fn a_notice_is_shown_on_the_page_of_readiness_and_leaves_it_ready() {
    let server = start().await;
    let notice = server.health.notice("orders polling");
    notice.show("paused by the operator: maintenance");
    let notices = json!({ "orders polling": "paused by the operator: maintenance" });
    assert_eq!(server.json("GET /readyz").await, (200, json!({ "status": "ready", "notices": notices })));
}

#[tokio::test]
async fn scrapers_that_never_read_hold_at_most_four_texts_and_hold_up_no_scrape() {
    let made = Arc::new(AtomicUsize::new(0));
    let counted = made.clone();
    // More than any socket's buffers hold.
    let server = start_with(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        "x".repeat(LARGE)
    })
    .await;
    let (asked, mut scrapers) = (Instant::now(), Vec::new());
    for _ in 0..20 {
        let mut scraper = TcpStream::connect(server.address).await.unwrap();
        scraper.write_all(b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        let mut first = [0; 12];
        scraper.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        scrapers.push(scraper);
    }
    let seconds = usize::try_from(asked.elapsed().as_secs()).unwrap();
    assert!(made.load(Ordering::SeqCst) <= 5 + seconds / 5, "{made:?} in {seconds} s");
    assert_eq!(server.ask("GET /metrics").await.body.len(), LARGE);
    assert_eq!(server.ask("GET /livez").await.status, 200);
}

#[tokio::test]
async fn a_scraper_that_never_reads_is_cut_and_counted() {
    let server = start_with(|_| "x".repeat(LARGE)).await;
    let mut scraper = TcpStream::connect(server.address).await.unwrap();
    scraper.write_all(b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    let counted = "longshore_admin_connections_closed_total{reason=\"unread\"} 1";
    let cut = async {
        while !server.counted.text().contains(counted) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), cut).await.unwrap();
    let mut text = Vec::new();
    // A reset is an end, too.
    drop(scraper.read_to_end(&mut text).await);
    assert!(text.len() < LARGE, "{}", text.len());
}

#[tokio::test]
async fn a_thousand_idle_connections_delay_no_scrape_and_use_up_no_descriptors() {
    let server = start().await;
    let mut idle = Vec::new();
    for _ in 0..1_000 {
        idle.push(TcpStream::connect(server.address).await.unwrap());
    }
    let asked = Instant::now();
    assert_eq!(server.ask("GET /metrics").await.status, 200);
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    let mut open = 0;
    for stream in &mut idle {
        open += usize::from(tokio::time::timeout(Duration::from_millis(1), stream.read_u8()).await.is_err());
    }
    assert!(open < 128, "{open}");
    let closed = server.counted.text();
    assert!(closed.contains("longshore_admin_connections_closed_total{reason=\"replaced\"}"), "{closed}");
}

#[tokio::test]
async fn http_2_blocks_no_scrape_because_it_is_not_spoken() {
    let server = start().await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // The preface, and SETTINGS_INITIAL_WINDOW_SIZE = 0.
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0";
        stream.write_all(preface).await.unwrap();
        let mut answer = Vec::new();
        // A reset is an end, too.
        drop(stream.read_to_end(&mut answer).await);
        assert!(answer.is_empty(), "{answer:?}");
        streams.push(stream);
    }
    assert_eq!(server.ask("GET /metrics").await.status, 200);
}

/// An account with the queue `orders`, its DLQ, and the queue `bare` without one.
fn account() -> SqsAccount {
    let account = SqsAccount::default();
    let none = StringMap::new();
    for name in ["dlq", "bare"] {
        account.create_queue(name, &none, &none).unwrap();
    }
    let policy = json!({ "deadLetterTargetArn": account.arn("dlq").unwrap(), "maxReceiveCount": 3 });
    let policy = StringMap::from([("RedrivePolicy".to_owned(), policy.to_string())]);
    account.create_queue("orders", &policy, &none).unwrap();
    account
}

/// A server whose queues are those of the account.
async fn start_with_queues(account: &SqsAccount, access: ControlAccess) -> Server {
    let account = account.clone();
    let dlq = move |name: &str| {
        account.arn(name).map_err(|error| ControlRefusal::NotFound(error.message))?;
        let queue: Arc<dyn Queue> = Arc::new(EmulatorQueue::new(&account, name));
        Ok(DlqAccess { queue, dlq: None, stop: Stop::new() })
    };
    start_from(|_| String::new(), |source| AdminSource { dlq: Arc::new(dlq), access, ..source }).await
}

fn send(account: &SqsAccount, queue: &str, body: &str) -> String {
    let mut message = OutgoingMessage::new(body);
    for (name, value) in [("reason", "no such order"), ("kind", "http")] {
        message.attributes.insert(format!("longshore.reject.{name}"), AttributeValue::string(value));
    }
    account.send(queue, message).unwrap().id.to_string()
}

/// The numbers of visible messages and of those in flight.
fn counts(account: &SqsAccount, queue: &str) -> (u64, u64) {
    let snapshot = account.snapshot(queue).unwrap();
    (snapshot.visible, snapshot.in_flight)
}

const LOCAL: &str = "Host: localhost";

/// Waits for the end of the task on the DLQ of `orders`, and returns its state.
async fn ended(server: &Server) -> Value {
    let ended = async {
        loop {
            let latest = server.json("GET /queues/orders/dlq").await.1["latest"].clone();
            if latest["state"] != "running" {
                return latest;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), ended).await.unwrap()
}

#[tokio::test]
async fn a_peek_costs_each_shown_message_a_receive_and_leaves_it_visible() {
    let account = account();
    let server = start_with_queues(&account, ControlAccess::loopback()).await;
    let long = "é".repeat(1_000);
    for body in [long.as_str(), "second", "third"] {
        send(&account, "dlq", body);
    }
    let (status, peeked) = post(&server, "/queues/orders/dlq/peek", LOCAL, r#"{"limit": 2}"#).await;
    assert_eq!((status, &peeked["dlq"], &peeked["visible"]), (200, &json!("dlq"), &json!(3)));
    let messages = peeked["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 2, "none is received beyond the limit");
    let first = &messages[0];
    assert_eq!((&first["body"], &first["bodyBytes"]), (&json!("é".repeat(250)), &json!(2_000)));
    assert_eq!((&first["receives"], &first["rejected"]["reason"]), (&json!(1), &json!("no such order")));
    assert_eq!(counts(&account, "dlq"), (3, 0), "all are visible at once");
    let (_, all) = post(&server, "/queues/orders/dlq/peek", LOCAL, "").await;
    let receives: Vec<_> = all["messages"].as_array().unwrap().iter().map(|one| &one["receives"]).collect();
    assert_eq!(receives.iter().filter(|count| **count == &json!(2)).count(), 2, "{receives:?}");
    for (path, body, expected) in [
        ("orders/dlq/peek", r#"{"limit": 51}"#, 400),
        ("bare/dlq/peek", "", 409),
        ("nowhere/dlq/peek", "", 404),
        ("orders/dlq/redrive", r#"{"ids": []}"#, 400),
        ("orders/dlq/redrive", r#"{"all": true, "ids": ["a"]}"#, 400),
        ("orders/dlq/delete", "{}", 400),
    ] {
        let (status, answer) = post(&server, &format!("/queues/{path}"), LOCAL, body).await;
        assert_eq!(status, expected, "{path} {body}: {answer}");
    }
}

#[tokio::test]
async fn single_messages_are_deleted_and_redriven_and_the_rest_stays() {
    let account = account();
    let server = start_with_queues(&account, ControlAccess::loopback()).await;
    let ids = ["a", "b", "c", "d"].map(|body| send(&account, "dlq", body));
    let body = json!({ "id": ids[1] }).to_string();
    let (status, answer) = post(&server, "/queues/orders/dlq/delete", LOCAL, &body).await;
    assert_eq!((status, &answer["latest"]["task"]), (202, &json!("delete")));
    let latest = ended(&server).await;
    assert_eq!((&latest["state"], &latest["done"]), (&json!("finished"), &json!(1)), "{latest}");
    assert_eq!((counts(&account, "dlq"), counts(&account, "orders")), ((3, 0), (0, 0)));

    let body = json!({ "ids": [ids[2]] }).to_string();
    assert_eq!(post(&server, "/queues/orders/dlq/redrive", LOCAL, &body).await.0, 202);
    let latest = ended(&server).await;
    assert_eq!((&latest["state"], &latest["done"]), (&json!("finished"), &json!(1)), "{latest}");
    let sent = &account.messages("orders").unwrap()[0];
    assert_eq!((sent.body.as_str(), sent.attributes.len()), ("c", 0), "as its sender has sent it");
    assert_eq!(counts(&account, "dlq"), (2, 0));

    let (_, gone) = post(&server, "/queues/orders/dlq/redrive", LOCAL, &body).await;
    assert_eq!(gone["latest"]["state"], "running");
    let latest = ended(&server).await;
    assert_eq!((&latest["state"], &latest["done"]), (&json!("finished"), &json!(0)), "{latest}");
}

#[tokio::test]
async fn a_redrive_of_all_goes_on_by_itself_and_can_be_stopped() {
    let account = account();
    let server = start_with_queues(&account, ControlAccess::loopback()).await;
    for number in 0..100 {
        send(&account, "dlq", &number.to_string());
    }
    let body = r#"{"all": true}"#;
    assert_eq!(post(&server, "/queues/orders/dlq/redrive", LOCAL, body).await.0, 202);
    for (path, body) in [("peek", ""), ("redrive", body), ("delete", r#"{"id": "m"}"#)] {
        let (status, answer) = post(&server, &format!("/queues/orders/dlq/{path}"), LOCAL, body).await;
        assert_eq!(status, 409, "one task at a time: {answer}");
    }
    assert_eq!(post(&server, "/queues/orders/dlq/stop", LOCAL, "").await.0, 200);
    let latest = ended(&server).await;
    assert_eq!(latest["state"], "interrupted", "{latest}");
    let sent = latest["done"].as_u64().unwrap();
    assert!(sent < 100, "{latest}");
    assert_eq!((counts(&account, "dlq"), counts(&account, "orders")), ((100 - sent, 0), (sent, 0)));
}

#[tokio::test]
async fn a_dlq_is_read_and_changed_only_by_those_who_may_control_the_queue_and_by_no_foreign_page() {
    let account = account();
    let id = send(&account, "dlq", "secret");
    let requests = [
        ("peek", String::new()),
        ("redrive", json!({ "all": true }).to_string()),
        ("redrive", json!({ "ids": [id] }).to_string()),
        ("delete", json!({ "id": id }).to_string()),
        ("stop", String::new()),
    ];
    let off = start_with_queues(&account, ControlAccess::off()).await;
    let token = start_with_queues(&account, ControlAccess::off().with_token("0123456789abcdef")).await;
    let open = start_with_queues(&account, ControlAccess::loopback()).await;
    for (path, body) in &requests {
        let path = format!("/queues/orders/dlq/{path}");
        for (server, headers, expected) in [
            (&off, LOCAL, 403),
            (&token, LOCAL, 401),
            (&token, "Host: localhost\r\nAuthorization: Bearer 0123456789abcdeX", 401),
            (&open, "Host: localhost\r\nX-Forwarded-For: 10.0.0.7", 403),
            (&open, "Host: localhost\r\nOrigin: https://evil.example", 403),
            (&open, "Host: localhost\r\nSec-Fetch-Site: cross-site", 403),
            (&open, "Host: evil.example", 403),
        ] {
            let (status, answer) = post(server, &path, headers, body).await;
            assert_eq!(status, expected, "{path} {headers}");
            assert!(!answer.to_string().contains("secret"), "{answer}");
        }
        let (status, answer) = open.json(&format!("GET {path}")).await;
        assert_eq!((status, &answer["allowed"]), (405, &json!(["POST"])), "a peek is no mere read, either");
    }
    assert_eq!(off.json("GET /queues/orders/dlq").await.0, 403);
    let (status, answer) = open.json("GET /queues/orders/dlq").await;
    assert_eq!((status, &answer["latest"]), (200, &Value::Null));
    assert_eq!(counts(&account, "dlq"), (1, 0));
    let allowed = "Host: localhost\r\nAuthorization: Bearer 0123456789abcdef";
    let (status, answer) = post(&token, "/queues/orders/dlq/peek", allowed, "").await;
    assert_eq!((status, &answer["messages"][0]["body"]), (200, &json!("secret")));
    assert_eq!(answer["messages"][0]["receives"], 1, "no request that was refused has received it");
}
