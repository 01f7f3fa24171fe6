//! The data of which spans are made, with and without the feature `otel`.

use tokio::time::Instant;

use super::{Action, traces::Trace};
use crate::{message::MessageId, queue::name_at};

/// The names of a queue in its spans.
#[derive(Clone, Copy, Debug)]
pub struct QueueIdentity<'a> {
    /// Its name in SQS.
    pub name: &'a str,
    /// Its URL, if it has one.
    pub url: Option<&'a str>,
}

impl<'a> QueueIdentity<'a> {
    /// The queue at this URL, which ends in its name; without a URL the configured name is used.
    pub fn of(url: Option<&'a str>, configured_name: &'a str) -> Self {
        Self { name: url.map_or(configured_name, name_at), url }
    }
}

/// A call that settles messages.
#[derive(Debug)]
pub struct Settled<'a> {
    /// The kind of call.
    pub action: Action,
    /// The start of the call.
    pub began: Instant,
    /// Its messages, each with the trace of the call of the handler, if there is one.
    pub messages: Vec<(&'a MessageId, Option<&'a Trace>)>,
}

/// The target of a publication.
#[derive(Clone, Copy, Debug)]
pub enum Destination<'a> {
    /// A topic, by its ARN.
    Topic(&'a str),
    /// A phone, whose number no span has.
    Phone,
}
