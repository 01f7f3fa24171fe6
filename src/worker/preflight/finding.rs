//! One thing that was found.

use serde_json::{Value, json};

use super::Code;
use crate::settings::hide;

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its code, which has the severity and the advice.
    pub code: Code,
    /// The queue that it is about, by its configured name.
    pub queue: Option<String>,
    /// The description, without secrets.
    pub message: String,
}

impl Finding {
    /// A finding about no queue.
    pub(super) fn new(code: Code, message: impl AsRef<str>) -> Self {
        Self { code, queue: None, message: hide(message.as_ref()) }
    }

    /// A finding about a queue.
    pub(super) fn of(queue: &str, code: Code, message: impl AsRef<str>) -> Self {
        Self { queue: Some(queue.to_owned()), ..Self::new(code, message) }
    }

    /// The finding for programs.
    pub(super) fn to_json(&self) -> Value {
        let Self { code, queue, message } = self;
        json!({
            "severity": code.severity().as_str(),
            "code": code.as_str(),
            "queue": queue,
            "message": message,
            "fix": code.fix(),
        })
    }

    /// The finding for people, on two lines or more.
    pub(super) fn to_text(&self) -> String {
        let Self { code, queue, message } = self;
        let queue = queue.as_ref().map(|queue| format!("queue {queue}: ")).unwrap_or_default();
        let (severity, name, fix) = (code.severity().as_str(), code.as_str(), code.fix());
        format!("{severity:8} {name}\n  {queue}{message}\n  fix: {fix}\n")
    }
}
