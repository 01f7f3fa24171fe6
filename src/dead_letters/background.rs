//! The work on DLQs that a running worker does for an operator: in the background, one task of a queue at a time.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use serde::Serialize;

use super::{
    DlqLocation, MessageFilter, Pace, Redrive, RedriveCounts, RedriveDestination, RedriveEnd, RedrivePlan,
    ShownMessage, USUAL_STOP_AFTER, USUAL_WATCH, Visit, VisitEnd, visit,
};
use crate::{
    consumer::settle::StoredRejection,
    message::Message,
    queue::{Queue, QueueError},
    stop::Stop,
    telemetry::events,
};

/// The bytes of a body that a peek shows at most.
const BODY_BYTES: usize = 500;

/// The latest task of each queue.
#[derive(Debug, Default)]
pub(crate) struct DlqTasks(Mutex<BTreeMap<String, Arc<DlqTask>>>);

/// A task, and its state as far as it has come.
#[derive(Debug)]
struct DlqTask {
    report: Mutex<DlqTaskReport>,
    stop: Stop,
}

/// A task that runs; dropped before its end, it has failed.
#[derive(Debug)]
pub(crate) struct RunningDlqTask {
    task: Arc<DlqTask>,
    /// The worker's own stop, which ends the task.
    worker: Stop,
}

/// The kind of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum DlqTaskKind {
    /// Shows the beginning of some messages.
    Peek,
    /// Sends messages back to the queue.
    Redrive,
    /// Deletes messages.
    Delete,
}

/// The state of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum DlqTaskState {
    /// It has not ended.
    Running,
    /// It has done all that it was to do and found.
    Finished,
    /// It has stopped because what it has sent came back.
    CameBack,
    /// It was stopped.
    Interrupted,
    /// A call has failed.
    Failed,
}

impl DlqTaskState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::CameBack => "came back",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }
}

/// A task, for people and scripts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DlqTaskReport {
    /// Its kind.
    pub(crate) task: DlqTaskKind,
    /// Its state.
    pub(crate) state: DlqTaskState,
    /// The messages that were shown, sent or deleted.
    pub(crate) done: usize,
    /// Those that should be and were not, or not for certain.
    pub(crate) not_done: usize,
    /// Those that were read, and that it was not about.
    pub(crate) left_out: usize,
    /// Those that were sent, failed again and are back in the DLQ.
    pub(crate) came_back: usize,
    /// The failure that has ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// The messages that a redrive is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChosenMessages {
    /// All of them: slowly at first, and no further once one comes back.
    All,
    /// Those of these ids, at once.
    Ids(Vec<String>),
}

/// A message of a peek.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PeekedMessage {
    id: String,
    sent_at: Option<String>,
    age_seconds: Option<u64>,
    receives: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected: Option<StoredRejection>,
    /// The beginning of the body.
    body: String,
    /// The length of the whole body.
    body_bytes: usize,
}

impl DlqTasks {
    fn tasks(&self) -> MutexGuard<'_, BTreeMap<String, Arc<DlqTask>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a task of a queue, which ends with the worker; `None` while another one of it runs.
    pub(crate) fn begin(&self, queue: &str, kind: DlqTaskKind, worker: Stop) -> Option<RunningDlqTask> {
        let mut tasks = self.tasks();
        if tasks.get(queue).is_some_and(|task| task.report().state == DlqTaskState::Running) {
            return None;
        }
        let report = DlqTaskReport {
            task: kind,
            state: DlqTaskState::Running,
            done: 0,
            not_done: 0,
            left_out: 0,
            came_back: 0,
            error: None,
        };
        let task = Arc::new(DlqTask { report: Mutex::new(report), stop: Stop::new() });
        tasks.insert(queue.to_owned(), task.clone());
        Some(RunningDlqTask { task, worker })
    }

    /// The state of the latest task of a queue.
    pub(crate) fn report(&self, queue: &str) -> Option<DlqTaskReport> {
        self.tasks().get(queue).map(|task| task.report().clone())
    }

    /// Stops the task of a queue after the call under way.
    pub(crate) fn stop(&self, queue: &str) {
        if let Some(task) = self.tasks().get(queue) {
            task.stop.drain();
        }
    }
}

impl DlqTask {
    fn report(&self) -> MutexGuard<'_, DlqTaskReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RunningDlqTask {
    fn drop(&mut self) {
        let mut report = self.task.report();
        if report.state == DlqTaskState::Running {
            (report.state, report.error) = (DlqTaskState::Failed, Some("it has ended early".to_owned()));
        }
    }
}

impl RunningDlqTask {
    /// Its state.
    pub(crate) fn report(&self) -> DlqTaskReport {
        self.task.report().clone()
    }

    /// Ends it with a failure.
    pub(crate) fn fail(self, error: &QueueError) {
        self.end(DlqTaskState::Failed, Some(error));
    }

    /// Shows the beginnings of at most so many messages, each of which that costs a receive.
    ///
    /// They are visible again when it ends; the number is that of those that are so within a minute only.
    pub(crate) async fn peek(
        self,
        dlq: Arc<dyn Queue>,
        limit: usize,
    ) -> Result<(Vec<PeekedMessage>, usize), QueueError> {
        let mut messages = Vec::new();
        let end = self.visit(dlq, MessageFilter::default(), limit, |message| {
            messages.push(PeekedMessage::of(message, SystemTime::now()));
        });
        let VisitEnd { failure, unreleased, .. } = end.await;
        failure.map_or(Ok((messages, unreleased)), Err)
    }

    /// Deletes the message of this id.
    pub(crate) async fn delete(self, queue: &str, location: DlqLocation, id: String) {
        let filter = MessageFilter { ids: [id].into(), ..MessageFilter::default() };
        let (task, dlq_name) = (self.task.clone(), location.name());
        self.visit(location.dlq, filter, 1, |_| ()).await;
        log(queue, &dlq_name, &task);
    }

    async fn visit(
        self,
        queue: Arc<dyn Queue>,
        filter: MessageFilter,
        limit: usize,
        mut show: impl FnMut(&Message),
    ) -> VisitEnd {
        let deletes = self.task.report().task == DlqTaskKind::Delete;
        let visited = Visit { queue, filter, limit: Some(limit), deletes, stop: self.task.stop.clone() };
        let visiting = visit(&visited, |(message, _)| {
            show(message);
            true
        });
        let end = self.until_stopped(visiting).await;
        {
            let mut report = self.task.report();
            (report.done, report.not_done) = (end.chosen - end.undeleted, end.undeleted);
            report.left_out = end.left_out;
        }
        let state = if end.is_interrupted { DlqTaskState::Interrupted } else { DlqTaskState::Finished };
        self.end(state, end.failure.as_ref());
        end
    }

    /// Sends messages back to the queue that the DLQ belongs to.
    pub(crate) async fn redrive(
        self,
        queue: &str,
        location: DlqLocation,
        target: Arc<dyn Queue>,
        chosen: ChosenMessages,
    ) {
        let dlq_name = location.name();
        let plan = RedrivePlan {
            dlq: location.dlq,
            dlq_arn: location.attributes.arn,
            target: RedriveDestination::One(target),
            filter: MessageFilter::default(),
            limit: None,
            pace: Pace::Growing,
            stop_after: USUAL_STOP_AFTER,
            watch: USUAL_WATCH,
            is_dry: false,
            stop: self.task.stop.clone(),
        };
        let plan = match chosen {
            ChosenMessages::All => plan,
            ChosenMessages::Ids(ids) => RedrivePlan {
                limit: Some(ids.len()),
                filter: MessageFilter { ids: ids.into_iter().collect(), ..MessageFilter::default() },
                pace: Pace::Unlimited,
                stop_after: 0,
                watch: Duration::ZERO,
                ..plan
            },
        };
        let redriving = Redrive::new(plan, None).run(|counts, _| self.count(counts));
        let (end, counts) = self.until_stopped(redriving).await;
        self.count(&counts);
        let task = self.task.clone();
        match end {
            RedriveEnd::Finished => self.end(DlqTaskState::Finished, None),
            RedriveEnd::CameBack => self.end(DlqTaskState::CameBack, None),
            RedriveEnd::Interrupted => self.end(DlqTaskState::Interrupted, None),
            RedriveEnd::Failed(error) => self.fail(&error),
        }
        log(queue, &dlq_name, &task);
    }

    /// Runs the work to its end, which the worker's own stop brings near.
    async fn until_stopped<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        tokio::select! {
            biased;
            output = &mut work => return output,
            () = self.worker.draining() => self.task.stop.drain(),
        }
        work.await
    }

    fn count(&self, counts: &RedriveCounts) {
        let mut report = self.task.report();
        report.done = counts.sent;
        report.not_done = counts.refused + counts.uncertain + counts.undeleted;
        (report.left_out, report.came_back) = (counts.left_out, counts.came_back);
    }

    fn end(self, state: DlqTaskState, failure: Option<&QueueError>) {
        let mut report = self.task.report();
        report.state = if failure.is_some() { DlqTaskState::Failed } else { state };
        report.error = failure.map(ToString::to_string);
    }
}

impl PeekedMessage {
    fn of(message: &Message, now: SystemTime) -> Self {
        let ShownMessage {
            id, sent_at, age_seconds, receives, group_id, source_arn, rejected, mut body, ..
        } = ShownMessage::of(message, now);
        let body_bytes = body.len();
        body.truncate(body.floor_char_boundary(BODY_BYTES));
        Self { id, sent_at, age_seconds, receives, group_id, source_arn, rejected, body, body_bytes }
    }
}

/// Logs the end of a task that has changed a DLQ.
fn log(queue: &str, dlq: &str, task: &DlqTask) {
    let report = task.report().clone();
    let (state, done, not_done) = (report.state.as_str(), report.done, report.not_done);
    match report.task {
        DlqTaskKind::Delete => events::DlqDeleted { queue, dlq, state, done, not_done }.emit(),
        _ => events::DlqRedriven { queue, dlq, state, done, not_done, came_back: report.came_back }.emit(),
    }
}
