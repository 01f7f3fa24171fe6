//! The queues that `longshore dev` begins with: each with a DLQ of its own.

use crate::queue::{
    is_fifo,
    memory::{Account, Fault, Names},
};

/// How often a message may be received before it moves to the DLQ.
const MAX_RECEIVE_COUNT: u32 = 3;

/// A queue and its DLQ, by their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuePair {
    /// The queue's name.
    pub queue: String,
    /// The DLQ's name.
    pub dlq: String,
}

impl QueuePair {
    /// The DLQ of `x-queue` is `x-dlq`, that of `x` is `x-dlq`, that of `x.fifo` is `x-dlq.fifo`.
    pub fn of(queue: &str) -> Self {
        let (base, suffix) = match queue.strip_suffix(".fifo") {
            Some(base) => (base, ".fifo"),
            None => (queue, ""),
        };
        let base = base.strip_suffix("-queue").unwrap_or(base);
        Self { queue: queue.to_owned(), dlq: format!("{base}-dlq{suffix}") }
    }
}

/// Creates a queue whose messages move to its DLQ after three receives.
pub fn create_queues(account: &Account, pair: &QueuePair) -> Result<(), Fault> {
    let mut attributes = Names::new();
    if is_fifo(&pair.queue) {
        attributes.insert("FifoQueue".to_owned(), "true".to_owned());
        attributes.insert("ContentBasedDeduplication".to_owned(), "true".to_owned());
    }
    let mut of_dlq = attributes.clone();
    of_dlq.insert("MessageRetentionPeriod".to_owned(), "1209600".to_owned());
    account.create_queue(&pair.dlq, &of_dlq, &Names::new())?;
    let dlq = account.arn(&pair.dlq)?;
    let redrive = serde_json::json!({ "deadLetterTargetArn": dlq, "maxReceiveCount": MAX_RECEIVE_COUNT });
    attributes.insert("RedrivePolicy".to_owned(), redrive.to_string());
    account.create_queue(&pair.queue, &attributes, &Names::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dlq_is_named_after_its_queue() {
        for (queue, dlq) in [
            ("longshore-dev-queue", "longshore-dev-dlq"),
            ("orders", "orders-dlq"),
            ("orders.fifo", "orders-dlq.fifo"),
        ] {
            assert_eq!(QueuePair::of(queue).dlq, dlq);
        }
    }

    #[test]
    fn both_queues_are_there_and_the_policy_joins_them() {
        for name in ["orders", "orders.fifo"] {
            let (account, pair) = (Account::default(), QueuePair::of(name));
            create_queues(&account, &pair).unwrap();
            let redrive = account.describe(name).unwrap().redrive.unwrap();
            assert_eq!(redrive.dead_letter_arn, account.arn(&pair.dlq).unwrap());
            assert_eq!(redrive.max_receive_count.get(), MAX_RECEIVE_COUNT);
        }
    }
}
