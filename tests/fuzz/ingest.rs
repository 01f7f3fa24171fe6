//! Fuzz target of the ingest API: any request gets an answer in its form, and what the queue takes is what came.

#![expect(clippy::unwrap_used, reason = "a fuzz target panics where a fact does not hold")]

use std::{cell::OnceCell, sync::Arc};

use axum::{
    body::{Body, to_bytes},
    http::Request,
};
use longshore_emulator::{AccountIdentity, SqsAccount, StringMap};
use longshore_listener::AllowedHosts;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt as _;

use super::{IngestTarget, router};
use crate::queue::EmulatorQueue;

thread_local! {
    static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() };
}

/// A method, a space and a target; headers, one a line; an empty line; the body.
pub(crate) fn requests(input: &[u8]) {
    let end = input.windows(2).position(|pair| pair == b"\n\n").unwrap_or(input.len());
    let (head, body) = input.split_at(end);
    let body = body.get(2..).unwrap_or_default();
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let space = first.iter().position(|byte| *byte == b' ').unwrap_or(first.len());
    let target = first.get(space + 1..).unwrap_or_default();
    let mut request = Request::builder().method(&first[..space]).uri(target);
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        request = request.header(&line[..colon], line.get(colon + 1..).unwrap_or_default());
    }
    // HTTP itself refuses the rest.
    let Ok(request) = request.body(Body::from(body.to_vec())) else { return };
    RUNTIME.with(|runtime| {
        let new = || Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.get_or_init(new).block_on(send(request, body));
    });
}

async fn send(request: Request<Body>, body: &[u8]) {
    let account = SqsAccount::new(AccountIdentity::default());
    account.create_queue("orders", &StringMap::new(), &StringMap::new()).unwrap();
    let is_single = request.uri().path() == "/v1/messages";
    let target = IngestTarget::new(Arc::new(EmulatorQueue::new(&account, "orders")));
    let response = router(target, AllowedHosts::default()).oneshot(request).await.unwrap();
    let status = response.status();
    assert!(status.is_success() || status.is_client_error(), "{status}");
    let answer = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let is_json = serde_json::from_slice::<serde_json::Value>(&answer).is_ok();
    assert!(is_json || answer.is_empty() || answer.starts_with(b"<"), "{}", answer.escape_ascii());
    let sent = account.messages("orders").unwrap();
    assert!(status.is_success() || sent.is_empty(), "{status}, and yet a message was sent");
    if is_single && status.is_success() {
        let body = if body.is_empty() { b"{}" } else { body };
        assert_eq!(sent.iter().map(|message| message.body.as_bytes()).collect::<Vec<_>>(), [body]);
    }
}
