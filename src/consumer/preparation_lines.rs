//! Lines of FIFO messages that wait for their preparation, one line for each group; pure.

use std::{
    collections::{BTreeMap, VecDeque, btree_map::Entry},
    time::Duration,
};

use tokio::sync::oneshot;

use super::buffer::{Group, LostMessages};

/// The messages that wait for their preparation, by group. A group has a line while a task prepares its messages, one
/// after another.
#[derive(Debug)]
pub(super) struct PreparationLines<T> {
    lines: BTreeMap<Group, PreparationLine<T>>,
    waiting: usize,
}

#[derive(Debug)]
struct PreparationLine<T> {
    waiting: VecDeque<T>,
    /// Ends the turn of the message that is being prepared.
    turn: Option<oneshot::Sender<Duration>>,
}

/// The turn of a message that is being prepared. It is lost when an earlier message of the group is given back.
#[derive(Debug)]
pub(super) struct PreparationTurn(oneshot::Receiver<Duration>);

impl PreparationTurn {
    /// Waits until the turn is lost; returns the delay after which the message is visible again.
    pub(super) async fn lost(&mut self) -> Duration {
        (&mut self.0).await.unwrap_or_default()
    }

    /// The delay after which the message is visible again, if the turn was lost.
    pub(super) fn lost_by_now(mut self) -> Option<Duration> {
        self.0.try_recv().ok()
    }
}

impl<T> PreparationLine<T> {
    fn end_turn(&mut self, delay: Duration) {
        if let Some(turn) = self.turn.take() {
            // Sending fails if the preparation has ended already.
            turn.send(delay).unwrap_or_default();
        }
    }

    fn fail(&mut self, delay: Duration) -> VecDeque<T> {
        self.end_turn(delay);
        std::mem::take(&mut self.waiting)
    }
}

impl<T> Default for PreparationLines<T> {
    fn default() -> Self {
        Self { lines: BTreeMap::new(), waiting: 0 }
    }
}

impl<T> PreparationLines<T> {
    /// The number of waiting messages.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Adds a message behind all others of its group; returns true when the group's line is new and needs a task.
    pub(super) fn push(&mut self, item: T, group: Group) -> bool {
        self.waiting += 1;
        match self.lines.entry(group) {
            Entry::Occupied(line) => {
                line.into_mut().waiting.push_back(item);
                false
            }
            Entry::Vacant(entry) => {
                entry.insert(PreparationLine { waiting: VecDeque::from([item]), turn: None });
                true
            }
        }
    }

    /// Takes the next message of a group for the task that prepares it; `None` ends the line.
    pub(super) fn next(&mut self, group: &Group) -> Option<(T, PreparationTurn)> {
        let line = self.lines.get_mut(group)?;
        let Some(item) = line.waiting.pop_front() else {
            self.lines.remove(group);
            return None;
        };
        self.waiting -= 1;
        let (end, turn) = oneshot::channel();
        line.turn = Some(end);
        Some((item, PreparationTurn(turn)))
    }

    /// Takes the messages of a group behind one that is visible again after `delay`, and ends the current turn.
    pub(super) fn fail(&mut self, group: &Group, delay: Duration) -> Vec<T> {
        let taken = self.lines.get_mut(group).map(|line| line.fail(delay)).unwrap_or_default();
        self.waiting -= taken.len();
        taken.into()
    }

    /// Takes all messages, which are visible again after `delay`, and ends every turn.
    pub(super) fn take_all(&mut self, delay: Duration) -> Vec<T> {
        self.waiting = 0;
        self.lines.values_mut().flat_map(|line| line.fail(delay)).collect()
    }

    /// Takes the lost messages and, separately, the messages that waited behind one of them in its group.
    pub(super) fn take_lost(&mut self, is_lost: impl Fn(&T) -> bool) -> LostMessages<T> {
        let mut taken = LostMessages { lost: Vec::new(), behind: Vec::new() };
        for line in self.lines.values_mut() {
            let Some(first) = line.waiting.iter().position(&is_lost) else { continue };
            let cut = line.waiting.split_off(first);
            self.waiting -= cut.len();
            let (lost, behind): (Vec<_>, Vec<_>) = cut.into_iter().partition(&is_lost);
            taken.lost.extend(lost);
            taken.behind.extend(behind);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn group() -> Group {
        "a".into()
    }

    /// A line with these messages, of which the first has its turn.
    fn line_of(messages: &[u32]) -> (PreparationLines<u32>, PreparationTurn) {
        let mut lines = PreparationLines::default();
        for message in messages {
            lines.push(*message, group());
        }
        let (_, turn) = lines.next(&group()).unwrap();
        (lines, turn)
    }

    #[test]
    fn a_group_has_one_task_until_its_line_is_empty() {
        let mut lines = PreparationLines::default();
        assert_eq!([1, 2].map(|message| lines.push(message, group())), [true, false]);
        let taken: Vec<_> = std::iter::from_fn(|| lines.next(&group())).map(|(message, _)| message).collect();
        assert_eq!(taken, [1, 2]);
        assert!(lines.push(3, group()));
    }

    #[test]
    fn a_failure_takes_the_turn_and_all_waiting_messages_and_none_that_arrives_later() {
        let (mut lines, turn) = line_of(&[1, 2, 3]);
        assert_eq!((lines.fail(&group(), SECOND), lines.waiting()), (vec![2, 3], 0));
        assert_eq!(turn.lost_by_now(), Some(SECOND));
        lines.push(1, group());
        let (message, turn) = lines.next(&group()).unwrap();
        assert_eq!((message, turn.lost_by_now()), (1, None));
    }

    #[test]
    fn a_failure_of_one_group_takes_nothing_of_another() {
        let (mut lines, turn) = line_of(&[1, 2]);
        assert!(lines.fail(&"b".into(), SECOND).is_empty());
        assert_eq!((turn.lost_by_now(), lines.next(&group()).map(|(message, _)| message)), (None, Some(2)));
    }

    #[test]
    fn all_are_taken_with_their_turns_when_all_are_given_back() {
        let (mut lines, turn) = line_of(&[1, 2]);
        lines.push(3, "b".into());
        let mut taken = lines.take_all(SECOND);
        taken.sort_unstable();
        assert_eq!((taken, turn.lost_by_now(), lines.waiting()), (vec![2, 3], Some(SECOND), 0));
    }

    #[test]
    fn messages_behind_a_lost_one_do_not_overtake_it() {
        let (mut lines, turn) = line_of(&[1, 2, 3, 4]);
        let LostMessages { lost, behind } = lines.take_lost(|message| *message == 3);
        assert_eq!((lost, behind, turn.lost_by_now()), (vec![3], vec![4], None));
        assert_eq!(lines.waiting(), 1);
        assert_eq!(lines.next(&group()).map(|(message, _)| message), Some(2));
    }
}
