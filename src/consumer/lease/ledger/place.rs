//! The trace that lines about a message name, for as long as its lease is in the ledger.

use super::{Claim, Ledger};
use crate::{message::MessageId, telemetry::context::TraceContext};

impl Ledger {
    /// Has lines about a lease name this trace.
    pub(in crate::consumer::lease) fn set_trace_context(&mut self, claim: &Claim, trace: TraceContext) {
        if let Some(entry) = self.entry_mut(claim) {
            entry.trace = Some(Box::new(trace));
        }
    }

    /// The trace that lines about a message name.
    pub(in crate::consumer::lease) fn trace_context(&self, id: &MessageId) -> Option<TraceContext> {
        self.entries.get(id)?.trace.as_deref().cloned()
    }
}
