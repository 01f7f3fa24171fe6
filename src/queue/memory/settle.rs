//! What a receipt handle does: delete its message, or change how long it stays hidden.

use std::time::Duration;

use super::{
    attributes::Kind,
    clock::Now,
    fault::{Code, Fault},
    queue::Queue,
    shelf::State,
    validate,
};
use crate::queue::limits;

impl Queue {
    /// Deletes the message that a receive handed over.
    ///
    /// The handle of an earlier receive deletes nothing. That is no error on a standard queue, where the
    /// latest handle deletes even after its time; a FIFO queue takes a handle only while it holds.
    pub(super) fn delete(&mut self, handle: &str) -> Result<(), Fault> {
        let ticket = self.scribe.read(handle)?;
        let Some((message, state)) = self.shelf.get(ticket.key) else { return Ok(()) };
        let is_latest = message.is_latest(ticket);
        let holds = is_latest && matches!(state, State::Held(_));
        if self.attributes.kind != Kind::Standard && !holds {
            return Err(Fault::invalid_parameter("ReceiptHandle", handle, "The receipt handle has expired."));
        }
        if is_latest {
            self.shelf.remove(ticket.key);
        }
        Ok(())
    }

    /// Sets how long a received message stays hidden from now on.
    ///
    /// Once its time has run out the message stays visible, and the answer is the same (recorded against AWS).
    pub(super) fn change_visibility(
        &mut self,
        handle: &str,
        visibility: Duration,
        now: Now,
    ) -> Result<(), Fault> {
        validate::check_duration("VisibilityTimeout", visibility)?;
        let ticket = self.scribe.read(handle)?;
        let held = self.shelf.get(ticket.key).filter(|(message, _)| message.is_latest(ticket));
        let Some((latest, state)) = held.and_then(|(message, state)| Some((message.latest?, state))) else {
            return Err(not_available(handle));
        };
        if !matches!(state, State::Held(_)) {
            return Ok(());
        }
        // Whole seconds, so that the full 12 hours can be had right after the receive.
        let held_seconds = now.at.saturating_duration_since(latest.at).as_secs();
        if held_seconds + visibility.as_secs() > limits::VISIBILITY.as_secs() {
            return Err(beyond_the_limit(visibility));
        }
        if visibility.is_zero() {
            self.shelf.release(ticket.key);
        } else {
            self.shelf.hold(ticket.key, now.at + visibility);
        }
        Ok(())
    }
}

fn not_available(handle: &str) -> Fault {
    let reason = "Message does not exist or is not available for visibility timeout change.";
    Fault::invalid_parameter("ReceiptHandle", handle, reason)
}

fn beyond_the_limit(visibility: Duration) -> Fault {
    let reason = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]";
    let message = format!(
        "Value {} for parameter VisibilityTimeout is invalid. Reason: {reason}",
        visibility.as_secs()
    );
    Fault::new(Code::InvalidParameterValue, message)
}
