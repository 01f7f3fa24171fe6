//! What the settings of an HTTP handler do in a whole worker: credentials, `health`, reasons, and calls that all fail.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
};

use axum::{
    Router,
    http::{Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::support::{Call, Dev, Handler, Launch, Signal, Sns, Worker, in_time, sqs::Counts, tasks, until};

/// A server that answers by method and path; serves until the test ends.
async fn site<R: IntoResponse>(
    answer: impl Fn(&Method, &str) -> R + Clone + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answering =
        move |method: Method, uri: Uri| async move { answer(&method, uri.path()).into_response() };
    let router = Router::new().fallback(answering);
    tasks::detach("site", async { axum::serve(listener, router).await.unwrap() });
    address
}

/// A file with one queue called `orders`, whose handler has these further settings.
fn file(queue: &str, url: &str, handler: &str, settings: &str) -> String {
    format!(
        "[queues.orders]\nurl = \"{queue}\"\nreceive = {{ wait = \"1s\" }}\n{settings}\n\
         [queues.orders.handler]\nkind = \"http\"\nurl = \"{url}\"\n{handler}\n"
    )
}

async fn started(file: &str) -> Worker {
    Worker::launched(Launch::of(&["run", "--admin-listen", "127.0.0.1:0"]).file(file)).await
}

/// Waits until a condition of the worker is not met for this reason.
async fn is_unready(worker: &Worker, condition: &str, reason: &str) {
    until(reason, async || {
        let (_, body) = worker.admin.json("/readyz").await;
        body["unready"][condition].as_str().is_some_and(|shown| shown.contains(reason))
    })
    .await;
}

const OF_A_VARIABLE: &str = "s3cret-of-a-variable";
const OF_A_FILE: &str = "s3cret-of-a-file";
const OF_THE_SETTINGS: &str = "s3cret-of-the-settings";

/// A handler's headers with a credential of each kind, the file of one, and the variable of another.
fn credentials(secret: &tempfile::NamedTempFile) -> String {
    std::fs::write(secret.path(), format!("{OF_A_FILE}\n")).unwrap();
    format!(
        "headers = {{ Authorization = \"Bearer ${{ORDERS_TOKEN}}\", X-Api-Key = \"${{file:{}}}\", \
         X-Tenant = \"{OF_THE_SETTINGS}\" }}",
        secret.path().display()
    )
}

#[tokio::test]
async fn credentials_of_headers_reach_the_handler_and_are_shown_nowhere() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 5).await;
    dev.sqs.send(&pair.queue, "a").await;
    let handler = Handler::start(async |call: Call| if call.receive_count() == 1 { 500 } else { 200 });
    let secret = tempfile::NamedTempFile::new().unwrap();
    let settings = "retry = { initial = \"1s\", max = \"1s\" }";
    let file = file(&pair.queue, &handler.url(), &credentials(&secret), settings);
    let launch =
        |arguments: &[&str]| Launch::of(arguments).file(&file).variable("ORDERS_TOKEN", OF_A_VARIABLE);
    let mut worker =
        Worker::launched(launch(&["run", "--admin-listen", "127.0.0.1:0", "--log", "trace"])).await;
    let calls = handler.has_ended(2).await;
    for call in &calls {
        assert_eq!(call.header("authorization"), format!("Bearer {OF_A_VARIABLE}"));
        assert_eq!((call.header("x-api-key"), call.header("x-tenant")), (OF_A_FILE, OF_THE_SETTINGS));
    }
    dev.sqs.becomes_empty(&pair.queue).await;
    worker.process.signal(Signal::Terminate);
    let mut shown = vec![worker.process.ended().await];
    assert!(
        shown[0].errors.contains("message done"),
        "the log is as detailed as can be: {}",
        shown[0].errors
    );
    for arguments in [&["config"][..], &["config", "--json"], &["check"], &["check", "--format", "json"]] {
        shown.push(launch(arguments).run().await);
    }
    assert!(shown[1].output.contains("X-Tenant = \"***\""), "{}", shown[1].output);
    for ended in shown {
        let text = ended.output + &ended.errors;
        assert!(!text.is_empty() && !text.contains("s3cret"), "{text}");
    }
}

#[tokio::test]
async fn a_header_without_its_secret_exits_with_64_and_is_a_finding() {
    let (dev, handler) = (Dev::start().await, Handler::willing());
    let secret = tempfile::NamedTempFile::new().unwrap();
    let absent = credentials(&secret).replace(secret.path().to_str().unwrap(), "/no/such/secret");
    for (headers, variable, reason) in [
        (credentials(&secret), "", "header Authorization: the variable ORDERS_TOKEN is not set, or empty"),
        (absent, OF_A_VARIABLE, "header X-Api-Key: cannot read /no/such/secret"),
    ] {
        let file = file(&dev.queue, &handler.url(), &headers, "");
        let launch = |command| Launch::of(&[command]).file(&file).variable("ORDERS_TOKEN", variable);
        let ended = launch("run").run().await;
        assert_eq!(ended.code, Some(64), "{}", ended.errors);
        assert!(ended.errors.contains(reason) && !ended.errors.contains("s3cret"), "{}", ended.errors);
        let checked = launch("check").run().await;
        assert_eq!(checked.code, Some(64), "{}", checked.output);
        assert!(checked.output.contains("handler-settings") && checked.output.contains(reason));
        assert!(!checked.output.contains("s3cret"), "{}", checked.output);
    }
}

#[tokio::test]
async fn a_worker_receives_nothing_until_health_is_well() {
    let dev = Dev::start().await;
    let queue = dev.sqs.queue("orders", &[]).await;
    dev.sqs.send(&queue, "a").await;
    let health = Arc::new(AtomicU16::new(503));
    let answered = health.clone();
    let address = site(move |method, path| match (method, path) {
        (&Method::GET, "/healthz") => StatusCode::from_u16(answered.load(Ordering::SeqCst)).unwrap(),
        (&Method::POST, "/jobs") => StatusCode::OK,
        _ => StatusCode::NOT_FOUND,
    })
    .await;
    let file = file(&queue, &format!("http://{address}/jobs"), "health = \"/healthz\"", "");
    let checked = Launch::of(&["check"]).file(&file).run().await;
    assert_eq!(checked.code, Some(69), "{}", checked.output);
    assert!(checked.output.contains("handler-unreachable\n  queue orders: http://127.0.0.1:"));
    assert!(checked.output.contains("/healthz answered 503"), "{}", checked.output);

    let worker = started(&file).await;
    is_unready(&worker, "orders handler", "/healthz answered 503").await;
    assert_eq!(dev.sqs.counts(&queue).await, Counts { visible: 1, ..Counts::default() });
    health.store(200, Ordering::SeqCst);
    worker.admin.becomes_ready().await;
    dev.sqs.becomes_empty(&queue).await;
    let checked = Launch::of(&["check"]).file(&file).run().await;
    assert!(!checked.output.contains("handler-"), "no HEAD is answered with 404: {}", checked.output);
}

#[tokio::test]
async fn a_worker_whose_handler_is_at_another_path_is_not_ready_and_says_why() {
    let dev = Dev::start().await;
    for (status, reject, messages) in
        [(404, "[]", 3), (405, "[]", 3), (401, "[]", 3), (403, "[]", 3), (404, "[404]", 10)]
    {
        let pair = dev.sqs.pair(&format!("orders-{status}-{messages}"), 5).await;
        let handler = Handler::start(move |_| async move { status });
        let bodies: Vec<_> = (0..messages).map(|number| number.to_string()).collect();
        dev.sqs.send_all(&pair.queue, &bodies).await;
        let settings = "retry = { initial = \"1m\", jitter = \"none\" }";
        let worker =
            started(&file(&pair.queue, &handler.url(), &format!("reject = {reject}"), settings)).await;
        let counted = if messages == 3 { "3 have failed" } else { "10 were rejected" };
        let expected = format!("no message has been done since the start, {counted}: the handler answered");
        is_unready(&worker, "orders messages", &format!("{expected} {status}")).await;
        let line = worker.process.complains("no message has been done since the start").await;
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&line["level"], &line["queue"]), (&json!("ERROR"), &json!("orders")), "{line}");
        assert!(line["reason"].as_str().unwrap().contains(&status.to_string()), "{line}");
    }
}

#[tokio::test]
async fn the_reason_of_a_reject_is_in_the_log_the_dlq_and_the_notification() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 5).await;
    let sns = Sns::at(&dev.endpoint);
    let topic = sns.topic("audit").await;
    let listener = sns.listener(&topic, "listener").await;
    let address = site(|_, _| -> Response {
        let problem = r#"{"title": "No credit", "detail": "30\nshort"}"#;
        let headers = [("content-type", "application/problem+json")];
        (StatusCode::UNPROCESSABLE_ENTITY, headers, problem).into_response()
    })
    .await;
    let notify = format!("notify = {{ on_reject = \"{topic}\" }}");
    let file = file(&pair.queue, &format!("http://{address}/"), "reject = [422]", &notify);
    let worker = started(&file).await;
    dev.sqs.send(&pair.queue, "a").await;
    let reason = "the handler answered 422 Unprocessable Entity: No credit: 30 short";
    let line: Value = serde_json::from_str(&worker.process.complains("message rejected").await).unwrap();
    assert_eq!(line["reason"], reason, "{line}");
    assert_eq!(sns.notified(&listener, 1).await[0]["reason"], reason);
    let receive = dev.sqs.client.receive_message().queue_url(&pair.dlq).wait_time_seconds(10);
    let receive = receive.message_attribute_names("All").send();
    let copy = in_time("the copy", receive).await.unwrap().messages.unwrap_or_default().remove(0);
    let attributes = copy.message_attributes.unwrap();
    assert_eq!(attributes["longshore.reject.reason"].string_value.as_deref(), Some(reason));
}

#[tokio::test]
async fn check_finds_settings_of_headers_and_health_that_cannot_work() {
    let handler = "headers = { X-Aws-Sqsd-Msgid = \"s3cret\" }\nhealth = \"healthz\"";
    let file = file("http://127.0.0.1:9/000000000000/orders", "http://127.0.0.1:9/", handler, "");
    let ended = Launch::of(&["check"]).file(&file).run().await;
    assert_eq!(ended.code, Some(64), "{}", ended.output);
    for text in
        ["handler.headers.X-Aws-Sqsd-Msgid = ***: set by Longshore itself", "handler.health = \"healthz\""]
    {
        assert!(ended.output.contains(text), "{text:?} is not in {}", ended.output);
    }
}
