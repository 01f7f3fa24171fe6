//! Handlers that answer properly.

use std::time::Duration;

use axum::http::StatusCode;
use longshore::{
    duration::Span,
    handler::{Outcome, http::Settings},
};

use super::harness::{Recorder, http, http_with, message, outcome_of};

#[tokio::test]
async fn the_body_is_posted_byte_for_byte() {
    let recorder = Recorder::answering(StatusCode::OK).await;
    let http = http(&recorder.url);
    for body in ["{\"a\": \"&%+\"}", "🚢\r\n\t\"quoted\"", " ", &"x".repeat(1_048_576)] {
        assert_eq!(outcome_of(&http, message(body)).await, Outcome::Done);
        assert_eq!(recorder.last().body, body.as_bytes());
    }
}

#[tokio::test]
async fn a_post_looks_like_one_of_sqsd() {
    let recorder = Recorder::answering(StatusCode::OK).await;
    outcome_of(&http(&format!("{}jobs?x=1", recorder.url)), message("{}")).await;
    let request = recorder.last();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/jobs?x=1"));
    assert!(request.header("user-agent").starts_with("aws-sqsd/3.0 longshore/"));
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(request.header("x-aws-sqsd-msgid"), "message-1");
    assert_eq!(request.header("x-aws-sqsd-queue"), "orders");
    assert_eq!(request.header("x-aws-sqsd-receive-count"), "2");
    assert_eq!(request.header("x-aws-sqsd-first-received-at"), "2018-12-17T21:37:29Z");
    assert_eq!(request.header("x-aws-sqsd-sender-id"), "AIDAEXAMPLE");
    assert_eq!(request.header("x-aws-sqsd-attr-title"), "The Whistler");
    assert_eq!(request.header("x-longshore-group-id"), "tenant-7");
    assert_eq!(request.header("x-amzn-trace-id"), "Root=1-5759e988-bd862e3fe1be46a994272793");
    assert!(request.headers.contains_key("x-longshore-lease-deadline"));
    assert!(!request.headers.contains_key("x-longshore-deadline"));
}

#[tokio::test]
async fn a_message_is_posted_as_a_cloudevent_where_the_settings_ask_for_it() {
    let recorder = Recorder::answering(StatusCode::OK).await;
    let http = http_with(Settings::new(&recorder.url).unwrap().cloudevents());
    let event = r#"{"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "order.placed",
        "datacontenttype": "application/vnd.shop+json", "data": {"total": 1.50}}"#;
    outcome_of(&http, message(event)).await;
    let request = recorder.last();
    assert_eq!(&*request.body, br#"{"total": 1.50}"#);
    assert_eq!(request.header("content-type"), "application/vnd.shop+json");
    assert_eq!((request.header("ce-id"), request.header("ce-type")), ("e-1", "order.placed"));
    assert_eq!(request.header("x-aws-sqsd-msgid"), "message-1");
    outcome_of(&http, message("ahoy")).await;
    let request = recorder.last();
    assert_eq!((&*request.body, request.header("ce-id")), (&b"ahoy"[..], "message-1"));
    assert_eq!(request.header("ce-source"), "orders");
}

#[tokio::test]
async fn the_deadline_of_a_call_with_a_time_limit_is_sent() {
    let recorder = Recorder::answering(StatusCode::OK).await;
    let settings = Settings::new(&recorder.url).unwrap();
    let http = http_with(Settings { timeout: Some(Span::secs(3600)), ..settings });
    outcome_of(&http, message("{}")).await;
    let (request, timestamp_length) = (recorder.last(), "2018-12-17T21:37:59.250Z".len());
    assert_eq!(request.header("x-longshore-deadline").len(), timestamp_length);
    assert!(request.header("x-longshore-deadline") > request.header("x-longshore-lease-deadline"));
}

#[tokio::test]
async fn the_content_type_is_the_configured_one() {
    let recorder = Recorder::answering(StatusCode::OK).await;
    let settings = Settings::new(&recorder.url).unwrap();
    let http = http_with(Settings { content_type: "text/plain".to_owned(), ..settings });
    outcome_of(&http, message("hello")).await;
    assert_eq!(recorder.last().header("content-type"), "text/plain");
}

#[tokio::test]
async fn calls_at_once_do_not_wait_for_each_other() {
    let recorder = Recorder::answering_together(8).await;
    let http = http(&recorder.url);
    let calls = (0..8).map(|_| outcome_of(&http, message("{}")));
    let outcomes = futures_util::future::join_all(calls).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Done), "{outcomes:?}");
}

#[tokio::test]
async fn a_periodic_task_is_posted_to_its_path() {
    let recorder = Recorder::answering(StatusCode::OK).await;
    let task = super::harness::periodic_task("/cron/nightly?full=1");
    let settings = Settings::new(format!("{}jobs", recorder.url)).unwrap().periodic();
    assert_eq!(outcome_of(&http_with(settings), task).await, Outcome::Done);
    let request = recorder.last();
    assert_eq!(request.target, "/cron/nightly?full=1");
    assert_eq!(request.body, "elasticbeanstalk scheduled job");
    assert_eq!(request.header("x-aws-sqsd-taskname"), "nightly");
    assert_eq!(request.header("x-aws-sqsd-scheduled-at"), "2026-01-02T03:04:05Z");
    assert_eq!(request.header("x-aws-sqsd-path"), "/cron/nightly?full=1");
}

#[tokio::test]
async fn a_message_chooses_no_path_unless_the_settings_allow_it() {
    let recorder = Recorder::answering(StatusCode::OK).await;
    let task = super::harness::periodic_task("/admin/delete");
    assert_eq!(outcome_of(&http(&format!("{}jobs", recorder.url)), task).await, Outcome::Done);
    let request = recorder.last();
    assert_eq!(request.target, "/jobs");
    assert!(!request.headers.contains_key("x-aws-sqsd-path"));
}

#[tokio::test]
async fn the_name_and_password_of_the_url_are_sent() {
    let recorder = Recorder::answering(StatusCode::OK).await;
    let url = recorder.url.replace("http://", "http://worker:hunter2@");
    outcome_of(&http(&url), message("{}")).await;
    assert_eq!(recorder.last().header("authorization"), "Basic d29ya2VyOmh1bnRlcjI=");
}

#[tokio::test]
async fn hostile_attributes_neither_fail_the_call_nor_inject_a_header() {
    let recorder = Recorder::answering(StatusCode::OK).await;
    let hostile = super::harness::with_attributes([
        ("Note", "a\r\nX-Injected: 1\r\n\r\nGET / HTTP/1.1"),
        ("Ship", "🚢"),
        ("X\r\nX-Injected: 2", "value"),
        ("traceparent", "00-1\r\nX-Injected: 3"),
        ("Huge", &"x".repeat(100_000)),
    ]);
    assert_eq!(outcome_of(&http(&recorder.url), hostile).await, Outcome::Done);
    let request = recorder.last();
    assert!(!request.headers.contains_key("x-injected") && !request.headers.contains_key("traceparent"));
    assert_eq!(request.header("x-aws-sqsd-attr-ship*"), "UTF-8''%F0%9F%9A%A2");
    assert_eq!(request.header("x-longshore-attributes-left-out"), "2");
    assert_eq!(recorder.count(), 1);
}

#[tokio::test]
async fn retry_after_sets_the_delay() {
    let recorder = Recorder::answering_with(StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "7")]).await;
    let reason = "the handler answered 503 Service Unavailable".to_owned();
    let unavailable = Outcome::Unavailable { reason, retry_in: Some(Duration::from_secs(7)) };
    assert_eq!(outcome_of(&http(&recorder.url), message("{}")).await, unavailable);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let recorder =
        Recorder::answering_with(StatusCode::TEMPORARY_REDIRECT, [("location", "/elsewhere")]).await;
    let outcome = outcome_of(&http(&recorder.url), message("{}")).await;
    assert_eq!(outcome, Outcome::Retry("the handler answered 307 Temporary Redirect".to_owned()));
    assert_eq!(recorder.count(), 1);
}
