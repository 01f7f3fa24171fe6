//! The tasks that a worker orders itself: it raises the desired count of its service while its queues have more messages than
//! the tasks can start in time. It asks SQS how many there are, so no metric is late; to take tasks away is left to others.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use aws_config::SdkConfig;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

use super::{AgentError, EcsError, EcsService, agent::http_address, protection::LogLimiter};
use crate::{
    stop::Stop,
    tasks::{End, Tasks},
    telemetry::events,
};

/// The pause between two looks at the queues, give or take a quarter, so that the tasks of a service do not call ECS together.
const LOOKS: Duration = Duration::from_secs(2);
/// The time for which a desired count is taken as it was read last; after a failure, nothing is ordered for as long.
const KNOWN: Duration = Duration::from_secs(30);
/// The time in which the tasks are to start all that waits, unless it is set.
pub(super) const BACKLOG_TARGET: Duration = Duration::from_mins(1);

/// The number of tasks of the task's service.
///
/// # Contract
///
/// - No call retries by itself, and each ends within its own time limit.
/// - Futures may be dropped.
pub(crate) trait ServiceSize: Send + Sync + 'static {
    /// Reads the desired count; `None` for a task of no service.
    fn desired(&self) -> BoxFuture<'_, Result<Option<u32>, EcsError>>;

    /// Sets the desired count, and nothing else.
    fn set_desired(&self, count: u32) -> BoxFuture<'_, Result<(), EcsError>>;
}

/// The service whose tasks a worker orders, the most of them, and the time in which they are to start all that waits.
///
/// ```
/// use std::num::NonZeroU32;
///
/// use longshore::ecs::{AgentError, ScaleOutPlan};
///
/// fn plan(config: aws_config::SdkConfig) -> Option<Result<ScaleOutPlan, AgentError>> {
///     // ECS sets it in every container.
///     let metadata = std::env::var("ECS_CONTAINER_METADATA_URI_V4").ok()?;
///     Some(ScaleOutPlan::of_task(&metadata, config, NonZeroU32::new(10)?))
/// }
/// ```
#[derive(Clone)]
pub struct ScaleOutPlan {
    service: Arc<dyn ServiceSize>,
    max_tasks: NonZeroU32,
    backlog_target: Duration,
}

impl ScaleOutPlan {
    /// Raises the desired count of the task's service, to so many tasks at most.
    ///
    /// `metadata` is the URL that ECS sets as `ECS_CONTAINER_METADATA_URI_V4`. The task role needs `ecs:DescribeTasks`,
    /// `ecs:DescribeServices` and `ecs:UpdateService`.
    pub fn of_task(metadata: &str, config: SdkConfig, max_tasks: NonZeroU32) -> Result<Self, AgentError> {
        let service = EcsService::new(http_address(metadata)?, config);
        Ok(Self::with(Arc::new(service), max_tasks))
    }

    pub(crate) fn with(service: Arc<dyn ServiceSize>, max_tasks: NonZeroU32) -> Self {
        Self { service, max_tasks, backlog_target: BACKLOG_TARGET }
    }

    /// Sets the time in which the tasks are to start all that waits; default: 60 s.
    #[must_use]
    pub fn backlog_target(self, backlog_target: Duration) -> Self {
        Self { backlog_target, ..self }
    }
}

/// The messages of one queue, as one worker knows them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueLoad {
    /// Messages that wait.
    pub(crate) waiting: u64,
    /// Messages that some worker holds.
    pub(crate) in_flight: u64,
    /// The seconds that this task alone would need for all of them.
    pub(crate) seconds_alone: f64,
    /// The slots of a task.
    pub(crate) concurrency: usize,
}

impl QueueLoad {
    /// The tasks that start all that waits within the target, and no more than have a slot for each message.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "no queue has 2^53 messages"
    )]
    fn tasks(self, target: Duration) -> u64 {
        let (waiting, all) = (self.waiting as f64, self.waiting.saturating_add(self.in_flight) as f64);
        if self.waiting == 0 {
            return 0;
        }
        let in_time = self.seconds_alone * (waiting / all) / target.as_secs_f64();
        let with_slots = all / self.concurrency.max(1) as f64;
        in_time.min(with_slots).ceil() as u64
    }
}

/// The running scale-out; it ends when this is dropped.
pub(crate) struct ScaleOut {
    _task: AbortOnDropHandle<()>,
}

impl ScaleOut {
    /// Looks at these loads until the stop.
    pub(crate) fn start(
        plan: ScaleOutPlan,
        loads: impl Fn() -> Vec<QueueLoad> + Send + 'static,
        tasks: &Tasks,
        stop: Stop,
    ) -> Self {
        let orders = Orders { plan, known: None, limiter: LogLimiter::default() };
        let run = async move {
            tokio::select! {
                biased;
                () = stop.draining() => {}
                () = orders.run(loads) => {}
            }
        };
        Self { _task: AbortOnDropHandle::new(tasks.spawn("scale-out", End::Fine, run)) }
    }
}

/// The desired count as it was read or set last.
#[derive(Clone, Copy, Debug)]
struct Known {
    count: u32,
    until: Instant,
}

/// The loop that orders tasks.
struct Orders {
    plan: ScaleOutPlan,
    known: Option<Known>,
    limiter: LogLimiter,
}

impl Orders {
    /// Runs until the task turns out to be of no service.
    async fn run(mut self, loads: impl Fn() -> Vec<QueueLoad>) {
        loop {
            sleep(LOOKS.mul_f64(0.75 + 0.5 * fastrand::f64())).await;
            let needed = self.needed(&loads());
            // One task is this one.
            if needed <= self.known_count().unwrap_or(1) {
                continue;
            }
            match raised(&*self.plan.service, needed, self.plan.max_tasks.get()).await {
                Ok(Some(count)) => {
                    self.limiter.reset();
                    self.know(count);
                }
                Ok(None) => return events::ScaleOutNeedless {}.emit(),
                Err(error) => self.failed(&error, needed),
            }
        }
    }

    fn failed(&mut self, error: &EcsError, needed: u32) {
        if self.limiter.is_due(&error.to_string(), Instant::now()) {
            events::TasksNotOrdered { error, needed }.emit();
        }
        self.know(self.plan.max_tasks.get());
    }

    /// The tasks that the queue with the most work needs, at most so many as there may be.
    fn needed(&self, loads: &[QueueLoad]) -> u32 {
        let tasks = loads.iter().map(|load| load.tasks(self.plan.backlog_target)).max().unwrap_or_default();
        u32::try_from(tasks).unwrap_or(u32::MAX).min(self.plan.max_tasks.get())
    }

    fn known_count(&self) -> Option<u32> {
        self.known.filter(|known| Instant::now() < known.until).map(|known| known.count)
    }

    fn know(&mut self, count: u32) {
        self.known = Some(Known { count, until: Instant::now() + KNOWN });
    }
}

/// Raises the desired count of a service where it is lower, and returns what counts then; `None` for a task of no service.
async fn raised(service: &dyn ServiceSize, needed: u32, max_tasks: u32) -> Result<Option<u32>, EcsError> {
    match service.desired().await? {
        // A service that wants no task is being stopped, and so is this one.
        Some(0) => Ok(Some(max_tasks)),
        Some(desired) if desired < needed => {
            service.set_desired(needed).await?;
            events::TasksOrdered { desired, needed }.emit();
            Ok(Some(needed))
        }
        desired => Ok(desired),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tasks for so many messages waiting and in flight, each of which takes so many seconds, at 16 slots a task.
    fn tasks(waiting: u64, in_flight: u64, seconds: f64) -> u64 {
        #[expect(clippy::cast_precision_loss, reason = "few messages")]
        let seconds_alone = (waiting + in_flight) as f64 * seconds / 16.0;
        QueueLoad { waiting, in_flight, seconds_alone, concurrency: 16 }.tasks(BACKLOG_TARGET)
    }

    #[test]
    fn so_many_tasks_are_needed_as_start_all_that_waits_in_time_and_no_more_than_have_a_slot_for_each_message()
     {
        for (waiting, in_flight, seconds, needed) in [
            (0, 160, 30.0, 0),
            (1, 16, 30.0, 1),
            (32, 16, 30.0, 1),
            (33, 16, 30.0, 2),
            (6_000, 16, 2.0, 13),
            (12, 4, 7_200.0, 1),
            (28, 4, 7_200.0, 2),
            (5, 0, 0.0, 0),
        ] {
            assert_eq!(tasks(waiting, in_flight, seconds), needed, "{waiting} {in_flight} {seconds}");
        }
    }
}
