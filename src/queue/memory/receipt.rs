//! What a receipt handle says: which queue, which message, which receive.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::fault::{Code, Fault};

/// The place of a message among all that the account ever took: unique, and growing.
pub(super) type Key = u64;

/// One receive of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    /// The message.
    pub(super) key: Key,
    /// The receive: unique in the account, and growing.
    pub(super) serial: u64,
}

/// Writes and reads the handles of one queue.
///
/// A handle carries a check sum with the queue's own salt, so that garbage, and the handles of other queues
/// or of an earlier queue of the same name, are told from handles that went stale.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scribe {
    salt: u64,
}

impl Scribe {
    /// The scribe of a new queue.
    pub(super) fn new() -> Self {
        Self { salt: fastrand::u64(..) }
    }

    /// The handle of a receive.
    pub(super) fn write(self, ticket: Ticket) -> String {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&ticket.key.to_be_bytes());
        bytes[8..16].copy_from_slice(&ticket.serial.to_be_bytes());
        bytes[16..].copy_from_slice(&self.sum(ticket).to_be_bytes());
        STANDARD.encode(bytes)
    }

    /// The receive that a handle is of; `ReceiptHandleIsInvalid` unless this queue wrote it.
    pub(super) fn read(self, handle: &str) -> Result<Ticket, Fault> {
        self.parse(handle).ok_or_else(|| {
            let message = format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
            Fault::new(Code::ReceiptHandleIsInvalid, message)
        })
    }

    fn parse(self, handle: &str) -> Option<Ticket> {
        let bytes = STANDARD.decode(handle).ok()?;
        let (numbers, rest) = bytes.as_chunks::<8>();
        let ([key, serial, sum], []) = (numbers, rest) else { return None };
        let ticket = Ticket { key: u64::from_be_bytes(*key), serial: u64::from_be_bytes(*serial) };
        (self.sum(ticket) == u64::from_be_bytes(*sum)).then_some(ticket)
    }

    /// FNV-1a over salt, key and serial: it guards against mistakes, not against forgers.
    fn sum(self, ticket: Ticket) -> u64 {
        [self.salt, ticket.key, ticket.serial]
            .iter()
            .flat_map(|number| number.to_be_bytes())
            .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_read_as_it_was_written() {
        let scribe = Scribe::new();
        let ticket = Ticket { key: 7, serial: 9 };
        assert_eq!(scribe.read(&scribe.write(ticket)), Ok(ticket));
    }

    #[test]
    fn garbage_and_the_handles_of_other_queues_are_refused() {
        let scribe = Scribe { salt: 1 };
        let foreign = Scribe { salt: 2 }.write(Ticket { key: 7, serial: 9 });
        for handle in ["", "garbage", "AAAA", foreign.as_str()] {
            assert_eq!(scribe.read(handle).map_err(|fault| fault.code), Err(Code::ReceiptHandleIsInvalid));
        }
    }
}
