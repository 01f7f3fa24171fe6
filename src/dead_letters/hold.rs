//! Messages that are held: hidden for a minute at a time, and visible again in the end.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::stream::{self, StreamExt as _};
use tokio::time::{Instant, sleep};

use crate::{
    message::{Message, MessageId, Receipt},
    queue::{Queue, VisibilityChange, limits::BATCH_ENTRIES},
};

/// The visibility of a held message: short, so that it is back soon after a crash.
pub(super) const VISIBILITY: Duration = Duration::from_mins(1);
/// The interval of looks for messages to hide again.
const RENEWAL_CHECKS: Duration = Duration::from_secs(5);
/// The least time for which a message stays hidden without being hidden again.
const MARGIN: Duration = Duration::from_secs(30);
/// The most calls at once that make messages visible.
const CALLS_AT_ONCE: usize = 4;

/// The messages that are held of one queue.
pub(super) struct HeldMessages {
    queue: Arc<dyn Queue>,
    held: Mutex<BTreeMap<MessageId, Hold>>,
    /// The number of messages that were ever held.
    count: AtomicUsize,
}

#[derive(Clone, Debug)]
struct Hold {
    receipt: Receipt,
    /// The time until which it is hidden, by this clock.
    until: Instant,
    /// The number of its receive, in order.
    number: usize,
}

impl HeldMessages {
    pub(super) fn new(queue: Arc<dyn Queue>) -> Self {
        Self { queue, held: Mutex::default(), count: AtomicUsize::new(0) }
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<MessageId, Hold>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds the messages of a receive that was sent at this time.
    pub(super) fn add(&self, messages: &[Message], sent: Instant) {
        let mut held = self.held();
        for message in messages {
            let number = self.count.fetch_add(1, Ordering::Relaxed);
            let receipt = message.receipt.clone();
            held.insert(message.id.clone(), Hold { receipt, until: sent + VISIBILITY, number });
        }
    }

    /// Forgets a message that was deleted.
    pub(super) fn forget(&self, id: &MessageId) {
        self.held().remove(id);
    }

    /// The receipt of a message that is still hidden for a while.
    pub(super) fn receipt(&self, id: &MessageId) -> Option<Receipt> {
        let least = Instant::now() + MARGIN / 3;
        self.held().get(id).filter(|hold| hold.until >= least).map(|hold| hold.receipt.clone())
    }

    /// Keeps what is held hidden during the work, and makes it visible after it; also returns the number of messages for
    /// which that failed: they are visible within a minute.
    pub(super) async fn during<T>(&self, work: impl Future<Output = T>) -> (T, usize) {
        let output = tokio::select! {
            biased;
            output = work => output,
            never = self.keep() => match never {},
        };
        (output, self.release().await)
    }

    /// Keeps all held messages hidden; never ends.
    async fn keep(&self) -> Infallible {
        loop {
            sleep(RENEWAL_CHECKS).await;
            let latest = Instant::now() + MARGIN;
            let due: Vec<_> = self
                .held()
                .iter()
                .filter(|(_, hold)| hold.until <= latest)
                .map(|(id, _)| id.clone())
                .collect();
            for ids in due.chunks(BATCH_ENTRIES) {
                self.renew(ids).await;
            }
        }
    }

    /// Hides messages for another minute; one for which that fails is tried again, and lost in the end.
    async fn renew(&self, ids: &[MessageId]) {
        let began = Instant::now();
        let (ids, changes) = self.changes(ids, VISIBILITY);
        let Ok(answers) = self.queue.change_visibility(&changes).await else { return };
        let mut held = self.held();
        for (id, answer) in ids.iter().zip(answers) {
            if let (Some(hold), Ok(())) = (held.get_mut(id), answer) {
                // An extension that lands after the end of the time has no effect.
                if hold.until > Instant::now() {
                    hold.until = began + VISIBILITY;
                }
            }
        }
    }

    fn changes(&self, ids: &[MessageId], visibility: Duration) -> (Vec<MessageId>, Vec<VisibilityChange>) {
        let held = self.held();
        let change = |id: &MessageId| {
            let receipt = held.get(id)?.receipt.clone();
            Some((id.clone(), VisibilityChange { receipt, visibility }))
        };
        ids.iter().filter_map(change).unzip()
    }

    /// Makes all held messages visible, the last one first, so that none of a group overtakes another.
    ///
    /// Returns the number of those for which that failed; they are visible within a minute.
    async fn release(&self) -> usize {
        let mut ids: Vec<_> = self.held().iter().map(|(id, hold)| (hold.number, id.clone())).collect();
        ids.sort_unstable_by(|(one, _), (other, _)| other.cmp(one));
        let ids: Vec<_> = ids.into_iter().map(|(_, id)| id).collect();
        let released = stream::iter(ids.chunks(BATCH_ENTRIES).map(<[_]>::to_vec))
            .map(|ids| async move { self.release_some(&ids).await })
            .buffered(CALLS_AT_ONCE);
        released.fold(0, async |failed, of_batch| failed + of_batch).await
    }

    async fn release_some(&self, ids: &[MessageId]) -> usize {
        let (ids, changes) = self.changes(ids, Duration::ZERO);
        let answers = self.queue.change_visibility(&changes).await.unwrap_or_default();
        let released = answers.iter().filter(|answer| answer.is_ok()).count();
        for id in &ids {
            self.forget(id);
        }
        changes.len() - released
    }
}
