//! The layer of a TOML file, whose values have their line as origin.

use std::path::Path;

use config::{Value, ValueKind};
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

use super::layers::Layer;
use crate::settings::Problem;

/// Reads the text of a file; a malformed one is one problem with its line and column.
pub(super) fn parse(path: &Path, text: &str) -> Result<Layer, Box<Problem>> {
    let newlines = text.match_indices('\n').map(|(at, _)| at).collect();
    let file = FileText { path, text, newlines };
    let table = DeTable::parse(text).map_err(|error| file.malformed(&error))?;
    let origin = file.origin(&table);
    Ok(file.table(table.get_ref(), &origin).into())
}

struct FileText<'a> {
    path: &'a Path,
    text: &'a str,
    /// The place of each newline.
    newlines: Vec<usize>,
}

impl FileText<'_> {
    fn malformed(&self, error: &toml::de::Error) -> Box<Problem> {
        let at = error.span().map_or(0, |span| span.start);
        let (line, start) = self.line(at);
        let column = self.text.get(start..at).unwrap_or_default().chars().count() + 1;
        let (path, message) = (self.path.display(), error.message().trim_end().replace('\n', ", "));
        Box::new(Problem::general(format!("malformed TOML: {path}, line {line}, column {column}: {message}")))
    }

    /// The number of the line with this byte, counted from 1, and the line's first byte.
    fn line(&self, at: usize) -> (usize, usize) {
        let before = self.newlines.partition_point(|newline| *newline < at);
        (before + 1, before.checked_sub(1).map_or(0, |last| self.newlines[last] + 1))
    }

    fn origin<T>(&self, spanned: &Spanned<T>) -> String {
        let (line, _) = self.line(spanned.span().start);
        format!("{}, line {line}", self.path.display())
    }

    fn table(&self, table: &DeTable<'_>, origin: &str) -> Value {
        let entries = table.iter().map(|(name, value)| {
            let origin = self.origin(name);
            let value = match value.get_ref() {
                DeValue::Table(table) => self.table(table, &origin),
                DeValue::Array(items) if has_tables_only(items) => self.numbered(items, &origin),
                value => convert(value, &origin),
            };
            (name.get_ref().to_string(), value)
        });
        Value::new(Some(&origin.to_owned()), ValueKind::Table(entries.collect()))
    }

    /// A list of tables as a table of them by number, so that each of their settings has a key.
    fn numbered(&self, items: &DeArray<'_>, origin: &str) -> Value {
        let tables = items.iter().filter_map(|item| Some((item, item.get_ref().as_table()?)));
        let numbered = tables
            .zip(1..)
            .map(|((item, table), number)| (number.to_string(), self.table(table, &self.origin(item))));
        Value::new(Some(&origin.to_owned()), ValueKind::Table(numbered.collect()))
    }
}

fn has_tables_only(items: &DeArray<'_>) -> bool {
    !items.is_empty() && items.iter().all(|item| item.get_ref().is_table())
}

/// Converts a value; everything in it has the same origin.
fn convert(value: &DeValue<'_>, origin: &str) -> Value {
    let inner = |value: &Spanned<DeValue<'_>>| convert(value.get_ref(), origin);
    let kind = match value {
        DeValue::String(text) => ValueKind::String(text.to_string()),
        DeValue::Boolean(truth) => ValueKind::Boolean(*truth),
        DeValue::Integer(digits) => integer(digits.as_str(), digits.radix()),
        DeValue::Float(digits) => float(digits.as_str()),
        DeValue::Datetime(time) => ValueKind::String(time.to_string()),
        DeValue::Array(items) => ValueKind::Array(items.iter().map(inner).collect()),
        DeValue::Table(table) => ValueKind::Table(
            table.iter().map(|(name, value)| (name.get_ref().to_string(), inner(value))).collect(),
        ),
    };
    Value::new(Some(&origin.to_owned()), kind)
}

/// A number; one that no integer type holds stays text, which every number setting refuses by name.
fn integer(digits: &str, radix: u32) -> ValueKind {
    i64::from_str_radix(digits, radix).map_or_else(|_| ValueKind::String(digits.to_owned()), ValueKind::I64)
}

/// A number; `nan` and `inf` stay text, which every number setting refuses by name.
fn float(digits: &str) -> ValueKind {
    let number = digits.parse().ok().filter(|number: &f64| number.is_finite());
    number.map_or_else(|| ValueKind::String(digits.to_owned()), ValueKind::Float)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{config::layers::origin_of, settings::Key};

    fn read(text: &str) -> Result<Layer, Box<Problem>> {
        parse(Path::new("longshore.toml"), text)
    }

    #[test]
    fn every_setting_has_its_line_as_origin() {
        let layer = read("[queues.orders]\nurl = \"u\"\n\nretry = { factor = 2.5 }\n").unwrap();
        let origin = |key: &str| origin_of(layer.get(&Key::default().descend(key)).unwrap());
        assert_eq!(origin("queues.orders.url"), "longshore.toml, line 2");
        assert_eq!(origin("queues.orders.retry.factor"), "longshore.toml, line 4");
    }

    #[test]
    fn numbers_in_every_notation_are_read() {
        let layer = read("a = 0x10\nb = 1_000\nc = nan\nd = [1, 2]\ne = 99999999999999999999").unwrap();
        let expected =
            serde_json::json!({"a": 16, "b": 1000, "c": "nan", "d": [1, 2], "e": "99999999999999999999"});
        assert_eq!(layer.json(), expected);
    }

    #[test]
    fn a_list_of_tables_is_a_table_of_them_by_number() {
        let layer = read("[[q.route]]\nreject = \"a\"\n\n[[q.route]]\nreject = \"b\"\n").unwrap();
        assert_eq!(
            layer.json(),
            serde_json::json!({"q": {"route": {"1": {"reject": "a"}, "2": {"reject": "b"}}}})
        );
        let origin = origin_of(layer.get(&Key::new(["q", "route", "2", "reject"])).unwrap());
        assert_eq!(origin, "longshore.toml, line 5");
    }

    #[test]
    fn malformed_text_is_reported_with_line_and_column() {
        let problem = read("[drain]\nlimit = 5 5\n").unwrap_err().to_string();
        assert!(problem.contains("longshore.toml, line 2, column 9"), "{problem}");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*|([a-z\"'=.\\[\\]{}\n\r0-9#]{0,40})") {
            drop(read(&text));
        }
    }
}
