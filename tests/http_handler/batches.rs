//! Batches: one post of several messages, and the outcomes of its response.

use std::time::Duration;

use axum::http::StatusCode;
use longshore::{
    Message,
    duration::Span,
    handler::{
        AnyHandler, Outcome, Source,
        http::{HttpBatchHandler, Settings},
    },
    message::AttributeValue,
    testing,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::harness::{Peer, Recorder, message, outcomes_of, url_of};

const ARN: &str = "arn:aws:sqs:eu-west-1:123456789012:orders";

fn settings(url: &str) -> Settings {
    Settings::new(url).unwrap()
}

fn batches_with(settings: Settings) -> AnyHandler {
    HttpBatchHandler::new(settings, "orders", Source::of_arn(ARN)).unwrap().into()
}

fn batches(url: &str) -> AnyHandler {
    batches_with(settings(url))
}

/// Messages with these ids.
fn messages<const COUNT: usize>(ids: [&str; COUNT]) -> [Message; COUNT] {
    ids.map(|id| testing::message(format!("body of {id}")).id(id).build())
}

/// The outcomes of the messages `a`, `b` and `c` when the handler answers 200 with this body.
async fn outcomes_after(answer: &str, change: impl FnOnce(&mut Settings)) -> Vec<Outcome> {
    let recorder = Recorder::answering_body(answer).await;
    let mut settings = settings(&recorder.url);
    change(&mut settings);
    outcomes_of(&batches_with(settings), messages(["a", "b", "c"])).await
}

async fn outcomes_of_status(recorder: Recorder, change: impl FnOnce(&mut Settings)) -> Vec<Outcome> {
    let mut settings = settings(&recorder.url);
    change(&mut settings);
    outcomes_of(&batches_with(settings), messages(["a", "b"])).await
}

fn retry() -> Outcome {
    Outcome::Retry("the handler named the message among its failures".to_owned())
}

fn all_are_retries(outcomes: &[Outcome], text: &str) -> bool {
    let is_retry = |outcome: &Outcome| matches!(outcome, Outcome::Retry(reason) if reason.contains(text));
    !outcomes.is_empty() && outcomes.iter().all(is_retry)
}

#[tokio::test]
async fn a_batch_is_posted_as_the_event_of_lambda() {
    let recorder = Recorder::answering_body("").await;
    let mut second = message("{\"number\": 7}");
    second.attributes.insert("Seal".to_owned(), AttributeValue::binary([0, 255, 16]));
    let [first] = messages(["first"]);
    outcomes_of(&batches(&recorder.url), [first, second]).await;
    let event: Value = serde_json::from_slice(&recorder.last().body).unwrap();
    let records = event["Records"].as_array().unwrap();
    let ids: Vec<_> = records.iter().map(|record| &record["messageId"]).collect();
    assert_eq!(ids, ["first", "message-1"]);
    assert_eq!(records[1]["body"], "{\"number\": 7}");
    assert_eq!(records[1]["attributes"]["ApproximateReceiveCount"], "2");
    assert_eq!(records[1]["attributes"]["MessageGroupId"], "tenant-7");
    let seal = json!({
        "binaryValue": "AP8Q", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"
    });
    assert_eq!(records[1]["messageAttributes"]["Seal"], seal);
    assert_eq!((&records[0]["eventSource"], &records[0]["eventSourceARN"]), (&json!("aws:sqs"), &json!(ARN)));
}

#[tokio::test]
async fn the_records_name_the_queue_as_sqs_does() {
    let recorder = Recorder::answering_body("").await;
    let handler = batches(&recorder.url);
    handler.opened("arn:aws:sqs:us-east-1:999999999999:bills");
    outcomes_of(&handler, messages(["a"])).await;
    let event: Value = serde_json::from_slice(&recorder.last().body).unwrap();
    assert_eq!(event["Records"][0]["eventSourceARN"], "arn:aws:sqs:us-east-1:999999999999:bills");
    assert_eq!(event["Records"][0]["awsRegion"], "us-east-1");
    assert_eq!(recorder.last().header("x-longshore-batch-size"), "1");
}

#[tokio::test]
async fn a_batch_has_the_headers_that_all_of_its_messages_share() {
    let recorder = Recorder::answering_body("").await;
    let settings = Settings {
        timeout: Some(Span::secs(60)),
        content_type: "text/plain".to_owned(),
        ..settings(&format!("{}jobs?x=1", recorder.url))
    };
    outcomes_of(&batches_with(settings), [message("1"), message("2")]).await;
    let request = recorder.last();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/jobs?x=1"));
    assert!(request.header("user-agent").starts_with("aws-sqsd/3.0 longshore/"));
    assert_eq!(request.headers.get_all("content-type").iter().collect::<Vec<_>>(), ["application/json"]);
    assert_eq!(request.header("x-aws-sqsd-queue"), "orders");
    assert_eq!(request.header("x-longshore-batch-size"), "2");
    assert!(request.header("x-longshore-deadline") > request.header("x-longshore-lease-deadline"));
    let of_one = ["msgid", "receive-count", "first-received-at", "sender-id", "attr-title"];
    for name in of_one {
        assert!(!request.headers.contains_key(format!("x-aws-sqsd-{name}")), "{name}");
    }
    assert!(!request.headers.contains_key("x-amzn-trace-id"));
    assert!(!request.headers.contains_key("x-longshore-group-id"));
}

#[tokio::test]
async fn an_answer_without_failures_is_done_for_all() {
    for answer in
        ["", "null", "{}", r#"{"batchItemFailures":null}"#, r#"{"batchItemFailures":[]}"#, r#"{"ok":1}"#]
    {
        assert_eq!(outcomes_after(answer, |_| ()).await, vec![Outcome::Done; 3], "{answer:?}");
    }
    let no_content = Recorder::answering(StatusCode::NO_CONTENT).await;
    assert_eq!(outcomes_of_status(no_content, |_| ()).await, vec![Outcome::Done; 2]);
}

#[tokio::test]
async fn the_messages_that_an_answer_names_are_tried_again_and_the_others_are_done() {
    let answer = r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#;
    assert_eq!(outcomes_after(answer, |_| ()).await, [Outcome::Done, retry(), Outcome::Done]);
}

#[tokio::test]
async fn an_answer_that_cannot_be_understood_is_a_retry_of_all() {
    for answer in [
        "OK",
        "<html>",
        "[]",
        "true",
        r#"{"batchItemFailures":{}}"#,
        r#"{"batchItemFailures":["a"]}"#,
        r#"{"batchItemFailures":[{"id":"a"}]}"#,
        r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
        r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"z"}]}"#,
    ] {
        let outcomes = outcomes_after(answer, |_| ()).await;
        assert!(all_are_retries(&outcomes, "hint: answer {}"), "{answer:?}: {outcomes:?}");
    }
}

#[tokio::test]
async fn an_answer_may_set_the_delay_of_a_message() {
    let answer = r#"{"batchItemFailures":[{"itemIdentifier":"a","retryAfter":90},{"itemIdentifier":"c"}]}"#;
    let Outcome::Retry(reason) = retry() else { panic!() };
    let later = Outcome::RetryIn(Duration::from_secs(90), reason);
    assert_eq!(outcomes_after(answer, |_| ()).await, [later, Outcome::Done, retry()]);
}

#[tokio::test]
async fn an_answer_may_reject_a_message_if_reject_items_is_set() {
    let answer = r#"{"batchItemFailures":[{"itemIdentifier":"a","outcome":"reject"}]}"#;
    let allowed = outcomes_after(answer, |settings| settings.reject_items = true).await;
    assert_eq!(allowed[0], Outcome::Reject("the handler rejected the message".to_owned()));
    assert_eq!(allowed[1..], [Outcome::Done, Outcome::Done]);
    let refused = outcomes_after(answer, |_| ()).await;
    assert!(all_are_retries(&refused[..1], "hint: set reject_items"), "{refused:?}");
    assert_eq!(refused[1..], [Outcome::Done, Outcome::Done]);
}

#[tokio::test]
async fn an_answer_may_give_the_reason_of_a_message() {
    let answer = r#"{"batchItemFailures":[
        {"itemIdentifier":"a","outcome":"reject","reason":"no such\nship"},
        {"itemIdentifier":"b","reason":"busy"},
        {"itemIdentifier":"c","reason":7}]}"#;
    let outcomes = outcomes_after(answer, |settings| settings.reject_items = true).await;
    let Outcome::Retry(named) = retry() else { panic!() };
    assert_eq!(outcomes[0], Outcome::Reject("the handler rejected the message: no such ship".to_owned()));
    assert_eq!(outcomes[1..], [Outcome::Retry(format!("{named}: busy")), retry()]);
}

#[tokio::test]
async fn a_status_that_is_no_2xx_applies_to_the_whole_batch() {
    let failed = Recorder::answering(StatusCode::INTERNAL_SERVER_ERROR).await;
    assert!(all_are_retries(&outcomes_of_status(failed, |_| ()).await, "500"));
    let busy = Recorder::answering_with(StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "7")]).await;
    let later = |outcome: &Outcome| matches!(outcome, Outcome::Unavailable { retry_in: Some(delay), .. } if delay.as_secs() == 7);
    assert!(outcomes_of_status(busy, |_| ()).await.iter().all(later));
    let bad = Recorder::answering(StatusCode::UNPROCESSABLE_ENTITY).await;
    let rejected = outcomes_of_status(bad, |settings| settings.reject = vec![422]).await;
    assert!(rejected.iter().all(|outcome| matches!(outcome, Outcome::Reject(_))), "{rejected:?}");
    let known = Recorder::answering(StatusCode::CONFLICT).await;
    let done = outcomes_of_status(known, |settings| settings.success = vec![409]).await;
    assert_eq!(done, vec![Outcome::Done; 2]);
}

#[tokio::test]
async fn an_answer_of_more_than_6_mib_is_a_retry_of_all() {
    let longest = 6 * 1024 * 1024;
    let outcomes = outcomes_after(&" ".repeat(longest), |_| ()).await;
    assert_eq!(outcomes, vec![Outcome::Done; 3]);
    let outcomes = outcomes_after(&" ".repeat(longest + 1), |_| ()).await;
    assert!(all_are_retries(&outcomes, "more than 6291456 bytes"), "{outcomes:?}");
}

#[tokio::test]
async fn ten_thousand_messages_are_one_post_and_each_has_its_outcome() {
    let ids: Vec<_> = (0..10_000).map(|number| format!("id-{number}")).collect();
    let odd = ids.iter().skip(1).step_by(2).map(|id| json!({ "itemIdentifier": id }));
    let answer = json!({ "batchItemFailures": odd.collect::<Vec<_>>() }).to_string();
    let recorder = Recorder::answering_body(answer).await;
    let all = ids.iter().map(|id| testing::message("x").id(id.as_str()));
    let outcomes = outcomes_of(&batches(&recorder.url), all).await;
    assert_eq!(recorder.count(), 1);
    assert_eq!(outcomes.len(), 10_000);
    assert!(outcomes.chunks(2).all(|pair| *pair == [Outcome::Done, retry()]));
}

#[tokio::test]
async fn a_batch_whose_handler_is_unreachable_is_down() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let handler = batches(&url_of(&listener));
    assert_eq!(handler.probe().await, Ok(()));
    drop(listener);
    let outcomes = outcomes_of(&handler, messages(["a", "b"])).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Down(_))), "{outcomes:?}");
    assert!(handler.probe().await.unwrap_err().contains("refused"));
}

#[tokio::test]
async fn a_batch_whose_answer_breaks_off_is_a_retry_of_all() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"batchItemFailures\":[]";
    for beginning in ["", answer] {
        let mut peer = Peer::listen().await;
        let handler = batches(&peer.url);
        let breaking = async {
            peer.accept_one_request().await.answer(beginning).await;
            peer.expect_no_connection().await;
        };
        let (outcomes, ()) = tokio::join!(outcomes_of(&handler, messages(["a", "b"])), breaking);
        let is_broken = |outcome: &Outcome| matches!(outcome, Outcome::Crashed(reason) if reason.contains("no complete answer"));
        assert!(outcomes.iter().all(is_broken), "{outcomes:?}");
    }
}

#[tokio::test]
async fn a_batch_that_takes_too_long_is_retried_at_its_time_limit() {
    let mut peer = Peer::listen().await;
    let handler = batches_with(Settings { timeout: Some(Span::millis(50)), ..settings(&peer.url) });
    let call = outcomes_of(&handler, messages(["a", "b"]));
    let (outcomes, _open) = tokio::join!(call, peer.accept_one_request());
    assert!(all_are_retries(&outcomes, "within 50ms"), "{outcomes:?}");
}

#[tokio::test]
async fn the_weights_of_the_messages_are_their_bytes_in_the_post() {
    let recorder = Recorder::answering_body("").await;
    let handler = batches(&recorder.url);
    let all = [message("\"quoted\""), message(&"🚢".repeat(1_000))];
    let weight: usize = all.iter().map(|message| handler.weigh(message)).sum();
    outcomes_of(&handler, all).await;
    let posted = recorder.last().body.len();
    assert!((posted..posted + 50).contains(&weight), "{weight} for {posted}");
}
