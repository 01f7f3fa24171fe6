//! Receipt handles: the encoding of a message and a receive of one queue.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::error::{SqsApiError, SqsErrorCode};

/// The number of a message: unique in the account, and growing.
pub(super) type MessageKey = u64;

/// One receive of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Receive {
    /// The message.
    pub(super) key: MessageKey,
    /// The number of the receive: unique in the account, and growing.
    pub(super) serial: u64,
}

/// Encodes and decodes the receipt handles of one queue.
///
/// A handle has a checksum with a salt of the queue, which distinguishes a stale handle from an invalid one: garbage, or a
/// handle of another queue or of an earlier queue of the same name.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReceiptCodec {
    salt: u64,
}

impl ReceiptCodec {
    /// The codec of a new queue.
    pub(super) fn new() -> Self {
        Self { salt: fastrand::u64(..) }
    }

    /// The salt, by which handles stay valid over a restart.
    pub(super) fn salt(self) -> u64 {
        self.salt
    }

    /// Sets the salt of an earlier process.
    pub(super) fn restore_salt(&mut self, salt: u64) {
        self.salt = salt;
    }

    /// The handle of a receive.
    pub(super) fn encode(self, receive: Receive) -> String {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&receive.key.to_be_bytes());
        bytes[8..16].copy_from_slice(&receive.serial.to_be_bytes());
        bytes[16..].copy_from_slice(&self.checksum(receive).to_be_bytes());
        STANDARD.encode(bytes)
    }

    /// The receive of a handle; `ReceiptHandleIsInvalid` unless this queue encoded it.
    pub(super) fn decode(self, handle: &str) -> Result<Receive, SqsApiError> {
        self.parse(handle).ok_or_else(|| {
            let message = format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
            SqsApiError::new(SqsErrorCode::ReceiptHandleIsInvalid, message)
        })
    }

    fn parse(self, handle: &str) -> Option<Receive> {
        let bytes = STANDARD.decode(handle).ok()?;
        let (numbers, rest) = bytes.as_chunks::<8>();
        let ([key, serial, checksum], []) = (numbers, rest) else { return None };
        let receive = Receive { key: u64::from_be_bytes(*key), serial: u64::from_be_bytes(*serial) };
        (self.checksum(receive) == u64::from_be_bytes(*checksum)).then_some(receive)
    }

    /// FNV-1a over salt, key and serial, which detects mistakes, not forgery.
    fn checksum(self, receive: Receive) -> u64 {
        [self.salt, receive.key, receive.serial]
            .iter()
            .flat_map(|number| number.to_be_bytes())
            .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_decoded_as_it_was_encoded() {
        let codec = ReceiptCodec::new();
        let receive = Receive { key: 7, serial: 9 };
        assert_eq!(codec.decode(&codec.encode(receive)), Ok(receive));
    }

    #[test]
    fn garbage_and_the_handles_of_other_queues_are_refused() {
        let codec = ReceiptCodec { salt: 1 };
        let foreign = ReceiptCodec { salt: 2 }.encode(Receive { key: 7, serial: 9 });
        for handle in ["", "garbage", "AAAA", foreign.as_str()] {
            let code = codec.decode(handle).map_err(|error| error.code);
            assert_eq!(code, Err(SqsErrorCode::ReceiptHandleIsInvalid));
        }
    }
}
