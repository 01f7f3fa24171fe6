//! Gives one dead letter to a handler, as the worker would after it was sent back, and settles nothing.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    hold::VISIBILITY,
    scan::{DlqScan, PROOF},
};
use crate::{
    consumer::settle::remove_record,
    handler::{AnyHandler, Context, Outcome},
    message::Message,
    queue::{Queue, QueueError, limits::BATCH_ENTRIES},
    stop::Stop,
};

/// Finds the message of an id and calls the handler with it; `None` if the queue has no such visible message.
///
/// The message is hidden during the call, and visible again after it, whatever the outcome.
pub(crate) async fn replay(
    queue: Arc<dyn Queue>,
    id: &str,
    handler: &AnyHandler,
    stop: &Stop,
) -> Result<Option<Outcome>, QueueError> {
    let mut scan = DlqScan::new(queue);
    let held = scan.held();
    let work = async {
        let Some(message) = find(&mut scan, id, stop).await? else { return Ok(None) };
        Ok(Some(call(handler, message).await))
    };
    held.during(work).await.0
}

async fn find(scan: &mut DlqScan, id: &str, stop: &Stop) -> Result<Option<Message>, QueueError> {
    while !stop.is_draining() {
        let scanned = scan.receive(BATCH_ENTRIES, PROOF).await?;
        let found = scanned.messages.into_iter().find(|message| message.id.as_str() == id);
        if found.is_some() || scanned.is_drained {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Calls the handler with the message as its first receive from its own queue would return it.
async fn call(handler: &AnyHandler, mut message: Message) -> Outcome {
    remove_record(&mut message);
    message.receive_count = 1;
    message.system.dead_letter_source_arn = None;
    let context = Context::new("replay".into(), Instant::now() + VISIBILITY, CancellationToken::new());
    handler.handle(Arc::new(message), context).await
}
