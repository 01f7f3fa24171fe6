//! What the settings add to requests, and the requests of probes.

use axum::http::StatusCode;
use longshore::{
    duration::Span,
    handler::{
        AnyHandler, Outcome, Source,
        http::{HttpBatchHandler, HttpHandler, Settings},
    },
};

use super::harness::{Peer, Recorder, http_with, message, outcome_of, outcomes_of};

fn settings(url: &str) -> Settings {
    Settings::new(url).unwrap()
}

fn batches_with(settings: Settings) -> AnyHandler {
    let source = Source::of_arn("arn:aws:sqs:eu-west-1:123456789012:orders");
    HttpBatchHandler::new(settings, "orders", source).unwrap().into()
}

fn with_credential(url: &str) -> Settings {
    settings(url).header("Authorization", "Bearer hunter2").header("X-Tenant", "${no reference}")
}

/// Checks the headers of the last of this many requests.
fn assert_credential(recorder: &Recorder, requests: usize, method: &str) {
    let request = recorder.last();
    assert_eq!((recorder.count(), request.method.as_str()), (requests, method));
    assert_eq!(request.header("authorization"), "Bearer hunter2");
    assert_eq!(request.header("x-tenant"), "${no reference}");
}

#[tokio::test]
async fn the_headers_of_the_settings_are_on_posts_batches_probes_and_checks() {
    let recorder = Recorder::answering(StatusCode::OK).await;
    let http = http_with(with_credential(&recorder.url));
    assert_eq!(outcome_of(&http, message("{}")).await, Outcome::Done);
    assert_credential(&recorder, 1, "POST");
    outcomes_of(&batches_with(with_credential(&recorder.url)), [message("1"), message("2")]).await;
    assert_credential(&recorder, 2, "POST");
    assert_eq!(http.doubt().await, None);
    assert_credential(&recorder, 3, "HEAD");
    assert_eq!(http_with(with_credential(&recorder.url).health("/healthz")).probe().await, Ok(()));
    assert_credential(&recorder, 4, "GET");
}

#[tokio::test]
async fn the_headers_of_the_settings_go_to_the_handlers_server_alone() {
    let (handler, other) =
        (Recorder::answering(StatusCode::OK).await, Recorder::answering(StatusCode::OK).await);
    let http = http_with(with_credential(&handler.url).health(format!("{}healthz", other.url)));
    assert_eq!(http.probe().await, Ok(()));
    assert_eq!((handler.count(), other.last().target.as_str()), (0, "/healthz"));
    assert!(!other.last().headers.contains_key("authorization"));
    assert!(other.last().header("user-agent").starts_with("aws-sqsd/3.0 longshore/"));
}

#[test]
fn a_handler_does_not_show_the_values_of_its_headers() {
    let settings = with_credential("http://127.0.0.1:8080/");
    let shown = format!("{settings:?} {:?}", HttpHandler::new(settings.clone(), "orders").unwrap());
    assert!(shown.contains("Authorization") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_header_that_cannot_be_sent_makes_no_handler() {
    for (name, value, part) in [
        ("X-Aws-Sqsd-Msgid", "1", "headers.X-Aws-Sqsd-Msgid: set by Longshore itself"),
        ("X-Key", "hunter2\r\nX-Injected: 1", "header X-Key: its value is not printable ascii"),
    ] {
        let settings = settings("http://127.0.0.1:8080/").header(name, value);
        let error = HttpHandler::new(settings, "orders").unwrap_err().to_string();
        assert!(error.contains(part) && !error.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn the_user_agent_is_the_configured_one() {
    let recorder = Recorder::answering(StatusCode::OK).await;
    let http = http_with(settings(&recorder.url).user_agent("aws-sqsd/3.0"));
    outcome_of(&http, message("{}")).await;
    assert_eq!(recorder.last().header("user-agent"), "aws-sqsd/3.0");
}

#[tokio::test]
async fn a_probe_gets_health_and_succeeds_by_a_2xx_or_3xx() {
    for (status, is_well) in
        [(200, true), (204, true), (302, true), (399, true), (401, false), (404, false), (503, false)]
    {
        let recorder = Recorder::answering(StatusCode::from_u16(status).unwrap()).await;
        let settings = settings(&format!("{}jobs?x=1", recorder.url)).health("/healthz?deep=1");
        for handler in [http_with(settings.clone()), batches_with(settings)] {
            let answer = handler.probe().await;
            assert_eq!(answer.is_ok(), is_well, "{status}: {answer:?}");
            let reason = answer.err().unwrap_or_default();
            assert!(is_well || reason.contains(&format!("/healthz?deep=1 answered {status}")), "{reason}");
            assert_eq!(recorder.last().method.as_str(), "GET");
            assert_eq!(
                (recorder.last().target.as_str(), &recorder.last().body[..]),
                ("/healthz?deep=1", &b""[..])
            );
        }
    }
}

#[tokio::test]
async fn a_probe_of_health_that_is_not_answered_fails_within_the_connect_timeout_and_shows_no_password() {
    let mut peer = Peer::listen().await;
    let url = peer.url.replace("http://", "http://worker:hunter2@");
    let http = http_with(Settings { connect_timeout: Span::millis(50), ..settings(&url).health("/healthz") });
    let accepting = async { (peer.accept().await, peer.accept().await) };
    let (answer, _open) = tokio::join!(http.probe(), accepting);
    let reason = answer.unwrap_err();
    assert!(
        reason.starts_with("no answer from http://127.0.0.1:") && reason.ends_with("within 50ms"),
        "{reason}"
    );
    assert!(!reason.contains("hunter2"), "{reason}");
}

#[tokio::test]
async fn a_handler_with_health_is_not_doubted_for_the_answer_to_a_head() {
    let recorder = Recorder::answering(StatusCode::NOT_FOUND).await;
    let doubt = http_with(settings(&recorder.url)).doubt().await;
    assert!(doubt.is_some_and(|doubt| doubt.contains("404")));
    assert_eq!(http_with(settings(&recorder.url).health("/healthz")).doubt().await, None);
    assert_eq!(recorder.count(), 1);
}
