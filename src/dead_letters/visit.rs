//! Visits the messages of a queue: shows each of those that are chosen, and deletes them if that is asked for.

use std::{collections::BTreeSet, sync::Arc, time::SystemTime};

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
    let mut end = tokio::select! {
        biased;
        end = read(visit, &mut scan, &mut take) => end,
        never = held.keep() => match never {},
    };
    end.unreleased = held.release().await;
    end
}

async fn read(
    visit: &Visit,
    scan: &mut DlqScan,
    take: &mut impl FnMut(VisitedMessage<'_>) -> bool,
) -> VisitEnd {
    let mut end = VisitEnd::default();
    let mut sought: BTreeSet<String> = visit.filter.ids.clone();
    loop {
        let left = visit.limit.map_or(usize::MAX, |limit| limit.saturating_sub(end.chosen));
        let is_found = !visit.filter.ids.is_empty() && sought.is_empty();
        if left == 0 || is_found {
            return end;
        }
        if visit.stop.is_draining() {
            return VisitEnd { is_interrupted: true, ..end };
        }
        // Where all are chosen none is received beyond the limit.
        let most = if visit.filter.takes_all() { left } else { BATCH_ENTRIES };
        let scanned = match scan.receive(most, PROOF).await {
            Ok(scanned) => scanned,
            Err(error) => return VisitEnd { failure: Some(error), ..end },
        };
        let mut deleted: Vec<MessageId> = Vec::new();
        let mut is_enough = scanned.is_drained;
        for message in &scanned.messages {
            let has_room = visit.limit.is_none_or(|limit| end.chosen < limit);
            if is_enough || !has_room || !visit.filter.takes(message, SystemTime::now()) {
                end.left_out += 1;
                continue;
            }
            is_enough = !take((message, end.chosen));
            end.chosen += 1;
            sought.remove(message.id.as_str());
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
