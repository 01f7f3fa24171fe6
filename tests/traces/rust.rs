//! Handlers in Rust, in a program that has set up OpenTelemetry for itself.

use longshore::queue::EmulatorQueue;
use longshore_emulator::SqsAccount;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use longshore::{
    Consumer, Message, Worker,
    handler::{Context, Outcome, from_fn_with},
    stop::Stop,
    telemetry::traces::Traces,
};
use opentelemetry::{
    global,
    trace::{TraceContextExt as _, TracerProvider as _},
};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::support::own_process::is_own_process;

/// The span ids that a handler saw: by its context, by the current `tracing` span, and by OpenTelemetry.
type Seen = Arc<Mutex<Option<[String; 3]>>>;

fn note(seen: &Seen, context: &Context) {
    let by_tracing = tracing::Span::current().context().span().span_context().span_id();
    let by_opentelemetry = opentelemetry::Context::current().span().span_context().span_id();
    let by_context = context.trace().unwrap().context().span_id();
    let ids = [by_context, by_tracing, by_opentelemetry].map(|id| id.to_string());
    assert!(context.traceparent().unwrap().contains(&ids[0]));
    *seen.lock().unwrap() = Some(ids);
}

#[tokio::test]
async fn the_current_span_is_that_of_the_call_and_the_handlers_own_are_below_it() {
    let test =
        "tests::traces_of_a_program::the_current_span_is_that_of_the_call_and_the_handlers_own_are_below_it";
    if !is_own_process(test) {
        return;
    }
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    global::set_tracer_provider(provider.clone());
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("program"));
    let _log = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));

    let account = SqsAccount::default();
    account.create_queue("orders", &BTreeMap::new(), &BTreeMap::new()).unwrap();
    account.send("orders", "x").unwrap();
    let queue = Arc::new(EmulatorQueue::new(&account, "orders"));
    let seen = Seen::default();
    let noted = seen.clone();
    let stop = Stop::new();
    let over = stop.clone();
    let handler = from_fn_with(move |_: Arc<Message>, context: Context| {
        note(&noted, &context);
        let _own = tracing::info_span!("ship").entered();
        over.drain();
        std::future::ready(Outcome::Done)
    });
    let traces = Traces::of_program();
    Worker::new()
        .consumer(Consumer::of("orders", queue, handler))
        .traces(traces)
        .run_here(stop)
        .await
        .unwrap();

    let spans = exporter.get_finished_spans().unwrap();
    let find = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let (process, own) = (find("process orders"), find("ship"));
    let id = process.span_context.span_id().to_string();
    assert_eq!(seen.lock().unwrap().clone().unwrap(), [id.clone(), id.clone(), id]);
    assert_eq!(own.parent_span_id, process.span_context.span_id());
    assert_eq!(find("delete orders").parent_span_id, process.span_context.span_id());
}
