//! Checks the table of a queue's claims: that claims can be written, and that finished ones are removed in time.

use super::{Code, Finding, codes::is_credentials_code, from_settings};
use crate::{
    aws::{credentials_fault, credentials_fix},
    config::{QueueSettings, Settings},
    duration::Span,
    once::{ClaimError, TimeToLive},
    queue::QueueAttributes,
};

/// Checks the table of a queue whose messages run once.
///
/// Writes whose condition no item meets prove the access and the key, and change nothing.
pub(super) async fn check(name: &str, queue: &QueueSettings, settings: &Settings) -> Vec<Finding> {
    let Some(once) = &queue.once else { return Vec::new() };
    let table = from_settings::claim_table(once, queue, &settings.aws);
    if let Err(error) = table.check_writes().await {
        return vec![not_written(name, &error)];
    }
    let removal = match table.time_to_live().await {
        Ok(TimeToLive::Fits) => return Vec::new(),
        Ok(time_to_live) => Finding::of(name, Code::OnceTtl, kept_for_ever(&once.table, &time_to_live)),
        Err(error) => Finding::of(name, Code::OnceTtlUnproven, error.to_string()),
    };
    vec![removal]
}

/// Says why the items of a table are not removed.
fn kept_for_ever(table: &str, time_to_live: &TimeToLive) -> String {
    let state = match time_to_live {
        TimeToLive::Fits => "on".to_owned(),
        TimeToLive::Off => "off".to_owned(),
        TimeToLive::Other(attribute) => format!("that of {attribute}"),
    };
    format!("the time to live of table {table} is {state}, so that the table only grows")
}

/// The finding of a failed write.
fn not_written(name: &str, error: &ClaimError) -> Finding {
    let finding = Finding::of(name, code_of(error), error.to_string());
    match credentials_fix(error) {
        Some(fix) => Finding { fix: Some(fix), ..finding },
        None => finding.or_of_proxy(),
    }
}

/// The code for a failed write.
fn code_of(error: &ClaimError) -> Code {
    match error.code() {
        _ if credentials_fault(error).is_some() || is_credentials_code(error.code()) => Code::Credentials,
        Some("ResourceNotFoundException") => Code::OnceTableMissing,
        Some("AccessDeniedException") => Code::OnceForbidden,
        Some("ValidationException") => Code::OnceKeySchema,
        _ => Code::OnceUnreachable,
    }
}

/// Finds a queue that keeps its messages for longer than their keys are remembered.
///
/// SQS may deliver a message again for as long as it keeps it.
pub(super) fn keep_below_retention(
    name: &str,
    queue: &QueueSettings,
    description: &QueueAttributes,
) -> Option<Finding> {
    let keep = queue.once.as_ref()?.keep;
    let retention = Span(description.retention);
    let message = || format!("once.keep is {keep}, and the queue keeps messages for {retention}");
    (keep < retention).then(|| Finding::of(name, Code::OnceKeep, message()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::once;

    #[test]
    fn a_key_should_be_remembered_as_long_as_its_message_may_be_delivered() {
        let found = |keep, retention| {
            let once = Some(once::Settings { keep: Span::secs(keep), ..once::Settings::default() });
            let queue = QueueSettings { once, ..QueueSettings::default() };
            let retention = Duration::from_secs(retention);
            keep_below_retention(
                "orders",
                &queue,
                &QueueAttributes { retention, ..QueueAttributes::default() },
            )
        };
        assert_eq!(found(60, 61).map(|found| found.code), Some(Code::OnceKeep));
        assert_eq!((found(60, 60), found(60, 0)), (None, None));
    }

    #[test]
    fn a_failure_that_says_nothing_of_the_table_is_unreachable() {
        assert_eq!(code_of(&ClaimError::new("no answer")), Code::OnceUnreachable);
    }
}
