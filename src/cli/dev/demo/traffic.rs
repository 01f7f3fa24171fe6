//! The sample messages, and where each should end.


use std::net::SocketAddr;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// How many quick messages there are.
const QUICK: usize = 200;

/// A sample message.
pub(super) struct Sample {
    pub(super) body: String,
    pub(super) expected: Expected,
}

/// Where a message should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// Done, in this many runs.
    Done { runs: u32 },
    /// In the DLQ.
    DeadLetter,
}

/// The three that are not quick: longer than any API waits, failing once, failing always.
pub(super) fn special() -> Vec<Sample> {
    [
        (r#"{"sleep_ms": 35000}"#, Expected::Done { runs: 1 }),
        (r#"{"fail": "once"}"#, Expected::Done { runs: 2 }),
        (r#"{"fail": "always"}"#, Expected::DeadLetter),
    ]
    .map(|(body, expected)| Sample { body: body.to_owned(), expected })
    .into()
}

/// The quick ones.
pub(super) fn quick() -> Vec<Sample> {
    let sample =
        |number| Sample { body: format!(r#"{{"job": {number}}}"#), expected: Expected::Done { runs: 1 } };
    (1..=QUICK).map(sample).collect()
}

/// Sends one message and answers its id.
pub(super) async fn send(api: SocketAddr, body: &str) -> Result<String, String> {
    let answer = post(api, "/v1/messages", body).await?;
    id_of(&answer)
}

/// Sends up to ten messages and answers their ids in order.
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

/// Posts JSON; only 202 is an answer.
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
