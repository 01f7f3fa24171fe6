//! SQS that takes a receive in the middle of the work, and never answers.

use super::support::{
    Dev, Handler, Worker, http,
    proxy::{Mood, Proxy},
    until,
};

#[tokio::test]
async fn a_receive_that_hangs_is_replaced_and_the_work_goes_on() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 5).await;
    let proxy = Proxy::before(http::authority(&dev.endpoint)).await;
    let through_proxy = pair.queue.replace(&dev.endpoint, &format!("http://{}", proxy.address));
    let handler = Handler::willing();
    let worker = Worker::start(&through_proxy, &handler, "receive = { wait = \"1s\" }").await;
    dev.sqs.send(&pair.queue, "before").await;
    handler.has_ended(1).await;
    dev.sqs.becomes_empty(&pair.queue).await;

    proxy.fall(Mood::Silent);
    let hung = r#"api_calls_total{action="receive",queue="orders",result="hung"}"#;
    until("a receive was given up", async || worker.admin.sample(hung).await >= 1.0).await;
    assert_eq!(worker.admin.get("/livez").await.0, 200, "the loop itself is alive");
    assert!(worker.admin.sample(r#"seconds_since_successful_receive{queue="orders"}"#).await >= 3.0);
    let last_error = worker.admin.queue("orders").await["lastError"].to_string();
    assert!(last_error.contains("timeout") || last_error.contains("silent"), "{last_error}");

    proxy.fall(Mood::Open);
    dev.sqs.send(&pair.queue, "after").await;
    handler.has_ended(2).await;
    dev.sqs.becomes_empty(&pair.queue).await;
    worker.admin.becomes_ready().await;
    assert!(worker.admin.queue("orders").await["lastError"].is_null());
}
