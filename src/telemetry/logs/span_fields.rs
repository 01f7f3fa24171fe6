//! The fields of spans, as JSON that the lines inside the spans read.

use std::{
    fmt::{self, Debug, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustc_hash::FxHashMap;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, field::RecordFields, layer::Context};

/// The bytes for which a text has room that is being written.
const USUAL_BYTES: usize = 128;

/// The fields of the open spans: of each a JSON object, and one more for each time that some were recorded later.
///
/// Every message that runs has a span. In the extensions of `tracing_subscriber` its fields would take three times as much
/// memory as in this map, and by its own JSON format seven times as many instructions.
#[derive(Clone, Default)]
pub(super) struct SpanFields(Arc<Mutex<FxHashMap<Id, Box<str>>>>);

impl SpanFields {
    fn spans(&self) -> MutexGuard<'_, FxHashMap<Id, Box<str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fields of a span.
    pub(super) fn of(&self, span: &Id) -> Option<Box<str>> {
        self.spans().get(span).cloned()
    }

    fn add(&self, span: &Id, fields: impl RecordFields) {
        let text = String::with_capacity(USUAL_BYTES);
        let mut visitor = SpanVisitor { text, is_first: true, result: Ok(()) };
        fields.record(&mut visitor);
        let SpanVisitor { mut text, is_first, result } = visitor;
        if result.is_err() {
            return;
        }
        text.push_str(if is_first { "{}" } else { "}" });
        let mut spans = self.spans();
        if let Some(before) = spans.remove(span) {
            text.insert_str(0, &before);
        }
        spans.insert(span.clone(), text.into());
    }

    fn remove(&self, span: &Id) {
        self.spans().remove(span);
    }
}

/// A layer that writes lines, and keeps the fields of the spans for them.
pub(super) struct LinesInSpans<L> {
    pub(super) lines: L,
    pub(super) fields: SpanFields,
}

impl<S: Subscriber, L: Layer<S>> Layer<S> for LinesInSpans<L> {
    fn on_new_span(&self, attributes: &Attributes<'_>, span: &Id, _context: Context<'_, S>) {
        self.fields.add(span, attributes);
    }

    fn on_record(&self, span: &Id, values: &Record<'_>, _context: Context<'_, S>) {
        self.fields.add(span, values);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        self.lines.on_event(event, context);
    }

    fn on_close(&self, span: Id, _context: Context<'_, S>) {
        self.fields.remove(&span);
    }
}

struct SpanVisitor {
    text: String,
    is_first: bool,
    result: fmt::Result,
}

impl SpanVisitor {
    /// Writes the name of a field, and its value by `write`.
    fn field(&mut self, field: &Field, write: impl FnOnce(&mut String) -> fmt::Result) {
        if self.result.is_ok() {
            self.result = self.name(field).and_then(|()| write(&mut self.text));
        }
    }

    fn name(&mut self, field: &Field) -> fmt::Result {
        self.text.push(if self.is_first { '{' } else { ',' });
        self.is_first = false;
        // A field whose name is a keyword is a raw identifier. No name needs an escape.
        let name = field.name().trim_start_matches("r#");
        write!(self.text, "\"{name}\":")
    }

    fn string(&mut self, field: &Field, text: fmt::Arguments<'_>) {
        self.field(field, |writer| {
            writer.push('"');
            StringContent(&mut *writer).write_fmt(text)?;
            writer.push('"');
            Ok(())
        });
    }
}

impl Visit for SpanVisitor {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.field(field, |writer| write!(writer, "{}", serde_json::Value::from(value)));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field, |writer| write!(writer, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, |writer| write!(writer, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field, |writer| write!(writer, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.string(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.string(field, format_args!("{value:?}"));
    }
}

/// Writes text as the content of a JSON string.
struct StringContent<W>(W);

impl<W: Write> Write for StringContent<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let is_escaped = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
        if !text.bytes().any(is_escaped) {
            return self.0.write_str(text);
        }
        let quoted = serde_json::to_string(text).map_err(|_| fmt::Error)?;
        self.0.write_str(&quoted[1..quoted.len() - 1])
    }
}

#[cfg(test)]
mod tests {
    use tracing::{info_span, subscriber::with_default};
    use tracing_subscriber::{Registry, layer::SubscriberExt as _};

    use super::*;

    #[test]
    fn the_fields_of_a_span_are_kept_until_it_is_closed_and_nowhere_else() {
        let fields = SpanFields::default();
        let layer = LinesInSpans { lines: tracing_subscriber::fmt::layer(), fields: fields.clone() };
        with_default(Registry::default().with(layer), || {
            let (call, other) = (info_span!("process", queue = "orders"), info_span!("process", queue = "b"));
            let id = call.id().unwrap();
            assert_eq!(fields.of(&id).as_deref(), Some(r#"{"queue":"orders"}"#));
            drop(call);
            assert_eq!((fields.of(&id), fields.spans().len()), (None, 1));
            drop(other);
            assert!(fields.spans().is_empty());
        });
    }
}
