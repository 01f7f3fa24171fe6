//! What failed calls are counted as.

use axum::http::StatusCode;
use longshore::{
    duration::Span,
    handler::{
        Handler as _,
        http::{Http, Settings},
    },
    telemetry::{FailureCause, Label as _, Metrics},
};
use tokio::net::TcpListener;

use crate::harness::{Recorder, http, http_with, message, outcome_of, url_of};

/// The causes that a call of this handler is counted under.
async fn causes(http: Http) -> Vec<&'static str> {
    let queue = Metrics::new().queue("orders");
    http.metered(&queue);
    outcome_of(&http, message("{}")).await;
    let counted = FailureCause::ALL.iter().filter(|cause| queue.failures.of(**cause).get() == 1);
    counted.map(|cause| cause.as_str()).collect()
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
async fn no_connection_and_no_answer_in_time_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = Settings::new(url_of(&listener).parse().unwrap());
    let impatient = http_with(Settings { timeout: Some(Span::millis(50)), ..settings.clone() });
    assert_eq!(causes(impatient).await, ["timeout"]);
    drop(listener);
    assert_eq!(causes(http_with(settings)).await, ["connection"]);
}
