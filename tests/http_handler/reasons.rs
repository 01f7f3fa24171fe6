//! The reasons that handlers give for what is not done.

use std::time::Duration;

use axum::{http::StatusCode, response::IntoResponse};
use longshore::handler::{Outcome, http::Settings};

use super::harness::{Peer, Recorder, http, http_with, message, outcome_of};

type Answer = (StatusCode, Vec<(&'static str, &'static str)>, &'static str);

async fn outcome_after((status, headers, body): Answer) -> Outcome {
    let answer = move || {
        let mut response = (status, body).into_response();
        for (name, value) in &headers {
            response.headers_mut().insert(*name, value.parse().unwrap());
        }
        response
    };
    let recorder = Recorder::serve(answer, 1).await;
    outcome_of(&http_with(Settings::new(&recorder.url).unwrap().reject([422])), message("{}")).await
}

const PROBLEM: (&str, &str) = ("content-type", "application/problem+json");
const BUSY: StatusCode = StatusCode::TOO_MANY_REQUESTS;
const BAD: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

#[tokio::test]
async fn a_reject_and_a_retry_have_the_reason_of_the_header() {
    let header = ("x-longshore-reason", "no such ship");
    let reason = |status| format!("the handler answered {status}: no such ship");
    let rejected = outcome_after((BAD, vec![header, PROBLEM], r#"{"title": "another"}"#)).await;
    assert_eq!(rejected, Outcome::Reject(reason(BAD)));
    let retried = outcome_after((BUSY, vec![header, ("retry-after", "7")], "")).await;
    assert_eq!(retried, Outcome::RetryIn(Duration::from_secs(7), reason(BUSY)));
    let down = outcome_after((StatusCode::SERVICE_UNAVAILABLE, vec![header], "")).await;
    assert_eq!(down, Outcome::unavailable(reason(StatusCode::SERVICE_UNAVAILABLE)));
    assert_eq!(outcome_after((StatusCode::OK, vec![header], "")).await, Outcome::Done);
}

#[tokio::test]
async fn a_problem_or_a_text_has_the_reason_and_any_other_body_is_not_read_for_one() {
    for (content_type, body, reason) in [
        (
            "application/problem+json",
            r#"{"title": "No credit", "detail": "30\u001b short"}"#,
            ": No credit: 30 short",
        ),
        ("application/problem+json", "no json", ""),
        ("text/plain; charset=utf-8", "no such ship\nTraceback (most recent call last)", ": no such ship"),
        ("text/html", "<h1>no such ship</h1>", ""),
        ("application/json", r#"{"title": "No credit"}"#, ""),
    ] {
        let outcome = outcome_after((BAD, vec![("content-type", content_type)], body)).await;
        let expected = format!("the handler answered 422 Unprocessable Entity{reason}");
        assert_eq!(outcome, Outcome::Reject(expected), "{content_type}");
    }
}

#[tokio::test]
async fn a_long_reason_is_shortened_and_a_large_body_is_not_read_to_its_end() {
    let mut peer = Peer::listen().await;
    let handler = http(&peer.url);
    let answering = async {
        let mut connection = peer.accept_one_request().await;
        let head = "HTTP/1.1 500 Oops\r\nContent-Type: text/plain\r\nContent-Length: 1048576\r\n\r\n";
        connection.answer(&format!("{head}{}", "x".repeat(100_000))).await;
        connection
    };
    let (outcome, _open) = tokio::join!(outcome_of(&handler, message("{}")), answering);
    let Outcome::Retry(reason) = outcome else { panic!("{outcome:?}") };
    assert_eq!(reason, format!("the handler answered 500 Internal Server Error: {}…", "x".repeat(1_000)));
}

#[tokio::test]
async fn an_answer_that_breaks_off_after_its_reason_may_have_run() {
    let mut peer = Peer::listen().await;
    let handler = http(&peer.url);
    let breaking = async {
        let head = "HTTP/1.1 500 Oops\r\nX-Longshore-Reason: no\r\nContent-Length: 99\r\n\r\nhalf";
        peer.accept_one_request().await.answer(head).await;
    };
    let (outcome, ()) = tokio::join!(outcome_of(&handler, message("{}")), breaking);
    assert!(matches!(outcome, Outcome::Crashed(_)), "{outcome:?}");
}
