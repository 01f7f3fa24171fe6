//! Messages and servers for the tests.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use longshore::{
    Message,
    handler::{
        AnyHandler, Batch, BatchItem, Outcome,
        http::{HttpHandler, Settings},
    },
    message::{AttributeValue, MessageId, Receipt, SystemAttributes},
    tasks, testing,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Barrier,
};

pub(crate) fn message(body: &str) -> Message {
    Message {
        id: MessageId::new("message-1"),
        receipt: Receipt::new("receipt-1"),
        body: body.to_owned(),
        body_file: None,
        receive_count: 2,
        sent_at: None,
        attributes: BTreeMap::from([("Title".to_owned(), AttributeValue::string("The Whistler"))]),
        system: SystemAttributes {
            sender_id: Some("AIDAEXAMPLE".to_owned()),
            first_received_at: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_545_082_649_185)),
            group_id: Some("tenant-7".to_owned()),
            trace_header: Some("Root=1-5759e988-bd862e3fe1be46a994272793".to_owned()),
            ..SystemAttributes::default()
        }
        .into(),
    }
}

pub(crate) fn with_attributes<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Message {
    let texts = pairs.into_iter().map(|(name, text)| (name.to_owned(), AttributeValue::string(text)));
    Message { attributes: texts.collect(), ..message("{}") }
}

pub(crate) fn periodic_task(path: &str) -> Message {
    let attributes = with_attributes([
        ("beanstalk.sqsd.path", path),
        ("beanstalk.sqsd.task_name", "nightly"),
        ("beanstalk.sqsd.scheduled_time", "2026-01-02T03:04:05Z"),
    ])
    .attributes;
    Message { attributes, ..message("elasticbeanstalk scheduled job") }
}

pub(crate) fn http(url: &str) -> AnyHandler {
    http_with(Settings::new(url).unwrap())
}

pub(crate) fn http_with(settings: Settings) -> AnyHandler {
    HttpHandler::new(settings, "orders").unwrap().into()
}

pub(crate) async fn outcome_of(http: &AnyHandler, message: Message) -> Outcome {
    let context = testing::context().attempt(message.receive_count).build();
    http.handle(Arc::new(message), context).await
}

pub(crate) async fn outcomes_of<M: Into<Message>>(
    batches: &AnyHandler,
    messages: impl IntoIterator<Item = M>,
) -> Vec<Outcome> {
    let item = |message: M| {
        let message = message.into();
        BatchItem {
            context: testing::context().attempt(message.receive_count).build(),
            message: message.into(),
        }
    };
    let batch = Batch::new(messages.into_iter().map(item).collect()).unwrap();
    let count = batch.len();
    batches.call(batch, testing::context().build()).await.spread(count)
}

pub(crate) fn url_of(listener: &TcpListener) -> String {
    format!("http://{}/", listener.local_addr().unwrap())
}

/// One request that a handler received.
#[derive(Clone)]
pub(crate) struct RecordedRequest {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl RecordedRequest {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

/// A handler that always returns the same response and records its requests.
pub(crate) struct Recorder {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<RecordedRequest>>>,
}

impl Recorder {
    pub(crate) async fn answering(status: StatusCode) -> Self {
        Self::serve(move || status.into_response(), 1).await
    }

    pub(crate) async fn answering_with(
        status: StatusCode,
        headers: [(&'static str, &'static str); 1],
    ) -> Self {
        Self::serve(move || (status, headers).into_response(), 1).await
    }

    /// A handler that answers 200 with this body.
    pub(crate) async fn answering_body(body: impl Into<String>) -> Self {
        let body = body.into();
        Self::serve(move || body.clone().into_response(), 1).await
    }

    /// A handler that answers no request until it has received so many.
    pub(crate) async fn answering_together(requests: usize) -> Self {
        Self::serve(move || StatusCode::OK.into_response(), requests).await
    }

    /// A handler with this response, given once so many requests are there.
    pub(crate) async fn serve(
        answer: impl Fn() -> Response + Clone + Send + Sync + 'static,
        together: usize,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (url, requests) = (url_of(&listener), Arc::<Mutex<Vec<RecordedRequest>>>::default());
        let (recorded, gate) = (requests.clone(), Arc::new(Barrier::new(together)));
        let record = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| async move {
            let target = uri.to_string();
            recorded.lock().unwrap().push(RecordedRequest { method, target, headers, body });
            gate.wait().await;
            answer()
        };
        let router = Router::new().fallback(record).layer(axum::extract::DefaultBodyLimit::disable());
        tasks::detach("handler", async { axum::serve(listener, router).await.unwrap() });
        Self { url, requests }
    }

    pub(crate) fn last(&self) -> RecordedRequest {
        self.requests.lock().unwrap().last().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

/// A server whose connections the test handles one by one.
pub(crate) struct Peer {
    pub(crate) url: String,
    pub(crate) address: SocketAddr,
    listener: TcpListener,
}

impl Peer {
    pub(crate) async fn listen() -> Self {
        Self::listen_at(([127, 0, 0, 1], 0).into()).await
    }

    pub(crate) async fn listen_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        Self { url: url_of(&listener), address: listener.local_addr().unwrap(), listener }
    }

    pub(crate) async fn accept(&mut self) -> Connection {
        Connection(self.listener.accept().await.unwrap().0)
    }

    /// Accepts a connection and reads one request from it.
    pub(crate) async fn accept_one_request(&mut self) -> Connection {
        let mut connection = self.accept().await;
        connection.read_request().await;
        connection
    }

    /// Fails if another connection comes within 100 ms.
    pub(crate) async fn expect_no_connection(&mut self) {
        let wait = Duration::from_millis(100);
        assert!(tokio::time::timeout(wait, self.listener.accept()).await.is_err(), "posted again");
    }
}

pub(crate) struct Connection(TcpStream);

impl Connection {
    /// Reads one request with a small body, and returns its head.
    pub(crate) async fn read_request(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.split("Content-Length: ").nth(1).and_then(|rest| rest.lines().next());
        let mut body = vec![0; length.unwrap().parse().unwrap()];
        self.0.read_exact(&mut body).await.unwrap();
        head
    }

    pub(crate) async fn answer(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Closes the connection with a request unread, which resets it.
    pub(crate) async fn reset_at_a_request(self) {
        self.0.peek(&mut [0; 1]).await.unwrap();
    }

    pub(crate) async fn expect_close(&mut self) {
        assert_eq!(self.0.read(&mut [0; 1]).await.unwrap(), 0);
    }
}
