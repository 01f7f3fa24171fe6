//! Fuzz target of the `http` kind: any message becomes headers that every server reads, and a post to the handler's own server.

#![expect(clippy::unwrap_used, reason = "a fuzz target panics where a fact does not hold")]

use std::time::SystemTime;

use reqwest::StatusCode;
use url::Url;

use super::{
    Settings,
    headers::{CallHeaders, Deadlines, PeriodicTask, add_periodic, of_call},
    outcome, reason,
};
use crate::{
    fuzz::message,
    handler::{Outcome, call_trace::CallTrace, outcome::LONGEST_DELAY, sqs_event},
};

/// Names, values and ids at their longest, and the attributes' own limit.
const HEADERS_BYTES: usize = 16 * 1024;

pub(crate) fn messages(input: &[u8]) {
    let message = message::read(input);
    let deadlines = Deadlines { lease: Some(SystemTime::now()), call: message.system.first_received_at };
    let CallHeaders { mut headers, .. } =
        of_call(&message, "orders", deadlines, &CallTrace::of_sender(&message));
    let handler = Url::parse("http://127.0.0.1:8080/orders").unwrap();
    if let Some(task) = PeriodicTask::of(&message) {
        add_periodic(&mut headers, &task);
        assert_eq!(task.url(&handler).origin(), handler.origin());
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    assert!(bytes <= HEADERS_BYTES, "{bytes} bytes of headers");
    for value in headers.values() {
        assert!(value.as_bytes().iter().all(|byte| matches!(byte, b' '..=b'~')), "{value:?}");
    }
    check_event(&message);
    check_outcome(&message);
}

/// The event of a batch is JSON with the body as it is, and no longer than its weight.
fn check_event(message: &crate::message::Message) {
    let source = sqs_event::Source::of_arn("arn:aws:sqs:eu-west-1:123456789012:orders");
    let event = sqs_event::of([message], &source).unwrap();
    assert!(event.len() <= sqs_event::weight(message, &source));
    let event: serde_json::Value = serde_json::from_slice(&event).unwrap();
    assert_eq!(event["Records"][0]["body"], message.body.as_str());
}

/// A handler that is busy for the time in the body, as `Retry-After`, and has the body as its reason.
fn check_outcome(message: &crate::message::Message) {
    let settings = Settings::new("http://host/").unwrap();
    let retry_in = outcome::delay(&message.body, SystemTime::now());
    let given = reason::of_body(message.body.as_bytes());
    assert!(given.iter().all(|reason| !reason.contains(char::is_control) && reason.len() <= 4 * 1_001));
    let given = given.into_iter().next();
    match outcome::failure(&settings, StatusCode::SERVICE_UNAVAILABLE, given.as_deref(), retry_in) {
        Outcome::Unavailable { retry_in, .. } => assert!(retry_in.is_none_or(|delay| delay <= LONGEST_DELAY)),
        outcome => panic!("{outcome:?}"),
    }
}
