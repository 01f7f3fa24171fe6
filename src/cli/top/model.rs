//! The state of `longshore top`: the workers' answers, the order of the rows, and the effect of each key; pure.

use std::{cmp::Ordering, collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

/// The time over which rates are computed.
const RATE_WINDOW: Duration = Duration::from_secs(10);

/// A worker's status, as far as it is shown; an older or newer worker may lack parts.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ShownStatus {
    draining: bool,
    pub(super) queues: Vec<ShownQueue>,
    opening: Vec<ShownOpening>,
}

/// A queue that is not open yet.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ShownOpening {
    queue: String,
    last_error: Option<String>,
}

/// A queue of a worker.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ShownQueue {
    pub(super) queue: String,
    pub(super) state: String,
    pub(super) why: String,
    pub(super) running: u64,
    pub(super) concurrency: u64,
    pub(super) waiting: u64,
    pub(super) settling: u64,
    paused: Vec<ShownPause>,
    totals: ShownTotals,
    pub(super) oldest_waiting_seconds: Option<f64>,
    pub(super) queue_messages: Option<ShownCounts>,
    pub(super) dlq_messages: Option<u64>,
    pub(super) calls: Vec<ShownCall>,
    pub(super) failures: Vec<ShownFailure>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ShownPause {
    reason: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct ShownTotals {
    received: u64,
    done: u64,
    failed: u64,
}

/// The messages of a queue by SQS's count.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ShownCounts {
    pub(super) visible: u64,
    pub(super) in_flight: u64,
}

/// A call that runs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ShownCall {
    pub(super) message_id: String,
    pub(super) attempt: u64,
    pub(super) seconds: f64,
    pub(super) since: String,
}

/// A receive that failed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ShownFailure {
    pub(super) message_id: String,
    pub(super) attempt: u64,
    state: String,
    ending: Option<String>,
    reason: Option<String>,
    pub(super) ended_at: Option<String>,
    pub(super) next_try_at: Option<String>,
}

impl ShownFailure {
    pub(super) fn ending(&self) -> &str {
        self.ending.as_deref().unwrap_or(&self.state)
    }

    pub(super) fn reason(&self) -> &str {
        self.reason.as_deref().unwrap_or("no reason given")
    }
}

/// The messages a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rates {
    pub(super) received: Option<f64>,
    pub(super) done: Option<f64>,
    pub(super) failed: Option<f64>,
}

/// The latest totals of one queue of one worker.
#[derive(Clone, Debug, Default)]
struct Samples(Vec<(Instant, ShownTotals)>);

impl Samples {
    fn push(&mut self, now: Instant, totals: ShownTotals) {
        let has_restarted = self.0.last().is_some_and(|(_, last)| totals.received < last.received);
        if has_restarted {
            self.0.clear();
        }
        self.0.push((now, totals));
        while self.0.len() > 2 && now - self.0[0].0 > RATE_WINDOW {
            self.0.remove(0);
        }
    }

    fn rates(&self) -> Rates {
        let (Some((began, first)), Some((now, last))) = (self.0.first(), self.0.last()) else {
            return Rates::default();
        };
        let seconds = (*now - *began).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "no worker handles 2^53 messages in ten seconds")]
        let rate =
            |first: u64, last: u64| (seconds > 0.0).then(|| last.saturating_sub(first) as f64 / seconds);
        Rates {
            received: rate(first.received, last.received),
            done: rate(first.done, last.done),
            failed: rate(first.failed, last.failed),
        }
    }
}

/// One worker, and its last answer.
#[derive(Clone, Debug)]
struct TopWorker {
    address: String,
    answer: Option<Result<ShownStatus, String>>,
    samples: BTreeMap<String, Samples>,
}

/// A row of the table: a queue of a worker, or a worker or queue without one.
#[derive(Clone, Debug)]
pub(super) struct TopRow {
    /// The number of the worker, in the order of the addresses.
    pub(super) worker: usize,
    pub(super) address: String,
    pub(super) queue: ShownQueue,
    pub(super) rates: Rates,
    /// True for a queue that is open, which can be paused.
    pub(super) is_open: bool,
}

/// The order of the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum SortBy {
    #[default]
    Queue,
    State,
    Running,
    Waiting,
    DoneRate,
    FailedRate,
    LongestCall,
    Visible,
    Dlq,
}

impl SortBy {
    const ALL: [Self; 9] = [
        Self::Queue,
        Self::State,
        Self::Running,
        Self::Waiting,
        Self::DoneRate,
        Self::FailedRate,
        Self::LongestCall,
        Self::Visible,
        Self::Dlq,
    ];

    /// The heading of the column.
    pub(super) fn heading(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::State => "state",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::DoneRate => "done/s",
            Self::FailedRate => "failed/s",
            Self::LongestCall => "longest",
            Self::Visible => "visible",
            Self::Dlq => "dlq",
        }
    }

    fn next(self, step: usize) -> Self {
        let at = Self::ALL.iter().position(|sort| *sort == self).unwrap_or(0);
        Self::ALL[(at + step) % Self::ALL.len()]
    }

    /// Texts in their order, numbers from the largest.
    fn compare(self, one: &TopRow, other: &TopRow) -> Ordering {
        let by_name = || (&one.queue.queue, one.worker).cmp(&(&other.queue.queue, other.worker));
        let number = |of: fn(&TopRow) -> f64| of(other).total_cmp(&of(one));
        #[expect(clippy::cast_precision_loss, reason = "the order of counts beyond 2^53 matters to nobody")]
        let by_column = match self {
            Self::Queue => Ordering::Equal,
            Self::State => one.queue.state.cmp(&other.queue.state),
            Self::Running => number(|row| row.queue.running as f64),
            Self::Waiting => number(|row| row.queue.waiting as f64),
            Self::DoneRate => number(|row| row.rates.done.unwrap_or_default()),
            Self::FailedRate => number(|row| row.rates.failed.unwrap_or_default()),
            Self::LongestCall => number(|row| row.queue.longest().unwrap_or_default()),
            Self::Visible => number(|row| row.queue.queue_messages.unwrap_or_default().visible as f64),
            Self::Dlq => number(|row| row.queue.dlq_messages.unwrap_or_default() as f64),
        };
        by_column.then_with(by_name)
    }
}

impl ShownQueue {
    /// The seconds for which the longest call runs.
    pub(super) fn longest(&self) -> Option<f64> {
        self.calls.iter().map(|call| call.seconds).reduce(f64::max)
    }

    fn is_paused_by_operator(&self) -> bool {
        self.paused.iter().any(|pause| pause.reason == "operator")
    }
}

/// A key that has an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TopKey {
    Up,
    Down,
    /// Opens the selected queue.
    Open,
    /// Closes what is open, or ends.
    Back,
    Sort,
    SortBack,
    Reverse,
    /// Asks whether to pause or resume the selected queue.
    Pause,
    Yes,
    End,
    Other,
}

/// The effect of a key beyond the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TopEffect {
    None,
    End,
    /// Pauses or resumes a queue.
    Control(ControlOrder),
}

/// The request to pause or resume a queue of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ControlOrder {
    pub(super) worker: usize,
    pub(super) queue: String,
    /// `pause` or `resume`.
    pub(super) verb: &'static str,
}

/// The whole state.
#[derive(Clone, Debug)]
pub(super) struct TopState {
    workers: Vec<TopWorker>,
    pub(super) sort: SortBy,
    pub(super) is_reversed: bool,
    /// The worker and the queue of the selected row, which stays selected as rows move.
    selected: Option<(usize, String)>,
    /// True while the selected queue is shown alone.
    pub(super) is_open: bool,
    /// The order that waits for a yes.
    pub(super) asked: Option<ControlOrder>,
    /// The result of the last order.
    pub(super) note: Option<String>,
}

impl TopState {
    pub(super) fn new(addresses: impl IntoIterator<Item = String>) -> Self {
        let worker = |address| TopWorker { address, answer: None, samples: BTreeMap::new() };
        Self {
            workers: addresses.into_iter().map(worker).collect(),
            sort: SortBy::default(),
            is_reversed: false,
            selected: None,
            is_open: false,
            asked: None,
            note: None,
        }
    }

    /// True if there are several workers, so that each row needs its worker's address.
    pub(super) fn has_several_workers(&self) -> bool {
        self.workers.len() > 1
    }

    /// Notes a worker's answer.
    pub(super) fn answered(&mut self, worker: usize, answer: Result<Value, String>, now: Instant) {
        let Some(worker) = self.workers.get_mut(worker) else { return };
        let parse = |status| serde_json::from_value(status).map_err(|error| format!("no status: {error}"));
        let answer: Result<ShownStatus, String> = answer.and_then(parse);
        for queue in answer.iter().flat_map(|status| &status.queues) {
            worker.samples.entry(queue.queue.clone()).or_default().push(now, queue.totals);
        }
        worker.answer = Some(answer);
    }

    /// The rows, in their order.
    pub(super) fn rows(&self) -> Vec<TopRow> {
        let mut rows: Vec<_> =
            self.workers.iter().enumerate().flat_map(|(at, worker)| worker.rows(at)).collect();
        rows.sort_by(|one, other| self.sort.compare(one, other));
        if self.is_reversed {
            rows.reverse();
        }
        rows
    }

    /// The index of the selected row, the first if none is selected.
    pub(super) fn selected(&self, rows: &[TopRow]) -> usize {
        let is_selected = |row: &TopRow| {
            self.selected
                .as_ref()
                .is_some_and(|(worker, queue)| (*worker, queue) == (row.worker, &row.queue.queue))
        };
        rows.iter().position(is_selected).unwrap_or(0)
    }

    /// The effect of a key.
    pub(super) fn press(&mut self, key: TopKey) -> TopEffect {
        self.note = None;
        if let Some(order) = self.asked.take() {
            return if key == TopKey::Yes { TopEffect::Control(order) } else { TopEffect::None };
        }
        match key {
            TopKey::Up => self.select(|at, _| at.saturating_sub(1)),
            TopKey::Down => self.select(|at, count| (at + 1).min(count.saturating_sub(1))),
            TopKey::Open => self.is_open = true,
            TopKey::Back if self.is_open => self.is_open = false,
            TopKey::Back | TopKey::End => return TopEffect::End,
            TopKey::Sort => self.sort = self.sort.next(1),
            TopKey::SortBack => self.sort = self.sort.next(SortBy::ALL.len() - 1),
            TopKey::Reverse => self.is_reversed = !self.is_reversed,
            TopKey::Pause => self.ask(),
            TopKey::Yes | TopKey::Other => {}
        }
        TopEffect::None
    }

    fn select(&mut self, step: impl Fn(usize, usize) -> usize) {
        let rows = self.rows();
        let at = step(self.selected(&rows), rows.len());
        self.selected = rows.get(at).map(|row| (row.worker, row.queue.queue.clone()));
    }

    fn ask(&mut self) {
        let rows = self.rows();
        let Some(TopRow { worker, queue, .. }) = rows.get(self.selected(&rows)).filter(|row| row.is_open)
        else {
            return;
        };
        let verb = if queue.is_paused_by_operator() { "resume" } else { "pause" };
        self.selected = Some((*worker, queue.queue.clone()));
        self.asked = Some(ControlOrder { worker: *worker, queue: queue.queue.clone(), verb });
    }

    /// The address of a worker.
    pub(super) fn address(&self, worker: usize) -> &str {
        self.workers.get(worker).map_or("", |worker| &worker.address)
    }
}

impl TopWorker {
    fn rows(&self, at: usize) -> Vec<TopRow> {
        let row = |queue: ShownQueue, is_open| {
            let rates = self.samples.get(&queue.queue).map(Samples::rates).unwrap_or_default();
            TopRow { worker: at, address: self.address.clone(), queue, rates, is_open }
        };
        let without = |queue: &str, state: &str, why: String| {
            let queue =
                ShownQueue { queue: queue.to_owned(), state: state.to_owned(), why, ..ShownQueue::default() };
            row(queue, false)
        };
        match &self.answer {
            None => {
                vec![without("-", "asking", "The worker was asked, and has not answered yet.".to_owned())]
            }
            Some(Err(error)) => {
                vec![without("-", "no answer", format!("The worker does not answer: {error}."))]
            }
            Some(Ok(status)) => {
                let open = status.queues.iter().map(|queue| row(queue.clone(), true));
                let opening = status.opening.iter().map(|ShownOpening { queue, last_error }| {
                    let error = last_error.as_deref().unwrap_or("SQS has not answered yet");
                    without(queue, "opening", format!("The queue is not open: {error}."))
                });
                let mut rows: Vec<_> = open.chain(opening).collect();
                if rows.is_empty() {
                    let state = if status.draining { "stopping" } else { "starting" };
                    rows.push(without("-", state, "The worker has no queue open.".to_owned()));
                }
                rows
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn queue(name: &str, running: u64, done: u64) -> Value {
        json!({ "queue": name, "state": "full", "running": running, "totals": { "received": done, "done": done } })
    }

    fn state_of(queues: &[Value]) -> TopState {
        let mut state = TopState::new(["a:9090".to_owned()]);
        state.answered(0, Ok(json!({ "queues": queues })), Instant::now());
        state
    }

    fn names(state: &TopState) -> Vec<String> {
        state.rows().into_iter().map(|row| row.queue.queue).collect()
    }

    #[test]
    fn rows_are_sorted_by_the_chosen_column_and_the_selected_queue_stays_selected() {
        let mut state = state_of(&[queue("b", 1, 0), queue("a", 2, 0), queue("c", 3, 0)]);
        assert_eq!(names(&state), ["a", "b", "c"]);
        state.press(TopKey::Down);
        while state.sort != SortBy::Running {
            state.press(TopKey::Sort);
        }
        assert_eq!(names(&state), ["c", "a", "b"], "the largest number first");
        assert_eq!(state.selected(&state.rows()), 2, "b moved");
        state.press(TopKey::Reverse);
        assert_eq!((names(&state).remove(0), state.selected(&state.rows())), ("b".to_owned(), 0));
        state.press(TopKey::SortBack);
        assert_eq!(state.sort, SortBy::State);
    }

    #[tokio::test(start_paused = true)]
    async fn rates_are_those_of_the_last_ten_seconds_and_a_restart_begins_anew() {
        let mut state = TopState::new(["a:9090".to_owned()]);
        let mut answer = |done: u64| {
            state.answered(0, Ok(json!({ "queues": [queue("a", 0, done)] })), Instant::now());
            state.rows().remove(0).rates.done
        };
        assert_eq!(answer(100), None);
        for second in 1..=30 {
            tokio::time::advance(Duration::from_secs(1)).await;
            let burst = if second > 15 { 1_000 } else { 0 };
            answer(100 + second * 2 + burst);
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(answer(1_162), Some(2.0), "the burst is over");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(answer(5), None);
    }

    #[test]
    fn a_queue_is_paused_and_resumed_after_a_yes_only() {
        let mut state = state_of(&[queue("a", 0, 0)]);
        assert_eq!(state.press(TopKey::Pause), TopEffect::None);
        let order = state.asked.clone().unwrap();
        assert_eq!((order.verb, order.queue.as_str()), ("pause", "a"));
        assert_eq!(state.press(TopKey::Other), TopEffect::None, "no is the answer of every other key");
        assert_eq!(state.press(TopKey::Yes), TopEffect::None);
        state.press(TopKey::Pause);
        assert_eq!(state.press(TopKey::Yes), TopEffect::Control(order));
        let mut paused = queue("a", 0, 0);
        paused["paused"] = json!([{ "reason": "operator", "details": "by hand" }]);
        state.answered(0, Ok(json!({ "queues": [paused] })), Instant::now());
        state.press(TopKey::Pause);
        assert_eq!(state.asked.unwrap().verb, "resume");
    }

    #[test]
    fn a_worker_that_does_not_answer_and_a_queue_that_is_not_open_have_rows() {
        let mut state = TopState::new(["a:9090".to_owned(), "b:9090".to_owned()]);
        state.answered(0, Err("connection refused".to_owned()), Instant::now());
        let opening = json!([{ "queue": "late", "lastError": "no such queue" }]);
        state.answered(1, Ok(json!({ "queues": [], "opening": opening })), Instant::now());
        let rows = state.rows();
        let shown: Vec<_> =
            rows.iter().map(|row| (row.queue.state.as_str(), row.queue.why.as_str())).collect();
        assert!(
            shown.contains(&("no answer", "The worker does not answer: connection refused.")),
            "{shown:?}"
        );
        assert!(shown.contains(&("opening", "The queue is not open: no such queue.")), "{shown:?}");
        state.press(TopKey::Pause);
        assert_eq!(state.asked, None, "nothing to pause");
    }

    #[test]
    fn back_closes_a_queue_first_and_then_ends() {
        let mut state = state_of(&[queue("a", 0, 0)]);
        state.press(TopKey::Open);
        assert_eq!((state.press(TopKey::Back), state.is_open), (TopEffect::None, false));
        assert_eq!(state.press(TopKey::Back), TopEffect::End);
    }
}
