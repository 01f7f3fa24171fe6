//! Message attributes in requests and responses, and the selection of a receive.

use std::collections::BTreeMap;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::{Deserialize, Serialize};

use super::{error::RequestError, xml::XmlWriter};
use crate::{
    message::{AttributeData, MessageAttributeValue},
    sns::{self, SnsApiError, SnsErrorCode},
    sqs::{SqsApiError, SqsErrorCode},
};

/// A message attribute or system attribute in the form of both protocols; binary values are in base64.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct WireAttribute {
    #[serde(skip_serializing_if = "Option::is_none")]
    data_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary_value: Option<String>,
    #[serde(alias = "StringListValue", skip_serializing)]
    string_list_values: Option<Vec<String>>,
    #[serde(alias = "BinaryListValue", skip_serializing)]
    binary_list_values: Option<Vec<String>>,
}

/// Message attributes by their names.
pub(super) type WireAttributes = BTreeMap<String, WireAttribute>;

impl WireAttribute {
    /// The value; a missing one becomes an empty one, which the account refuses with the attribute's name.
    fn into_value(self) -> Result<MessageAttributeValue, RequestError> {
        let lists = [&self.string_list_values, &self.binary_list_values];
        if lists.into_iter().flatten().any(|list| !list.is_empty()) {
            let message = "Message attribute list values in SendMessage operation are not supported.";
            return Err(SqsApiError::new(SqsErrorCode::UnsupportedOperation, message).into());
        }
        let content = match self.binary_value {
            Some(encoded) if self.string_value.is_none() => AttributeData::Bytes(decode(&encoded)?),
            _ => AttributeData::Text(self.string_value.unwrap_or_default()),
        };
        Ok(MessageAttributeValue { data_type: self.data_type.unwrap_or_default(), content })
    }

    /// The text, for an attribute that can only be a text.
    pub(super) fn into_text(self) -> Option<String> {
        self.string_value
    }

    /// The value by the rules of SNS; `position` is that of the batch's entry. The messages are recorded.
    fn into_sns_value(
        self,
        name: &str,
        position: Option<usize>,
    ) -> Result<MessageAttributeValue, RequestError> {
        let Some(data_type) = self.data_type else { return Err(no_data_type(name, position).into()) };
        let invalid = |reason: String| {
            let message = format!("The message attribute '{name}' {reason}");
            Err(SnsApiError::new(SnsErrorCode::InvalidParameterValue, message).into())
        };
        let (base, suffix) = data_type.split_once('.').unwrap_or((&data_type, "x"));
        if !matches!(base, "String" | "Number" | "Binary") || suffix.is_empty() {
            let supported = "Binary, Number, and String.";
            return invalid(format!(
                "has an invalid message attribute type, the set of supported type prefixes is {supported}"
            ));
        }
        let field = if base == "Binary" { "Binary" } else { "String" };
        let (wanted, other) = match field {
            "Binary" => (self.binary_value, self.string_value.is_some()),
            _ => (self.string_value, self.binary_value.is_some()),
        };
        match wanted {
            None if other => invalid(format!("with type '{data_type}' must use field '{field}'.")),
            Some(value) if !value.is_empty() => {
                let content = match field {
                    "Binary" => AttributeData::Bytes(decode(&value)?),
                    _ => AttributeData::Text(value),
                };
                Ok(MessageAttributeValue { data_type, content })
            }
            _ => invalid(format!(
                "must contain non-empty message attribute value for message attribute type '{data_type}'."
            )),
        }
    }

    /// Writes the content of the `Value` element.
    pub(super) fn xml(&self, xml: &mut XmlWriter) {
        xml.optional("StringValue", self.string_value.as_deref());
        xml.optional("BinaryValue", self.binary_value.as_deref());
        xml.optional("DataType", self.data_type.as_deref());
    }
}

impl From<&MessageAttributeValue> for WireAttribute {
    fn from(value: &MessageAttributeValue) -> Self {
        let data_type = Some(value.data_type.clone());
        match &value.content {
            AttributeData::Text(text) => {
                Self { data_type, string_value: Some(text.clone()), ..Self::default() }
            }
            AttributeData::Bytes(bytes) => {
                let encoded = BASE64_STANDARD.encode(bytes);
                Self { data_type, binary_value: Some(encoded), ..Self::default() }
            }
        }
    }
}

/// The values of all attributes.
pub(super) fn values(
    attributes: WireAttributes,
) -> Result<BTreeMap<String, MessageAttributeValue>, RequestError> {
    let mut values = BTreeMap::new();
    for (name, attribute) in attributes {
        values.insert(name, attribute.into_value()?);
    }
    Ok(values)
}

/// The values of all attributes of a message for SNS.
pub(super) fn sns_values(
    attributes: WireAttributes,
    position: Option<usize>,
) -> Result<BTreeMap<String, MessageAttributeValue>, RequestError> {
    let mut values = BTreeMap::new();
    for (name, attribute) in attributes {
        sns::check_attribute_name(&name)?;
        let value = attribute.into_sns_value(&name, position)?;
        values.insert(name, value);
    }
    Ok(values)
}

fn no_data_type(name: &str, position: Option<usize>) -> SnsApiError {
    let entry = position.map(|position| format!("publishBatchRequestEntries.{position}.member."));
    let path = format!("{}messageAttributes.{name}.member.dataType", entry.unwrap_or_default());
    let reason = "failed to satisfy constraint: Member must not be null";
    let message = format!("1 validation error detected: Value null at '{path}' {reason}");
    SnsApiError::new(SnsErrorCode::ValidationError, message)
}

fn decode(encoded: &str) -> Result<Vec<u8>, RequestError> {
    BASE64_STANDARD
        .decode(encoded)
        .map_err(|error| RequestError::Malformed(format!("a binary value is not base64: {error}")))
}

/// The attributes that a receive selects: `All`, `*`, `.*`, a prefix as in `trace.*`, or a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AttributeSelection(Vec<String>);

impl AttributeSelection {
    pub(super) fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().collect())
    }

    /// True if no attribute is selected.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True if the attribute of this name is selected.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|wanted| match wanted.strip_suffix(".*") {
            Some(prefix) => name.starts_with(prefix),
            None => matches!(wanted.as_str(), "All" | "*") || wanted == name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_prefixes_and_wildcards_select() {
        for (pattern, contains) in [
            ("All", [true, true, true]),
            (".*", [true, true, true]),
            ("*", [true, true, true]),
            ("trace.*", [true, true, false]),
            ("trace.id", [true, false, false]),
            ("trace", [false, false, false]),
            ("", [false, false, false]),
        ] {
            let selection = AttributeSelection::new([pattern.to_owned()]);
            assert_eq!(
                ["trace.id", "tracer", "other"].map(|name| selection.contains(name)),
                contains,
                "{pattern}"
            );
        }
        assert!(!AttributeSelection::default().contains("trace.id"));
    }

    #[test]
    fn a_value_comes_back_as_it_was_sent() {
        for value in [
            MessageAttributeValue::string("a & b"),
            MessageAttributeValue::number("-1.5"),
            MessageAttributeValue::binary([0, 255, 7]),
            MessageAttributeValue {
                data_type: "Binary.png".to_owned(),
                ..MessageAttributeValue::binary([1])
            },
        ] {
            assert_eq!(WireAttribute::from(&value).into_value(), Ok(value));
        }
    }

    #[test]
    fn list_values_and_broken_base64_are_refused() {
        let lists =
            WireAttribute { string_list_values: Some(vec![String::new()]), ..WireAttribute::default() };
        let code = lists.into_value().unwrap_err().code();
        assert_eq!(code, "AWS.SimpleQueueService.UnsupportedOperation");
        let broken = WireAttribute { binary_value: Some("?".to_owned()), ..WireAttribute::default() };
        assert_eq!(broken.into_value().unwrap_err().code(), "SerializationException");
    }
}
