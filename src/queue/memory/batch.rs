//! The rules for a batch as a whole.

use std::collections::HashSet;

use super::fault::{Code, Fault};
use crate::queue::limits;

/// Checks the ids of a batch's entries: 1 to 10 of them, well formed and distinct.
pub fn batch_ids<'a>(ids: impl IntoIterator<Item = &'a str>) -> Result<(), Fault> {
    let ids: Vec<&str> = ids.into_iter().collect();
    check_batch_len(ids.len())?;
    let mut seen = HashSet::new();
    for id in ids {
        check_entry_id(id)?;
        if !seen.insert(id) {
            return Err(Fault::new(Code::BatchEntryIdsNotDistinct, format!("Id {id} repeated.")));
        }
    }
    Ok(())
}

/// Checks the number of a batch's entries.
pub(super) fn check_batch_len(entries: usize) -> Result<(), Fault> {
    if entries == 0 {
        let message = "There should be at least one entry in the request.";
        return Err(Fault::new(Code::EmptyBatchRequest, message));
    }
    if entries > limits::BATCH_ENTRIES {
        let message = format!("Maximum number of entries per request are 10. You have sent {entries}.");
        return Err(Fault::new(Code::TooManyEntriesInBatchRequest, message));
    }
    Ok(())
}

fn check_entry_id(id: &str) -> Result<(), Fault> {
    let well_formed = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if well_formed && (1..=limits::ENTRY_ID_CHARS).contains(&id.len()) {
        return Ok(());
    }
    let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. \
                   It can be at most 80 letters long.";
    Err(Fault::new(Code::InvalidBatchEntryId, message))
}

/// Checks the size of a batch, bodies and attributes of all entries together.
pub fn batch_bytes(bytes: usize) -> Result<(), Fault> {
    let most = limits::MESSAGE_BYTES;
    if bytes <= most {
        return Ok(());
    }
    let message = format!("Batch requests cannot be longer than {most} bytes. You have sent {bytes} bytes.");
    Err(Fault::new(Code::BatchRequestTooLong, message))
}
