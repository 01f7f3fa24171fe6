//! Starts the program with its arguments, environment and input.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;
use tempfile::{Builder, TempPath};

use super::{
    ExecParts,
    environment::{self, ATTRIBUTES_BYTES, ATTRIBUTES_FILE, AttributeVariables, BODY_FILE},
};
use crate::{
    handler::{Context, Outcome, call_trace::CallTrace, timestamp::on_the_wall},
    message::{AttributeContent, AttributeValue, Message},
    process::{Command, Process, StartError, Stdin},
};

/// A program that was started, with the files that it may read.
#[derive(Debug)]
pub(super) struct Started {
    /// Dropped, and with that killed, before its files are removed.
    pub(super) process: Process,
    _files: [Option<TempPath>; 2],
}

/// Why there is no program that reads the message.
#[derive(Debug, thiserror::Error)]
pub(super) enum Obstacle {
    /// It could not be started, for this message or any other.
    #[error(transparent)]
    Start(#[from] StartError),
    /// This message needs a file, and there can be none.
    #[error(
        "the file of the message's {what} could not be written in {}: {source}, hint: set temporary_directory to \
         one with room",
        place.display()
    )]
    File { what: &'static str, place: PathBuf, source: io::Error },
}

impl Obstacle {
    /// Other messages need no file, so the handler is not down for the want of one.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Start(_) => Outcome::Down(self.to_string()),
            Self::File { .. } => Outcome::Retry(self.to_string()),
        }
    }
}

/// Starts the program for a message.
pub(super) fn start(parts: &ExecParts, message: &Message, context: &Context) -> Result<Started, Obstacle> {
    match start_with(parts, message, context, ATTRIBUTES_BYTES) {
        // Whatever else there is in the environment, the attributes can be read from their file.
        Err(Obstacle::Start(StartError::TooLarge { .. })) => start_with(parts, message, context, 0),
        started => started,
    }
}

fn start_with(
    parts: &ExecParts,
    message: &Message,
    context: &Context,
    room_bytes: usize,
) -> Result<Started, Obstacle> {
    let ExecParts { settings, queue_name, .. } = parts;
    let directory = settings.temporary_directory.as_deref();
    let failed = |what| move |source| Obstacle::File { what, place: place(directory), source };
    let attributes = AttributeVariables::of(message, room_bytes);
    let body_file = (message.body.len() >= settings.body_file_bytes).then(|| write_body(message, directory));
    let body_file = body_file.transpose().map_err(failed("body"))?;
    let attributes_file = attributes.are_left_out().then(|| write_attributes(message, directory));
    let attributes_file = attributes_file.transpose().map_err(failed("attributes"))?;
    let mut command = command(parts);
    for (name, value) in &attributes.variables {
        command = command.env(name, value);
    }
    let (deadline, traced) = (context.deadline.map(on_the_wall), CallTrace::of(message, context));
    for (name, value) in environment::of_message(message, queue_name, deadline, traced) {
        command = with(command, name, value);
    }
    let (left_out, value) = attributes.left_out();
    command = with(command, left_out, value);
    command = with(command, BODY_FILE, body_file.as_deref());
    command = with(command, ATTRIBUTES_FILE, attributes_file.as_deref());
    Ok(Started { process: command.spawn()?, _files: [body_file, attributes_file] })
}

/// The program as the settings have it.
fn command(ExecParts { settings, .. }: &ExecParts) -> Command {
    let mut words = settings.command.iter();
    let mut command = Command::new(words.next().map_or("", String::as_str)).args(words).stdin(Stdin::Piped);
    if let Some(directory) = &settings.directory {
        command = command.directory(directory);
    }
    for (name, value) in &settings.env {
        command = command.env(name, value);
    }
    command
}

/// Sets a variable, or takes away the one that Longshore itself was started with.
fn with(command: Command, name: &str, value: Option<impl AsRef<std::ffi::OsStr>>) -> Command {
    match value {
        Some(value) => command.env(name, value),
        None => command.without_env(name),
    }
}

fn place(directory: Option<&Path>) -> PathBuf {
    directory.map_or_else(std::env::temp_dir, Path::to_path_buf)
}

/// Writes the body into a file that nobody else may read, and that goes with the path.
fn write_body(message: &Message, directory: Option<&Path>) -> io::Result<TempPath> {
    write(directory, ".body", message.body.as_bytes())
}

/// Writes all attributes into such a file, as Lambda's event has them.
fn write_attributes(message: &Message, directory: Option<&Path>) -> io::Result<TempPath> {
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
