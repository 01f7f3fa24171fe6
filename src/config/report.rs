//! Shows the settings in force, each with its origin.

use serde_json::{Map, Value, json};

use super::load::Config;
use crate::settings::{HIDDEN, Key, hide_setting, holds_secrets, of_variable, quoted};

impl Config {
    /// The settings as TOML, with the origin of each as a comment; secrets are hidden.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        if let Value::Object(table) = self.shown() {
            self.write_table(&mut text, &Key::default(), &table);
        }
        let exports = match (&self.exports.traces, &self.exports.metrics) {
            (Some(_), Some(_)) => "Traces and metrics are exported.",
            (Some(_), None) => "Traces are exported, metrics are not.",
            (None, Some(_)) => "Metrics are exported, traces are not.",
            (None, None) => "Traces and metrics are not exported.",
        };
        write_variables(&mut text, exports, &self.otel);
        write_variables(&mut text, "The network of AWS calls.", &self.network);
        text
    }

    /// The settings as one flat JSON object: key to `{"value", "origin"}`; secrets are hidden.
    pub(crate) fn to_json(&self) -> Value {
        let mut flat = Map::new();
        self.flatten(&Key::default(), self.shown(), &mut flat);
        for (name, value) in self.otel.iter().chain(&self.network) {
            flat.insert((*name).to_owned(), json!({ "value": value, "origin": of_variable(name) }));
        }
        Value::Object(flat)
    }

    fn shown(&self) -> Value {
        hidden("", serde_json::to_value(&self.settings).unwrap_or_default())
    }

    fn flatten(&self, key: &Key, value: Value, flat: &mut Map<String, Value>) {
        match value {
            Value::Object(table) => {
                for (name, value) in table {
                    self.flatten(&key.child(&name), value, flat);
                }
            }
            value => {
                let shown = json!({ "value": value, "origin": self.origin(key) });
                flat.insert(key.to_string(), shown);
            }
        }
    }

    /// Writes a table's own values first, as TOML demands, and then the tables in it.
    fn write_table(&self, text: &mut String, key: &Key, table: &Map<String, Value>) {
        let (tables, values): (Vec<_>, Vec<_>) = table.iter().partition(|(_, value)| value.is_object());
        let lines: Vec<_> = values.iter().map(|(name, value)| (line(name, value), key.child(name))).collect();
        let width = lines.iter().map(|(line, _)| line.chars().count()).max().unwrap_or(0);
        if !lines.is_empty() {
            let gap = if text.is_empty() { "" } else { "\n" };
            push(text, &format!("{gap}[{key}]"));
        }
        for (line, key) in &lines {
            let is_comment = line.starts_with('#');
            let origin = self.origin(key);
            push(text, &if is_comment { line.clone() } else { format!("{line:width$}  # {origin}") });
        }
        for (name, value) in tables {
            if let Value::Object(table) = value {
                self.write_table(text, &key.child(name), table);
            }
        }
    }
}

/// Writes variables, which are not settings of the file, as comments.
fn write_variables(text: &mut String, title: &str, variables: &[(&str, String)]) {
    if variables.is_empty() {
        return;
    }
    push(text, &format!("\n# {title}"));
    for (name, value) in variables {
        push(text, &format!("# {name} = {}", Value::from(value.as_str())));
    }
}

fn push(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// A setting in TOML; an unset one is a comment, because TOML has no null.
fn line(name: &str, value: &Value) -> String {
    match value {
        Value::Null => format!("# {} is not set", quoted(name)),
        value => format!("{} = {value}", quoted(name)),
    }
}

/// Hides secrets in the value of this name.
fn hidden(outer: &str, value: Value) -> Value {
    let entry = |(name, value): (String, Value)| {
        let value = if holds_secrets(outer, &name) { concealed(value) } else { hidden(&name, value) };
        (name, value)
    };
    match value {
        Value::Object(table) => table.into_iter().map(entry).collect(),
        value => hide_setting(outer, value),
    }
}

/// A table with all its values hidden.
fn concealed(table: Value) -> Value {
    match table {
        Value::Object(table) => table.into_iter().map(|(name, _)| (name, Value::from(HIDDEN))).collect(),
        _ => HIDDEN.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_a_programs_variables_and_of_headers_are_hidden_and_their_names_shown() {
        let shown = hidden(
            "q",
            json!({"handler": {"env": {"DB": "hunter2"}, "url": "http://u:p@h/", "grace": "5s"}}),
        );
        let expected = json!({"handler": {"env": {"DB": "***"}, "url": "http://***@h/", "grace": "5s"}});
        assert_eq!(shown, expected);
        let shown = hidden("q", json!({"handler": {"headers": {"X-Tenant": "hunter2"}}}));
        assert_eq!(shown, json!({"handler": {"headers": {"X-Tenant": "***"}}}));
    }

    #[test]
    fn secrets_in_a_command_and_in_malformed_urls_are_hidden() {
        let shown = hidden(
            "orders",
            json!({
                "endpoint_url": "http://u:12/34@h/",
                "handler": {"command": ["job", "--password=hunter2", "https://u:p@h/"], "urls": ["http:/u:p@h"]},
            }),
        );
        let expected = json!({
            "endpoint_url": "http://***@h/",
            "handler": {"command": ["job", "--password=***", "https://***@h/"], "urls": ["***@h"]},
        });
        assert_eq!(shown, expected);
    }
}
