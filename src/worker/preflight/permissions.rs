//! Checks the permissions to delete and extend, with a receipt handle that is invalid.
//!
//! A refusal speaks of the caller, any other answer of the receipt. Receiving and sending have no such harmless form.

use std::time::Duration;

use super::{Code, Finding};
use crate::{
    message::Receipt,
    queue::{BatchResult, EntryError, Queue, QueueError, VisibilityChange},
    worker::open::is_only_forbidden,
};

/// No receipt of any queue.
const NO_RECEIPT: &str = "longshore-check-this-is-no-receipt-handle";

/// The calls of a consumer that a queue refuses.
pub(super) async fn look(name: &str, queue: &dyn Queue) -> Vec<Finding> {
    let receipt = Receipt::new(NO_RECEIPT);
    let change = [VisibilityChange { receipt: receipt.clone(), visibility: Duration::ZERO }];
    let receipts = [receipt];
    let (deleted, changed) = tokio::join!(queue.delete(&receipts), queue.change_visibility(&change));
    let mut found = vec![Finding::of(name, Code::ReceiveUnproven, "sqs:ReceiveMessage was not tried")];
    found.extend(judge(name, "DeleteMessage", Code::DeleteForbidden, deleted));
    found.extend(judge(name, "ChangeMessageVisibility", Code::ExtendForbidden, changed));
    found
}

fn judge(name: &str, action: &str, forbidden: Code, answer: BatchResult<()>) -> Option<Finding> {
    let entry = match answer {
        Ok(entries) => entries.into_iter().next()?.err()?,
        Err(error) => return of_call(name, action, forbidden, &error),
    };
    let is_forbidden = is_denial(&entry);
    is_forbidden.then(|| Finding::of(name, forbidden, format!("sqs:{action} is refused: {entry}")))
}

fn of_call(name: &str, action: &str, forbidden: Code, error: &QueueError) -> Option<Finding> {
    if error.plain_code() == Some("ReceiptHandleIsInvalid") {
        return None;
    }
    let code = if is_only_forbidden(error) { forbidden } else { Code::PermissionUnproven };
    Some(Finding::of(name, code, format!("sqs:{action}: {error}")))
}

fn is_denial(entry: &EntryError) -> bool {
    is_only_forbidden(&QueueError::answered(&entry.code, &entry.message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::EmulatorQueue;
    use longshore_emulator::{SqsAccount, StringMap};

    #[tokio::test]
    async fn a_receipt_that_is_none_is_no_denial_and_changes_nothing() {
        let account = SqsAccount::default();
        account.create_queue("orders", &StringMap::new(), &StringMap::new()).unwrap();
        account.send("orders", "a").unwrap();
        let codes: Vec<_> = look("orders", &EmulatorQueue::new(&account, "orders"))
            .await
            .into_iter()
            .map(|found| found.code)
            .collect();
        assert_eq!(codes, [Code::ReceiveUnproven]);
        assert_eq!(account.snapshot("orders").unwrap().visible, 1);
    }

    #[test]
    fn a_denial_of_the_call_or_of_its_entry_is_found() {
        let judge =
            |answer| judge("orders", "DeleteMessage", Code::DeleteForbidden, answer).map(|found| found.code);
        assert_eq!(judge(Err(QueueError::answered("AccessDenied", "no"))), Some(Code::DeleteForbidden));
        let entry = EntryError::new("AccessDenied", "no", true);
        assert_eq!(judge(Ok(vec![Err(entry)])), Some(Code::DeleteForbidden));
        assert_eq!(judge(Err(QueueError::answered("RequestThrottled", ""))), Some(Code::PermissionUnproven));
        assert_eq!(judge(Err(QueueError::answered("ReceiptHandleIsInvalid", ""))), None);
    }
}
