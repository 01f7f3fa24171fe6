//! Who an account is, and how much it takes.

use crate::queue::limits;

/// Who the account is; part of every ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The region.
    pub region: String,
    /// The account's number, twelve digits.
    pub account_id: String,
}

impl Default for Identity {
    /// `us-east-1` and twelve zeros.
    fn default() -> Self {
        Self { region: "us-east-1".to_owned(), account_id: "000000000000".to_owned() }
    }
}

/// The limits of the account that tests may want lower than SQS has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most messages in flight per queue.
    pub in_flight: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { in_flight: limits::IN_FLIGHT }
    }
}
