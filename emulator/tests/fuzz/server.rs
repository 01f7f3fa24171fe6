//! Fuzz targets of the server: requests of both protocols, one a line, and the form of their responses.

#![expect(clippy::unwrap_used, reason = "a fuzz target panics where a fact does not hold")]

use axum::{
    body::{Body, to_bytes},
    extract::State,
    http::{Request, Response, StatusCode},
};
use quick_xml::{Reader, events::Event};
use serde_json::Value;
use std::{cell::OnceCell, net::Ipv4Addr, sync::Arc};
use tokio::runtime::{Builder, Runtime};

use super::{AllowedHosts, ServerState, Shutdown, answer};
use crate::{AccountIdentity, SnsAccount, SqsAccount, StringMap, limits};

thread_local! {
    static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() };
}

/// Forms of the query protocol, one a line.
pub(crate) fn forms(input: &[u8]) {
    run(async {
        let state = state();
        for form in input.split(|byte| *byte == b'\n') {
            let request = Request::post("/").body(Body::from(form.to_vec())).unwrap();
            let body = body_of(answer(State(state.clone()), request).await).await;
            check_xml(&body);
        }
    });
}

/// Requests of the JSON protocol, one a line: the action, a space, the JSON.
pub(crate) fn json(input: &[u8]) {
    run(async {
        let state = state();
        for line in input.split(|byte| *byte == b'\n') {
            let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
            let target = [b"AmazonSQS.", &line[..end]].concat();
            let request = Request::post("/").header("x-amz-target", target.as_slice());
            let Ok(request) = request.body(Body::from(line[end..].to_vec())) else { continue };
            let body = body_of(answer(State(state.clone()), request).await).await;
            assert!(
                body.is_empty() || serde_json::from_slice::<Value>(&body).is_ok(),
                "{}",
                body.escape_ascii()
            );
        }
    });
}

/// Runs on a paused clock, so that long polls take no time.
fn run(requests: impl Future<Output = ()>) {
    RUNTIME.with(|runtime| {
        let new = || Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.get_or_init(new).block_on(requests);
    });
}

/// An account with a queue and a FIFO queue, and a topic that the queue is subscribed to.
fn state() -> Arc<ServerState> {
    let sqs = SqsAccount::new(AccountIdentity::default());
    sqs.create_queue("orders", &StringMap::new(), &StringMap::new()).unwrap();
    let fifo = [("FifoQueue", "true"), ("ContentBasedDeduplication", "true")];
    let fifo = fifo.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    sqs.create_queue("orders.fifo", &fifo, &StringMap::new()).unwrap();
    let sns = SnsAccount::new(sqs);
    sns.create_topic("news", &StringMap::new(), &StringMap::new()).unwrap();
    let hosts = AllowedHosts::default();
    Arc::new(ServerState::new(sns, (Ipv4Addr::LOCALHOST, 9324).into(), hosts, Shutdown::default()))
}

async fn body_of(response: Response<Body>) -> Vec<u8> {
    let status = response.status();
    assert!(status == StatusCode::OK || status.is_client_error(), "{status}");
    to_bytes(response.into_body(), usize::MAX).await.unwrap().into()
}

/// Checks that the response is well-formed, and that XML allows each of its characters.
fn check_xml(body: &[u8]) {
    let text = str::from_utf8(body).unwrap();
    assert!(text.chars().all(limits::is_allowed), "{text:?}");
    let mut reader = Reader::from_str(text);
    let (mut depth, mut elements) = (0, 0);
    loop {
        match reader.read_event().unwrap() {
            Event::Start(_) => (depth, elements) = (depth + 1, elements + 1),
            Event::End(_) => depth -= 1,
            Event::Empty(_) => elements += 1,
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref().unwrap();
                assert!(character.is_none_or(limits::is_allowed), "{character:?} in {text:?}");
            }
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(depth == 0 && elements > 0, "{text:?}");
}
