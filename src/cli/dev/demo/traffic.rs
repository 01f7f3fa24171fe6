//! The sample messages with their expected ends, and the HTTP client that posts them to the ingest API.

use std::{fmt, net::SocketAddr};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// The number of quick messages.
const QUICK: usize = 200;

/// A sample message.
pub(super) struct SampleMessage {
    pub(super) body: String,
    pub(super) expected: ExpectedEnd,
}

/// The expected end of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExpectedEnd {
    /// Done, in this many runs.
    Done { runs: u32 },
    /// In the DLQ.
    DeadLetter,
}

impl fmt::Display for ExpectedEnd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done { runs } => write!(formatter, "done in {runs} runs"),
            Self::DeadLetter => formatter.write_str("in the dlq"),
        }
    }
}

/// The three messages that are not quick: one longer than any API waits, one that fails once, one that always fails.
pub(super) fn special() -> Vec<SampleMessage> {
    [
        (r#"{"sleep_ms": 35000}"#, ExpectedEnd::Done { runs: 1 }),
        (r#"{"fail": "once"}"#, ExpectedEnd::Done { runs: 2 }),
        (r#"{"fail": "always"}"#, ExpectedEnd::DeadLetter),
    ]
    .map(|(body, expected)| SampleMessage { body: body.to_owned(), expected })
    .into()
}

/// The quick messages.
pub(super) fn quick() -> Vec<SampleMessage> {
    let sample = |number| SampleMessage {
        body: format!(r#"{{"job": {number}}}"#),
        expected: ExpectedEnd::Done { runs: 1 },
    };
    (1..=QUICK).map(sample).collect()
}

/// Sends one message; returns its id.
pub(super) async fn send(api: SocketAddr, body: &str) -> Result<String, String> {
    let answer = post(api, "/v1/messages", body).await?;
    id_of(&answer)
}

/// Sends up to ten messages; returns their ids in order.
pub(super) async fn send_batch(api: SocketAddr, bodies: &[&str]) -> Result<Vec<String>, String> {
    let entries: Vec<_> = bodies.iter().map(|body| json!({ "body": body })).collect();
    let answer = post(api, "/v1/messages/batch", &Value::from(entries).to_string()).await?;
    let sent = answer["successful"].as_array().ok_or_else(|| format!("an unexpected answer: {answer}"))?;
    sent.iter().map(id_of).collect()
}

fn id_of(answer: &Value) -> Result<String, String> {
    let id = answer["messageId"].as_str().map(str::to_owned);
    id.ok_or_else(|| format!("an answer without a message id: {answer}"))
}

/// Posts JSON; any status but 202 is an error.
async fn post(api: SocketAddr, path: &str, body: &str) -> Result<Value, String> {
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {api}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len(),
    );
    let answer = exchange(api, &request).await.map_err(|error| error.to_string())?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("an answer without an end")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status != "202" {
        return Err(format!("status {status}: {body}"));
    }
    serde_json::from_str(body).map_err(|error| error.to_string())
}

async fn exchange(api: SocketAddr, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(api).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
