//! The JSON format of log lines: one flat object per line.

use std::{
    borrow::Cow,
    fmt::{self, Debug},
    time::SystemTime,
};

use opentelemetry::{Context, trace::TraceContextExt as _};
use serde::Serializer as _;
use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use super::span_fields::SpanFields;

/// The keys of every line; another field of such a name gets a trailing underscore.
const OWN: [&str; 5] = ["timestamp", "level", "target", "trace_id", "span_id"];
/// The prefix of fields that only traces use.
const OF_TRACES: &str = "otel.";

/// Writes a line: timestamp, level, message, the fields of the event, and those of the spans it is in.
pub(super) struct Line(pub(super) SpanFields);

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        let metadata = event.metadata();
        fields.set("timestamp", humantime::format_rfc3339_micros(SystemTime::now()).to_string());
        fields.set("level", metadata.level().as_str());
        event.record(&mut FieldVisitor(&mut fields));
        fields.set("target", metadata.target());
        // The event overrides its spans, and an inner span the outer ones: the first value of a name is kept.
        for span in context.event_scope().into_iter().flatten() {
            if let Some(of_span) = self.0.of(&span.id()) {
                fields.set_all(&of_span);
            }
        }
        let span_context = Context::map_current(|current| current.span().span_context().clone());
        if span_context.is_valid() {
            fields.set("trace_id", span_context.trace_id().to_string());
            fields.set("span_id", span_context.span_id().to_string());
        }
        let line = fields.to_json().map_err(|_| fmt::Error)?;
        writeln!(writer, "{line}")
    }
}

/// The fields of a line, in the order of writing; the first value of a name is kept.
#[derive(Default)]
struct Fields(Vec<(Cow<'static, str>, Value)>);

impl Fields {
    fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        let name = name.into();
        if !self.0.iter().any(|(other, _)| *other == name) {
            self.0.push((name, value.into()));
        }
    }

    /// Sets a field whose name may be one of the line's own keys.
    fn set_renamed(&mut self, name: &str, value: Value) {
        if name.starts_with(OF_TRACES) {
            return;
        }
        let is_own = OWN.contains(&name);
        self.set(if is_own { format!("{name}_") } else { name.to_owned() }, value);
    }

    /// Sets all fields of JSON objects, of which the later ones override those before.
    fn set_all(&mut self, objects: &str) {
        let objects = serde_json::Deserializer::from_str(objects).into_iter::<Map<String, Value>>();
        let fields: Map<String, Value> = objects.filter_map(Result::ok).flatten().collect();
        for (name, value) in fields {
            self.set_renamed(&name, value);
        }
    }

    fn to_json(&self) -> serde_json::Result<String> {
        let mut json = Vec::with_capacity(256);
        let mut serializer = serde_json::Serializer::new(&mut json);
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))?;
        Ok(String::from_utf8_lossy(&json).into_owned())
    }
}

/// Takes the fields of an event.
struct FieldVisitor<'a>(&'a mut Fields);

impl FieldVisitor<'_> {
    fn record_value(&mut self, field: &Field, value: impl Into<Value>) {
        // A field whose name is a keyword is a raw identifier.
        let name = field.name().trim_start_matches("r#");
        self.0.set_renamed(name, value.into());
    }
}

impl Visit for FieldVisitor<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.record_value(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.record_value(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.record_value(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.record_value(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_value(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_value(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests;
