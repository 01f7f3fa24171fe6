//! The admin server over a real socket.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use longshore::{
    admin::{AdminServer, AdminSource},
    health::Health,
    tasks::Tasks,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Handle,
};

struct Server {
    address: SocketAddr,
    health: Health,
    admin: AdminServer,
}

async fn start() -> Server {
    start_with(|| "longshore_messages_started_total 3\n".to_owned()).await
}

async fn start_with(metrics: impl Fn() -> String + Send + Sync + 'static) -> Server {
    let health = Health::new();
    let source = AdminSource {
        health: health.clone(),
        metrics: Arc::new(metrics),
        status: Arc::new(|| json!({ "queues": { "orders": { "running": 2 } } })),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tasks, _) = Tasks::on(Handle::current());
    Server { address, health, admin: AdminServer::start(listener, source, &tasks) }
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Server {
    async fn ask(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{request} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
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
async fn the_page_lists_every_route() {
    let server = start().await;
    let page = server.ask("GET /").await;
    assert_eq!(page.status, 200);
    for route in ["/livez", "/readyz", "/metrics", "/status"] {
        assert!(page.body.contains(&format!("href=\"{route}\"")), "{route}");
        assert_eq!(server.ask(&format!("GET {route}")).await.status, 200, "{route}");
    }
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
async fn scrapers_that_never_read_hold_at_most_four_texts_and_health_still_answers() {
    let made = Arc::new(AtomicUsize::new(0));
    let counted = made.clone();
    // More than any socket's buffers hold.
    let server = start_with(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        "x".repeat(32 * 1024 * 1024)
    })
    .await;
    let mut scrapers = Vec::new();
    for _ in 0..20 {
        let mut scraper = TcpStream::connect(server.address).await.unwrap();
        scraper.write_all(b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        scrapers.push(scraper);
    }
    let refused = server.ask("GET /metrics").await;
    assert_eq!((refused.status, made.load(Ordering::SeqCst)), (503, 4));
    assert!(refused.body.contains("4 scrapes are under way"), "{}", refused.body);
    assert_eq!(server.ask("GET /livez").await.status, 200);
    drop(scrapers);
    assert_eq!(server.ask("GET /metrics").await.body.len(), 32 * 1024 * 1024, "they are gone");
}
