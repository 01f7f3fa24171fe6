//! The messages of a standard queue's groups that wait until their group may have a further call; pure.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use tokio::time::Instant;

use super::{rate::CallRate, settings::RateSettings};
use crate::consumer::buffer::Group;

/// The limits of each group.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::consumer) struct GroupLimits {
    /// The most messages of a group that run at once.
    pub(in crate::consumer) running: Option<usize>,
    /// The most calls with messages of a group within a time.
    pub(in crate::consumer) rate: Option<RateSettings>,
}

/// Counts a message that has left its line, until it is dropped.
#[derive(Debug)]
pub(in crate::consumer) struct GroupShare(#[expect(dead_code, reason = "its drop ends the share")] Arc<()>);

/// One line for each group, from which messages leave by turns.
#[derive(Debug)]
pub(in crate::consumer) struct GroupLines<T> {
    limits: GroupLimits,
    lines: BTreeMap<Group, GroupLine<T>>,
    /// The groups with waiting messages, in the order of their turns.
    turns: VecDeque<Group>,
    waiting: usize,
}

#[derive(Debug)]
struct GroupLine<T> {
    messages: VecDeque<T>,
    /// Shared with each message that has left the line and still runs.
    running: Arc<()>,
    rate: Option<CallRate>,
}

impl<T> GroupLine<T> {
    fn running(&self) -> usize {
        Arc::strong_count(&self.running) - 1
    }

    /// The number of messages that may leave now.
    fn may_leave(&mut self, limits: &GroupLimits, now: Instant) -> usize {
        let by_running = limits.running.map_or(usize::MAX, |most| most.saturating_sub(self.running()));
        let by_rate = self.rate.as_mut().map_or(usize::MAX, |rate| rate.available(now));
        self.messages.len().min(by_running).min(by_rate)
    }
}

impl<T> GroupLines<T> {
    pub(in crate::consumer) fn new(limits: GroupLimits) -> Self {
        Self { limits, lines: BTreeMap::new(), turns: VecDeque::new(), waiting: 0 }
    }

    /// The number of waiting messages.
    pub(in crate::consumer) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Adds a message to the line of its group.
    pub(in crate::consumer) fn push(&mut self, group: Group, message: T) {
        let rate = self.limits.rate.map(CallRate::new);
        let new = || GroupLine { messages: VecDeque::new(), running: Arc::default(), rate };
        let line = self.lines.entry(group.clone()).or_insert_with(new);
        if line.messages.is_empty() {
            self.turns.push_back(group);
        }
        line.messages.push_back(message);
        self.waiting += 1;
    }

    /// Takes up to `most` messages that may run now, one of each group by turns.
    pub(in crate::consumer) fn leave(&mut self, most: usize, now: Instant) -> Vec<(T, GroupShare)> {
        let mut left = Vec::new();
        let mut passed_over = 0;
        while left.len() < most && passed_over < self.turns.len() {
            let Some(group) = self.turns.pop_front() else { break };
            let Some(line) = self.lines.get_mut(&group) else { continue };
            if line.may_leave(&self.limits, now) == 0 {
                passed_over += 1;
                self.turns.push_back(group);
                continue;
            }
            passed_over = 0;
            if let Some(rate) = &mut line.rate {
                rate.started(now);
            }
            left.extend(line.messages.pop_front().map(|message| (message, GroupShare(line.running.clone()))));
            if !line.messages.is_empty() {
                self.turns.push_back(group);
            }
        }
        self.waiting -= left.len();
        self.forget_unused(now);
        left
    }

    /// The number of messages that could run now if slots were free.
    pub(in crate::consumer) fn may_leave(&mut self, now: Instant) -> usize {
        let Self { limits, lines, .. } = self;
        lines.values_mut().map(|line| line.may_leave(limits, now)).sum()
    }

    /// The time at which a rate lets the next message leave.
    pub(in crate::consumer) fn next(&self) -> Option<Instant> {
        let waiting = self.turns.iter().filter_map(|group| self.lines.get(group));
        waiting.filter_map(|line| line.rate.as_ref()?.next_start()).min()
    }

    /// Takes the waiting messages that are such.
    pub(in crate::consumer) fn take_if(&mut self, is_such: impl Fn(&T) -> bool) -> Vec<T> {
        let mut taken = Vec::new();
        for line in self.lines.values_mut() {
            let (such, others) = line.messages.drain(..).partition(&is_such);
            line.messages = others;
            taken.extend(VecDeque::into_iter(such));
        }
        self.waiting -= taken.len();
        let lines = &self.lines;
        self.turns.retain(|group| lines.get(group).is_some_and(|line| !line.messages.is_empty()));
        taken
    }

    /// Drops the lines of groups that have neither messages nor a past that counts.
    fn forget_unused(&mut self, now: Instant) {
        if self.lines.len() > 2 * self.turns.len() + 16 {
            self.lines.retain(|_, line| {
                let is_unused = line.rate.as_mut().is_none_or(|rate| rate.is_unused(now));
                !line.messages.is_empty() || line.running() > 0 || !is_unused
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::duration::Span;

    fn lines(running: Option<usize>, rate: Option<usize>) -> GroupLines<String> {
        let rate = rate.map(|calls| RateSettings { calls, per: Span::secs(1), ..RateSettings::default() });
        GroupLines::new(GroupLimits { running, rate })
    }

    fn push(lines: &mut GroupLines<String>, names: &[&str]) {
        for name in names {
            lines.push(name[..1].into(), (*name).to_owned());
        }
    }

    fn names(left: &[(String, GroupShare)]) -> Vec<&str> {
        left.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn groups_take_turns_and_each_has_its_share_of_running_messages() {
        let (mut lines, now) = (lines(Some(2), None), Instant::now());
        push(&mut lines, &["a1", "a2", "a3", "a4", "b1", "c1"]);
        assert_eq!(lines.may_leave(now), 4);
        let mut left = lines.leave(3, now);
        assert_eq!(names(&left), ["a1", "b1", "c1"]);
        left.extend(lines.leave(9, now));
        assert_eq!(names(&left), ["a1", "b1", "c1", "a2"]);
        assert_eq!(lines.waiting(), 2);
        left.remove(0);
        assert_eq!(names(&lines.leave(9, now)), ["a3"]);
        drop(left);
        assert_eq!(names(&lines.leave(9, now)), ["a4"]);
        assert_eq!(lines.waiting(), 0);
    }

    #[test]
    fn each_group_has_a_rate_of_its_own() {
        let (mut lines, now) = (lines(None, Some(2)), Instant::now());
        push(&mut lines, &["a1", "a2", "a3", "b1"]);
        assert_eq!(names(&lines.leave(9, now)), ["a1", "b1", "a2"]);
        assert_eq!(lines.next(), Some(now + Duration::from_secs(1)));
        assert!(lines.leave(9, now + Duration::from_millis(999)).is_empty());
        assert_eq!(names(&lines.leave(9, now + Duration::from_secs(1))), ["a3"]);
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn taken_messages_and_unused_groups_leave_nothing_behind() {
        let (mut lines, now) = (lines(Some(1), Some(1)), Instant::now());
        push(&mut lines, &["a1", "a2", "b1"]);
        assert_eq!(lines.take_if(|name| name.starts_with('a')), ["a1", "a2"]);
        assert_eq!((lines.waiting(), names(&lines.leave(9, now)).len()), (1, 1));
        for number in 0..100 {
            lines.push(number.to_string().into(), String::new());
        }
        drop(lines.leave(1_000, now));
        drop(lines.leave(1_000, now + Duration::from_secs(1)));
        assert_eq!((lines.lines.len(), lines.turns.len()), (0, 0));
    }
}
