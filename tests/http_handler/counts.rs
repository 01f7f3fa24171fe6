//! The causes under which failed calls are counted.

use axum::http::StatusCode;
use longshore::{
    duration::Span,
    handler::{
        AnyHandler, Source,
        http::{HttpBatchHandler, Settings},
    },
    telemetry::{FailureCause, Label as _, Metrics},
    testing,
};
use tokio::net::TcpListener;

use super::harness::{
    Peer, Recorder, http, http_with, message, outcome_of, outcomes_of, url_of, with_attributes,
};

/// The causes of failure that a call of this handler is counted under.
async fn causes(http: AnyHandler) -> Vec<&'static str> {
    let metrics = Metrics::new();
    http.register_metrics(&metrics.queue("orders", "orders"));
    outcome_of(&http, message("{}")).await;
    counted(&metrics)
}

/// The same for a batch.
async fn causes_of_batch(url: &str) -> Vec<&'static str> {
    let metrics = Metrics::new();
    let source = Source::of_arn("arn:aws:sqs:eu-west-1:123456789012:orders");
    let batches = HttpBatchHandler::new(Settings::new(url).unwrap(), "orders", source).unwrap();
    let batches = AnyHandler::from(batches);
    batches.register_metrics(&metrics.queue("orders", "orders"));
    let messages = ["a", "b"].map(|id| testing::message("{}").id(id).build());
    outcomes_of(&batches, messages).await;
    counted(&metrics)
}

fn counted(metrics: &Metrics) -> Vec<&'static str> {
    let count = |cause| metrics.count("longshore_handler_failures_total", &[("cause", cause)]);
    FailureCause::ALL.iter().map(|cause| cause.as_str()).filter(|cause| count(cause) == 1).collect()
}

#[tokio::test]
async fn a_status_is_counted_by_its_class_and_success_is_not() {
    for (status, cause) in [
        (StatusCode::NO_CONTENT, None),
        (StatusCode::NOT_FOUND, Some("status_4xx")),
        (StatusCode::BAD_GATEWAY, Some("status_5xx")),
        (StatusCode::FOUND, Some("bad_answer")),
    ] {
        let recorder = Recorder::answering(status).await;
        assert_eq!(causes(http(&recorder.url)).await, Vec::from_iter(cause), "{status}");
    }
}

#[tokio::test]
async fn no_connection_and_no_answer_in_time_have_different_causes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = Settings::new(url_of(&listener)).unwrap();
    let with_timeout = http_with(Settings { timeout: Some(Span::millis(50)), ..settings.clone() });
    assert_eq!(causes(with_timeout).await, ["timeout"]);
    drop(listener);
    assert_eq!(causes(http_with(settings)).await, ["connection"]);
}

#[tokio::test]
async fn a_batch_is_counted_once_by_its_answer() {
    for (answer, cause) in [
        ("{}", None),
        ("OK", Some("bad_answer")),
        (r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"b"}]}"#, Some("error")),
    ] {
        let recorder = Recorder::answering_body(answer).await;
        assert_eq!(causes_of_batch(&recorder.url).await, Vec::from_iter(cause), "{answer}");
    }
    let recorder = Recorder::answering_body(" ".repeat(6 * 1024 * 1024 + 1)).await;
    assert_eq!(
        causes_of_batch(&recorder.url).await,
        ["bad_answer"],
        "it was reached, and its answer is too large"
    );
    let recorder = Recorder::answering(StatusCode::NOT_FOUND).await;
    assert_eq!(causes_of_batch(&recorder.url).await, ["status_4xx"]);
}

#[tokio::test]
async fn a_batch_without_a_handler_is_counted_as_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = url_of(&listener);
    drop(listener);
    assert_eq!(causes_of_batch(&url).await, ["connection"]);
}

#[tokio::test]
async fn an_answer_that_breaks_off_after_its_status_is_one_failure() {
    let beginning = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 99\r\n\r\nupstream";
    let mut peer = Peer::listen().await;
    let url = peer.url.clone();
    let breaking = async { peer.accept_one_request().await.answer(beginning).await };
    let (causes, ()) = tokio::join!(causes(http(&url)), breaking);
    assert_eq!(causes, ["connection"]);
    let mut peer = Peer::listen().await;
    let url = peer.url.clone();
    let breaking = async { peer.accept_one_request().await.answer(beginning).await };
    let (causes, ()) = tokio::join!(causes_of_batch(&url), breaking);
    assert_eq!(causes, ["connection"]);
}

#[tokio::test]
async fn attributes_without_a_header_are_counted() {
    let (metrics, recorder) = (Metrics::new(), Recorder::answering(StatusCode::OK).await);
    let http = http(&recorder.url);
    http.register_metrics(&metrics.queue("orders", "orders"));
    let names = [("tenant-id", "1"), ("Tenant_Id", "2"), ("other", "3")];
    outcome_of(&http, with_attributes(names)).await;
    assert_eq!(metrics.count("longshore_handler_attributes_left_out_total", &[]), 2);
    let request = recorder.last();
    assert_eq!(request.header("x-longshore-attributes-left-out"), "2");
    assert_eq!(request.header("x-aws-sqsd-attr-other"), "3");
    assert!(!request.headers.contains_key("x-aws-sqsd-attr-tenant-id"));
}
