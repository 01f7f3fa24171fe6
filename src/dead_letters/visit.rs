//! Visits the messages of a queue: shows each of those that are chosen, and deletes them if that is asked for.

use std::{sync::Arc, time::SystemTime};

use super::{
    MessageFilter,
    scan::{DlqScan, PROOF},
};
use crate::{
    message::{Message, MessageId},
    queue::{Queue, QueueError, limits::BATCH_ENTRIES},
    stop::Stop,
};

/// A visit of a queue's messages.
pub(crate) struct Visit {
    /// The queue.
    pub(crate) queue: Arc<dyn Queue>,
    /// The messages that are chosen.
    pub(crate) filter: MessageFilter,
    /// The most messages to choose.
    pub(crate) limit: Option<usize>,
    /// True to delete them.
    pub(crate) deletes: bool,
    /// Ends the visit early.
    pub(crate) stop: Stop,
}

/// A chosen message, and the number of those before it.
pub(crate) type VisitedMessage<'a> = (&'a Message, usize);

/// The end of a visit.
#[derive(Debug, Default)]
pub(crate) struct VisitEnd {
    /// The messages that were chosen.
    pub(crate) chosen: usize,
    /// Those that were read and not chosen.
    pub(crate) left_out: usize,
    /// Those that should be deleted and could not be.
    pub(crate) undeleted: usize,
    /// Those that could not be made visible at once, and are so within a minute.
    pub(crate) unreleased: usize,
    /// True if it ended early, by its stop.
    pub(crate) is_interrupted: bool,
    /// The failure that ended it early.
    pub(crate) failure: Option<QueueError>,
}

/// Reads messages until the queue is empty, the limit is reached, or a message is not taken.
pub(crate) async fn visit(visit: &Visit, mut take: impl FnMut(VisitedMessage<'_>) -> bool) -> VisitEnd {
    let mut scan = DlqScan::new(visit.queue.clone());
    let held = scan.held();
    let (end, unreleased) = held.during(read(visit, &mut scan, &mut take)).await;
    VisitEnd { unreleased, ..end }
}

async fn read(
    visit: &Visit,
    scan: &mut DlqScan,
    take: &mut impl FnMut(VisitedMessage<'_>) -> bool,
) -> VisitEnd {
    let mut end = VisitEnd::default();
    // Each message is read once, so that no more are chosen than there are ids.
    let of_ids = Some(visit.filter.ids.len()).filter(|ids| *ids > 0);
    let limit = visit.limit.into_iter().chain(of_ids).min().unwrap_or(usize::MAX);
    loop {
        if end.chosen >= limit {
            return end;
        }
        if visit.stop.is_draining() {
            return VisitEnd { is_interrupted: true, ..end };
        }
        // Where all are chosen none is received beyond the limit.
        let most = if visit.filter.takes_all() { limit - end.chosen } else { BATCH_ENTRIES };
        let scanned = match scan.receive(most, PROOF).await {
            Ok(scanned) => scanned,
            Err(error) => return VisitEnd { failure: Some(error), ..end },
        };
        let mut deleted: Vec<MessageId> = Vec::new();
        let mut is_enough = scanned.is_drained;
        for message in &scanned.messages {
            if is_enough || end.chosen >= limit || !visit.filter.takes(message, SystemTime::now()) {
                end.left_out += 1;
                continue;
            }
            is_enough = !take((message, end.chosen));
            end.chosen += 1;
            deleted.push(message.id.clone());
        }
        if visit.deletes {
            end.undeleted += scan.delete(&deleted).await.len();
        }
        if is_enough {
            return end;
        }
    }
}
