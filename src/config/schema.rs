//! The JSON Schema of the file, and its nodes for each setting.

use schemars::{JsonSchema as _, generate::SchemaSettings};
use serde_json::{Map, Value};

use super::settings::Settings;
use crate::settings::{Key, are_alike};

/// The JSON Schema of `longshore.toml`.
///
/// Without references, so that editors and the walks below need to resolve none.
pub(crate) fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut generator = settings.into_generator();
    let mut schema = Settings::json_schema(&mut generator);
    schema.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.into()
}

/// One node of the schema: every alternative that is allowed there.
#[derive(Clone, Debug)]
pub(super) struct SchemaNode<'a>(Vec<&'a Map<String, Value>>);

impl<'a> SchemaNode<'a> {
    /// The top of the schema.
    pub(super) fn root(schema: &'a Value) -> Self {
        let mut alternatives = Vec::new();
        expand(schema, &mut alternatives);
        Self(alternatives)
    }

    /// The node under this name; `None` when the schema has none.
    pub(super) fn property(&self, name: &str) -> Option<Self> {
        let mut alternatives = Vec::new();
        for object in &self.0 {
            let named = object.get("properties").and_then(|properties| properties.get(name));
            let any = || object.get("additionalProperties").filter(|schema| schema.is_object());
            if let Some(schema) = named.or_else(any) {
                expand(schema, &mut alternatives);
            }
        }
        (!alternatives.is_empty()).then_some(Self(alternatives))
    }

    /// The node at this key.
    pub(super) fn at(&self, key: &Key) -> Option<Self> {
        key.names().iter().try_fold(self.clone(), |node, name| node.property(name))
    }

    /// The names that are allowed here.
    pub(super) fn names(&self) -> Vec<&'a str> {
        let tables = self.0.iter().filter_map(|object| object.get("properties")?.as_object());
        let mut names: Vec<_> = tables.flat_map(|properties| properties.keys().map(String::as_str)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The schema's own spelling of a name that the environment gave.
    pub(super) fn spelling(&self, name: &str) -> Option<&'a str> {
        self.names().into_iter().find(|own| are_alike(own, name))
    }

    /// The node under every name here: the `<name>` of a map.
    pub(super) fn any(&self) -> Option<Self> {
        let mut alternatives = Vec::new();
        for object in &self.0 {
            if let Some(schema) = object.get("additionalProperties").filter(|schema| schema.is_object()) {
                expand(schema, &mut alternatives);
            }
        }
        (!alternatives.is_empty()).then_some(Self(alternatives))
    }

    /// True if the schema spells this value out.
    pub(super) fn spells_out(&self, value: &Value) -> bool {
        self.0.iter().any(|schema| schema.get("const") == Some(value))
    }

    /// True if a table is allowed here.
    pub(super) fn is_table(&self) -> bool {
        self.has_type("object")
    }

    fn has_type(&self, wanted: &str) -> bool {
        self.0.iter().any(|schema| match schema.get("type") {
            Some(Value::String(one)) => one == wanted,
            Some(Value::Array(several)) => several.iter().any(|one| one == wanted),
            _ => false,
        })
    }

    /// Converts a text from the environment or a flag to the type in the schema.
    pub(super) fn read(&self, text: &str) -> Value {
        if self.has_type("array") {
            // Items with commas in them, such as a shell's command, can be given as JSON.
            if let Ok(list @ Value::Array(_)) = serde_json::from_str(text) {
                return list;
            }
            let items = self.items();
            let texts = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            return texts.map(|item| items.read(item)).collect();
        }
        if self.has_type("integer")
            && let Ok(number) = text.parse::<i64>()
        {
            return number.into();
        }
        if self.has_type("number")
            && let Some(number) = text.parse().ok().and_then(serde_json::Number::from_f64)
        {
            return number.into();
        }
        match text {
            "true" | "false" if self.has_type("boolean") => Value::Bool(text == "true"),
            _ => text.into(),
        }
    }

    fn items(&self) -> Self {
        let mut alternatives = Vec::new();
        for schema in self.0.iter().filter_map(|object| object.get("items")) {
            expand(schema, &mut alternatives);
        }
        Self(alternatives)
    }

    /// Describes the allowed values.
    pub(super) fn allowed(&self) -> String {
        let mut described: Vec<String> = self.0.iter().filter_map(|schema| describe(schema)).collect();
        described.dedup();
        match described.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            Some((last, _)) => last.clone(),
            None => "anything".to_owned(),
        }
    }

    /// True if a table here requires this name.
    pub(super) fn requires(&self, name: &str) -> bool {
        let required = self.0.iter().filter_map(|object| object.get("required")?.as_array());
        required.flatten().any(|required| required == name)
    }

    /// The alternatives that this name distinguishes, each with its value.
    pub(super) fn kinds(&self, name: &str) -> Vec<(&'a str, Self)> {
        let kind = |object: &&'a Map<String, Value>| {
            let value = object.get("properties")?.get(name)?.get("const")?.as_str()?;
            Some((value, Self(vec![*object])))
        };
        self.0.iter().filter_map(kind).collect()
    }

    /// The alternatives with this `kind`; all of them, if there is no such kind.
    pub(super) fn with_kind(&self, kind: Option<&Value>) -> Self {
        let found = self.kinds("kind").into_iter().find(|(own, _)| kind.is_some_and(|kind| kind == own));
        found.map_or_else(|| self.clone(), |(_, node)| node)
    }

    /// The first text under this keyword.
    pub(super) fn keyword(&self, keyword: &str) -> Option<&'a Value> {
        self.0.iter().find_map(|schema| schema.get(keyword))
    }
}

/// Collects the schema, and the alternatives of a choice.
fn expand<'a>(schema: &'a Value, alternatives: &mut Vec<&'a Map<String, Value>>) {
    let Some(object) = schema.as_object() else { return };
    alternatives.push(object);
    for choices in ["anyOf", "oneOf"].iter().filter_map(|keyword| object.get(*keyword)?.as_array()) {
        for choice in choices {
            expand(choice, alternatives);
        }
    }
}

/// Describes one alternative; `None` if it has neither a constant nor a type.
fn describe(schema: &Map<String, Value>) -> Option<String> {
    if let Some(value) = schema.get("const") {
        return Some(value.to_string());
    }
    let types = match schema.get("type")? {
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        one => vec![one.as_str()?],
    };
    match *types.iter().find(|name| **name != "null")? {
        "integer" => Some(describe_number("a whole number", schema)),
        "number" => Some(describe_number("a number", schema)),
        "array" => Some("a list".to_owned()),
        "object" => Some(describe_table(schema)),
        "boolean" => Some("true or false".to_owned()),
        _ => Some(describe_text(schema)),
    }
}

fn describe_table(schema: &Map<String, Value>) -> String {
    match schema.get("properties").and_then(Value::as_object) {
        Some(properties) => {
            let names: Vec<&str> = properties.keys().map(String::as_str).collect();
            format!("a table of {}", names.join(", "))
        }
        None => "a table".to_owned(),
    }
}

fn describe_number(noun: &str, schema: &Map<String, Value>) -> String {
    match (schema.get("minimum"), schema.get("maximum")) {
        (Some(least), Some(most)) => format!("{noun} from {least} to {most}"),
        (Some(least), None) => format!("{noun}, at least {least}"),
        (None, Some(most)) => format!("{noun}, at most {most}"),
        (None, None) => noun.to_owned(),
    }
}

fn describe_text(schema: &Map<String, Value>) -> String {
    let Some(examples) = schema.get("examples").and_then(Value::as_array) else { return "a text".to_owned() };
    let examples: Vec<String> = examples.iter().map(Value::to_string).collect();
    format!("a text such as {}", examples.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(key: &str) -> String {
        let schema = schema();
        SchemaNode::root(&schema).at(&Key::default().descend(key)).unwrap().allowed()
    }

    #[test]
    fn allowed_values_are_described() {
        assert_eq!(allowed("queues.orders.concurrency"), "a whole number from 1 to 100000");
        assert_eq!(allowed("queues.orders.prefetch"), "\"auto\" or a whole number, at least 0");
        assert_eq!(allowed("queues.orders.retry.jitter"), "\"full\", \"half\" or \"none\"");
        assert_eq!(allowed("drain.limit"), "a text such as \"30s\", \"15m\", \"1h 30m\"");
    }

    #[test]
    fn a_text_becomes_the_type_that_the_setting_has() {
        let schema = schema();
        let read = |key: &str, text: &str| {
            SchemaNode::root(&schema).at(&Key::default().descend(key)).unwrap().read(text)
        };
        assert_eq!(read("queues.q.concurrency", "8"), 8);
        assert_eq!(read("queues.q.name", "8"), "8");
        assert_eq!(read("queues.q.retry.factor", "1.5"), 1.5);
        assert_eq!(read("queues.q.handler.reject", "400, 422"), serde_json::json!([400, 422]));
        assert_eq!(read("queues.q.prefetch", "auto"), "auto");
        let command = serde_json::json!(["sh", "-c", "a, b"]);
        assert_eq!(read("queues.q.handler.command", r#"["sh", "-c", "a, b"]"#), command);
        assert_eq!(read("queues.q.handler.command", "[,b"), serde_json::json!(["[", "b"]));
    }

    #[test]
    fn the_schema_refuses_unknown_keys_everywhere() {
        let schema = schema();
        let root = SchemaNode::root(&schema);
        assert!(root.property("queus").is_none());
        assert!(root.at(&Key::new(["queues", "any", "handler", "ur"])).is_none());
        assert!(root.at(&Key::new(["queues", "any", "handler", "url"])).is_some());
    }
}
