//! The values of attributes, as they are read and refused.

use std::{ops::RangeInclusive, time::Duration};

use super::fault::{Code, Fault};

/// `true` or `false`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switch {
    /// `true`.
    On,
    /// `false`.
    Off,
}

/// Reads `true` or `false`, in any case.
pub(super) fn boolean(name: &str, value: &str) -> Result<Switch, Fault> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(Switch::On),
        "false" => Ok(Switch::Off),
        _ => Err(invalid(name)),
    }
}

/// Reads a number within bounds.
pub(super) fn number(name: &str, value: &str, allowed: RangeInclusive<usize>) -> Result<usize, Fault> {
    value.parse().ok().filter(|number| allowed.contains(number)).ok_or_else(|| invalid(name))
}

/// Reads whole seconds within bounds.
pub(super) fn seconds(name: &str, value: &str, allowed: RangeInclusive<usize>) -> Result<Duration, Fault> {
    number(name, value, allowed).map(|seconds| Duration::from_secs(seconds as u64))
}

/// The refusal of a value.
pub(super) fn invalid(name: &str) -> Fault {
    Fault::new(Code::InvalidAttributeValue, format!("Invalid value for the parameter {name}."))
}

/// The refusal of a name.
pub(super) fn unknown(name: &str) -> Fault {
    Fault::new(Code::InvalidAttributeName, format!("Unknown Attribute {name}."))
}

/// The refusal of a name that only FIFO queues know.
pub(super) fn only_fifo(name: &str) -> Fault {
    match name {
        "DeduplicationScope" | "FifoThroughputLimit" => {
            let message = format!("You can specify the {name} only when FifoQueue is set to true.");
            Fault::new(Code::InvalidAttributeName, message)
        }
        _ => unknown(name),
    }
}
