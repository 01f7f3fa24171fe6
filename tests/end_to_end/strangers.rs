//! An SQS that others wrote: moto's server, which shares no line with ours.

use super::support::{Handler, Sqs, Worker, python::python_with};

#[tokio::test]
async fn the_worker_works_on_an_independent_sqs() {
    let Some(python) = python_with("moto.server") else { return };
    let server = python.arguments(&["-m", "moto.server", "--host", "127.0.0.1", "--port", "0"]).start();
    let line = server.complains("Running on http://").await;
    let endpoint = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    let sqs = Sqs::at(endpoint);
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
