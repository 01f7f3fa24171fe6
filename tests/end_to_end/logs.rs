//! What the log may not hold.

use super::support::{Call, Dev, Handler, Signal, Worker};

#[tokio::test]
async fn the_most_detailed_log_holds_no_body_no_receipt_and_no_credentials() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 5).await;
    dev.sqs.send(&pair.queue, "the body").await;
    let handler = Handler::start(async |call: Call| if call.receive_count() == 1 { 500 } else { 200 });
    let launch = Worker::launch(&pair.queue, &handler, "retry = { initial = \"1s\" }")
        .arguments(&["--log", "trace"])
        .variable("AWS_ACCESS_KEY_ID", "AKIDNOBODY")
        .variable("AWS_SECRET_ACCESS_KEY", "a secret key");
    let mut worker = Worker::launched(launch).await;
    handler.has_ended(2).await;
    dev.sqs.becomes_empty(&pair.queue).await;
    worker.process.signal(Signal::Terminate);
    let ended = worker.process.ended().await;
    assert!(ended.errors.contains("message done"), "the log is as detailed as can be: {}", ended.errors);
    for secret in ["the body", "a secret key", "receipt_handle", "ReceiptHandle"] {
        assert!(!ended.errors.contains(secret), "{secret:?} is in {}", ended.errors);
    }
}
