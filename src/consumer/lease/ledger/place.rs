//! The trace that lines about a message name, for as long as its lease is in the ledger.

use super::{Claim, Ledger};
use crate::{message::MessageId, telemetry::context::TraceContext};

impl Ledger {
    /// Has lines about a lease name this trace.
    pub(in crate::consumer::lease) fn set_place(&mut self, claim: &Claim, place: TraceContext) {
        if let Some(entry) = self.entry_mut(claim) {
            entry.place = Some(Box::new(place));
        }
    }

    /// The trace that lines about a message name.
    pub(in crate::consumer::lease) fn place(&self, id: &MessageId) -> Option<TraceContext> {
        self.entries.get(id)?.place.as_deref().cloned()
    }
}
