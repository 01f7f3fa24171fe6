//! Which waiting messages may start: at once, or after their predecessors in the same FIFO group: pure.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use tokio::time::Instant;

use super::settings::{BatchSettings, Groups};

/// The name of a FIFO group.
pub(super) type Group = Arc<str>;

/// The messages of one queue that wait.
///
/// A group is *busy* from the start of one of its messages until all that have started are released; meanwhile its
/// other messages are blocked.
#[derive(Debug)]
pub(super) struct Lanes<T> {
    /// What belongs to no group.
    free: Lane<T>,
    groups: HashMap<Group, Lane<T>>,
    /// The groups that may start, in the order in which they became so, and since when.
    ready: VecDeque<(Instant, Group)>,
    /// What may start: all that is free, and all that is in a ready group.
    startable: Load,
    waiting: usize,
}

#[derive(Debug)]
struct Lane<T> {
    parked: VecDeque<Parked<T>>,
    bytes: usize,
    busy: usize,
    /// Whether one of those that started has failed: what waited behind it is gone already.
    has_failed: bool,
}

#[derive(Debug)]
struct Parked<T> {
    item: T,
    bytes: usize,
    since: Instant,
}

/// An amount of messages.
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

    fn take(&mut self, other: Self) {
        self.messages -= other.messages;
        self.bytes -= other.bytes;
    }
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self { parked: VecDeque::new(), bytes: 0, busy: 0, has_failed: false }
    }
}

impl<T> Lane<T> {
    fn load(&self) -> Load {
        Load { messages: self.parked.len(), bytes: self.bytes }
    }

    fn push(&mut self, parked: Parked<T>) {
        self.bytes += parked.bytes;
        self.parked.push_back(parked);
    }

    /// Moves what fits from the front of the lane into the batch; the first of a batch always fits.
    fn fill(&mut self, taken: &mut Taken<T>, batch: &BatchSettings) {
        while let Some(next) = self.parked.front()
            && (taken.items.is_empty() || taken.has_room_for(next.bytes, batch))
            && let Some(next) = self.parked.pop_front()
        {
            self.bytes -= next.bytes;
            taken.load.add(Load { messages: 1, bytes: next.bytes });
            taken.items.push(next.item);
        }
    }

    fn take_all(&mut self) -> Vec<T> {
        self.bytes = 0;
        std::mem::take(&mut self.parked).into_iter().map(|parked| parked.item).collect()
    }
}

/// A batch in the making.
struct Taken<T> {
    items: Vec<T>,
    load: Load,
}

impl<T> Taken<T> {
    fn has_room_for(&self, bytes: usize, batch: &BatchSettings) -> bool {
        self.load.messages < batch.size && self.load.bytes + bytes <= batch.bytes
    }
}

impl<T> Lanes<T> {
    pub(super) fn new() -> Self {
        Self {
            free: Lane::default(),
            groups: HashMap::new(),
            ready: VecDeque::new(),
            startable: Load::default(),
            waiting: 0,
        }
    }

    /// All messages that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// The messages that wait behind one of their group.
    pub(super) fn blocked(&self) -> usize {
        self.waiting - self.startable.messages
    }

    /// The messages that wait for nothing but a slot, or for company.
    pub(super) fn startable(&self) -> usize {
        self.startable.messages
    }

    /// Adds a message behind all others of its group.
    pub(super) fn push(&mut self, item: T, group: Option<Group>, bytes: usize, now: Instant) {
        let parked = Parked { item, bytes, since: now };
        self.waiting += 1;
        let Some(group) = group else {
            self.free.push(parked);
            return self.startable.add(Load { messages: 1, bytes });
        };
        let lane = self.groups.entry(group.clone()).or_default();
        lane.push(parked);
        if lane.busy == 0 {
            if lane.parked.len() == 1 {
                self.ready.push_back((now, group));
            }
            self.startable.add(Load { messages: 1, bytes });
        }
    }

    /// Takes the next batch: one that is full, or that has waited for its window.
    pub(super) fn take(&mut self, batch: &BatchSettings, now: Instant) -> Option<Vec<T>> {
        let most = batch.size.min(self.startable.messages);
        let mut taken = Taken { items: Vec::with_capacity(most), load: Load::default() };
        match batch.groups {
            // SQS hands out nothing more of a group before what is here is settled, so no company can come.
            Groups::One if !self.ready.is_empty() => self.fill_from_group(&mut taken, batch),
            Groups::Several | Groups::One => {
                let is_over = self.ripe_at(batch).is_some_and(|moment| moment <= now);
                let is_ripe = self.startable.fills(batch) || is_over;
                if self.startable.messages == 0 || !is_ripe {
                    return None;
                }
                self.fill_from_all(&mut taken, batch);
            }
        }
        self.startable.take(taken.load);
        self.waiting -= taken.load.messages;
        Some(taken.items)
    }

    fn fill_from_all(&mut self, taken: &mut Taken<T>, batch: &BatchSettings) {
        self.free.fill(taken, batch);
        while !self.ready.is_empty()
            && (taken.items.is_empty() || taken.has_room_for(self.next_bytes(), batch))
        {
            self.fill_from_group(taken, batch);
        }
    }

    /// The size of the first message of the first ready group.
    fn next_bytes(&self) -> usize {
        let lane = self.ready.front().and_then(|(_, group)| self.groups.get(group));
        lane.and_then(|lane| lane.parked.front()).map_or(0, |parked| parked.bytes)
    }

    /// Moves messages of the first ready group into the batch, which makes it busy.
    fn fill_from_group(&mut self, taken: &mut Taken<T>, batch: &BatchSettings) {
        let Some((_, group)) = self.ready.pop_front() else { return };
        let Some(lane) = self.groups.get_mut(&group) else { return };
        let before = lane.parked.len();
        lane.fill(taken, batch);
        lane.busy = before - lane.parked.len();
        self.startable.take(lane.load());
    }

    /// Makes a group busy with a message that has not waited here; released as one that has started.
    pub(super) fn occupy(&mut self, group: &Group) {
        let lane = self.groups.entry(group.clone()).or_default();
        if lane.busy == 0 && !lane.parked.is_empty() {
            self.startable.take(lane.load());
            self.ready.retain(|(_, ready)| ready != group);
        }
        lane.busy += 1;
    }

    fn oldest(&self) -> Option<Instant> {
        let free = self.free.parked.front().map(|parked| parked.since);
        free.into_iter().chain(self.ready.front().map(|(since, _)| *since)).min()
    }

    /// When what may start now must do so though the batch is not full.
    pub(super) fn ripe_at(&self, batch: &BatchSettings) -> Option<Instant> {
        self.oldest().map(|since| since + batch.window.0)
    }

    /// Notes that a message of this group that had started will not run again, or not before it comes again.
    pub(super) fn release(&mut self, group: &Group, now: Instant) {
        let Some(lane) = self.groups.get_mut(group) else { return };
        lane.busy = lane.busy.saturating_sub(1);
        if lane.busy > 0 {
            return;
        }
        if lane.parked.is_empty() {
            self.groups.remove(group);
            return;
        }
        lane.has_failed = false;
        self.startable.add(lane.load());
        self.ready.push_back((now, group.clone()));
    }

    /// Takes what waits behind a message of this group that has failed, once for all that are busy.
    pub(super) fn fail(&mut self, group: &Group) -> Vec<T> {
        let Some(lane) = self.groups.get_mut(group) else { return Vec::new() };
        if lane.busy == 0 || std::mem::replace(&mut lane.has_failed, true) {
            return Vec::new();
        }
        self.waiting -= lane.parked.len();
        lane.take_all()
    }

    /// Takes everything that waits.
    pub(super) fn take_all(&mut self) -> Vec<T> {
        let mut taken = self.free.take_all();
        for lane in self.groups.values_mut() {
            taken.append(&mut lane.take_all());
        }
        self.groups.retain(|_, lane| lane.busy > 0);
        self.ready.clear();
        (self.startable, self.waiting) = (Load::default(), 0);
        taken
    }

    /// Takes the messages that are lost, and apart from them those that waited behind one in their group.
    pub(super) fn take_lost(&mut self, is_lost: impl Fn(&T) -> bool) -> Lost<T> {
        let mut lost = Lost { lost: Vec::new(), behind: Vec::new() };
        let (gone, kept) = self.free.parked.drain(..).partition(|parked| is_lost(&parked.item));
        self.free.parked = kept;
        lost.lost.extend(VecDeque::into_iter(gone).map(|parked| parked.item));
        for lane in self.groups.values_mut() {
            let first = lane.parked.iter().position(|parked| is_lost(&parked.item));
            let cut = first.map(|first| lane.parked.split_off(first)).unwrap_or_default();
            let (gone, behind): (Vec<_>, Vec<_>) =
                cut.into_iter().map(|parked| parked.item).partition(&is_lost);
            lost.lost.extend(gone);
            lost.behind.extend(behind);
        }
        self.count_anew();
        lost
    }

    /// Brings the sums back in line with what is there.
    fn count_anew(&mut self) {
        for lane in self.groups.values_mut().chain([&mut self.free]) {
            lane.bytes = lane.parked.iter().map(|parked| parked.bytes).sum();
        }
        self.groups.retain(|_, lane| lane.busy > 0 || !lane.parked.is_empty());
        let groups = &self.groups;
        self.ready.retain(|(_, group)| groups.contains_key(group));
        self.startable = self.free.load();
        self.waiting = self.free.parked.len();
        for lane in self.groups.values() {
            self.waiting += lane.parked.len();
            if lane.busy == 0 {
                self.startable.add(lane.load());
            }
        }
    }
}

/// What [`Lanes::take_lost`] found.
#[derive(Debug)]
pub(super) struct Lost<T> {
    /// The lost ones.
    pub(super) lost: Vec<T>,
    /// What waited behind one of them in its group, in order; it must not overtake it.
    pub(super) behind: Vec<T>,
}

#[cfg(test)]
mod tests;
