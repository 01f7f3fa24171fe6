//! Dead letters: reads the messages of a DLQ, and sends them back, deletes them or gives one to a handler.
//!
//! Every message that is read is held: hidden from others for a minute at a time, and visible again in the end, unless it was
//! sent back or deleted. Nothing is deleted from a DLQ before SQS has accepted its copy in the other queue.

mod background;
mod filter;
mod hold;
mod move_task;
mod pace;
mod redrive;
mod replay;
mod scan;
mod shown;
#[cfg(test)]
mod tests;
mod visit;

use std::sync::Arc;

use crate::queue::{Queue, QueueAttributes, QueueError, QueueName};

pub(crate) use self::{
    background::{ChosenMessages, DlqTaskKind, DlqTaskReport, DlqTasks, RunningDlqTask},
    filter::MessageFilter,
    move_task::{StartedMove, cancel_running},
    pace::Pace,
    redrive::{
        Edit, Redrive, RedriveCounts, RedriveDestination, RedriveEnd, RedriveEvent, RedrivePlan,
        USUAL_STOP_AFTER, USUAL_WATCH,
    },
    replay::replay,
    shown::{ShownMessage, summary},
    visit::{Visit, VisitEnd, visit},
};

/// A DLQ, and the queue that its messages come from.
pub(crate) struct DlqLocation {
    /// The DLQ.
    pub(crate) dlq: Arc<dyn Queue>,
    /// The attributes of the DLQ.
    pub(crate) attributes: QueueAttributes,
    /// The queue whose DLQ it is, where the search began there, with its attributes.
    pub(crate) source: Option<(Arc<dyn Queue>, QueueAttributes)>,
}

impl DlqLocation {
    /// The name of the DLQ in SQS.
    pub(crate) fn name(&self) -> String {
        name(&self.attributes)
    }

    /// The name of the source in SQS, as far as it is known.
    pub(crate) fn source_name(&self) -> Option<String> {
        self.source.as_ref().map(|(_, attributes)| name(attributes))
    }
}

fn name(attributes: &QueueAttributes) -> String {
    QueueName::of_arn(&attributes.arn).map_or_else(|| attributes.arn.clone(), |queue| queue.name)
}

/// Finds the DLQ of a queue: the configured one, or that of its redrive policy, or else the queue itself.
pub(crate) async fn locate(
    queue: Arc<dyn Queue>,
    configured: Option<Arc<dyn Queue>>,
) -> Result<DlqLocation, QueueError> {
    let attributes = queue.describe().await?;
    let of_policy = attributes.redrive.as_ref().and_then(|policy| QueueName::of_arn(&policy.dead_letter_arn));
    let dlq = match (configured, of_policy) {
        (Some(configured), _) => configured,
        (None, Some(name)) => queue.open_other(&name.seen_from(&attributes.arn)).await?,
        (None, None) => return Ok(DlqLocation { dlq: queue, attributes, source: None }),
    };
    let of_dlq = dlq.describe().await?;
    Ok(DlqLocation { dlq, attributes: of_dlq, source: Some((queue, attributes)) })
}
