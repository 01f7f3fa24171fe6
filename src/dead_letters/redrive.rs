//! Sends dead letters back: to the other queue first, and only then deletes them from the DLQ.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep};

use super::{
    MessageFilter, Pace,
    hold::HeldMessages,
    pace::Pacer,
    scan::{DlqScan, PROOF},
};
use crate::{
    consumer::settle::{StoredRejection, original},
    message::{Message, MessageId, OutgoingMessage},
    queue::{
        Queue, QueueError, QueueName, RetryClass, all_entries, is_fifo,
        limits::{BATCH_ENTRIES, MESSAGE_BYTES},
        within,
    },
    stop::Stop,
};

/// The messages that have come back after which a redrive stops, where nothing else is chosen.
pub(crate) const USUAL_STOP_AFTER: usize = 1;
/// The time after the last message for which to look for those that come back, where nothing else is chosen.
pub(crate) const USUAL_WATCH: Duration = Duration::from_secs(5);
/// The most messages that are held while they wait to be sent.
const WINDOW: usize = 1_000;
/// The most messages that are read beyond the limit to find those that have come back; each costs a receive.
const READ_BEYOND: usize = 1_000;
/// The receives for each round of sends.
const RECEIVES_AHEAD: usize = 10;
/// The time limit of a send.
const SEND_LIMIT: Duration = Duration::from_secs(20);
/// The shortest round that sends and receives nothing.
const IDLE_ROUND: Duration = Duration::from_millis(100);

/// The queue that messages are sent to.
pub(crate) enum RedriveDestination {
    /// This one.
    One(Arc<dyn Queue>),
    /// The one from which the redrive policy has moved each message.
    EachSource,
}

/// The plan of a redrive.
pub(crate) struct RedrivePlan {
    /// The DLQ.
    pub(crate) dlq: Arc<dyn Queue>,
    /// The ARN of the DLQ.
    pub(crate) dlq_arn: String,
    /// The queue that messages are sent to.
    pub(crate) target: RedriveDestination,
    /// The messages that are chosen.
    pub(crate) filter: MessageFilter,
    /// The most messages to send.
    pub(crate) limit: Option<usize>,
    /// The pace.
    pub(crate) pace: Pace,
    /// The number of messages that have come back after which it stops.
    pub(crate) stop_after: usize,
    /// The time for which it looks for messages that come back after the last one was sent.
    pub(crate) watch: Duration,
    /// True to send and delete nothing.
    pub(crate) is_dry: bool,
    /// Ends it early.
    pub(crate) stop: Stop,
}

/// Changes the body of a message before it is sent; `Ok(None)` leaves the message in the DLQ.
pub(crate) type Edit<'a> = dyn FnMut(Message) -> BoxFuture<'a, Result<Option<String>, String>> + Send + 'a;

/// The numbers of a redrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RedriveCounts {
    /// Sent to the other queue, or to be sent by a dry run.
    pub(crate) sent: usize,
    /// Read, and not chosen.
    pub(crate) left_out: usize,
    /// Not sent: refused by the other queue, without a known source, or left by the editor.
    pub(crate) refused: usize,
    /// Sent, failed again, and back in the DLQ.
    pub(crate) came_back: usize,
    /// Perhaps sent, because the call had no answer; they are still in the DLQ.
    pub(crate) uncertain: usize,
    /// Sent, and still in the DLQ, because their delete failed.
    pub(crate) undeleted: usize,
    /// Not visible in the DLQ before a minute has passed.
    pub(crate) unreleased: usize,
}

/// An event of a redrive.
pub(crate) enum RedriveEvent<'a> {
    /// A message was sent, with this id in the other queue; none in a dry run.
    Sent {
        /// Its id in the DLQ.
        id: &'a MessageId,
        /// Its id in the other queue.
        new_id: Option<&'a MessageId>,
    },
    /// A message was not sent.
    Refused {
        /// Its id in the DLQ.
        id: &'a MessageId,
        /// The reason.
        reason: &'a str,
    },
    /// A message that was sent is back in the DLQ.
    CameBack {
        /// The message in the DLQ.
        message: &'a Message,
    },
    /// Some time has passed.
    Progress,
}

/// The end of a redrive.
#[derive(Debug)]
pub(crate) enum RedriveEnd {
    /// Every chosen message was sent, up to the limit.
    Finished,
    /// Messages that were sent have failed again.
    CameBack,
    /// Its stop was requested.
    Interrupted,
    /// A call failed.
    Failed(QueueError),
}

/// A redrive.
pub(crate) struct Redrive<'a> {
    plan: RedrivePlan,
    edit: Option<Box<Edit<'a>>>,
    scan: DlqScan,
    held: Arc<HeldMessages>,
    /// The queues that were opened by their ARNs.
    opened: BTreeMap<String, Result<Arc<dyn Queue>, String>>,
    /// The chosen messages that are not sent yet.
    ready: VecDeque<Message>,
    chosen: usize,
    /// The messages that were read after the limit was reached.
    read_beyond: usize,
    /// The ids in the other queue of what was sent.
    sent: HashSet<MessageId>,
    last_sent: Instant,
    counts: RedriveCounts,
}

/// A message to send, and the id in the DLQ of the one that it comes from.
struct Departure {
    id: MessageId,
    outgoing: OutgoingMessage,
}

impl<'a> Redrive<'a> {
    /// A redrive by this plan, whose messages are edited before they are sent, if there is an editor.
    pub(crate) fn new(plan: RedrivePlan, edit: Option<Box<Edit<'a>>>) -> Self {
        let scan = DlqScan::new(plan.dlq.clone());
        Self {
            held: scan.held(),
            plan,
            edit,
            scan,
            opened: BTreeMap::new(),
            ready: VecDeque::new(),
            chosen: 0,
            read_beyond: 0,
            sent: HashSet::new(),
            last_sent: Instant::now(),
            counts: RedriveCounts::default(),
        }
    }

    /// Runs it to its end; what was not sent is visible in the DLQ again.
    pub(crate) async fn run(
        mut self,
        mut observe: impl FnMut(&RedriveCounts, RedriveEvent<'_>),
    ) -> (RedriveEnd, RedriveCounts) {
        let held = self.held.clone();
        let (end, unreleased) = held.during(self.work(&mut observe)).await;
        self.counts.unreleased = unreleased;
        (end, self.counts)
    }

    async fn work(&mut self, observe: &mut impl FnMut(&RedriveCounts, RedriveEvent<'_>)) -> RedriveEnd {
        let mut pacer = Pacer::new(self.plan.pace, Instant::now());
        loop {
            observe(&self.counts, RedriveEvent::Progress);
            if self.plan.stop.is_draining() {
                return RedriveEnd::Interrupted;
            }
            let has_credit = pacer.available(Instant::now()) > 0;
            let is_drained = match self.read_ahead(has_credit, observe).await {
                Ok(is_drained) => is_drained,
                Err(error) => return RedriveEnd::Failed(error),
            };
            if self.plan.stop_after > 0 && self.counts.came_back >= self.plan.stop_after {
                return RedriveEnd::CameBack;
            }
            let has_sent = match self.send_some(&mut pacer, observe).await {
                Ok(has_sent) => has_sent,
                Err(error) => return RedriveEnd::Failed(error),
            };
            if self.is_over(is_drained) {
                return RedriveEnd::Finished;
            }
            if !has_sent && (is_drained || !self.may_read()) {
                sleep(pacer.until_next(Instant::now()).clamp(IDLE_ROUND, PROOF)).await;
            }
        }
    }

    /// True if nothing is left to send, and what was sent has had its time to fail.
    fn is_over(&self, is_drained: bool) -> bool {
        let is_all_read = is_drained || !self.wants_more();
        let is_watched = self.last_sent.elapsed() >= self.plan.watch;
        let may_see_more = is_drained || self.may_read();
        self.ready.is_empty() && is_all_read && (self.sent.is_empty() || is_watched || !may_see_more)
    }

    /// True if further messages may be chosen.
    fn wants_more(&self) -> bool {
        self.plan.limit.is_none_or(|limit| self.chosen < limit)
    }

    /// True if a receive may bring messages to send, or show that some have come back.
    fn may_read(&self) -> bool {
        if self.wants_more() {
            return self.ready.len() < WINDOW;
        }
        !self.sent.is_empty() && !self.plan.watch.is_zero() && self.read_beyond < READ_BEYOND
    }

    /// Reads ahead of what is sent, so that messages that come back are seen although they are behind all others.
    ///
    /// Returns true if the DLQ has no visible message.
    async fn read_ahead(
        &mut self,
        has_credit: bool,
        observe: &mut impl FnMut(&RedriveCounts, RedriveEvent<'_>),
    ) -> Result<bool, QueueError> {
        let receives = if self.plan.pace == Pace::Unlimited { 1 } else { RECEIVES_AHEAD };
        for _ in 0..receives {
            let held = self.scan.count();
            let is_drained = self.read(has_credit, observe).await?;
            if is_drained || self.scan.count() == held || !self.may_read() {
                return Ok(is_drained);
            }
        }
        Ok(false)
    }

    /// Receives once, if there is room; returns true if the DLQ has no visible message.
    ///
    /// It waits only while nothing can be sent.
    async fn read(
        &mut self,
        has_credit: bool,
        observe: &mut impl FnMut(&RedriveCounts, RedriveEvent<'_>),
    ) -> Result<bool, QueueError> {
        if !self.may_read() {
            return Ok(false);
        }
        let is_beyond = !self.wants_more();
        // Where all are chosen none is received beyond the limit before it is reached.
        let left = self.plan.limit.map_or(usize::MAX, |limit| limit - self.chosen);
        let most = if self.plan.filter.takes_all() && !is_beyond { left } else { BATCH_ENTRIES };
        let wait = if self.ready.is_empty() || !has_credit { PROOF } else { Duration::ZERO };
        let scanned = self.scan.receive(most, wait).await?;
        if is_beyond {
            self.read_beyond += scanned.messages.len();
        }
        for message in scanned.messages {
            if self.has_come_back(&message) {
                self.counts.came_back += 1;
                observe(&self.counts, RedriveEvent::CameBack { message: &message });
            } else if self.wants_more() && self.plan.filter.takes(&message, SystemTime::now()) {
                self.chosen += 1;
                self.ready.push_back(message);
            } else {
                self.counts.left_out += 1;
            }
        }
        Ok(scanned.is_drained)
    }

    /// True if this redrive has sent the message: a redrive policy keeps the id, and a copy of a reject names it.
    fn has_come_back(&self, message: &Message) -> bool {
        let original = StoredRejection::of(message).and_then(|rejection| rejection.message_id);
        self.sent.contains(&message.id) || original.is_some_and(|id| self.sent.contains(id.as_str()))
    }

    /// Sends as many of the chosen messages as the pace allows; returns false if it allows none.
    async fn send_some(
        &mut self,
        pacer: &mut Pacer,
        observe: &mut impl FnMut(&RedriveCounts, RedriveEvent<'_>),
    ) -> Result<bool, QueueError> {
        let mut has_sent = false;
        while !self.ready.is_empty() && !self.plan.stop.is_draining() {
            let most = if self.edit.is_some() { 1 } else { BATCH_ENTRIES };
            let messages = pacer.available(Instant::now()).min(self.ready.len()).min(most);
            if messages == 0 {
                break;
            }
            has_sent = true;
            pacer.sent(messages);
            let batch: Vec<_> = self.ready.drain(..messages).collect();
            if self.plan.is_dry {
                for message in &batch {
                    self.counts.sent += 1;
                    observe(&self.counts, RedriveEvent::Sent { id: &message.id, new_id: None });
                }
                continue;
            }
            for (target, departures) in self.departures(batch, observe).await {
                for departures in within_size(departures) {
                    self.send(&*target, departures, observe).await?;
                }
            }
            observe(&self.counts, RedriveEvent::Progress);
            if self.plan.pace == Pace::Unlimited {
                // The next receive may show that messages come back.
                break;
            }
        }
        Ok(has_sent)
    }

    /// Edits messages and finds their targets; those without one stay in the DLQ.
    async fn departures(
        &mut self,
        batch: Vec<Message>,
        observe: &mut impl FnMut(&RedriveCounts, RedriveEvent<'_>),
    ) -> Vec<(Arc<dyn Queue>, Vec<Departure>)> {
        let mut by_target: Vec<(Arc<dyn Queue>, Vec<Departure>)> = Vec::new();
        for message in batch {
            let id = message.id.clone();
            match self.departure(message).await {
                Ok((target, departure)) => {
                    match by_target.iter_mut().find(|(other, _)| Arc::ptr_eq(other, &target)) {
                        Some((_, departures)) => departures.push(departure),
                        None => by_target.push((target, vec![departure])),
                    }
                }
                Err(reason) => self.refused(&id, &reason, observe),
            }
        }
        by_target
    }

    async fn departure(&mut self, message: Message) -> Result<(Arc<dyn Queue>, Departure), String> {
        let target = match &self.plan.target {
            RedriveDestination::One(target) => target.clone(),
            RedriveDestination::EachSource => self.source_of(&message).await?,
        };
        let edited = match &mut self.edit {
            Some(edit) => Some(edit(message.clone()).await?.ok_or("left by the editor")?),
            None => None,
        };
        let is_fifo = target.url().is_some_and(is_fifo) || message.system.sequence_number.is_some();
        let id = message.id.clone();
        // Not its own, with which SQS would drop it for five minutes; a redrive that was killed sends it with the same again.
        let mut outgoing = original(message, is_fifo.then(|| format!("redrive-{id}")));
        if let Some(body) = edited {
            outgoing.body = body;
        }
        Ok((target, Departure { id, outgoing }))
    }

    /// The queue from which the redrive policy has moved the message.
    async fn source_of(&mut self, message: &Message) -> Result<Arc<dyn Queue>, String> {
        let arn = message.system.dead_letter_source_arn.as_ref();
        let arn = arn.ok_or("its source is not known, hint: give --to, or the name of its source")?;
        if let Some(opened) = self.opened.get(arn) {
            return opened.clone();
        }
        let name = QueueName::of_arn(arn).ok_or("its source is no queue")?.seen_from(&self.plan.dlq_arn);
        let opened = self.plan.dlq.open_other(&name).await;
        let opened = opened.map_err(|error| format!("its source {arn} cannot be opened: {error}"));
        self.opened.insert(arn.clone(), opened.clone());
        opened
    }

    /// Sends messages, and deletes those from the DLQ that SQS has accepted.
    async fn send(
        &mut self,
        target: &dyn Queue,
        departures: Vec<Departure>,
        observe: &mut impl FnMut(&RedriveCounts, RedriveEvent<'_>),
    ) -> Result<(), QueueError> {
        // One that is hidden no longer may be sent by somebody else.
        let departures = departures.into_iter().filter(|sent| self.held.receipt(&sent.id).is_some());
        let (ids, messages): (Vec<_>, Vec<_>) =
            departures.map(|Departure { id, outgoing }| (id, outgoing)).unzip();
        if messages.is_empty() {
            return Ok(());
        }
        let answer = within(SEND_LIMIT, "a send", target.send(&messages)).await;
        let entries = answer.inspect_err(|error| {
            // A send without an answer is not repeated: it may have been accepted.
            let certainly_refused = error.retry_class() == RetryClass::Refused;
            let count = if certainly_refused { &mut self.counts.refused } else { &mut self.counts.uncertain };
            *count += messages.len();
        })?;
        let mut accepted = Vec::new();
        for (id, entry) in ids.into_iter().zip(all_entries(entries)) {
            match entry {
                Ok(new_id) => {
                    self.counts.sent += 1;
                    let new_id = self.note_sent(new_id);
                    observe(&self.counts, RedriveEvent::Sent { id: &id, new_id: Some(&new_id) });
                    accepted.push(id);
                }
                Err(error) => self.refused(&id, &error.to_string(), observe),
            }
        }
        self.counts.undeleted += self.scan.delete(&accepted).await.len();
        Ok(())
    }

    fn note_sent(&mut self, new_id: MessageId) -> MessageId {
        self.last_sent = Instant::now();
        self.sent.insert(new_id.clone());
        new_id
    }

    fn refused(
        &mut self,
        id: &MessageId,
        reason: &str,
        observe: &mut impl FnMut(&RedriveCounts, RedriveEvent<'_>),
    ) {
        self.counts.refused += 1;
        observe(&self.counts, RedriveEvent::Refused { id, reason });
    }
}

/// Divides messages so that each part fits into one call.
fn within_size(departures: Vec<Departure>) -> Vec<Vec<Departure>> {
    let (mut parts, mut bytes) = (vec![Vec::new()], 0);
    for departure in departures {
        let size = departure.outgoing.size_bytes();
        if bytes + size > MESSAGE_BYTES && bytes > 0 {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        if let Some(part) = parts.last_mut() {
            part.push(departure);
        }
    }
    parts
}
