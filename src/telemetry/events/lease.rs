//! Events of leases.

use prometheus::IntCounter;

use super::events;
use crate::message::MessageId;

events! {
    LEASES = "Leases";

    /// A lease was lost before its message was settled: the message may run elsewhere by now.
    error LeaseLost<'a>: "lease lost" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// The evidence.
        reason: &'a str,
    }
    counts "longshore_leases_lost_total" |_event, lost: IntCounter| lost.inc();
}
