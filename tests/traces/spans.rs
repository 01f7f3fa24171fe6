//! The spans of messages, their attributes and their links.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::Value;

use super::{
    collector::{Collector, Protocol, ReceivedSpan},
    support::{
        Dev, Handler, Pair, Worker,
        ecs::{Agent, Ecs},
        http, until,
    },
};

/// Receives that were answered.
const RECEIVES: &str = r#"api_calls_total{action="receive",queue="orders",result="ok"}"#;

pub(crate) const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// The trace and the span of `PARENT`.
pub(crate) fn producer() -> (String, String) {
    ("0af7651916cd43dd8448eb211c80319c".to_owned(), "b7ad6b7169203331".to_owned())
}

/// The settings of the tests' workers beside their queue.
pub(crate) const SETTINGS: &str = "receive = { wait = \"1s\" }\nretry = { initial = \"1s\", max = \"1s\" }";

/// Sends a message with a trace context.
pub(crate) async fn send_traced(dev: &Dev, queue: &str, traceparent: &str) {
    let value = aws_sdk_sqs::types::MessageAttributeValue::builder().data_type("String");
    let value = value.string_value(traceparent).build().unwrap();
    let send = dev.sqs.client.send_message().queue_url(queue).message_body("the body");
    send.message_attributes("traceparent", value).send().await.unwrap();
}

/// A `dev`, and a worker of its queue that exports to this collector.
pub(crate) async fn working(collector: &Collector, handler: &Handler, settings: &str) -> (Dev, Pair, Worker) {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 3).await;
    let launch = Worker::launch(&pair.queue, handler, &format!("{SETTINGS}\n{settings}"));
    let worker = Worker::launched(collector.configure(launch)).await;
    (dev, pair, worker)
}

/// A `dev` whose queue has this handler.
async fn with_ingest_api(collector: &Collector, handler: &Handler, settings: &str) -> Dev {
    let launch = Dev::launch().file(&format!(
        "[queues.orders]\nname = \"orders\"\n{SETTINGS}\nhandler = {{ kind = \"http\", url = \"{}\" }}\n{settings}",
        handler.url()
    ));
    Dev::launched(collector.configure(launch)).await
}

async fn post_traced(dev: &Dev, name: &str, value: &str) {
    let (status, answer) = http::post_with(&dev.api, "/v1/messages", "{}", &[(name, value)]).await;
    assert_eq!(status, 202, "{answer}");
}

async fn a_request_is_followed_to_its_handler(protocol: Protocol) {
    let (collector, handler) = (Collector::start(protocol).await, Handler::willing());
    let dev = with_ingest_api(&collector, &handler, "").await;
    post_traced(&dev, "traceparent", PARENT).await;
    let call = handler.has_ended(1).await.remove(0);
    let process = collector.span("process orders").await;
    assert_eq!(call.header("traceparent"), process.traceparent());
    assert_eq!(call.header("x-amzn-trace-id"), process.xray());
    assert_eq!((process.kind, &process.links), (SpanKind::Consumer, &vec![producer()]));
    let delete = collector.span("delete orders").await;
    assert_eq!((&delete.trace, &delete.parent), (&process.trace, &process.id));
    let receive = collector.span("receive orders").await;
    assert_eq!((receive.kind, receive.links), (SpanKind::Client, vec![producer()]));
    attributes_are_those_of_the_conventions(&process, call.header("x-aws-sqsd-msgid"));
}

fn attributes_are_those_of_the_conventions(process: &ReceivedSpan, message_id: &str) {
    for (name, value) in [
        ("messaging.system", "aws_sqs"),
        ("messaging.operation.name", "process"),
        ("messaging.operation.type", "process"),
        ("messaging.destination.name", "orders"),
        ("messaging.message.id", message_id),
        ("messaging.message.body.size", "2"),
        ("server.address", "127.0.0.1"),
    ] {
        assert_eq!(process.attribute(name), value, "{name}");
    }
    assert!(process.attribute("aws.sqs.queue.url").ends_with("/000000000000/orders"));
    assert_eq!(process.resource["service.name"], "longshore");
    assert_eq!(process.resource["service.version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn a_request_is_followed_to_its_handler_over_http() {
    a_request_is_followed_to_its_handler(Protocol::Http).await;
}

#[tokio::test]
async fn a_request_is_followed_to_its_handler_over_grpc() {
    a_request_is_followed_to_its_handler(Protocol::Grpc).await;
}

#[tokio::test]
async fn a_trace_that_begins_at_the_ingest_api_reaches_the_handler() {
    let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "8448eb211c80319c");
    let root = format!("Self=1-67891234-12456789abcdef012345678;Root=1-{}-{}", &trace[..8], &trace[8..]);
    for settings in ["", "[traces]\nproducer = \"parent\""] {
        let (collector, handler) = (Collector::start(Protocol::Http).await, Handler::willing());
        let dev = with_ingest_api(&collector, &handler, settings).await;
        post_traced(&dev, "X-Amzn-Trace-Id", &root).await;
        let process = collector.span("process orders").await;
        let producer = (trace.to_owned(), span.to_owned());
        if settings.is_empty() {
            assert_eq!(process.links, [producer]);
        } else {
            // The producer has made no sampling decision, so the sampler decides.
            assert_eq!((process.trace.clone(), process.parent.clone()), producer);
        }
        assert_eq!(handler.has_ended(1).await[0].header("x-amzn-trace-id"), process.xray());
    }
}

#[tokio::test]
async fn the_producers_trace_continues_when_it_is_the_parent() {
    let (collector, handler) = (Collector::start(Protocol::Http).await, Handler::willing());
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 3).await;
    let launch =
        Worker::launch(&pair.queue, &handler, &format!("{SETTINGS}\n[traces]\nproducer = \"parent\""));
    let _worker = Worker::launched(collector.configure(launch)).await;
    send_traced(&dev, &pair.queue, PARENT).await;
    let process = collector.span("process orders").await;
    assert_eq!((process.trace.clone(), process.parent.clone()), producer());
    assert!(process.links.is_empty());
    // The producer's decision against recording is kept, too.
    send_traced(&dev, &pair.queue, &PARENT.replace("-01", "-00")).await;
    let calls = handler.has_ended(2).await;
    assert!(calls[1].header("traceparent").ends_with("-00"));
    dev.sqs.becomes_empty(&pair.queue).await;
    assert_eq!(collector.spans().iter().filter(|span| span.name == "process orders").count(), 1);
}

#[tokio::test]
async fn a_batch_is_linked_to_every_producer() {
    let (collector, handler) = (Collector::start(Protocol::Http).await, Handler::willing());
    let settings = "batch = { size = 3, window = \"10s\" }\n[traces]\nproducer = \"parent\"";
    let (dev, pair, _worker) = working(&collector, &handler, settings).await;
    let trace = |number: usize| format!("{number}af7651916cd43dd8448eb211c80319c");
    for number in 1..=3 {
        send_traced(&dev, &pair.queue, &format!("00-{}-b7ad6b7169203331-01", trace(number))).await;
    }
    let process = collector.span("process orders").await;
    let mut linked: Vec<_> = process.links.iter().map(|(trace, _)| trace.clone()).collect();
    linked.sort_unstable();
    assert_eq!(linked, [1, 2, 3].map(trace));
    assert_eq!(process.attribute("messaging.batch.message_count"), "3");
    let mut ids: Vec<_> = process.attribute("longshore.message_ids").split(' ').map(str::to_owned).collect();
    ids.sort_unstable();
    let linked_messages = |span: &ReceivedSpan| {
        let mut ids = span.linked_messages.clone();
        ids.sort_unstable();
        ids
    };
    assert_eq!((ids.len(), &ids), (3, &linked_messages(&process)));
    let receives = collector.spans().into_iter().filter(|span| span.name == "receive orders");
    let mut linked: Vec<_> = receives.flat_map(|span| linked_messages(&span)).collect();
    linked.sort_unstable();
    assert_eq!(linked, ids);
    assert_eq!(handler.has_ended(1).await[0].header("traceparent"), process.traceparent());
    let delete = collector.span("delete orders").await;
    assert_eq!((&delete.parent, delete.attribute("messaging.batch.message_count")), (&process.id, "3"));
}

#[tokio::test]
async fn the_messages_of_a_batch_that_are_not_done_are_events() {
    let collector = Collector::start(Protocol::Http).await;
    let handler = Handler::start(async |_| 500);
    let settings = "batch = { size = 2, window = \"10s\" }";
    let (dev, pair, _worker) = working(&collector, &handler, settings).await;
    dev.sqs.send_all(&pair.queue, &["1", "2"].map(str::to_owned)).await;
    let process = collector.span("process orders").await;
    let ids = process.attribute("longshore.message_ids");
    assert_eq!(process.events.len(), 2, "{process:?}");
    for event in &process.events {
        assert!(ids.contains(&event["messaging.message.id"]), "{event:?}");
        assert_eq!((&*event["error.type"], &*event["longshore.failure_cause"]), ("retry", "status_5xx"));
        assert!(event["longshore.reason"].contains("500"), "{event:?}");
    }
}

#[tokio::test]
async fn a_failed_attempt_is_known_by_its_span_and_its_line() {
    let (collector, handler) = (Collector::start(Protocol::Http).await, Handler::start(async |_| 500));
    let (dev, pair, worker) = working(&collector, &handler, "").await;
    dev.sqs.send(&pair.queue, "the body").await;
    let line = worker.process.complains("message not done").await;
    let line: Value = serde_json::from_str(&line).unwrap();
    let process = collector.span("process orders").await;
    let number = |name: &str| process.attribute(name).parse::<f64>().unwrap();
    assert_eq!(process.schema, "https://opentelemetry.io/schemas/1.44.0");
    assert_eq!(
        (number("aws.sqs.message.receive_count"), number("aws.sqs.message.max_receive_count")),
        (1.0, 3.0)
    );
    assert_eq!((&line["receive_count"], &line["max_receive_count"]), (&1.into(), &3.into()));
    assert_eq!(process.attribute("longshore.failure_cause"), "status_5xx");
    assert_eq!((&line["cause"], &line["ending"]), (&"status_5xx".into(), &"retry".into()), "{line}");
    assert_eq!(line["retry_in_seconds"].as_f64(), Some(number("longshore.retry_delay_seconds")));
    assert!(number("longshore.retry_delay_seconds") > 0.0);
    let (wait, line_wait) =
        (number("longshore.queue_wait_seconds"), line["queue_wait_seconds"].as_f64().unwrap());
    assert!((0.0..60.0).contains(&wait) && (wait - line_wait).abs() < 5.0, "{wait} {line}");
    let sent = process.attribute("aws.sqs.message.sent_timestamp");
    assert!(sent.starts_with("20") && sent.ends_with('Z'), "{sent}");
    assert_eq!(line["sent_at"], sent);
}

#[tokio::test]
async fn the_span_of_a_failure_has_its_kind_and_the_handlers_reason() {
    let (collector, handler) = (Collector::start(Protocol::Http).await, Handler::start(async |_| 500));
    let (dev, pair, _worker) = working(&collector, &handler, "").await;
    dev.sqs.send(&pair.queue, "the body").await;
    let process = collector.span("process orders").await;
    assert_eq!(process.attribute("error.type"), "retry");
    assert!(process.failure.as_deref().unwrap().contains("500"), "{process:?}");
    let settle = collector.span("give_back orders").await;
    assert_eq!((&settle.trace, settle.attribute("messaging.operation.type")), (&process.trace, "settle"));
}

#[tokio::test]
async fn a_quiet_queue_makes_no_spans() {
    let (collector, handler) = (Collector::start(Protocol::Http).await, Handler::willing());
    let (dev, pair, worker) = working(&collector, &handler, "").await;
    until("a few receives were empty", async || worker.admin.sample(RECEIVES).await >= 3.0).await;
    dev.sqs.send(&pair.queue, "the body").await;
    collector.span("delete orders").await;
    let names: Vec<_> = collector.spans().into_iter().map(|span| span.name).collect();
    assert_eq!(names, ["receive orders", "process orders", "delete orders"]);
}

#[tokio::test]
async fn an_unsampled_trace_is_not_recorded_and_the_handler_sees_that() {
    let (collector, handler) = (Collector::start(Protocol::Http).await, Handler::willing());
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 3).await;
    let launch = Worker::launch(&pair.queue, &handler, SETTINGS);
    let launch = collector.configure(launch).variable("OTEL_TRACES_SAMPLER", "always_off");
    let mut worker = Worker::launched(launch).await;
    send_traced(&dev, &pair.queue, PARENT).await;
    let call = handler.has_ended(1).await.remove(0);
    assert!(call.header("traceparent").ends_with("-00"), "{}", call.header("traceparent"));
    worker.process.signal(super::support::Signal::Terminate);
    assert_eq!(worker.process.ended().await.code, Some(0));
    assert!(collector.spans().is_empty());
}

#[tokio::test]
async fn a_ratio_of_the_traces_is_recorded_and_the_handler_sees_which() {
    let (collector, handler) = (Collector::start(Protocol::Http).await, Handler::willing());
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 3).await;
    let settings = format!("{SETTINGS}\n[traces]\nproducer = \"parent\"");
    let launch = collector.configure(Worker::launch(&pair.queue, &handler, &settings));
    let launch = launch.variable("OTEL_TRACES_SAMPLER", "traceidratio");
    let mut worker = Worker::launched(launch.variable("OTEL_TRACES_SAMPLER_ARG", "0.5")).await;
    // By the specification the ratio is of the trace's last 63 bits.
    let (low, high) = (format!("{:032x}", 1), format!("{:032x}", u64::MAX));
    for trace in [&low, &high] {
        send_traced(&dev, &pair.queue, &format!("00-{trace}-b7ad6b7169203331-00")).await;
    }
    let mut calls: Vec<_> = handler.has_ended(2).await;
    calls.sort_by_key(|call| call.header("traceparent").to_owned());
    let calls: Vec<_> = calls.iter().map(|call| call.header("traceparent")).collect();
    assert!(calls[0].contains(&low) && calls[0].ends_with("-01"), "{calls:?}");
    assert!(calls[1].contains(&high) && calls[1].ends_with("-00"), "{calls:?}");
    dev.sqs.becomes_empty(&pair.queue).await;
    worker.process.signal(super::support::Signal::Terminate);
    worker.process.ended().await;
    let spans = collector.spans();
    let of_calls = spans.iter().filter(|span| span.name == "process orders" || !span.parent.is_empty());
    assert!(of_calls.clone().count() > 0 && of_calls.clone().all(|span| span.trace == low), "{spans:?}");
}

#[tokio::test]
async fn spans_name_the_ecs_task_of_their_process() {
    let (collector, handler) = (Collector::start(Protocol::Http).await, Handler::willing());
    let (dev, ecs) = (Dev::start().await, Ecs::start(Agent::Well).await);
    let pair = dev.sqs.pair("orders", 3).await;
    let launch = ecs.around(collector.configure(Worker::launch(&pair.queue, &handler, SETTINGS)));
    let launch = launch.variable("OTEL_RESOURCE_ATTRIBUTES", "cloud.region=elsewhere,team=a%20b");
    let _worker = Worker::launched(launch.variable("OTEL_SERVICE_NAME", "orders-worker")).await;
    dev.sqs.send(&pair.queue, "x").await;
    let resource = collector.span("process orders").await.resource;
    let attribute = |name: &str| resource.get(name).map(String::as_str);
    assert_eq!(
        (attribute("service.name"), attribute("cloud.platform")),
        (Some("orders-worker"), Some("aws_ecs"))
    );
    assert!(attribute("aws.ecs.task.arn").is_some_and(|arn| arn.contains(":task/")), "{resource:?}");
    assert_eq!(attribute("cloud.region"), Some("elsewhere"), "the environment overrides detected attributes");
}

#[tokio::test]
async fn hostile_trace_contexts_are_ignored() {
    let (collector, handler) = (Collector::start(Protocol::Http).await, Handler::willing());
    let (dev, pair, _worker) = working(&collector, &handler, "").await;
    for hostile in ["00-evil", "00-00000000000000000000000000000000-0000000000000000-01", &"x".repeat(10_000)]
    {
        send_traced(&dev, &pair.queue, hostile).await;
    }
    let calls = handler.has_ended(3).await;
    for call in calls {
        let id = call.header("x-aws-sqsd-msgid").to_owned();
        let is_its = |span: &ReceivedSpan| span.attribute("messaging.message.id") == id;
        let process = collector.span_that("process orders", is_its).await;
        assert_eq!((process.links.len(), process.parent.as_str()), (0, ""));
        assert_eq!(call.header("traceparent"), process.traceparent());
    }
}
