//! Trace settings; the standard `OTEL_*` variables set the exporter.

use serde::{Deserialize, Serialize};

/// Traces, which are on when the environment names an OTLP endpoint (`docs/traces.md`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The relation of a message's own trace to its processing: `link`, or `parent`, which makes one trace of both wherever one call takes one message.
    pub producer: Producer,
}

/// The relation of the trace that a message came with to the span of its processing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Producer {
    /// Linked: the processing has a trace, and a sampling decision, of its own.
    #[default]
    Link,
    /// The parent: the processing goes on with the producer's trace and its decision.
    Parent,
}
