//! The labels of how many messages a queue has.

use super::{Label, label};

label! {
    /// What state SQS counts messages in.
    MessageState {
        /// A receive may hand them over.
        Visible = "visible",
        /// Somebody holds them.
        InFlight = "in_flight",
        /// They were sent with a delay that is not over.
        Delayed = "delayed",
    }
}
