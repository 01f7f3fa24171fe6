//! The content of written lines.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing::{Span, field::Empty, info, info_span, subscriber::with_default};
use tracing_subscriber::{Registry, fmt, layer::SubscriberExt as _};

use super::{super::span_fields::LinesInSpans, *};
use crate::telemetry::context::TraceContext;

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the one line that `write` logs.
fn line(write: impl FnOnce()) -> Map<String, Value> {
    let written = Written::default();
    let writer = written.clone();
    let fields = SpanFields::default();
    let lines = fmt::layer().event_format(Line(fields.clone())).with_writer(move || writer.clone());
    with_default(Registry::default().with(LinesInSpans { lines, fields }), write);
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_line_is_flat_and_has_the_fields_of_its_event() {
    let line =
        line(|| info!(count = 3, ratio = 0.5, sure = true, text = "a\nb", r#type = ?Some(1), "logged"));
    let own = ["level", "message", "target", "count", "ratio", "sure", "text", "type"];
    let values = own.map(|name| line[name].to_string());
    let target = "\"longshore::telemetry::logs::line::tests\"";
    assert_eq!(values, ["\"INFO\"", "\"logged\"", target, "3", "0.5", "true", "\"a\\nb\"", "\"Some(1)\""]);
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(line.len(), own.len() + 1);
}

#[test]
fn a_line_has_the_fields_of_the_spans_it_is_in_and_the_nearest_counts() {
    let line = line(|| {
        let _outer = info_span!("process", queue = "orders", message_id = "m-1", otel.kind = "x").entered();
        let _inner = info_span!("mine", order = 7, queue = "inner").entered();
        info!(order = 8, "logged");
    });
    assert_eq!(line["message_id"], "m-1");
    assert_eq!((&line["queue"], &line["order"]), (&Value::from("inner"), &Value::from(8)));
    assert!(!line.contains_key("otel.kind") && !line.contains_key("span"), "{line:?}");
}

#[test]
fn hostile_values_of_a_span_are_written_unchanged() {
    let hostile = "a\"b\\\n{\"level\":\"FATAL\"}\0\u{2028}\u{1b}[31m";
    let line = line(|| {
        let _call = info_span!("process", queue = hostile, ratio = f64::NAN, big = u128::MAX).entered();
        let _own = info_span!("own", r#type = hostile, trace_id = hostile, later = Empty).entered();
        Span::current().record("later", "overridden").record("later", hostile);
        info!(message_id = %hostile, "logged");
    });
    for name in ["queue", "type", "trace_id_", "later", "message_id"] {
        assert_eq!(line[name], hostile, "{name}");
    }
    assert_eq!((&line["ratio"], &line["level"]), (&Value::Null, &Value::from("INFO")));
    assert_eq!(line["big"], u128::MAX.to_string());
}

#[test]
fn a_line_names_the_trace_it_is_in() {
    let trace = TraceContext::fresh();
    let context = Context::new().with_remote_span_context(trace.span_context().clone());
    let within = line(|| {
        let _here = context.attach();
        info!("logged");
    });
    assert_eq!(within["trace_id"], trace.trace_id().to_string());
    assert_eq!(within["span_id"], trace.span_id().to_string());
    assert!(!line(|| info!("logged")).contains_key("trace_id"));
}

#[test]
fn a_field_cannot_replace_a_key_of_the_line() {
    let line = line(|| info!(level = "FATAL", trace_id = "mine", "logged"));
    assert_eq!((&line["level"], &line["level_"]), (&Value::from("INFO"), &Value::from("FATAL")));
    assert_eq!(line["trace_id_"], "mine");
}

#[test]
fn a_number_that_json_cannot_express_is_null() {
    let line = line(|| info!(ratio = f64::NAN, "logged"));
    assert_eq!(line["ratio"], Value::Null);
}
