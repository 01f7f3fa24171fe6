//! Whether a queue is standard or FIFO, with the attributes that only FIFO queues have.

use super::{
    fault::{Code, Fault},
    value::{Switch, boolean, invalid},
};

/// Standard or FIFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A standard queue.
    Standard,
    /// A FIFO queue.
    Fifo(Fifo),
}

/// What only FIFO queues have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fifo {
    /// `ContentBasedDeduplication`.
    pub(super) deduplication: Deduplicate,
    /// `DeduplicationScope`.
    pub(super) scope: Scope,
    throughput: Throughput,
}

/// Where deduplication ids come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Deduplicate {
    /// From the sender alone.
    #[default]
    ById,
    /// From the body, when the sender gives none.
    ByContent,
}

/// What a deduplication id is unique in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Scope {
    /// The queue.
    #[default]
    Queue,
    /// The message group.
    Group,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Throughput {
    #[default]
    PerQueue,
    PerGroup,
}

impl Fifo {
    /// Sets one of the attributes that only FIFO queues have.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        match (name, value) {
            ("FifoQueue", value) if boolean(name, value)? == Switch::Off => {
                let message = "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.";
                return Err(Fault::new(Code::InvalidAttributeValue, message));
            }
            ("FifoQueue", _) => {}
            ("ContentBasedDeduplication", value) => {
                self.deduplication = match boolean(name, value)? {
                    Switch::On => Deduplicate::ByContent,
                    Switch::Off => Deduplicate::ById,
                };
            }
            ("DeduplicationScope", "queue") => self.scope = Scope::Queue,
            ("DeduplicationScope", "messageGroup") => self.scope = Scope::Group,
            ("FifoThroughputLimit", "perQueue") => self.throughput = Throughput::PerQueue,
            ("FifoThroughputLimit", "perMessageGroupId") => self.throughput = Throughput::PerGroup,
            _ => return Err(invalid(name)),
        }
        Ok(())
    }

    /// Shows the attributes that only FIFO queues have.
    pub(super) fn show(self, mut show: impl FnMut(&str, String)) {
        show("FifoQueue", "true".to_owned());
        show("ContentBasedDeduplication", (self.deduplication == Deduplicate::ByContent).to_string());
        let scope = match self.scope {
            Scope::Queue => "queue",
            Scope::Group => "messageGroup",
        };
        show("DeduplicationScope", scope.to_owned());
        let throughput = match self.throughput {
            Throughput::PerQueue => "perQueue",
            Throughput::PerGroup => "perMessageGroupId",
        };
        show("FifoThroughputLimit", throughput.to_owned());
    }
}
