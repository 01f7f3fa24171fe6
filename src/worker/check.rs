//! Checks of consumers before a worker starts: unique names, and settings that their parts accept.

use std::collections::BTreeSet;

use super::{Consumer, WorkerError};
#[cfg(feature = "once")]
use crate::once::Once;
use crate::settings::{Problems, within};

/// Refuses a worker without consumers, two consumers of one name, and settings with problems.
pub(super) fn check(consumers: &[Consumer]) -> Result<(), WorkerError> {
    if consumers.is_empty() {
        return Err(WorkerError::NoQueue);
    }
    let mut names = BTreeSet::new();
    for consumer in consumers {
        let Consumer { name, settings, handler, .. } = consumer;
        let queue = || name.to_string();
        if !names.insert(name) {
            return Err(WorkerError::Duplicate { queue: queue() });
        }
        let mut problems = settings.validate();
        problems.extend(settings.validate_for(handler.takes()));
        #[cfg(feature = "once")]
        problems.extend(within("once", consumer.once.as_ref().map(Once::validate).unwrap_or_default()));
        Problems::refuse(problems).map_err(|problems| WorkerError::Settings { queue: queue(), problems })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        consumer::{BatchSettings, ConsumerSettings},
        handler,
    };

    fn consumer(name: &str) -> Consumer {
        let handler = handler::from_fn(async |_: std::sync::Arc<crate::message::Message>| ());
        Consumer::new(name, handler)
    }

    fn batches_of(size: usize) -> BatchSettings {
        BatchSettings { size, ..BatchSettings::default() }
    }

    #[test]
    fn every_problem_is_reported_with_the_name_of_its_setting() {
        let settings =
            ConsumerSettings { concurrency: 0, batch: batches_of(2), ..ConsumerSettings::default() };
        let error = check(&[consumer("orders").settings(settings)]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "queue orders: the settings have 2 problems\n\n  \
             concurrency = 0: out of range\n    allowed: a whole number from 1 to 100000\n\n  \
             batch.size = 2: the handler takes one message a call\n    allowed: 1"
        );
    }

    #[test]
    fn a_batch_handler_takes_several_messages() {
        let handler = handler::batched(handler::from_batch_fn(async |_, _| ()));
        assert!(check(&[Consumer::new("orders", handler).batch(batches_of(10))]).is_ok());
    }

    #[test]
    fn two_consumers_of_one_name_are_refused() {
        let duplicates = check(&[consumer("orders"), consumer("bills"), consumer("orders")]);
        assert!(matches!(duplicates, Err(WorkerError::Duplicate { queue }) if queue == "orders"));
        assert!(check(&[consumer("orders"), consumer("bills")]).is_ok());
    }
}
