//! Reads TOML into a tree that remembers the lines.

use std::path::Path;

use serde_json::Value;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::tree::{Content, Node, Origin};
use crate::settings::Problem;

/// Reads the text of a file; a malformed one is one problem with its line and column.
pub(super) fn parse(path: &Path, text: &str) -> Result<Node, Box<Problem>> {
    let table = DeTable::parse(text).map_err(|error| malformed(path, text, &error))?;
    let source = Source { path, text };
    let origin = source.origin(&table);
    Ok(Node { origin, content: source.content_of_table(table.get_ref()) })
}

fn malformed(path: &Path, text: &str, error: &toml::de::Error) -> Box<Problem> {
    let (line, column) = position(text, error.span().map_or(0, |span| span.start));
    let words = error.message().trim_end().replace('\n', ", ");
    Box::new(Problem::general(format!(
        "malformed TOML: {}, line {line}, column {column}: {words}",
        path.display()
    )))
}

/// The line and the column, both counted from 1, of a byte of the text.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn origin<T>(&self, spanned: &Spanned<T>) -> Origin {
        Origin::File(self.path.to_owned(), position(self.text, spanned.span().start).0)
    }

    fn content_of_table(&self, table: &DeTable<'_>) -> Content {
        let entry = |(name, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
            let content = match value.get_ref() {
                DeValue::Table(table) => self.content_of_table(table),
                value => Content::Value(bare(value)),
            };
            (name.get_ref().to_string(), Node { origin: self.origin(name), content })
        };
        Content::Table(table.iter().map(entry).collect())
    }
}

fn bare(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Boolean(truth) => Value::from(*truth),
        DeValue::Integer(digits) => integer(digits.as_str(), digits.radix()),
        DeValue::Float(digits) => float(digits.as_str()),
        DeValue::Datetime(time) => Value::from(time.to_string()),
        DeValue::Array(items) => items.iter().map(|item| bare(item.get_ref())).collect(),
        DeValue::Table(table) => {
            table.iter().map(|(name, value)| (name.get_ref().to_string(), bare(value.get_ref()))).collect()
        }
    }
}

/// A number; one that no integer type holds stays text, which every number setting refuses by name.
fn integer(digits: &str, radix: u32) -> Value {
    i64::from_str_radix(digits, radix).map_or_else(|_| Value::from(digits), Value::from)
}

/// A number; `nan` and `inf` stay text, which every number setting refuses by name.
fn float(digits: &str) -> Value {
    let number = digits.parse().ok().and_then(serde_json::Number::from_f64);
    number.map_or_else(|| Value::from(digits), Value::Number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::settings::Key;

    fn read(text: &str) -> Result<Node, Box<Problem>> {
        parse(Path::new("longshore.toml"), text)
    }

    #[test]
    fn every_setting_remembers_its_line() {
        let tree = read("[queues.orders]\nurl = \"u\"\n\nretry = { factor = 2.5 }\n").unwrap();
        let line = |key: &str| match &tree.get(&Key::default().descend(key)).unwrap().origin {
            Origin::File(_, line) => *line,
            other => panic!("{other}"),
        };
        assert_eq!([line("queues.orders.url"), line("queues.orders.retry.factor")], [2, 4]);
    }

    #[test]
    fn numbers_of_every_spelling_are_read() {
        let tree = read("a = 0x10\nb = 1_000\nc = nan\nd = [1, 2]\ne = 99999999999999999999").unwrap();
        let expected =
            serde_json::json!({"a": 16, "b": 1000, "c": "nan", "d": [1, 2], "e": "99999999999999999999"});
        assert_eq!(tree.to_value(), expected);
    }

    #[test]
    fn malformed_text_is_told_by_line_and_column() {
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
