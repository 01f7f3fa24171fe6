//! A message attribute as the command line writes it.

use std::str::FromStr;

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::message::AttributeValue;

/// A message attribute as the command line writes it: `name=text`, `name:Number=1`, `name:Binary=base64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    pub(super) name: String,
    pub(super) value: AttributeValue,
}

impl FromStr for Attribute {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (label, content) = text.split_once('=').ok_or("no =, hint: write name=value")?;
        let (name, data_type) = label.split_once(':').unwrap_or((label, "String"));
        if name.is_empty() {
            return Err("no name, hint: write name=value".to_owned());
        }
        let value = match data_type.split('.').next() {
            Some("String") => AttributeValue::string(content),
            Some("Number") => AttributeValue::number(content),
            Some("Binary") => {
                let bytes =
                    BASE64_STANDARD.decode(content).map_err(|error| format!("not base64: {error}"))?;
                AttributeValue::binary(bytes)
            }
            _ => return Err(format!("not a type: {data_type}, hint: use String, Number or Binary")),
        };
        let value = AttributeValue { data_type: data_type.to_owned(), ..value };
        Ok(Self { name: name.to_owned(), value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value_of(text: &str) -> AttributeValue {
        text.parse::<Attribute>().unwrap().value
    }

    #[test]
    fn the_type_stands_after_a_colon() {
        assert_eq!(value_of("a=b=c:d"), AttributeValue::string("b=c:d"));
        assert_eq!(value_of("a:Number=1.5"), AttributeValue::number("1.5"));
        assert_eq!(value_of("a:Binary=AQI="), AttributeValue::binary([1, 2]));
        assert_eq!(value_of("a:Number.int=1").data_type, "Number.int");
    }

    #[test]
    fn what_is_no_attribute_is_refused() {
        for text in ["a", "=b", "a:Int=1", "a:Binary=?"] {
            assert!(text.parse::<Attribute>().is_err(), "{text}");
        }
    }
}
