//! Which messages are held until when, and which lease to extend next: pure.

mod extension;
mod place;

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(super) use self::extension::{Extended, Extension};
use super::{LeaseDeadlines, VisibilityReceipt, finished::Finished};
use crate::{
    message::{MessageId, Receipt},
    queue::limits,
    telemetry::context::TraceContext,
};

/// Done messages to remember whose delete was confirmed: they come back only by SQS's own at-least-once slips.
const CONFIRMED: usize = 1_000;
/// Done messages to remember whose delete was not confirmed: they will come back.
const UNCONFIRMED: usize = 100_000;

/// On which terms messages are held.
#[derive(Clone, Copy, Debug)]
pub struct LeaseTerms {
    /// The visibility of a receive and of the first extension.
    pub visibility: Duration,
    /// The longest visibility of an extension: each doubles the one before up to this.
    pub longest: Duration,
}

/// The ledger of one queue's leases.
#[derive(Debug)]
pub(super) struct Ledger {
    terms: LeaseTerms,
    entries: HashMap<MessageId, Entry>,
    /// When to look at an entry next: to extend it, or to find it lost.
    agenda: BTreeSet<(Instant, MessageId)>,
    confirmed: Finished,
    unconfirmed: Finished,
    /// How many claims there have been.
    claims: u64,
}

/// One lease's name in the ledger: a message that was given back and received again has a new one.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) id: MessageId,
    number: u64,
}

#[derive(Debug)]
struct Entry {
    /// The number of its claim.
    number: u64,
    receipt: Receipt,
    deadline: Instant,
    limit: Instant,
    visibility: Duration,
    /// Extensions that failed in a row.
    failures: u32,
    stage: Stage,
    /// Its delete was sent: that the message is gone is no loss then.
    is_deleting: bool,
    /// The entry's place in the agenda.
    look_at: Instant,
    cancellation: CancellationToken,
    /// The trace that lines about it name.
    trace: Option<Box<TraceContext>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Extended when due.
    Kept,
    /// An extension is under way.
    Extending,
    /// Being given back: not extended any more.
    Frozen,
    /// Gone; the entry stays until its work has ended, so that the message is not run twice at once.
    Lost,
}

impl Entry {
    fn is_held(&self, now: Instant) -> bool {
        self.stage != Stage::Lost && now < self.deadline
    }
}

/// What [`Ledger::hold`] made of a message.
#[derive(Debug)]
pub(super) enum Held {
    Fresh(Granted),
    Finished(Granted),
    Duplicate,
}

/// A new lease as its holder needs to know it.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) claim: Claim,
    pub(super) cancellation: CancellationToken,
    pub(super) deadline: Instant,
}

impl Ledger {
    pub(super) fn new(terms: LeaseTerms) -> Self {
        Self {
            terms,
            entries: HashMap::new(),
            agenda: BTreeSet::new(),
            confirmed: Finished::new(CONFIRMED),
            unconfirmed: Finished::new(UNCONFIRMED),
            claims: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Enters a message whose receive was sent and answered at these moments; `chance` in 0..1 spreads the extensions.
    ///
    /// Its time counts from the sending: SQS hid it at some moment between the two, and nothing tells which.
    pub(super) fn hold(
        &mut self,
        id: &MessageId,
        receipt: &Receipt,
        (sent, answered): (Instant, Instant),
        chance: f64,
    ) -> Held {
        let deadline = sent + self.terms.visibility;
        let look_at = due(answered, deadline.saturating_duration_since(answered), chance);
        match self.entries.get(id).map(|entry| entry.stage) {
            // It can only come again because the give-back took effect, even if its answer is still on its way.
            None | Some(Stage::Frozen) => {}
            Some(Stage::Kept | Stage::Extending | Stage::Lost) => {
                self.renew(id, receipt, (look_at, deadline));
                return Held::Duplicate;
            }
        }
        let granted = self.enter(id, receipt, (sent, deadline), look_at);
        if self.unconfirmed.contains(id) || self.confirmed.contains(id) {
            return Held::Finished(granted);
        }
        Held::Fresh(granted)
    }

    fn enter(
        &mut self,
        id: &MessageId,
        receipt: &Receipt,
        (sent, deadline): (Instant, Instant),
        look_at: Instant,
    ) -> Granted {
        self.claims += 1;
        let (number, cancellation) = (self.claims, CancellationToken::new());
        let entry = Entry {
            number,
            receipt: receipt.clone(),
            deadline,
            limit: sent + limits::VISIBILITY,
            visibility: self.terms.visibility,
            failures: 0,
            stage: Stage::Kept,
            is_deleting: false,
            look_at,
            cancellation: cancellation.clone(),
            trace: None,
        };
        self.agenda.insert((look_at, id.clone()));
        if let Some(given_back) = self.entries.insert(id.clone(), entry) {
            self.agenda.remove(&(given_back.look_at, id.clone()));
            self.agenda.insert((look_at, id.clone()));
        }
        Granted { claim: Claim { id: id.clone(), number }, cancellation, deadline }
    }

    /// Goes on with the receipt of a newer receive: the older one is stale, and so is an extension under way.
    fn renew(&mut self, id: &MessageId, receipt: &Receipt, (look_at, deadline): (Instant, Instant)) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        entry.receipt = receipt.clone();
        if matches!(entry.stage, Stage::Kept | Stage::Extending) {
            entry.stage = Stage::Kept;
            entry.deadline = deadline;
            self.look_at(id, look_at);
        }
    }

    fn entry(&self, claim: &Claim) -> Option<&Entry> {
        self.entries.get(&claim.id).filter(|entry| entry.number == claim.number)
    }

    fn entry_mut(&mut self, claim: &Claim) -> Option<&mut Entry> {
        self.entries.get_mut(&claim.id).filter(|entry| entry.number == claim.number)
    }

    /// Ends a lease.
    pub(super) fn release(&mut self, claim: &Claim) {
        if self.entry(claim).is_some()
            && let Some(entry) = self.entries.remove(&claim.id)
        {
            self.agenda.remove(&(entry.look_at, claim.id.clone()));
        }
    }

    /// What is left of a lease; `None` when it is lost.
    pub(super) fn deadlines(&self, claim: &Claim, now: Instant) -> Option<LeaseDeadlines> {
        let entry = self.entry(claim).filter(|entry| entry.is_held(now))?;
        Some(LeaseDeadlines { deadline: entry.deadline, limit: entry.limit })
    }

    /// The newest receipt; `None` when the lease is lost.
    pub(super) fn receipt(&self, claim: &Claim, now: Instant) -> Option<Receipt> {
        self.entry(claim).filter(|entry| entry.is_held(now)).map(|entry| entry.receipt.clone())
    }

    /// The newest receipt of a message that is to be deleted now; `None` when its lease is lost.
    pub(super) fn begin_delete(&mut self, claim: &Claim, now: Instant) -> Option<Receipt> {
        let entry = self.entry_mut(claim).filter(|entry| entry.is_held(now))?;
        entry.is_deleting = true;
        Some(entry.receipt.clone())
    }

    /// Whether a newer receive has replaced this receipt.
    pub(super) fn is_superseded(&self, claim: &Claim, receipt: &Receipt) -> bool {
        self.entry(claim).is_some_and(|entry| entry.receipt != *receipt)
    }

    /// Stops the extensions of a lease, so that it can be given back.
    pub(super) fn freeze(&mut self, claim: &Claim) -> VisibilityReceipt {
        let Some(entry) = self.entry_mut(claim) else { return VisibilityReceipt::Lost };
        match entry.stage {
            Stage::Lost => VisibilityReceipt::Lost,
            Stage::Extending => VisibilityReceipt::ExtensionInFlight,
            Stage::Kept | Stage::Frozen => {
                entry.stage = Stage::Frozen;
                let deadline = entry.deadline;
                let receipt = entry.receipt.clone();
                self.look_at(&claim.id, deadline);
                VisibilityReceipt::Ready(receipt)
            }
        }
    }

    /// Remembers a message as done, its delete not yet confirmed.
    pub(super) fn remember_done(&mut self, id: &MessageId) {
        self.unconfirmed.insert(id);
    }

    /// Remembers a message as done and deleted.
    pub(super) fn remember_deleted(&mut self, id: &MessageId) {
        self.confirmed.insert(id);
    }

    /// Tells every handler to stop.
    pub(super) fn cancel_all(&self) {
        for entry in self.entries.values() {
            entry.cancellation.cancel();
        }
    }

    /// The visibility that new leases begin with.
    pub(super) fn shortest_visibility(&self) -> Duration {
        self.terms.visibility
    }

    /// When to look into the ledger next.
    pub(super) fn next_look(&self) -> Option<Instant> {
        self.agenda.first().map(|(moment, _)| *moment)
    }

    /// Finds the leases whose time ran out, tells their handlers, and answers which were still wanted.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<MessageId> {
        let passed = self.agenda.iter().take_while(|(moment, _)| *moment <= now);
        let is_over = |id: &&MessageId| self.entries.get(*id).is_some_and(|entry| entry.deadline <= now);
        let over: Vec<_> = passed.map(|(_, id)| id).filter(is_over).cloned().collect();
        over.into_iter().filter(|id| self.lose(id)).collect()
    }

    /// Marks a lease as lost; false when nobody wanted it any more.
    fn lose(&mut self, id: &MessageId) -> bool {
        let Some(entry) = self.entries.get_mut(id) else { return false };
        let was_wanted = matches!(entry.stage, Stage::Kept | Stage::Extending) && !entry.is_deleting;
        let is_given_back = entry.stage == Stage::Frozen;
        entry.stage = Stage::Lost;
        entry.cancellation.cancel();
        self.agenda.remove(&(entry.look_at, id.clone()));
        if is_given_back {
            // Its work has ended, so nothing need keep the message from running again.
            self.entries.remove(id);
        }
        was_wanted
    }

    /// The next leases to extend in one call: those due, and with them the next ones that will be.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Extension> {
        if self.next_look().is_none_or(|moment| moment > now) {
            return Vec::new();
        }
        let candidates = self.agenda.iter().map(|(_, id)| id).take(4 * limits::BATCH_ENTRIES);
        let candidates: Vec<_> = candidates.cloned().collect();
        let extensions = candidates.into_iter().filter_map(|id| self.begin_extension(id, now));
        extensions.take(limits::BATCH_ENTRIES).collect()
    }

    fn begin_extension(&mut self, id: MessageId, now: Instant) -> Option<Extension> {
        let longest = self.terms.longest;
        let entry = self.entries.get_mut(&id).filter(|entry| entry.stage == Stage::Kept)?;
        let (deadline, receipt) = (entry.deadline, entry.receipt.clone());
        let grown = (entry.visibility * 2).min(longest).max(self.terms.visibility);
        // Past the twelve hours SQS refuses the whole extension, so the last one is cut to what is left.
        let left = Duration::from_secs(entry.limit.saturating_duration_since(now).as_secs());
        let visibility = grown.min(left);
        if now + visibility <= deadline {
            let is_last = left < grown;
            if is_last {
                self.look_at(&id, deadline);
            }
            return None;
        }
        entry.stage = Stage::Extending;
        let attempt = entry.failures + 1;
        self.look_at(&id, deadline);
        Some(Extension { id, receipt, visibility, attempt })
    }

    /// The entry that an extension under way was made for, unless something newer has happened to it.
    fn extending(&mut self, extension: &Extension) -> Option<&mut Entry> {
        let is_current =
            |entry: &&mut Entry| entry.stage == Stage::Extending && entry.receipt == extension.receipt;
        self.entries.get_mut(&extension.id).filter(is_current)
    }

    /// Notes that an extension sent at `sent` was granted.
    pub(super) fn extended(
        &mut self,
        extension: &Extension,
        (sent, now): (Instant, Instant),
        chance: f64,
    ) -> Extended {
        let Some(entry) = self.extending(extension) else { return Extended::InVain };
        // SQS answers 200 for a message whose time ran out, and does nothing: a late answer proves nothing.
        if now >= entry.deadline {
            return if self.lose(&extension.id) { Extended::TooLate } else { Extended::InVain };
        }
        entry.stage = Stage::Kept;
        entry.failures = 0;
        entry.visibility = extension.visibility;
        entry.deadline = sent + extension.visibility;
        let look_at = due(sent, extension.visibility, chance).min(entry.deadline);
        self.look_at(&extension.id, look_at);
        Extended::InTime
    }

    /// Notes that an extension failed in a way that may pass; it is due again after `pause`.
    pub(super) fn not_extended(&mut self, extension: &Extension, now: Instant, pause: Duration) {
        if let Some(entry) = self.extending(extension) {
            entry.stage = Stage::Kept;
            entry.failures += 1;
            let look_at = (now + pause).min(entry.deadline);
            self.look_at(&extension.id, look_at);
        }
    }

    /// Notes that an extension was refused because the lease is gone; false when that is no news.
    pub(super) fn refused(&mut self, extension: &Extension) -> bool {
        self.extending(extension).is_some() && self.lose(&extension.id)
    }

    fn look_at(&mut self, id: &MessageId, moment: Instant) {
        if let Some(entry) = self.entries.get_mut(id) {
            self.agenda.remove(&(entry.look_at, id.clone()));
            entry.look_at = moment;
            self.agenda.insert((moment, id.clone()));
        }
    }
}

/// An extension is due at about half the visibility: between 45 % and 55 %, so that they spread.
fn due(from: Instant, visibility: Duration, chance: f64) -> Instant {
    from + visibility.mul_f64(0.45 + chance / 10.0)
}

#[cfg(test)]
mod tests;
