//! The content of the log, and the secrets that it must not contain.

use serde_json::{Value, json};

use super::support::{Call, Dev, Handler, Signal, Worker, http, proxy::Proxy};

/// Credentials, which must not appear in the log.
const CREDENTIALS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "AKIDNOBODYKNOWS"),
    ("AWS_SECRET_ACCESS_KEY", "a-secret-key-of-nobody"),
    ("AWS_SESSION_TOKEN", "a-token-of-nobody"),
];

#[tokio::test]
async fn the_most_detailed_log_holds_no_body_no_receipt_and_no_credentials() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 5).await;
    let proxy = Proxy::before(http::authority(&dev.endpoint)).await;
    let through_proxy = pair.queue.replace(&dev.endpoint, &format!("http://{}", proxy.address));
    dev.sqs.send(&pair.queue, "the body").await;
    let handler = Handler::start(async |call: Call| if call.receive_count() == 1 { 500 } else { 200 });
    let launch = Worker::launch(&through_proxy, &handler, "retry = { initial = \"1s\" }");
    let launch = CREDENTIALS.iter().fold(launch, |launch, (name, value)| launch.variable(name, value));
    let mut worker = Worker::launched(launch.arguments(&["--log", "trace"])).await;
    handler.has_ended(2).await;
    dev.sqs.becomes_empty(&pair.queue).await;
    worker.process.signal(Signal::Terminate);
    let ended = worker.process.ended().await;
    assert!(ended.errors.contains("message done"), "the log is as detailed as can be: {}", ended.errors);

    let receipts = proxy.captured("\"ReceiptHandle\":\"", '"');
    let signatures = proxy.captured("Signature=", '\n');
    assert!(receipts.len() >= 4, "two receives, a retry and a delete: {receipts:?}");
    assert!(signatures.len() >= 4, "each call is signed: {signatures:?}");
    let names = ["the body", "receipt_handle", "ReceiptHandle"].map(str::to_owned);
    let credentials = CREDENTIALS.map(|(_, value)| value.to_owned());
    for secret in receipts.into_iter().chain(signatures).chain(names).chain(credentials) {
        assert!(!secret.is_empty() && !ended.errors.contains(&secret), "{secret:?} is in {}", ended.errors);
    }
}

#[tokio::test]
async fn a_handlers_panic_is_a_line_of_the_log_like_any_other() {
    let mut dev = Dev::start().await;
    dev.post(r#"{"fail": "panic"}"#).await;
    let line: Value = serde_json::from_str(&dev.process.complains("panicked").await).unwrap();
    assert_eq!((&line["level"], &line["message"]), (&json!("ERROR"), &json!("panicked")), "{line}");
    assert!(line["words"].is_string() && line["location"].as_str().unwrap().contains(".rs:"), "{line}");
    dev.process.signal(Signal::Terminate);
    let ended = dev.process.ended().await;
    for line in ended.errors.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "not JSON: {line}");
    }
}
