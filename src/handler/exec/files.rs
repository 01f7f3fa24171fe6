//! What of a message is in files: a large body, and attributes that are no variables.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    path::Path,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;
use tempfile::{Builder, TempPath};

use crate::message::{AttributeContent, AttributeValue, Message};

/// Writes the body into a file that nobody else may read, and that goes with the path.
pub(super) fn body(message: &Message, directory: Option<&Path>) -> io::Result<TempPath> {
    write(directory, ".body", message.body.as_bytes())
}

/// Writes all attributes into such a file, as Lambda's event has them.
pub(super) fn attributes(message: &Message, directory: Option<&Path>) -> io::Result<TempPath> {
    let entries: BTreeMap<&str, Entry<'_>> =
        message.attributes.iter().map(|(name, value)| (name.as_str(), Entry::of(value))).collect();
    write(directory, ".json", &serde_json::to_vec(&entries)?)
}

fn write(directory: Option<&Path>, suffix: &str, bytes: &[u8]) -> io::Result<TempPath> {
    let mut builder = Builder::new();
    builder.prefix("longshore-").suffix(suffix);
    let mut file = match directory {
        Some(directory) => builder.tempfile_in(directory)?,
        None => builder.tempfile()?,
    };
    file.write_all(bytes)?;
    Ok(file.into_temp_path())
}

/// One attribute, by the names of Lambda's event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    data_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary_value: Option<String>,
}

impl<'a> Entry<'a> {
    fn of(value: &'a AttributeValue) -> Self {
        let binary_value = match &value.content {
            AttributeContent::Text(_) => None,
            AttributeContent::Bytes(bytes) => Some(BASE64_STANDARD.encode(bytes)),
        };
        Self { data_type: &value.data_type, string_value: value.text(), binary_value }
    }
}
