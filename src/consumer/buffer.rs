//! The buffer of messages that wait for a call of the handler: slots, batches and the order of FIFO groups; pure.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use tokio::time::Instant;

use super::settings::{BatchSettings, Groups};

/// The id of a FIFO group.
pub(super) type Group = Arc<str>;

/// The messages of one queue that wait for their call, and the count of calls that run.
///
/// At most `concurrency` calls run. A group is *busy* from the start of one of its messages until all messages
/// that have started are released; its other messages are blocked meanwhile.
#[derive(Debug)]
pub(super) struct Buffer<T> {
    concurrency: usize,
    batch: BatchSettings,
    running: usize,
    is_closed: bool,
    /// Messages without a group.
    ungrouped: WaitingLine<T>,
    /// In an order of their own, so that a simulation repeats.
    groups: BTreeMap<Group, WaitingLine<T>>,
    /// The groups that may start, in the order in which they became ready, each with that time.
    ready: VecDeque<(Instant, Group)>,
    /// All ungrouped messages, and all messages of ready groups.
    startable: Load,
    waiting: usize,
}

/// The waiting messages of one group, or all messages without a group.
#[derive(Debug)]
struct WaitingLine<T> {
    messages: VecDeque<WaitingMessage<T>>,
    bytes: usize,
    busy: usize,
    /// True after a started message has failed, when the messages behind it were taken out.
    has_failed: bool,
}

#[derive(Debug)]
struct WaitingMessage<T> {
    item: T,
    bytes: usize,
    since: Instant,
}

/// A number of messages and their size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Load {
    messages: usize,
    bytes: usize,
}

impl Load {
    fn fills(self, batch: &BatchSettings) -> bool {
        self.messages >= batch.size || self.bytes >= batch.bytes
    }

    fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }

    fn subtract(&mut self, other: Self) {
        self.messages -= other.messages;
        self.bytes -= other.bytes;
    }
}

impl<T> Default for WaitingLine<T> {
    fn default() -> Self {
        Self { messages: VecDeque::new(), bytes: 0, busy: 0, has_failed: false }
    }
}

impl<T> WaitingLine<T> {
    fn load(&self) -> Load {
        Load { messages: self.messages.len(), bytes: self.bytes }
    }

    fn push(&mut self, message: WaitingMessage<T>) {
        self.bytes += message.bytes;
        self.messages.push_back(message);
    }

    /// Moves the messages that fit from the front of the line into the batch; the first message always fits.
    fn fill(&mut self, growing: &mut GrowingBatch<T>, batch: &BatchSettings) {
        while let Some(next) = self.messages.front()
            && (growing.items.is_empty() || growing.has_capacity_for(next.bytes, batch))
            && let Some(next) = self.messages.pop_front()
        {
            self.bytes -= next.bytes;
            growing.load.add(Load { messages: 1, bytes: next.bytes });
            growing.items.push(next.item);
        }
    }

    fn take_all(&mut self) -> Vec<T> {
        self.bytes = 0;
        std::mem::take(&mut self.messages).into_iter().map(|message| message.item).collect()
    }
}

struct GrowingBatch<T> {
    items: Vec<T>,
    load: Load,
}

impl<T> GrowingBatch<T> {
    fn has_capacity_for(&self, bytes: usize, batch: &BatchSettings) -> bool {
        self.load.messages < batch.size && self.load.bytes + bytes <= batch.bytes
    }
}

impl<T> Buffer<T> {
    pub(super) fn new(concurrency: usize, batch: BatchSettings) -> Self {
        Self {
            concurrency,
            batch,
            running: 0,
            is_closed: false,
            ungrouped: WaitingLine::default(),
            groups: BTreeMap::new(),
            ready: VecDeque::new(),
            startable: Load::default(),
            waiting: 0,
        }
    }

    /// The most calls that run at once.
    pub(super) fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// Changes the most calls that run at once; those that run beyond it go on.
    pub(super) fn set_concurrency(&mut self, concurrency: usize) {
        self.concurrency = concurrency;
    }

    /// The number of running calls.
    pub(super) fn running(&self) -> usize {
        self.running
    }

    /// The number of waiting messages.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// The most messages of a call.
    pub(super) fn batch_size(&self) -> usize {
        self.batch.size
    }

    /// The number of messages that free slots could take beyond those that wait.
    pub(super) fn room(&self) -> usize {
        let slots = if self.is_closed { 0 } else { self.concurrency.saturating_sub(self.running) };
        slots.saturating_mul(self.batch.size).saturating_sub(self.startable.messages)
    }

    /// The number of messages that wait behind one of their group.
    pub(super) fn blocked(&self) -> usize {
        self.waiting - self.startable.messages
    }

    /// True if messages wait behind a started one of this group.
    pub(super) fn has_blocked(&self, group: &Group) -> bool {
        self.groups.get(group).is_some_and(|line| line.busy > 0 && !line.messages.is_empty())
    }

    /// The number of messages that could start in full batches if slots were free.
    pub(super) fn ready_to_start(&self) -> usize {
        self.startable.messages - self.startable.messages % self.batch.size
    }

    /// Adds a message of this size behind all others of its group.
    pub(super) fn push(&mut self, item: T, group: Option<Group>, bytes: usize, now: Instant) {
        let message = WaitingMessage { item, bytes, since: now };
        self.waiting += 1;
        let Some(group) = group else {
            self.ungrouped.push(message);
            return self.startable.add(Load { messages: 1, bytes });
        };
        let line = self.groups.entry(group.clone()).or_default();
        line.push(message);
        if line.busy == 0 {
            if line.messages.len() == 1 {
                self.ready.push_back((now, group));
            }
            self.startable.add(Load { messages: 1, bytes });
        }
    }

    /// Puts a started message back before all others of its group; a started one of a group is released later.
    pub(super) fn put_back(&mut self, item: T, group: Option<Group>, bytes: usize, now: Instant) {
        // It has waited for its batch before.
        let since = now.checked_sub(self.batch.window.0).unwrap_or(now);
        let is_single = group.is_none();
        self.waiting += 1;
        let line = match group {
            None => &mut self.ungrouped,
            Some(group) => self.groups.entry(group).or_default(),
        };
        debug_assert!(is_single || line.busy > 0, "a started message keeps its group busy");
        line.bytes += bytes;
        line.messages.push_front(WaitingMessage { item, bytes, since });
        if line.busy == 0 {
            self.startable.add(Load { messages: 1, bytes });
        }
    }

    /// Puts a started message without a group back behind all others.
    pub(super) fn put_last(&mut self, item: T, bytes: usize, now: Instant) {
        self.push(item, None, bytes, now.checked_sub(self.batch.window.0).unwrap_or(now));
    }

    /// True if every message that waits for a call, and not behind one of its group, is of this kind.
    pub(super) fn all_first(&self, is_such: impl Fn(&T) -> bool) -> bool {
        let of_groups = self.groups.values().filter_map(|line| line.messages.front());
        self.ungrouped.messages.iter().chain(of_groups).all(|message| is_such(&message.item))
    }

    /// Takes the next batch that may start now, which counts as a running call until [`Buffer::call_ended`].
    pub(super) fn start(&mut self, now: Instant) -> Option<Vec<T>> {
        self.start_at_most(self.batch.size, now)
    }

    /// Takes the next batch, of one message.
    pub(super) fn start_one(&mut self, now: Instant) -> Option<Vec<T>> {
        self.start_at_most(1, now)
    }

    fn start_at_most(&mut self, size: usize, now: Instant) -> Option<Vec<T>> {
        if self.is_closed || self.running >= self.concurrency {
            return None;
        }
        let batch = self.take_batch(&BatchSettings { size, ..self.batch }, now)?;
        self.running += 1;
        Some(batch)
    }

    /// Takes the next batch: one that is full, or that has waited for its window.
    fn take_batch(&mut self, settings: &BatchSettings, now: Instant) -> Option<Vec<T>> {
        if self.startable.messages == 0 {
            return None;
        }
        // SQS returns nothing behind the messages of a group that are held here, so waiting cannot fill the batch.
        let is_of_one_group = settings.groups == Groups::One && !self.ready.is_empty();
        if !is_of_one_group && !self.is_ripe(settings, now) {
            return None;
        }
        let most = settings.size.min(self.startable.messages);
        let mut growing = GrowingBatch { items: Vec::with_capacity(most), load: Load::default() };
        if is_of_one_group {
            self.fill_from_group(&mut growing, settings);
        } else {
            self.fill_from_all(&mut growing, settings);
        }
        self.startable.subtract(growing.load);
        self.waiting -= growing.load.messages;
        Some(growing.items)
    }

    fn is_ripe(&self, settings: &BatchSettings, now: Instant) -> bool {
        self.startable.fills(settings) || self.ripe_at().is_some_and(|ripe_at| ripe_at <= now)
    }

    fn fill_from_all(&mut self, growing: &mut GrowingBatch<T>, settings: &BatchSettings) {
        self.ungrouped.fill(growing, settings);
        while !self.ready.is_empty()
            && (growing.items.is_empty() || growing.has_capacity_for(self.next_bytes(), settings))
        {
            self.fill_from_group(growing, settings);
        }
    }

    /// The size of the first message of the first ready group.
    fn next_bytes(&self) -> usize {
        let line = self.ready.front().and_then(|(_, group)| self.groups.get(group));
        line.and_then(|line| line.messages.front()).map_or(0, |message| message.bytes)
    }

    /// Moves messages of the first ready group into the batch, which makes the group busy.
    fn fill_from_group(&mut self, growing: &mut GrowingBatch<T>, settings: &BatchSettings) {
        let Some((_, group)) = self.ready.pop_front() else { return };
        let Some(line) = self.groups.get_mut(&group) else { return };
        let before = line.messages.len();
        line.fill(growing, settings);
        line.busy = before - line.messages.len();
        self.startable.subtract(line.load());
    }

    /// Returns the time at which a batch that is not full will start; `None` while no slot is free.
    pub(super) fn next_start(&self) -> Option<Instant> {
        let may_start = !self.is_closed && self.running < self.concurrency;
        may_start.then(|| self.ripe_at()).flatten()
    }

    /// The time at which the startable messages start even if they do not fill a batch.
    fn ripe_at(&self) -> Option<Instant> {
        let ungrouped = self.ungrouped.messages.front().map(|message| message.since);
        let oldest = ungrouped.into_iter().chain(self.ready.front().map(|(since, _)| *since)).min();
        oldest.map(|since| since + self.batch.window.0)
    }

    /// Notes that a call ended, which frees its slot.
    pub(super) fn call_ended(&mut self) {
        debug_assert!(self.running > 0, "only a started call can end");
        self.running = self.running.saturating_sub(1);
    }

    /// Makes a group busy with a message that did not wait here; it is released like a started one.
    pub(super) fn occupy(&mut self, group: &Group) {
        let line = self.groups.entry(group.clone()).or_default();
        if line.busy == 0 && !line.messages.is_empty() {
            self.startable.subtract(line.load());
            self.ready.retain(|(_, ready)| ready != group);
        }
        line.busy += 1;
    }

    /// Releases a started message of the group: it will not run again before it is received again.
    ///
    /// The group's next messages may start once all of its started messages are released.
    pub(super) fn release(&mut self, group: &Group, now: Instant) {
        let Some(line) = self.groups.get_mut(group) else { return };
        line.busy = line.busy.saturating_sub(1);
        if line.busy > 0 {
            return;
        }
        if line.messages.is_empty() {
            self.groups.remove(group);
            return;
        }
        line.has_failed = false;
        self.startable.add(line.load());
        self.ready.push_back((now, group.clone()));
    }

    /// Takes the messages that wait behind a failed one of the group; `None` if they were taken before.
    ///
    /// They are taken once for all started messages of the group: the messages that wait later were received later.
    pub(super) fn fail(&mut self, group: &Group) -> Option<Vec<T>> {
        let line = self.groups.get_mut(group)?;
        if line.busy == 0 || std::mem::replace(&mut line.has_failed, true) {
            return None;
        }
        self.waiting -= line.messages.len();
        Some(line.take_all())
    }

    /// Takes the waiting messages that may go, and of a group all or none.
    pub(super) fn take_waiting_if(&mut self, may_go: impl Fn(&T) -> bool) -> Vec<T> {
        let (gone, kept) = self.ungrouped.messages.drain(..).partition(|message| may_go(&message.item));
        self.ungrouped.messages = kept;
        let mut taken: Vec<T> = VecDeque::into_iter(gone).map(|message| message.item).collect();
        for line in self.groups.values_mut() {
            if line.messages.iter().all(|message| may_go(&message.item)) {
                taken.append(&mut line.take_all());
            }
        }
        self.recount();
        taken
    }

    /// Takes all waiting messages.
    pub(super) fn take_waiting(&mut self) -> Vec<T> {
        let mut taken = self.ungrouped.take_all();
        for line in self.groups.values_mut() {
            taken.append(&mut line.take_all());
        }
        self.groups.retain(|_, line| line.busy > 0);
        self.ready.clear();
        (self.startable, self.waiting) = (Load::default(), 0);
        taken
    }

    /// Takes the lost messages and, separately, the messages that waited behind one of them in its group.
    pub(super) fn take_lost(&mut self, is_lost: impl Fn(&T) -> bool) -> LostMessages<T> {
        let mut taken = LostMessages { lost: Vec::new(), behind: Vec::new() };
        let (lost, kept) = self.ungrouped.messages.drain(..).partition(|message| is_lost(&message.item));
        self.ungrouped.messages = kept;
        taken.lost.extend(VecDeque::into_iter(lost).map(|message| message.item));
        for line in self.groups.values_mut() {
            let first = line.messages.iter().position(|message| is_lost(&message.item));
            let cut = first.map(|first| line.messages.split_off(first)).unwrap_or_default();
            let (lost, behind): (Vec<_>, Vec<_>) =
                cut.into_iter().map(|message| message.item).partition(&is_lost);
            taken.lost.extend(lost);
            taken.behind.extend(behind);
        }
        self.recount();
        taken
    }

    /// Recomputes the sums from the messages.
    fn recount(&mut self) {
        for line in self.groups.values_mut().chain([&mut self.ungrouped]) {
            line.bytes = line.messages.iter().map(|message| message.bytes).sum();
        }
        self.groups.retain(|_, line| line.busy > 0 || !line.messages.is_empty());
        let groups = &self.groups;
        self.ready.retain(|(_, group)| groups.contains_key(group));
        self.startable = self.ungrouped.load();
        self.waiting = self.ungrouped.messages.len();
        for line in self.groups.values() {
            self.waiting += line.messages.len();
            if line.busy == 0 {
                self.startable.add(line.load());
            }
        }
    }

    /// Stops starting batches.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
    }
}

/// The result of [`Buffer::take_lost`].
#[derive(Debug)]
pub(super) struct LostMessages<T> {
    pub(super) lost: Vec<T>,
    /// The messages that waited behind a lost one of their group, in order: they must not overtake it.
    pub(super) behind: Vec<T>,
}

#[cfg(test)]
mod tests;
