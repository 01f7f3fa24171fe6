//! An independent SQS and SNS: the server of moto, which shares no code with the embedded one.

use super::support::{Handler, Launch, Sns, Sqs, Worker, python::moto, worker::section};

#[tokio::test]
async fn the_worker_publishes_to_an_independent_sns() {
    let Some((_server, endpoint)) = moto().await else { return };
    let (sqs, sns) = (Sqs::at(&endpoint), Sns::at(&endpoint));
    for (suffix, count) in [("", 12), (".fifo", 6)] {
        let pair = sqs.pair(&format!("orders{suffix}"), 3).await;
        let (topic, audit) = (sns.topic(&format!("shipped{suffix}")).await, sns.topic("audit").await);
        let shipped = sns.listener(&topic, &format!("warehouse{suffix}")).await;
        let audit_queue = sns.listener(&audit, &format!("auditor-of-{count}")).await;
        let file = format!(
            "[queues.orders]\nurl = \"{}\"\nreceive = {{ wait = \"1s\" }}\n\
             handler = {{ kind = \"sns\", topic_arn = \"{topic}\" }}\nnotify = {{ on_done = \"{audit}\" }}\n",
            pair.queue,
        );
        let _worker = Launch::of(&["run", "--admin-listen", "127.0.0.1:0"]).file(&file).start();
        let bodies: Vec<_> = (0..count).map(|number| format!("{number:02} & \"🚢\"")).collect();
        for body in &bodies {
            match suffix {
                ".fifo" => sqs.send_to_group(&pair.queue, "group", body).await,
                _ => sqs.send(&pair.queue, body).await,
            }
        }
        let mut heard = sns.received(&shipped, count).await;
        if suffix.is_empty() {
            heard.sort_unstable();
        }
        assert_eq!(heard, bodies);
        let notifications = sns.notified(&audit_queue, count).await;
        assert!(notifications.iter().all(|one| one["outcome"] == "done"), "{notifications:?}");
        sqs.becomes_empty(&pair.queue).await;
    }
}

#[tokio::test]
async fn an_independent_sqs_is_checked_and_left_unchanged() {
    let Some((_server, endpoint)) = moto().await else { return };
    let (sqs, handler) = (Sqs::at(&endpoint), Handler::willing());
    let pair = sqs.pair("orders", 1).await;
    sqs.send(&pair.queue, "a").await;
    let file = section("orders", &pair.queue, &handler.url(), "")
        + &section("nowhere", &format!("{}-not", pair.queue), &handler.url(), "");
    let ended = Launch::of(&["check", "--format", "json"]).file(&file).run().await;
    let report: serde_json::Value = serde_json::from_str(&ended.output).unwrap();
    let findings = report["findings"].as_array().unwrap().iter();
    let faults = findings.filter(|finding| finding["severity"] != "notice");
    let codes: Vec<_> = faults.map(|finding| finding["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["queue-missing", "max-receive-count", "dlq-retention"], "{report}");
    assert_eq!(ended.code, Some(69));
    assert_eq!(sqs.take_all(&pair.queue).await, [("a".to_owned(), 1)]);
}

#[tokio::test]
async fn the_worker_works_on_an_independent_sqs() {
    let Some((_server, endpoint)) = moto().await else { return };
    let sqs = Sqs::at(&endpoint);
    let pair = sqs.pair("orders", 2).await;
    let handler = Handler::start(async |call| if call.text() == "doomed" { 500 } else { 200 });
    let settings = "retry = { initial = \"1s\", max = \"1s\" }\nreceive = { wait = \"1s\" }";
    let worker = Worker::start(&pair.queue, &handler, settings).await;
    let mut bodies: Vec<_> = (0..20).map(|number| format!("{number} & \"🚢\"")).collect();
    bodies.push("doomed".to_owned());
    sqs.send_all(&pair.queue, &bodies).await;
    handler.has_ended(22).await;
    sqs.becomes_empty(&pair.queue).await;
    assert_eq!(sqs.take_all(&pair.dlq).await.len(), 1);
    let mut done = handler.ended_bodies();
    done.sort_unstable();
    done.dedup();
    bodies.sort_unstable();
    assert_eq!(done, bodies);
    assert!(worker.admin.is_ready().await);
}
