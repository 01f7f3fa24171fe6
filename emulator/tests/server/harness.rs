//! An emulator on a free port, and its clients.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use aws_sdk_sqs::{
    Client,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
    types::{Message, QueueAttributeName},
};
use longshore_emulator::Emulator;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Longer than any immediate response takes on the slowest machine.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(10);

/// A running emulator and a client of it.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) client: Client,
    pub(crate) emulator: Emulator,
}

impl Served {
    pub(crate) async fn start() -> Self {
        Self::of(Emulator::start().await.unwrap())
    }

    pub(crate) fn of(emulator: Emulator) -> Self {
        let address = emulator.address();
        Self { address, client: client(address), emulator }
    }

    pub(crate) fn endpoint(&self) -> String {
        self.emulator.endpoint()
    }

    /// Creates a queue; returns its URL.
    pub(crate) async fn queue(&self, name: &str) -> String {
        self.queue_with(name, &[]).await
    }

    /// Creates a queue with attributes; returns its URL.
    pub(crate) async fn queue_with(&self, name: &str, attributes: &[(QueueAttributeName, &str)]) -> String {
        let attributes: HashMap<_, _> =
            attributes.iter().map(|(name, value)| (name.clone(), (*value).to_owned())).collect();
        let create = self.client.create_queue().queue_name(name).set_attributes(Some(attributes));
        create.send().await.unwrap().queue_url.unwrap()
    }

    /// Creates a FIFO queue that deduplicates by content; returns its URL.
    pub(crate) async fn fifo_queue(&self, name: &str) -> String {
        let attributes = [
            (QueueAttributeName::FifoQueue, "true"),
            (QueueAttributeName::ContentBasedDeduplication, "true"),
        ];
        self.queue_with(name, &attributes).await
    }

    pub(crate) async fn send(&self, url: &str, body: &str) {
        self.client.send_message().queue_url(url).message_body(body).send().await.unwrap();
    }

    pub(crate) async fn send_to_group(&self, url: &str, group: &str, body: &str) {
        let send = self.client.send_message().queue_url(url).message_group_id(group).message_body(body);
        send.send().await.unwrap();
    }

    /// Receives up to ten messages with all attributes.
    pub(crate) async fn receive(&self, url: &str, wait_seconds: i32) -> Vec<Message> {
        let receive = self
            .client
            .receive_message()
            .queue_url(url)
            .wait_time_seconds(wait_seconds)
            .max_number_of_messages(10)
            .message_system_attribute_names("All".into())
            .message_attribute_names("All");
        receive.send().await.unwrap().messages.unwrap_or_default()
    }

    /// Receives the one message there is, waiting for it if need be, but not to the end of its wait.
    pub(crate) async fn receive_one(&self, url: &str) -> Message {
        let received = tokio::time::timeout(AT_ONCE, self.receive(url, 20)).await;
        let mut messages = received.expect("a message before the wait ends");
        assert_eq!(messages.len(), 1, "{messages:?}");
        messages.remove(0)
    }

    /// Waits until a receive waits at the queue.
    pub(crate) async fn is_waited_at(&self, url: &str) {
        let (_, name) = url.rsplit_once('/').unwrap();
        let waited_at = async {
            while self.emulator.sqs().waiting_receives(name).unwrap() == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(AT_ONCE, waited_at).await.expect("a receive that waits");
    }

    pub(crate) async fn attribute(&self, url: &str, name: QueueAttributeName) -> String {
        let get = self.client.get_queue_attributes().queue_url(url).attribute_names(name.clone());
        get.send().await.unwrap().attributes.unwrap().remove(&name).unwrap()
    }

    /// Creates a queue whose messages are dead letters after one receive, and its dead-letter queue.
    pub(crate) async fn queue_with_dlq(&self, name: &str) -> (String, String) {
        let dead = self.queue(&format!("{name}-dlq")).await;
        let dead_arn = self.attribute(&dead, QueueAttributeName::QueueArn).await;
        let policy = format!(r#"{{"deadLetterTargetArn":"{dead_arn}","maxReceiveCount":1}}"#);
        let attributes = [
            (QueueAttributeName::RedrivePolicy, policy.as_str()),
            (QueueAttributeName::VisibilityTimeout, "0"),
        ];
        (self.queue_with(name, &attributes).await, dead)
    }
}

pub(crate) fn client(address: SocketAddr) -> Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("any", "any", None, None, "test"))
        .endpoint_url(format!("http://{address}"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_timeout(Duration::from_secs(40)).build())
        .build();
    Client::from_conf(config)
}

/// The code and the status of a call that was refused.
pub(crate) fn refusal<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(
    result: Result<T, SdkError<E>>,
) -> (String, u16) {
    let error = result.expect_err("a refusal");
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    (error.code().unwrap_or_default().to_owned(), status)
}

/// A response as it came over the socket.
#[derive(Debug)]
pub(crate) struct RawResponse {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Sends a request over a connection of its own and reads the response to its end.
pub(crate) async fn exchange(address: SocketAddr, request: &str) -> RawResponse {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    RawResponse { status, head: head.to_lowercase(), body: body.to_owned() }
}

async fn post(address: SocketAddr, path: &str, headers: &str, body: &str) -> RawResponse {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\n{headers}");
    exchange(address, &format!("{head}Connection: close\r\n\r\n{body}")).await
}

/// A request of the query protocol in a form.
pub(crate) async fn post_form(address: SocketAddr, path: &str, form: &str) -> RawResponse {
    let headers = "Content-Type: application/x-www-form-urlencoded\r\n";
    post(address, path, headers, form).await
}

/// A request of the JSON protocol.
pub(crate) async fn post_json(address: SocketAddr, action: &str, body: &str) -> RawResponse {
    let headers = format!("Content-Type: application/x-amz-json-1.0\r\nX-Amz-Target: AmazonSQS.{action}\r\n");
    post(address, "/", &headers, body).await
}
