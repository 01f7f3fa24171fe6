//! Once only: the messages of one key run once, by claims that a store keeps beyond the life of a worker.
//!
//! A claim is taken before a message may run, lasts as long as its lease, and is finished before the message is deleted. A
//! message whose claim is finished is deleted unrun; one whose claim another message holds is given back.

mod claims;
mod dynamo;
mod key;
mod store;

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use self::claims::OnceClaims;
pub(crate) use self::claims::OnceParts;
#[cfg(feature = "cli")]
pub(crate) use self::dynamo::TimeToLive;
pub use self::{
    dynamo::DynamoClaims,
    key::{NotAKey, OnceKey},
    store::{Claim, ClaimAnswer, ClaimError, ClaimStore, MemoryClaims},
};
use crate::{
    consumer::Preparation,
    duration::Span,
    settings::{Problem, http_url},
};

const KEEP: RangeInclusive<Span> = Span::secs(60)..=Span::secs(10 * 365 * 24 * 60 * 60);
/// The longest time for which SQS keeps a message, and so may deliver it again.
const USUAL_KEEP: Span = Span::secs(14 * 24 * 60 * 60);
/// The lengths of a table's name, or of its ARN.
const TABLE_CHARACTERS: RangeInclusive<usize> = 3..=1_024;

/// Runs the messages of one key once: the store of the claims, the key, and the time for which it is remembered.
///
/// ```
/// use std::time::Duration;
///
/// use longshore::once::{DynamoClaims, Once, OnceKey};
///
/// let store = DynamoClaims::in_region("orders-once", "eu-west-1");
/// let once = Once::new(store).key(OnceKey::json("/order/id").unwrap()).keep(Duration::from_hours(24));
/// ```
#[derive(Clone)]
pub struct Once {
    store: Arc<dyn ClaimStore>,
    key: OnceKey,
    keep: Span,
}

impl Once {
    /// Keeps the claims in this store, by message ids, for 14 days.
    pub fn new(store: impl ClaimStore) -> Self {
        Self { store: Arc::new(store), key: OnceKey::default(), keep: USUAL_KEEP }
    }

    /// Sets the key of messages that are the same.
    #[must_use]
    pub fn key(self, key: OnceKey) -> Self {
        Self { key, ..self }
    }

    /// Sets the time for which a finished key is remembered, from a minute to ten years; default: 14 days, the longest time
    /// for which SQS keeps a message.
    #[must_use]
    pub fn keep(self, keep: Duration) -> Self {
        Self { keep: Span(keep), ..self }
    }

    /// Finds every value that cannot work.
    pub(crate) fn validate(&self) -> Vec<Problem> {
        validate_keep(self.keep).into_iter().collect()
    }

    /// True if the key is in the body.
    #[cfg(feature = "payload")]
    pub(crate) fn reads_body(&self) -> bool {
        matches!(self.key, OnceKey::Json { .. })
    }

    /// The preparation that claims each message of a queue.
    pub(crate) fn preparation(&self, parts: OnceParts) -> Arc<dyn Preparation> {
        Arc::new(OnceClaims::new(self, parts))
    }
}

/// Settings of messages that run once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// The table in DynamoDB that keeps the claims, by its name or its ARN; its partition key is `id`, a string.
    pub table: String,
    /// The key of messages that are the same: `message-id`, `deduplication-id` (FIFO queues only), or `json:/order/id`, a field of the body by its JSON Pointer. A message without it is rejected.
    pub key: OnceKey,
    /// The time for which a finished key is remembered, 1m to 10 years. A message that SQS delivers later runs again.
    pub keep: Span,
    /// The region of the table, when it is not the queue's.
    pub region: Option<String>,
    /// Another endpoint of DynamoDB, such as an emulator's.
    pub endpoint_url: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let (table, region, endpoint_url) = (String::new(), None, None);
        Self { table, key: OnceKey::default(), keep: USUAL_KEEP, region, endpoint_url }
    }
}

impl Settings {
    /// The settings with their store.
    pub(crate) fn with_store(&self, store: impl ClaimStore) -> Once {
        Once::new(store).key(self.key.clone()).keep(self.keep.0)
    }

    /// Finds every setting that cannot work with a queue that is a FIFO queue, or is not.
    pub(crate) fn validate(&self, fifo: bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(validate_table(&self.table));
        problems.extend(validate_keep(self.keep));
        problems.extend(http_url("endpoint_url", self.endpoint_url.as_deref()));
        if self.key == OnceKey::DeduplicationId && !fifo {
            let problem = Problem::new("key", "only messages of FIFO queues have a deduplication id");
            problems
                .push(problem.with_value(self.key.to_string()).with_allowed("\"message-id\" or \"json:/…\""));
        }
        problems
    }
}

fn validate_table(table: &str) -> Option<Problem> {
    if table.is_empty() {
        let problem = Problem::new("table", "the table is missing");
        return Some(
            problem.with_hint("name a table in DynamoDB; docs/once.md has the command that creates it"),
        );
    }
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || "-_.:/".contains(character);
    let problem = || {
        Problem::new("table", "not the name of a table")
            .with_value(table)
            .with_allowed("3 to 255 letters, digits, -, _ and ., or the ARN of a table")
    };
    let is_name = TABLE_CHARACTERS.contains(&table.len()) && table.chars().all(is_allowed);
    (!is_name).then(problem)
}

fn validate_keep(keep: Span) -> Option<Problem> {
    let problem = || {
        let allowed = format!("{} to {}", KEEP.start(), KEEP.end());
        Problem::new("keep", "out of range").with_value(keep).with_allowed(allowed)
    };
    (!KEEP.contains(&keep)).then(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(fifo: bool, change: impl FnOnce(&mut Settings)) -> String {
        let mut settings = Settings { table: "orders-once".to_owned(), ..Settings::default() };
        change(&mut settings);
        let problems = settings.validate(fifo);
        let keys: Vec<_> = problems.iter().map(|problem| problem.key().unwrap().to_string()).collect();
        keys.join(" ")
    }

    #[test]
    fn a_table_has_a_name_or_an_arn() {
        assert_eq!(broken(false, |_| ()), "");
        let arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders-once";
        assert_eq!(broken(false, |settings| settings.table = arn.to_owned()), "");
        for table in ["", "ab", "orders once", "ördërs"] {
            assert_eq!(broken(false, |settings| settings.table = table.to_owned()), "table", "{table}");
        }
    }

    #[test]
    fn a_key_is_kept_for_a_minute_to_ten_years() {
        for (seconds, found) in
            [(59, "keep"), (60, ""), (10 * 365 * 86_400, ""), (10 * 365 * 86_400 + 1, "keep")]
        {
            assert_eq!(broken(false, |settings| settings.keep = Span::secs(seconds)), found, "{seconds}");
        }
        let once = Once::new(MemoryClaims::new()).keep(Duration::from_secs(1));
        assert_eq!(once.validate().len(), 1);
    }

    #[test]
    fn only_a_fifo_queue_has_deduplication_ids() {
        let by_id = |settings: &mut Settings| settings.key = OnceKey::DeduplicationId;
        assert_eq!((broken(true, by_id), broken(false, by_id)), (String::new(), "key".to_owned()));
    }

    #[test]
    fn an_endpoint_is_a_url() {
        assert_eq!(broken(false, |settings| settings.endpoint_url = Some("moto".to_owned())), "endpoint_url");
    }
}
