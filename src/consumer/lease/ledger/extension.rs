//! One extension of a lease, and what it was worth.

use std::time::Duration;

use crate::message::{MessageId, Receipt};

/// One lease to extend.
#[derive(Clone, Debug)]
pub(in crate::consumer::lease) struct Extension {
    pub(in crate::consumer::lease) id: MessageId,
    pub(in crate::consumer::lease) receipt: Receipt,
    pub(in crate::consumer::lease) visibility: Duration,
    /// The number of this try; the first is 1.
    pub(in crate::consumer::lease) attempt: u32,
}

/// What an extension was worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::consumer::lease) enum Extended {
    /// The lease goes on.
    InTime,
    /// The lease had run out before, and is lost.
    TooLate,
    /// Nobody needed it any more.
    InVain,
}
