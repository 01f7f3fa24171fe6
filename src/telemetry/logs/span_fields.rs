//! The fields of spans, as JSON that the lines inside the spans read.

use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{FormatFields, format::Writer},
};

/// The bytes for which a text has room that is being written.
const USUAL_BYTES: usize = 128;

/// Writes the fields of a span as a JSON object; those that are recorded later follow in an object of their own.
///
/// Every message has a span, so this is written without the maps of `tracing_subscriber`'s own JSON format, which cost
/// seven times as many instructions.
pub(super) struct SpanFields;

impl<'writer> FormatFields<'writer> for SpanFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        let text = String::with_capacity(USUAL_BYTES);
        let mut visitor = SpanVisitor { text, is_first: true, result: Ok(()) };
        fields.record(&mut visitor);
        let SpanVisitor { mut text, is_first, result } = visitor;
        result?;
        text.push_str(if is_first { "{}" } else { "}" });
        // As a whole: a text that grows piece by piece has room for twice as much, and is kept for as long as the span.
        writer.write_str(&text)
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
